"""What is wrong with a trust policy, whoever uses it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from policygen.iam.document import Conditions
from policygen.iam.party import EVERYONE, account_named
from policygen.iam.resource_policy import PrincipalStatement, ResourcePolicy
from policygen.rightsize.trust.callers import claim_keys, is_oidc_provider
from policygen.rightsize.trust.session_length import SessionLength, hours

_LIMITS = frozenset(
    {
        "aws:principalorgid", "aws:principalorgpaths", "aws:principalarn", "aws:principalaccount", "aws:userid",
        "aws:sourceaccount", "aws:sourceorgid",
    }
)  # fmt: skip
"""Keys that say of which accounts a caller may be."""


class TrustFinding(NamedTuple):
    """A rule that today's trust policy breaks, and whether the new one still does."""

    rule: str
    level: str
    where: str
    text: str
    remains: bool


def findings_of(
    today: ResourcePolicy, proposed: ResourcePolicy, account: str, length: SessionLength
) -> list[TrustFinding]:
    """Return the findings about today's policy, in order.

    Args:
        today: the policy as it is.
        proposed: the new one.
        account: the role's account.
        length: how long its sessions may last, and how long they do.
    """
    left = {(rule, where) for rule, _, where, _ in _found(proposed, account)}
    found = [TrustFinding(*one, (one[0], one[2]) in left) for one in dict.fromkeys(_found(today, account))]
    if length.now and length.proposed < length.now:
        text = (
            f"sessions may last {hours(length.now)}, and nobody asks for more than {hours(length.proposed)}"
        )
        found.append(TrustFinding("PG704", "note", "MaxSessionDuration", text, remains=False))
    return sorted(found)


def _found(policy: ResourcePolicy, account: str) -> Iterator[tuple[str, str, str, str]]:
    for one in policy.allows:
        keys = _asked(one.statement.conditions)
        for kind, name in one.principals.entries:
            if name == EVERYONE and not keys & _LIMITS:
                yield "PG701", "error", "*", "any AWS account may assume the role"
            elif kind == "Federated" and is_oidc_provider(name):
                yield from _tokens(name, keys)
            elif (
                (foreign := _foreign(kind, name, account)) and "sts:externalid" not in keys and _assumes(one)
            ):
                yield "PG703", "warning", foreign, f"account {foreign} needs no external id"


def _assumes(one: PrincipalStatement) -> bool:
    return any(action.lower() in {"sts:assumerole", "sts:*", "*"} for action in one.statement.actions)


def _tokens(provider: str, keys: frozenset[str]) -> Iterator[tuple[str, str, str, str]]:
    missing = [
        what
        for what, key in zip(("audience", "subject"), claim_keys(provider), strict=True)
        if key.lower() not in keys
    ]
    if missing:
        text = f"tokens of any {' and any '.join(missing)} may assume the role"
        yield "PG702", "error", provider, text


def _asked(conditions: Conditions) -> frozenset[str]:
    return frozenset(key.lower() for _, keys in conditions for key, _ in keys)


def _foreign(kind: str, name: str, account: str) -> str:
    """Return the account of a principal, if it is another one than the role's."""
    parts = name.split(":")
    of = account_named(name) or (parts[4] if len(parts) > 5 else "")
    return of if kind == "AWS" and of != account else ""
