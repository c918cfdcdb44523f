"""policygen athena: prints the statement that creates the table for ``--logs athena:DATABASE.TABLE``."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    what: Annotated[str, typer.Argument(help="What to print: ddl.")],
    bucket: Annotated[str, typer.Option("--bucket", help="The bucket that the trail delivers to.")],
    region: Annotated[
        list[str], typer.Option("--region", help="Region whose logs may be asked for; repeatable.")
    ],
    account: Annotated[str, typer.Option("--account", help="Whose trail it is, 12 digits.")] = "",
    organization: Annotated[
        str, typer.Option("--organization", help="Or the organisation's id, o-a1b2c3d4e5.")
    ] = "",
    member: Annotated[
        list[str] | None,
        typer.Option("--member", help="Account of the organisation; repeatable. Without, a query names one."),
    ] = None,
    prefix: Annotated[str, typer.Option("--prefix", help="What precedes AWSLogs/ in the bucket.")] = "",
    first: Annotated[str, typer.Option("--first", help="First day that may be asked for.")] = "2020-01-01",
    database: Annotated[str, typer.Option("--database", help="Where the table is made.")] = "default",
    table: Annotated[str, typer.Option("--table", help="Its name.")] = "cloudtrail_logs",
) -> None:
    """Print the statement that makes a table of CloudTrail's logs in Athena. Nothing is run.

    policygen athena ddl --bucket example-trail --account 111122223333 --region eu-west-1
    """
    from policygen.cli.output import write_stdout
    from policygen.errors import UsageError
    from policygen.logs.sources.athena.ddl import ddl
    from policygen.text import escape_controls

    if what != "ddl":
        raise UsageError(
            f"nothing called {escape_controls(what)[:40]!r} to print", "there is: ddl", code="PG-E525"
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
