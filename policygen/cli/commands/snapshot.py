"""policygen snapshot: writes the account as it is today to one file, for work without AWS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from policygen.cli.inputs import message_sink, report_options
from policygen.cli.options import QuietOption


def command(
    output: Annotated[
        Path, typer.Option("--output", metavar="FILE", help="File to write.", rich_help_panel="Output")
    ] = Path("account.json"),
    profile: Annotated[
        str,
        typer.Option(
            "--profile",
            metavar="NAME",
            envvar="POLICYGEN_PROFILE",
            help="AWS profile to read with.",
            rich_help_panel="AWS",
        ),
    ] = "",
    region: Annotated[
        list[str] | None,
        typer.Option(
            "--region",
            metavar="REGION",
            envvar="POLICYGEN_REGION",
            help="Region of functions, APIs and trails. Repeatable.",
            show_default="AWS_REGION, or the profile's",
            rich_help_panel="AWS",
        ),
    ] = None,
    last_accessed: Annotated[
        bool,
        typer.Option(
            "--last-accessed/--no-last-accessed",
            help="Also read IAM's last-accessed reports.",
            rich_help_panel="AWS",
        ),
    ] = True,
    inventory: Annotated[
        bool,
        typer.Option(
            "--inventory/--no-inventory",
            help="Also list the resources of every region.",
            rich_help_panel="AWS",
        ),
    ] = True,
    organization: Annotated[
        bool,
        typer.Option(
            "--organization", help="Also read the organization's control policies.", rich_help_panel="AWS"
        ),
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Save roles, policies, functions, APIs and trails to a file.

    All calls to AWS are read-only.
    After Ctrl-C, the same command continues where it stopped.

    policygen snapshot --profile prod --region eu-west-1 --output account.json
    """
    from policygen.account.aws_session import open_session
    from policygen.account.live import take_snapshot
    from policygen.account.snapshot import snapshot_to_json
    from policygen.files import check_writable, write_file

    check_writable(output)
    notify = message_sink(quiet=quiet)
    journal = output.with_name(f"{output.name}.reports")
    with report_options(journal, notify, quiet=quiet) as reports:
        snapshot = take_snapshot(
            open_session(profile or None),
            region or (),
            on_message=notify,
            last_accessed=last_accessed,
            resources=inventory,
            callers=True,
            organization=organization,
            reports=reports,
        )
        write_file(output, snapshot_to_json(snapshot))
    notify(f"wrote {output}: {len(snapshot['authorization']['RoleDetailList']):,} roles")
