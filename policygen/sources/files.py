"""Log source "files": files and folders of CloudTrail logs, packed and wrapped as users have them.

What a file is, its first bytes tell, not its name; the name only tells whether a file that cannot be read
was meant to be a log. Folders are walked in the order of relative paths, and every file once.
"""

from __future__ import annotations

import difflib
import io
import lzma
import os
import re
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NamedTuple, cast

from policygen.errors import NothingFoundError, UsageError
from policygen.record import Record
from policygen.sources import Batch, Damage, Unreadable, envelope
from policygen.text import printable

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
"""Greatest number of records in a batch of a file that is not a plain trail file."""

_ZLIB_WORDS = {"incorrect data check": "CRC mismatch", "incorrect length check": "length mismatch"}
_MAX_NESTING = 4
_GZIP = b"\x1f\x8b"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_DEFLATE_RATIO = 1032  # no deflate stream unpacks to more (zlib.net/zlib_tech.html)
_CHUNK = 1 << 16
_HEAD = re.compile(rb"\s*(?:\d{4}-\d\d-\d\dT\S+\s+)?[{\[\"]")
_OBJECT_HEAD = re.compile(rb'\s*\{\s*"')
_LOG_NAME = re.compile(r"\.(json|jsonl|ndjson|gz|zip)$", re.IGNORECASE)
_INNER_NAME = re.compile(r"\.[a-z]+(?=\.gz$)", re.IGNORECASE)
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


def open_files(specs: Sequence[str]) -> FileSource:
    """The files and folders that `specs` name, as paths or ``file://`` URLs.

    Raises:
        UsageError: one of them does not exist (PG-E201).
    """
    paths = tuple(Path(spec.removeprefix("file://")) for spec in specs)
    for path in paths:
        if not os.path.lexists(path):
            raise UsageError(f"no file or folder {printable(str(path))!r}", *_hints(path), code="PG-E201")
    return FileSource(paths)


@dataclass(frozen=True, slots=True)
class FileSource:
    """CloudTrail logs in files; a folder in `paths` stands for all files under it."""

    paths: tuple[Path, ...]

    def read(self) -> Iterator[Batch]:
        """Yield one batch a file, more for long files; never raises for what a file holds.

        Raises:
            NothingFoundError: at the end, when no file was a log (PG-E302).
        """
        passed: Counter[str] = Counter()
        logs = 0
        seen: set[tuple[int, int]] = set()
        for path in self.paths:
            label = path.as_posix() if len(self.paths) > 1 else ""
            for batch in _read_root(path, label, seen):
                logs += batch.kind == "log"
                passed[batch.kind] += batch.kind != "log"
                yield batch
        if not logs:
            raise NothingFoundError(
                f"no CloudTrail log file under {', '.join(repr(printable(str(path))) for path in self.paths)}"
                f"{_account(passed)}",
                "logs are .json.gz files as a trail delivers them, or any JSON that holds their records",
                code="PG-E302",
            )


def _hints(path: Path) -> Iterator[str]:
    try:
        beside = sorted(entry.name for entry in path.parent.iterdir())
    except OSError:
        beside = []
    for name in difflib.get_close_matches(path.name, beside, n=1):
        yield f"did you mean {printable(str(path.parent / name))!r}?"
    yield "name a file or a folder of CloudTrail logs"


def _reason(error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    text = text.removeprefix("Error -3 while decompressing data: ")
    return printable(_ZLIB_WORDS.get(text, text[:1].lower() + text[1:]))


def _account(passed: Counter[str]) -> str:
    kinds = [f"{count} {kind}" for kind, count in sorted(passed.items()) if count]
    if not kinds:
        return ""
    total = passed.total()
    return f" ({total} {'file' if total == 1 else 'files'} passed over: {', '.join(kinds)})"


# ---- folders --------------------------------------------------------------------------------------------


class _File(NamedTuple):
    """A file to read: `name` as shown, and whether it is meant to be a log, whatever it is called."""

    name: str
    claims: bool


def _read_root(path: Path, label: str, seen: set[tuple[int, int]]) -> Iterator[Batch]:
    if path.is_dir():
        yield from _read_folder(path, label, seen)
    else:
        yield from _read_path(path, _File(label or path.as_posix(), claims=True), seen, given=True)


def _read_folder(folder: Path, name: str, seen: set[tuple[int, int]]) -> Iterator[Batch]:
    """All under `folder`, in the order of relative paths: a folder sorts as its name and a slash."""
    try:
        if not _is_new(folder.stat(), seen):
            return
        with os.scandir(folder) as entries:
            inside = sorted((entry.name + "/" * entry.is_dir(), entry.name) for entry in entries)
    except OSError as error:
        yield Batch.damaged(name or str(folder), Damage(None, _reason(error)))
        return
    for key, plain in inside:
        path, shown = folder / plain, f"{name}/{plain}" if name else plain
        if plain.startswith("."):
            yield Batch.passed(shown, "hidden")
        elif key.endswith("/"):
            yield from _read_folder(path, shown, seen)
        else:
            yield from _read_path(path, _File(shown, _is_log_name(plain)), seen)


def _read_path(
    path: Path, file: _File, seen: set[tuple[int, int]], *, given: bool = False
) -> Iterator[Batch]:
    try:
        status = path.stat()
        if not _is_new(status, seen):
            return
        if not (given or stat.S_ISREG(status.st_mode)):  # opening a pipe would wait for its writer
            yield Batch.passed(file.name, "not-a-file")
            return
        kind = _kind_of_name(path.as_posix())
        with path.open("rb") as stream:
            head = b"" if kind else stream.read(_CHUNK)
            if kind or not (file.claims or _looks_like_log(head)):
                yield Batch.passed(file.name, kind or "not-json")
                return
            data = head + stream.read(LIMIT + 1 - len(head))
    except OSError as error:
        yield Batch.damaged(file.name, Damage(None, _reason(error)))
        return
    if len(data) > LIMIT:
        yield Batch.damaged(file.name, Damage(LIMIT, f"larger than {LIMIT:,} bytes"))
        return
    yield from _read_bytes(file, data, size=len(data))


def _is_new(status: os.stat_result, seen: set[tuple[int, int]]) -> bool:
    """Whether this file or folder was not met before, by another path or link."""
    key = (status.st_dev, status.st_ino)
    if key in seen:
        return False
    seen.add(key)
    return True


def _kind_of_name(name: str) -> str | None:
    """What a trail's own layout says about a file (2.1): digests and insights have folders of their own."""
    parts = PurePosixPath(name).parts
    for mark, kind in (("CloudTrail-Digest", "digest"), ("CloudTrail-Insight", "insight")):
        if mark in parts or f"_{mark}_" in parts[-1]:
            return kind
    return None


def _is_log_name(name: str) -> bool:
    """Whether a name claims a JSON log: by its suffix, or the one before ``.gz`` if there is one."""
    inner = _INNER_NAME.search(name)
    return bool(_LOG_NAME.search(inner.group() if inner else name))


def _looks_like_log(head: bytes) -> bool:
    return head.startswith((_GZIP, *_ZIP)) or _HEAD.match(envelope.without_bom(head)) is not None


# ---- packing --------------------------------------------------------------------------------------------


def _read_bytes(file: _File, data: bytes, size: int, depth: int = 0) -> Iterator[Batch]:
    """The batches of one file's bytes, packed or not."""
    if depth > _MAX_NESTING:
        yield Batch.damaged(file.name, Damage(0, f"packed more than {_MAX_NESTING} times"), size)
    elif data.startswith(_GZIP):
        text, damage = _gunzip(data)
        if damage and not text:
            yield Batch.damaged(file.name, damage, size)
        elif damage:
            yield from _read_text(_File(file.name, claims=True), text, size, damage)
        else:
            yield from _read_bytes(file, text, size, depth + 1)
    elif data.startswith(_ZIP):
        yield from _read_zip(file, data, size, depth)
    else:
        yield from _read_text(file, data, size)


def _gunzip(data: bytes) -> tuple[bytes, Damage | None]:
    """All members of a gzip file, and what is wrong with it."""
    try:
        if len(data) * _DEFLATE_RATIO <= LIMIT:
            return _gunzip_whole(data), None
    except _BAD_GZIP:
        pass
    return _gunzip_members(data)


def _gunzip_members(data: bytes) -> tuple[bytes, Damage | None]:
    """Member by member, within the limit, to find out where it goes wrong.

    What precedes a cut is used, though no checksum vouches for it. A member whose data or checksum is wrong
    is left out whole: the fault shows later than it was made, and a changed letter would be a wrong grant.
    """
    whole: list[bytes] = []
    position = total = 0
    while position < len(data):
        if not data.startswith(_GZIP, position):
            left = len(data) - position
            if data.count(0, position) == left:  # padding to a block size
                break
            reason = f"{left:,} bytes that are not gzip after the end at byte {position:,}"
            return b"".join(whole), Damage(position, reason)
        member = zlib.decompressobj(31)
        parts: list[bytes] = []
        while not member.eof:
            piece = data[position : position + _CHUNK]
            if not piece:
                return b"".join(whole + parts), Damage(position, f"gzip ends at byte {position:,}")
            try:
                parts.append(member.decompress(piece, LIMIT + 1 - total))
            except zlib.error as error:
                where = f"the {len(piece):,} bytes from byte {position:,}"
                reason = f"gzip is corrupt in {where}: {_reason(error)}"
                return b"".join(whole), Damage(position, reason)
            position += len(piece) - len(member.unconsumed_tail) - len(member.unused_data)
            total += len(parts[-1])
            if total > LIMIT:
                return b"", Damage(position, f"unpacks to more than {LIMIT:,} bytes")
        whole += parts
    return b"".join(whole), None


def _read_zip(file: _File, data: bytes, size: int, depth: int) -> Iterator[Batch]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = sorted((m for m in archive.infolist() if not m.is_dir()), key=lambda m: m.filename)
    except _BAD_ZIP as error:
        yield Batch.damaged(file.name, Damage(len(data), f"zip is cut or corrupt: {_reason(error)}"), size)
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
    kind = "hidden" if any(part.startswith(".") for part in parts) else _kind_of_name(member.filename)
    if kind:
        yield Batch.passed(name, kind, member.compress_size)
        return
    try:
        data = archive.read(member)
    except _BAD_ZIP as error:
        yield Batch.damaged(
            name,
            Damage(member.header_offset, f"zip member is corrupt: {_reason(error)}"),
            member.compress_size,
        )
        return
    claims = _is_log_name(member.filename)
    if claims or _looks_like_log(data[:_CHUNK]):
        yield from _read_bytes(_File(name, claims), data, member.compress_size, depth + 1)
    else:
        yield Batch.passed(name, "not-json", member.compress_size)


# ---- text -----------------------------------------------------------------------------------------------


def _read_text(file: _File, data: bytes, size: int, damage: Damage | None = None) -> Iterator[Batch]:
    """The batches of one unpacked file; `damage` is what unpacking found."""
    records = envelope.trail(data) if damage is None else None
    if records is not None:
        yield Batch(printable(file.name), records, size=size)
        return
    text = envelope.without_bom(data)
    reason = envelope.not_json(text)
    if damage or reason is None:
        yield from _read_items(file, envelope.items(text), size, damage, claims=_claims(file, text))
    elif _claims(file, text):
        yield Batch.damaged(file.name, Damage(0, reason), size)
    else:
        yield Batch.passed(file.name, "not-json", size)


def _claims(file: _File, text: bytes) -> bool:
    return file.claims or _OBJECT_HEAD.match(text) is not None


def _read_items(
    file: _File, items: Iterator[envelope.Item], size: int, damage: Damage | None, *, claims: bool
) -> Iterator[Batch]:
    """Items as batches. Text that only looked like JSON, and never claimed to be a log, is passed over."""
    if damage:  # where a cut file stops being JSON is no second fault
        items = (item for item in items if not isinstance(item, Damage))
    position = 0
    while chunk := list(islice(items, BATCH)):
        batch = _batch(file, chunk, position, size, damage)
        if not (claims or position or batch.records or batch.passed_over):
            yield Batch.passed(file.name, "not-json", size)
            return
        yield batch
        position += sum(not isinstance(item, Damage) for item in chunk)
        size, damage = 0, None
    if damage:  # and not one item before it
        yield Batch.damaged(file.name, damage, size)


def _batch(file: _File, chunk: list[envelope.Item], position: int, size: int, damage: Damage | None) -> Batch:
    name = printable(file.name)
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
        elif isinstance(item, envelope.Passed):
            passed[item.kind] += 1
        else:
            unreadable.append(Unreadable(name, position, item.reason))
    only_passed = passed and not (records or unreadable or damage)
    kind = passed.most_common(1)[0][0] if only_passed else "log"
    return Batch(name, records, tuple(unreadable), dict(sorted(passed.items())), damage, kind, size)
