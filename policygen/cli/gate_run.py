"""Runs the gate for all roles of a command: one that cannot be checked does not hide the others."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from policygen.cli.console import log_line
from policygen.cli.gate import GateOptions, gate_report, too_old, unchecked_report
from policygen.cli.gate_subjects import Checked, Unchecked
from policygen.cli.unnamed_policies import OF_NOBODY
from policygen.errors import PolicygenError, UsageError
from policygen.files import check_writable, write_file
from policygen.report.findings.report import FindingsReport
from policygen.rightsize.check.baseline import (
    EMPTY,
    Baseline,
    BaselineFile,
    baseline_text,
    lines_by_level,
    no_baseline,
    parse_baseline,
)
from policygen.rightsize.check.findings import BREAKING, PolicySource
from policygen.rightsize.check.rest import rest_lines
from policygen.text import escape_controls, pluralize


def gate_reports(
    subjects: Iterable[Checked | Unchecked], options: GateOptions
) -> tuple[list[FindingsReport], list[PolicygenError]]:
    """Check all roles that can be checked; return the reports, and why others cannot, or rest on too old a plan."""
    reports, errors = list[FindingsReport](), list[PolicygenError]()
    error: PolicygenError | None
    checked = list[tuple[str, Sequence[PolicySource]]]()
    for subject in subjects:
        checked.append((subject.role, () if isinstance(subject, Unchecked) else subject.sources))
        if isinstance(subject, Unchecked):
            report = unchecked_report(subject, options)
            error = None if subject.unplanned else subject.error
        else:
            report = gate_report(subject, options)
            error = too_old(report, options)
            if error:
                report = replace(report, error=f"{error.message}  {error.code}", next=error.hints)
            elif report.is_old:
                log_line(f"warning: {report.role}: {report.plan_text}")
        reports.append(report)
        if error:
            errors.append(error)
    if reports:
        lead = (
            "not checked, since no [[role]] of theirs names the file"
            if options.every
            else "not checked by this command"
        )
        for file, lines in rest_lines(checked, lead).items():
            number = next(
                n for n, (_, sources) in enumerate(checked) if file in {one.name for one in sources}
            )
            reports[number] = replace(reports[number], unchecked=[*reports[number].unchecked, *lines])
        reports[0] = replace(reports[0], unchecked=[*reports[0].unchecked, *options.unread])
    if options.baseline and reports:
        others = options.baseline.newly_of_others((report.role, report.account) for report in reports)
        reports[0] = replace(reports[0], newly=[*reports[0].newly, *others])
    names = Counter(report.role for report in reports)
    told = [one for one in reports if one.role != OF_NOBODY or one.findings or one.known or one.unchecked]
    return [replace(one, shared_name=names[one.role] > 1) for one in told], errors


def read_baselines(path: Path | None, before: Path | None) -> Baseline | None:
    """Read the accepted findings, where there is an older baseline as well only those that it accepts too.

    Raises:
        UsageError: PG-E246, a file cannot be read; PG-E248, there is only the older one.
    """
    if path is None and before is None:
        return None
    if path is None:
        raise UsageError(
            "--baseline-before needs --baseline, the file of this change",
            code="PG-E248",
            instead=("--baseline-before", "--baseline"),
        )
    baseline = _read_baseline(path, instead=("--baseline", "--write-baseline"))
    if before is None:
        return baseline
    file, older = shlex.quote(str(path)), shlex.quote(str(before))
    return baseline.since(
        _read_baseline(
            before,
            f"git show origin/main:{file} > {older}",
            f"where that branch has none: echo '{EMPTY}' > {older}",
        )
    )


def _read_baseline(path: Path, *hints: str, instead: tuple[str, str] | None = None) -> Baseline:
    """Read a baseline; the hints, or the word instead, are for a file that is not there."""
    name = str(path)
    try:
        return parse_baseline(path.read_text("utf-8-sig"), name)
    except FileNotFoundError as error:
        raise no_baseline(
            name, error.strerror or str(error), *map(escape_controls, hints), instead=instead
        ) from None
    except OSError as error:
        raise no_baseline(name, error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise no_baseline(name, "it is not UTF-8") from None


def today() -> date:
    """Return the day, or that of SOURCE_DATE_EPOCH, for outputs that are made again.

    Source: https://reproducible-builds.org/specs/source-date-epoch/
    """
    told = os.environ.get("SOURCE_DATE_EPOCH", "")
    return (datetime.fromtimestamp(int(told), UTC) if told.isdecimal() else datetime.now(UTC)).date()


def write_baseline(
    path: Path,
    subjects: Sequence[Checked | Unchecked],
    kept: Sequence[Path] = (),
    *,
    denied_too: bool = False,
) -> str:
    """Write a file that accepts all that is found today; what it accepts of other roles stays. Return the message.

    Args:
        path: of the file.
        subjects: the roles.
        kept: baselines of which every row stays: those of the change and of the base branch.
        denied_too: whether it also accepts that the role would break.

    Raises:
        UsageError: PG-E220, it cannot be written; PG-E246, what is there, or one of `kept`, is no baseline.
        PolicygenError: a role cannot be checked.
    """
    check_writable(path)
    found, denied = {}, 0
    for subject in subjects:
        if isinstance(subject, Unchecked):
            if subject.unplanned:
                continue
            raise subject.error
        against = [one for one in subject.findings() if one.against]
        taken = [one for one in against if denied_too or not one.breaks]
        found[subject.role, subject.account] = taken
        denied += len(against) - len(taken)
    files = [BaselineFile(one.read_text("utf-8-sig", "replace"), str(one)) for one in kept]
    before = BaselineFile(path.read_text("utf-8-sig", "replace"), str(path)) if path.is_file() else None
    text = baseline_text(found, before, files)
    write_file(path, text)
    return "; ".join(
        [
            f"{escape_controls(str(path))} accepts {lines_by_level(text, str(path))}",
            *["all that was accepted before stays"] * bool(files),
            *["what it accepts of other roles is as it was"] * bool(before and not files),
            *[f"left out: {pluralize(denied, 'finding')} {_WOULD_BREAK}"] * bool(denied),
        ]
    )


_WOULD_BREAK = (
    f"after which the role would break ({', '.join(sorted(BREAKING))}), or may (PG108); "
    "--accept-denied takes them too"
)
