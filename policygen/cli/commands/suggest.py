"""policygen suggest: one role's policy."""

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
    DropOption,
    ExportOption,
    FormatOption,
    IncompleteOption,
    JobsOption,
    KeepOption,
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

if TYPE_CHECKING:
    from policygen.rightsize.generate.generalise import Mode


def command(
    role: RoleOption,
    logs: LogsOption = None,
    days: DaysOption = 30,
    until: UntilOption = "",
    snapshot: SnapshotOption = None,
    live: LiveOption = False,
    profile: ProfileOption = "",
    format_: FormatOption = "text",
    export: ExportOption = None,
    summary: SummaryOption = False,
    allow_incomplete: IncompleteOption = False,
    add_observed: Annotated[
        bool,
        typer.Option("--add-observed", help="Also grant what was seen but today's policies do not allow."),
    ] = False,
    resources: Annotated[
        str,
        typer.Option("--resources", help="How names are written: exact, pattern (declared rules), type."),
    ] = "pattern",
    opened: Annotated[
        list[str] | None,
        typer.Option("--open", help="Write a resource type whole, as ec2:image; repeatable."),
    ] = None,
    accept: AcceptOption = None,
    keep: KeepOption = None,
    drop: DropOption = None,
    decisions: DecisionsOption = None,
    show_all: Annotated[bool, typer.Option("--all", help="List everything on the screen.")] = False,
    verify_digests: VerifyOption = False,
    public_keys: KeysOption = None,
    max_scan: MaxScanOption = "",
    jobs: JobsOption = 0,
    dask: DaskOption = "",
    no_cache: NoCacheOption = False,
    plans: Annotated[Path, typer.Option("--plans", help="Folder where the plan is saved.")] = Path("plans"),
    no_plan: Annotated[bool, typer.Option("--no-plan", help="Save no plan.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Suggest the smallest policy for one role, prove it, and compare it with today's.

    policygen suggest --role orders-api --days 30 --logs ./trail --snapshot account.json

    policygen suggest -r orders-api -l ./trail -s account.json -f policy > orders-api.json
    """
    from policygen.cli.output import (
        add_to_summary,
        ascii_only,
        plan_file,
        save_plan,
        summarise,
        summary_file,
        write_stdout,
    )
    from policygen.errors import UsageError
    from policygen.files import check_writable, write_file
    from policygen.plan.build import plan_from_analysis
    from policygen.report.formats import format_of, render, require_format
    from policygen.rightsize.analysis import analyse
    from policygen.text import escape_controls

    exports = [(path, format_of(str(path))) for path in export or []]
    for path, _ in exports:
        check_writable(path)
    if resources not in {"exact", "pattern", "type"}:
        raise UsageError(
            f"--resources is {escape_controls(resources)[:40]!r}",
            "there are: exact, pattern, type",
            code="PG-E215",
        )
    require_format(format_)
    step = summary_file() if summary else None
    decided = decisions_of(decisions, keep, drop)
    talk = message_sink(quiet=quiet)
    account = account_of(snapshot, role, profile, talk, live=live or not (logs or snapshot))
    source = log_source(logs, profile, talk, max_scan, verify=verify_digests, keys=public_keys)
    with read_options(quiet=quiet, jobs=jobs, cached=not no_cache, dask=dask) as means:
        analysis = analyse(
            source,
            role,
            days=days,
            until=until,
            account=account,
            allow_incomplete=allow_incomplete,
            add_observed=add_observed,
            resources=cast("Mode", resources),
            opened=opened or (),
            accepted=signs_of(accept),
            decisions=decided,
            on=datetime.now(UTC).date(),
            means=means,
        )
    if not quiet:
        summarise(analysis.observed)
    made, options = plan_from_analysis(analysis), {"show_all": show_all, "ascii_only": ascii_only()}
    if not no_plan:
        made.file = str(plan_file(plans, made))
    for path, kind in exports:
        write_file(path, render(kind, made, **options))
        talk(f"wrote {path} ({kind})")
    if not no_plan:
        talk(save_plan(plans, made))
    if step:
        talk(add_to_summary(step, [render("markdown", made)]))
    write_stdout(render(format_, made, **options), utf8=format_ != "text")
