"""The role that the user named: by itself, or by a function that runs as it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from policygen.account.model import Account
    from policygen.logs.reader import ReadOptions
    from policygen.logs.source import Source

Made = TypeVar("Made")


def for_role(
    role: str,
    account: Account | None,
    source: Source,
    read: ReadOptions,
    work: Callable[[str], Made],
) -> Made:
    """Do something for a role that the user named; or for the role of a function, if the user named one.

    The account tells whose role it is; without it the logs do, if they have no role of that name.

    Args:
        role: what the user wrote.
        account: the account as it is; None where it is not known.
        source: the logs.
        read: how to read them.
        work: takes the role's name or ARN.

    Raises:
        PolicygenError: what `work` raises; PG-E313, there is no such function; PG-E239, it runs as several roles.
    """
    from policygen.cli.console import log_line
    from policygen.errors import NothingFoundError
    from policygen.evidence.function_role import is_function_arn, role_in_logs, role_of_function

    if account is not None:
        found = role_of_function(account, role)
        if not found:
            _require_role(account, role, source, read)
    elif is_function_arn(role):
        found = role_in_logs(source, role, read)
        if not found:
            raise NothingFoundError(
                f"no call of function {role!r} in the logs",
                "a snapshot of the account knows the role of each function: --snapshot account.json",
                code="PG-E313",
            )
    else:
        try:
            return work(role)
        except NothingFoundError as error:
            found = role_in_logs(source, role, read) if error.code == "PG-E310" else ""
            if found.rsplit("/", 1)[-1].lower() in {"", role.rsplit("/", 1)[-1].lower()}:
                raise  # none, or the role itself, whose calls do not count
    if found:
        log_line(f"function {role} runs as role {found}")
    return work(found or role)


def _require_role(account: Account, role: str, source: Source, read: ReadOptions) -> None:
    """Raise PG-E310 where the account has no such role, and name the accounts whose role the logs have."""
    from policygen.errors import NothingFoundError
    from policygen.evidence.function_role import accounts_in_logs

    try:
        account.role(role)
    except NothingFoundError as error:
        if accounts := accounts_in_logs(source, role, read):
            hints, instead = (_elsewhere(accounts, account.account_id),), None
        elif role.startswith("arn:") and role.rpartition("/")[2] in {one.name for one in account.roles}:
            # A role of another account, of which the logs have nothing.
            own = account.role(role.rpartition("/")[2]).key.arn
            hints, instead = (
                (f"the logs have no call of it; account {account.account_id} has {own}",),
                (role, own),
            )
        else:
            raise
        raise NothingFoundError(error.message, *hints, code=error.code, instead=instead) from None


def _elsewhere(accounts: Sequence[str], own: str) -> str:
    """Say what to do about a role that the logs have and the snapshot does not."""
    others = ", ".join(one for one in accounts if one != own)
    if not others:
        return "the logs have calls of it: make a newer snapshot, or leave the snapshot out if the role is deleted"
    return f"the logs have it in account {others}: give a snapshot of that account, or leave the snapshot out"
