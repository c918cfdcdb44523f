"""The files that batches wrote into a folder: what a batch may replace and remove, and what is somebody else's.

The names stand in a file beside them, ``.batch-files.json``, from before the first of them is written. What it does not
name was not written by a batch, and is never replaced or removed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from policygen.errors import UsageError
from policygen.files import write_file
from policygen.text import escape_controls

NAME = ".batch-files.json"
TABLES = ("batch.json", "index.html", "questions.csv", "roles.csv", "roles.parquet")
"""What a batch may write besides the files of roles; more pages of the index have a number."""
TRUST = "trust"
"""The folder of new trust policies."""
FOLDERS = ("plans", "policies", "roles", TRUST)

_TOP = re.compile(r"index-[0-9]{1,4}\.html")


def read_manifest(folder: Path) -> set[str]:
    """Return the files that earlier batches wrote here, as paths relative to the folder.

    Anybody may have written the manifest, so only names that a batch gives are taken from it.
    """
    with suppress(OSError, msgspec.DecodeError):
        noted = msgspec.json.decode((folder / NAME).read_bytes(), type=list[str])
        return {name for name in noted if is_of_batch(name)}
    return set()


def write_manifest(folder: Path, files: Iterable[str]) -> None:
    """Note the files that a batch writes or has written.

    Raises:
        UsageError: PG-E220, it cannot be written.
    """
    write_file(folder / NAME, json.dumps(sorted(files), indent=0) + "\n")


def is_of_batch(name: str) -> bool:
    """Return whether a batch may give a file this name: a table, a page of the index, or a file of a role."""
    parent, slash, file = name.partition("/")
    if not slash:
        return name in TABLES or _TOP.fullmatch(name) is not None
    return parent in FOLDERS and "/" not in file and "\\" not in file and file not in ("", ".", "..")


def refuse_foreign(folder: Path, files: Iterable[str], own: set[str]) -> None:
    """Raise an error where a file that will be written is there already and no batch wrote it.

    Args:
        folder: the folder of the batch.
        files: what will be written, relative to the folder.
        own: what earlier batches wrote.

    Raises:
        UsageError: PG-E283, such a file; PG-E284, a folder that is a link to another place.
    """
    for name in FOLDERS:
        if (folder / name).is_symlink():
            raise UsageError(
                f"{escape_controls(str(folder / name))!r} is a link to another place",
                "remove the link, or name another folder with --out",
                code="PG-E284",
            )
    for name in sorted(set(files) - own):
        if os.path.lexists(folder / name):
            raise UsageError(
                f"{escape_controls(str(folder / name))!r} is there, and no batch wrote it",
                "move it away, or name another folder with --out",
                code="PG-E283",
            )
