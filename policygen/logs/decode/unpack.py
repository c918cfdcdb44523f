"""Turn the bytes of one file into records, whatever compression and wrapping it has.

The first bytes of a file decide what it is, not its name. The name only decides whether a file that cannot be read was
meant to be a log.
"""

from __future__ import annotations

import io
import lzma
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import PurePosixPath
from typing import NamedTuple, cast

from policygen.logs.decode.checksum import check_content
from policygen.logs.decode.envelope import Item, PassedOver, parse_items
from policygen.logs.decode.json_text import non_json_reason, without_bom
from policygen.logs.decode.object_key import has_log_suffix, kind_of_name
from policygen.logs.decode.search import cut_records
from policygen.logs.decode.trail_file import decode_trail_file
from policygen.logs.events.record import Record
from policygen.logs.source import Batch, BytePattern, Damage, LogObject, Unreadable
from policygen.text import escape_controls

try:
    from isal import igzip
    from isal.igzip_lib import IsalError

    _gunzip_whole: Callable[[bytes], bytes] = igzip.decompress
    _BAD_GZIP: tuple[type[Exception], ...] = (
        OSError,
        EOFError,
        zlib.error,
        cast("type[Exception]", IsalError),
    )
except ImportError:  # the extra `fast` is not installed
    import gzip

    _gunzip_whole = gzip.decompress
    _BAD_GZIP = (OSError, EOFError, zlib.error)

LIMIT = 2 << 30
"""Greatest size of one unpacked file, in bytes; trails deliver at most 50 MB (2.1.5)."""

BATCH = 5_000
"""Greatest number of records in one batch of a file that is not a plain trail file."""

_ZLIB_WORDS = {"incorrect data check": "CRC mismatch", "incorrect length check": "length mismatch"}
_MAX_NESTING = 4
_GZIP = b"\x1f\x8b"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_DEFLATE_RATIO = 1032  # no deflate stream unpacks to more (zlib.net/zlib_tech.html)
CHUNK = 1 << 16
_HEAD = re.compile(rb"\s*(?:\d{4}-\d\d-\d\dT\S+\s+)?[{\[\"]")
_OBJECT_HEAD = re.compile(rb'\s*\{\s*"')
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


class StoredFile(NamedTuple):
    """Where bytes come from: the name to show, whether it is meant to be a log, and the patterns to search for."""

    name: str
    expects_log: bool
    search: tuple[BytePattern, ...] = ()


def reason_of(error: Exception) -> str:
    """Return an error as one printable line."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    text = text.removeprefix("Error -3 while decompressing data: ")
    return escape_controls(_ZLIB_WORDS.get(text, text[:1].lower() + text[1:]))


def looks_like_log(head: bytes) -> bool:
    """Return whether the first bytes of a file may be those of a log, whatever its name is."""
    return head.startswith((_GZIP, *_ZIP)) or _HEAD.match(without_bom(head)) is not None


def read_stored(stored: LogObject, data: bytes) -> Iterator[Batch]:
    """Yield the batches of an object's bytes as stored, or only damage if no digest lists these bytes."""
    damage = check_content(data, stored.hashes) if stored.hashes else None
    if damage:
        yield Batch.damaged(stored.name, damage, len(data))
    else:
        yield from read_bytes(
            StoredFile(stored.name, stored.expects_log, stored.search), data, size=len(data)
        )


def read_bytes(file: StoredFile, data: bytes, size: int, depth: int = 0) -> Iterator[Batch]:
    """Yield the batches of one file's bytes, packed or not; never raises for their content.

    Args:
        file: where the bytes come from.
        data: the bytes as stored.
        size: number of bytes as stored; the first batch has it.
        depth: how often the bytes were unpacked already.
    """
    if len(data) > LIMIT:
        yield Batch.damaged(file.name, Damage(LIMIT, f"larger than {LIMIT:,} bytes"))
    elif depth > _MAX_NESTING:
        yield Batch.damaged(file.name, Damage(0, f"packed more than {_MAX_NESTING} times"), size)
    elif data.startswith(_GZIP):
        text, damage = _gunzip(data)
        if damage and not text:
            yield Batch.damaged(file.name, damage, size)
        elif damage:
            yield from _read_text(StoredFile(file.name, expects_log=True), text, size, damage)
        else:
            yield from read_bytes(file, text, size, depth + 1)
    elif data.startswith(_ZIP):
        yield from _read_zip(file, data, size, depth)
    else:
        yield from _read_text(file, data, size)


def _gunzip(data: bytes) -> tuple[bytes, Damage | None]:
    """Return the content of all members of a gzip file, and what is wrong with the file."""
    try:
        if len(data) * _DEFLATE_RATIO <= LIMIT:
            return _gunzip_whole(data), None
    except _BAD_GZIP:
        pass
    return _gunzip_members(data)


def _gunzip_members(data: bytes) -> tuple[bytes, Damage | None]:
    """Unpack member by member, within the limit, to find the place of the error.

    The content before a cut is used, though no checksum covers it. A member with wrong data or a wrong checksum is left
    out as a whole: the error shows later than its place, and a changed letter would give a wrong grant.
    """
    whole: list[bytes] = []
    position = total = 0
    while position < len(data):
        if not data.startswith(_GZIP, position):
            rest = len(data) - position
            if data.count(0, position) == rest:  # padding to a block size
                break
            reason = f"{rest:,} bytes that are not gzip after the end at byte {position:,}"
            return b"".join(whole), Damage(position, reason)
        member = zlib.decompressobj(31)
        parts: list[bytes] = []
        while not member.eof:
            piece = data[position : position + CHUNK]
            if not piece:
                return b"".join(whole + parts), Damage(position, f"gzip ends at byte {position:,}")
            try:
                parts.append(member.decompress(piece, LIMIT + 1 - total))
            except zlib.error as error:
                where = f"the {len(piece):,} bytes from byte {position:,}"
                reason = f"gzip is corrupt in {where}: {reason_of(error)}"
                return b"".join(whole), Damage(position, reason)
            position += len(piece) - len(member.unconsumed_tail) - len(member.unused_data)
            total += len(parts[-1])
            if total > LIMIT:
                return b"", Damage(position, f"unpacks to more than {LIMIT:,} bytes")
        whole += parts
    return b"".join(whole), None


def _read_zip(file: StoredFile, data: bytes, size: int, depth: int) -> Iterator[Batch]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = sorted((m for m in archive.infolist() if not m.is_dir()), key=lambda m: m.filename)
    except _BAD_ZIP as error:
        yield Batch.damaged(file.name, Damage(len(data), f"zip is cut or corrupt: {reason_of(error)}"), size)
        return
    if sum(member.file_size for member in members) > LIMIT:
        yield Batch.damaged(file.name, Damage(0, f"unpacks to more than {LIMIT:,} bytes"), size)
        return
    if not members:
        yield Batch.passed(file.name, "empty-zip", size)
    for member in members:
        yield from _read_member(archive, member, f"{file.name}/{member.filename}", depth)


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, depth: int) -> Iterator[Batch]:
    parts = PurePosixPath(member.filename).parts
    kind = "hidden" if any(part.startswith(".") for part in parts) else kind_of_name(member.filename)
    if kind:
        yield Batch.passed(name, kind, member.compress_size)
        return
    try:
        data = archive.read(member)
    except _BAD_ZIP as error:
        yield Batch.damaged(
            name,
            Damage(member.header_offset, f"zip member is corrupt: {reason_of(error)}"),
            member.compress_size,
        )
        return
    expects_log = has_log_suffix(member.filename)
    if expects_log or looks_like_log(data[:CHUNK]):
        yield from read_bytes(StoredFile(name, expects_log), data, member.compress_size, depth + 1)
    else:
        yield Batch.passed(name, "not-json", member.compress_size)


# ---- text -----------------------------------------------------------------------------------------------


def _read_text(file: StoredFile, data: bytes, size: int, damage: Damage | None = None) -> Iterator[Batch]:
    """Yield the batches of one unpacked file; `damage` is what unpacking found."""
    if damage is None:
        matching = cut_records(data, file.search) if file.search else None
        if matching is not None:
            yield Batch(escape_controls(file.name), matching, size=size, searched=True)
            return
        records = decode_trail_file(data)
        if records is not None:
            yield Batch(escape_controls(file.name), records, size=size)
            return
    text = without_bom(data)
    reason = non_json_reason(text)
    if damage or reason is None:
        yield from _read_items(file, parse_items(text), size, damage, expects_log=_claims(file, text))
    elif _claims(file, text):
        yield Batch.damaged(file.name, Damage(0, reason), size)
    else:
        yield Batch.passed(file.name, "not-json", size)


def _claims(file: StoredFile, text: bytes) -> bool:
    return file.expects_log or _OBJECT_HEAD.match(text) is not None


def _read_items(
    file: StoredFile, items: Iterator[Item], size: int, damage: Damage | None, *, expects_log: bool
) -> Iterator[Batch]:
    """Yield items as batches. A file that only looked like JSON, and was not meant to be a log, is passed over."""
    if damage:  # a cut file ends in the middle of its JSON, which is not a second fault
        items = (item for item in items if not isinstance(item, Damage))
    position = 0
    while chunk := list(islice(items, BATCH)):
        batch = _to_batch(file, chunk, position, size, damage)
        if not (expects_log or position or batch.records or batch.passed_over):
            yield Batch.passed(file.name, "not-json", size)
            return
        yield batch
        position += sum(not isinstance(item, Damage) for item in chunk)
        size, damage = 0, None
    if damage:  # and no item was before it
        yield Batch.damaged(file.name, damage, size)


def _to_batch(file: StoredFile, chunk: list[Item], position: int, size: int, damage: Damage | None) -> Batch:
    name = escape_controls(file.name)
    records: list[Record] = []
    unreadable: list[Unreadable] = []
    passed: Counter[str] = Counter()
    for item in chunk:
        if isinstance(item, Damage):
            damage = damage or item
            continue
        position += 1
        if isinstance(item, Record):
            records.append(item)
        elif isinstance(item, PassedOver):
            passed[item.kind] += 1
        else:
            unreadable.append(Unreadable(name, position, item.reason))
    only_passed = passed and not (records or unreadable or damage)
    kind = passed.most_common(1)[0][0] if only_passed else "log"
    return Batch(name, records, tuple(unreadable), dict(sorted(passed.items())), damage, kind, size)
