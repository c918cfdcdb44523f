"""Runs the gate for all roles of a command: one that cannot be checked does not hide the others."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from policygen.errors import IncompleteError, PolicygenError, UsageError
from policygen.files import check_writable, write_file
from policygen.gate.baseline import (
    EMPTY,
    AgainstBaseline,
    Baseline,
    BaselineFile,
    baseline_text,
    lines_by_level,
    no_baseline,
    parse_baseline,
)
from policygen.gate.findings import BREAKING, Level, failing, level_named
from policygen.gate.report import RULES_URL, FindingsReport
from policygen.gate.repository.role_map import unread_beside
from policygen.gate.repository.subjects import Checked, Unchecked
from policygen.gate.repository.unnamed_policies import OF_NOBODY, with_what_is_nobodys
from policygen.gate.sources import PolicySource, rest_lines
from policygen.plan.saved import NIGHTLY
from policygen.text import escape_controls, pluralize


class GateOptions(NamedTuple):
    """What fails the gate, and what people see."""

    fail_on: Level | None
    notes: bool
    baseline: Baseline | None = None
    baseline_file: str = ""
    before_file: str = ""
    """The older baseline, which has to accept too what `baseline` accepts; "" for none."""
    rules_url: str = ""
    today: date | None = None
    """The day on which plans have their age; None for no age."""
    max_plan_age: int | None = None
    """Days after which a plan is too old to rest on; None for never."""
    unread: Sequence[str] = ()
    """What lies beside them and is not read, a sentence for each kind."""
    every: bool = False
    """Whether all roles of the configuration are checked."""
    words: str = "policygen check"
    """As `FindingsReport` has it."""

    def newly_of(self, subject: Checked | Unchecked) -> list[str]:
        """Return what the baseline newly accepts of a role, and what does not count for that."""
        return self.baseline.newly_of((subject.role, subject.account)) if self.baseline else []


def gate_options(
    fail_on: str,
    baseline: Path | None,
    baseline_before: Path | None,
    *,
    before: str,
    notes: bool,
    max_plan_age: int | None,
    every: bool,
    words: str,
) -> GateOptions:
    """Return what fails the gate, and read the baselines.

    Args:
        fail_on: the lowest level that fails it, or never.
        baseline: the file of accepted findings; None for none.
        baseline_before: the older one; None for none.
        before: the base branch; "" for none.
        notes: whether people see notes.
        max_plan_age: days after which a plan is too old; None for never.
        every: whether all roles of the configuration are checked.
        words: as `FindingsReport` has them.

    Raises:
        UsageError: PG-E218, there is no such level; PG-E246, a baseline cannot be read; PG-E248, the older one alone;
            PG-E247, as `read_role_map`.
    """
    level = level_named(fail_on)
    return GateOptions(
        level,
        notes,
        read_baselines(baseline, baseline_before),
        escape_controls(str(baseline or "")),
        escape_controls(before or str(baseline_before or "")),
        os.environ.get("POLICYGEN_RULES_URL", "").rstrip("/"),
        today(),
        max_plan_age,
        unread_beside() if every else (),
        every,
        words,
    )


def gate_reports(
    subjects: Iterable[Checked | Unchecked], options: GateOptions, warn: Callable[[str], None]
) -> tuple[list[FindingsReport], list[PolicygenError]]:
    """Check all roles that can be checked; return the reports, and why others cannot, or rest on too old a plan."""
    reports, errors = list[FindingsReport](), list[PolicygenError]()
    error: PolicygenError | None
    checked = list[tuple[str, Sequence[PolicySource]]]()
    for subject in with_what_is_nobodys(subjects):
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
                warn(f"warning: {report.role}: {report.plan_text}")
        reports.append(report)
        if error:
            errors.append(error)
    if reports:
        lead = (
            "not checked, since no [[role]] of theirs names the file"
            if options.every
            else "not checked by this command"
        )
        for file, lines in rest_lines(checked, lead, others=not options.every).items():
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


def too_old(report: FindingsReport, options: GateOptions) -> PolicygenError | None:
    """Return the error for a plan that is older than allowed; None for any other."""
    most = options.max_plan_age
    if most is None or report.age is None or report.age <= most:
        return None
    role, age = escape_controls(report.role), pluralize(report.age, "day")
    return IncompleteError(
        f"the plan of {role} is {age} old, and --max-plan-age is {most}",
        NIGHTLY,
        "elsewhere make it again: policygen suggest, or policygen batch",
        code="PG-E322",
    )


def unchecked_report(subject: Unchecked, options: GateOptions) -> FindingsReport:
    """Return the report of a role that cannot be checked."""

    return FindingsReport(
        subject.role, subject.account, (), subject.files, options.fail_on, 0, 0, 0, "",
        baseline=options.baseline_file, before=options.before_file, newly=options.newly_of(subject),
        error=f"{subject.error.message}  {subject.error.code}", next=subject.error.hints, place=subject.place,
        unplanned=subject.unplanned, words=options.words,
        rules_url=options.rules_url or RULES_URL,
    )  # fmt: skip


def gate_report(subject: Checked, options: GateOptions) -> FindingsReport:
    """Check a role's policies."""

    everything = subject.findings()
    found = AgainstBaseline(everything, 0, 0)
    if options.baseline:
        found = options.baseline.against((subject.role, subject.account), everything)
        if subject.role == OF_NOBODY and not options.every:  # the files of other roles are not looked at
            found = found._replace(gone=0)
    left = {one.file for one in found.new}
    return FindingsReport(
        role=subject.role,
        account=subject.account,
        findings=found.new,
        files=list(dict.fromkeys(source.name for source in subject.sources)),
        fail_on=options.fail_on,
        words=options.words,
        failed=len(failing(found.new, options.fail_on)) if options.fail_on else 0,
        days=subject.days,
        days_with_events=subject.days_with_events,
        last=subject.last,
        gaps=subject.gaps,
        notes=options.notes,
        unchecked=subject.unchecked(),
        unnamed=[one.file for one in everything if one.rule.id == "PG112" and one.file not in left],
        baseline=options.baseline_file,
        known=found.known,
        gone=found.gone,
        entries=found.entries,
        before=options.before_file,
        newly=options.newly_of(subject),
        rules_url=options.rules_url or RULES_URL,
        plan=subject.plan,
        origin=subject.origin,
        age=(options.today - date.fromisoformat(subject.plan)).days
        if options.today and subject.plan
        else None,
    )


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
    for subject in with_what_is_nobodys(subjects):
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
