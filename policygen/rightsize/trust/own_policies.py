"""What the callers of the role's own account may do by policies of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from policygen.account.model import Account, Role
from policygen.iam.document import Policy
from policygen.iam.evaluate import Evaluator
from policygen.iam.request import AccessRequest
from policygen.rightsize.principals.owner import Owner
from policygen.rightsize.trust.assumptions import AssumptionUse


class _Caller(NamedTuple):
    """The policies of a role or a user."""

    policies: Sequence[Policy]
    is_known: bool
    """Whether all of their documents were read."""
    boundary: Policy | None
    is_bounded: bool


def owner_with_callers(account: Account, role: Role, uses: Iterable[AssumptionUse]) -> Owner:
    """Return the role's account, with what is known of those callers of its own who assumed the role.

    Args:
        account: as it is.
        role: the one that is assumed.
        uses: the actions of the assumptions.
    """
    asked: dict[str, set[str]] = defaultdict(set)
    for use in uses:
        if use.party.account == account.account_id and use.party.is_named:
            asked[use.party.name].add(use.action)
    known = _callers(account, asked)
    return Owner(
        account.account_id,
        frozenset(arn for arn, one in known.items() if one.is_bounded),
        frozenset(
            arn
            for arn, actions in asked.items()
            if (_may_always(known[arn], actions, role) if arn in known else _is_gone(account, arn))
        ),
    )


def _callers(account: Account, names: Iterable[str]) -> Mapping[str, _Caller]:
    wanted = frozenset(names)
    found = {
        one.arn: _Caller(one.policies, not one.missing, one.boundary, one.boundary is not None)
        for one in account.users
        if one.arn in wanted
    }
    for one in account.roles:
        if one.key.arn in wanted:
            bounded = bool(one.boundary or one.boundary_arn)
            found[one.key.arn] = _Caller(one.identity_policies, not one.missing, one.boundary, bounded)
    return found


def _may_always(caller: _Caller, actions: Iterable[str], role: Role) -> bool:
    """Return whether a caller may do all of it by policies of its own, whatever else a request has."""
    evaluator = Evaluator(caller.policies, caller.boundary)
    said = [evaluator.evaluate(AccessRequest(action, role.key.arn)) for action in actions]
    return caller.is_known and all(one.outcome == "ALLOWED" and one.certain for one in said)


def _is_gone(account: Account, arn: str) -> bool:
    """Return whether the account does not have a caller any more."""
    return ":role/" in arn or bool(account.users)
