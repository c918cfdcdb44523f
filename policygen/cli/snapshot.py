"""policygen snapshot: the account as it is today, in one file, for work without AWS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    output: Annotated[Path, typer.Option("--output", help="The file to write.")] = Path("account.json"),
    profile: Annotated[str, typer.Option("--profile", help="AWS profile.")] = "",
    region: Annotated[
        list[str] | None, typer.Option("--region", help="Regions whose functions are read; repeatable.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    """Write one file with the account's roles, policies, functions and trails (read-only calls).

    policygen snapshot --profile prod --region eu-west-1 --output account.json
    """
    from policygen.account.live import take_snapshot
    from policygen.account.session import open_session
    from policygen.account.snapshot import to_json
    from policygen.cli import say
    from policygen.cli.output import check_writable, write_file

    check_writable(output)
    talk = (lambda _: None) if quiet else say
    found = take_snapshot(open_session(profile or None), region or (), say=talk)
    write_file(output, to_json(found))
    talk(f"wrote {output}: {len(found['authorization']['RoleDetailList']):,} roles")
