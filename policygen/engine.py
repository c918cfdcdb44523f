"""From log objects to a ledger: in this process, or in several, the same answer.

The kernel, `reduce`, is a plain function from objects to a `Portion`; portions add up. What runs it is any
`concurrent.futures.Executor`: the engine knows of no cluster. Objects are read in the order of the days on which they
were published, so that what is delivered twice is found without remembering everything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from policygen.ledger import Ledger, Select
from policygen.reading import Reading
from policygen.sources import EVERYTHING, Batch, LogObject, LogSource, Reader, Scope
from policygen.sources.layout import STAMP, published

CHUNK_BYTES = 16 << 20
"""Bytes as stored that are read as one portion; a trail's files are packed seven to one."""

CHUNK_OBJECTS = 256

LATEST = 20
"""Minutes within which a trail delivers what happened (2.1.2): the newest event is in a file of the newest of them."""


class Job(NamedTuple):
    """What is asked of the objects. Picklable."""

    select: Select
    until: str = ""
    search: tuple[bytes, ...] = ()
    """What a record must hold to be wanted; () where all records are looked at."""


SMALL = 8 << 20
"""Bytes as stored below which all records are looked at, and one process is enough."""


class Progress(NamedTuple):
    """How far the reading is."""

    objects: int
    of_objects: int
    size: int
    """Bytes as stored."""
    of_size: int
    records: int


@dataclass(slots=True)
class Portion:
    """What some objects gave, added up."""

    ledger: Ledger
    reading: Reading = field(default_factory=Reading)

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
    for one in objects:
        read_into(portion, reader, one)
    return portion


def read_into(portion: Portion, reader: Reader, one: LogObject) -> None:
    """Adds one object to a portion."""
    for batch in reader(one):
        portion.reading.note(batch)
        portion.ledger.add_all(batch.records)
        if batch.searched:
            portion.ledger.add_searched(one.day, one.region)


def _quiet(_: Progress) -> None:
    """Says nothing."""


@dataclass(frozen=True, slots=True)
class Means:
    """By what means logs are read: the answer does not depend on it."""

    executor: Executor | None = None
    """Where objects are read; None for this process. Not used for little."""
    ahead: int = 4
    """Chunks handed out before the first is taken back, so that memory stays bounded."""
    say: Callable[[Progress], None] = _quiet
    """Told of progress after each chunk."""


def run(source: LogSource, job: Job, scope: Scope = EVERYTHING, means: Means | None = None) -> Portion:
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
    objects = _listed(source, scope, whole.reading)
    read, size, of_size = 0, 0, sum(one.size for one in objects)
    if of_size < SMALL:
        means = replace(means, executor=None)
    elif job.search:
        objects = _searched(objects, job.search)
    for chunk, portion in _portions(source.reader, _chunks(objects), job, whole, means):
        if portion is not None:
            whole.merge(portion)
        read, size = read + len(chunk), size + sum(one.size for one in chunk)
        means.say(Progress(read, len(objects), size, of_size, whole.ledger.records))
    if not whole.reading.logs:
        raise source.nothing(whole.reading.kinds)
    whole.ledger.settle()
    return whole


def _listed(source: LogSource, scope: Scope, reading: Reading) -> list[LogObject]:
    """The objects in the order of their days."""
    objects = []
    for one in source.objects(scope):
        if isinstance(one, Batch):
            reading.note(one)
        else:
            objects.append(one)
    return sorted(objects, key=lambda one: (one.day, one.account, one.region, one.name))


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


def _portions(
    reader: Reader,
    chunks: Iterable[list[LogObject]],
    job: Job,
    whole: Portion,
    means: Means,
) -> Iterator[tuple[list[LogObject], Portion | None]]:
    """Each chunk and what it gave, in order; None where it went into `whole` at once."""
    day = ""
    for chunk, coming in _handed_out(reader, chunks, job, means):
        if chunk[0].day != day:
            day = chunk[0].day
            whole.ledger.next_day()
        if coming is None:
            for one in chunk:
                read_into(whole, reader, one)
            yield chunk, None
            continue
        portion = coming.result()
        if again := portion.ledger.keys & whole.ledger.keys:
            portion = reduce(reader, chunk, job, again)
        yield chunk, portion


def _handed_out(
    reader: Reader, chunks: Iterable[list[LogObject]], job: Job, means: Means
) -> Iterator[tuple[list[LogObject], Future[Portion] | None]]:
    if means.executor is None:
        for chunk in chunks:
            yield chunk, None
        return
    waiting: deque[tuple[list[LogObject], Future[Portion]]] = deque()
    try:
        for chunk in chunks:
            waiting.append((chunk, means.executor.submit(reduce, reader, chunk, job)))
            if len(waiting) >= means.ahead:
                yield waiting.popleft()
        yield from waiting
    finally:
        for _, coming in waiting:
            coming.cancel()


def _searched(objects: Sequence[LogObject], texts: tuple[bytes, ...]) -> list[LogObject]:
    """The objects, to be searched, but for those that must tell more than their name does.

    One of each account and region tells what kinds of events the trail holds; the newest tell the newest event.
    """
    stamps = [published(one.name) for one in objects]
    recent = _before(max(stamps, default=""))
    seen: set[tuple[str, str]] = set()
    found = []
    for one, stamp in zip(objects, stamps, strict=True):
        place = (one.account, one.region)
        known = "" < stamp < recent and place in seen
        seen.add(place)
        found.append(one._replace(search=texts) if known else one)
    return found


def _before(stamp: str) -> str:
    """`LATEST` minutes earlier."""
    if not stamp:
        return ""
    return (datetime.strptime(stamp, STAMP) - timedelta(minutes=LATEST)).strftime(STAMP)
