"""The contract of a log source: each source is a module of `logs.sources`, and a line of `registry.SCHEMES`.

A `LogSource` lists its objects, and its reader reads an object as batches of records. A batch accounts for everything
in the object: records that can be used, records that cannot, content that is knowingly no evidence, and damage. Nothing
is left out in silence, because a log file that was lost makes a policy too small. A `QuerySource` has an engine of its
own that adds events up.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from policygen.account.model import Trail
from policygen.errors import PolicygenError
from policygen.logs.calls.counts import CallCounts
from policygen.logs.calls.totals import Others
from policygen.logs.events.record import Record, UserIdentity
from policygen.text import escape_controls

__all__ = [
    "ENTRIES",
    "EVERYTHING",
    "RECORDS",
    "Batch",
    "Damage",
    "LogFolder",
    "LogObject",
    "LogSource",
    "ObjectVersion",
    "QuerySource",
    "Reader",
    "RecordFilter",
    "Scope",
    "Sought",
    "Source",
    "TextLines",
    "Unreadable",
    "Wanted",
]


class Damage(msgspec.Struct, frozen=True):
    """A file, or the rest of a file, that could not be read.

    `byte` is the offset in the file as stored (in the unpacked text when the packing is sound), None where
    no offset is to blame; `reason` is one printable line.
    """

    byte: int | None
    reason: str


class Unreadable(msgspec.Struct, frozen=True):
    """A record that could not be used; `position` counts the records of its file from 1."""

    file: str
    position: int
    reason: str


class TextLines(msgspec.Struct, frozen=True, gc=False):
    """Lines of a log of texts, in their order, without what they were wrapped in.

    `times` says when each came into the log, ISO 8601 in UTC to the second, "" where that is not known; it is empty
    where no line's time is. `group` is the log group that they were written to, "" where that is not known.
    """

    texts: Sequence[str]
    times: Sequence[str] = ()
    group: str = ""
    first: int = 1
    """The number of the first line in its file, from 1."""


class Batch(msgspec.Struct, frozen=True):
    """A part of a file, or all of it. The records may share the file's memory: copy what you keep of them.

    A long file comes in several batches of the same name; the first has its `size` (bytes as stored), the others 0.
    `kind` is "log", or "denied", or the kind of what was passed over where the file holds nothing else.
    `passed_over` counts records by kind; a whole file counts as 1.
    """

    name: str
    records: Sequence[Record] = msgspec.field(default_factory=list)
    unreadable: tuple[Unreadable, ...] = ()
    passed_over: Mapping[str, int] = msgspec.field(default_factory=dict)
    damage: Damage | None = None
    kind: str = "log"
    size: int = 0
    others: Others | None = None
    """What the other records of the file tell, where only those that a role needs are in `records`."""
    continued: bool = False
    """Whether an earlier batch is of the same file."""
    lines: TextLines | None = None
    """The lines of an object that was read as text; it then has no records."""
    unproved: str = ""
    """Why no digest proves what `name` names, though it can be read; the batch then is no file. "" otherwise."""

    @classmethod
    def passed(cls, name: str, kind: str, size: int = 0) -> Batch:
        """Return the batch of a file that was passed over."""
        return cls(escape_controls(name), passed_over={kind: 1}, kind=kind, size=size)

    @classmethod
    def damaged(cls, name: str, damage: Damage, size: int = 0) -> Batch:
        """Return the batch of a file that cannot be used at all."""
        return cls(escape_controls(name), damage=damage, size=size)


class Wanted(NamedTuple):
    """Which records of a trail's file one role needs; the others are checked, and summed up."""

    name: str
    """Identifies the functions, the same in every process."""
    caller: Callable[[UserIdentity], bool]
    """Tells the callers. Picklable."""
    event: Callable[[str, str], Sequence[bytes]] | None = None
    """Tells the events by source and name: texts one of which the parameters of a record have to hold. Picklable."""


class RecordFilter(NamedTuple):
    """Which records of a large log to count one by one; all records where it is empty."""

    own: Wanted | None = None
    """Those of the log of the role's account, and in logs whose account is not known."""
    others: Wanted | None = None
    """Those of the logs of other accounts, and in logs whose account is not known."""
    account: str = ""
    """The role's account; "" where it is not known."""

    @property
    def name(self) -> str:
        """What it looks for and where, the same in every process."""
        return "\0".join((*(one.name if one else "" for one in (self.own, self.others)), self.account))

    def of(self, account: str) -> tuple[Wanted, ...]:
        """Return what is wanted of an account's log."""
        sides: tuple[Wanted | None, ...] = (self.own, self.others)
        if account and self.account:
            sides = (self.own,) if account == self.account else (self.others,)
        return tuple(one for one in sides if one)


ObjectVersion = tuple[str, str]
"""Locator and version of an object."""


class LogObject(NamedTuple):
    """What a source lists and its reader reads: a file, an object of a bucket, a day of an API's history."""

    name: str
    """The name that messages show."""
    locator: str
    """Where the source's reader finds it: a path, a URL, a stretch of time."""
    size: int = 0
    """Bytes as stored, 0 where unknown."""
    version: str = ""
    """Differs where the content differs; "" for what must not be cached, because it may still change."""
    expects_log: bool = True
    """Whether it is meant to be a log: then content that cannot be read is damage."""
    account: str = ""
    region: str = ""
    day: str = ""
    """When it was published, a date in UTC. Account, region and day are "" where its name does not have them."""
    wanted: tuple[Wanted, ...] = ()
    """Only these records are counted one by one; all records where it is empty."""
    hashes: frozenset[str] = frozenset()
    """SHA-256 digests in hex, one of which its unpacked content has to have; any content will do where it is empty."""
    as_text: bool = False
    """Whether it is read as lines of text, not as records."""
    sampled: bool = False
    """Whether keys that stand twice are looked for in its first record alone, and in all where that has one."""


class LogFolder(NamedTuple):
    """The logs of one day of an account other than the role's, which a source knows of and has not listed."""

    locator: str
    """Where the source finds it."""
    account: str
    region: str
    day: str


class Scope(NamedTuple):
    """The part of a source that is needed, so that it lists no more; "" for no bound."""

    first: str = ""
    """First day of the window, a date in UTC."""
    last: str = ""
    account: str = ""
    """The account of the role."""
    until: str = ""
    """The instant within the last day at which the window ends, ISO 8601 in UTC; "" for the end of that day."""
    all_accounts: bool | None = None
    """Whether logs of other accounts than the role's are needed; None for those that may hold what its own lack."""

    @property
    def listed_account(self) -> str:
        """The account whose logs are listed first; "" for all accounts."""
        return "" if self.all_accounts else self.account


EVERYTHING = Scope()


class Reader(Protocol):
    """Reads the objects of a source. Picklable, since it may run in another process."""

    serial: bool = False
    """Whether one process has to read all objects: AWS limits the rate of requests, whichever process sends them."""

    @abstractmethod
    def read(self, one: LogObject) -> Iterator[Batch]:
        """Read one object; what cannot be read of it comes as damage.

        Raises:
            PolicygenError: no other object could be read either.
        """

    def read_many(self, objects: Iterable[LogObject]) -> Iterator[tuple[LogObject, Iterable[Batch]]]:
        """Read objects and give each with its batches, in any order; raises as `read` does.

        A reader that waits for a network reads several at a time.
        """
        return ((one, self.read(one)) for one in objects)


class Sought(NamedTuple):
    """What is looked for in a source, in the words of messages."""

    log: str
    """Two words for it."""
    looks: str
    """What such logs look like."""
    place: str
    """Where to find out where they are."""


RECORDS = Sought(
    "CloudTrail log",
    "logs are .json.gz files as a trail delivers them, or any JSON that holds their records",
    "aws cloudtrail describe-trails names the buckets of trails, and --logs auto takes them from there",
)
ENTRIES = Sought(
    "access log",
    "access logs of API Gateway are text, plain or packed, or what CloudWatch Logs exports and answers",
    "aws apigateway get-stages, and aws apigatewayv2 get-stages, name the destination of each stage",
)


class LogSource(ABC):
    """A source that lists objects for its reader."""

    reader: Reader
    remote: bool = True
    """Whether objects come over a network: then they are cached, however small they are."""

    @property
    def notes(self) -> Sequence[str]:
        """Sentences about the source for the user; complete when its objects were listed."""
        return ()

    @property
    def trails(self) -> Sequence[Trail] | None:
        """What decided which events the source holds, where that was not the account's trails; None where it was."""
        return None

    @abstractmethod
    def objects(self, scope: Scope = EVERYTHING) -> Iterator[LogObject | Batch]:
        """List the objects in a stable order; batches stand for what is knowingly no log, or cannot be read.

        Raises:
            PolicygenError: nothing can be listed at all.
        """

    def other_accounts(self) -> Sequence[LogFolder | Batch]:
        """Return the days of other accounts that the latest `objects` passed over, for it was asked for one account.

        Batches stand for what cannot be listed.
        """
        return ()

    def objects_in(self, folders: Iterable[LogFolder]) -> Iterator[LogObject | Batch]:  # noqa: ARG002 - it gave none
        """List folders that `other_accounts` gave; batches as in `objects`."""
        return iter(())

    @abstractmethod
    def no_logs_error(self, passed: Counter[str], sought: Sought = RECORDS) -> PolicygenError:
        """Return the error for a source without one log; `passed` counts by kind what was passed over."""

    def read(self, scope: Scope = EVERYTHING) -> Iterator[Batch]:
        """Read all objects, one after the other.

        Raises:
            NothingFoundError: at the end, where there was not one log (PG-E302).
        """
        passed: Counter[str] = Counter()
        logs = 0
        for batch in self.batches(self.objects(scope)):
            logs += batch.kind == "log"
            passed[batch.kind] += batch.kind != "log"
            yield batch
        if not logs:
            raise self.no_logs_error(passed)

    def read_lines(self, scope: Scope = EVERYTHING) -> Iterator[Batch]:
        """Read all objects as lines of text, one after the other."""
        return self.batches(
            one if isinstance(one, Batch) else one._replace(as_text=True) for one in self.objects(scope)
        )

    def batches(self, found: Iterable[LogObject | Batch]) -> Iterator[Batch]:
        """Give the batches of what `objects` listed, in that order."""
        for one in found:
            yield from [one] if isinstance(one, Batch) else self.reader.read(one)


class QuerySource(ABC):
    """A source with an engine of its own that adds events up: only sums come over the network."""

    remote: bool = True

    @property
    def notes(self) -> Sequence[str]:
        """Sentences about the source for the user; complete when it was queried."""
        return ()

    @property
    def trails(self) -> Sequence[Trail] | None:
        """What decided which events the source holds, where that was not the account's trails; None where it was."""
        return None

    @abstractmethod
    def count_into(
        self, counts: CallCounts, role: str, scope: Scope, on_message: Callable[[str], None]
    ) -> None:
        """Count into empty counts what reading the log's files would have given.

        Args:
            counts: empty, with the end of the window.
            role: name of the role whose calls are needed; "" for no role.
            scope: the first day, and the account where it is known.
            on_message: called with progress and cost.

        Raises:
            PolicygenError: the source refuses, or has no such log.
        """


Source = LogSource | QuerySource
