"""The cache: what chunks of log objects gave, in the user's cache folder, so that no object is read twice.

A pack (`packs`) holds chunks as MessagePack. A chunk is valid for objects with the same locators and versions, and for
the same code and catalog.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import msgspec

from policygen.files import package_folder
from policygen.iam import reference
from policygen.iam.request import RoleKey
from policygen.logs.calls.counts import CallCounts, Select
from policygen.logs.calls.dedup import CrossAccountCopies
from policygen.logs.calls.stored_calls import CallReader, StoredCalls, stored_calls
from policygen.logs.calls.totals import Totals
from policygen.logs.events.assumption import Assumption, Sighting
from policygen.logs.packs import name_hash, packed, packs_in, read_packs, remove_pack, unpack, write_pack
from policygen.logs.read_report import ReadReport
from policygen.logs.source import LogObject, ObjectVersion

_FORM = "13"
"""Version of the form of a pack."""

_MANY = 16
"""Packs of one request that are merged into one."""


class CachedChunk(msgspec.Struct, frozen=True):
    """What a chunk gave, and its objects. Most of it is packed until it is asked for: there is a chunk for each day."""

    versions: tuple[ObjectVersion, ...]
    skipped: frozenset[str]
    """Keys of records that it does not count, because other chunks have them too."""
    packed_keys: bytes
    packed: bytes

    @property
    def keys(self) -> frozenset[str]:
        """Keys of the records that it counts; unpacked each time."""
        return _keys(unpack(self.packed_keys))

    def counted(self, select: Select, reader: CallReader) -> tuple[CallCounts, ReadReport]:
        """Return what it gave.

        Args:
            select: says which roles' calls the request keeps.
            reader: of the calls of all chunks, which share what they have in common.
        """
        return _from_saved(_saved(unpack(self.packed)), select, reader)


class _SavedCounts(msgspec.Struct):
    """What a chunk gave, as it is written."""

    calls: list[tuple[RoleKey, StoredCalls]]
    totals: bytes
    """As `Totals.to_json` writes them."""
    copies: bytes
    """JSON, as the parameters of their events are."""
    assumptions: list[tuple[Assumption, dict[str, Sighting]]]
    files: int
    logs: int
    kinds: dict[str, int]
    passed_over: dict[str, int]
    items: int
    others: int


_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_chunks = msgspec.msgpack.Decoder(list[CachedChunk]).decode
_saved = msgspec.msgpack.Decoder(_SavedCounts).decode
_keys = msgspec.msgpack.Decoder(frozenset[str]).decode
_copies_to_json = msgspec.json.Encoder(order="deterministic").encode
_copies_from_json = msgspec.json.Decoder(CrossAccountCopies).decode


@cache
def catalog_version() -> str:
    """Return a hash of all that decides which calls are made of records: code, catalog data and IAM's data."""
    digest = blake2b(reference.data_version().encode(), digest_size=16)
    for name, data in sorted(_sources(package_folder("policygen"), _DECIDES)):
        digest.update(name.encode() + b"\0" + data)
    return digest.hexdigest()


_DECIDES = {"iam", "catalog", "logs", "evidence"}
"""Packages whose code and data decide which calls are made of records, with all their folders."""


def _sources(folder: Path, packages: Collection[str] = (), path: str = "") -> Iterator[tuple[str, bytes]]:
    """Give name and bytes of every code and data file; of the folders at the top only the named packages."""
    for entry in folder.iterdir():
        name = f"{path}/{entry.name}"
        if entry.is_dir():
            if path or entry.name in packages:
                yield from _sources(entry, path=name)
        elif entry.name.endswith((".toml", ".json", ".py")):
            yield name, entry.read_bytes()


class Cache(msgspec.Struct):
    """The cached chunks of one request."""

    folder: Path
    select: Select
    on_message: Callable[[str], None] = lambda _: None
    kinds_folder: Path | None = None
    """Holds what `KindsInFiles` keeps."""
    _waiting: list[CachedChunk] = msgspec.field(default_factory=list)
    _broken: bool = False

    @classmethod
    def open(cls, root: Path, request: str, select: Select, on_message: Callable[[str], None]) -> Cache:
        """Return the cache of a request.

        Args:
            root: the cache folder.
            request: its name, which stands for the roles and what was searched for.
            select: which roles' calls the request keeps.
            on_message: called with a warning where the cache cannot be written.
        """
        name = name_hash(f"{_FORM}\0{catalog_version()}\0{request}")
        return cls(root / "calls" / name, select, on_message, root / "kinds" / name)

    def lookup(self, objects: Sequence[LogObject]) -> list[tuple[list[LogObject], CachedChunk]]:
        """Return the cached chunks whose objects are all among these, each with its objects; no object comes twice."""
        known = {(one.locator, one.version): one for one in objects if one.version}
        return [
            ([known.pop(version) for version in chunk.versions], chunk)
            for chunk in self._all()
            if all(version in known for version in chunk.versions)
        ]

    def add(self, objects: Sequence[LogObject], counts: CallCounts, read_report: ReadReport) -> None:
        """Keep a chunk, if all its objects have a version and were read whole."""
        if read_report.damaged or read_report.unreadable or not all(one.version for one in objects):
            return
        seen = counts.duplicates
        self._waiting.append(
            CachedChunk(
                tuple((one.locator, one.version) for one in objects),
                frozenset(seen.skipped),
                _packed(seen.keys),
                _packed(_to_saved(counts, read_report)),
            )
        )

    def flush(self) -> None:
        """Write the chunks that are waiting. Where the cache cannot be written, warn once and go on without it."""
        waiting, self._waiting = self._waiting, []
        if waiting and not self._broken:
            try:
                _write(self.folder, waiting)
            except OSError as error:
                self._broken = True
                self.on_message(f"warning: the cache cannot be written: {error.strerror or error}")

    def close(self) -> None:
        """Write the chunks that are waiting, and merge many packs into one."""
        self.flush()
        packs = packs_in(self.folder)
        if len(packs) <= _MANY or self._broken:
            return
        try:
            whole = _write(self.folder, list(self._all()))
        except OSError:
            return
        for pack in packs:
            if pack != whole:
                remove_pack(pack)

    def _all(self) -> Iterator[CachedChunk]:
        for chunks in read_packs(self.folder, _chunks):
            yield from chunks


def _packed(value: object) -> bytes:
    return packed(_encode(value))


def _write(folder: Path, chunks: Sequence[CachedChunk]) -> Path:
    """Write chunks as a pack and return its path."""
    return write_pack(folder, _encode(chunks))


def _to_saved(counts: CallCounts, read_report: ReadReport) -> _SavedCounts:
    calls = [(role, stored_calls(counts.calls[role].items())) for role in sorted(counts.calls)]
    return _SavedCounts(
        calls=calls,
        totals=counts.totals.to_json(),
        copies=_copies_to_json(counts.copies),
        assumptions=list(counts.sightings.items()),
        files=read_report.files,
        logs=read_report.logs,
        kinds=dict(read_report.kinds),
        passed_over=dict(read_report.passed_over),
        items=read_report.items,
        others=read_report.others,
    )


def _from_saved(saved: _SavedCounts, select: Select, reader: CallReader) -> tuple[CallCounts, ReadReport]:
    copies = _copies_from_json(saved.copies)
    counts = CallCounts(
        select, totals=Totals.from_json(saved.totals), copies=copies, sightings=dict(saved.assumptions)
    )
    for role, calls in saved.calls:
        counts.calls[role] = dict(reader.read(calls))
    read_report = ReadReport(files=saved.files, logs=saved.logs, items=saved.items, others=saved.others)
    read_report.kinds.update(saved.kinds)
    read_report.passed_over.update(saved.passed_over)
    return counts, read_report


# --- size and removal ------------------------------------------------------------------------------------------


class CacheSize(NamedTuple):
    """How much the cache holds."""

    requests: int
    packs: int
    bytes: int


def size_of(root: Path) -> CacheSize:
    """Return how much a cache folder holds."""
    requests = packs_in(root / "calls")
    folders = [*requests, *packs_in(root / "kinds")]
    packs = [pack for folder in folders for pack in packs_in(folder)]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return CacheSize(len(requests), len(packs), sum(file.stat().st_size for file in files))


def clear(root: Path) -> CacheSize:
    """Remove the cached chunks and the reports of interrupted runs, and no other file; return how much it was.

    Raises:
        OSError: they cannot be removed.
    """
    size = size_of(root)
    for name in ("calls", "kinds", "reports"):
        if (root / name).exists():
            shutil.rmtree(root / name)
    return size
