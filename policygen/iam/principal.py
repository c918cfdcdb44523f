"""What every request by a role's sessions has in common, and what policies that bound the role say about it.

An organisation often exempts roles from a Deny by their ARNs (``ArnNotLike aws:PrincipalArn``). No record holds these
keys, but of one role they are known. Source: IAM User Guide, reference_policies_condition-keys (properties of the
principal) and reference_policies_variables (where a variable has a value).
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from policygen.iam.conditions import ContextFacts, Truth, context_facts, evaluate_entry, substitute
from policygen.iam.document import Conditions, Policy, Statement

_ABSENT = ("aws:username", "aws:PrincipalServiceName", "aws:PrincipalServiceNamesList")
"""Keys that only requests by users or by services have."""


def principal_facts(arn: str, account: str) -> ContextFacts:
    """Return the condition keys that all requests by a role's sessions have in common.

    Args:
        arn: of the role: ``aws:PrincipalArn`` of its sessions, too.
        account: of the role.
    """
    known = (
        ("aws:PrincipalArn", (arn,)),
        ("aws:PrincipalAccount", (account,)),
        ("aws:PrincipalType", ("AssumedRole",)),
        ("aws:PrincipalIsAWSService", ("false",)),
    )
    return context_facts(tuple((key, values) for key, values in known if values[0]), absent=_ABSENT)


def bound_by(policy: Policy, facts: ContextFacts) -> Policy:
    """Return what a policy says to one role: the same for its requests, with less to decide.

    Conditions that hold for all requests of the role are left out. A statement that applies to none of them keeps its
    place, without actions, so that the others keep their numbers.
    """
    return replace(policy, statements=tuple(_statement(one, facts) for one in policy.statements))


def _statement(statement: Statement, facts: ContextFacts) -> Statement:
    conditions = _undecided(statement.conditions, facts)
    if conditions is None:
        return replace(statement, actions=(), not_actions=False, conditions=())
    resources = (substitute(pattern, facts) for pattern in statement.resources)
    return replace(
        statement, conditions=conditions, resources=tuple(one for one in resources if one is not None)
    )


def _undecided(conditions: Conditions, facts: ContextFacts) -> Conditions | None:
    """Return the entries of a condition block that are not decided; None where one never holds."""
    entries = [(operator, tuple(_left(operator, keys, facts))) for operator, keys in conditions]
    if any(left is None for _, found in entries for left in found):
        return None
    return tuple(
        (operator, tuple(left for left in found if left is not None)) for operator, found in entries if found
    )


_Entry = tuple[str, tuple[str, ...]]


def _left(operator: str, keys: tuple[_Entry, ...], facts: ContextFacts) -> Iterator[_Entry | None]:
    for key, values in keys:
        held = evaluate_entry(operator, key, values, facts)
        if held is Truth.UNKNOWN:
            yield key, values
        elif held is Truth.FALSE:
            yield None
