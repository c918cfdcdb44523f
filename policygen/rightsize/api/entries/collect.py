"""Read the access logs of APIs, from any source of text, and count what they show."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from policygen.errors import NothingFoundError, UsageError
from policygen.evidence.observe import Logs, ObserveOptions
from policygen.logs.read_report import ReadReport, require_complete
from policygen.logs.registry import open_source
from policygen.logs.source import ENTRIES, QuerySource
from policygen.logs.window import Window, end_of, limit_of, scope_of, window_of
from policygen.logs.window_end import WindowEnd
from policygen.rightsize.api.entries.counting import EntryCounter
from policygen.rightsize.api.entries.reader import EntryReader, StageRef
from policygen.rightsize.api.question import World
from policygen.rightsize.api.usage import ApiUsage


def _no_progress(_: int) -> None:
    """Show no progress."""


def read_api_usage(
    logs: Logs,
    world: World,
    only: Sequence[StageRef] = (),
    options: ObserveOptions | None = None,
    *,
    on_progress: Callable[[int], None] = _no_progress,
) -> ApiUsage:
    """Read access logs and count who invoked what in a window.

    Args:
        logs: a source, or files, folders, ``s3://`` and ``logs:GROUP`` as `logs.registry.open_source` takes them.
        world: the accounts that are known; their stages' formats say how entries are read.
        only: the stages whose entries count, and which have written those that do not say where; none for all.
        options: the window, and whether gaps are accepted.
        on_progress: called after each batch, with the number of lines that were read.

    Raises:
        UsageError: PG-E202, the source gives no text; PG-E205 and PG-E206, no such window.
        NothingFoundError: PG-E302, there is no log file, or no line in it.
        IncompleteError: PG-W311, a file is damaged, and gaps are not accepted.
        PolicygenError: AWS refuses, where the source calls AWS.
    """
    options = options or ObserveOptions()
    limit = limit_of(options.days, options.until)
    source = open_source(logs)
    if isinstance(source, QuerySource):
        raise UsageError(
            "access logs are read line by line, and this source returns counts",
            "give files, s3:// or logs:GROUP",
            code="PG-E202",
        )
    limit = limit or end_of(source, options.on)
    counter = EntryCounter(EntryReader(world, only), limit)
    read_report, lines = ReadReport(), 0
    for batch in source.read_lines(scope_of(options.days, limit)):
        read_report.note(batch)
        if batch.lines:
            counter.add(batch.lines.texts, batch.lines.times, batch.lines.group)
            lines += len(batch.lines.texts)
            on_progress(lines)
    if not read_report.logs:
        raise source.no_logs_error(read_report.kinds, ENTRIES)
    require_complete(read_report, allow_incomplete=options.allow_incomplete)
    usage = counter.usage(_window(options.days, limit, counter.newest), read_report.gaps)
    if not usage.entries:
        raise NothingFoundError(
            "no entry of an access log in the window",
            "--days and --until say which days count",
            code="PG-E302",
        )
    return usage


def _window(days: int, limit: WindowEnd | None, newest: str) -> Window | None:
    return window_of(days, limit, newest) if limit or newest else None
