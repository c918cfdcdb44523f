"""From log objects to a ledger: in this process, or in several, the same answer.

The kernel, `reduce`, is a plain function from objects to a `Portion`; portions add up. What runs it is any
`concurrent.futures.Executor`: the engine knows of no cluster. Objects are read in the order of the days on which they
were published, so that what is delivered twice is found without remembering everything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import NamedTuple

from policygen.logs.cache import Cache, Kept
from policygen.logs.calls.counts import DAYS_REMEMBERED, Ledger, Select, key_of
from policygen.logs.calls.spill import ROOM, Packed, Spill, pack
from policygen.logs.events.record import Record
from policygen.logs.read_report import Reading
from policygen.logs.search_scope import searched
from policygen.logs.source import (
    EVERYTHING,
    Batch,
    CallSource,
    LogObject,
    LogSource,
    Reader,
    Scope,
    Search,
    Source,
)
from policygen.parallel import handed_out, sweep, uncollected

CHUNK_BYTES = 16 << 20
"""Bytes as stored that are read as one portion; a trail's files are packed seven to one."""

CHUNK_OBJECTS = 256

FLUSHED = 8
"""Chunks after which the cache is written: what a killed process has to read again."""


class Job(NamedTuple):
    """What is asked of the objects. Picklable."""

    select: Select
    name: str = ""
    """What tells the selection from others, for the cache; "" for what is not to be kept."""
    role: str = ""
    """Name of the one role, "" for none: what an engine of AWS is asked for."""
    until: str = ""
    search: Search = Search()

    def keeps(self, day: str) -> bool:
        """Whether all events of what was published on a day count: what is kept knows of no end of a window."""
        return not self.until or "" < day < self.until[:10]


SMALL = 8 << 20
"""Bytes as stored below which all records are looked at, and nothing is kept of local files."""

LARGE = 512 << 20
"""Bytes as stored from which on several processes pay for their start, where records are searched for one role."""

HARDER = 16
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
class Portion:
    """What some objects gave, added up."""

    ledger: Ledger
    reading: Reading = field(default_factory=Reading)
    packed: Packed | None = None
    """The ledger's calls, where they were taken out of it to be put on disk."""

    def merge(self, other: Portion) -> None:
        """Adds what other objects gave."""
        self.ledger.merge(other.ledger)
        self.reading.merge(other.reading)


def reduce(
    reader: Reader, objects: Sequence[LogObject], job: Job, skip: frozenset[str] = frozenset()
) -> Portion:
    """The kernel: what some objects hold, added up.

    Args:
        reader: of their source.
        objects: in the order of their days.
        job: which roles count, and until when.
        skip: keys of records that count as read already.
    """
    portion = Portion(Ledger(job.select, until=job.until, skip=skip))
    read_into(portion, reader, objects)
    return portion


def reduce_and_pack(reader: Reader, objects: Sequence[LogObject], job: Job) -> Portion:
    """The kernel for calls that go to disk: packed where they were made, not where they are written."""
    with uncollected():  # until the calls are gone
        portion = reduce(reader, objects, job)
        portion.packed = pack(portion.ledger.calls)
    return portion


def read_into(portion: Portion, reader: Reader, objects: Sequence[LogObject]) -> None:
    """Adds objects to a portion."""
    with uncollected():
        portion.ledger.add_all(_records(portion, reader, objects))


def _records(portion: Portion, reader: Reader, objects: Sequence[LogObject]) -> Iterator[Record]:
    """The records of objects; what else is to be known of these goes into the portion."""
    for one, batches in _read(reader, objects):
        portion.ledger.place = one.where
        for batch in batches:
            portion.reading.note(batch)
            if batch.searched:
                portion.ledger.add_searched(one.day, one.region)
            yield from batch.records


def _read(reader: Reader, objects: Sequence[LogObject]) -> Iterator[tuple[LogObject, Iterable[Batch]]]:
    """Each object with its batches; several at a time where the reader can, since a network makes it wait."""
    many = getattr(reader, "read_many", None)
    yield from many(objects) if many else ((one, reader(one)) for one in objects)


Kernel = Callable[[Reader, Sequence[LogObject], Job], Portion]


def _quiet(_: Progress) -> None:
    """Says nothing."""


def _silent(_: str) -> None:
    """Says nothing."""


def _no_cache(_: Job) -> None:
    """Keeps nothing."""


@dataclass(frozen=True, slots=True)
class Means:
    """By what means logs are read: the answer does not depend on it."""

    executor: Executor | None = None
    """Where objects are read; None for this process. Not used for little."""
    ahead: int = 4
    """Chunks handed out before the first is taken back, so that memory stays bounded."""
    cache: Callable[[Job], Cache | None] = _no_cache
    """What keeps what objects gave."""
    say: Callable[[Progress], None] = _quiet
    """Told of progress after each chunk."""
    talk: Callable[[str], None] = _silent
    """Told of what a source says of itself while it works."""
    spill: Spill | None = None
    """Where calls go when there are many, and all of them in the end; None to keep them in memory."""


def run(source: Source, job: Job, scope: Scope = EVERYTHING, means: Means | None = None) -> Portion:
    """Reads a source whole, and settles it.

    Args:
        source: of the objects.
        job: what is asked.
        scope: what of the source is wanted.
        means: where and how.

    Raises:
        PolicygenError: nothing found, or the source refuses to go on.
    """
    means = means or Means()
    whole = Portion(Ledger(job.select, until=job.until))
    if isinstance(source, CallSource):
        source.fill(whole.ledger, job.role, scope, means.talk)
        whole.reading.trails = source.trails
        if means.spill:
            means.spill.take(whole.ledger.calls)
        return whole
    objects = _listed(source, scope, whole.reading)
    whole.reading.trails = source.trails
    read, size, of_size = 0, 0, sum(one.size for one in objects)
    cache = None
    serial = getattr(
        source.reader, "serial", False
    )  # what AWS gives at a rate, more processes do not get sooner
    if of_size < (LARGE if job.search.own else LARGE // HARDER) or serial:
        means = replace(means, executor=None)
    if of_size >= SMALL or source.remote:
        objects = searched(objects, job.search) if job.search.own else objects
        cache = means.cache(job) if job.name else None
    means.say(Progress(0, len(objects), 0, of_size, 0, _matches(whole.ledger, job)))
    try:
        with uncollected():
            for part in _merged(source.reader, _parts(objects, job, cache), job, whole, means, cache):
                read, size = read + len(part.objects), size + sum(one.size for one in part.objects)
                found = _matches(whole.ledger, job)
                means.say(Progress(read, len(objects), size, of_size, whole.ledger.records, found))
                if means.spill and sum(map(len, whole.ledger.calls.values())) > ROOM:
                    means.spill.take(whole.ledger.calls)
                sweep()
    finally:
        if cache:
            cache.close()
    if not whole.reading.logs:
        raise source.nothing(whole.reading.kinds)
    whole.ledger.settle()
    if means.spill:
        means.spill.take(whole.ledger.calls)
    return whole


def _matches(ledger: Ledger, job: Job) -> int | None:
    """Events of the role that is asked for."""
    return sum(n for role, n in ledger.roles.items() if job.select(role)) if job.role else None


def _listed(source: LogSource, scope: Scope, reading: Reading) -> list[LogObject]:
    """The objects in the order of their days."""
    objects = []
    for one in source.objects(scope):
        if isinstance(one, Batch):
            reading.note(one)
        else:
            objects.append(one)
    return sorted(objects, key=lambda one: (one.day, one.account, one.region, one.name))


class _Part(NamedTuple):
    """Objects of one day, and what the cache holds of them."""

    objects: list[LogObject]
    kept: Kept | None = None

    @property
    def day(self) -> str:
        return self.objects[0].day


def _parts(objects: Sequence[LogObject], job: Job, cache: Cache | None) -> list[_Part]:
    """The objects in parts, by day."""
    kept = [_Part(*one) for one in cache.take([o for o in objects if job.keeps(o.day)])] if cache else []
    known = {one.where for part in kept for one in part.objects}
    fresh = [_Part(chunk) for chunk in _chunks(one for one in objects if one.where not in known)]
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
    parts: Sequence[_Part],
    job: Job,
    whole: Portion,
    means: Means,
    cache: Cache | None,
) -> Iterator[_Part]:
    """Adds part after part to `whole`; yields each when it is in."""
    days = list(dict.fromkeys(part.day for part in parts))
    near = _near(days, {part.day for part in parts if part.kept is None or part.kept.skipped})
    day, fresh = "", 0
    # What is kept needs the calls themselves.
    kernel = reduce_and_pack if means.spill and not cache else reduce
    for part, given in _handed_out(reader, parts, job, kernel, means):
        if part.day != day:
            day = part.day
            whole.ledger.next_day()
        if part.kept:
            _add_kept(part, part.kept, reader, job, whole, near=day in near)
        elif given is None and cache is None:
            read_into(whole, reader, part.objects)
        else:
            portion = _portion(part, given, reader, job, whole, kept=cache is not None)
            if cache and job.keeps(day):
                cache.add(part.objects, portion.ledger, portion.reading)
                fresh += 1
                if fresh % FLUSHED == 0:
                    cache.flush()
            whole.merge(portion)
            if portion.packed and means.spill:
                means.spill.put(portion.packed)
        yield part


def _portion(
    part: _Part, given: Portion | None, reader: Reader, job: Job, whole: Portion, *, kept: bool
) -> Portion:
    """What a part gives beside what was read before it; `kept` where that is to be kept apart from the rest."""
    if given is None:
        return reduce(reader, part.objects, job, whole.ledger.keys)
    again = whole.ledger.known(given.ledger.keys)
    if again and kept:
        return reduce(reader, part.objects, job, again)
    if again:
        places = given.ledger.places(again)
        met = _of(reader, [one for one in part.objects if one.where in places], job, again)
        if met.keys != again:  # not all could be read a second time
            return reduce(reader, part.objects, job, again)
        given.ledger.take_back(met)
    return given


def _of(reader: Reader, objects: Sequence[LogObject], job: Job, keys: Collection[str]) -> Ledger:
    """What some records alone give."""
    ledger = Ledger(job.select, until=job.until)
    batches = (batch for _, batches in _read(reader, objects) for batch in batches)
    ledger.add_all(one for batch in batches for one in batch.records if key_of(one) in keys)
    return ledger


def _near(days: Sequence[str], fresh: Collection[str]) -> set[str]:
    """The days whose records may be delivered again in something that is read now, or was without them."""
    places = [i for i, day in enumerate(days) if day in fresh]
    reach = range(-DAYS_REMEMBERED, DAYS_REMEMBERED + 1)
    return {days[i + n] for i in places for n in reach if 0 <= i + n < len(days)}


def _add_kept(part: _Part, kept: Kept, reader: Reader, job: Job, whole: Portion, *, near: bool) -> None:
    """Adds what the cache holds; reads it again where some of it was delivered in what is read now."""
    if near and (again := whole.ledger.known(kept.keys | kept.skipped)) != kept.skipped:
        whole.merge(reduce(reader, part.objects, job, again))
        return
    whole.merge(Portion(kept.ledger, kept.reading))
    if near:
        whole.ledger.remember(kept.keys)


def _handed_out(
    reader: Reader, parts: Sequence[_Part], job: Job, kernel: Kernel, means: Means
) -> Iterator[tuple[_Part, Portion | None]]:
    """Each part with what a worker gave of it; None for what is to be read here."""
    executor = means.executor
    if executor is None:
        return ((part, None) for part in parts)

    def submit(part: _Part) -> Future[Portion] | None:
        return None if part.kept else executor.submit(kernel, reader, part.objects, job)

    return handed_out(parts, submit, means.ahead, means.talk)
