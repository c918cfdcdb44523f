"""The folder of a batch: every file whole or not there, the same bytes for the same inputs, nothing left of before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from policygen.errors import UsageError
from policygen.files import write_file
from policygen.plan.batch_table import BatchRow, BatchTable, sorted_rows
from policygen.plan.fast_json import to_bytes
from policygen.plan.io import SCHEMA_VERSION
from policygen.text import escape_controls

if TYPE_CHECKING:
    from policygen.account.model import Account
    from policygen.batch.read import BatchEvidence
    from policygen.batch.rightsize_role import Result
    from policygen.logs.window import Window

TABLE = "batch.json"
_LOCK = ".batch-lock"
_STARTED = ".batch-started.json"
"""Files that a batch which did not end may have written."""


class Folder:
    """Where a batch writes."""

    def __init__(self, path: Path, format_: str) -> None:
        """`format_`: of the policies."""
        from policygen.report.formats import suffix_of

        self.path = path
        self.format = format_
        self._old: set[str] = set()
        self.forms = {"plans": "plan", "roles": "html", "policies": format_}
        self.places = {"plans": ".json", "roles": ".html", "policies": suffix_of(format_)}

    def last(self) -> BatchTable | None:
        """What the last batch in this folder found; None where there was none.

        Raises:
            UsageError: PG-E276, the file is not what a batch writes.
        """
        path = self.path / TABLE
        if not path.exists():
            return None
        try:
            return msgspec.json.decode(path.read_bytes(), type=BatchTable)
        except (OSError, msgspec.DecodeError) as error:
            raise UsageError(
                f"cannot read {escape_controls(str(path))!r}: {error}",
                "remove it, or name another folder with --out",
                code="PG-E276",
            ) from None

    def begin(self, names: Sequence[str]) -> None:
        """Makes the folder, and notes what will be written.

        Raises:
            UsageError: PG-E220, it cannot be written.
        """
        try:
            for place in self.places:
                (self.path / place).mkdir(parents=True, exist_ok=True)
            self._lock()
        except OSError as error:
            raise UsageError(
                f"cannot write {escape_controls(str(self.path))!r}: {error.strerror or error}",
                "name a folder that is yours with --out",
                code="PG-E220",
            ) from None
        self._old = self._before()
        files = sorted({*_files(names, self.places), *self._old})
        write_file(self.path / _STARTED, json.dumps(files, indent=0) + "\n")

    def _lock(self) -> None:
        """Holds the folder until the process ends, however it ends.

        Raises:
            UsageError: PG-E277, another batch writes here.
        """
        try:
            import fcntl
        except ImportError:  # Windows: two batches at once are the user's to avoid
            return
        self._held = (self.path / _LOCK).open("w")
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(
                f"another batch is writing into {escape_controls(str(self.path))!r}",
                "wait for it, or name another folder with --out",
                code="PG-E277",
            ) from None

    @property
    def put(self) -> Callable[[Result], None]:
        """Writes one role's files, in this process or another."""
        return partial(_put, self.path, self.places)

    def end(self, batch: BatchTable) -> None:
        """Writes the tables and the index, and removes what earlier batches left."""
        from policygen.report.data.batch import batch_to_csv, batch_to_parquet
        from policygen.report.html.batch_index import render_index

        write_file(self.path / "roles.csv", batch_to_csv(batch.rows))
        write_file(self.path / "roles.parquet", batch_to_parquet(batch.rows))
        write_file(self.path / TABLE, to_bytes(msgspec.to_builtins(batch)))
        for name, page in render_index(batch).items():
            write_file(self.path / name, page)
        for file in self._old - _files((row.plan for row in batch.rows), self.places):
            if (self.path / file).is_file():
                (self.path / file).unlink()
        (self.path / _STARTED).unlink(missing_ok=True)
        (self.path / _LOCK).unlink(missing_ok=True)

    def _before(self) -> set[str]:
        """Files that earlier batches wrote here, as far as they are noted."""
        from policygen.report.formats import FORMATS, suffix_of

        files: set[str] = set()
        last = self.last()
        if last and last.format in FORMATS:
            places = self.places | {"policies": suffix_of(last.format)}
            files |= _files((row.plan for row in last.rows), places)
        with suppress(OSError, msgspec.DecodeError):
            noted = msgspec.json.decode((self.path / _STARTED).read_bytes(), type=list[str])
            # A note may be anybody's: only files in the places of a batch are a batch's.
            files |= {one for one in noted if one.count("/") == 1 and one.split("/")[0] in self.places}
        return {one for one in files if not one.endswith("/..")}


def _put(path: Path, places: Mapping[str, str], result: Result) -> None:
    for place, text in result.texts.items():
        write_file(path / place / f"{result.row.plan}{places[place]}", text)


def _files(names: Iterable[str], places: Mapping[str, str]) -> set[str]:
    """What is written of roles whose files have these names, below the folder."""
    return {f"{place}/{name}{suffix}" for name in names if name for place, suffix in places.items()}


def batch_table(
    evidence: BatchEvidence,
    window: Window,
    rows: Iterable[BatchRow],
    *,
    account: Account | None,
    format_: str,
) -> BatchTable:
    """Return the table of a batch.

    Args:
        evidence: what was read.
        window: the days that count.
        rows: one a role.
        account: the account whose policies are known; None without one.
        format_: format of the policies.
    """
    from policygen.iam.reference import data_version
    from policygen.version import VERSION

    return BatchTable(
        schema_version=SCHEMA_VERSION,
        policygen=VERSION,
        iam_data=data_version(),
        start=window.start,
        end=window.end,
        days=window.days,
        account=account.account_id if account else "",
        records=evidence.counts.totals.records,
        files=evidence.read_report.files,
        format=format_,
        incomplete=evidence.read_report.gaps,
        rows=tuple(sorted_rows(rows)),
    )
