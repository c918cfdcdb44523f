"""Read the history behind an API that answers page by page, at a limited rate.

One day of one region is one object, so that a cache can resume after an interruption and no day is requested twice
(`days`). A day that could not be read completely ends in damage, and must not be cached.

The rate limit belongs to the account and the region (2.3), for all programs together. So a reader has one `RateLimiter`
for each region in this process, and is `serial`: it must run in one process, never in several. `read_many` makes it
fast: regions do not slow each other down, and days of one region are read in parallel, because an answer often takes
longer than the rate limit. If a reader does run in several processes, or another program sends requests too, AWS
throttles: the reader waits and continues, which takes longer and loses nothing.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import msgspec
from msgspec.structs import replace

from policygen.account.aws_errors import error_code
from policygen.account.aws_session import Aws, open_session
from policygen.errors import AwsError
from policygen.logs.decode.unpack import BATCH, StoredFile, read_bytes
from policygen.logs.source import Batch, Damage, LogObject, Reader, TextLines
from policygen.logs.sources.api.days import DayRange
from policygen.logs.sources.waiting import retry_throttled
from policygen.text import escape_controls

if TYPE_CHECKING:
    from boto3 import Session

DAYS_IN_PARALLEL = 4
"""Days of one region that `read_many` reads in parallel."""

RESTARTS = 2
"""How often a day is read again from its start when AWS no longer accepts the token of its next page."""

# Every further request would fail in the same way: no credentials, an expired session, no configuration.
_FATAL = frozenset({"PG-E101", "PG-E102", "PG-E107"})


class RawEvent(NamedTuple):
    """One event of a page: its unique id, "" where unknown, and its text as AWS gave it, mostly a record's JSON."""

    id: str
    text: object
    time: str = ""
    """When it came into the log, ISO 8601 in UTC; "" where that is not known."""


class EventPage(NamedTuple):
    """One answer; `token` requests the next page, "" after the last."""

    entries: Sequence[RawEvent]
    token: str


def with_resume_hint(error: AwsError) -> AwsError:
    """Return an error that ends the reading with the advice how to resume."""
    hint = "then run the same command again: days that were read whole and remembered are not asked for again"
    return AwsError(error.message, *error.hints, hint, code=error.code)


def is_fatal(error: AwsError) -> bool:
    """Return whether every other request would fail like this one."""
    return error.code in _FATAL


def batches_of_texts(name: str, texts: Sequence[object], before: int) -> Iterator[Batch]:
    """Yield batches of records that came one by one as JSON texts.

    Each text is decoded by itself, so that no text can affect another. A text that is not a record is unreadable.

    Args:
        name: of the object.
        texts: as AWS gave them; a missing value, or one that is no text, is unreadable too.
        before: number of records of this object before these.
    """
    data = msgspec.json.encode({"Records": [_encodable(text) for text in texts]})
    for batch in read_bytes(StoredFile(name, expects_log=True), data, size=0):
        renumbered = tuple(replace(one, position=one.position + before) for one in batch.unreadable)
        yield replace(batch, unreadable=renumbered)


class RateLimiter:
    """Spaces requests so that no second has more than `per_second` of them. Serves all threads."""

    def __init__(self, per_second: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._gap = 1 / per_second
        self._clock, self._sleep = clock, sleep
        self._free = 0.0
        self._lock = Lock()

    def wait(self) -> None:
        """Return when the next request may be sent."""
        # A token bucket allows bursts, up to twice the rate in one second. A waiting thread holds the lock, so that the
        # gap is measured from the time when the request before it was really sent.
        with self._lock:
            while (remaining := self._free - self._clock()) > 0:
                self._sleep(remaining)
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
        """The session and its caller.

        Raises:
            AwsError: no credentials, or STS cannot be reached.
        """
        with self._lock:
            if self._aws is None:
                self._aws = Aws.identify(self._connect())
            return self._aws

    def client(self, service: str, region: str) -> Any:
        """Return the client of a service in a region, always the same."""
        aws = self.aws
        with self._lock:  # boto3 sessions are not thread-safe, clients are
            return aws.client(service, region)


class HistoryReader(Reader, ABC):
    """Reads days, page after page. A day that fails midway gives the events before the failure, and damage.

    Picklable, but several processes have several rate limiters: see the module.
    """

    serial = True
    """Whether one process must read all objects."""

    service: ClassVar[str]
    """IAM prefix of the service, which is also its name in boto3."""
    event_name: ClassVar[str]
    """botocore's name for requests of the operation, ``SERVICE-ID.OPERATION``."""
    per_second: ClassVar[float]
    """Requests a second that AWS allows in one account and region."""

    def __init__(
        self,
        connection: Connection,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.connection = connection
        self._clock, self._sleep = clock, sleep
        self._limiters: dict[str, RateLimiter] = {}
        self._lock = Lock()
        self._stop = Event()

    def __getstate__(self) -> dict[str, Any]:
        own = ("_limiters", "_lock", "_stop")
        return {key: value for key, value in self.__dict__.items() if key not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _limiters={}, _lock=Lock(), _stop=Event())

    @abstractmethod
    def fetch_page(self, client: Any, day_range: DayRange, token: str, limit: int = 0) -> EventPage:
        """Send one request; `limit` is the greatest number of events to return, 0 for as many as AWS gives."""

    @abstractmethod
    def is_stale_token(self, code: str) -> bool:
        """Return whether an error code of AWS means that it no longer accepts a token."""

    def loss_reason(self, day_range: DayRange) -> str:  # noqa: ARG002 - not every history forgets
        """Return why a day that was read cannot be complete, "" where it is."""
        return ""

    def read(self, one: LogObject) -> Iterator[Batch]:
        """Yield the batches of one day.

        Raises:
            AwsError: every further request would fail too, for example after the session expired (PG-E102).
        """
        day_range = DayRange.parse(one.locator)
        events: list[RawEvent] = []
        read, damage = 0, None
        try:
            for event in self._events(day_range):
                events.append(event)
                if len(events) == BATCH:
                    yield from _batches(one, events, read)
                    read, events = read + len(events), []
        except AwsError as error:
            if is_fatal(error):
                raise with_resume_hint(error) from error
            damage = Damage(None, escape_controls(error.message))
        else:
            reason = self.loss_reason(day_range)
            damage = Damage(None, reason) if reason else None
        if events or not (read or damage):
            yield from _batches(one, events, read)
        if damage:
            yield Batch.damaged(one.name, damage)

    def read_many(self, objects: Iterable[LogObject]) -> Iterator[tuple[LogObject, tuple[Batch, ...]]]:
        """Yield each object with all of its batches as soon as it is read, many in parallel, in no fixed order.

        In each region, days are started in the order of `objects`, and at most `DAYS_IN_PARALLEL` days of a region are
        in memory. Closing the iterator ends the reading after the current requests.

        Raises:
            AwsError: as for one object, after everything that was read before.
        """
        by_region: dict[str, list[LogObject]] = {}
        for one in objects:
            by_region.setdefault(DayRange.parse(one.locator).region, []).append(one)
        queues = [iter(ones) for ones in by_region.values()]
        pool = ThreadPoolExecutor(max(1, DAYS_IN_PARALLEL * len(queues)))
        pending: dict[Future[tuple[LogObject, tuple[Batch, ...]]], Iterator[LogObject]] = {}
        self._stop.clear()
        try:
            for queue in queues:
                pending |= {
                    pool.submit(self._read_all, one): queue for one in islice(queue, DAYS_IN_PARALLEL)
                }
            while pending:
                done, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in sorted(done, key=lambda one: one.exception() is not None):
                    queue = pending.pop(future)
                    result = future.result()
                    pending |= {pool.submit(self._read_all, one): queue for one in islice(queue, 1)}
                    yield result
        finally:
            self._stop.set()
            pool.shutdown(cancel_futures=True)
            self._stop.clear()

    def probe(self, day_range: DayRange) -> None:
        """Request one event, to see whether the others can be read.

        Raises:
            AwsError: they cannot.
        """
        self._request(day_range, "", limit=1)

    def _read_all(self, one: LogObject) -> tuple[LogObject, tuple[Batch, ...]]:
        return one, tuple(self.read(one))

    def _events(self, day_range: DayRange) -> Iterator[RawEvent]:
        """Yield each event once: pages may overlap, and a day that is read again repeats its first events."""
        seen: set[str] = set()
        restarts = RESTARTS
        token = ""
        while True:
            try:
                page = self._request(day_range, token)
            except AwsError as error:
                if not (token and restarts and self.is_stale_token(_aws_code(error))):
                    raise
                restarts, token = restarts - 1, ""
                continue
            for entry in page.entries:
                if not entry.id or entry.id not in seen:
                    seen.add(entry.id)
                    yield entry
            if page.token and page.token == token:
                raise AwsError(
                    f"{self.service} gives the same page again and again", "try again", code="PG-E105"
                )
            if not page.token:
                return
            token = page.token

    def _request(self, day_range: DayRange, token: str, limit: int = 0) -> EventPage:
        client = self._client(day_range.region)

        def once() -> EventPage:
            if self._stop.is_set():
                raise _Stopped
            with self.connection.aws.translating_errors(self.service):
                return self.fetch_page(client, day_range, token, limit)

        return retry_throttled(once, self._sleep)

    def _client(self, region: str) -> Any:
        client = self.connection.client(self.service, region)
        with self._lock:
            if region not in self._limiters:
                limiter = self._limiters[region] = RateLimiter(self.per_second, self._clock, self._sleep)
                # Limit where botocore sends, not where a page is requested: botocore's own retries count too.
                client.meta.events.register(f"before-send.{self.event_name}", lambda **_: limiter.wait())
        return client


class _Stopped(Exception):  # noqa: N818 - nothing is wrong
    """Nobody waits for the rest of a day."""


def _batches(one: LogObject, events: Sequence[RawEvent], before: int) -> Iterator[Batch]:
    """Yield the batches of some events of an object: as records, or as lines of text."""
    if not one.as_text:
        yield from batches_of_texts(one.name, [event.text for event in events], before)
        return
    texts = [event.text if isinstance(event.text, str) else "" for event in events]
    group = DayRange.parse(one.locator).subject
    lines = TextLines(texts, [event.time for event in events], group, before + 1)
    yield Batch(escape_controls(one.name), lines=lines, continued=before > 0)


def _aws_code(error: AwsError) -> str:
    return error_code(error.__cause__) if error.__cause__ else ""


def _encodable(text: object) -> str | None:
    """Return a text that can be encoded. Half a surrogate pair is escaped, and then JSON refuses this text only."""
    if not isinstance(text, str):
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return escape_controls(text)
    return text
