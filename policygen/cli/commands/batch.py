"""policygen batch: every role of an account, in one pass over the logs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
    SnapshotOption,
    UntilOption,
    VerifyOption,
)

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from policygen.account.model import Account
    from policygen.batch.rightsize_role import BatchSettings
    from policygen.batch.run import Put
    from policygen.batch.select import RoleTarget
    from policygen.logs.window import Window
    from policygen.plan.batch_table import BatchRow, BatchTable
    from policygen.rightsize.generate.generalise import Mode


def command(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the pages, tables, plans and policies.")
    ] = Path("out"),
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
    dask: DaskOption = "",
    no_cache: NoCacheOption = False,
    verify_digests: VerifyOption = False,
    public_keys: KeysOption = None,
    quiet: QuietOption = False,
) -> None:
    """Right-size every role of an account: one pass over the logs, a plan, a page and a policy for each role.

    policygen batch --logs ./trail --snapshot account.json --out out

    policygen batch -l ./trail -s account.json -o out --name 'orders-*' --trust lambda
    """
    from policygen.batch.folder import Folder, table_of
    from policygen.batch.read import read_logs
    from policygen.batch.rightsize_role import BatchSettings
    from policygen.batch.run import right_size_all
    from policygen.batch.select import RoleFilter, targets
    from policygen.cli.console import ProgressBar
    from policygen.cli.output import ascii_only, write_stdout
    from policygen.errors import UsageError
    from policygen.logs.calls.spill import SpillStore
    from policygen.logs.window import window_of
    from policygen.report.formats import require_format
    from policygen.report.terminal.batch import render_batch
    from policygen.report.terminal.layout import in_ascii
    from policygen.text import escape_controls

    require_format(format_)
    if resources not in {"exact", "pattern", "type"}:
        raise UsageError(
            f"--resources is {escape_controls(resources)[:40]!r}",
            "there are: exact, pattern, type",
            code="PG-E215",
        )
    talk = message_sink(quiet=quiet)
    folder = Folder(out, format_)
    last = folder.last()
    if retry_failed and last is None:
        raise UsageError(
            f"--retry-failed: no batch was made in {escape_controls(str(out))!r}",
            "run it without",
            code="PG-E275",
        )
    on = datetime.now(UTC).date()
    decided = decisions_of(decisions, keep, drop)
    account = account_of(snapshot, "", profile, talk, live=live or not (logs or snapshot))
    choice = RoleFilter(names or (), paths or (), tags or (), trusts or (), accounts or ())
    source = log_source(logs, profile, talk, max_scan, verify=verify_digests, keys=public_keys)
    with SpillStore() as spill:
        with read_options(quiet=quiet, jobs=jobs, cached=not no_cache, dask=dask) as means:
            found = read_logs(
                source,
                spill,
                choice,
                days=days,
                until=until,
                allow_incomplete=allow_incomplete,
                on=on,
                means=means,
            )
        window = window_of(days, found.limit or found.counts.totals.last)
        if retry_failed and last:
            _check_same(last, window, account)
        chosen, rows = _left(
            targets(found.counts.totals.roles, account, choice), last if retry_failed else None
        )
        sizing = BatchSettings(
            read_report=found.read_report,
            counts=found.counts,
            days=days,
            limit=found.limit,
            until_given=bool(until),
            account=account,
            allow_incomplete=allow_incomplete,
            add_observed=add_observed,
            resources=cast("Mode", resources),
            accepted=tuple(signs_of(accept)),
            decisions=decided,
            on=on,
            forms=folder.forms,
        )
        folder.begin([*(one.file for one in chosen), *(row.plan for row in rows if row.plan)])
        bar = ProgressBar()
        put = folder.put
        with _workers(sizing, put, jobs if len(chosen) > _FEW else 1) as executor:
            for done, result in enumerate(right_size_all(sizing, chosen, spill, executor, talk), 1):
                put(result)
                rows.append(result.row)
                if not quiet:
                    bar.roles(done, len(chosen))
        bar.close()
    table = table_of(
        rows,
        start=window.start,
        end=window.end,
        days=window.days,
        account=account.account_id if account else "",
        records=found.counts.totals.records,
        files=found.read_report.files,
        format=format_,
        incomplete=found.read_report.gaps,
    )
    folder.end(table)
    text = render_batch(table, str(out), show_all=show_all)
    write_stdout(in_ascii(text) if ascii_only() else text)
    check_failed(table, allow_incomplete=allow_incomplete)


def _left(chosen: list[RoleTarget], last: BatchTable | None) -> tuple[list[RoleTarget], list[BatchRow]]:
    """The roles to right-size, and the rows that stay as they are: of the last batch, all that did not fail."""
    if last is None:
        return chosen, []
    failed = {(row.role, row.account) for row in last.rows if row.verdict == "failed"}
    again = [one for one in chosen if (one.name, one.account) in failed]
    named = {(one.name, one.account) for one in again}
    return again, [row for row in last.rows if (row.role, row.account) not in named]


def _check_same(last: BatchTable, window: Window, account: Account | None) -> None:
    """Rows of different windows or accounts do not stand under one heading.

    Raises:
        UsageError: PG-E275.
    """
    from policygen.errors import UsageError

    own = account.account_id if account else ""
    if (last.start, last.end, last.account) != (window.start, window.end, own):
        raise UsageError(
            f"--retry-failed: the last batch here was of {last.start} to {last.end[:10]}, account "
            f"{last.account or 'not known'}; this one is of {window.start} to {window.end[:10]}, account "
            f"{own or 'not known'}",
            "give the same window and account, or run it without --retry-failed",
            code="PG-E275",
        )


_FEW = 8
"""Roles below which a second process does not pay for its start."""


def check_failed(table: BatchTable, *, allow_incomplete: bool) -> None:
    """Ends with exit 3 where a role failed: the answer is there, and it is not of every role.

    Raises:
        IncompleteError: PG-W313.
    """
    from policygen.errors import IncompleteError
    from policygen.text import pluralize

    failed = [row for row in table.rows if row.verdict == "failed"]
    if failed and not allow_incomplete:
        raise IncompleteError(
            f"{pluralize(len(failed), 'role')} failed: {failed[0].role}: {failed[0].reason}",
            "all others are written; mend the cause and run the same command with --retry-failed",
            "or accept it with --allow-incomplete",
            code="PG-W313",
        )


@contextmanager
def _workers(sizing: BatchSettings, put: Put, jobs: int) -> Iterator[Executor | None]:
    """Processes that right-size roles and write their files; None for this one."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    from policygen.cli.inputs import cores

    workers = jobs or cores()
    if workers == 1:
        yield None
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_begin, initargs=(sizing, put)
    ) as executor:
        try:
            yield executor
        finally:
            executor.shutdown(wait=False, cancel_futures=True)


def _begin(sizing: BatchSettings, put: Put) -> None:
    """A worker's first step."""
    from policygen.batch.run import init_worker
    from policygen.cli.inputs import ignore_sigint

    ignore_sigint()
    init_worker(sizing, put)
