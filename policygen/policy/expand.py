"""Which actions policies allow, by name: wildcards expanded against all that IAM knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from policygen import arn
from policygen.catalog import reference
from policygen.policy.document import Policy, Statement


def actions_matching(pattern: str) -> Iterator[str]:
    """Every known action that an Action pattern matches; the pattern's own text where IAM knows none."""
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


def statement_actions(statement: Statement) -> Iterator[str]:
    """The known actions a statement speaks about."""
    if not statement.not_actions:
        yield from dict.fromkeys(a for pattern in statement.actions for a in actions_matching(pattern))
        return
    for action in actions_matching("*"):
        if not any(arn.action_matches(pattern, action) for pattern in statement.actions):
            yield action


def allowed_actions(policies: Iterable[Policy]) -> dict[str, list[Statement]]:
    """Action -> the Allow statements that grant it on anything; sorted by action.

    An action that a Deny without conditions takes away on every resource is not in it.
    """
    policies = list(policies)
    found: dict[str, list[Statement]] = {}
    for policy in policies:
        for statement in policy.statements:
            if statement.effect == "Allow" and not (statement.not_resources and "*" in statement.resources):
                for action in statement_actions(statement):
                    members = found.setdefault(action, [])
                    if statement not in members:
                        members.append(statement)
    barred = {
        action
        for policy in policies
        for statement in policy.statements
        if statement.effect == "Deny" and not statement.conditions and not statement.not_resources
        if "*" in statement.resources
        for action in statement_actions(statement)
    }
    return {action: found[action] for action in sorted(found, key=str.lower) if action not in barred}


def by_service(actions: Iterable[str]) -> Mapping[str, list[str]]:
    """Actions grouped by service prefix."""
    groups: dict[str, list[str]] = {}
    for action in actions:
        groups.setdefault(action.split(":", 1)[0].lower(), []).append(action)
    return groups
