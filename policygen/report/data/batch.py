"""The rows of a batch: as a screen, as CSV, as Parquet."""

from __future__ import annotations

import io
from collections.abc import Sequence

import msgspec

from policygen.plan.batch_table import Row, in_order
from policygen.report.data.cells import table

SHOWN = 6
"""Roles on the screen; all are in the table's file."""


COLUMNS = (*Row.__struct_fields__, "cut_percent")
_NUMBERS = {
    "events", "days", "questions", "blind", "actions_now", "actions_proposed", "escalations_closed",
    "escalations_left",
}  # fmt: skip


def records(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Each row as plain values, in order."""
    return [
        msgspec.to_builtins(row) | {"cut_percent": None if row.cut is None else round(row.cut, 1)}
        for row in in_order(rows)
    ]


def to_csv(rows: Sequence[Row]) -> str:
    """The rows as CSV (RFC 4180), which no spreadsheet takes for formulas."""
    return table(COLUMNS, ([record[name] for name in COLUMNS] for record in records(rows)))


def to_parquet(rows: Sequence[Row]) -> bytes:
    """The rows as Parquet, with the types of their fields."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def kind(name: str) -> pa.DataType:
        if name == "cut_percent":
            return pa.float64()
        return pa.int64() if name in _NUMBERS else pa.string()

    schema = pa.schema([(name, kind(name)) for name in COLUMNS])
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records(rows), schema=schema), buffer, compression="zstd")
    return buffer.getvalue()
