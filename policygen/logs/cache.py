"""Never twice: what log objects gave, kept in the user's cache folder.

A *pack* is a folder of portions: their calls as Parquet, and what else was counted as JSON. It is named after a hash
of what it holds, and what does not match its hash is not trusted; it is written beside its place and moved there.
A portion counts for objects of the same place and version, and for the same catalog.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from policygen.iam import reference
from policygen.logs.calls.counts import CallCounts, Select
from policygen.logs.calls.dedup import CrossAccountCopies
from policygen.logs.calls.parquet import calls_to_parquet, from_row, rows_in, to_rows
from policygen.logs.calls.totals import Totals
from policygen.logs.read_report import ReadReport
from policygen.logs.source import LogObject

Place = tuple[str, str]
"""Where an object is, and its version."""

_FORM = "5"
"""Changes when the form of a pack does."""

_MANY = 16
"""Packs of one job that are made one."""

_DAMAGED = (OSError, ValueError, KeyError, EOFError, zlib.error)


class CachedChunk(NamedTuple):
    """A portion and the objects that gave it."""

    places: tuple[Place, ...]
    counts: CallCounts
    read_report: ReadReport
    keys: frozenset[str]
    """Of the records that it counts."""
    skipped: frozenset[str]
    """Keys of records that it does not count, since other objects hold them too."""


class _SavedChunk(msgspec.Struct):
    """A portion as it is written, but for its calls."""

    places: tuple[Place, ...]
    totals: msgspec.Raw
    """As `Totals.to_json` writes them."""
    copies: CrossAccountCopies
    files: int
    logs: int
    kinds: dict[str, int]
    passed_over: dict[str, int]
    keys: list[str]
    skipped: list[str]


class _Pack(msgspec.Struct):
    calls: str
    """Hash of the calls' file."""
    portions: list[_SavedChunk]


_encode = msgspec.json.Encoder(order="deterministic").encode


@cache
def catalog_version() -> str:
    """A hash of all that decides which calls are made of records: code, catalog data and IAM's data."""
    found = blake2b(reference.data_version().encode(), digest_size=16)
    package = files("policygen")
    for name, data in sorted(_sources(package, _DECIDES)):
        found.update(name.encode() + b"\0" + data)
    return found.hexdigest()


_DECIDES = {"iam", "catalog", "logs", "evidence"}
"""Packages whose code and data decide which calls are made of records, each with all its folders."""


def _sources(
    folder: Traversable, packages: Collection[str] = (), path: str = ""
) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every source and data file; of the folders of the top only the named packages."""
    for one in folder.iterdir():
        name = f"{path}/{one.name}"
        if one.is_dir():
            if path or one.name in packages:
                yield from _sources(one, path=name)
        elif one.name.endswith((".toml", ".json", ".py")):
            yield name, one.read_bytes()


def cache_folder() -> Path:
    """Where the cache is: ``$POLICYGEN_CACHE``, else the user's cache folder."""
    own = os.environ.get("POLICYGEN_CACHE")
    if own:
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "policygen"


@dataclass(slots=True)
class Cache:
    """The portions that are kept of one job."""

    folder: Path
    select: Select
    until: str = ""
    on_message: Callable[[str], None] = lambda _: None
    _waiting: list[CachedChunk] = field(default_factory=list)
    _broken: bool = False

    @classmethod
    def open(cls, root: Path, job: str, select: Select, on_message: Callable[[str], None]) -> Cache:
        """The cache of a job.

        Args:
            root: the cache folder.
            job: what tells it from others: the roles and what was searched for.
            select: of the job.
            on_message: told where the cache cannot be used.
        """
        name = blake2b(f"{_FORM}\0{catalog_version()}\0{job}".encode(), digest_size=16).hexdigest()
        return cls(root / "calls" / name, select, on_message=on_message)

    def lookup(self, objects: Sequence[LogObject]) -> list[tuple[list[LogObject], CachedChunk]]:
        """The kept portions of which every object is among these, each with its objects; no object twice."""
        known = {(one.locator, one.version): one for one in objects if one.version}
        return [
            ([known.pop(place) for place in kept.places], kept)
            for kept in self._all()
            if all(place in known for place in kept.places)
        ]

    def add(self, objects: Sequence[LogObject], counts: CallCounts, read_report: ReadReport) -> None:
        """Keeps a portion, if all its objects may be remembered and were read whole."""
        if read_report.damaged or read_report.unreadable or not all(one.version for one in objects):
            return
        places = tuple((one.locator, one.version) for one in objects)
        seen = counts.duplicates
        self._waiting.append(CachedChunk(places, counts, read_report, seen.keys, frozenset(seen.skipped)))

    def flush(self) -> None:
        """Writes what is waiting. A cache that cannot be written costs time and nothing else: it is said once."""
        waiting, self._waiting = self._waiting, []
        if waiting and not self._broken:
            try:
                _write(self.folder, waiting)
            except OSError as error:
                self._broken = True
                self.on_message(f"warning: the cache cannot be written: {error.strerror or error}")

    def close(self) -> None:
        """Writes what is waiting, and makes one pack of many."""
        self.flush()
        packs = _packs(self.folder)
        if len(packs) <= _MANY or self._broken:
            return
        kept = list(self._all())
        try:
            whole = _write(self.folder, kept)
        except OSError:
            return
        for pack in packs:
            if pack != whole:
                shutil.rmtree(pack, ignore_errors=True)

    def _all(self) -> Iterator[CachedChunk]:
        for pack in _packs(self.folder):
            try:
                found = _read(pack, self.select)
            except _DAMAGED:
                shutil.rmtree(pack, ignore_errors=True)
                continue
            yield from found


def _packs(folder: Path) -> list[Path]:
    try:
        return sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    except OSError:
        return []


def _hash(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


def _write(folder: Path, kept: Sequence[CachedChunk]) -> Path:
    calls = calls_to_parquet([row for i, one in enumerate(kept) for row in to_rows(i, one.counts.calls)])
    sums = _encode(_Pack(_hash(calls), [_saved(one) for one in kept]))
    packed = gzip.compress(sums, 5, mtime=0)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    place = folder / _hash(packed)
    beside = Path(tempfile.mkdtemp(prefix=".", dir=folder))
    try:
        (beside / "calls.parquet").write_bytes(calls)
        (beside / "sums.json.gz").write_bytes(packed)
        if not place.exists():
            beside.rename(place)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return place


def _read(pack: Path, select: Select) -> list[CachedChunk]:
    packed = (pack / "sums.json.gz").read_bytes()
    calls = (pack / "calls.parquet").read_bytes()
    if _hash(packed) != pack.name:
        raise ValueError(pack.name)
    found = msgspec.json.decode(gzip.decompress(packed), type=_Pack)
    if _hash(calls) != found.calls:
        raise ValueError(pack.name)
    kept = [_kept(one, select) for one in found.portions]
    for row in rows_in(calls):
        role, key, evidence = from_row(row)
        kept[row.portion].counts.calls.setdefault(role, {})[key] = evidence
    return kept


def _saved(kept: CachedChunk) -> _SavedChunk:
    counts, read_report = kept.counts, kept.read_report
    return _SavedChunk(
        places=kept.places,
        totals=msgspec.Raw(counts.totals.to_json()),
        copies=counts.copies,
        files=read_report.files,
        logs=read_report.logs,
        kinds=dict(read_report.kinds),
        passed_over=dict(read_report.passed_over),
        keys=sorted(kept.keys),
        skipped=sorted(kept.skipped),
    )


def _kept(saved: _SavedChunk, select: Select) -> CachedChunk:
    counts = CallCounts(select, totals=Totals.from_json(saved.totals), copies=saved.copies)
    read_report = ReadReport(files=saved.files, logs=saved.logs)
    read_report.kinds.update(saved.kinds)
    read_report.passed_over.update(saved.passed_over)
    return CachedChunk(saved.places, counts, read_report, frozenset(saved.keys), frozenset(saved.skipped))


# --- for people ------------------------------------------------------------------------------------------


class CacheSize(NamedTuple):
    """What the cache holds."""

    jobs: int
    packs: int
    bytes: int


def size_of(root: Path) -> CacheSize:
    """What is in a cache folder."""
    jobs = _packs(root / "calls")
    packs = [pack for job in jobs for pack in _packs(job)]
    sizes: list[Any] = [one.stat().st_size for pack in packs for one in pack.iterdir()]
    return CacheSize(len(jobs), len(packs), sum(sizes))


def clear(root: Path) -> CacheSize:
    """Removes what is in a cache folder, and nothing else that lies there; returns what it was.

    Raises:
        OSError: it cannot be removed.
    """
    size = size_of(root)
    if (root / "calls").exists():
        shutil.rmtree(root / "calls")
    return size
