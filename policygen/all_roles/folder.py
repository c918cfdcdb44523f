"""The folder of a batch: complete files only, the same bytes for the same inputs, nothing left of earlier batches.

What others put there stays as it is (`manifest`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from policygen.all_roles.manifest import (
    TABLES,
    TRUST,
    is_of_batch,
    read_manifest,
    refuse_foreign,
    write_manifest,
)
from policygen.all_roles.unchanged import MadeRole, files_digest, read_made, write_made
from policygen.errors import UsageError
from policygen.files import write_file
from policygen.plan.batch_table import (
    BatchQuestion,
    BatchRow,
    BatchSince,
    BatchTable,
    RoleQuestion,
    sorted_rows,
)
from policygen.plan.fast_json import to_bytes
from policygen.plan.io import SCHEMA_VERSION
from policygen.text import escape_controls

if TYPE_CHECKING:
    from policygen.account.model import Accounts
    from policygen.all_roles.read import BatchEvidence
    from policygen.all_roles.rightsize_role import Result
    from policygen.all_roles.shared_reasons import HeldBack
    from policygen.logs.window import Window

TABLE = "batch.json"
PLAIN_PLANS = 100
"""Roles up to which plans are plain JSON, as any program reads it. Of 400 they would take half a gigabyte."""
_LOCK = ".batch-lock"


class Folder:
    """The folder that a batch writes."""

    def __init__(self, path: Path, format_: str) -> None:
        """Name the folder; nothing is written before `begin`.

        Args:
            path: the folder.
            format_: the format of the policies.
        """
        from policygen.report.formats import suffix_of

        self.path = path
        self.format = format_
        self.formats = {"plans": "plan", "roles": "html", "policies": format_}
        """What is made of each plan. Trust policies are IAM's documents: no code has a resource for them alone."""
        self.suffixes = {"plans": ".json", "roles": ".html", "policies": suffix_of(format_), TRUST: ".json"}
        self._old: set[str] = set()

    def plan_path(self, name: str) -> str:
        """Return the path of a role's plan in the folder, by the name of its files.

        Files of the folder name it so: they are the same whatever the folder is called, and wherever it is moved.
        """
        return f"plans/{name}{self.suffixes['plans']}"

    def expect(self, roles: int) -> None:
        """Choose how plans are saved: packed where there are many, since a plan may have megabytes."""
        if roles > PLAIN_PLANS:
            self.formats["plans"], self.suffixes["plans"] = "packed plan", ".json.gz"

    def last(self) -> BatchTable | None:
        """Read the table of the last batch in this folder; None where there was none.

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

    def made(self) -> dict[str, MadeRole]:
        """Return what the last batch made of each role, where its files are still as it wrote them."""
        return {
            name: one
            for name, one in read_made(self.path).items()
            if one.row.verdict != "failed" and one.files == self._files_digest(one.row)
        }

    def kept(self, rows: Iterable[BatchRow]) -> dict[str, Result]:
        """Return what the last batch made of roles that are left as they are, by the name of their files.

        Raises:
            UsageError: PG-E276, it is not known any more.
        """
        from policygen.all_roles.rightsize_role import Result

        made = {(one.row.role, one.row.account): (name, one) for name, one in read_made(self.path).items()}
        found = {}
        for row in rows:
            name, one = made.get((row.role, row.account), ("", None))
            if one is None or one.row != row:
                raise UsageError(
                    f"cannot tell how the last batch in {escape_controls(str(self.path))!r} came to its answers",
                    "run the batch without --retry-failed",
                    code="PG-E276",
                )
            found[name] = Result(
                row, topics=one.topics, shared=one.shared, file=name, inputs=one.inputs, kept=True
            )
        return found

    def check(self) -> None:
        """Check that what a batch always writes replaces nothing of anybody else, before the logs are read.

        Raises:
            UsageError: PG-E283, a file that no batch wrote is in its place; PG-E284, a folder of it is a link.
        """
        refuse_foreign(self.path, TABLES, self._earlier_files())

    def begin(self, names: Sequence[str]) -> None:
        """Make and lock the folder, and note which files will be written. Plans are for the owner alone.

        Args:
            names: the names of the roles' files, without a suffix.

        Raises:
            UsageError: PG-E220, it cannot be written; PG-E283 and PG-E284, as `check`.
        """
        planned = {*TABLES, *(file for name in names for file in self._files(name, name))}
        self._old = self._earlier_files()
        refuse_foreign(self.path, planned, self._old)
        try:
            for folder in self.suffixes:
                (self.path / folder).mkdir(parents=True, exist_ok=True)
            with suppress(
                PermissionError
            ):  # the folder is somebody else's; each plan is still for its owner alone
                (self.path / "plans").chmod(0o700)
            self._lock()
        except OSError as error:
            raise UsageError(
                f"cannot write {escape_controls(str(self.path))!r}: {error.strerror or error}",
                "name a folder that is yours with --out",
                code="PG-E220",
            ) from None
        write_manifest(self.path, planned | self._old)

    def _lock(self) -> None:
        """Lock the folder until the process ends, in whatever way.

        Raises:
            UsageError: PG-E277, another batch writes here.
        """
        try:
            import fcntl
        except ImportError:  # Windows: two batches at once are the user's to avoid
            return
        # A link in its place would have another file opened, and perhaps made.
        opened = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        self._held = os.fdopen(opened, "r+")
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(
                f"another batch is writing into {escape_controls(str(self.path))!r}",
                "wait for it, or name another folder with --out",
                code="PG-E277",
            ) from None

    @property
    def write_result(self) -> Callable[[Result], None]:
        """A picklable function that writes one role's files."""
        return partial(_write_result, self.path, self.suffixes)

    def end(
        self, batch: BatchTable, results: Mapping[str, Result], questions: Sequence[RoleQuestion] = ()
    ) -> None:
        """Write the tables, the index and what was made of each role, and remove the files that earlier batches left.

        Args:
            batch: the table.
            results: what was made of each role, by the name of its files.
            questions: each role's part of the questions.
        """
        from policygen.report.data.batch import batch_tables, questions_to_csv
        from policygen.report.html.batch_index import render_index

        pages = render_index(batch)
        tables = batch_tables(batch.rows) | {
            TABLE: to_bytes(msgspec.to_builtins(batch), indent=-1),
            "questions.csv": questions_to_csv(questions),
        }
        written = {*tables, *pages, *(file for row in batch.rows for file in self._files_of(row))}
        refuse_foreign(self.path, pages, self._old | set(TABLES))
        write_manifest(self.path, written | self._old)
        for name, content in (tables | pages).items():
            write_file(self.path / name, content)
        for file in self._old - written:
            if (self.path / file).is_file() or (self.path / file).is_symlink():
                (self.path / file).unlink()
        write_manifest(self.path, written)
        made = {
            name: MadeRole(one.inputs, self._files_digest(one.row), one.row, tuple(one.topics), one.shared)
            for name, one in results.items()
        }
        write_made(self.path, made)
        (self.path / _LOCK).unlink(missing_ok=True)

    def _files_digest(self, row: BatchRow) -> str:
        """Return a digest of a role's files."""
        return files_digest(self.path / file for file in sorted(self._files_of(row)))

    def _files_of(self, row: BatchRow) -> set[str]:
        """Return the paths of a role's files, relative to the folder."""
        return self._files(row.plan, row.trust_policy)

    def _files(self, plan: str, trust: str) -> set[str]:
        """Return the paths of what is made of a plan, and of a trust policy, by their names; "" for none."""
        named = {folder: trust if folder == TRUST else plan for folder in self.suffixes}
        return {f"{folder}/{name}{self.suffixes[folder]}" for folder, name in named.items() if name}

    def _earlier_files(self) -> set[str]:
        """Return the files that earlier batches wrote here: those of the manifest.

        Batches of older versions wrote none; then those of the last table.
        """
        from policygen.report.formats import FORMATS, suffix_of

        noted = read_manifest(self.path)
        last = None if noted else self.last()
        if last is None:
            return noted
        files = {*TABLES} - {"questions.csv"}  # which they did not write
        files |= {*(page.name for page in self.path.glob("index-*.html"))}
        if last.format in FORMATS:
            suffixes = {"plans": ".json", "roles": ".html", "policies": suffix_of(last.format)}
            files |= {
                f"{of}/{row.plan}{suffix}" for row in last.rows if row.plan for of, suffix in suffixes.items()
            }
            files |= {self.plan_path(row.plan) for row in last.rows if row.plan}
        return set(filter(is_of_batch, files))


def _write_result(path: Path, suffixes: Mapping[str, str], result: Result) -> None:
    for folder, text in result.texts.items():
        file = path / folder / f"{result.file}{suffixes[folder]}"
        write_file(file, text, private=folder == "plans")


def batch_table(
    evidence: BatchEvidence,
    window: Window,
    rows: Iterable[BatchRow],
    *,
    accounts: Accounts,
    format_: str,
    data_events: str = "",
    questions: tuple[BatchQuestion, ...] = (),
    since: BatchSince | None = None,
    held: HeldBack | None = None,
) -> BatchTable:
    """Return the table of a batch.

    Args:
        evidence: what was read.
        window: the days that count.
        rows: one for each role.
        accounts: those whose policies are known.
        format_: format of the policies.
        data_events: the commands that print what makes the trails log the data events of all questions.
        questions: those of all roles.
        since: the difference to the batch before.
        held: what holds back several roles.
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
        accounts=tuple(sorted(accounts)),
        records=evidence.counts.totals.records,
        files=evidence.read_report.files,
        no_logs=evidence.read_report.kinds.total(),
        format=format_,
        incomplete=evidence.read_report.gaps,
        rows=tuple(sorted_rows(rows)),
        data_events=data_events,
        questions=questions,
        since=since,
        **(held._asdict() if held else {}),
    )
