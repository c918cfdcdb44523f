"""Packs: the files of a cache, named by a hash of their content, so that no damaged one is used.

A pack is written to a temporary file beside the others and then renamed. A pack that does not match its name is
removed. Only the user can write into their folder.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar, cast

try:
    from isal.igzip_lib import IsalError
    from isal.isal_zlib import compress, decompress

    _DAMAGED: tuple[type[Exception], ...] = (
        OSError,
        ValueError,
        zlib.error,
        cast("type[Exception]", IsalError),
    )
except ImportError:  # there is no isal for this system
    from zlib import compress, decompress

    _DAMAGED = (OSError, ValueError, zlib.error)

Content = TypeVar("Content")


def name_hash(text: str) -> str:
    """Return the name of a folder of packs that are good for nothing but what a text says."""
    return _hash(text.encode())


def _hash(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


def packs_in(folder: Path) -> list[Path]:
    """Return the packs of a folder, or the folders of packs in it; none where it cannot be read."""
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:
        return []


def read_packs(folder: Path, decode: Callable[[bytes], Content]) -> Iterator[Content]:
    """Give the content of each pack, and remove those that are not as they were written.

    Args:
        folder: holds the packs.
        decode: returns what the bytes of a pack say, and raises ValueError for others.
    """
    for pack in packs_in(folder):
        try:
            content = decode(_read(pack))
        except _DAMAGED:
            remove_pack(pack)
            continue
        yield content


def _read(pack: Path) -> bytes:
    data = pack.read_bytes()
    if _hash(data) != pack.name:
        raise ValueError(pack.name)
    return data


def packed(content: bytes) -> bytes:
    """Return bytes compressed, what packs hold much of; quickly, since a pack is small beside the logs."""
    return compress(content, 1)


def unpack(data: bytes) -> bytes:
    """Return what `packed` compressed."""
    return decompress(data)


def write_pack(folder: Path, content: bytes) -> Path:
    """Write a pack and return its path.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    pack = folder / _hash(content)
    handle, unnamed = tempfile.mkstemp(prefix=".", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(unnamed).replace(pack)
    finally:
        Path(unnamed).unlink(missing_ok=True)
    return pack


def remove_pack(pack: Path) -> None:
    """Remove a pack, if that can be done."""
    with suppress(OSError):
        pack.unlink()
