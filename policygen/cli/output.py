"""What commands write: the result to stdout, plans and exports to files, a summary of reading to stderr."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

from policygen.cli.console import LINE, silence, unwritable_stdout
from policygen.errors import UsageError
from policygen.files import check_writable, unwritable

if TYPE_CHECKING:
    from policygen.account.model import Account
    from policygen.cli.option_groups import PlanOutput
    from policygen.evidence.observe import RoleEvidence
    from policygen.plan.model import Plan
    from policygen.plan.model_decisions import PlanDroppedInUse


class PlanTargets(NamedTuple):
    """Where a plan goes, checked before the work begins."""

    format_: str
    """Format of stdout; "" where stdout gets nothing."""
    exports: tuple[tuple[Path, str], ...]
    """Files to write, and the format of each."""
    step: Path | None
    """The file of a GitHub step's summary, if the plan goes there too."""


def plan_targets(
    output: PlanOutput,
    inputs: Sequence[str | Path | None] = (),
    *,
    quiet: bool = False,
    formats: Collection[str] | None = None,
) -> PlanTargets:
    """Check that the formats exist and that the files can be written.

    Args:
        output: what the user asked for.
        inputs: what the command reads, which no export may replace.
        quiet: whether the screen is left out where files are exported; a format that was asked for is printed.
        formats: names of the formats that there are; None for those of a role's plan.

    Raises:
        UsageError: PG-E207, there is no such format; PG-E220, a file cannot be written; PG-E282, this is no step of
            GitHub Actions.
    """
    from policygen.report.formats import FORMATS, format_of, require_format

    known = FORMATS if formats is None else formats
    exports = tuple((path, require_format(format_of(str(path)), known)) for path in output.export or ())
    for path, _ in exports:
        check_writable(path)
        if path.exists() and any(one and Path(one).exists() and path.samefile(one) for one in inputs):
            raise unwritable(path, "this command reads it")
    shown = output.format_ or ("" if quiet and exports else "text")
    return PlanTargets(
        require_format(shown, known) if shown else "", exports, summary_file() if output.summary else None
    )


def write_stdout(text: str, *, utf8: bool = False) -> None:
    """Write the result; characters that the terminal cannot show are escaped as ``\\u2714``.

    Args:
        text: the result.
        utf8: the result is for programs: write UTF-8 and plain line feeds whatever the terminal uses (RFC 8259, 8.1).

    Raises:
        UsageError: PG-E220, stdout is closed, or has no room.
        BrokenPipeError: its reader has closed it.
    """
    stream: TextIO | None = sys.stdout  # None where it was closed before the start
    if stream is None:
        raise unwritable_stdout("it is closed")
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
        if utf8:
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="")
    LINE.clear()
    try:
        _write(stream, text)
    except BrokenPipeError:
        raise
    except OSError as error:
        silence(stream)
        raise unwritable_stdout(error.strerror or str(error)) from None


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()


STEP = "GITHUB_STEP_SUMMARY"
STEP_LIMIT = 1 << 20
"""Largest summary of a step in bytes; GitHub shows nothing of a larger one.

Source: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#step-isolation-and-limits
"""


def summary_file() -> Path:
    """Return the file that collects the summary of a step of GitHub Actions.

    Raises:
        UsageError: PG-E282, this is not a step of GitHub Actions; PG-E220, the file cannot be written.
    """
    name = os.environ.get(STEP)
    if not name:
        raise UsageError(
            f"--summary: {STEP} is not set",
            "a step of GitHub Actions has it; elsewhere --export FILE.md or -f markdown gives the same text",
            code="PG-E282",
            instead=("--summary", ""),
        )
    check_writable(Path(name))
    return Path(name)


def add_to_summary(path: Path, pages: Sequence[str]) -> str:
    """Append as many pages of Markdown as a step may show; return the message.

    Raises:
        UsageError: PG-E220, the file cannot be written, with the reason of the system.
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
        raise unwritable(path, error.strerror or str(error)) from None
    return f"added {len(pages) - left_out} of {len(pages)} to the summary of the step"


def summarise(evidence: RoleEvidence) -> None:
    """Print what was read, what was skipped by kind, and what could not be read."""
    from policygen.cli.console import log_line
    from policygen.text import pluralize

    read_report, totals = evidence.read_report, evidence.counts.totals
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
    if left_out := read_report.unread_summary:
        parts.append(f"{left_out} (--all-accounts reads them)")
    log_line("; ".join(parts))
    for gap in read_report.gaps[:5]:
        log_line(f"warning: {gap}")
    if len(read_report.gaps) > 5:
        log_line(f"warning: and {len(read_report.gaps) - 5:,} more")


def warn_of_age(accounts: Iterable[Account], end: str) -> None:
    """Name the snapshots that were read long before or after the newest event of the logs.

    Args:
        accounts: as the snapshots say.
        end: ISO date or time in UTC of the newest event.
    """
    from policygen.account.age import far_apart
    from policygen.cli.console import log_line

    for account in accounts:
        if sentence := far_apart(account, end):
            log_line(f"warning: {sentence}")


def unknown_today(plans: Iterable[Plan], format_: str) -> str:
    """Return a warning that plans rest on the logs alone; "" where they do not, or the format says so to its reader.

    Args:
        plans: of roles.
        format_: that of stdout.
    """
    if format_ in {"text", "html", "markdown"} or all(plan.today is not None for plan in plans):
        return ""
    return (
        "warning: today's policies are not known: only this policy alone is proved, and what no log shows may be "
        "missing (--snapshot, --live)"
    )


def report_losses(losses: Sequence[tuple[str, PlanDroppedInUse]], *, although_used: bool) -> None:
    """Name the needed permissions that decisions drop, after the result was written.

    Args:
        losses: the role's name and the permission, for each.
        although_used: a person wants it so: name them, and go on.

    Raises:
        GateError: PG-E480, there are losses, and nobody said that they are wanted.
    """
    from policygen.text import pluralize

    lines = [
        f"{role}: {one.rule} drops {one.action} on {one.resource}, {one.why or 'which was seen in use'}"
        for role, one in losses
    ]
    what = f"{pluralize(len(losses), 'needed permission')} dropped: calls of the role will fail"
    warn_or_refuse(what, lines, "more", although_used=although_used)


def warn_or_refuse(what: str, lines: Sequence[str], others: str, *, although_used: bool) -> None:
    """Name what decisions drop although it is needed: as warnings where a person wants it so, else as an error.

    Args:
        what: the headline.
        lines: one for each loss; () where there is none.
        others: what a line is about, for those that the error leaves out.
        although_used: a person wants it so.

    Raises:
        GateError: PG-E480, there are losses, and nobody said that they are wanted.
    """
    from policygen.cli.console import log_line
    from policygen.errors import GateError

    if not lines:
        return
    if although_used:
        for line in (f"warning: {what}", *lines):
            log_line(line)
        return
    raise GateError(
        what,
        *lines[:_LOSSES],
        *([f"and {len(lines) - _LOSSES:,} {others}"] if len(lines) > _LOSSES else []),
        "leave the drop out, or add --although-used if the calls are to fail",
        code="PG-E480",
    )


_LOSSES = 5
"""Most losses that an error names; the plan has all of them."""


def ascii_only() -> bool:
    """Whether stdout cannot show the symbols of the screens."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        "✔→█−".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return True
    return False
