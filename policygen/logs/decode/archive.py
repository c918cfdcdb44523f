"""Read the members of zip and tar archives, one after the other.

The name of a member only tells what kind of file it is, and what messages call it: nothing is ever written to disk, so
a name may have ``..`` in it, or begin with a slash.
"""

from __future__ import annotations

import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from policygen.logs.decode.compression import (
    CHUNK,
    LIMIT,
    TAR_BLOCK,
    BombError,
    Codec,
    UnpackBudget,
    reason_of,
    unpacked_streams,
)
from policygen.logs.decode.object_key import kind_of_name
from policygen.logs.source import Damage

MEMBER_COST = 8_000
"""Bytes of the budget that each member costs, beside its content: many small ones take time too."""

_READ = TAR_BLOCK << 5  # tarfile copies what it has read so far for each header
_ZIP_ENTRY = b"PK\x01\x02"
_BAD_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,  # bzip2 too
    ValueError,
    IndexError,
    OverflowError,
    RuntimeError,  # encrypted; NotImplementedError: an unknown compression
)
_BAD_TAR = (tarfile.TarError, EOFError, OSError, ValueError, OverflowError, IndexError, RecursionError)


class Member(NamedTuple):
    """One file of an archive."""

    name: str
    size: int
    """Bytes as stored."""
    content: bytes = b""
    kind: str = ""
    """Why it is passed over; "" for one that is read."""
    damage: Damage | None = None


def _kind_of_member(name: str) -> str:
    """Return why a member is passed over, by its name; "" for one that is read."""
    plain = name.replace("\\", "/")
    parts = PurePosixPath(plain).parts
    if any(part.startswith(".") and part != ".." for part in parts):
        return "hidden"
    return (kind_of_name(plain) or "") if parts else "not-a-file"


# ---- zip ------------------------------------------------------------------------------------------------


def zip_members(data: bytes, budget: UnpackBudget) -> Iterator[Member | Damage]:
    """Yield the members of a zip archive in the order of their names; damage for what cannot be read.

    Raises:
        BombError: they unpack to more than the budget.
    """
    budget.take(MEMBER_COST * data.count(_ZIP_ENTRY))
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = sorted(
            (m for m in archive.infolist() if m.file_size or not m.is_dir()), key=lambda m: m.filename
        )
    except _BAD_ZIP as error:
        yield Damage(len(data), f"zip is cut or corrupt: {reason_of(error)}")
        return
    for member in members:
        yield _zip_member(archive, member, budget)


def _zip_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: UnpackBudget) -> Member:
    name, size = member.filename, member.compress_size
    if member.file_size > LIMIT:
        raise BombError(f"unpacks to more than {LIMIT:,} bytes")
    budget.take(member.file_size)
    try:
        with archive.open(member) as file:  # fails where the name is not that of the member's own header
            if kind := _kind_of_member(name):
                return Member(name, size, kind=kind)
            return Member(name, size, file.read())
    except _BAD_ZIP as error:
        reason = f"zip member is corrupt: {reason_of(error)}"
        return Member(name, size, damage=Damage(member.header_offset, reason))


# ---- tar ------------------------------------------------------------------------------------------------


def tar_members(data: bytes, codec: Codec | None, budget: UnpackBudget) -> Iterator[Member | Damage]:
    """Yield the members of a tar archive in their order, then damage if the archive is not whole.

    A compressed archive is unpacked twice: no member is yielded before the checksums of all of them were found right.

    Args:
        data: the archive.
        codec: how it is compressed, None for not at all.
        budget: what it may unpack to.

    Raises:
        BombError: it unpacks to more than the budget.
    """
    damage: Damage | None = None
    stream: Any = io.BytesIO(data)
    if codec:
        spare = UnpackBudget(0)
        spare.left = budget.left
        for piece in unpacked_streams(data, codec, spare):
            damage = piece if isinstance(piece, Damage) else damage
        if damage and not damage.reason.startswith(f"{codec.name} ends"):
            yield damage
            return
        stream = _TarStream(unpacked_streams(data, codec, budget))
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=_READ) as archive:
            while (member := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # it would remember all of them
                budget.take(MEMBER_COST)
                if not member.isdir():
                    yield _tar_member(archive, member, budget)
            damage = damage or _damage_at_end(archive)
    except _BAD_TAR as error:
        damage = damage or Damage(None, f"tar is cut or corrupt: {reason_of(error)}")
    if damage:
        yield damage


def _tar_member(archive: tarfile.TarFile, member: tarfile.TarInfo, budget: UnpackBudget) -> Member:
    kind = _kind_of_member(member.name) if member.isreg() else "not-a-file"
    if kind:
        return Member(member.name, member.size, kind=kind)
    if member.size > LIMIT:
        raise BombError(f"unpacks to more than {LIMIT:,} bytes")
    if member.issparse():
        budget.take(member.size)
    file = archive.extractfile(member)
    content = file.read() if file else b""
    if len(content) != member.size:
        raise tarfile.ReadError("unexpected end of data")
    return Member(member.name, member.size, content)


def _damage_at_end(archive: tarfile.TarFile) -> Damage | None:
    """Return what is wrong behind the last member that tarfile found: it takes a header that it cannot read as the end.

    An archive ends with two blocks of zeros, of which tarfile has read one, and zeros up to its block size.
    """
    file, size = archive.fileobj, 0
    while file and (piece := file.read(CHUNK)):
        if piece.count(0) != len(piece):
            return Damage(archive.offset, f"tar is corrupt at byte {archive.offset:,}: no header of a member")
        size += len(piece)
    if size < TAR_BLOCK:
        return Damage(archive.offset, f"tar ends at byte {archive.offset:,}, before its end is marked")
    return None


class _TarStream:
    """The unpacked content of a compressed archive, as a file that can only be read on."""

    def __init__(self, pieces: Iterator[bytes | Damage | None]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes; none at the end, or where the content is damaged."""
        for piece in self._pieces if not self._rest else ():
            if isinstance(piece, bytes) and piece:
                self._rest = memoryview(piece)
                break
        part, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return part
