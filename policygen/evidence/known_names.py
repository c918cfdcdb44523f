"""What the logs and the account tell of names: the knowledge with which a role's calls are mapped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from policygen.account.model import Account
from policygen.catalog.knowledge import (
    NOTHING_KNOWN,
    Fact,
    Knowledge,
    fact_of_arn,
    facts_in_text,
    facts_of_arns,
)
from policygen.catalog.known_event import may_pass_role
from policygen.catalog.learning import facts_of, learn_rules
from policygen.logs.calls.call import CallSignature
from policygen.logs.calls.totals import Totals

ROLES_OF_PROFILE = "roles-of-profile"
"""Relation of an instance profile, by name, to the names of its roles."""


def knowledge_of(totals: Totals, account: Account | None = None) -> Knowledge:
    """Return what the records of all callers tell, and the account as it is now."""
    # Where records were counted twice and subtracted, a fact may be left with no record.
    facts = [fact for fact, records in totals.facts.items() if records > 0]
    facts += facts_of_arns(role.arn for role in totals.roles)
    return NOTHING_KNOWN.joined([*facts, *_facts_of_account(account)])


def with_calls(knowledge: Knowledge, calls: Iterable[CallSignature]) -> Knowledge:
    """Return the knowledge with what a role's own calls tell: ARNs that AWS accepted, and what service files learn."""
    own = dict.fromkeys(fact for call in calls if not call.error for fact in _facts_of_call(call))
    return knowledge.joined(own)


def _facts_of_call(call: CallSignature) -> list[Fact]:
    facts = [*facts_in_text(call.params)]
    if call.resources:
        facts += facts_of_arns([entry.arn for entry in call.resources if ":iam::" in entry.arn])
    if _may_teach(call.source, call.name):
        facts += facts_of(call.call())
    return facts


@lru_cache(maxsize=8192)
def _may_teach(source: str, name: str) -> bool:
    """Return whether `facts_of` may tell something of the calls of an event."""
    return bool(learn_rules(source, name)) or may_pass_role(source, name)


def _facts_of_account(account: Account | None) -> Iterator[Fact]:
    if account is None:
        return
    profiles = account.instance_profiles
    yield from facts_of_arns((*(role.key.arn for role in account.roles), *account.entities, *profiles))
    for profile, roles in profiles.items():
        if named := fact_of_arn(profile):
            yield from (Fact(ROLES_OF_PROFILE, named.key, role.rpartition("/")[2]) for role in roles)
