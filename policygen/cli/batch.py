"""policygen batch: every role of an account, in one pass over the logs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from policygen.cli.options import (
    AcceptOption,
    DaysOption,
    DecisionsOption,
    DropOption,
    IncompleteOption,
    JobsOption,
    KeepOption,
    LiveOption,
    LogsOption,
    MaxScanOption,
    NoCacheOption,
    ProfileOption,
    QuietOption,
    SnapshotOption,
    UntilOption,
    decisions_of,
    means_of,
    signs_of,
    source_of,
    talk_of,
)

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from policygen.batch import Sizing
    from policygen.policy.generalise import Mode


def command(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the pages, tables, plans and policies.")] = Path("out"),
    logs: LogsOption = None,
    days: DaysOption = 30,
    until: UntilOption = "",
    snapshot: SnapshotOption = None,
    live: LiveOption = False,
    profile: ProfileOption = "",
    names: Annotated[
        list[str] | None, typer.Option("--name", help="Only roles whose names fit a glob; repeatable.")
    ] = None,
    paths: Annotated[
        list[str] | None, typer.Option("--path", help="Only roles under an IAM path; repeatable.")
    ] = None,
    tags: Annotated[
        list[str] | None, typer.Option("--tag", help="Only roles with a tag, KEY or KEY=VALUE; repeatable.")
    ] = None,
    trusts: Annotated[
        list[str] | None,
        typer.Option("--trust", help="Only roles that a service may assume, as lambda; repeatable."),
    ] = None,
    accounts: Annotated[
        list[str] | None, typer.Option("--account", help="Only roles of an account; repeatable.")
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Only the roles that failed the last time in this folder.")
    ] = False,
    format_: Annotated[
        str, typer.Option("--format", "-f", help="The form of the policies: policy, terraform, …")
    ] = "policy",
    allow_incomplete: IncompleteOption = False,
    add_observed: Annotated[
        bool,
        typer.Option("--add-observed", help="Also grant what was seen but today's policies do not allow."),
    ] = False,
    resources: Annotated[
        str, typer.Option("--resources", help="How names are written: exact, pattern, type.")
    ] = "pattern",
    accept: AcceptOption = None,
    keep: KeepOption = None,
    drop: DropOption = None,
    decisions: DecisionsOption = None,
    show_all: Annotated[bool, typer.Option("--all", help="List every role on the screen.")] = False,
    max_scan: MaxScanOption = "",
    jobs: JobsOption = 0,
    no_cache: NoCacheOption = False,
    quiet: QuietOption = False,
) -> None:
    """Right-size every role of an account: one pass over the logs, a plan, a page and a policy for each role.

    policygen batch --logs ./trail --snapshot account.json --out out

    policygen batch -l ./trail -s account.json -o out --name 'orders-*' --trust lambda
    """
    from policygen.batch import Sizing, run
    from policygen.batch.folder import Folder
    from policygen.batch.select import Choice, targets
    from policygen.batch.sizing import read, shared_ledger
    from policygen.cli.output import ascii_only, summarise_batch, write_stdout
    from policygen.cli.progress import Bar
    from policygen.report import known
    from policygen.report.batch import screen
    from policygen.report.lines import in_ascii
    from policygen.spill import Spill
'''
