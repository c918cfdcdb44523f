"""Check that the content of a log file is what a digest of CloudTrail lists (2.2)."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Collection, Iterator

from policygen.logs.source import Damage

_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 20


def check_content(data: bytes, hashes: Collection[str]) -> Damage | None:
    """Return why a log file must not be read, or None if its content has one of the hashes.

    Args:
        data: the file's bytes as stored.
        hashes: SHA-256 in hex, as the digests list them.
    """
    try:
        actual = content_hash(data)
    except ValueError as error:
        return Damage(None, f"the log differs from its digest: {error}")
    if actual in hashes:
        return None
    return Damage(None, f"the log differs from its digest: its SHA-256 begins {actual[:12]}")


def content_hash(data: bytes) -> str:
    """Return the SHA-256, in hex, of a file's content: unpacked if it is gzip, else as it is.

    Raises:
        ValueError: the file is not one whole gzip stream, or bytes follow the stream (2.2.5).
    """
    digest = hashlib.sha256()
    for piece in unpacked_pieces(data):
        digest.update(piece)
    return digest.hexdigest()


def unpacked_pieces(data: bytes) -> Iterator[bytes]:
    """Yield a file's content piece by piece, so that a limit can be enforced before all of it is in memory.

    CloudTrail writes one gzip member, and its hash covers that member only. Programs that read gzip continue with the
    next member, so they would read bytes that somebody appended: here that is an error.

    Raises:
        ValueError: as `content_hash`.
    """
    if not data.startswith(_GZIP):
        yield data
        return
    stream = zlib.decompressobj(31)
    try:
        piece = stream.decompress(data, _CHUNK)
        while piece:
            yield piece
            piece = stream.decompress(stream.unconsumed_tail, _CHUNK)
    except zlib.error as error:
        raise ValueError(f"gzip is corrupt: {error}") from error
    if not stream.eof:
        raise ValueError("gzip ends early")
    if stream.unused_data:
        raise ValueError(f"{len(stream.unused_data):,} bytes follow the gzip stream")
