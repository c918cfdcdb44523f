"""Writes files so that no reader ever sees half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from policygen.errors import UsageError
from policygen.text import escape_controls


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
    check_writable(path)
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name[:40]}.", delete=False) as file:
            temporary = file.name
            file.write(content.encode() if isinstance(content, str) else content)
        if not private:  # as a temporary file it already is
            mask = os.umask(0)
            os.umask(mask)
            Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(path)
    except OSError as error:
        raise unwritable(path, error.strerror or str(error)) from None
    finally:
        if temporary:  # it is still there after a failure or Ctrl-C
            Path(temporary).unlink(missing_ok=True)


def unwritable(path: Path, reason: str) -> UsageError:
    """Return the error for a file that cannot be written."""
    return UsageError(
        f"cannot write {escape_controls(str(path))!r}: {reason}",
        "this file was not written; name one in a folder that exists, has room and is yours",
        code="PG-E220",
    )
