"""From log objects to a ledger: in this process, or in several, the same answer.

The kernel, `count_chunk`, is a plain function from objects to a `ChunkResult`; portions add up. What runs it is any
`concurrent.futures.Executor`: the engine knows of no cluster. Objects are read in the order of the days on which they
were published, so that what is delivered twice is found without remembering everything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import NamedTuple

from policygen.logs.cache import Cache, CachedChunk
from policygen.logs.calls.counts import CallCounts, Select
from policygen.logs.calls.dedup import DuplicateFilter, days_within_reach, key_of
from policygen.logs.calls.spill import ROOM, PackedParts, SpillStore, pack_calls
from policygen.logs.events.record import Record
from policygen.logs.read_report import ReadReport
from policygen.logs.search_scope import searched
from policygen.logs.source import (
    EVERYTHING,
    Batch,
    LogObject,
    LogSource,
    QuerySource,
    Reader,
    RecordFilter,
    Scope,
    Source,
)
from policygen.parallel import collect_young, gc_paused, map_ahead

CHUNK_BYTES = 16 << 20
"""Bytes as stored that are read as one portion; a trail's files are packed seven to one."""

CHUNK_OBJECTS = 256

FLUSHED = 8
"""Chunks after which the cache is written: what a killed process has to read again."""


class ReadRequest(NamedTuple):
    """What is asked of the objects. Picklable."""

    select: Select
    name: str = ""
    """What tells the selection from others, for the cache; "" for what is not to be kept."""
    role: str = ""
    """Name of the one role, "" for none: what an engine of AWS is asked for."""
    until: str = ""
    search: RecordFilter = RecordFilter()

    def keeps(self, day: str) -> bool:
        """Whether all events of what was published on a day count: what is kept knows of no end of a window."""
        return not self.until or "" < day < self.until[:10]


MIN_CACHED_BYTES = 8 << 20
"""Bytes as stored below which all records are looked at, and nothing is kept of local files."""

MIN_PARALLEL_BYTES = 512 << 20
"""Bytes as stored from which on several processes pay for their start, where records are searched for one role."""

FULL_SCAN_COST = 16
"""How many times as long it takes where every record is looked at."""


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


@dataclass(slots=True)
class ChunkResult:
    """What some objects gave, added up."""

    counts: CallCounts
    read_report: ReadReport = field(default_factory=ReadReport)
    packed: PackedParts | None = None
    """The ledger's calls, where they were taken out of it to be put on disk."""

    def merge(self, other: ChunkResult) -> None:
        """Adds what other objects gave."""
        self.counts.merge(other.counts)
        self.read_report.merge(other.read_report)


def count_chunk(
    reader: Reader,
    objects: Sequence[LogObject],
    job: ReadRequest,
    counted_elsewhere: frozenset[str] = frozenset(),
) -> ChunkResult:
    """The kernel: what some objects hold, added up.

    Args:
        reader: of their source.
        objects: in the order of their days.
        job: which roles count, and until when.
        counted_elsewhere: keys of records that another chunk counts.
    """
    duplicates = DuplicateFilter(counted_elsewhere)
    portion = ChunkResult(CallCounts(job.select, until=job.until, duplicates=duplicates))
    read_into(portion, reader, objects)
    return portion


def count_and_pack_chunk(reader: Reader, objects: Sequence[LogObject], job: ReadRequest) -> ChunkResult:
    """The kernel for calls that go to disk: packed where they were made, not where they are written."""
    with gc_paused():  # until the calls are gone
        portion = count_chunk(reader, objects, job)
        portion.packed = pack_calls(portion.counts.calls)
    return portion


def read_into(portion: ChunkResult, reader: Reader, objects: Sequence[LogObject]) -> None:
    """Adds objects to a portion."""
    with gc_paused():
        portion.counts.add_all(_records(portion, reader, objects))


def _records(portion: ChunkResult, reader: Reader, objects: Sequence[LogObject]) -> Iterator[Record]:
    """The records of objects; what else is to be known of these goes into the portion."""
    for one, batches in reader.read_many(objects):
        portion.counts.duplicates.location = one.locator
        for batch in batches:
            portion.read_report.note(batch)
            if batch.searched:
                portion.counts.add_searched(one.day, one.region)
            yield from batch.records


Kernel = Callable[[Reader, Sequence[LogObject], ReadRequest], ChunkResult]


def _quiet(_: Progress) -> None:
    """Says nothing."""


def _silent(_: str) -> None:
    """Says nothing."""


def _no_cache(_: ReadRequest) -> None:
    """Keeps nothing."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """By what means logs are read: the answer does not depend on it."""

    executor: Executor | None = None
    """Where objects are read; None for this process. Not used for little."""
    max_in_flight: int = 4
    """Chunks handed out before the first is taken back, so that memory stays bounded."""
    cache: Callable[[ReadRequest], Cache | None] = _no_cache
    """What keeps what objects gave."""
    on_progress: Callable[[Progress], None] = _quiet
    """Told of progress after each chunk."""
    on_message: Callable[[str], None] = _silent
    """Told of what a source says of itself while it works."""
    spill: SpillStore | None = None
    """Where calls go when there are many, and all of them in the end; None to keep them in memory."""


def read_source(
    source: Source, job: ReadRequest, scope: Scope = EVERYTHING, means: ReadOptions | None = None
) -> ChunkResult:
    """Reads a source whole, and settles it.

    Args:
        source: of the objects.
        job: what is asked.
        scope: what of the source is wanted.
        means: where and how.

    Raises:
        PolicygenError: nothing found, or the source refuses to go on.
    """
    means = means or ReadOptions()
    whole = ChunkResult(CallCounts(job.select, until=job.until))
    if isinstance(source, QuerySource):
        source.count_into(whole.counts, job.role, scope, means.on_message)
        whole.read_report.trails = source.trails
        if means.spill:
            means.spill.write(whole.counts.calls)
        return whole
    objects = _listed(source, scope, whole.read_report)
    whole.read_report.trails = source.trails
    read, size, of_size = 0, 0, sum(one.size for one in objects)
    cache = None
    small = of_size < (MIN_PARALLEL_BYTES if job.search.own else MIN_PARALLEL_BYTES // FULL_SCAN_COST)
    if small or source.reader.serial:
        means = replace(means, executor=None)
    if of_size >= MIN_CACHED_BYTES or source.remote:
        objects = searched(objects, job.search) if job.search.own else objects
        cache = means.cache(job) if job.name else None
    means.on_progress(Progress(0, len(objects), 0, of_size, 0, _matches(whole.counts, job)))
    try:
        with gc_paused():
            for part in _merged(source.reader, _parts(objects, job, cache), job, whole, means, cache):
                read, size = read + len(part.objects), size + sum(one.size for one in part.objects)
                found = _matches(whole.counts, job)
                means.on_progress(
                    Progress(read, len(objects), size, of_size, whole.counts.totals.records, found)
                )
                if means.spill and sum(map(len, whole.counts.calls.values())) > ROOM:
                    means.spill.write(whole.counts.calls)
                collect_young()
    finally:
        if cache:
            cache.close()
    if not whole.read_report.logs:
        raise source.no_logs_error(whole.read_report.kinds)
    whole.counts.resolve_cross_account_copies()
    if means.spill:
        means.spill.write(whole.counts.calls)
    return whole


def _matches(counts: CallCounts, job: ReadRequest) -> int | None:
    """Events of the role that is asked for."""
    return sum(n for role, n in counts.totals.roles.items() if job.select(role)) if job.role else None


def _listed(source: LogSource, scope: Scope, read_report: ReadReport) -> list[LogObject]:
    """The objects in the order of their days."""
    objects = []
    for one in source.objects(scope):
        if isinstance(one, Batch):
            read_report.note(one)
        else:
            objects.append(one)
    return sorted(objects, key=lambda one: (one.day, one.account, one.region, one.name))


class _Chunk(NamedTuple):
    """Objects of one day, and what the cache holds of them."""

    objects: list[LogObject]
    kept: CachedChunk | None = None

    @property
    def day(self) -> str:
        return self.objects[0].day


def _parts(objects: Sequence[LogObject], job: ReadRequest, cache: Cache | None) -> list[_Chunk]:
    """The objects in parts, by day."""
    kept = [_Chunk(*one) for one in cache.lookup([o for o in objects if job.keeps(o.day)])] if cache else []
    known = {one.locator for part in kept for one in part.objects}
    fresh = [_Chunk(chunk) for chunk in _chunks(one for one in objects if one.locator not in known)]
    return sorted([*kept, *fresh], key=lambda part: part.day)


def _chunks(objects: Iterable[LogObject]) -> Iterator[list[LogObject]]:
    """Objects of one day together, not too many."""
    for _, members in groupby(objects, key=lambda one: one.day):
        chunk, size = list[LogObject](), 0
        for one in members:
            if chunk and (size + one.size > CHUNK_BYTES or len(chunk) >= CHUNK_OBJECTS):
                yield chunk
                chunk, size = [], 0
            chunk.append(one)
            size += one.size
        yield chunk


def _merged(
    reader: Reader,
    parts: Sequence[_Chunk],
    job: ReadRequest,
    whole: ChunkResult,
    means: ReadOptions,
    cache: Cache | None,
) -> Iterator[_Chunk]:
    """Adds part after part to `whole`; yields each when it is in."""
    days = list(dict.fromkeys(part.day for part in parts))
    near = days_within_reach(days, {part.day for part in parts if part.kept is None or part.kept.skipped})
    day, fresh = "", 0
    # What is kept needs the calls themselves.
    kernel = count_and_pack_chunk if means.spill and not cache else count_chunk
    for part, given in _handed_out(reader, parts, job, kernel, means):
        if part.day != day:
            day = part.day
            whole.counts.duplicates.rotate()
        if part.kept:
            _add_kept(part, part.kept, reader, job, whole, near=day in near)
        elif given is None and cache is None:
            read_into(whole, reader, part.objects)
        else:
            portion = _portion(part, given, reader, job, whole, kept=cache is not None)
            if cache and job.keeps(day):
                cache.add(part.objects, portion.counts, portion.read_report)
                fresh += 1
                if fresh % FLUSHED == 0:
                    cache.flush()
            whole.merge(portion)
            if portion.packed and means.spill:
                means.spill.write_packed(portion.packed)
        yield part


def _portion(
    part: _Chunk,
    given: ChunkResult | None,
    reader: Reader,
    job: ReadRequest,
    whole: ChunkResult,
    *,
    kept: bool,
) -> ChunkResult:
    """What a part gives beside what was read before it; `kept` where that is to be kept apart from the rest."""
    seen = whole.counts.duplicates
    if given is None:
        return count_chunk(reader, part.objects, job, seen.keys)
    theirs = given.counts.duplicates
    again = seen.seen(theirs.keys)
    if again and kept:
        return count_chunk(reader, part.objects, job, again)
    if again:
        places = theirs.locations(again)
        twice = _count_again(reader, [one for one in part.objects if one.locator in places], job, again)
        if twice.duplicates.keys != again:  # not all could be read a second time
            return count_chunk(reader, part.objects, job, again)
        given.counts.subtract(twice)
    return given


def _count_again(
    reader: Reader, objects: Sequence[LogObject], job: ReadRequest, keys: Collection[str]
) -> CallCounts:
    """What some records alone give."""
    counts = CallCounts(job.select, until=job.until)
    batches = (batch for _, batches in reader.read_many(objects) for batch in batches)
    counts.add_all(one for batch in batches for one in batch.records if key_of(one) in keys)
    return counts


def _add_kept(
    part: _Chunk, kept: CachedChunk, reader: Reader, job: ReadRequest, whole: ChunkResult, *, near: bool
) -> None:
    """Adds what the cache holds; reads it again where some of it was delivered in what is read now."""
    seen = whole.counts.duplicates
    if near and (again := seen.seen(kept.keys | kept.skipped)) != kept.skipped:
        whole.merge(count_chunk(reader, part.objects, job, again))
        return
    whole.merge(ChunkResult(kept.counts, kept.read_report))
    if near:
        seen.add(kept.keys)


def _handed_out(
    reader: Reader, parts: Sequence[_Chunk], job: ReadRequest, kernel: Kernel, means: ReadOptions
) -> Iterator[tuple[_Chunk, ChunkResult | None]]:
    """Each part with what a worker gave of it; None for what is to be read here."""
    executor = means.executor
    if executor is None:
        return ((part, None) for part in parts)

    def submit(part: _Chunk) -> Future[ChunkResult] | None:
        return None if part.kept else executor.submit(kernel, reader, part.objects, job)

    return map_ahead(parts, submit, means.max_in_flight, means.on_message)
