"""Log sources that are asked for stretches of history: an API answers page by page, at a limited rate.

A stretch is a day of one region. It is an object of its own, so that what remembers objects can go on after an
interruption, and no day is asked for twice (`stretch`). One that could not be read whole ends in damage, and must not
be remembered.

The rate belongs to the account and the region (2.3), whoever asks. So a reader keeps one `Pace` for each region
in this process, and is `serial`: an engine reads it in one process, never in several. What makes it fast is
`read_many`: regions do not slow each other, and within a region days are asked for side by side, because an answer
often takes longer than the rate allows. Where a reader runs in several processes nonetheless, or another program
asks too, AWS throttles: then it waits and goes on. That is slower, and loses nothing.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from itertools import islice
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import msgspec

from policygen.account.aws_errors import error_code
from policygen.account.aws_session import Aws, open_session
from policygen.errors import AwsError
from policygen.logs.decode.unpack import BATCH, StoredFile, read_bytes
from policygen.logs.source import Batch, Damage, LogObject, Reader
from policygen.logs.sources.api.days import DayRange
from policygen.logs.sources.waiting import retry_throttled
from policygen.text import escape_controls

if TYPE_CHECKING:
    from boto3 import Session

ABREAST = 4
"""Days of one region that `read_many` reads side by side."""

RESTARTS = 2
"""How often a stretch is asked for from its start again, when AWS no longer takes the token of its next page."""

# Every further request would fail as this one did: no credentials, an expired session, no configuration.
_HOPELESS = frozenset({"PG-E101", "PG-E102", "PG-E107"})


class RawEvent(NamedTuple):
    """One event of a page: what is unique to it, "" where unknown, and the record's JSON text as AWS gave it."""

    id: str
    text: object


class EventPage(NamedTuple):
    """One answer; `token` asks for the next, "" after the last."""

    entries: Sequence[RawEvent]
    token: str


def going_on(error: AwsError) -> AwsError:
    """An error that ends the reading, and what to do when its cause is gone."""
    hint = "then run the same command again: days that were read whole and remembered are not asked for again"
    return AwsError(error.message, *error.hints, hint, code=error.code)


def is_hopeless(error: AwsError) -> bool:
    """Whether all requests fail like this one, whatever they ask for."""
    return error.code in _HOPELESS


def batches(name: str, texts: Sequence[object], before: int) -> Iterator[Batch]:
    """Records that came as JSON texts, one by one, as batches.

    Each text is decoded by itself, so that none can reach into another. What is no text of a record is unreadable.

    Args:
        name: of the object.
        texts: as AWS gave them; what is missing or no text is unreadable too.
        before: how many records of this object came before them.
    """
    data = msgspec.json.encode({"Records": [_encodable(text) for text in texts]})
    for batch in read_bytes(StoredFile(name, expects_log=True), data, size=0):
        moved = tuple(replace(one, position=one.position + before) for one in batch.unreadable)
        yield replace(batch, unreadable=moved)


class Pace:
    """Keeps requests apart, so that no second has more than `per_second` of them. Serves all threads."""

    def __init__(self, per_second: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._gap = 1 / per_second
        self._clock, self._sleep = clock, sleep
        self._free = 0.0
        self._lock = Lock()

    def wait(self) -> None:
        """Returns when the next request may be sent."""
        # A bucket that allows a burst would allow twice the rate in one second. Who waits holds the lock, so that
        # the gap is measured from the time at which the one before was really let go.
        with self._lock:
            while (left := self._free - self._clock()) > 0:
                self._sleep(left)
            self._free = self._clock() + self._gap


class Connection:
    """An AWS session that is opened when it is first needed. Picklable; serves all threads."""

    def __init__(self, connect: Callable[[], Session] = open_session) -> None:
        self._connect = connect
        self._aws: Aws | None = None
        self._lock = Lock()

    def __reduce__(self) -> tuple[type[Connection], tuple[Callable[[], Session]]]:
        return Connection, (self._connect,)

    @property
    def aws(self) -> Aws:
        """The session and whose it is.

        Raises:
            AwsError: no credentials, or STS cannot be reached.
        """
        with self._lock:
            if self._aws is None:
                self._aws = Aws.identify(self._connect())
            return self._aws

    def client(self, service: str, region: str) -> Any:
        """The client of a service in a region, always the same."""
        aws = self.aws
        with self._lock:  # boto3 sessions are not made for threads, clients are
            return aws.client(service, region)


class HistoryReader(Reader, ABC):
    """Reads stretches, page after page. A stretch that fails midway gives what was read of it, and damage.

    Picklable, but see the module: several processes have several paces.
    """

    serial = True
    """One process is to read them all."""

    service: ClassVar[str]
    """IAM prefix of the service asked, which is boto3's name of it too."""
    event_name: ClassVar[str]
    """botocore's name for requests of the operation, ``SERVICE-ID.OPERATION``."""
    per_second: ClassVar[float]
    """Requests that AWS allows in one account and region."""

    def __init__(
        self,
        connection: Connection,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.connection = connection
        self._clock, self._sleep = clock, sleep
        self._paces: dict[str, Pace] = {}
        self._lock = Lock()
        self._stop = Event()

    def __getstate__(self) -> dict[str, Any]:
        own = ("_paces", "_lock", "_stop")
        return {key: value for key, value in self.__dict__.items() if key not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _paces={}, _lock=Lock(), _stop=Event())

    @abstractmethod
    def page(self, client: Any, stretch: DayRange, token: str, limit: int = 0) -> EventPage:
        """One request; `limit` is the greatest number of events to ask for, 0 for as many as AWS gives."""

    @abstractmethod
    def is_stale(self, code: str) -> bool:
        """Whether an error code of AWS means that it no longer takes a token."""

    def lost(self, stretch: DayRange) -> str:  # noqa: ARG002 - not every history forgets
        """Why a stretch that was read cannot be whole, "" where it is."""
        return ""

    def read(self, one: LogObject) -> Iterator[Batch]:
        """The batches of one stretch.

        Raises:
            AwsError: what makes all further requests useless, such as an expired session (PG-E102).
        """
        stretch = DayRange.parse(one.locator)
        texts: list[object] = []
        read, damage = 0, None
        try:
            for text in self._texts(stretch):
                texts.append(text)
                if len(texts) == BATCH:
                    yield from batches(one.name, texts, read)
                    read, texts = read + len(texts), []
        except AwsError as error:
            if is_hopeless(error):
                raise going_on(error) from error
            damage = Damage(None, escape_controls(error.message))
        else:
            reason = self.lost(stretch)
            damage = Damage(None, reason) if reason else None
        if texts or not (read or damage):
            yield from batches(one.name, texts, read)
        if damage:
            yield Batch.damaged(one.name, damage)

    def read_many(self, objects: Iterable[LogObject]) -> Iterator[tuple[LogObject, tuple[Batch, ...]]]:
        """Each object with all of its batches as soon as it is read, many at a time, in no promised order.

        In each region the days are begun in the order of `objects`. At most `ABREAST` days of each region are in
        memory. Closing the iterator ends the reading after the requests that are under way.

        Raises:
            AwsError: as for one object, after what was read until then.
        """
        by_region: dict[str, list[LogObject]] = {}
        for one in objects:
            by_region.setdefault(DayRange.parse(one.locator).region, []).append(one)
        queues = [iter(ones) for ones in by_region.values()]
        pool = ThreadPoolExecutor(max(1, ABREAST * len(queues)))
        pending: dict[Future[tuple[LogObject, tuple[Batch, ...]]], Iterator[LogObject]] = {}
        self._stop.clear()
        try:
            for queue in queues:
                pending |= {pool.submit(self._whole, one): queue for one in islice(queue, ABREAST)}
            while pending:
                done, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in sorted(done, key=lambda one: one.exception() is not None):
                    queue = pending.pop(future)
                    result = future.result()
                    pending |= {pool.submit(self._whole, one): queue for one in islice(queue, 1)}
                    yield result
        finally:
            self._stop.set()
            pool.shutdown(cancel_futures=True)
            self._stop.clear()

    def try_one(self, stretch: DayRange) -> None:
        """Asks for one event, to see whether the rest can be asked for.

        Raises:
            AwsError: why not.
        """
        self._ask(stretch, "", limit=1)

    def _whole(self, one: LogObject) -> tuple[LogObject, tuple[Batch, ...]]:
        return one, tuple(self.read(one))

    def _texts(self, stretch: DayRange) -> Iterator[object]:
        """Each event's text once: pages may overlap, and a stretch that starts again repeats what was given."""
        seen: set[str] = set()
        restarts = RESTARTS
        token = ""
        while True:
            try:
                page = self._ask(stretch, token)
            except AwsError as error:
                if not (token and restarts and self.is_stale(_code(error))):
                    raise
                restarts, token = restarts - 1, ""
                continue
            for entry in page.entries:
                if not entry.id or entry.id not in seen:
                    seen.add(entry.id)
                    yield entry.text
            if page.token and page.token == token:
                raise AwsError(
                    f"{self.service} gives the same page again and again", "try again", code="PG-E105"
                )
            if not page.token:
                return
            token = page.token

    def _ask(self, stretch: DayRange, token: str, limit: int = 0) -> EventPage:
        client = self._client(stretch.region)

        def once() -> EventPage:
            if self._stop.is_set():
                raise _Stopped
            with self.connection.aws.asking(self.service):
                return self.page(client, stretch, token, limit)

        return retry_throttled(once, self._sleep)

    def _client(self, region: str) -> Any:
        client = self.connection.client(self.service, region)
        with self._lock:
            if region not in self._paces:
                pace = self._paces[region] = Pace(self.per_second, self._clock, self._sleep)
                # Where botocore sends, not where the page is asked for: what it retries by itself counts too.
                client.meta.events.register(f"before-send.{self.event_name}", lambda **_: pace.wait())
        return client


class _Stopped(Exception):  # noqa: N818 - nothing is wrong
    """Nobody waits for the rest of a stretch."""


def _code(error: AwsError) -> str:
    return error_code(error.__cause__) if error.__cause__ else ""


def _encodable(text: object) -> str | None:
    """A text that can be encoded; half a surrogate pair is written out, which JSON then refuses in this text alone."""
    if not isinstance(text, str):
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return escape_controls(text)
    return text
