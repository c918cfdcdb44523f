"""What a policy grants beyond what was seen, where the logs could have shown it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from policygen.evidence.coverage.blind_spot import BlindSpot
from policygen.gate.findings import RULES, CheckRule, Finding, found_at
from policygen.gate.scope import scopes
from policygen.gate.sources import PolicySource, Spot
from policygen.iam import arn, reference
from policygen.iam.actions import actions_matching
from policygen.iam.document import Statement
from policygen.iam.grants import Grant, GrantIndex
from policygen.iam.request import AccessRequest
from policygen.rightsize.basis import CheckBasis
from policygen.rightsize.generate.generalise import generalise
from policygen.rightsize.keep.model import Keep
from policygen.text import pluralize


def unused_permissions(sources: Sequence[PolicySource], basis: CheckBasis) -> Iterator[Finding]:
    """Find what is granted and was not seen, by statement and action pattern."""
    finder = _UnusedFinder(basis)
    for source in sources:
        for number, statement in enumerate(source.policy.statements):
            if statement.effect != "Allow":
                continue
            for granted in _granted(source, number, statement):
                yield from finder.unused(granted)
                if not statement.not_resources:
                    yield from finder.beyond(granted)


class _Granted(NamedTuple):
    """One action pattern of an Allow statement, or the whole of its NotAction."""

    source: PolicySource
    number: int
    """Of the statement in its policy."""
    statement: Statement
    text: str
    """The pattern, in words where it is a NotAction."""
    actions: Sequence[str]
    """The known actions that it grants."""
    spot: Spot

    @property
    def scopes(self) -> list[str]:
        """Where it grants them, a text for each resource."""
        resources = self.statement.resources
        excluded = resources if self.statement.not_resources else ()
        return scopes(resources, excluded, self.statement.conditions)


def _granted(source: PolicySource, number: int, statement: Statement) -> Iterator[_Granted]:
    if statement.not_actions:
        text = f"everything but {', '.join(statement.actions[:3])}"
        yield _Granted(
            source, number, statement, text, _actions("*", statement), source.spot(number, "NotAction", 0)
        )
        return
    for item, pattern in enumerate(statement.actions):
        spot = source.spot(number, "Action", item)
        yield _Granted(source, number, statement, pattern, _actions(pattern, statement), spot)


def _actions(pattern: str, statement: Statement) -> list[str]:
    return [name for name in actions_matching(pattern) if _is_about(statement, name)]


class _UnusedFinder:
    """Compares what is granted with the patterns of what was used, and with what stays without evidence."""

    def __init__(self, basis: CheckBasis) -> None:
        self._basis = basis
        self._anomalous = {request.action for request in basis.suspicious}
        self._used = _patterns(basis.observed)
        self._kept = GrantIndex([keep.grant for keep in basis.keeps])
        self._needed: dict[str, list[str]] = {}
        for keep in basis.keeps:
            if keep.kind != "unknown":
                self._needed.setdefault(keep.grant.action.lower(), []).append(keep.grant.resource)
        self._doubts = _Doubts(basis.keeps)
        self._known = {one for statement in basis.known_statements() for one in statement.resources}

    def _touched(self, action: str) -> list[str]:
        """Return the resource patterns on which an action was used or is needed."""
        return [*self._used.get(action.lower(), ()), *self._needed.get(action.lower(), ())]

    def unused(self, granted: _Granted) -> Iterator[Finding]:
        """Find actions without a call, grouped by what the logs could have shown."""
        groups: dict[tuple[CheckRule, str, bool], list[str]] = {}
        for action in granted.actions:
            if any(_meet(granted.statement, pattern) for pattern in self._touched(action)):
                continue
            rule, why = self._why_unused(action, granted.statement)
            kept = rule.id == "PG301" and self._is_kept(action, granted.statement)
            groups.setdefault((rule, why, kept), []).append(action)
        for (rule, why, kept), members in groups.items():
            of = "all actions" if granted.text == "*" else f"actions of {granted.text}"
            subject = (
                members[0] if len(members) == 1 else f"{len(members):,} {'of ' * (granted.text == '*')}{of}"
            )
            fix = _as_clause(rule)
            message = f"{why}{some(members)}"
            about = tuple((action, where) for action in members for where in granted.scopes)
            yield found_at(granted.spot, rule, subject, message, fix, about=about, against=not kept)

    def _is_kept(self, action: str, statement: Statement) -> bool:
        """Return whether all that a statement grants of an action stays in the suggestion, unverified."""
        excluded = statement.resources if statement.not_resources else ()
        return all(
            any(self._kept.containing(Grant(action, resource, statement.conditions, excluded)))
            for resource in (("*",) if excluded else statement.resources)
        )

    def _why_unused(self, action: str, statement: Statement) -> tuple[CheckRule, str]:
        """Return the rule and the reason of an action without a call on a statement's resources."""
        if reference.action(action) is None:
            return RULES["PG109"], "no action of this name is known"
        if action in self._anomalous:
            return RULES["PG103"], "only suspicious calls used it"
        if bound := self._basis.barred.get(action):
            return RULES["PG101"], f"{bound} blocks it"
        reads = reference.reads_only(action)
        resources = ("*",) if statement.not_resources else statement.resources
        answers = [self._basis.coverage.observability(action, resource, reads) for resource in resources]
        blind_spot = next((one.blind_spot for one in answers if one.blind_spot), None)
        blind_spot = blind_spot or self._doubts.get(action, statement)
        if blind_spot:
            return RULES["PG301"], blind_spot.why
        shortest = min(one.days for one in answers)
        if shortest < self._basis.min_days:
            return RULES["PG301"], f"visible on {pluralize(shortest, 'day')} only"
        return RULES["PG101"], f"0 calls in {pluralize(shortest, 'day')}"

    def beyond(self, granted: _Granted) -> Iterator[Finding]:
        """Find resource patterns wider than every pattern that the declared rules would write for what was seen."""
        for item, resource in enumerate(granted.statement.resources):
            if "${" in resource and resource in self._known:
                continue  # each session has one value for a variable, which names cannot replace
            spot = granted.source.spot(granted.number, "Resource", item)
            for action in granted.actions:
                touched = self._touched(action)
                inside = sorted({pattern for pattern in touched if arn.overlaps(resource, pattern)})
                if not inside or any(arn.contains(pattern, resource) for pattern in touched):
                    continue
                doubt = self._doubts.get(action, replace(granted.statement, resources=(resource,)))
                rule = RULES["PG301"] if doubt else RULES["PG102"]
                message = (
                    f"on {resource}: {doubt.why}" if doubt else f"on {resource}, granted by {granted.text}"
                )
                better = ", ".join(inside[:3]) + (" …" if len(inside) > 3 else "")
                fix = _as_clause(rule) if doubt else f"name {better}"
                (where,) = scopes([resource], (), granted.statement.conditions)
                about = ((action, where),)
                yield found_at(spot, rule, action, message, fix, resource=resource, about=about)


def _as_clause(rule: CheckRule) -> str:
    return rule.help[0].lower() + rule.help[1:].rstrip(".")


class _Doubts:
    """Keeps of unknown use, for reasons that the logs alone do not give."""

    def __init__(self, keeps: Iterable[Keep]) -> None:
        self._keeps: dict[str, list[Keep]] = {}
        for keep in keeps:
            if keep.kind == "unknown" and keep.blind_spot:
                self._keeps.setdefault(keep.grant.action.lower(), []).append(keep)

    def get(self, action: str, statement: Statement) -> BlindSpot | None:
        """Return why the use of an action on a statement's resources cannot be known; None where it can."""
        keeps = self._keeps.get(action.lower(), ())
        return next((keep.blind_spot for keep in keeps if _meet(statement, keep.grant.resource)), None)


def _patterns(observed: Iterable[AccessRequest]) -> Mapping[str, Sequence[str]]:
    """Action -> the patterns that the declared rules write for what was observed."""
    found: dict[str, list[str]] = {}
    for request, written in generalise(list(observed)).items():
        found.setdefault(request.action.lower(), []).append(written.pattern)
    return found


def _is_about(statement: Statement, action: str) -> bool:
    listed = any(arn.action_matches(pattern, action) for pattern in statement.actions)
    return listed != statement.not_actions


def _meet(statement: Statement, pattern: str) -> bool:
    if statement.not_resources:
        return not any(arn.contains(excluded, pattern) for excluded in statement.resources)
    return any(arn.overlaps(resource, pattern) for resource in statement.resources)


def some(names: Sequence[str]) -> str:
    """Return up to four of several names in brackets, and how many more there are; "" for a single name."""
    if len(names) < 2:
        return ""
    return f" ({', '.join(names[:4])}{f' and {len(names) - 4} more' if len(names) > 4 else ''})"
