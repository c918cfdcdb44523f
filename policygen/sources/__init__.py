"""Where log records come from: one module per log source, one line per source in `SCHEMES`.

A source yields `Batch` after `Batch`. A batch accounts for everything it saw: records that can be used,
records that cannot, things that are knowingly no evidence, and damage. Nothing is left out in silence,
because a log file that was lost makes a policy too small.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from policygen.errors import UsageError
from policygen.record import Record
from policygen.text import printable

__all__ = ["SCHEMES", "Batch", "Damage", "LogSource", "Unreadable", "open_source"]


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
    and is 0 in the others. `kind` is "log", or what was passed over when there was nothing else.
    `passed_over` counts records by kind, or 1 for a whole file.
    """

    name: str
    records: list[Record] = field(default_factory=list)
    unreadable: tuple[Unreadable, ...] = ()
    passed_over: Mapping[str, int] = field(default_factory=dict)
    damage: Damage | None = None
    kind: str = "log"
    size: int = 0

    @classmethod
    def passed(cls, name: str, kind: str, size: int = 0) -> Batch:
        """A whole file that was passed over."""
        return cls(printable(name), passed_over={kind: 1}, kind=kind, size=size)

    @classmethod
    def damaged(cls, name: str, damage: Damage, size: int = 0) -> Batch:
        """A file of which nothing can be used."""
        return cls(printable(name), damage=damage, size=size)


class LogSource(Protocol):
    """Anything that yields log records, in the same order for the same input."""

    def read(self) -> Iterator[Batch]:
        """Yield batches.

        Raises:
            NothingFoundError: at the end, when there was not one log file (PG-E302).
        """
        ...


def _files(specs: Sequence[str]) -> LogSource:
    from policygen.sources.files import open_files

    return open_files(specs)


SCHEMES: dict[str, Callable[[Sequence[str]], LogSource]] = {"": _files, "file": _files}
"""URL scheme of a source -> what opens it; "" is a plain path."""

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)


def open_source(spec: str | Path | Sequence[str | Path]) -> LogSource:
    """The log source that `spec` names: one path or URL, or several of the same kind.

    Raises:
        UsageError: a path does not exist (PG-E201); the scheme is unknown, or kinds are mixed (PG-E202).
    """
    specs = [spec] if isinstance(spec, str | Path) else list(spec)
    if not specs:
        raise UsageError("no log source given", "name a file or a folder of CloudTrail logs", code="PG-E202")
    openers = {_opener(str(one)) for one in specs}
    if len(openers) > 1:
        raise UsageError(
            "log sources of different kinds cannot be read together", "run once for each kind", code="PG-E202"
        )
    return openers.pop()([str(one) for one in specs])


def _opener(spec: str) -> Callable[[Sequence[str]], LogSource]:
    match = _SCHEME.match(spec)
    scheme = match.group(1).lower() if match else ""
    if scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in sorted(SCHEMES) if name)
        raise UsageError(
            f"no log source for {scheme}://", f"known: a file or folder path, {known}", code="PG-E202"
        )
    return SCHEMES[scheme]
