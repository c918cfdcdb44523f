"""Apply people's decisions to a role's permissions: keep, drop, and report rules that match nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from types import MappingProxyType
from typing import NamedTuple

from policygen.errors import UsageError
from policygen.iam import arn, reference
from policygen.iam.document import Statement
from policygen.iam.grants import Grant
from policygen.iam.request import AccessRequest
from policygen.logs.calls.evidence import Evidence
from policygen.rightsize.decisions.model import DecisionRule, phrase
from policygen.text import escape_controls, pluralize

_SHOWN = 5


class NothingToKeepError(UsageError):
    """A keep rule matches nothing that the role's current policies grant (PG-E364)."""

    def __init__(self, message: str, *hints: str, rule: DecisionRule) -> None:
        super().__init__(message, *hints, code="PG-E364")
        self.rule = rule

    def __reduce__(self) -> tuple[Callable[[], NothingToKeepError], tuple[()]]:
        return partial(type(self), self.message, *self.hints, rule=self.rule), ()


class KeptByDecision(NamedTuple):
    """A grant that a person decided to keep, cut to what the current policies grant."""

    grant: Grant
    why: str
    rule: DecisionRule


def apply_keeps(
    rules: Iterable[DecisionRule], name: str, now: Mapping[str, Sequence[Statement]]
) -> list[KeptByDecision]:
    """Return the grants that a role's keep rules keep, sorted; never more than a current statement grants.

    Args:
        rules: the rules in force, from `Decisions.for_role`.
        name: the role's name, for messages.
        now: action -> the Allow statements that grant it, as `iam.actions.effective_actions` gives it.

    Raises:
        NothingToKeepError: PG-E364, a rule keeps what the current policies do not grant.
    """
    found: dict[Grant, KeptByDecision] = {}
    for rule in rules:
        if rule.kind != "keep":
            continue
        grants = [
            grant
            for action in now
            if arn.action_matches(rule.action, action)
            for statement in now[action]
            for grant in _cut(action, rule.resource, statement)
        ]
        if not grants:
            raise _nothing_to_keep(rule, name, now)
        for grant in grants:
            found.setdefault(grant, KeptByDecision(grant, rule.reason, rule))
    return [found[grant] for grant in sorted(found)]


def _cut(action: str, resource: str, statement: Statement) -> list[Grant]:
    """Intersect a keep's pattern with a statement; return no grant where that cannot be written exactly."""
    if not _fits(action, resource):
        return []  # a grant on a resource that the action does not take would allow nothing (4.3.8)
    if statement.not_resources:
        if resource == "*":
            return [Grant(action, "*", statement.conditions, statement.resources)]
        if any(arn.overlaps(left_out, resource) for left_out in statement.resources):
            return []
        return [Grant(action, resource, statement.conditions)]
    pieces = {piece for own in statement.resources for piece in arn.intersect(resource, own) or ()}
    return [Grant(action, piece, statement.conditions) for piece in sorted(pieces) if _fits(action, piece)]


@lru_cache(maxsize=1 << 14)
def _fits(action: str, resource: str) -> bool:
    """Return whether an action takes any resource that a pattern matches; an action that IAM does not know does."""
    known, service = reference.action(action), reference.service(action.split(":", 1)[0].lower())
    if known is None or service is None or resource == "*":
        return True
    types = [service.types[name] for name in known.types if name in service.types]
    return any(arn.overlaps(pattern.fill({}), resource) for kind in types for pattern in kind.patterns)


def _nothing_to_keep(
    rule: DecisionRule, name: str, now: Mapping[str, Sequence[Statement]]
) -> NothingToKeepError:
    own = [action for action in now if arn.action_matches(rule.action, action)]
    hints = []
    if own:
        texts = sorted({_written(statement) for action in own for statement in now[action]})
        hints.append(f"today it is granted on {', '.join(texts[:_SHOWN])}")
        if not any(_fits(action, rule.resource) for action in own):
            hints.append("the action takes no resource of that kind; without one it is kept as it is today")
    else:
        service = f"{rule.action.split(':', 1)[0].lower()}:"
        same = [action for action in now if action.lower().startswith(service)]
        hints.append(
            f"of this service today's policies grant {pluralize(len(same), 'action')}: {', '.join(same[:_SHOWN])}"
            if same
            else "today's policies grant nothing of this service"
        )
    hints.append(
        "a keep never widens: what is not granted today has to be added to the role's policies first"
    )
    return NothingToKeepError(
        f"{rule.where} keeps what today's policies of {escape_controls(name)} do not grant: {phrase(rule)}",
        *hints,
        rule=rule,
    )


def _written(statement: Statement) -> str:
    listed = ", ".join(map(escape_controls, statement.resources[:_SHOWN]))
    return f"all but {listed}" if statement.not_resources else listed


# --- Dropping --------------------------------------------------------------------------------------


def undropped(
    rules: Iterable[DecisionRule], now: Mapping[str, Sequence[Statement]]
) -> Mapping[str, Sequence[Statement]]:
    """Return the current permissions that no drop rule is about, whatever the resource.

    Args:
        rules: the rules in force, from `Decisions.for_role`.
        now: action -> the current Allow statements that grant it.
    """
    patterns = [rule.action for rule in rules if rule.kind == "drop"]
    if not patterns:
        return now
    return {
        action: statements
        for action, statements in now.items()
        if not any(arn.action_matches(pattern, action) for pattern in patterns)
    }


def dropped(rules: Iterable[DecisionRule], name: str, action: str, resource: str) -> DecisionRule | None:
    """Return the first rule that drops an action on everything that a Resource pattern matches, or None.

    For permissions that were not seen in use; `drop_observed` is for the others.
    """
    for rule in rules:
        about = rule.kind == "drop" and rule.for_role(name) and arn.action_matches(rule.action, action)
        if about and arn.contains(rule.resource, resource):
            return rule
    return None


class DroppedInUse(NamedTuple):
    """An observed permission that a rule drops, and the calls that will fail."""

    request: AccessRequest
    evidence: Evidence
    rule: DecisionRule
    events: tuple[str, ...]
    """The events of these calls, ``s3.amazonaws.com DeleteObject``."""

    @property
    def action(self) -> str:
        """The action that will be denied."""
        return self.request.action

    @property
    def resource(self) -> str:
        """The resource on which it was seen."""
        return self.request.resource

    @property
    def sentence(self) -> str:
        """One line for people."""
        calls = f"{pluralize(self.evidence.count, 'call')} of {', '.join(self.events) or 'unknown events'}"
        return f"{self.action} on {escape_controls(self.resource)}: {calls} would have failed"


class DroppedNeed(NamedTuple):
    """A permission that AWS's own service needs of the role, by its configuration, and that a rule drops."""

    action: str
    resource: str
    why: str
    """What needs it, a clause."""
    rule: DecisionRule

    @property
    def sentence(self) -> str:
        """One line for people."""
        return f"{self.action} on {escape_controls(self.resource)}: {self.why}; it will be denied"


Loss = DroppedInUse | DroppedNeed
"""A needed permission that a rule drops: seen in use, or needed by AWS's own service."""

SEEN = "it was seen in use"


class Spared(NamedTuple):
    """A needed permission that a drop rule matches but must not drop."""

    action: str
    resource: str
    rule: DecisionRule
    why: str = SEEN
    """Why it is needed, a sentence."""

    @property
    def sentence(self) -> str:
        """One line for people. It is no advice to drop what is needed, so it holds no command."""
        return f"{self.rule.where} does not drop {self.action}: {self.why}"


class RuledOut(NamedTuple):
    """How a rule drops an unverified permission."""

    rule: DecisionRule
    sign: str = ""
    """What says that the permission is used, or well may be, a clause; "" for nothing."""

    @property
    def settled(self) -> bool:
        """Whether a person decided it for good: wrote why, about what nothing speaks for."""
        return not self.rule.flag and not self.sign


class DroppedNeeds(NamedTuple):
    """What the drop rules did to needs of AWS's own services, and to what is unverified."""

    losses: tuple[DroppedNeed, ...] = ()
    spared: tuple[Spared, ...] = ()
    ruled_out: Mapping[str, RuledOut] = MappingProxyType({})
    """Unverified action -> the rule that drops it, on some resource."""


def drop_need(
    rules: Iterable[DecisionRule], name: str, action: str, resource: str
) -> tuple[DecisionRule | None, DecisionRule | None]:
    """Return the rule that drops a permission which AWS's own service needs, and the rule that must not drop it.

    Only a rule with the action's own name drops it: whoever writes ``sqs:*`` does not mean the calls by which Lambda
    polls the queue. One of the two is None, or both.
    """
    matching = [
        rule
        for rule in rules
        if rule.kind == "drop"
        and rule.for_role(name)
        and arn.action_matches(rule.action, action)
        and arn.contains(rule.resource, resource)
    ]
    meant = next((rule for rule in matching if rule.exact), None)
    return meant, (None if meant else next(iter(matching), None))


class Dropped(NamedTuple):
    """Observed requests, sorted by the drop rules."""

    kept: dict[AccessRequest, Evidence]
    losses: tuple[DroppedInUse, ...]
    spared: tuple[Spared, ...]


def drop_observed(
    rules: Iterable[DecisionRule],
    name: str,
    requests: Mapping[AccessRequest, Evidence],
    sources: Mapping[AccessRequest, Sequence[str]],
) -> Dropped:
    """Sort a role's observed requests by the drop rules in force.

    Only a command-line rule with the action's own name drops an observed permission: a pattern may match by accident,
    and a file may be older than the use.

    Args:
        rules: the rules in force.
        name: the role's name.
        requests: observed requests.
        sources: request -> the events it comes from.
    """
    drops = [rule for rule in rules if rule.kind == "drop" and rule.for_role(name)]
    kept, losses, spared = {}, [], []
    for request, evidence in requests.items():
        matching = [rule for rule in drops if _matches(rule, request)]
        meant = next((rule for rule in matching if rule.exact and rule.flag), None)
        if meant:
            losses.append(DroppedInUse(request, evidence, meant, tuple(sources.get(request, ()))))
            continue
        kept[request] = evidence
        spared += [Spared(request.action, request.resource, rule) for rule in matching if not rule.sparing]
    return Dropped(kept, tuple(losses), tuple(spared))


def _matches(rule: DecisionRule, request: AccessRequest) -> bool:
    if not arn.action_matches(rule.action, request.action):
        return False
    pattern = request.resource if request.wild or request.resource == "*" else arn.quote(request.resource)
    return arn.contains(rule.resource, pattern)


# --- What does nothing -----------------------------------------------------------------------------


def unused_rules(
    rules: Iterable[DecisionRule],
    now: Mapping[str, Sequence[Statement]] | None,
    requests: Iterable[AccessRequest],
) -> tuple[DecisionRule, ...]:
    """Return the rules in force that match neither a current permission of the role nor an observed request.

    Args:
        rules: the rules in force.
        now: action -> the current Allow statements that grant it; None where these are not known.
        requests: observed requests.
    """
    granted, seen = now or {}, list(requests)
    return tuple(
        rule
        for rule in rules
        if not any(_keeps_any(rule, action, statements) for action, statements in granted.items())
        and not any(_matches(rule, request) for request in seen)
    )


def _keeps_any(rule: DecisionRule, action: str, statements: Iterable[Statement]) -> bool:
    return arn.action_matches(rule.action, action) and any(_cut(action, rule.resource, s) for s in statements)
