"""Which actions policies allow, by name: wildcards expanded against all that IAM knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from policygen.iam import arn, reference
from policygen.iam.document import Policy, Statement
from policygen.iam.evaluate import BOUNDARY, Guardrails, level_name


@lru_cache(maxsize=4096)
def actions_matching(pattern: str) -> tuple[str, ...]:
    """Every known action that an Action pattern matches; the pattern's own text where IAM knows none.

    Remembered, since the policies of an account write the same patterns again and again.
    """
    return tuple(_matching(pattern))


def _matching(pattern: str) -> Iterator[str]:
    prefix, colon, name = pattern.partition(":")
    if not colon:
        names = reference.prefixes() if pattern == "*" else ()
        for service in sorted(names):
            yield from reference.action_names(service)
        return
    known = reference.action_names(prefix.lower())
    if not known:
        yield pattern  # a service that IAM's data does not know: carried as it is written
        return
    if "*" not in name and "?" not in name:
        yield next((action for action in known if action.lower() == pattern.lower()), pattern)
        return
    for action in known:
        if arn.action_matches(pattern, action):
            yield action


def statement_actions(statement: Statement) -> Iterable[str]:
    """The known actions a statement speaks about."""
    found = dict.fromkeys(action for pattern in statement.actions for action in actions_matching(pattern))
    if statement.not_actions:
        return (action for action in actions_matching("*") if action not in found)
    return found


class Effective(NamedTuple):
    """What identity policies grant within their bounds. Both are sorted by action."""

    allowed: dict[str, tuple[Statement, ...]]
    """Action -> the Allow statements that grant it on something that every bound can allow.

    Actions that stand in the same statements have the same tuple: what is made of one may serve for thousands.
    """
    barred: dict[str, str]
    """Action that identity policies grant and a bound never allows -> which: ``the permissions boundary``."""


def allowed_actions(
    policies: Iterable[Policy], boundary: Policy | None = None, guardrails: Guardrails = ()
) -> dict[str, tuple[Statement, ...]]:
    """Action -> the Allow statements that grant it on anything; sorted by action.

    An action that a Deny without conditions takes away on every resource is not in it, nor one that the
    boundary or a level of the organization can never allow.
    """
    return effective_actions(policies, boundary, guardrails).allowed


def effective_actions(
    policies: Iterable[Policy], boundary: Policy | None = None, guardrails: Guardrails = ()
) -> Effective:
    """What identity policies grant, apart from what a Deny of theirs takes away, within bounds.

    By patterns: a bound bars an action where none of its Allow statements can meet what is granted, or an
    unconditional Deny of it covers all of that. What conditions may bar stays allowed.

    Args:
        policies: the identity policies of one role.
        boundary: its permissions boundary.
        guardrails: levels of SCPs and RCPs.
    """
    found = _granted(list(policies))
    bounds = [] if boundary is None else [_Bound(BOUNDARY, [boundary])]
    bounds += [_Bound(level_name(level), level) for level in guardrails]
    allowed: dict[str, tuple[Statement, ...]] = {}
    barred: dict[str, str] = {}
    for action, statements in found.items():
        left = statements
        for bound in bounds:
            left = bound.reaching(action, left)
            if not left:
                barred[action] = bound.name
                break
        if left:
            allowed[action] = left
    return Effective(allowed, barred)


class _Bound:
    """A boundary or a level of an organization, asked for many actions."""

    def __init__(self, name: str, policies: Sequence[Policy]) -> None:
        self.name = name
        statements = [statement for policy in policies for statement in policy.statements]
        self._allows = [_Spoken(s) for s in statements if s.effect == "Allow"]
        self._denies = [_Spoken(s) for s in statements if s.effect == "Deny" and not s.conditions]

    def reaching(self, action: str, statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
        """The statements of which something that they grant of an action can be allowed."""
        allows = [s.statement for s in self._allows if s.concerns(action)]
        denies = [s.statement for s in self._denies if s.concerns(action)]
        if not denies and any(not one.not_resources and "*" in one.resources for one in allows):
            return statements
        return tuple(
            statement
            for statement in statements
            if any(
                any(_meets(one, resource) for one in allows)
                and not any(_covers(one, resource) for one in denies)
                for resource in (["*"] if statement.not_resources else statement.resources)
            )
        )


class _Spoken:
    """A statement and the known actions it speaks about."""

    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        self._everything = not statement.not_actions and "*" in statement.actions
        self._names = frozenset[str]()
        if not self._everything:
            self._names = frozenset(action.lower() for action in statement_actions(statement))

    def concerns(self, action: str) -> bool:
        if self._everything or action.lower() in self._names:
            return True
        if reference.action(action):
            return False
        # An action that IAM's data does not know may be a pattern of its own.
        if self.statement.not_actions:
            return not any(arn.action_contains(pattern, action) for pattern in self.statement.actions)
        return any(arn.action_overlaps(pattern, action) for pattern in self.statement.actions)


def _meets(statement: Statement, resource: str) -> bool:
    if statement.not_resources:
        return not any(arn.contains(pattern, resource) for pattern in statement.resources)
    return any(arn.overlaps(pattern, resource) for pattern in statement.resources)


def _covers(statement: Statement, resource: str) -> bool:
    if statement.not_resources:
        return not any(arn.overlaps(pattern, resource) for pattern in statement.resources)
    return any(arn.contains(pattern, resource) for pattern in statement.resources)


def _granted(policies: Sequence[Policy]) -> dict[str, tuple[Statement, ...]]:
    """Action -> the Allow statements that grant it, unless an unconditional Deny takes it away everywhere."""
    found: dict[str, tuple[Statement, ...]] = {}
    barred: set[str] = set()
    for statement in dict.fromkeys(statement for policy in policies for statement in policy.statements):
        if statement.effect == "Allow" and not (statement.not_resources and "*" in statement.resources):
            _join(found, statement)
        if _takes_all(statement):
            barred.update(statement_actions(statement))
    return {action: found[action] for action in sorted(found, key=str.lower) if action not in barred}


def _join(found: dict[str, tuple[Statement, ...]], statement: Statement) -> None:
    """Adds a statement to each of its actions; those that had the same ones before have the same ones after."""
    alone = (statement,)
    joined: dict[int, tuple[tuple[Statement, ...], tuple[Statement, ...]]] = {}
    for action in statement_actions(statement):
        before = found.get(action)
        if before is None:
            found[action] = alone
            continue
        known = joined.get(id(before))
        if known is None:  # `before` is kept, so that no other tuple gets its id
            known = joined[id(before)] = before, (*before, statement)
        found[action] = known[1]


def _takes_all(statement: Statement) -> bool:
    return (
        statement.effect == "Deny"
        and not statement.conditions
        and not statement.not_resources
        and "*" in statement.resources
    )


def by_service(actions: Iterable[str]) -> Mapping[str, list[str]]:
    """Actions grouped by service prefix."""
    groups: dict[str, list[str]] = {}
    for action in actions:
        groups.setdefault(action.split(":", 1)[0].lower(), []).append(action)
    return groups
