"""policygen snapshot: writes the account as it is today to one file, for work without AWS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from policygen.cli.inputs import message_sink, report_options


def command(
    output: Annotated[Path, typer.Option("--output", help="The file to write.")] = Path("account.json"),
    profile: Annotated[str, typer.Option("--profile", help="AWS profile.")] = "",
    region: Annotated[
        list[str] | None, typer.Option("--region", help="Regions whose functions are read; repeatable.")
    ] = None,
    last_accessed: Annotated[
        bool,
        typer.Option(
            "--last-accessed/--no-last-accessed", help="IAM's own record of what each role used last."
        ),
    ] = True,
    inventory: Annotated[
        bool,
        typer.Option(
            "--inventory/--no-inventory", help="What exists of data planes, in every enabled region."
        ),
    ] = True,
    organization: Annotated[
        bool, typer.Option("--organization", help="Also the service and resource control policies above.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    """Write one file with the account as it is: roles, functions, trails, reports, resources (read-only calls).

    Reports are kept one by one: after Ctrl-C, the same command goes on where it was.

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
            organization=organization,
            reports=reports,
        )
        write_file(output, snapshot_to_json(snapshot))
    notify(f"wrote {output}: {len(snapshot['authorization']['RoleDetailList']):,} roles")
