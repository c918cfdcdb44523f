"""Chunks of log objects, and how one is counted.

A chunk holds objects that were published on one day. `count_chunk` is a plain function of picklable arguments that
returns a picklable result, so it runs in this process or in any `concurrent.futures.Executor`; results add up.
"""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from policygen.iam.request import RoleKey
from policygen.logs.calls.counts import CallCounts, Select
from policygen.logs.calls.dedup import DuplicateFilter, KnownKeys, key_of
from policygen.logs.calls.spill import PackedParts, pack_roles
from policygen.logs.calls.table_count import TableCounter
from policygen.logs.events.record import Record
from policygen.logs.events.record_table import RecordTable
from policygen.logs.read_report import ReadReport
from policygen.logs.source import LogObject, Reader, RecordFilter
from policygen.logs.window_end import WindowEnd
from policygen.parallel import gc_paused

if TYPE_CHECKING:
    from policygen.logs.cache import Cache, CachedChunk

CHUNK_BYTES = 8 << 20
"""Bytes as stored that are read as one chunk; a trail's files are packed seven to one."""

CHUNK_OBJECTS = 256


class ReadRequest(NamedTuple):
    """What to count. Picklable."""

    select: Select
    """The roles whose calls are kept."""
    name: str = ""
    """Identifies the selection in the cache; "" for one that is not cached."""
    role: str = ""
    """Name of the one role, "" for none: a `QuerySource` asks its engine for that role's calls."""
    until: WindowEnd | None = None
    """The end after which events do not count; None for all."""
    search: RecordFilter = RecordFilter()
    known: tuple[RoleKey, ...] = ()
    """Roles of the account: their names, for records that name a role by its id alone."""
    assumed: Select | None = None
    """The roles whose assumptions are kept, by account and name; None for none. Picklable."""
    sessions_of: RoleKey | None = None
    """The role of which is kept where its sessions were used; such a request is not cached."""

    def empty_counts(self, counted_elsewhere: KnownKeys = frozenset()) -> CallCounts:
        """Return a count of what is asked for, to which nothing was added; it takes no record that another counts."""
        return CallCounts(
            self.select,
            until=self.until,
            duplicates=DuplicateFilter(counted_elsewhere),
            assumed=self.assumed,
            sessions_of=self.sessions_of,
        )

    def covers(self, day: str) -> bool:
        """Return whether every event published on a day counts: only such days are cached."""
        return self.until is None or "" < day < self.until.day.isoformat()


class Chunk(NamedTuple):
    """Objects of one day, and what the cache holds of them."""

    packed: bytes
    """Its objects, field by field: all of a log wait for their turn, and of small files there are many thousands."""
    day: str
    """The day on which its objects were published, "" where it is not known."""
    number: int
    """Number of objects."""
    size: int
    """Bytes as stored."""
    cached: CachedChunk | None = None

    @classmethod
    def of(cls, objects: Sequence[LogObject], cached: CachedChunk | None = None) -> Chunk:
        """Return the chunk of some objects."""
        packed = zlib.compress(pickle.dumps(tuple(zip(*objects, strict=True))), level=1)
        return cls(packed, objects[0].day, len(objects), sum(one.size for one in objects), cached)

    @property
    def objects(self) -> list[LogObject]:
        """Its objects, made anew each time."""
        fields = pickle.loads(zlib.decompress(self.packed))  # noqa: S301 - packed by `of`
        return list(map(LogObject._make, zip(*fields, strict=True)))


class ChunkResult(msgspec.Struct):
    """What one or several chunks gave."""

    counts: CallCounts
    read_report: ReadReport = msgspec.field(default_factory=ReadReport)
    packed: PackedParts | None = None
    """The calls and assumptions of `counts`, where they were packed for the disk and taken out of it."""

    def merge(self, other: ChunkResult) -> None:
        """Add what other chunks gave."""
        self.counts.merge(other.counts)
        self.read_report.merge(other.read_report)


# ---- objects into chunks --------------------------------------------------------------------------------


def make_chunks(objects: Sequence[LogObject], request: ReadRequest, cache: Cache | None) -> list[Chunk]:
    """Return all objects in chunks, by day: those that the cache holds, and new ones of the other objects."""
    cached = cache.lookup([one for one in objects if request.covers(one.day)]) if cache else []
    chunks = [Chunk.of(members, chunk) for members, chunk in cached]
    known = {one.locator for members, _ in cached for one in members}
    chunks += map(Chunk.of, _split(one for one in objects if one.locator not in known))
    return sorted(chunks, key=lambda chunk: chunk.day)


def _split(objects: Iterable[LogObject]) -> Iterator[list[LogObject]]:
    """Give objects of one day together, at most `CHUNK_OBJECTS` and about `CHUNK_BYTES` at a time."""
    for _, members in groupby(objects, key=lambda one: one.day):
        chunk, size = list[LogObject](), 0
        for one in members:
            if chunk and (size + one.size > CHUNK_BYTES or len(chunk) >= CHUNK_OBJECTS):
                yield chunk
                chunk, size = [], 0
            chunk.append(one)
            size += one.size
        yield chunk


# ---- counting a chunk -----------------------------------------------------------------------------------

CountChunk = Callable[[Reader, Sequence[LogObject], ReadRequest], ChunkResult]
"""What a worker runs: `count_chunk` or `count_and_pack_chunk`."""


def count_chunk(
    reader: Reader,
    objects: Sequence[LogObject],
    request: ReadRequest,
    counted_elsewhere: KnownKeys = frozenset(),
) -> ChunkResult:
    """Count the records of some objects.

    Args:
        reader: of their source.
        objects: in the order of their days.
        request: which roles' calls are kept, and until when events count.
        counted_elsewhere: keys of records that another chunk counts.
    """
    counts = request.empty_counts(counted_elsewhere)
    result = ChunkResult(counts)
    tables = TableCounter(counts)
    count_into(result, reader, objects, tables)
    tables.clear()
    result.counts.fold()
    return result


def count_and_pack_chunk(reader: Reader, objects: Sequence[LogObject], request: ReadRequest) -> ChunkResult:
    """Count a chunk whose calls go to disk, and pack them: the worker does so, not the process that writes them."""
    with gc_paused():  # until the calls are gone
        result = count_chunk(reader, objects, request)
        result.packed = pack_roles(result.counts.calls, result.counts.sightings)
    return result


def count_into(
    result: ChunkResult, reader: Reader, objects: Sequence[LogObject], tables: TableCounter
) -> None:
    """Count the records of some objects into a result; `tables` is the counter of its counts."""
    counts = result.counts
    with gc_paused():
        counts.add_all(_records(result, reader, objects, tables))
        tables.flush()
    result.read_report.unreadable += counts.unreadable
    counts.unreadable.clear()


def _records(
    result: ChunkResult, reader: Reader, objects: Sequence[LogObject], tables: TableCounter
) -> Iterator[Record]:
    """Give the records of some objects that no table counts; all else that is known of them goes into the result."""
    for one, batches in reader.read_many(objects):
        result.counts.duplicates.location = one.locator
        for batch in batches:
            result.read_report.note(batch)
            result.counts.reading = batch.name
            if batch.others:
                result.counts.totals.add_others(batch.others, result.counts.until)
            if not (isinstance(batch.records, RecordTable) and tables.add(batch.records)):
                yield from batch.records


def count_only(
    reader: Reader, objects: Sequence[LogObject], request: ReadRequest, keys: Collection[str]
) -> CallCounts:
    """Count the records of these keys, and no others, in some objects."""
    counts = CallCounts(request.select, until=request.until)
    batches = (batch for _, batches in reader.read_many(objects) for batch in batches)
    counts.add_all(record for batch in batches for record in batch.records if key_of(record) in keys)
    return counts
