"""Options that several commands share, and the account that they name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from policygen.report.formats import FORMATS, SUFFIXES

RoleOption = Annotated[str, typer.Option("--role", "-r", help="The role's name or ARN.")]
LogsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--logs",
        "-l",
        help="Files, folders, s3://BUCKET, lookup:, logs:GROUP, athena:DATABASE.TABLE, lake:ARN or auto (the "
        "account's trails); repeatable.",
        show_default="auto",
    ),
]
DaysOption = Annotated[int, typer.Option("--days", "-d", help="Length of the window in whole UTC days.")]
UntilOption = Annotated[
    str, typer.Option("--until", help="Last day (or time, UTC) of the window; default: the newest event.")
]
SnapshotOption = Annotated[
    Path | None,
    typer.Option("--snapshot", "-s", help="Account snapshot: today's policies, functions, trails."),
]
LiveOption = Annotated[
    bool,
    typer.Option(
        "--live", help="Read today's policies from AWS (read-only); so without --logs and --snapshot."
    ),
]
ProfileOption = Annotated[str, typer.Option("--profile", help="AWS profile, for what is read from AWS.")]
IncompleteOption = Annotated[
    bool,
    typer.Option("--allow-incomplete", help="Go on where files are damaged, or parts unknown or unproved."),
]
AcceptOption = Annotated[
    list[str] | None,
    typer.Option("--accept", help="Count odd usage of this sign as the workload's; repeatable."),
]
KeepOption = Annotated[
    list[str] | None,
    typer.Option("--keep", help="Keep an action of today, or 'ACTION on ARN'; repeatable."),
]
DropOption = Annotated[
    list[str] | None, typer.Option("--drop", help="Drop an action, or 'ACTION on ARN'; repeatable.")
]
DecisionsOption = Annotated[
    Path | None,
    typer.Option("--decisions", help="File of decisions; default: policygen.toml here, if there is one."),
]
MaxScanOption = Annotated[
    str, typer.Option("--max-scan", help="What queries of Athena may read, as 50GB; default: no limit.")
]
JobsOption = Annotated[
    int, typer.Option("--jobs", "-j", help="Processes that read logs; 0: one a core.", min=0)
]
VerifyOption = Annotated[
    bool,
    typer.Option(
        "--verify-digests", help="Check log files against CloudTrail's digests; needs policygen[verify]."
    ),
]
KeysOption = Annotated[
    Path | None,
    typer.Option("--public-keys", help="Folder of CloudTrail's public keys, for digests in folders."),
]
DaskOption = Annotated[
    str, typer.Option("--dask", help="Scheduler of a Dask cluster that reads logs, as tcp://HOST:8786.")
]
NoCacheOption = Annotated[
    bool, typer.Option("--no-cache", help="Read all logs again, and keep nothing of them.")
]
FormatOption = Annotated[str, typer.Option("--format", "-f", help=f"What stdout gets: {', '.join(FORMATS)}.")]
ExportOption = Annotated[
    list[Path] | None,
    typer.Option("--export", help=f"Also write a file; {', '.join(SUFFIXES)}; repeatable."),
]
SummaryOption = Annotated[
    bool,
    typer.Option("--summary", help="Also add the markdown to $GITHUB_STEP_SUMMARY, in GitHub Actions."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
