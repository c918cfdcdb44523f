"""Log source "files": files and folders of CloudTrail logs.

Folders are read in the order of relative paths, and every file once.
"""

from __future__ import annotations

import difflib
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from policygen.errors import NothingFoundError, PolicygenError, UsageError
from policygen.files import looked_in
from policygen.logs.decode.compression import CHUNK, LIMIT, reason_of
from policygen.logs.decode.object_key import has_log_suffix, kind_of_name, parse_log_name
from policygen.logs.decode.unpack import looks_like_log, read_stored
from policygen.logs.source import (
    EVERYTHING,
    RECORDS,
    Batch,
    Damage,
    LogObject,
    LogSource,
    Reader,
    Scope,
    Sought,
)
from policygen.text import escape_controls


def open_files(specs: Sequence[str]) -> FileSource:
    """Return the source of the files and folders that `specs` name, as paths or ``file://`` URLs.

    Raises:
        UsageError: one of them does not exist (PG-E201).
    """
    paths = tuple(Path(spec.removeprefix("file://")) for spec in specs)
    for spec, path in zip(specs, paths, strict=True):
        if not os.path.lexists(path):
            near = _near(path)
            raise UsageError(
                f"no file or folder {escape_controls(str(path))!r}",
                *([f"did you mean {escape_controls(near)!r}?"] if near else looked_in(path)),
                "name a file or a folder of logs",
                code="PG-E201",
                instead=(spec, near) if near else None,
            )
    return FileSource(paths)


class FileSource(LogSource):
    """CloudTrail logs in files; a folder in `paths` stands for all files below it."""

    remote = False

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self.reader = FileReader()

    def objects(self, scope: Scope = EVERYTHING) -> Iterator[LogObject | Batch]:  # noqa: ARG002 - all files are read
        """Yield every file that may be a log, and a batch for every file that is known to be none."""
        seen: set[tuple[int, int]] = set()
        for path in self.paths:
            label = path.as_posix() if len(self.paths) > 1 else ""
            if path.is_dir():
                listed: Iterable[LogObject | Batch | None] = _folder(_locator(path), label, seen)
            else:
                name = label or path.as_posix()
                listed = [_file(_locator(path), name, seen, expects_log=True, given=True)]
            yield from filter(None, listed)

    def no_logs_error(self, passed: Counter[str], sought: Sought = RECORDS) -> PolicygenError:
        """Return the error for a source without a log file (PG-E302)."""
        return NothingFoundError(
            f"no {sought.log} file under {', '.join(repr(escape_controls(str(path))) for path in self.paths)}"
            f"{_passed_over_summary(passed)}",
            sought.looks,
            code="PG-E302",
        )


def _near(path: Path) -> str:
    """Return the path beside it whose name is nearest; "" for none."""
    try:
        beside = sorted(entry.name for entry in path.parent.iterdir())
    except OSError:
        beside = []
    return next((str(path.parent / name) for name in difflib.get_close_matches(path.name, beside, n=1)), "")


def _passed_over_summary(passed: Counter[str]) -> str:
    kinds = [f"{count} {kind}" for kind, count in sorted(passed.items()) if count]
    if not kinds:
        return ""
    total = passed.total()
    return f" ({total} {'file' if total == 1 else 'files'} passed over: {', '.join(kinds)})"


# ---- listing --------------------------------------------------------------------------------------------


# Texts and `os` in place of paths: a folder may hold a hundred thousand files, and making their paths would take longer
# than looking at them.


def _folder(folder: str, name: str, seen: set[tuple[int, int]]) -> Iterator[LogObject | Batch | None]:
    """Yield all files below `folder`, in the order of relative paths: a folder sorts as its name and a slash."""
    try:
        if not _is_new(os.stat(folder), seen):  # noqa: PTH116 - see above
            return
        with os.scandir(folder) as entries:
            inside = sorted((entry.name + "/" * entry.is_dir(), entry.name) for entry in entries)
    except OSError as error:
        yield Batch.damaged(name or folder, Damage(None, reason_of(error)))
        return
    for key, entry_name in inside:
        path, label = os.path.join(folder, entry_name), f"{name}/{entry_name}" if name else entry_name  # noqa: PTH118 - see above
        if entry_name.startswith("."):
            yield Batch.passed(label, "hidden")
        elif key.endswith("/"):
            yield from _folder(path, label, seen)
        else:
            yield _file(path, label, seen, expects_log=has_log_suffix(entry_name))


def _file(
    path: str, name: str, seen: set[tuple[int, int]], *, expects_log: bool, given: bool = False
) -> LogObject | Batch | None:
    """Return a file, or the batch that says why it is none; None for one that was seen before."""
    try:
        status = os.stat(path)  # noqa: PTH116 - see above
    except OSError as error:
        return Batch.damaged(name, Damage(None, reason_of(error)))
    if not _is_new(status, seen):
        return None
    regular = stat.S_ISREG(status.st_mode)
    if not (given or regular):  # opening a pipe would wait for its writer
        return Batch.passed(name, "not-a-file")
    if kind := kind_of_name(path.replace(os.sep, "/")):
        return Batch.passed(name, kind)
    # git detects changed files in the same way: nobody can set back an inode's time of last change. A file that is not
    # regular can be read only once, and has no version.
    version = f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}" if regular else ""
    return LogObject(name, path, status.st_size, version, expects_log, *parse_log_name(name))


def _locator(path: Path) -> str:
    """Return the whole path; the path as given where the folder in which the command runs is gone."""
    try:
        return str(path.absolute())
    except FileNotFoundError:
        return str(path)


def _is_new(status: os.stat_result, seen: set[tuple[int, int]]) -> bool:
    """Return whether this file or folder was not seen before, through another path or link."""
    key = (status.st_dev, status.st_ino)
    if key in seen:
        return False
    seen.add(key)
    return True


# ---- reading --------------------------------------------------------------------------------------------


class FileReader(Reader):
    """Reads files; the locator of an object is its path."""

    def read(self, one: LogObject) -> Iterator[Batch]:
        """Yield the batches of one file; never raises for its content."""
        return read_file(one)


def read_file(one: LogObject) -> Iterator[Batch]:
    """Yield the batches of one file; never raises for its content."""
    try:
        with open(one.locator, "rb", buffering=0) as stream:  # noqa: PTH123 - a Path costs as much as the reading
            if (one.expects_log or one.as_text) and one.size <= LIMIT and one.version:
                data = stream.readall()
            else:
                head = stream.read(CHUNK)
                if not (one.expects_log or one.as_text or looks_like_log(head, one.name)):
                    yield Batch.passed(one.name, "not-json")
                    return
                data = head + stream.read(LIMIT + 1 - len(head))
    except OSError as error:
        yield Batch.damaged(one.name, Damage(None, reason_of(error)))
        return
    yield from read_stored(one, data)
