"""Undo the compression of one file, with gzip, bzip2 or xz, within a limit that no archive can talk itself out of.

The limit is one budget for a stored file and all that is packed in it, however deep: a few kilobytes can unpack to
terabytes.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any, cast

import msgspec

from policygen.logs.source import Damage
from policygen.text import escape_controls

try:
    from isal import igzip, isal_zlib
    from isal.igzip_lib import IsalError

    _gunzip_whole: Callable[[bytes], bytes] = igzip.decompress
    _new_inflater: Callable[[int], Any] = isal_zlib.decompressobj
    _BAD_GZIP: tuple[type[Exception], ...] = (
        OSError,
        EOFError,
        zlib.error,
        cast("type[Exception]", IsalError),
    )
except ImportError:  # there is no isal for this system
    import gzip

    _gunzip_whole = gzip.decompress
    _new_inflater = zlib.decompressobj
    _BAD_GZIP = (OSError, EOFError, zlib.error)

INFLATER = "isal" if _gunzip_whole.__module__.startswith("isal") else "zlib"
"""What unpacks gzip."""

LIMIT = 2 << 30
"""Greatest size of one unpacked file, in bytes; trails deliver at most 50 MB (2.1.5)."""

FREE = 128 << 20
"""Bytes that any file may unpack to."""

RATIO = 100
"""Times its size that a larger file may unpack to: gzip makes CloudTrail's JSON ten to thirty times as small."""

CHUNK = 1 << 16
"""Bytes that are unpacked at a time where the place of an error is looked for."""

TAR_BLOCK = 512
"""Size of the blocks of a tar archive, in bytes."""

_BLOCK = 16 << 20
_HEAD = 2 << 20  # more than one block of bzip2
_XZ_MEMORY = 128 << 20
_ZLIB_WORDS = {"incorrect data check": "CRC mismatch", "incorrect length check": "length mismatch"}
_DEFLATE_RATIO = 1032  # no deflate stream unpacks to more (zlib.net/zlib_tech.html)
_ERRORS = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError)


class BombError(Exception):
    """A file unpacks to more than it may."""


class UnpackBudget:
    """How much one stored file may still unpack to: all its layers and members together.

    Args:
        stored: number of bytes of the file as stored.
    """

    def __init__(self, stored: int) -> None:
        self.whole = max(FREE, RATIO * stored)
        self.left = self.whole

    def take(self, size: int) -> None:
        """Subtract unpacked bytes.

        Raises:
            BombError: there is not as much left.
        """
        self.left -= size
        if self.left < 0:
            raise BombError(f"unpacks to more than {self.whole:,} bytes")


class Codec(msgspec.Struct, frozen=True):
    """A compression of one stream after the other."""

    name: str
    magic: bytes
    start: Callable[[], Any]
    """Returns a decompressor of one stream."""


GZIP = Codec("gzip", b"\x1f\x8b", lambda: _Inflater(zlib.decompressobj(31)))
CODECS = (
    GZIP,
    Codec("bzip2", b"BZh", bz2.BZ2Decompressor),
    Codec("xz", b"\xfd7zXZ\0", lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY)),
)


def codec_of(data: bytes) -> Codec | None:
    """Return the compression that the first bytes tell, None for none that is known."""
    return next((codec for codec in CODECS if data.startswith(codec.magic)), None)


def reason_of(error: Exception) -> str:
    """Return an error as one printable line."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    text = text.removeprefix("Error -3 while decompressing data: ")
    return escape_controls(_ZLIB_WORDS.get(text, text[:1].lower() + text[1:]))


def decompress(data: bytes, codec: Codec, budget: UnpackBudget) -> tuple[bytes, Damage | None]:
    """Return the content of all streams of a file, and what is wrong with the file.

    The content before a cut is used, though no checksum covers it. A stream with wrong data or a wrong checksum is left
    out as a whole: the error shows later than its place, and a changed letter would give a wrong grant.
    """
    whole = _gunzip(data, budget) if codec is GZIP else None
    if whole is not None:
        return whole, None
    streams: list[bytes] = []
    parts: list[bytes] = []
    damage = None
    for piece in unpacked_streams(data, codec, budget):
        if isinstance(piece, Damage):
            damage = piece
        elif piece is None:
            streams.append(b"".join(parts))
            parts = []
        else:
            parts.append(piece)
    if damage and damage.reason.startswith(f"{codec.name} ends"):
        streams += parts
    return streams[0] if len(streams) == 1 else b"".join(streams), damage


def unpacked_streams(data: bytes, codec: Codec, budget: UnpackBudget) -> Iterator[bytes | Damage | None]:
    """Yield the content piece by piece, None at the sound end of each stream, and damage as the last item."""
    position = total = 0
    while position < len(data):
        if not data.startswith(codec.magic, position):
            rest = len(data) - position
            if data.count(0, position) != rest:  # else it is padding to a block size
                what = f"{rest:,} bytes that are not {codec.name} after the end at byte {position:,}"
                yield Damage(position, what)
            return
        stream = codec.start()
        piece, start = b"", position
        while not stream.eof:
            fed = data[position : position + CHUNK] if stream.needs_input else b""
            if fed:
                piece, start = fed, position
            try:
                content = stream.decompress(fed, _BLOCK)
            except _ERRORS as error:
                where = f"the {len(piece):,} bytes from byte {start:,}"
                yield Damage(start, f"{codec.name} is corrupt in {where}: {reason_of(error)}")
                return
            if not (fed or content or stream.eof):
                yield Damage(position, f"{codec.name} ends at byte {position:,}")
                return
            position += len(fed)
            total += len(content)
            budget.take(len(content))
            _check_ratio(total, position)
            yield content
        position -= len(stream.unused_data)
        yield None


def _check_ratio(unpacked: int, packed: int) -> None:
    limit = min(LIMIT, max(FREE, RATIO * packed))
    if unpacked > limit:
        raise BombError(f"unpacks to more than {limit:,} bytes")


def starts_with_tar(data: bytes, codec: Codec) -> bool:
    """Return whether a file that is too large to be unpacked at once holds a tar archive."""
    if len(data) * _DEFLATE_RATIO <= FREE:
        return False
    try:
        return is_tar(codec.start().decompress(data[:_HEAD], TAR_BLOCK))
    except _ERRORS:
        return False


def is_zip(data: bytes) -> bool:
    """Return whether the first bytes are those of a zip archive."""
    return data.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def is_tar(data: bytes) -> bool:
    """Return whether the first bytes are the header of a tar archive."""
    return data[257:262] == b"ustar"


def _gunzip(data: bytes, budget: UnpackBudget) -> bytes | None:
    """Return the content of a sound gzip file, or None where the place of an error is to be looked for.

    Most files are one stream, no larger than `FREE`, which is unpacked with less copying than several.
    """
    stream = _new_inflater(31)
    try:
        content: bytes = stream.decompress(data, FREE)
        if not stream.eof or stream.unused_data:
            if len(data) * _DEFLATE_RATIO > FREE:
                return None
            content = _gunzip_whole(data)
    except _BAD_GZIP:
        return None
    budget.take(len(content))
    return content


class _Inflater:
    """Gives zlib's decompressor the interface of those of bzip2 and xz."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    @property
    def eof(self) -> bool:
        return bool(self._stream.eof)

    @property
    def needs_input(self) -> bool:
        return not self._stream.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return bytes(self._stream.unused_data)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return at most so many bytes."""
        return bytes(self._stream.decompress(self._stream.unconsumed_tail + data, max_length))
