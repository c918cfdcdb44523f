"""The account of what a policy belongs to: how firmly each form of a principal holds its own callers.

A caller of another account needs an Allow of its own policies whatever names it.
Source: IAM User Guide, reference_policies_evaluation-logic_policy-eval-denyallow.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from policygen.iam.party import Party, account_named
from policygen.iam.resource_policy import ResourcePolicy

BY_ACCOUNT, BY_ROLE, DIRECT = range(3)
"""How firmly an entry holds a caller: its own policies must allow the action too; only a permissions boundary or a
session policy must; nothing else must."""


class Owner(NamedTuple):
    """The account that a role or an API belongs to."""

    account: str
    bounded: frozenset[str] = frozenset()
    """ARNs of its roles that have a permissions boundary."""
    allowed: frozenset[str] = frozenset()
    """ARNs of its callers whose own policies allow the action, whatever else a request has."""

    def holds(self, party: Party) -> range:
        """Return the ways to hold a caller that differ for it, the loosest first."""
        if party.account != self.account or party.name.endswith(":root"):
            return range(BY_ACCOUNT, BY_ROLE)
        return range(BY_ACCOUNT, DIRECT + 1 if party.name in self.bounded else DIRECT)

    def hold(self, name: str, party: Party) -> int:
        """Return how firmly an entry that names a caller holds it."""
        return min(self.holds(party)[-1], _hold(name, self.account))

    def is_as_good(self, name: str, other: str, party: Party) -> bool:
        """Return whether one entry lets in a caller when another does, and no more often."""
        mine, others = self.hold(name, party), self.hold(other, party)
        return mine == others or (mine > others and party.name in self.allowed)

    def held(self, policy: ResourcePolicy, least: int) -> ResourcePolicy:
        """Return a policy whose Allow statements are about those principals only that hold callers so firmly."""
        if least == BY_ACCOUNT:
            return policy
        statements = []
        for one in policy.statements:
            firm = [entry for entry in one.principals.entries if _hold(entry[1], self.account) >= least]
            if one.statement.effect == "Deny" or one.principals.negated:
                statements.append(one)
            elif firm:
                statements.append(one.with_principals(firm))
        return replace(policy, statements=tuple(statements))


NO_OWNER = Owner("")
"""For what does not say whose it is: all forms of a principal are the same."""


def _hold(name: str, account: str) -> int:
    if account_named(name) == account:
        return BY_ACCOUNT
    return BY_ROLE if ":role/" in name or name.startswith("AROA") else DIRECT
