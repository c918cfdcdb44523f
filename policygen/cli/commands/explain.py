"""policygen explain: why one action is kept, removed, in doubt, or not granted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from policygen.cli.inputs import account_of, decisions_of, log_source, message_sink, read_options, signs_of
from policygen.cli.options import (
    AcceptOption,
    DaskOption,
    DaysOption,
    DecisionsOption,
    DropOption,
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
    UntilOption,
    VerifyOption,
)


def command(
    actions: Annotated[list[str], typer.Argument(help="Actions, as s3:GetObject.")],
    role: RoleOption,
    logs: LogsOption = None,
    days: DaysOption = 30,
    until: UntilOption = "",
    snapshot: SnapshotOption = None,
    live: LiveOption = False,
    profile: ProfileOption = "",
    format_: Annotated[str, typer.Option("--format", "-f", help="What stdout gets: text, json.")] = "text",
    events: Annotated[bool, typer.Option("--events", help="List the calls, with their eventIDs.")] = False,
    allow_incomplete: IncompleteOption = False,
    accept: AcceptOption = None,
    keep: KeepOption = None,
    drop: DropOption = None,
    decisions: DecisionsOption = None,
    verify_digests: VerifyOption = False,
    public_keys: KeysOption = None,
    max_scan: MaxScanOption = "",
    jobs: JobsOption = 0,
    dask: DaskOption = "",
    no_cache: NoCacheOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say why an action of a role is kept, removed, in doubt, or not granted at all.

    policygen explain s3:GetObject -r orders-api -l ./trail -s account.json
    """
    from policygen.cli.output import ascii_only, summarise, write_stdout
    from policygen.errors import UsageError
    from policygen.report.terminal.explain import render_explanation_json, render_explanation_text
    from policygen.rightsize.analysis import analyse
    from policygen.rightsize.explain import explain
    from policygen.text import escape_controls

    if format_ not in {"text", "json"}:
        raise UsageError(f"no format {escape_controls(format_)!r}", "there are: json, text", code="PG-E207")
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
            accepted=signs_of(accept),
            decisions=decided,
            on=datetime.now(UTC).date(),
            means=means,
        )
    found = [explain(analysis.suggestion, action) for action in actions]
    if not quiet:
        summarise(analysis.observed)
    if format_ == "json":
        write_stdout("".join(map(render_explanation_json, found)), utf8=True)
        return
    flat = ascii_only()
    write_stdout(
        "\n".join(render_explanation_text(one, show_events=events, ascii_only=flat) for one in found)
    )
