"""policygen check: a gate for policies, against what the role did."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from policygen.cli.inputs import account_of, decisions_of, log_source, message_sink, read_options, signs_of
from policygen.cli.options import (
    AcceptOption,
    DaskOption,
    DaysOption,
    DecisionsOption,
    IncompleteOption,
    JobsOption,
    KeysOption,
    LiveOption,
    LogsOption,
    MaxScanOption,
    NoCacheOption,
    ProfileOption,
    QuietOption,
    RoleOption,
    SnapshotOption,
    SummaryOption,
    UntilOption,
    VerifyOption,
)
from policygen.cli.policy_files import policies_of
from policygen.report.findings.report import FORMATS

if TYPE_CHECKING:
    from policygen.rightsize.check.findings import Level


def command(
    policies: Annotated[
        list[Path], typer.Argument(help="Policy documents, which hold together; - is standard input.")
    ],
    role: RoleOption,
    logs: LogsOption = None,
    days: DaysOption = 30,
    until: UntilOption = "",
    snapshot: SnapshotOption = None,
    live: LiveOption = False,
    profile: ProfileOption = "",
    fail_on: Annotated[
        str, typer.Option("--fail-on", help="error, warning, note, or never: what fails the gate.")
    ] = "error",
    format_: Annotated[
        str, typer.Option("--format", "-f", help=f"What stdout gets: {', '.join(FORMATS)}.")
    ] = "text",
    summary: SummaryOption = False,
    allow_incomplete: IncompleteOption = False,
    accept: AcceptOption = None,
    decisions: DecisionsOption = None,
    verify_digests: VerifyOption = False,
    public_keys: KeysOption = None,
    max_scan: MaxScanOption = "",
    jobs: JobsOption = 0,
    dask: DaskOption = "",
    no_cache: NoCacheOption = False,
    quiet: QuietOption = False,
) -> None:
    """Check policies against what the role did: what would break, what is spare, what nobody can know.

    policygen check iam/orders.json -r orders-api -l ./trail -s account.json --fail-on warning
    """
    from policygen.cli.output import add_to_summary, ascii_only, summarise, summary_file, write_stdout
    from policygen.errors import UsageError
    from policygen.evidence.observe import collect_evidence
    from policygen.report.findings.report import FindingsReport, render
    from policygen.report.formats import require_format
    from policygen.report.terminal.layout import in_ascii
    from policygen.rightsize.check.basis import check_basis
    from policygen.rightsize.check.check import check, failing
    from policygen.rightsize.check.findings import LEVELS
    from policygen.text import escape_controls

    if fail_on not in {*LEVELS, "never"}:
        raise UsageError(
            f"--fail-on is {escape_controls(fail_on)[:40]!r}",
            "there are: error, warning, note, never",
            code="PG-E218",
        )
    require_format(format_, FORMATS)
    step = summary_file() if summary else None
    sources = [source for path in policies for source in policies_of(path)]
    decided = decisions_of(decisions, None, None)
    talk = message_sink(quiet=quiet)
    account = account_of(snapshot, role, profile, talk, live=live or not (logs or snapshot))
    source = log_source(logs, profile, talk, max_scan, verify=verify_digests, keys=public_keys)
    with read_options(quiet=quiet, jobs=jobs, cached=not no_cache, dask=dask) as means:
        seen = collect_evidence(
            source,
            role,
            days=days,
            until=until,
            account=account,
            allow_incomplete=allow_incomplete,
            accepted=signs_of(accept),
            means=means,
        )
    findings = check(sources, check_basis(seen, decided, datetime.now(UTC).date()))
    level = None if fail_on == "never" else cast("Level", fail_on)
    failed = len(failing(findings, level)) if level else 0
    if not quiet:
        summarise(seen)
    report = FindingsReport(
        role=seen.usage.role.name,
        account=seen.usage.role.account,
        findings=findings,
        files=list(dict.fromkeys(source.name for source in sources)),
        fail_on=level,
        failed=failed,
        days=seen.usage.window.days,
        days_with_events=seen.coverage.days_with_events,
        last=seen.usage.events.last if seen.usage.events else "",
    )
    if step:
        talk(add_to_summary(step, [render("markdown", report)]))
    text = render(format_, report)
    if format_ == "text" and ascii_only():
        text = in_ascii(text)
    write_stdout(text, utf8=format_ != "text")
    if failed:
        raise typer.Exit(1)
