"""policygen batch: every role of an account, in one pass over the logs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policygen.cli.inputs import message_sink, open_account, open_decisions, open_logs, read_options
from policygen.cli.option_groups import (
    AccountInput,
    DecisionInput,
    DigestInput,
    GrantInput,
    LogInput,
    ReadInput,
    WindowInput,
    with_option_groups,
)
from policygen.cli.options import IncompleteOption, QuietOption

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from policygen.account.model import Account
    from policygen.batch.rightsize_role import BatchSettings
    from policygen.batch.run import Put
    from policygen.batch.select import RoleFilter, RoleTarget
    from policygen.logs.window import Window
    from policygen.plan.batch_table import BatchRow, BatchTable


@dataclass(frozen=True)
class RoleFilterInput:
    """Which roles are right-sized; all of them without an option."""

    names: Annotated[
        list[str] | None, typer.Option("--name", help="Only roles whose names fit a glob; repeatable.")
    ] = None
    paths: Annotated[
        list[str] | None, typer.Option("--path", help="Only roles under an IAM path; repeatable.")
    ] = None
    tags: Annotated[
        list[str] | None, typer.Option("--tag", help="Only roles with a tag, KEY or KEY=VALUE; repeatable.")
    ] = None
    trusts: Annotated[
        list[str] | None,
        typer.Option("--trust", help="Only roles that a service may assume, as lambda; repeatable."),
    ] = None
    accounts: Annotated[
        list[str] | None, typer.Option("--account", help="Only roles of an account; repeatable.")
    ] = None

    @property
    def role_filter(self) -> RoleFilter:
        """The same for `policygen.batch`."""
        from policygen.batch.select import RoleFilter

        return RoleFilter(
            self.names or (), self.paths or (), self.tags or (), self.trusts or (), self.accounts or ()
        )


@dataclass(frozen=True)
class BatchGrantInput(GrantInput):
    """How the policies grant what was observed."""

    resources: Annotated[
        str, typer.Option("--resources", help="How names are written: exact, pattern, type.")
    ] = "pattern"


@with_option_groups
def command(
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the pages, tables, plans and policies.")
    ] = Path("out"),
    logs: LogInput,
    window: WindowInput,
    account: AccountInput,
    roles: RoleFilterInput,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Only the roles that failed the last time in this folder.")
    ] = False,
    format_: Annotated[
        str, typer.Option("--format", "-f", help="The form of the policies: policy, terraform, …")
    ] = "policy",
    allow_incomplete: IncompleteOption = False,
    grants: BatchGrantInput,
    decisions: DecisionInput,
    show_all: Annotated[bool, typer.Option("--all", help="List every role on the screen.")] = False,
    reading: ReadInput,
    digests: DigestInput,
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
    from policygen.batch.select import targets
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
    mode = grants.mode
    notify = message_sink(quiet=quiet)
    folder = Folder(out, format_)
    last = folder.last()
    if retry_failed and last is None:
        raise UsageError(
            f"--retry-failed: no batch was made in {escape_controls(str(out))!r}",
            "run it without",
            code="PG-E275",
        )
    on = datetime.now(UTC).date()
    decided = open_decisions(decisions)
    current = open_account(account.live_by_default(logs), notify)
    choice = roles.role_filter
    source = open_logs(logs, account.profile, reading, digests, notify)
    with SpillStore() as spill:
        with read_options(reading, quiet=quiet) as means:
            found = read_logs(
                source,
                spill,
                choice,
                days=window.days,
                until=window.until,
                allow_incomplete=allow_incomplete,
                on=on,
                means=means,
            )
        period = window_of(window.days, found.limit or found.counts.last)
        if retry_failed and last:
            _check_same(last, period, current)
        chosen, rows = _left(targets(found.counts.roles, current, choice), last if retry_failed else None)
        sizing = BatchSettings(
            reading=found.reading,
            counts=found.counts,
            days=window.days,
            limit=found.limit,
            until_given=bool(window.until),
            account=current,
            allow_incomplete=allow_incomplete,
            add_observed=grants.add_observed,
            resources=mode,
            accepted=decisions.accepted,
            decisions=decided,
            on=on,
            forms=folder.forms,
        )
        folder.begin([*(one.file for one in chosen), *(row.plan for row in rows if row.plan)])
        bar = ProgressBar()
        put = folder.put
        with _workers(sizing, put, reading.jobs if len(chosen) > _FEW else 1) as executor:
            for done, result in enumerate(right_size_all(sizing, chosen, spill, executor, notify), 1):
                put(result)
                rows.append(result.row)
                if not quiet:
                    bar.roles(done, len(chosen))
        bar.close()
    table = table_of(
        rows,
        start=period.start,
        end=period.end,
        days=period.days,
        account=current.account_id if current else "",
        records=found.counts.records,
        files=found.reading.files,
        format=format_,
        incomplete=found.reading.holes,
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
