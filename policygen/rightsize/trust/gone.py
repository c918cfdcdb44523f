"""What of today's trust policy goes, and callers that are not there any more."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from policygen.account.model import Account, Accounts
from policygen.iam.conditions import Truth
from policygen.iam.party import Party, Principals
from policygen.iam.resource_policy import ResourcePolicy
from policygen.rightsize.decisions.model import PrincipalRule
from policygen.rightsize.principals.kept import drops
from policygen.rightsize.principals.letting_in import Entry
from policygen.rightsize.trust.generate import WrittenPrincipal


def absent_callers(
    today: ResourcePolicy, written: Sequence[WrittenPrincipal], accounts: Accounts
) -> Iterator[str]:
    """Yield roles and users that today's policy does not name and that are not there any more."""
    named = {name for one in today.statements for _, name in one.principals.entries}
    known = {arn for one in accounts.values() for arn in _arns(one)}
    for name in sorted({one.entry[1] for one in written if one.entry[0] == "AWS"} - named - known):
        account = accounts.get(name.split(":")[4]) if name.count(":") == 5 else None
        if account and (":role/" in name or (":user/" in name and account.users)):
            yield name


def _arns(account: Account) -> Iterator[str]:
    yield from (one.key.arn for one in account.roles)
    yield from (one.arn for one in account.users)


def removed_from(
    today: ResourcePolicy,
    written: Sequence[WrittenPrincipal],
    parties: Collection[Party],
    dropped: Sequence[PrincipalRule],
) -> list[tuple[str, str]]:
    """Return the principals and actions of today's policy that go, and why.

    Args:
        today: the policy as it is.
        written: the principals of the new one.
        parties: who came and may go on.
        dropped: decisions that drop principals.
    """
    gone: list[tuple[str, str]] = []
    for number, one in enumerate(today.statements):
        if one.statement.effect != "Allow":
            continue
        stays = [piece.entry for piece in written if piece.statement == number]
        gone += [
            (entry[1], _why(entry, parties, dropped))
            for entry in one.principals.entries
            if not any(Principals((entry,)).contains(Principals((inside,))) for inside in stays)
        ]
        actions = {action for piece in written if piece.statement == number for action in piece.actions}
        if actions:
            unused = [action for action in one.statement.actions if action not in actions]
            gone += [(action, "visible, 0 uses") for action in unused if "*" not in action]
    return list(dict.fromkeys(gone))


def _why(entry: Entry, parties: Iterable[Party], dropped: Iterable[PrincipalRule]) -> str:
    if any(Principals((entry,)).names(party)[0] is not Truth.FALSE for party in parties):
        return "whoever came comes in by another principal"
    if any(drops(rule.principal, entry) for rule in dropped):
        return "dropped by a decision"
    return "visible, 0 assumptions"
