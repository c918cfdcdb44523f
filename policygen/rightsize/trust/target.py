"""The role whose trust policy is meant, in one of several accounts."""

from __future__ import annotations

from policygen.account.model import Account, Accounts, Role
from policygen.errors import NothingFoundError, UsageError
from policygen.evidence.role import parse_role
from policygen.text import escape_controls


def role_in(accounts: Accounts, wanted: str) -> tuple[Account, Role]:
    """Return a role by its name or ARN, and its account.

    Raises:
        NothingFoundError: PG-E310, no snapshot has it.
        UsageError: PG-E204, several have one of that name.
    """
    selector = parse_role(wanted)
    found: list[tuple[Account, Role]] = []
    error: NothingFoundError | None = None
    for account in accounts.values():
        if selector.account and account.account_id and selector.account != account.account_id:
            continue
        try:
            found.append((account, account.role(selector.arn or selector.name)))
        except NothingFoundError as missing:
            error = error or missing
    if len(found) > 1:
        arns = [role.key.arn for _, role in found]
        raise UsageError(
            f"role {escape_controls(wanted)!r} is in {len(found)} accounts: "
            f"{', '.join(account.account_id for account, _ in found)}",
            f"give its ARN: {', '.join(arns)}",
            code="PG-E204",
            instead=(wanted, arns[0]),
        )
    if not found:
        raise error or NothingFoundError(
            f"no snapshot is of account {selector.account}, to which {escape_controls(wanted)} belongs",
            "give a snapshot of that account: --snapshot account.json",
            code="PG-E310",
        )
    return found[0]
