"""Grants: one action on one resource pattern under one condition, and the statements they come from.

A policy is written from grants and proved grant by grant. Every grant knows why it is there: the requests it
was made for, or the reason it is kept without any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

from policygen.iam import arn, reference
from policygen.iam.conditions import Truth, context_facts, evaluate_conditions
from policygen.iam.document import Conditions, Statement
from policygen.iam.evaluate import grant_contained
from policygen.iam.implication import implies
from policygen.iam.request import AccessRequest


class Grant(NamedTuple):
    """One action on one resource pattern, under conditions.

    In a document that is read back, or written for many kept actions, `action` may be a pattern as well.

    `excluded` is only set where a kept statement of today has NotResource: the pattern is then ``*`` and the
    grant holds for everything outside these patterns.
    """

    action: str
    resource: str
    conditions: Conditions = ()
    excluded: tuple[str, ...] = ()

    def covers(self, request: AccessRequest) -> bool:
        """Whether the grant is for this request: its action and its whole resource."""
        if self.excluded or not _covers_action(self.action, request.action):
            return False
        if request.wild:
            return arn.contains(self.resource, request.resource)
        if request.resource == "*":
            return self.resource == "*"
        return arn.resource_matches(self.resource, request.resource)

    def inside(self, other: Grant) -> bool:
        """Whether `other` grants all that this one does."""
        return (
            _covers_action(other.action, self.action)
            and self.excluded == other.excluded
            and (not other.conditions or other.conditions == self.conditions)
            and arn.contains(other.resource, self.resource)
        )

    def inside_statement(self, statement: Statement) -> bool:
        """Whether one Allow statement grants all that this grant does."""
        if self.excluded:
            # Everything but some is inside everything, and inside everything but a part of them.
            left_out = not statement.not_resources or all(
                any(arn.contains(mine, theirs) for mine in self.excluded) for theirs in statement.resources
            )
            whole = statement.not_resources or "*" in statement.resources
            return (
                left_out
                and whole
                and statement.effect == "Allow"
                and grant_contained(self.action, "*", self.conditions, _everywhere(statement))
            )
        if self.resource == "*" and statement.not_resources and "*" not in statement.resources:
            # An action that takes no resource is asked for on "*", which no list of ARNs leaves out (4.3.8).
            known = reference.action(self.action)
            if known and not known.types:
                return grant_contained(self.action, "*", self.conditions, _everywhere(statement))
        return grant_contained(self.action, self.resource, self.conditions, statement)


def is_pattern(action: str) -> bool:
    """Whether an action is written with wildcards."""
    return "*" in action or "?" in action


def _covers_action(wide: str, narrow: str) -> bool:
    return (
        wide == narrow
        or wide.lower() == narrow.lower()
        or (is_pattern(wide) and arn.action_contains(wide, narrow))
    )


def inside_statements(grant: Grant, statements: Iterable[Statement]) -> bool:
    """Whether Allow statements together grant all that a grant does: one of them, or several in one element.

    Several do where the resource lies in the union of what they allow for the whole action, or the action in
    the union of what they allow on the whole resource. True is proven.
    """
    statements = [s for s in statements if s.effect == "Allow"]
    if any(grant.inside_statement(statement) for statement in statements):
        return True
    if grant.excluded:
        return False
    concerned = [
        s for s in statements if overlaps_statement(grant, s) and implies(grant.conditions, s.conditions)
    ]
    acting = [s for s in concerned if grant_contained(grant.action, "*", (), _unbound(s))]
    resources = [r for s in acting if not s.not_resources for r in s.resources]
    if arn.contained_in_union(grant.resource, resources):
        return True
    for statement in acting:
        # What NotResource leaves out of the one, the others must allow.
        left = [r for r in statement.resources if arn.overlaps(r, grant.resource)]
        if statement.not_resources and all(arn.contained_in_union(r, resources) for r in left):
            return True
    if not is_pattern(grant.action):
        return False
    holding = [s for s in concerned if not s.not_actions and _holds_resource(s, grant.resource)]
    return arn.action_contained_in_union(grant.action, [a for s in holding for a in s.actions])


def not_contained(grants: Iterable[Grant], statements: Sequence[Statement]) -> list[Grant]:
    """The grants that are not `inside_statements`."""

    @cache
    def holding(resource: str, conditions: Conditions) -> list[Statement]:
        """The statements that hold a place whole, on everything: thousands of kept actions are in the same one."""
        return [
            _unbound(s)
            for s in statements
            if s.effect == "Allow" and _holds_resource(s, resource) and implies(conditions, s.conditions)
        ]

    def inside(grant: Grant) -> bool:
        alone = () if grant.excluded else holding(grant.resource, grant.conditions)
        return any(grant_contained(grant.action, "*", (), s) for s in alone) or inside_statements(
            grant, statements
        )

    return [grant for grant in grants if not inside(grant)]


def _holds_resource(statement: Statement, resource: str) -> bool:
    everything = Statement("Allow", ("*",), statement.resources, False, statement.not_resources)
    return grant_contained("*", resource, (), everything)


def _unbound(statement: Statement) -> Statement:
    """The statement's actions on everything."""
    return Statement("Allow", statement.actions, ("*",), statement.not_actions)


def _everywhere(statement: Statement) -> Statement:
    return Statement(
        statement.effect, statement.actions, ("*",), statement.not_actions, False, statement.conditions
    )


def overlaps_statement(grant: Grant, statement: Statement) -> bool:
    """Whether a statement could speak about anything the grant allows. Errs on the side of yes."""
    patterns = arn.actions_about(statement.actions, grant.action)
    if statement.not_actions:
        if any(arn.action_contains(pattern, grant.action) for pattern in patterns):
            return False
    elif not any(arn.action_overlaps(pattern, grant.action) for pattern in patterns):
        return False
    if statement.not_resources:
        return not any(arn.contains(pattern, grant.resource) for pattern in statement.resources)
    return any(arn.overlaps(pattern, grant.resource) for pattern in statement.resources)


def maximal(grants: Iterable[Grant]) -> list[Grant]:
    """The grants that no other one includes, in order; of two equal ones the first."""
    kept: list[Grant] = []
    by_action: dict[str, list[Grant]] = {}
    for grant in sorted(set(grants)):
        by_action.setdefault(grant.action.lower(), []).append(grant)
    for members in by_action.values():
        if len(members) == 1:
            kept += members
            continue
        places = _Places(members)
        for grant in members:
            others = (other for other in places.about(grant.resource) if other is not grant)
            if not any(
                grant.inside(other) and (not other.inside(grant) or other < grant) for other in others
            ):
                kept.append(grant)
    return sorted(kept)


class _Places:
    """Grants of one action by their resources, so that of many names few have to be compared."""

    def __init__(self, grants: Iterable[Grant]) -> None:
        self._names: dict[str, list[Grant]] = {}
        self._patterns: list[tuple[Callable[[str], bool], Grant]] = []
        for grant in grants:
            if arn.is_name(grant.resource):
                self._names.setdefault(grant.resource, []).append(grant)
            else:
                self._patterns.append((arn.resource_glob(grant.resource).matches, grant))

    def about(self, resource: str) -> list[Grant]:
        """The grants that may hold a resource, or a pattern of resources, whole."""
        return [*self._names.get(resource, ()), *(grant for _, grant in self._patterns)]

    def naming(self, name: str) -> list[Grant]:
        """The grants that are for a resource."""
        wide = (grant for matches, grant in self._patterns if matches(name))
        return [grant for grant in (*self._names.get(name, ()), *wide) if not grant.excluded]


class GrantIndex:
    """Grants by action, those with a pattern of actions by service, so that few have to be compared."""

    def __init__(self, grants: Iterable[Grant]) -> None:
        self._named: dict[str, list[Grant]] = {}
        self._wild: dict[str, list[Grant]] = {}
        self._places: dict[str, _Places] = {}
        for grant in grants:
            if is_pattern(grant.action):
                self._wild.setdefault(arn.service_of(grant.action), []).append(grant)
            else:
                self._named.setdefault(grant.action.lower(), []).append(grant)

    def covering(self, request: AccessRequest) -> dict[Grant, Truth]:
        """The grants for a request, and whether each allows it: UNKNOWN where its conditions read keys that the
        record does not tell.
        """
        wide = self._patterns_about(request.action)
        members = self._named.get(request.action.lower(), ())
        if request.wild or len(members) == 1:
            found = [grant for grant in (*members, *wide) if grant.covers(request)]
        else:
            found = [grant for grant in wide if grant.covers(request)]
            if members:
                found += self._placed(request.action.lower()).naming(request.resource)
        return {grant: _truth(grant, request) for grant in found}

    def holding(self, grant: Grant) -> Iterator[Grant]:
        """The grants that grant all that this one does."""
        named: Sequence[Grant] = ()
        if not is_pattern(grant.action):
            named = self._named.get(grant.action.lower(), ())
            if len(named) > 1:
                named = self._placed(grant.action.lower()).about(grant.resource)
        return (other for other in (*named, *self._patterns_about(grant.action)) if grant.inside(other))

    def held_by(self, grant: Grant) -> Iterator[Grant]:
        """The grants all of which this one grants."""
        if is_pattern(grant.action):
            service = arn.service_of(grant.action)
            groups = self._services.values() if service == "*" else (self._services.get(service, ()),)
            return (other for members in groups for other in members if other.inside(grant))
        named: Sequence[Grant] = self._named.get(grant.action.lower(), ())
        if len(named) > 1 and arn.is_name(grant.resource):  # nothing but itself is inside a name
            named = self._placed(grant.action.lower()).about(grant.resource)
        return (one for one in named if one.inside(grant))

    @cached_property
    def _services(self) -> dict[str, list[Grant]]:
        found: dict[str, list[Grant]] = {}
        for members in (*self._named.values(), *self._wild.values()):
            found.setdefault(arn.service_of(members[0].action), []).extend(members)
        return found

    def _placed(self, folded: str) -> _Places:
        places = self._places.get(folded)
        if places is None:
            places = self._places[folded] = _Places(self._named[folded])
        return places

    def _patterns_about(self, action: str) -> tuple[Grant, ...]:
        """The grants with a pattern of actions that may hold an action."""
        if not self._wild:
            return ()
        return (*self._wild.get(arn.service_of(action), ()), *self._wild.get("*", ()))


def _truth(grant: Grant, request: AccessRequest) -> Truth:
    if not grant.conditions:
        return Truth.TRUE
    return evaluate_conditions(grant.conditions, context_facts(request.context))


def minimal_cover(table: CoverMatrix, fixed: Iterable[Grant] = ()) -> list[Grant]:
    """Grants without which something is denied: 1-minimal.

    A grant is spare when each request it covers is allowed by another one for certain, or under the very same
    conditions.

    Args:
        table: candidates in a stable order, and the observed requests that must stay covered.
        fixed: grants kept for a reason of their own; they are needed as they are.
    """
    kept = set(table.of_grant)
    needed = set(fixed)
    for grant in sorted(table.of_grant, key=lambda g: (len(table.of_grant[g]), g)):
        if grant not in needed and table.witness(grant, kept) is None:
            kept.remove(grant)
    return [grant for grant in table.of_grant if grant in kept]


@dataclass(frozen=True, slots=True)
class CoverMatrix:
    """Which grants cover which requests, so that grants can be left out one by one."""

    of_grant: dict[Grant, list[AccessRequest]]
    of_request: dict[AccessRequest, dict[Grant, Truth]]

    def witness(self, grant: Grant, kept: set[Grant]) -> AccessRequest | None:
        """A request that only `grant` allows among the kept ones, or None when it is spare."""
        for request in self.of_grant[grant]:
            others = (
                (other, truth)
                for other, truth in self.of_request[request].items()
                if other in kept and other != grant
            )
            if not any(
                truth is Truth.TRUE or other.conditions == grant.conditions for other, truth in others
            ):
                return request
        return None


def cover_matrix(grants: Iterable[Grant], requests: Iterable[AccessRequest]) -> CoverMatrix:
    """The table of these grants and requests."""
    of_grant: dict[Grant, list[AccessRequest]] = {grant: [] for grant in grants}
    of_request: dict[AccessRequest, dict[Grant, Truth]] = {}
    written = GrantIndex(of_grant)
    for request in requests:
        found = written.covering(request)
        of_request[request] = {g: truth for g, truth in found.items() if truth is not Truth.FALSE}
        for grant in of_request[request]:
            of_grant[grant].append(request)
    return CoverMatrix(of_grant, of_request)
