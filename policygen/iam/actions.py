"""Which actions policies allow, by name: wildcards are expanded to the actions of IAM's reference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain

import msgspec

from policygen.iam import arn, reference
from policygen.iam.document import Policy, Statement
from policygen.iam.evaluate import BOUNDARY, IDENTITY, RESOURCE_CONTROL, Guardrails, level_name


@lru_cache(maxsize=4096)
def actions_matching(pattern: str) -> tuple[str, ...]:
    """Return every known action that an Action pattern matches; the pattern itself where IAM's reference has none.

    Cached, because the policies of an account use the same patterns again and again.
    """
    return tuple(_expand(pattern))


def _expand(pattern: str) -> Iterator[str]:
    prefix, colon, name = pattern.partition(":")
    if not colon or prefix == "*":
        names = reference.prefixes() if prefix == "*" else ()
        for service in sorted(names):
            known = reference.action_names(service)
            yield from (one for one in known if not colon or arn.action_matches(pattern, one))
        return
    known = reference.action_names(prefix.lower())
    if not known:
        yield pattern  # a service that IAM's reference does not have: the pattern stays as it is written
        return
    if "*" not in name and "?" not in name:
        yield next((action for action in known if action.lower() == pattern.lower()), pattern)
        return
    for action in known:
        if arn.action_matches(pattern, action):
            yield action


def statement_actions(statement: Statement) -> Iterable[str]:
    """Return the known actions that a statement applies to, each once."""
    listed = dict.fromkeys(chain.from_iterable(map(actions_matching, statement.actions)))
    if statement.not_actions:
        return (action for action in actions_matching("*") if action not in listed)
    return listed


class Effective(msgspec.Struct, frozen=True):
    """What identity policies grant within a boundary, SCPs and RCPs. Both fields are sorted by action."""

    allowed: Mapping[str, tuple[Statement, ...]]
    """Action -> the Allow statements that grant it on a resource which every limit can allow.

    Actions that the same statements grant share one tuple, so that a caller can do its work once per tuple.
    """
    blocked: Mapping[str, str]
    """Action that identity policies grant and a limit never allows -> that limit: ``the permissions boundary``."""


def effective_actions(
    policies: Iterable[Policy], boundary: Policy | None = None, guardrails: Guardrails = (), account: str = ""
) -> Effective:
    """Return what identity policies grant and do not deny themselves, within a boundary, SCPs and RCPs.

    A limit blocks an action where none of its Allow statements overlaps the granted resources, or where its Deny
    statements without conditions cover them all. An action that only conditions may block stays allowed.

    Args:
        policies: the identity policies of one role.
        boundary: its permissions boundary.
        guardrails: levels of SCPs and RCPs.
        account: the role's account. RCPs block nothing on resources that may belong to another one. With "" they block
            on all resources.
    """
    granted = _granted_by_identity(tuple(policies))
    limits = [] if boundary is None else [_Limit(BOUNDARY, [boundary])]
    limits += [_Limit(level_name(level), level, account) for level in guardrails]
    if not limits:
        return Effective(granted, {})
    allowed: dict[str, tuple[Statement, ...]] = {}
    blocked: dict[str, str] = {}
    for action, statements in granted.items():
        left = statements
        for limit in limits:
            left = limit.permitted(action, left)
            if not left:
                blocked[action] = limit.name
                break
        if left:
            allowed[action] = left
    return Effective(allowed, blocked)


class _Limit:
    """A permissions boundary, or a level of SCPs or RCPs, prepared for many actions."""

    def __init__(self, name: str, policies: Sequence[Policy], account: str = "") -> None:
        self.name = name
        self._account = account if name == RESOURCE_CONTROL else ""
        statements = [statement for policy in policies for statement in policy.statements]
        self._allows = [_StatementActions(s) for s in statements if s.effect == "Allow"]
        self._denies = [_StatementActions(s) for s in statements if s.effect == "Deny" and not s.conditions]

    def permitted(self, action: str, statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
        """Return the statements that grant an action on a resource which this limit can allow."""
        denies = [s.statement for s in self._denies if s.covers(action)]
        if not denies and self.name == IDENTITY:
            return statements
        allows = [s.statement for s in self._allows if s.covers(action)]
        if not denies and any(not allow.not_resources and "*" in allow.resources for allow in allows):
            return statements
        return tuple(
            statement
            for statement in statements
            if any(
                self._spares(action, resource)
                or (
                    any(allow.resource_overlaps(resource) for allow in allows)
                    and not any(deny.resource_contains(resource) for deny in denies)
                )
                for resource in (["*"] if statement.not_resources else statement.resources)
            )
        )

    def _spares(self, action: str, resource: str) -> bool:
        """Whether this is a level of RCPs, and a resource may belong to another account (4.1.3)."""
        known = reference.action(action)
        if not self._account or (known and not known.types):
            return False
        parts = arn.parse(resource)
        return parts is None or parts.account != self._account


class _StatementActions:
    """A statement and the known actions that it applies to."""

    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        self._all_actions = not statement.not_actions and "*" in statement.actions
        self._folded_names = frozenset[str]()
        if not self._all_actions:
            self._folded_names = frozenset(action.lower() for action in statement_actions(statement))

    def covers(self, action: str) -> bool:
        if self._all_actions or action.lower() in self._folded_names:
            return True
        if reference.action(action):
            return False
        # An action that IAM's reference does not have may itself be a pattern.
        if self.statement.not_actions:
            return not any(arn.action_contains(pattern, action) for pattern in self.statement.actions)
        return any(arn.action_overlaps(pattern, action) for pattern in self.statement.actions)


@lru_cache(maxsize=32)  # many roles have the same policies; an administrator's actions take a megabyte
def _granted_by_identity(policies: tuple[Policy, ...]) -> dict[str, tuple[Statement, ...]]:
    """Return each action with the Allow statements that grant it, without those that the policies' Denies take away.

    A Deny takes away what it covers whole, without conditions: every resource, or all that a statement grants.
    """
    granted: dict[str, tuple[Statement, ...]] = {}
    denied: set[str] = set()
    for statement in dict.fromkeys(statement for policy in policies for statement in policy.statements):
        if statement.effect == "Allow" and not (statement.not_resources and "*" in statement.resources):
            _add_statement(granted, statement)
        if _denies_all_resources(statement):
            denied.update(statement_actions(statement))
    left = {action: granted[action] for action in sorted(granted, key=str.lower) if action not in denied}
    if not any(
        one.effect == "Deny" and not one.conditions for policy in policies for one in policy.statements
    ):
        return left
    own = _Limit(IDENTITY, policies)
    return {
        action: kept for action, statements in left.items() if (kept := own.permitted(action, statements))
    }


def _add_statement(granted: dict[str, tuple[Statement, ...]], statement: Statement) -> None:
    """Append a statement to the tuple of each of its actions. Actions that shared a tuple share the new one too."""
    single = (statement,)
    new = dict.fromkeys(statement_actions(statement), single)
    if granted.keys().isdisjoint(new):  # as for most statements of most roles
        granted.update(new)
        return
    extended: dict[int, tuple[tuple[Statement, ...], tuple[Statement, ...]]] = {}
    for action in new:
        before = granted.get(action)
        if before is None:
            granted[action] = single
            continue
        known = extended.get(id(before))
        if known is None:  # the old tuple is stored too: while it lives, no other tuple can have its id
            known = extended[id(before)] = before, (*before, statement)
        granted[action] = known[1]


def _denies_all_resources(statement: Statement) -> bool:
    """Whether a statement denies its actions on every resource, without conditions."""
    return (
        statement.effect == "Deny"
        and not statement.conditions
        and not statement.not_resources
        and "*" in statement.resources
    )


def by_service(actions: Iterable[str]) -> Mapping[str, list[str]]:
    """Group actions by service prefix."""
    groups: dict[str, list[str]] = {}
    for action in actions:
        groups.setdefault(action.split(":", 1)[0].lower(), []).append(action)
    return groups
