"""From a log source to counted calls: in this process or in several, with or without a cache, the same answer.

The stages of `read_source`: list the objects; leave out other accounts' logs that one role does not need; decide what
to search and cache, and whether workers pay; make chunks of the objects of each day; have the chunks counted; merge
them in the order of their days, each without the records that were counted before; at last count the cross-account
copies that no own record covers. A `QuerySource` does all this in its own engine.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from policygen.logs.audit import audit_reading
from policygen.logs.calls.counts import CallCounts
from policygen.logs.calls.dedup import days_within_reach
from policygen.logs.calls.spill import ROOM, ROOM_OF_COPIES, SpillStore
from policygen.logs.calls.stored_calls import CallReader
from policygen.logs.calls.table_count import TableCounter
from policygen.logs.chunk import (
    Chunk,
    ChunkResult,
    CountChunk,
    ReadRequest,
    count_and_pack_chunk,
    count_chunk,
    count_into,
    count_only,
    make_chunks,
)
from policygen.logs.events.event import LOST
from policygen.logs.other_accounts import without_spare
from policygen.logs.read_report import ReadReport
from policygen.logs.source import EVERYTHING, Batch, LogObject, LogSource, QuerySource, Reader, Scope, Source
from policygen.parallel import collect_young, gc_paused, map_ahead
from policygen.text import pluralize

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from policygen.logs.cache import Cache, CachedChunk

FLUSHED = 8
"""Chunks after which the cache is written: a killed process has to read so many again."""

MIN_CACHED_BYTES = 8 << 20
"""Bytes as stored below which all records of local files are decoded, and nothing is cached."""

MIN_PARALLEL_BYTES = 32 << 20
"""Bytes as stored from which several processes pay for their start."""


class Progress(NamedTuple):
    """How far the reading is."""

    objects: int
    of_objects: int
    size: int
    """Bytes as stored."""
    of_size: int
    records: int
    matches: int | None = None
    """Events of the role; None where no one role is asked for."""
    processes: int = 1
    """How many read."""


def _no_progress(_: Progress) -> None:
    """Show no progress."""


def _no_message(_: str) -> None:
    """Drop a message."""


def _no_cache(_: ReadRequest) -> None:
    """Cache nothing."""


class ReadOptions(msgspec.Struct, frozen=True):
    """How to read logs: executor, cache, progress. The answer does not depend on it."""

    executor: Executor | None = None
    """Where chunks are counted; None for this process. A small log is read in this process anyway."""
    processes: int = 1
    """How many the executor has."""
    max_in_flight: int = 4
    """Chunks that are handed out before the first result is taken, which bounds the memory."""
    cache: Callable[[ReadRequest], Cache | None] = _no_cache
    """Opens the cache of a request."""
    on_progress: Callable[[Progress], None] = _no_progress
    """Called after each chunk."""
    on_message: Callable[[str], None] = _no_message
    """Called with warnings, and with what a `QuerySource` reports while it works."""
    spill: SpillStore | None = None
    """Where calls and assumptions go when there are many, and all of them at the end; None keeps them in memory."""


def read_source(
    source: Source, request: ReadRequest, scope: Scope = EVERYTHING, options: ReadOptions | None = None
) -> ChunkResult:
    """Read a whole source.

    Args:
        source: of the logs.
        request: what to count.
        scope: what of the source is needed.
        options: how to read.

    Raises:
        PolicygenError: the source holds no log, or refuses to go on; PG-E351, a record was lost.
    """
    options = options or ReadOptions()
    result = ChunkResult(request.empty_counts())
    result.counts.known = request.known
    if isinstance(source, QuerySource):
        source.count_into(result.counts, request.role, scope, options.on_message)
        result.read_report.counted_by_engine = True
        _note_lost(result)
    else:
        _read_objects(source, request, scope, options, result)
    result.read_report.trails = source.trails
    audit_reading(result.read_report, result.counts.totals).check()
    result.counts.fold()
    if options.spill:
        options.spill.write(result.counts.calls, result.counts.sightings)
    return result


def _note_lost(result: ChunkResult) -> None:
    """Report the events of which an engine cannot tell the time or the caller: it names no records."""
    for reason in LOST:
        if lost := result.counts.totals.ignored[reason]:
            result.read_report.unreadable.append(("the table", f"{pluralize(lost, 'record')}: {reason}"))


def _read_objects(
    source: LogSource, request: ReadRequest, scope: Scope, options: ReadOptions, result: ChunkResult
) -> None:
    """Count all objects of a source into a result."""
    objects = _list_objects(source, scope, result.read_report)
    is_searched = sum(one.size for one in objects) >= MIN_CACHED_BYTES or source.remote
    cache = options.cache(request) if request.name and is_searched else None
    if request.search.own and scope.listed_account and (is_searched or scope.all_accounts is False):
        kinds = cache.kinds_folder if cache else None
        objects = _in_order(without_spare(source, objects, scope, result.read_report, kinds))
    size = sum(one.size for one in objects)
    executor = options.executor if _workers_pay(size, source.reader) else None
    if is_searched:
        objects = [one._replace(sampled=True) for one in objects]
    if is_searched and request.search.own:
        objects = [one._replace(wanted=request.search.of(one.account)) for one in objects]
    processes = options.processes if executor else 1
    progress = Progress(0, len(objects), 0, size, 0, _matches(result.counts, request), processes)
    options.on_progress(progress)
    try:
        with gc_paused():
            chunks = make_chunks(objects, request, cache)
            del objects  # the chunks hold them in less memory
            merger = _Merger(
                result,
                source.reader,
                request,
                cache,
                options.spill,
                _days_to_compare(chunks),
                TableCounter(result.counts),
            )
            # The cache needs the calls themselves.
            count = count_and_pack_chunk if options.spill and not cache else count_chunk
            for chunk, counted in _counted(source.reader, chunks, request, count, executor, options):
                merger.add(chunk, counted)
                progress = progress._replace(
                    objects=progress.objects + chunk.number,
                    size=progress.size + chunk.size,
                    records=result.read_report.items,
                    matches=_matches(result.counts, request),
                )
                options.on_progress(progress)
                if options.spill:
                    _make_room(result.counts, options.spill)
                if source.remote:
                    collect_young()
    finally:
        if cache:
            cache.close()
    if not result.read_report.logs:
        raise source.no_logs_error(result.read_report.kinds)
    result.counts.duplicates.forget()
    written = options.spill.all_copies(result.counts.copies) if options.spill else None
    result.counts.resolve_cross_account_copies(written)


def _make_room(counts: CallCounts, spill: SpillStore) -> None:
    """Write to disk what memory holds much of."""
    if counts.size > ROOM:
        counts.fold()
        spill.write(counts.calls, counts.sightings)
    if counts.copies.size > ROOM_OF_COPIES:
        spill.write_copies(counts.copies)


def _list_objects(source: LogSource, scope: Scope, read_report: ReadReport) -> list[LogObject]:
    """List the objects in the order of their days; batches that the listing gives go into the report."""
    objects = []
    for one in source.objects(scope):
        if isinstance(one, Batch):
            read_report.note(one)
        else:
            objects.append(one)
    return _in_order(objects)


def _in_order(objects: Iterable[LogObject]) -> list[LogObject]:
    return sorted(objects, key=lambda one: (one.day, one.account, one.region, one.name))


def _workers_pay(size: int, reader: Reader) -> bool:
    """Return whether several processes read so many bytes sooner than one does."""
    return size >= MIN_PARALLEL_BYTES and not reader.serial


def _matches(counts: CallCounts, request: ReadRequest) -> int | None:
    """Return the number of events of the one role that is asked for."""
    if not request.role:
        return None
    return sum(events for role, events in counts.totals.roles.items() if counts.is_selected(role))


def _counted(
    reader: Reader,
    chunks: Sequence[Chunk],
    request: ReadRequest,
    count: CountChunk,
    executor: Executor | None,
    options: ReadOptions,
) -> Iterator[tuple[Chunk, ChunkResult | None]]:
    """Give each chunk with what a worker counted; None for a chunk that is to be counted here, or is cached."""
    if executor is None:
        return ((chunk, None) for chunk in chunks)

    def submit(chunk: Chunk) -> Future[ChunkResult] | None:
        return None if chunk.cached else executor.submit(count, reader, chunk.objects, request)

    return map_ahead(chunks, submit, options.max_in_flight, options.on_message)


# ---- merging --------------------------------------------------------------------------------------------


def _days_to_compare(chunks: Sequence[Chunk]) -> set[str]:
    """Return the days on which a cached chunk may hold records that another chunk counts now, or counted then."""
    days = list(dict.fromkeys(chunk.day for chunk in chunks))
    changed = {chunk.day for chunk in chunks if chunk.cached is None or chunk.cached.skipped}
    return days_within_reach(days, changed)


class _Merger(msgspec.Struct):
    """Adds chunk after chunk to a result, each without the records that were counted before it. See `dedup`.

    Attributes:
        tables: counts the tables of chunks that are counted here.
        compared: days on which the records of cached chunks are compared with those that were read.
        cached_calls: reads the calls of cached chunks.
        day: of the chunks that are merged now.
        unwritten: chunks that were given to the cache since it was written.
    """

    result: ChunkResult
    reader: Reader
    request: ReadRequest
    cache: Cache | None
    spill: SpillStore | None
    compared: Collection[str]
    tables: TableCounter
    cached_calls: CallReader = msgspec.field(default_factory=CallReader)
    day: str = ""
    unwritten: int = 0

    def add(self, chunk: Chunk, counted: ChunkResult | None) -> None:
        """Add a chunk; `counted` is what a worker gave, None where it is to be counted here."""
        if chunk.day != self.day:
            self.day = chunk.day
            self.result.counts.duplicates.rotate()
        objects = chunk.objects
        if chunk.cached:
            self._add_cached(objects, chunk.cached)
        elif counted is None and self.cache is None:
            count_into(self.result, self.reader, objects, self.tables)
        else:
            self._add_counted(objects, self._without_duplicates(objects, counted))
        self.result.counts.settle_memory()

    def _add_cached(self, objects: Sequence[LogObject], cached: CachedChunk) -> None:
        """Add a cached chunk, if the records that it left out are just those that were counted before it now."""
        duplicates, compare = self.result.counts.duplicates, self.day in self.compared
        keys = cached.keys if compare else frozenset[str]()
        if compare and (again := duplicates.seen(keys | cached.skipped)) != cached.skipped:
            self.result.merge(count_chunk(self.reader, objects, self.request, again))
            return
        self.result.merge(ChunkResult(*cached.counted(self.request.select, self.cached_calls)))
        duplicates.add(keys)

    def _add_counted(self, objects: Sequence[LogObject], counted: ChunkResult) -> None:
        if self.cache and self.request.covers(self.day):
            self.cache.add(objects, counted.counts, counted.read_report)
            self.unwritten += 1
            if self.unwritten == FLUSHED:
                self.unwritten = 0
                self.cache.flush()
        self.result.merge(counted)
        if counted.packed and self.spill:
            self.spill.write_packed(counted.packed)

    def _without_duplicates(self, objects: Sequence[LogObject], counted: ChunkResult | None) -> ChunkResult:
        """Return what a chunk adds to the records that were read before it."""
        duplicates = self.result.counts.duplicates
        if counted is None:
            return count_chunk(self.reader, objects, self.request, duplicates)
        again = duplicates.seen(counted.counts.duplicates.keys)
        # Times and days of a chunk that records were subtracted from may still be theirs: the cache takes none.
        if not again or (self.cache is None and self._subtract(counted.counts, objects, again)):
            return counted
        return count_chunk(self.reader, objects, self.request, again)

    def _subtract(self, counts: CallCounts, objects: Sequence[LogObject], again: frozenset[str]) -> bool:
        """Subtract records that were counted before; return False where not all of them can be read a second time."""
        locations = counts.duplicates.locations(again)
        twice = count_only(
            self.reader, [one for one in objects if one.locator in locations], self.request, again
        )
        if twice.duplicates.keys != again:
            return False
        counts.subtract(twice)
        return True
