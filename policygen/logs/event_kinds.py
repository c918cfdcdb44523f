"""Kinds of events: what the selectors of a trail can tell apart (3.4.2), and which kinds files show."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from policygen.logs.events.record import Record
from policygen.logs.packs import packs_in, read_packs, remove_pack, write_pack
from policygen.logs.source import Batch, LogObject, ObjectVersion, Reader

EXCLUDABLE = frozenset({"kms.amazonaws.com", "rdsdata.amazonaws.com"})
"""Sources of management events that a trail may leave out (3.4.2)."""

Key = TypeVar("Key", bound=Hashable)


def kinds_of(record: Record) -> Iterable[str]:
    """Return the kinds of a record's event."""
    if record.eventCategory == "Data":
        return {one.type for one in record.resources or () if one.type} or {record.eventSource or ""}
    if record.eventSource in EXCLUDABLE:
        return {record.eventSource}
    return {"read" if record.readOnly else "write"}


def category_of(kind: str) -> str:
    """Return whether events of a kind are ``management`` or ``data`` events."""
    return "management" if kind in {"read", "write", *EXCLUDABLE} else "data"


_KeptKinds = list[tuple[ObjectVersion, list[str]]]
"""What a pack holds: files, each with the kinds of its events."""

_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_decode = msgspec.msgpack.Decoder(_KeptKinds).decode


class KindsInFiles(msgspec.Struct):
    """Tells which kinds of events files show; a pack of the cache keeps it for the next run.

    Attributes:
        reader: of the files' source.
        folder: of the pack; None keeps nothing.
    """

    reader: Reader
    folder: Path | None = None
    _kept: dict[ObjectVersion, list[str]] = msgspec.field(default_factory=dict)
    _asked: dict[ObjectVersion, list[str]] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.folder:
            for kept in read_packs(self.folder, _decode):
                self._kept.update(kept)

    def in_groups(self, groups: Mapping[Key, Iterable[LogObject]]) -> dict[Key, set[str]]:
        """Return the kinds of events in groups of files; raises as `Reader.read` does."""
        group_of = {one.locator: (key, one) for key, files in groups.items() for one in files}
        kinds: dict[Key, set[str]] = {key: set() for key in groups}
        unknown = []
        for key, one in group_of.values():
            version = (one.locator, one.version)
            if version in self._kept:
                self._asked[version] = self._kept[version]
                kinds[key].update(self._kept[version])
            else:
                unknown.append(one)
        for one, batches in self.reader.read_many(unknown):
            kinds[group_of[one.locator][0]].update(self._read(one, batches))
        return kinds

    def _read(self, one: LogObject, batches: Iterable[Batch]) -> set[str]:
        found, whole = set[str](), bool(one.version)
        for batch in batches:
            found.update(*map(kinds_of, batch.records))
            whole = whole and not (batch.damage or batch.unreadable)
        if whole:
            self._asked[one.locator, one.version] = sorted(found)
        return found

    def keep(self) -> None:
        """Write what was asked for in the place of what was kept, if there is more. It is no loss if that fails."""
        if self.folder is None or self._asked.keys() <= self._kept.keys():
            return
        with suppress(OSError):
            pack = write_pack(self.folder, _encode(sorted(self._asked.items())))
            for older in packs_in(self.folder):
                if older != pack:
                    remove_pack(older)
