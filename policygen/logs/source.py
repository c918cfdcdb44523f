"""Where log records come from: one module per log source, one line per source in `SCHEMES`.

A source yields `Batch` after `Batch`. A batch accounts for everything it saw: records that can be used,
records that cannot, things that are knowingly no evidence, and damage. Nothing is left out in silence,
because a log file that was lost makes a policy too small.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from policygen.account.model import Trail
from policygen.errors import PolicygenError
from policygen.logs.calls.counts import CallCounts
from policygen.logs.events.record import Record
from policygen.text import escape_controls

__all__ = [
    "EVERYTHING",
    "Batch",
    "BytePattern",
    "Damage",
    "LogObject",
    "LogSource",
    "QuerySource",
    "Reader",
    "RecordFilter",
    "Scope",
    "Source",
    "Unreadable",
]


@dataclass(frozen=True, slots=True)
class Damage:
    """A file, or the rest of a file, that could not be read.

    `byte` is the offset in the file as stored (in the unpacked text when the packing is sound), None where
    no offset is to blame; `reason` is one printable line.
    """

    byte: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One record that could not be used; `position` counts the records of its file from 1."""

    file: str
    position: int
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Some or all that one file holds. The records may share the file's memory: keep what you need of them.

    A long file comes in several batches of the same name; `size` (bytes as stored) is told by the first
    and is 0 in the others. `kind` is "log", or what was passed over when there was nothing else, or "denied".
    `passed_over` counts records by kind, or 1 for a whole file.
    """

    name: str
    records: list[Record] = field(default_factory=list)
    unreadable: tuple[Unreadable, ...] = ()
    passed_over: Mapping[str, int] = field(default_factory=dict)
    damage: Damage | None = None
    kind: str = "log"
    size: int = 0
    searched: bool = False
    """Whether only records that hold what was searched for are here, and it is not known what the others are."""
    unproved: str = ""
    """Why nothing proves what this names, though it can be read; then it is no file but tells of some. "" otherwise."""

    @classmethod
    def passed(cls, name: str, kind: str, size: int = 0) -> Batch:
        """A whole file that was passed over."""
        return cls(escape_controls(name), passed_over={kind: 1}, kind=kind, size=size)

    @classmethod
    def damaged(cls, name: str, damage: Damage, size: int = 0) -> Batch:
        """A file of which nothing can be used."""
        return cls(escape_controls(name), damage=damage, size=size)


class BytePattern(NamedTuple):
    """A text to look for in the bytes of records, and what must stand around it there."""

    text: bytes
    around: bytes = b""
    """A regular expression that must be found around it; "" for any."""
    before: int = 64
    """Bytes before it in which that is looked for."""
    behind: int = 256
    """Bytes behind it, likewise."""


class RecordFilter(NamedTuple):
    """What the bytes of a record must hold to be wanted; nothing where all records are looked at."""

    own: tuple[BytePattern, ...] = ()
    """In the log of the role's account, and where the account is not known."""
    others: tuple[BytePattern, ...] = ()
    """In the logs of other accounts, besides what is looked for where the account is not known."""
    account: str = ""
    """The role's account; "" where it is not known."""

    def of(self, account: str) -> tuple[BytePattern, ...]:
        """What is looked for in an account's log."""
        if not (account and self.account):
            return (*self.own, *self.others)
        return self.own if account == self.account else self.others


class LogObject(NamedTuple):
    """One thing that a source can give: a file, an object of a bucket, a stretch of an API's history."""

    name: str
    """As it is shown."""
    locator: str
    """What the source's reader needs to find it."""
    size: int = 0
    """Bytes as stored, 0 where unknown."""
    version: str = ""
    """Differs when the content does; "" for what must not be remembered, since it may still change."""
    expects_log: bool = True
    """Whether it is meant to be a log: then what cannot be read of it is damage."""
    account: str = ""
    region: str = ""
    day: str = ""
    """When it was published, a date in UTC; these three are "" where its name does not tell."""
    search: tuple[BytePattern, ...] = ()
    """What a record must hold to be wanted, one of these; all records are wanted where it is empty."""
    hashes: frozenset[str] = frozenset()
    """SHA-256 in hex, one of which its unpacked content must have to be read; any will do where it is empty."""


class Scope(NamedTuple):
    """What is asked of a source, so that it need not list what nobody wants; "" where all is wanted."""

    first: str = ""
    """First day of the window, a date in UTC."""
    last: str = ""
    account: str = ""
    """Whose role is looked at."""
    until: str = ""
    """When the window ends within its last day, ISO 8601 in UTC; "" for the end of that day."""


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


class LogSource(ABC):
    """Where log objects come from."""

    reader: Reader
    remote: bool = True
    """Whether what is read comes over a network: then it is kept, however little it is."""

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know of the source, in sentences; complete when its objects were listed."""
        return ()

    @property
    def trails(self) -> Sequence[Trail] | None:
        """What decided which events are in it, where that is not the account's trails; None where it is."""
        return None

    @abstractmethod
    def objects(self, scope: Scope = EVERYTHING) -> Iterator[LogObject | Batch]:
        """What there is to read, in a stable order; batches account for what is knowingly no log, or not readable.

        Raises:
            PolicygenError: nothing can be listed at all.
        """

    @abstractmethod
    def no_logs_error(self, passed: Counter[str]) -> PolicygenError:
        """The error for a source that holds not one log; `passed` counts by kind what was passed over."""

    def read(self, scope: Scope = EVERYTHING) -> Iterator[Batch]:
        """All batches, one object after the other.

        Raises:
            NothingFoundError: at the end, when there was not one log (PG-E302).
        """
        passed: Counter[str] = Counter()
        logs = 0
        for batch in self.batches(self.objects(scope)):
            logs += batch.kind == "log"
            passed[batch.kind] += batch.kind != "log"
            yield batch
        if not logs:
            raise self.no_logs_error(passed)

    def batches(self, found: Iterable[LogObject | Batch]) -> Iterator[Batch]:
        """The batches of what `objects` gave, in that order."""
        for one in found:
            yield from [one] if isinstance(one, Batch) else self.reader.read(one)


class QuerySource(ABC):
    """An engine of its own that holds events and can add them up: only sums travel."""

    remote: bool = True

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know of the source, in sentences; complete when it was asked."""
        return ()

    @property
    def trails(self) -> Sequence[Trail] | None:
        """What decided which events are in it, where that is not the account's trails; None where it is."""
        return None

    @abstractmethod
    def count_into(
        self, counts: CallCounts, role: str, scope: Scope, on_message: Callable[[str], None]
    ) -> None:
        """Fills an empty ledger as reading the log's files and settling would have.

        Args:
            ledger: with the end of the window.
            role: whose calls are wanted; "" for nobody's.
            scope: the first day, and the account if it is known.
            on_message: told of progress and cost.

        Raises:
            PolicygenError: the source refuses, or has no such log.
        """


Source = LogSource | QuerySource
