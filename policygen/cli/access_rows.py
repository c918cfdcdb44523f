"""The entries of access logs as rows: what `policygen map` prints of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from policygen.logs.source import Batch, LogSource
    from policygen.rightsize.api.entries.reader import Entry, EntryReader, StageRef
    from policygen.rightsize.api.question import World

LOOKED_AT = 1_000
"""Lines of a source after which it is known whether they are entries of access logs."""


def stages_named(world: World, asked: str) -> list[StageRef]:
    """Return the stages that ``API`` or ``API/STAGE`` names; none for "".

    Raises:
        UsageError: PG-E380, several APIs have the name.
        NothingFoundError: PG-E381, there is no such API or stage.
    """
    from policygen.errors import NothingFoundError
    from policygen.rightsize.api.entries.reader import StageRef
    from policygen.rightsize.api.invocations import find_api
    from policygen.text import escape_controls

    if not asked:
        return []
    name, _, stage = asked.partition("/")
    api = find_api(world, name)
    if stage and api.stage(stage) is None:
        raise NothingFoundError(
            f"API {api.id} has no stage {escape_controls(stage)!r}",
            f"there are: {', '.join(one.name for one in api.stages[:8]) or 'none'}",
            code="PG-E381",
        )
    return [StageRef(api, stage)]


def map_entries(
    source: LogSource,
    snapshots: Sequence[Path],
    api: str,
    format_: str,
    *,
    quiet: bool,
    allow_incomplete: bool,
) -> bool:
    """Print what each entry of access logs shows; return False, and print nothing, where there are none.

    Raises:
        IncompleteError: a file is damaged, and gaps are not accepted.
        PolicygenError: what reading snapshots and logs raises.
    """
    from policygen.cli.output import write_stdout
    from policygen.cli.several_accounts import read_snapshots
    from policygen.logs.read_report import ReadReport, require_complete
    from policygen.logs.source import ENTRIES
    from policygen.rightsize.api.entries.reader import EntryReader
    from policygen.rightsize.api.question import World

    world = World(read_snapshots(snapshots))
    reader = EntryReader(world, stages_named(world, api))
    batches = source.read_lines()
    first, are_entries = _look_at(batches, reader)
    if not are_entries and not api and _holds_records(source):
        return False
    read_report, counts, rows = ReadReport(), Counter[str](), _EntryRows(reader)
    for batch in chain(first, batches):
        read_report.note(batch)
        lines = []
        for row in rows.of(batch):
            counts[row["status"]] += 1
            lines.append(_line(row, format_) + "\n")
        if lines:
            write_stdout("".join(lines), utf8=format_ == "jsonl")
    if not read_report.logs:
        raise source.no_logs_error(read_report.kinds, ENTRIES)
    if not quiet:
        _summary(counts, rows.repeated)
    require_complete(read_report, allow_incomplete=allow_incomplete)
    return True


def _look_at(batches: Iterator[Batch], reader: EntryReader) -> tuple[list[Batch], bool]:
    """Return the batches that were looked at, and whether they hold entries of access logs."""
    first: list[Batch] = []
    seen = 0
    for batch in batches:
        first.append(batch)
        if batch.lines is None:
            continue
        for text in batch.lines.texts[:LOOKED_AT]:
            seen += 1
            if reader.read(text, batch.lines.group).reading.status != "unreadable":
                return first, True
        if seen >= LOOKED_AT:
            break
    return first, False


def _holds_records(source: LogSource) -> bool:
    """Return whether a source holds records of CloudTrail."""
    from policygen.errors import NothingFoundError

    try:
        return any(batch.records for batch in source.read())
    except NothingFoundError:
        return False


class _EntryRows:
    """Makes rows of entries; an entry that comes again has none.

    Attributes:
        repeated: how many came again.
    """

    def __init__(self, reader: EntryReader) -> None:
        self._reader = reader
        self._ids: set[object] = set()
        self.repeated = 0

    def of(self, batch: Batch) -> Iterator[dict[str, Any]]:
        """Yield the rows of a batch."""
        if batch.lines is None:
            return
        for number, text in enumerate(batch.lines.texts, batch.lines.first):
            if not text.strip():
                continue
            entry = self._reader.read(text, batch.lines.group)
            if entry.id:
                key = (entry.id, entry.reading) if entry.is_unique else (entry.id, text)
                if key in self._ids:
                    self.repeated += 1
                    continue
                self._ids.add(key)
            came = batch.lines.times[number - batch.lines.first] if batch.lines.times else ""
            yield _row(entry, came, batch.name, number)


def _row(entry: Entry, came: str, file: str, line: int) -> dict[str, Any]:
    """Return an entry as plain values; its time is that of its format, else when it came into the log."""
    from policygen.rightsize.api.question import INVOKE

    reading = entry.reading
    one = reading.invoked
    request = {"action": INVOKE, "resource": reading.resource, "context": dict(reading.context)}
    return {
        "event_id": entry.id or None,
        "file": file,
        "line": line,
        "time": entry.time or came,
        "api": f"{one.api}/{one.stage}" if one.api else "",
        "status": one.status,
        "principal": one.principal or None,
        "subject": one.subject or None,
        "api_key_id": one.api_key or None,
        "requests": [request] if reading.resource else [],
        "why": reading.why,
    }


def _line(row: dict[str, Any], format_: str) -> str:
    import json

    from policygen.text import escape_controls

    if format_ == "jsonl":
        return json.dumps(row, ensure_ascii=True, separators=(",", ":"))
    asked = ", ".join(f"{one['action']} {one['resource']}" for one in row["requests"])
    return escape_controls(f"{row['status']:<16} {row['principal'] or '-'}: {asked or row['why']}")


def _summary(counts: Counter[str], repeated: int) -> None:
    """Write to stderr how many entries have each status."""
    from policygen.cli.console import log_line
    from policygen.text import pluralize

    by_status = ", ".join(f"{n:,} {status}" for status, n in sorted(counts.items()))
    log_line(f"{pluralize(counts.total(), 'line')}: {by_status or 'nothing to map'}")
    if repeated:
        log_line(f"left out: {repeated:,} that came again")
