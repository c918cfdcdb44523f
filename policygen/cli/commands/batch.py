"""policygen batch: right-sizes every role of an account in one pass over the logs."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from policygen.cli.batch_checks import check_failed, check_losses, check_same, refuse_to_leave_out
from policygen.cli.completion import complete_format
from policygen.cli.inputs import (
    message_sink,
    open_decisions,
    open_logs,
    open_traces,
    read_options,
)
from policygen.cli.option_groups import (
    DecisionInput,
    DigestInput,
    GrantInput,
    LogInput,
    ReadInput,
    WindowInput,
    WitnessInput,
    with_option_groups,
)
from policygen.cli.options import (
    AlthoughUsedOption,
    DetailsOption,
    IncompleteOption,
    QuietOption,
    given_options,
)
from policygen.cli.screen import Color, ColorOption
from policygen.cli.several_accounts import AccountsInput, open_accounts, with_shared_witnesses

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from policygen.all_roles.folder import Folder
    from policygen.all_roles.questions import CommandParts
    from policygen.all_roles.rightsize_role import BatchSettings, Result
    from policygen.all_roles.run import WriteResult
    from policygen.all_roles.select import RoleFilter, RoleTarget
    from policygen.all_roles.shared_reasons import HeldBack
    from policygen.all_roles.unchanged import MadeRole
    from policygen.logs.calls.spill import SpillStore
    from policygen.plan.batch_table import BatchRow, BatchTable


@dataclass(frozen=True)
class RoleFilterInput:
    """Which roles to right-size; without an option, all of them."""

    PANEL: ClassVar[str] = "Roles"

    names: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="GLOB", help="Only roles with a matching name. Repeatable."),
    ] = None
    paths: Annotated[
        list[str] | None,
        typer.Option("--path", metavar="PATH", help="Only roles under an IAM path. Repeatable."),
    ] = None
    tags: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="KEY[=VALUE]", help="Only roles with a tag. Repeatable."),
    ] = None
    trusts: Annotated[
        list[str] | None,
        typer.Option(
            "--trust",
            metavar="SERVICE",
            help="Only roles that a service can assume, such as lambda. Repeatable.",
        ),
    ] = None
    accounts: Annotated[
        list[str] | None,
        typer.Option("--account", metavar="ID", help="Only roles of an account. Repeatable."),
    ] = None

    @property
    def role_filter(self) -> RoleFilter:
        """The filter that `policygen.all_roles` takes."""
        from policygen.all_roles.select import RoleFilter

        return RoleFilter(
            self.names or (), self.paths or (), self.tags or (), self.trusts or (), self.accounts or ()
        )


@with_option_groups
def command(
    *,
    context: typer.Context,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Folder for pages, tables, plans and policies.",
            rich_help_panel="Output",
        ),
    ] = Path("out"),
    logs: LogInput,
    window: WindowInput,
    account: AccountsInput,
    witnesses: WitnessInput,
    roles: RoleFilterInput,
    owner_tag: Annotated[
        str,
        typer.Option(
            "--owner-tag",
            metavar="KEY",
            envvar="POLICYGEN_OWNER_TAG",
            help="Tag whose value names a role's owner, where it has one.",
            show_default="owner, team, squad, contact or maintainer",
            rich_help_panel="Roles",
        ),
    ] = "",
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed",
            help="Only roles that failed in the last batch of this folder.",
            rich_help_panel="Roles",
        ),
    ] = False,
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="Format of the policies: policy, terraform, cloudformation and others.",
            rich_help_panel="Output",
            autocompletion=complete_format,
        ),
    ] = "policy",
    allow_incomplete: IncompleteOption = False,
    grants: GrantInput,
    decisions: DecisionInput,
    although_used: AlthoughUsedOption = False,
    show_all: DetailsOption = False,
    read: ReadInput,
    digests: DigestInput,
    color: ColorOption = Color.AUTO,
    quiet: QuietOption = False,
) -> None:
    """Right-size every role of one or more accounts in one pass.

    Each role gets a plan, a page and a policy.

    policygen batch --logs ./trail --snapshot account.json --out out

    policygen batch -l ./trail -s prod.json -s staging.json --name 'orders-*'
    """
    from policygen.all_roles.folder import Folder, batch_table
    from policygen.all_roles.questions import (
        CommandParts,
        account_questions,
        data_events_commands,
        role_questions,
        snapshots_of,
    )
    from policygen.all_roles.read import read_logs
    from policygen.all_roles.rightsize_role import BatchSettings
    from policygen.all_roles.select import targets
    from policygen.all_roles.unchanged import kept_message, shared_digests
    from policygen.cli.output import warn_of_age
    from policygen.logs.calls.spill import SpillStore
    from policygen.logs.window import window_of
    from policygen.plan.batch_since import since_last, since_retried
    from policygen.report.commands import DOCTOR
    from policygen.report.formats import require_format

    format_ = require_format(format_)
    folder = Folder(out, format_)
    before = folder.last()
    last = _last_table(folder, before, retry_failed=retry_failed)
    folder.check()
    on = datetime.now(UTC).date()
    traces = open_traces(witnesses)
    notify = message_sink(quiet=quiet)
    suggest = grants.suggest(open_decisions(decisions), on)
    choice = roles.role_filter
    accounts = open_accounts(account.live_by_default(logs), notify, choice, quiet=quiet)
    accounts, traces = with_shared_witnesses(accounts, witnesses, traces, notify)
    observe = window.observe(
        allow_incomplete=allow_incomplete, accepted=decisions.accepted, on=on, traces=traces
    )
    if before and not last:
        refuse_to_leave_out(before, accounts, choice, out)
    source = open_logs(logs, account.profile, read, digests, notify)
    with SpillStore() as spill:
        with read_options(read, quiet=quiet) as options:
            known = [role.key for one in accounts.values() for role in one.roles]
            evidence = read_logs(source, spill, choice, observe, options, known)
        period = window_of(window.days, evidence.limit, evidence.counts.totals.last)
        if last:
            check_same(last, period, accounts)
        if accounts and suggest.decisions and not any(choice):
            names = {role.name for role in (*known, *evidence.counts.totals.roles)}
            for sentence in suggest.decisions.about_none(sorted(names)):
                notify(f"warning: {sentence}")
        if not quiet:
            warn_of_age(accounts.values(), period.end)
        chosen, rows = _to_do(targets(evidence.counts.totals.roles, accounts, choice), last)
        folder.expect(len(chosen) + len(rows))
        made, results = folder.made(), folder.kept(rows)
        settings = BatchSettings(
            read_report=evidence.read_report,
            counts=evidence.counts,
            observe=observe,
            suggest=suggest,
            limit=evidence.limit,
            accounts=accounts,
            formats=folder.formats,
            owner_tag=owner_tag,
            made={name: (one.inputs, one.row) for name, one in made.items()},
        )
        settings = replace(settings, shared=shared_digests(settings))
        folder.begin([*(target.file for target in chosen), *results])
        done = _right_size(settings, chosen, spill, folder.write_result, jobs=read.jobs, quiet=quiet)
    results |= {one.file: _as_made(one, made) if one.kept else one for one in done}
    rows += [one.row for one in done]
    inputs = [words for words in given_options(context, but=("snapshots",)) if words[0] in DOCTOR]
    parts = CommandParts(inputs, folder.plan_path, snapshots_of(accounts, account.snapshots or ()))
    topics = [(one.row, one.topics) for one in results.values()]
    asked = account_questions(topics, parts)
    since = since_retried(last, rows) if last else since_last(before, rows, period.start, period.end)
    table = batch_table(
        evidence,
        period,
        rows,
        accounts=accounts,
        format_=format_,
        data_events=data_events_commands(topics, parts),
        questions=asked,
        since=since,
        held=_held_back(results.values(), parts),
    )
    folder.end(table, results, role_questions(topics, parts))
    if kept := sum(one.kept for one in done):
        notify(kept_message(kept, len(done)))
    _show(table, out, show_all=show_all, color=color)
    check_failed(table, allow_incomplete=allow_incomplete)
    check_losses(table, although_used=although_used)


def _last_table(folder: Folder, last: BatchTable | None, *, retry_failed: bool) -> BatchTable | None:
    """Return the table of the last batch in the folder if its failed roles are to be retried, else None.

    Raises:
        UsageError: PG-E275, the folder has no batch.
    """
    from policygen.errors import UsageError
    from policygen.text import escape_controls

    if retry_failed and last is None:
        raise UsageError(
            f"--retry-failed: no batch was made in {escape_controls(str(folder.path))!r}",
            "run it without",
            code="PG-E275",
            instead=("--retry-failed", ""),
        )
    return last if retry_failed else None


def _as_made(kept: Result, made: Mapping[str, MadeRole]) -> Result:
    """Return a result that was left alone with what the last batch noted of it."""
    return kept._replace(topics=made[kept.file].topics, shared=made[kept.file].shared)


def _held_back(results: Iterable[Result], parts: CommandParts) -> HeldBack:
    """Return what holds back several roles alike, and what takes it away."""
    from policygen.all_roles.shared_reasons import held_back
    from policygen.rightsize.assess.readiness import REPORT_COMMAND

    found = [one for one in results if one.shared]
    unasked = {one.row.account for one in found if "no-report" in one.row.reasons}
    files = [file.path for account, file in parts.snapshots.items() if account in unasked]
    # The account that a snapshot is of is chosen by the credentials, so one command cannot make several.
    command = REPORT_COMMAND.replace("account.json", shlex.quote(files[0])) if len(files) == 1 else ""
    return held_back(((one.row.reasons, one.shared) for one in found), command)


def _to_do(chosen: list[RoleTarget], last: BatchTable | None) -> tuple[list[RoleTarget], list[BatchRow]]:
    """Return the roles to right-size, and the rows to keep: those of the last batch that did not fail."""
    if last is None:
        return chosen, []
    failed = {(row.role, row.account) for row in last.rows if row.verdict == "failed"}
    retried = [target for target in chosen if (target.name, target.account) in failed]
    names = {(target.name, target.account) for target in retried}
    return retried, [row for row in last.rows if (row.role, row.account) not in names]


_FEW = 8
"""Up to this many roles, starting a second process takes longer than it saves."""


def _right_size(
    settings: BatchSettings,
    chosen: Sequence[RoleTarget],
    spill: SpillStore,
    write_result: WriteResult,
    *,
    jobs: int,
    quiet: bool,
) -> list[Result]:
    """Right-size the roles, write their files and show the progress; return the result of each without its texts."""
    from policygen.all_roles.run import right_size_all
    from policygen.cli.progress import ProgressBar

    finished = []
    bar = ProgressBar()
    with _workers(settings, write_result, jobs if len(chosen) > _FEW else 1) as executor:
        results = right_size_all(settings, chosen, spill, executor, message_sink(quiet=quiet))
        for done, result in enumerate(results, 1):
            write_result(result)
            finished.append(result._replace(texts={}))
            if not quiet:
                bar.roles(done, len(chosen))
    bar.close()
    return finished


@contextmanager
def _workers(settings: BatchSettings, write_result: WriteResult, jobs: int) -> Iterator[Executor | None]:
    """Start the processes that right-size roles and write their files; None for this process."""
    from policygen.cli.inputs import cores, process_pool

    workers = jobs or cores()
    if workers == 1:
        yield None
        return
    with process_pool(workers, _begin, settings, write_result) as pool:
        yield pool


def _begin(settings: BatchSettings, write_result: WriteResult) -> None:
    """Prepare a worker, as its first step."""
    from policygen.all_roles.run import init_worker
    from policygen.cli.inputs import ignore_sigint

    ignore_sigint()
    init_worker(settings, write_result)


def _show(table: BatchTable, out: Path, *, show_all: bool, color: Color) -> None:
    """Write the screen to stdout."""
    from policygen.cli.batch_next import batch_commands
    from policygen.cli.screen import screen_width, write_screen
    from policygen.report.terminal.batch import render_batch

    commands = list(batch_commands(table, out))
    write_screen(render_batch(table, str(out), commands, show_all=show_all, width=screen_width()), color)
