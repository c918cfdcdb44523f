"""Calls and assumptions of more roles than fit into memory wait on disk, and are read back role by role.

So do the copies of calls that other accounts received (`dedup`), until everything was read.

The name of a role decides into which of a fixed number of files they go, so one file at a time is read back. The
files hold sums and identifying parameters, as the cache does; their folder is readable for the user only, and is
removed at the end. What one role has of a file is read piece by piece, when it is asked for.
"""

from __future__ import annotations

import pickle
import shutil
import tempfile
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from os import SEEK_CUR
from pathlib import Path
from struct import Struct
from types import TracebackType
from typing import NamedTuple
from zlib import crc32

import msgspec

from policygen.errors import UsageError
from policygen.iam.request import RoleKey
from policygen.logs.calls.call import Calls, count_in
from policygen.logs.calls.dedup import CrossAccountCopies
from policygen.logs.calls.fold import Bound, fold
from policygen.logs.calls.stored_calls import CallReader, StoredCalls, stored_calls
from policygen.logs.events.assumption import Assumption, Sighting, Sightings, role_of_arn
from policygen.parallel import gc_paused
from policygen.text import escape_controls

PARTS = 64
"""Files: with so many, each holds the calls of a few of a large account's roles."""

ROOM = 10_000
"""Calls and assumptions that are held in memory before they are written, about 20 MB."""

ROOM_OF_COPIES = 2_000
"""Copies and sharedEventIDs that are held in memory before they are written, 1 to 3 MB."""


class StoredPieces(msgspec.Struct, frozen=True):
    """What was written of one role, as long as its store is open; cheap to send to another process of the machine.

    Attributes:
        path: of the file.
        spans: where each piece begins in it, and its size in bytes.
    """

    path: Path
    spans: list[tuple[int, int]] = msgspec.field(default_factory=list)

    def __iter__(self) -> Iterator[bytes]:
        """Give the pieces as they were packed, one in memory at a time."""
        with self.path.open("rb") as file:
            for start, size in self.spans:
                file.seek(start)
                yield file.read(size)


class StoredRoles(NamedTuple):
    """What was written of the roles of one name."""

    calls: dict[RoleKey, StoredPieces]
    assumptions: dict[str, StoredPieces]
    """By the role's account."""

    def in_account(self, account: str) -> StoredRoles:
        """Return what is of the roles of one account."""
        return StoredRoles(
            {role: pieces for role, pieces in self.calls.items() if role.account == account},
            {of: pieces for of, pieces in self.assumptions.items() if of == account},
        )


class PackedParts(NamedTuple):
    """Packed calls and assumptions, sorted into the files that they go to."""

    parts: dict[int, bytes]
    """Number of a file -> the bytes to append to it."""
    roles: tuple[RoleKey, ...]
    """Those with calls."""


_Seen = list[tuple[Assumption, dict[str, Sighting]]]
_Label = tuple[str, RoleKey | str]
"""Whose a piece is: the name of a role, and the role of which it has calls, or the account of one with assumptions."""

_SIZES = Struct(">IQ")
"""What precedes each piece: the sizes in bytes of its label and of itself."""

_encode = msgspec.msgpack.Encoder().encode
_label = msgspec.msgpack.Decoder(_Label).decode
_calls = msgspec.msgpack.Decoder(StoredCalls).decode
_seen = msgspec.msgpack.Decoder(_Seen).decode


class SpillStore:
    """Writes what is counted as it comes, and reads it back by the role's name.

    Used once, as a context manager; else its files go when nobody holds it any more.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Make the files in a folder; in the system's temporary folder by default."""
        self._folder = Path(tempfile.mkdtemp(prefix="policygen-", dir=folder))
        self._remove = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._names: dict[str, set[RoleKey]] = {}

    def __enter__(self) -> SpillStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def write(self, calls: dict[RoleKey, Calls], sightings: Sightings) -> None:
        """Write calls and assumptions, and empty the mappings.

        Raises:
            UsageError: PG-E278, the disk is full, or not writable.
        """
        self.write_packed(pack_roles(calls, sightings))

    def write_packed(self, packed: PackedParts) -> None:
        """Write what is packed; raises as `write` does."""
        for role in packed.roles:
            self._names.setdefault(_name(role), set()).add(role)
        for part, data in packed.parts.items():
            self._write(_file(part), data)

    def _write(self, name: str, data: bytes) -> None:
        try:
            with (self._folder / name).open("ab") as file:
                file.write(data)
        except OSError as error:
            raise UsageError(
                f"no temporary file in {escape_controls(str(self._folder))!r}: {error.strerror or error}",
                "name a folder with room for temporary files in TMPDIR",
                code="PG-E278",
            ) from None

    def write_copies(self, copies: CrossAccountCopies) -> None:
        """Write cross-account copies and forget them; raises as `write` does."""
        parts: defaultdict[int, CrossAccountCopies] = defaultdict(CrossAccountCopies)
        for shared_id in copies.own:
            parts[_part(shared_id)].own.add(shared_id)
        for shared_id, events in copies.copies.items():
            parts[_part(shared_id)].copies[shared_id] = events
        copies.own, copies.copies = set(), {}
        for part, some in parts.items():
            self._write(f"copies-{part}", pickle.dumps(some))

    def all_copies(self, rest: CrossAccountCopies) -> Iterator[CrossAccountCopies]:
        """Give the copies that were written and the rest, those of one sharedEventID together; they are forgotten."""
        paths = [self._folder / f"copies-{part}" for part in range(PARTS)]
        if not any(path.exists() for path in paths):
            yield rest
            return
        self.write_copies(rest)
        for path in filter(Path.exists, paths):
            whole = CrossAccountCopies()
            with path.open("rb") as file:
                while file.peek(1):
                    whole.merge(pickle.load(file))  # noqa: S301 - written by `write_copies`
            yield whole

    def names(self) -> dict[str, set[RoleKey]]:
        """Return the roles by name in lower case, as IAM compares names (1.3.8), or by id where there is no name."""
        return self._names

    def by_name(self) -> Iterator[tuple[str, StoredRoles]]:
        """Give each name with what was written of its roles."""
        for part in range(PARTS):
            named = self._index(self._folder / _file(part))
            for name in sorted(named):
                yield name, named.pop(name)

    def _index(self, path: Path) -> dict[str, StoredRoles]:
        """Find out whose the pieces of a file are."""
        named: defaultdict[str, StoredRoles] = defaultdict(lambda: StoredRoles({}, {}))
        if not path.exists():
            return named
        with path.open("rb") as file:
            while sizes := file.read(_SIZES.size):
                of_label, of_piece = _SIZES.unpack(sizes)
                name, owner = _label(file.read(of_label))
                stored, start = named[name], file.tell()
                if isinstance(owner, RoleKey):
                    pieces = stored.calls.setdefault(owner, StoredPieces(path))
                else:
                    pieces = stored.assumptions.setdefault(owner, StoredPieces(path))
                pieces.spans.append((start, of_piece))
                file.seek(of_piece, SEEK_CUR)
        return named


def pack_roles(calls: dict[RoleKey, Calls], sightings: Sightings) -> PackedParts:
    """Pack calls and assumptions, and empty the mappings."""
    with gc_paused():
        parts: defaultdict[int, bytearray] = defaultdict(bytearray)
        for role, theirs in calls.items():
            _append(parts, _name(role), role, stored_calls(theirs.items()))
        for (name, account), seen in _by_role(sightings).items():
            _append(parts, name, account, seen)
        packed = PackedParts({part: bytes(data) for part, data in parts.items()}, tuple(calls))
        calls.clear()
        sightings.clear()
    return packed


def _append(parts: Mapping[int, bytearray], name: str, owner: RoleKey | str, content: object) -> None:
    """Append a piece to the part of its name."""
    label, piece = _encode((name, owner)), _encode(content)
    part = parts[_part(name)]
    part += _SIZES.pack(len(label), len(piece))
    part += label
    part += piece


def _by_role(sightings: Sightings) -> dict[tuple[str, str], _Seen]:
    """Sort assumptions by the role's name in lower case and its account."""
    roles: defaultdict[tuple[str, str], _Seen] = defaultdict(list)
    for said, found in sightings.items():
        if role := role_of_arn(said.role_arn):
            roles[_name(role), role.account].append((said, found))
    return roles


def unpack_calls(stored: Mapping[RoleKey, StoredPieces]) -> dict[RoleKey, Calls]:
    """Return the calls of each role, added up, of what `SpillStore.by_name` gives."""
    with gc_paused():
        return {role: _sum(pieces) for role, pieces in stored.items()}


def unpack_sightings(
    pieces: Iterable[bytes], as_asked: Callable[[Assumption], Assumption] = lambda said: said
) -> Sightings:
    """Return the assumptions of a role, of what `SpillStore.by_name` gives; a record counts once.

    Args:
        pieces: its assumptions.
        as_asked: leaves out of one what nobody asks for, so that many are one.
    """
    sightings: Sightings = {}
    with gc_paused():
        for said, found in chain.from_iterable(map(_seen, pieces)):
            sightings.setdefault(as_asked(said), {}).update(found)
    return sightings


def _sum(pieces: Iterable[bytes]) -> Calls:
    calls = _added_up(pieces)
    fold(calls)
    return calls


def _added_up(pieces: Iterable[bytes]) -> Calls:
    calls: Calls = {}
    bound, reader = Bound(), CallReader()
    for piece in pieces:
        for key, evidence in reader.read(_calls(piece)):
            count_in(calls, key, evidence)
        if bound.keep("", calls):
            reader = CallReader()  # the one before holds the parts of all calls that were folded
    return calls


def _name(role: RoleKey) -> str:
    return (role.name or role.role_id).lower()


def _file(part: int) -> str:
    return f"{part:02}"


def _part(name: str) -> int:
    return crc32(name.encode(errors="surrogatepass")) % PARTS
