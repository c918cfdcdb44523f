"""What a command writes: files whole or not at all, and the one artefact on stdout."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from policygen.cli.console import LINE
from policygen.errors import UsageError
from policygen.files import _unwritable, check_writable, write_file
from policygen.text import escape_controls, file_name

if TYPE_CHECKING:
    from policygen.cli.option_groups import PlanOutput
    from policygen.evidence.observe import RoleEvidence
    from policygen.plan.model import Plan


class PlanTargets(NamedTuple):
    """Where a plan goes, checked before the work begins."""

    format_: str
    """Format of stdout."""
    exports: tuple[tuple[Path, str], ...]
    """Files to write, and the format of each."""
    step: Path | None
    """The file of a GitHub step's summary, if the plan goes there too."""


def plan_targets(output: PlanOutput) -> PlanTargets:
    """Check that the formats exist and that the files can be written.

    Raises:
        UsageError: PG-E207, there is no such format; PG-E220, a file cannot be written; PG-E282, this is no step of
            GitHub Actions.
    """
    from policygen.report.formats import format_of, require_format

    exports = tuple((path, format_of(str(path))) for path in output.export or ())
    for path, _ in exports:
        check_writable(path)
    require_format(output.format_)
    return PlanTargets(output.format_, exports, summary_file() if output.summary else None)


def plan_file(folder: Path, plan: Plan) -> Path:
    """Where a plan is saved in a folder: under its role's name."""
    return folder / f"{file_name(plan.role.name)}.json"


def save_plan(folder: Path, plan: Plan) -> str:
    """Saves a plan under its role's name; returns where, or why it was not saved: the artefact counts more."""
    from policygen.plan.fast_json import to_bytes

    path = plan_file(folder, plan)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_file(path, to_bytes(plan.document))
    except (OSError, UsageError) as error:
        return f"warning: the plan was not saved: {error}"
    return f"Plan saved: {path}"


def read_plans(paths: Sequence[Path]) -> list[Plan]:
    """Saved plans; a folder stands for all the plans in it.

    Raises:
        UsageError: PG-E270, one is no plan; PG-E272, one cannot be read, or a folder holds none.
    """
    from policygen.plan.io import read_plan

    found: list[Plan] = []
    for path in paths:
        folder = (
            path / "plans" if (path / "plans").is_dir() else path
        )  # a batch's folder stands for its plans
        files = sorted(folder.glob("*.json")) if path.is_dir() else [path]
        if not files:
            raise _unreadable(path, "the folder holds no .json file")
        for file in files:
            try:
                data = file.read_bytes()
            except OSError as error:
                raise _unreadable(file, error.strerror or str(error)) from None
            found.append(read_plan(data, str(file)))
    return found


def write_stdout(text: str, *, utf8: bool = False) -> None:
    """Writes the artefact; what the terminal cannot show is written out as ``\\u2714``.

    Args:
        text: the artefact.
        utf8: it is for machines: one encoding and one end of line whatever the terminal's (RFC 8259, 8.1).
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
        if utf8:
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="")
    LINE.clear()
    sys.stdout.write(text)
    sys.stdout.flush()


STEP = "GITHUB_STEP_SUMMARY"
STEP_LIMIT = 1 << 20
"""Bytes that GitHub takes of a step; of more than that it shows nothing.

Source: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#step-isolation-and-limits
"""


def summary_file() -> Path:
    """The file in which a step of GitHub Actions collects its summary.

    Raises:
        UsageError: PG-E282, this is no such step; PG-E220, the file cannot be written.
    """
    name = os.environ.get(STEP)
    if not name:
        raise UsageError(
            f"--summary: {STEP} is not set",
            "a step of GitHub Actions has it; elsewhere --export FILE.md or -f markdown gives the same text",
            code="PG-E282",
        )
    check_writable(Path(name))
    return Path(name)


def add_to_summary(path: Path, pages: Sequence[str]) -> str:
    """Appends pages of Markdown, as many as a step may show; returns what to say of it.

    Raises:
        UsageError: PG-E220, the system refused, with its reason.
    """
    try:
        room = STEP_LIMIT - 200 - (path.stat().st_size if path.exists() else 0)
        kept: list[str] = []
        for page in pages:
            room -= len(page.encode()) + 1
            if room < 0:
                break
            kept.append(page)
        left_out = len(pages) - len(kept)
        if left_out:
            kept.append(f"And {left_out:,} more, for which a summary has no room.\n")
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write("".join(f"{page}\n" for page in kept))
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from None
    return f"added {len(pages) - left_out} of {len(pages)} to the summary of the step"


def summarise(observed: RoleEvidence) -> None:
    """What was read, in one line or two; what was passed over by kind, and what could not be read."""
    from policygen.cli.console import log_line
    from policygen.text import pluralize

    read_report, totals = observed.read_report, observed.counts.totals
    parts = [f"read {pluralize(totals.records, 'record')} in {pluralize(read_report.files, 'file')}"]
    if totals.searched:
        parts = [
            f"searched {pluralize(read_report.files, 'file')}, read {pluralize(totals.records, 'record')} of them"
        ]
    if totals.duplicates:
        parts.append(pluralize(totals.duplicates, "duplicate"))
    if read_report.passed_over:
        parts.append(
            "passed over " + ", ".join(f"{n:,} {kind}" for kind, n in sorted(read_report.passed_over.items()))
        )
    log_line("; ".join(parts))
    for gap in read_report.gaps[:5]:
        log_line(f"warning: {gap}")
    if len(read_report.gaps) > 5:
        log_line(f"warning: and {len(read_report.gaps) - 5:,} more")


def ascii_only() -> bool:
    """Whether stdout cannot show the screen's signs."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        "✔→█−".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return True
    return False


def _unreadable(path: Path, reason: str) -> UsageError:
    return UsageError(
        f"cannot read the plan {escape_controls(str(path))!r}: {reason}",
        "plans are what suggest and batch save: plans/ROLE.json",
        code="PG-E272",
    )
