"""Calls of more roles than fit into memory wait on disk, and are read back role by role.

The name of a role decides into which of a fixed number of files its calls go, so one file at a time is read back. The
files hold sums and identifying parameters, as the cache does; their folder is readable for the user only, and is
removed at the end.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple
from zlib import crc32

import msgspec

from policygen.errors import UsageError
from policygen.iam.request import RoleKey
from policygen.logs.calls.call import CallBucket, Calls, count_in
from policygen.logs.calls.evidence import Evidence
from policygen.logs.calls.fold import Bound, fold
from policygen.parallel import gc_paused
from policygen.text import escape_controls

PARTS = 64
"""Files: with so many, each holds the calls of a few of a large account's roles."""

ROOM = 10_000
"""Calls that are held in memory before they are written, about 20 MB."""

PackedCalls = dict[RoleKey, list[bytes]]
"""Calls of each role, packed as they were written: cheap to send to another process."""


class PackedParts(NamedTuple):
    """Packed calls, sorted into the files that they go to."""

    parts: dict[int, bytes]
    """Number of a file -> the bytes to append to it."""
    roles: tuple[RoleKey, ...]


_encode = msgspec.msgpack.Encoder().encode
_pieces = msgspec.msgpack.Decoder(list[tuple[RoleKey, msgspec.Raw]]).decode
_calls = msgspec.msgpack.Decoder(list[tuple[CallBucket, Evidence]]).decode


class SpillStore:
    """Writes calls as they come, and reads them back by the role's name. Used once, as a context manager."""

    def __init__(self, folder: Path | None = None) -> None:
        """Make the files in a folder; in the system's temporary folder by default."""
        self._folder = tempfile.TemporaryDirectory(prefix="policygen-", dir=folder)
        self._names: dict[str, set[RoleKey]] = {}

    def __enter__(self) -> SpillStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def write(self, calls: dict[RoleKey, Calls]) -> None:
        """Write calls and empty the mapping.

        Raises:
            UsageError: PG-E278, the disk is full, or not writable.
        """
        self.write_packed(pack_calls(calls))

    def write_packed(self, packed: PackedParts) -> None:
        """Write packed calls; raises as `write` does."""
        for role in packed.roles:
            self._names.setdefault(_name(role), set()).add(role)
        for part, data in packed.parts.items():
            self._write(part, data)

    def _write(self, part: int, data: bytes) -> None:
        try:
            with self._path(part).open("ab") as file:
                file.write(len(data).to_bytes(8, "big"))
                file.write(data)
        except OSError as error:
            raise UsageError(
                f"no temporary file in {escape_controls(self._folder.name)!r}: {error.strerror or error}",
                "name a folder with room for temporary files in TMPDIR",
                code="PG-E278",
            ) from None

    def names(self) -> dict[str, set[RoleKey]]:
        """Return the roles by name in lower case, as IAM compares names (1.3.8), or by id where there is no name."""
        return self._names

    def by_name(self) -> Iterator[tuple[str, PackedCalls]]:
        """Give each name with the calls of the roles that have it; the calls of one file are in memory at a time."""
        for part in range(PARTS):
            named = self._read(part)
            for name in sorted(named):
                yield name, named.pop(name)

    def _read(self, part: int) -> dict[str, PackedCalls]:
        named: dict[str, PackedCalls] = {}
        path = self._path(part)
        if not path.exists():
            return named
        with path.open("rb") as file:
            while size := file.read(8):
                for role, data in _pieces(file.read(int.from_bytes(size, "big"))):
                    named.setdefault(_name(role), {}).setdefault(role, []).append(bytes(data))
        return named

    def _path(self, part: int) -> Path:
        return Path(self._folder.name) / f"{part:02}"


def pack_calls(calls: dict[RoleKey, Calls]) -> PackedParts:
    """Pack calls and empty the mapping."""
    with gc_paused():
        parts: dict[int, list[tuple[RoleKey, list[tuple[CallBucket, Evidence]]]]] = {}
        for role, theirs in calls.items():
            parts.setdefault(_part(role), []).append((role, list(theirs.items())))
        packed = PackedParts({part: _encode(rows) for part, rows in parts.items()}, tuple(calls))
        calls.clear()
    return packed


def unpack_calls(pieces: PackedCalls) -> dict[RoleKey, Calls]:
    """Return the calls of each role, added up, of what `SpillStore.by_name` gives."""
    with gc_paused():
        return {role: _sum(theirs) for role, theirs in pieces.items()}


def _sum(pieces: Iterable[bytes]) -> Calls:
    calls: Calls = {}
    bound = Bound()
    for piece in pieces:
        for key, evidence in _calls(piece):
            count_in(calls, key, evidence)
        bound.keep("", calls)
    fold(calls)
    return calls


def _name(role: RoleKey) -> str:
    return (role.name or role.role_id).lower()


def _part(role: RoleKey) -> int:
    return crc32(_name(role).encode(errors="surrogatepass")) % PARTS
