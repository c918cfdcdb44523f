"""Read files that are tables of CloudTrail's events: CSV and Parquet.

A table is one of CloudTrail's where its columns have the names of a record's fields, or where a column holds whole
records, as Splunk's `_raw` does. Any other table is left alone.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from policygen.errors import missing_extra
from policygen.logs.decode.compression import UnpackBudget
from policygen.logs.decode.envelope import Item, items_of, to_record
from policygen.logs.decode.json_window import MEMORY, WINDOW, BadRecord
from policygen.logs.decode.rows import record_of_row
from policygen.logs.decode.trail_file import invalid_utf8_offset
from policygen.logs.decode.wrappings import key_word, refusal_of, text_holds_record
from policygen.logs.source import Damage
from policygen.text import escape_controls, sanitize

_PARQUET = b"PAR1"
_HEAD = 1 << 16
_NO_CSV = (b"{", b"[", b"\x00")
_RECORD_COLUMNS = ("eventjson", "cloudtrailevent", "raw", "event.original", "@message", "message")
"""Columns that may hold whole records, as words of `key_word`; the most certain first."""

_DELIMITERS = (",", ";", "\t", "|")
_ROWS = 1_000
_COPIES = 3
"""Copies of a Parquet file's unpacked content that are in memory at a time."""

_BYTES_PER_ROW = 8
"""Bytes that a row of a Parquet file has at least: each has an id of its own."""


def looks_like_table(head: bytes) -> bool:
    """Return whether the first bytes of a file may be those of a table of CloudTrail's events."""
    return head.startswith(_PARQUET) or _csv_header(head) is not None


def table_items(name: str, data: bytes, budget: UnpackBudget) -> Iterator[Item] | None:
    """Return everything in a table of CloudTrail's events; None where the bytes are no such table.

    Args:
        name: of the file, for the error.
        data: the file, unpacked.
        budget: what its columns of whole records may unpack to.

    Raises:
        UsageError: PG-E257, it is a Parquet file, and the package pyarrow is not installed.
    """
    if data.startswith(_PARQUET):
        _require_pyarrow(name)
        return _parquet_items(data, budget)
    header = _csv_header(data)
    if header is None or (b"eventSource" not in data and not _has_fields(header.columns)):
        return None
    return _csv_items(data, header, budget)


def _has_fields(columns: Collection[str]) -> bool:
    return {"eventname", "eventsource"} <= set(map(key_word, columns))


def _is_ours(columns: Sequence[str]) -> bool:
    return bool(_has_fields(columns) or _record_column(columns))


def _record_column(columns: Sequence[str]) -> str:
    words = {key_word(column): column for column in columns}
    return next((words[word] for word in _RECORD_COLUMNS if word in words), "")


def _repeated(columns: Sequence[str]) -> Damage | None:
    """Return the damage of a table that has a column twice: nobody can tell which value of a row is true."""
    words = Counter(map(key_word, columns))
    twice = next((column for column in columns if words[key_word(column)] > 1), None)
    return Damage(None, f"the column {sanitize(twice, 40)} stands twice in it") if twice is not None else None


def _row_items(row: Mapping[str, Any], columns: Sequence[str], budget: UnpackBudget) -> Iterator[Item]:
    """Yield what one row holds: the record that stands in a column, or the one that its columns are the fields of."""
    column = _record_column(columns)
    content = row.get(column) if column else None
    if isinstance(content, str) and (not _has_fields(columns) or text_holds_record(content)):
        yield from items_of(content, budget)
        return
    fields = {name: value for name, value in row.items() if value is not None and value != ""}
    refusal = refusal_of(fields)
    record = BadRecord(refusal.reason) if refusal else record_of_row(row, columns)
    yield record if isinstance(record, BadRecord) else to_record(record)


# ---- CSV ------------------------------------------------------------------------------------------------


class _Header(msgspec.Struct, frozen=True):
    """The first line of a CSV file."""

    columns: Sequence[str]
    delimiter: str


def _csv_header(data: bytes) -> _Header | None:
    """Return the header of a file, where its columns are those of a table of CloudTrail's events."""
    line = data[:_HEAD].partition(b"\n")[0].strip(b"\r")
    if not line or line.lstrip().startswith(_NO_CSV):
        return None
    try:
        text = line.decode()
        headers = [_Header(next(csv.reader([text], delimiter=sign), []), sign) for sign in _DELIMITERS]
    except (UnicodeDecodeError, csv.Error):
        return None
    return next((header for header in headers if _is_ours(header.columns)), None)


def _csv_items(data: bytes, header: _Header, budget: UnpackBudget) -> Iterator[Item]:
    offset = invalid_utf8_offset(data)
    if offset is not None:
        yield Damage(offset, f"not UTF-8 at byte {offset:,}")
        return
    if repeated := _repeated(header.columns):
        yield repeated
        return
    csv.field_size_limit(WINDOW)
    text = io.TextIOWrapper(io.BytesIO(data), "utf-8", newline="")
    rows = csv.reader(text, delimiter=header.delimiter, strict=True)
    columns = header.columns
    try:
        next(rows)
        for row in rows:
            if len(row) == len(columns):
                yield from _row_items(dict(zip(columns, row, strict=True)), columns, budget)
            elif row:
                yield BadRecord(f"a row of {len(row)} of {len(columns)} columns")
    except csv.Error as error:
        yield Damage(None, f"CSV is cut or corrupt at line {rows.line_num:,}: {sanitize(str(error))}")


# ---- Parquet --------------------------------------------------------------------------------------------


def _require_pyarrow(name: str) -> None:
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise missing_extra(
            f"the Parquet file {escape_controls(name)!r} cannot be read: the package pyarrow is not installed",
            "parquet",
            "pyarrow",
            "or name a folder without it, if it holds no CloudTrail events",
            code="PG-E257",
        ) from error


def _parquet_items(data: bytes, budget: UnpackBudget) -> Iterator[Item] | None:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(io.BytesIO(data))
        columns = list(file.schema_arrow.names)
        count = file.metadata.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        return iter([Damage(None, f"Parquet is cut or corrupt: {sanitize(str(error))}")])
    refusal = refusal_of(dict.fromkeys(columns))
    if refusal:
        return iter([Damage(None, f"{count:,} rows, each {refusal.reason}")])
    if not _is_ours(columns):
        return None
    if repeated := _repeated(columns):
        return iter([repeated])
    if count * _BYTES_PER_ROW > max(len(data), _HEAD):
        return iter([Damage(None, f"{count:,} rows in {len(data):,} bytes cannot be events")])
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    budget.take(_COPIES * sum(group.total_byte_size for group in groups))
    longest = max(
        (group.column(n).total_uncompressed_size for group in groups for n in range(group.num_columns)),
        default=1,
    )
    return _parquet_rows(file, columns, budget, _rows_at_once(count, longest))


def _rows_at_once(rows: int, longest: int) -> int:
    """Return how many rows to decode at once: each may repeat a value that is as long as its whole column."""
    return _ROWS if min(rows, _ROWS) * longest <= MEMORY else max(1, MEMORY // 4 // max(longest, 1))


def _parquet_rows(file: Any, columns: Sequence[str], budget: UnpackBudget, at_once: int) -> Iterator[Item]:
    import pyarrow as pa

    try:
        for batch in file.iter_batches(batch_size=min(at_once, _ROWS)):
            for row in batch.to_pylist():
                yield from _row_items(row, columns, budget)
    except (pa.ArrowException, OSError, ValueError) as error:
        yield Damage(None, f"Parquet is cut or corrupt: {sanitize(str(error))}")
