"""Leave-one-out on the documents: without any action or resource something observed or kept is denied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from policygen.iam import arn
from policygen.iam.actions import actions_matching
from policygen.iam.document import Policy, Statement, allow_statements
from policygen.iam.evaluate import Evaluator
from policygen.iam.grants import Grant, inside_statements, is_pattern, overlaps_statement
from policygen.iam.request import AccessRequest
from policygen.rightsize.suggestion import Suggestion
from tests.support.effort import THOROUGH
from tests.support.golden import Golden
from tests.support.samples import suggestions


class Removal(NamedTuple):
    """The documents without one action or one resource of one Allow statement."""

    what: str
    statement: Statement
    policies: tuple[Policy, ...]


def removals(policies: tuple[Policy, ...]) -> Iterator[Removal]:
    for at, policy in enumerate(policies):
        for number, statement in enumerate(policy.statements):
            if statement.effect == "Deny" or statement.not_actions or statement.not_resources:
                continue
            head, tail = policy.statements[:number], policy.statements[number + 1 :]
            for what, less in _less(statement):
                kept = replace(policy, statements=(*head, less, *tail) if less else (*head, *tail))
                yield Removal(what, statement, (*policies[:at], kept, *policies[at + 1 :]))


def _less(statement: Statement) -> Iterator[tuple[str, Statement | None]]:
    for element in ("actions", "resources"):
        values = getattr(statement, element)
        for value in values:
            rest = tuple(other for other in values if other != value)
            yield f"{statement.sid}: {value}", replace(statement, **{element: rest}) if rest else None


def witness(made: Suggestion, removal: Removal) -> str:
    """An observed request that is denied, or decided for less certain, without it, or a keep not granted; ""."""
    before, after = Evaluator(made.policies), Evaluator(removal.policies)
    # Only what the statement speaks about can change.
    concerned = [
        r for r in made.written if any(arn.action_matches(a, r.action) for a in removal.statement.actions)
    ]
    for request in concerned:
        was, now = before.evaluate(request), after.evaluate(request)
        if was.outcome == "ALLOWED" and (now.outcome != "ALLOWED" or (was.certain and not now.certain)):
            return f"{request.action} on {request.resource}"
        fewer = _ways(request, made.policies) > _ways(request, removal.policies)
        if fewer and (request.wild or not was.certain):
            return f"{request.action} on {request.resource}, as one of several statements may have allowed it"
    allows = allow_statements(removal.policies)
    for keep in made.keeps:
        if overlaps_statement(keep.grant, removal.statement) and not inside_statements(keep.grant, allows):
            return f"kept: {keep.grant.action} on {keep.grant.resource}"
    return ""


def _ways(request: AccessRequest, policies: tuple[Policy, ...]) -> int:
    """How many grants of the documents hold the request."""
    found = 0
    for statement in allow_statements(policies):
        for resource in statement.resources:
            one = Grant(request.action, resource, statement.conditions)
            acts = any(arn.action_matches(pattern, request.action) for pattern in statement.actions)
            found += acts and not statement.not_resources and one.covers(request)
    return found


MANY = 400 if THOROUGH else 20
"""Removals tried of one suggestion: of larger ones every n-th, for each costs a look at all that is kept."""


def assert_minimal(made: Suggestion) -> int:
    tried = 0
    every = list(removals(made.policies))
    for removal in every[:: 1 + len(every) // MANY]:
        tried += 1
        assert witness(made, removal), f"{removal.what} is spare"
    return tried


def test_nothing_of_a_golden_suggestion_is_spare(golden: Golden) -> None:
    made = golden.analysis.suggestion
    # A statement with NotResource cannot be taken apart.
    assert assert_minimal(made) or any(s.not_resources for s in allow_statements(made.policies))


@pytest.mark.sweep
def test_nothing_of_a_sample_role_s_suggestion_is_spare() -> None:
    tried = [assert_minimal(made) for made in suggestions()]
    assert sum(tried) > 0.75 * MANY


def test_a_pattern_of_actions_stands_for_kept_ones_only() -> None:
    for made in suggestions():
        kept = {keep.grant.action.lower() for keep in made.keeps}
        patterns = [a for s in allow_statements(made.policies) for a in s.actions if is_pattern(a)]
        assert all(action.lower() in kept for pattern in patterns for action in actions_matching(pattern))
