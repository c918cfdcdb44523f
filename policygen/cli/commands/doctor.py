"""policygen doctor: what this account's logs can show, and what policygen itself may read."""

from __future__ import annotations

from typing import Annotated

import typer

from policygen.cli.inputs import log_source, message_sink, read_options
from policygen.cli.options import (
    DaskOption,
    DaysOption,
    IncompleteOption,
    JobsOption,
    KeysOption,
    LogsOption,
    MaxScanOption,
    NoCacheOption,
    ProfileOption,
    QuietOption,
    SnapshotOption,
    UntilOption,
    VerifyOption,
)


def command(
    logs: LogsOption = None,
    days: DaysOption = 30,
    until: UntilOption = "",
    snapshot: SnapshotOption = None,
    live: Annotated[
        bool, typer.Option("--live", help="Ask AWS for the account's trails and roles (read-only).")
    ] = False,
    profile: ProfileOption = "",
    role: Annotated[
        str, typer.Option("--role", "-r", help="Judge by this role: trails may leave its sessions out.")
    ] = "",
    services: Annotated[
        list[str] | None, typer.Option("--service", help="Only data events of this service; repeatable.")
    ] = None,
    format_: Annotated[str, typer.Option("--format", "-f", help="What stdout gets: text, json.")] = "text",
    allow_incomplete: IncompleteOption = False,
    show_all: Annotated[bool, typer.Option("--all", help="List every data event type.")] = False,
    verify_digests: VerifyOption = False,
    public_keys: KeysOption = None,
    max_scan: MaxScanOption = "",
    jobs: JobsOption = 0,
    dask: DaskOption = "",
    no_cache: NoCacheOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say what the logs of an account can show, and which command would let them show more.

    policygen doctor -l ./trail -s account.json --service s3 --service dynamodb
    """
    from policygen.account.current import services_of
    from policygen.cli.output import ascii_only, write_stdout
    from policygen.errors import UsageError
    from policygen.evidence.coverage.table import coverage_rows
    from policygen.evidence.observe import collect_coverage
    from policygen.report.terminal.doctor import Health, render_doctor_json, render_doctor_text
    from policygen.text import escape_controls

    if format_ not in {"text", "json"}:
        raise UsageError(f"no format {escape_controls(format_)!r}", "there are: json, text", code="PG-E207")
    if snapshot and live:
        raise UsageError("--snapshot and --live exclude each other", "give one of them", code="PG-E208")
    talk = message_sink(quiet=quiet)
    account = None
    if snapshot:
        from policygen.account.snapshot import load_snapshot

        account = load_snapshot(snapshot)
    elif live:
        from policygen.account.aws_session import open_session
        from policygen.account.live import take_snapshot
        from policygen.account.snapshot import to_account

        account = to_account(take_snapshot(open_session(profile or None), say=talk), "the account")
    source = log_source(logs, profile, talk, max_scan, verify=verify_digests, keys=public_keys)
    with read_options(quiet=quiet, jobs=jobs, cached=not no_cache, dask=dask) as means:
        read_report, counts, coverage = collect_coverage(
            source,
            days=days,
            until=until,
            account=account,
            role=role,
            allow_incomplete=allow_incomplete,
            means=means,
        )
    wanted = set(services or ())
    if account and role and not wanted:
        wanted = services_of(account.role(role))
    health = Health(
        read_report, counts, coverage, account, coverage_rows(coverage, wanted), listed=bool(wanted)
    )
    if format_ == "json":
        write_stdout(render_doctor_json(health), utf8=True)
    else:
        write_stdout(render_doctor_text(health, show_all=show_all, ascii_only=ascii_only()))
