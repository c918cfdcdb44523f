"""policygen check: compares policies with what the role did, and fails for findings of a level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from policygen.cli.inputs import (
    message_sink,
    open_account,
    open_decisions,
    open_logs,
    open_traces,
    read_options,
    with_witnesses,
)
from policygen.cli.named_role import for_role
from policygen.cli.option_groups import (
    AccountInput,
    DecisionInput,
    DigestInput,
    LogInput,
    ReadInput,
    WindowInput,
    WitnessInput,
    with_option_groups,
)
from policygen.cli.options import IncompleteOption, QuietOption, RoleOption, SummaryOption, format_option
from policygen.cli.policy_files import policies_of
from policygen.report.findings.report import FORMATS

if TYPE_CHECKING:
    from policygen.evidence.observe import RoleEvidence
    from policygen.report.findings.report import FindingsReport
    from policygen.rightsize.check.findings import Finding, Level, PolicySource


@dataclass(frozen=True)
class CheckDecisionInput(DecisionInput):
    """What a person decided, without ``--keep`` and ``--drop``: the policies are checked as they are."""

    keep: list[str] | None = field(default=None, init=False)
    drop: list[str] | None = field(default=None, init=False)


@with_option_groups
def command(
    *,
    policies: Annotated[
        list[Path],
        typer.Argument(metavar="POLICY", help="Policy files that apply together; - reads standard input."),
    ],
    role: RoleOption,
    logs: LogInput,
    window: WindowInput,
    account: AccountInput,
    witnesses: WitnessInput,
    fail_on: Annotated[
        str,
        typer.Option(
            "--fail-on",
            metavar="error|warning|note|never",
            help="Lowest level that fails the gate.",
            rich_help_panel="Output",
        ),
    ] = "error",
    format_: Annotated[str, format_option(*FORMATS)] = "text",
    summary: SummaryOption = False,
    allow_incomplete: IncompleteOption = False,
    decisions: CheckDecisionInput,
    digests: DigestInput,
    read: ReadInput,
    quiet: QuietOption = False,
) -> None:
    """Check policies against what the role did; fail on findings.

    Findings are: calls that would be denied, permissions that are not needed, and what the logs can't tell.

    policygen check orders.json -r orders-api -l ./trail -s account.json
    """
    from policygen.cli.output import add_to_summary, summarise, summary_file
    from policygen.evidence.observe import collect_evidence
    from policygen.report.findings.report import render
    from policygen.report.formats import require_format
    from policygen.rightsize.check.basis import check_basis
    from policygen.rightsize.check.check import check

    level = _level(fail_on)
    require_format(format_, FORMATS)
    step = summary_file() if summary else None
    sources = [source for path in policies for source in policies_of(path)]
    traces = open_traces(witnesses)
    observe = window.observe(allow_incomplete=allow_incomplete, accepted=decisions.accepted, traces=traces)
    notify = message_sink(quiet=quiet)
    decided = open_decisions(decisions)
    current = open_account(account.live_by_default(logs), notify, role)
    current = with_witnesses(current, witnesses, traces, notify)
    source = open_logs(logs, account.profile, read, digests, notify)
    with read_options(read, quiet=quiet) as options:
        evidence = for_role(
            role,
            current,
            source,
            options,
            lambda name: collect_evidence(source, name, observe, account=current, read=options),
        )
    findings = check(sources, check_basis(evidence, decided, datetime.now(UTC).date()))
    report = _report(evidence, findings, sources, level)
    if not quiet:
        summarise(evidence)
    if step:
        notify(add_to_summary(step, [render("markdown", report)]))
    _write(report, format_)
    if report.failed:
        raise typer.Exit(1)


def _level(fail_on: str) -> Level | None:
    """Return the level from which a finding fails the gate; None for never.

    Raises:
        UsageError: PG-E218, there is no such level.
    """
    from policygen.errors import no_such
    from policygen.rightsize.check.findings import LEVELS
    from policygen.text import escape_controls

    if fail_on not in {*LEVELS, "never"}:
        known = ("error", "warning", "note", "never")
        raise no_such(f"--fail-on is {escape_controls(fail_on)[:40]!r}", fail_on, known, code="PG-E218")
    return None if fail_on == "never" else cast("Level", fail_on)


def _report(
    evidence: RoleEvidence, findings: Sequence[Finding], sources: list[PolicySource], level: Level | None
) -> FindingsReport:
    from policygen.report.findings.report import FindingsReport
    from policygen.rightsize.check.check import failing

    return FindingsReport(
        role=evidence.usage.role.name,
        account=evidence.usage.role.account,
        findings=findings,
        files=list(dict.fromkeys(source.name for source in sources)),
        fail_on=level,
        failed=len(failing(findings, level)) if level else 0,
        days=evidence.usage.window.days,
        days_with_events=evidence.coverage.days_with_events,
        last=evidence.usage.events.last if evidence.usage.events else "",
    )


def _write(report: FindingsReport, format_: str) -> None:
    """Write the report to stdout."""
    from policygen.cli.output import ascii_only, write_stdout
    from policygen.report.findings.report import render
    from policygen.report.terminal.layout import in_ascii

    text = render(format_, report)
    if format_ == "text" and ascii_only():
        text = in_ascii(text)
    write_stdout(text, utf8=format_ != "text")
