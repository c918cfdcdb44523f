"""policygen athena: prints the statement that creates the table for ``--logs athena:DATABASE.TABLE``."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    what: Annotated[str, typer.Argument(metavar="ddl", help="What to print.")],
    bucket: Annotated[
        str, typer.Option("--bucket", metavar="NAME", help="Bucket that the trail delivers to.")
    ],
    region: Annotated[
        list[str], typer.Option("--region", metavar="REGION", help="Region to query. Repeatable.")
    ],
    account: Annotated[
        str, typer.Option("--account", metavar="ID", help="Account of the trail, 12 digits.")
    ] = "",
    organization: Annotated[
        str, typer.Option("--organization", metavar="ID", help="For an organization trail: o-a1b2c3d4e5.")
    ] = "",
    member: Annotated[
        list[str] | None,
        typer.Option(
            "--member",
            metavar="ID",
            help="Member account to query. Repeatable; without it, each query names one.",
        ),
    ] = None,
    prefix: Annotated[
        str, typer.Option("--prefix", metavar="PREFIX", help="What comes before AWSLogs/ in the bucket.")
    ] = "",
    first: Annotated[str, typer.Option("--first", metavar="DATE", help="First day to query.")] = "2020-01-01",
    database: Annotated[
        str, typer.Option("--database", metavar="NAME", help="Database to create the table in.")
    ] = "default",
    table: Annotated[
        str, typer.Option("--table", metavar="NAME", help="Name of the table.")
    ] = "cloudtrail_logs",
) -> None:
    """Print the DDL of an Athena table over CloudTrail logs.

    Nothing is run in AWS.

    policygen athena ddl --bucket trail --account 111122223333 --region eu-west-1
    """
    from policygen.cli.output import write_stdout
    from policygen.errors import UsageError
    from policygen.logs.sources.athena.ddl import ddl
    from policygen.text import escape_controls

    if what != "ddl":
        raise UsageError(
            f"nothing called {escape_controls(what)[:40]!r} to print",
            "there is: ddl",
            code="PG-E525",
            instead=(what, "ddl"),
        )
    write_stdout(
        ddl(
            bucket,
            regions=region,
            account=account,
            organization=organization,
            accounts=member or (),
            prefix=prefix,
            first=first,
            database=database,
            table=table,
        )
    )
