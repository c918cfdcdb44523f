"""The accounts of a batch: a snapshot of each, or one account that is read from AWS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policygen.cli.input_groups import AccountInput, WitnessInput
from policygen.cli.inputs import open_account, open_code, say_traces

if TYPE_CHECKING:
    from policygen.account.model import Account, Accounts
    from policygen.all_roles.select import RoleFilter
    from policygen.logs.traces.read import Traces


@dataclass(frozen=True)
class AccountsInput(AccountInput):
    """The accounts as they are today: from a snapshot of each, or one from AWS."""

    snapshots: Annotated[
        list[Path] | None,
        typer.Option(
            "--snapshot",
            "-s",
            metavar="FILE",
            envvar="POLICYGEN_SNAPSHOT",
            help="Snapshot of an account (policygen snapshot): current policies, functions and trails. Repeatable.",
            rich_help_panel="Input",
        ),
    ] = None

    def of_file(self, snapshot: Path | None) -> AccountInput:
        """Return one account: that of a snapshot, or the one that AWS is asked about."""
        return AccountInput(
            [snapshot] if snapshot else None,
            self.live,
            self.last_accessed,
            self.inventory,
            self.profile,
            self.region,
        )


def open_accounts(
    accounts: AccountsInput, notify: Callable[[str], None], choice: RoleFilter | None = None, *, quiet: bool
) -> Accounts:
    """Read the account of each snapshot, in their order, or the one account from AWS; return none without either.

    Args:
        accounts: the snapshots, or whether to read from AWS, and the AWS profile.
        notify: takes messages about what is being read.
        choice: the roles whose last-accessed reports are read from AWS; None for no report.
        quiet: whether to show no progress.

    Raises:
        UsageError: PG-E285, two snapshots are of one account.
        PolicygenError: as `open_account`.
    """
    found = _Found()
    for file in accounts.snapshots or (None,):
        found.add(open_account(accounts.of_file(file), notify, choice=choice, quiet=quiet), file)
    return found.accounts


def read_snapshots(files: Sequence[Path] | None) -> Accounts:
    """Read a snapshot of each account, in their order.

    Raises:
        UsageError: PG-E285, two snapshots are of one account; PG-E211, there is none; what reading one raises.
    """
    from policygen.account.snapshot import load_snapshot
    from policygen.errors import UsageError

    if not files:
        raise UsageError(
            "no account snapshot",
            "give one of each account: --snapshot account.json",
            "make one: policygen snapshot",
            code="PG-E211",
        )
    found = _Found()
    for file in files:
        found.add(load_snapshot(file), file)
    return found.accounts


@dataclass
class _Found:
    """The accounts that were read, each from its own file."""

    accounts: Accounts = field(default_factory=dict)
    files: dict[str, Path | None] = field(default_factory=dict)

    def add(self, account: Account | None, file: Path | None) -> None:
        """Add an account; raises PG-E285 where it is there already."""
        from policygen.errors import UsageError
        from policygen.text import escape_controls

        if account is None:
            return
        if account.account_id in self.files:
            first = escape_controls(str(self.files[account.account_id]))
            raise UsageError(
                f"{first!r} and {escape_controls(str(file))!r} are both of account "
                f"{account.account_id or 'not known'}",
                "give one snapshot of each account, the newest",
                code="PG-E285",
            )
        self.accounts = {**self.accounts, account.account_id: account}
        self.files[account.account_id] = file


def with_shared_witnesses(
    accounts: Accounts, witnesses: WitnessInput, traces: Traces | None, notify: Callable[[str], None]
) -> tuple[Accounts, Traces | None]:
    """Return the accounts with what was analysed of their code, and the traces with the accounts of their callers.

    What a name alone tells counts only where it fits in one account.

    Args:
        accounts: as `open_accounts` returns them.
        witnesses: what is handed over beside the logs.
        traces: as `open_traces` returns them.
        notify: takes messages.

    Raises:
        UsageError: PG-E266, a file of code cannot be read, or there is no account whose functions it could be of.
    """
    import msgspec

    from policygen.all_roles.witnesses import code_of_accounts, traces_of_accounts

    code, sentences = code_of_accounts(open_code(witnesses, account_known=bool(accounts)), accounts)
    traces = traces_of_accounts(traces, accounts) if traces else None
    say_traces(traces, accounts.values(), notify)
    for sentence in sentences:
        notify(sentence)
    return {
        account_id: msgspec.structs.replace(one, code=code) for account_id, one in accounts.items()
    }, traces
