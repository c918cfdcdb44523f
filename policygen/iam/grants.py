"""Grants: one action on one resource pattern under conditions. Policies are written and proved grant by grant."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property, lru_cache
from typing import NamedTuple

from msgspec.structs import replace

from policygen.iam import arn, reference
from policygen.iam.actions import actions_matching
from policygen.iam.conditions import Truth, context_facts, evaluate_conditions
from policygen.iam.document import Conditions, Statement
from policygen.iam.evaluate import action_contained, grant_contained
from policygen.iam.implication import implies
from policygen.iam.request import AccessRequest
from policygen.iam.rules import StatementIndex


class Grant(NamedTuple):
    """One action on one resource pattern, under conditions.

    `action` is usually one action. It is a pattern in a document that was read back, or that keeps many actions.

    `excluded` is only set for a statement with NotResource: `resource` is then ``*``, and the grant holds for all
    resources that match none of the excluded patterns. `unless` is only set for a statement with NotAction: `action` is
    then ``*``, and the grant holds for all actions that match none of these patterns.
    """

    action: str
    resource: str
    conditions: Conditions = ()
    excluded: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()

    def covers(self, request: AccessRequest) -> bool:
        """Whether the grant covers the request's action and all of its resource, conditions aside."""
        if self.excluded or not self._covers_action(request.action):
            return False
        if request.wild:
            return arn.contains(self.resource, request.resource)
        if request.resource == "*":
            return self.resource == "*"
        return arn.resource_matches(self.resource, request.resource)

    def inside(self, other: Grant) -> bool:
        """Whether `other` grants everything that this grant does."""
        return self == other or (
            other._covers_action(self.action, self.unless)
            and self.excluded == other.excluded
            and (not other.conditions or other.conditions == self.conditions)
            and arn.contains(other.resource, self.resource)
        )

    def inside_statement(self, statement: Statement) -> bool:
        """Whether one Allow statement grants everything that this grant does."""
        if self.unless:
            if statement.effect != "Allow" or not _leaves_out_no_more(statement, self.unless):
                return False
            return self._replace(unless=()).inside_statement(_with_all_actions(statement))
        if self.excluded:
            # The statement must allow every resource, or leave out only resources that this grant leaves out too.
            excludes_no_more = not statement.not_resources or all(
                any(arn.contains(excluded, pattern) for excluded in self.excluded)
                for pattern in statement.resources
            )
            allows_all_others = statement.not_resources or "*" in statement.resources
            return (
                excludes_no_more
                and allows_all_others
                and statement.effect == "Allow"
                and grant_contained(self.action, "*", self.conditions, _with_all_resources(statement))
            )
        if self.resource == "*" and statement.not_resources and "*" not in statement.resources:
            # A request for an action that takes no resource has the resource "*", which no ARN matches (4.3.8):
            # NotResource cannot leave it out.
            known = reference.action(self.action)
            if known and not known.types:
                return grant_contained(self.action, "*", self.conditions, _with_all_resources(statement))
        return grant_contained(self.action, self.resource, self.conditions, statement)

    def known_actions(self) -> list[str]:
        """The actions that IAM knows and the grant is about; its own where it names one."""
        if not is_pattern(self.action):
            return [self.action]
        return [
            one
            for one in actions_matching(self.action)
            if not any(arn.action_matches(pattern, one) for pattern in arn.actions_about(self.unless, one))
        ]

    def _covers_action(self, action: str, unless: tuple[str, ...] = ()) -> bool:
        """Whether the grant is about an action, or all that a pattern matches but for what `unless` matches."""
        if not _covers_action(self.action, action):
            return False
        if not self.unless:
            return True
        left_out = (one for one in arn.actions_about(self.unless, action) if arn.action_overlaps(one, action))
        return all(_among(one, unless) for one in left_out)


def _among(pattern: str, wides: tuple[str, ...]) -> bool:
    """Whether one of some Action patterns contains a pattern. True is proven, False is not."""
    return any(arn.action_contains(wide, pattern) for wide in arn.actions_about(wides, pattern))


def _leaves_out_no_more(statement: Statement, unless: tuple[str, ...]) -> bool:
    """Whether the Action or NotAction element allows every action that none of some patterns matches."""
    if not statement.not_actions:
        return "*" in statement.actions
    return all(_among(pattern, unless) for pattern in statement.actions)


def _with_all_actions(statement: Statement) -> Statement:
    return replace(statement, actions=("*",), not_actions=False)


def is_pattern(action: str) -> bool:
    """Whether an action is written with wildcards."""
    return "*" in action or "?" in action


@lru_cache(maxsize=1 << 16)
def _beginning(action: str) -> str:
    """Return an action, or a pattern of actions up to its first wildcard, in lower case.

    A pattern contains only what begins like it.
    """
    return action[: len(action.replace("?", "*").partition("*")[0])].lower()


def _covers_action(wildcards: str, narrow: str) -> bool:
    return (
        wildcards == narrow
        or wildcards.lower() == narrow.lower()
        or (is_pattern(wildcards) and arn.action_contains(wildcards, narrow))
    )


def inside_statements(grant: Grant, statements: Iterable[Statement]) -> bool:
    """Whether Allow statements together grant everything that a grant does. True is proven, False is not.

    Either one statement grants it all, or several do in one element: each allows the whole action and the resource
    lies in the union of their resources, or each allows the whole resource and the action lies in the union of their
    actions.
    """
    statements = [s for s in statements if s.effect == "Allow"]
    if any(grant.inside_statement(statement) for statement in statements):
        return True
    if grant.excluded or grant.unless:
        return False
    relevant = [
        s for s in statements if overlaps_statement(grant, s) and implies(grant.conditions, s.conditions)
    ]
    same_action = [s for s in relevant if action_contained(grant.action, s)]
    resources = [r for s in same_action if not s.not_resources for r in s.resources]
    if arn.contained_in_union(grant.resource, resources):
        return True
    for statement in same_action:
        # The other statements must allow what this one leaves out with NotResource.
        excluded = [r for r in statement.resources if arn.overlaps(r, grant.resource)]
        if statement.not_resources and all(arn.contained_in_union(r, resources) for r in excluded):
            return True
    if not is_pattern(grant.action):
        return False
    same_resource = [s for s in relevant if not s.not_actions and s.resource_contains(grant.resource)]
    return arn.action_contained_in_union(grant.action, [a for s in same_resource for a in s.actions])


def not_contained(grants: Iterable[Grant], statements: Sequence[Statement]) -> list[Grant]:
    """Return the grants that are not `inside_statements`, in order."""
    index = StatementIndex(statements)

    @cache  # thousands of kept actions have the same resource and conditions
    def allowing(resource: str, conditions: Conditions) -> list[Statement]:
        """Return the Allow statements that cover a resource and conditions."""
        return [
            s
            for s in index.about(resource)
            if s.effect == "Allow" and s.resource_contains(resource) and implies(conditions, s.conditions)
        ]

    def inside(grant: Grant) -> bool:
        candidates = () if grant.excluded or grant.unless else allowing(grant.resource, grant.conditions)
        return any(action_contained(grant.action, s) for s in candidates) or inside_statements(
            grant, index.about(grant.resource)
        )

    return [grant for grant in grants if not inside(grant)]


def _with_all_resources(statement: Statement, conditions: Conditions | None = None) -> Statement:
    """Return the statement on every resource; with its own conditions unless others are given."""
    conditions = statement.conditions if conditions is None else conditions
    return Statement(statement.effect, statement.actions, ("*",), statement.not_actions, False, conditions)


def overlaps_statement(grant: Grant, statement: Statement) -> bool:
    """Whether a statement may apply to something that the grant allows. False is proven, True is not."""
    patterns = statement.actions_about(grant.action)
    if statement.not_actions:
        if any(arn.action_contains(pattern, grant.action) for pattern in patterns):
            return False
    elif not any(arn.action_overlaps(pattern, grant.action) for pattern in patterns):
        return False
    return statement.resource_overlaps(grant.resource)


def maximal(grants: Iterable[Grant]) -> list[Grant]:
    """Return the grants that no other grant includes, sorted. Of two that include each other the first stays."""
    kept: list[Grant] = []
    by_action: dict[str, list[Grant]] = {}
    for grant in sorted(set(grants)):
        by_action.setdefault(grant.action.lower(), []).append(grant)
    for members in by_action.values():
        if len(members) == 1:
            kept += members
            continue
        index = _ResourceIndex(members)
        for grant in members:
            others = (other for other in index.may_contain(grant.resource) if other is not grant)
            if not any(
                grant.inside(other) and (not other.inside(grant) or other < grant) for other in others
            ):
                kept.append(grant)
    return sorted(kept)


class _ResourceIndex:
    """Look up grants of one action by resource, so that only few of many need to be compared."""

    def __init__(self, grants: Iterable[Grant]) -> None:
        self._names: dict[str, list[Grant]] = {}
        self._patterns: list[tuple[Callable[[str], bool], Grant]] = []
        self._with_exclusions = False
        for grant in grants:
            self._with_exclusions |= bool(grant.excluded)
            if arn.is_name(grant.resource):
                self._names.setdefault(grant.resource, []).append(grant)
            else:
                self._patterns.append((arn.resource_glob(grant.resource).matches, grant))

    def may_contain(self, resource: str) -> list[Grant]:
        """Return the grants that may contain a resource, or all of a pattern of resources."""
        name = arn.shortest_name(resource)
        named = self._names.get(resource, ())
        return [*named, *(grant for matches, grant in self._patterns if name is None or matches(name))]

    def matching(self, name: str) -> list[Grant]:
        """Return the grants whose resource matches a name. Grants with excluded resources match none."""
        found = [*self._names.get(name, ()), *[grant for matches, grant in self._patterns if matches(name)]]
        return [grant for grant in found if not grant.excluded] if self._with_exclusions else found


class GrantIndex:
    """Look up grants by action, and those with a pattern of actions by how it begins, so that few are compared."""

    def __init__(self, grants: Iterable[Grant]) -> None:
        self._named: dict[str, list[Grant]] = {}
        self._wild: dict[str, list[Grant]] = {}
        self._indexes: dict[str, _ResourceIndex] = {}
        for grant in grants:
            if is_pattern(grant.action):
                self._wild.setdefault(_beginning(grant.action), []).append(grant)
            else:
                self._named.setdefault(grant.action.lower(), []).append(grant)

    def covering(self, request: AccessRequest) -> dict[Grant, Truth]:
        """Return the grants that may allow a request, and whether the conditions of each hold.

        UNKNOWN stands for conditions that read a key which the record does not hold. Where the record tells that the
        conditions of a grant do not hold, it allows nothing of the request.
        """
        folded = request.action.lower()
        members: Sequence[Grant] = self._named.get(folded, ())
        by_name = len(members) > 1 and not request.wild
        candidates = self._wildcard_candidates(request.action) if self._wild else ()
        found = [one for one in (candidates if by_name else (*members, *candidates)) if one.covers(request)]
        if by_name:
            found += self._resource_index(folded).matching(request.resource)
        covering: dict[Grant, Truth] = {}
        for grant in found:
            truth = _conditions_hold(grant, request) if grant.conditions else Truth.TRUE
            if truth is not Truth.FALSE:
                covering[grant] = truth
        return covering

    def containing(self, grant: Grant) -> Iterator[Grant]:
        """Yield the grants that include a grant, itself among them."""
        named: Sequence[Grant] = ()
        if not is_pattern(grant.action):
            named = self._named.get(grant.action.lower(), ())
            if len(named) > 1:
                named = self._resource_index(grant.action.lower()).may_contain(grant.resource)
        return (other for other in (*named, *self._wildcard_candidates(grant.action)) if grant.inside(other))

    def contained_in(self, grant: Grant) -> Iterator[Grant]:
        """Yield the grants that a grant includes, itself among them."""
        if is_pattern(grant.action):
            begins = _beginning(grant.action)
            names, ordered = self._ordered
            end = bisect_left(names, f"{begins}\U0010ffff")
            return (other for other in ordered[bisect_left(names, begins) : end] if other.inside(grant))
        named: Sequence[Grant] = self._named.get(grant.action.lower(), ())
        if len(named) > 1 and arn.is_name(grant.resource):  # a name includes nothing but itself
            named = self._resource_index(grant.action.lower()).may_contain(grant.resource)
        return (other for other in named if other.inside(grant))

    @cached_property
    def _ordered(self) -> tuple[list[str], list[Grant]]:
        """The actions of all grants in lower case, sorted, and the grants in this order."""
        members = [one for some in (*self._named.values(), *self._wild.values()) for one in some]
        ordered = sorted(members, key=lambda one: one.action.lower())
        return [one.action.lower() for one in ordered], ordered

    @cached_property
    def _beginnings(self) -> Mapping[str, list[tuple[str, list[Grant]]]]:
        """Service, or "" where a pattern does not name one -> how patterns of actions begin, and their grants."""
        found: dict[str, list[tuple[str, list[Grant]]]] = {}
        for begins in sorted(self._wild, key=len):
            found.setdefault(_whole_service(begins), []).append((begins, self._wild[begins]))
        return found

    def _resource_index(self, folded: str) -> _ResourceIndex:
        index = self._indexes.get(folded)
        if index is None:
            index = self._indexes[folded] = _ResourceIndex(self._named[folded])
        return index

    def _wildcard_candidates(self, action: str) -> tuple[Grant, ...]:
        """Return the grants with a pattern of actions that may contain an action."""
        if not self._wild:
            return ()
        begins = _beginning(action)
        near = (self._beginnings.get(one, ()) for one in dict.fromkeys(("", _whole_service(begins))))
        return tuple(
            one for some in near for known, grants in some if begins.startswith(known) for one in grants
        )


def _whole_service(begins: str) -> str:
    """Return the service that the beginning of an action names whole; "" where it does not."""
    return begins.partition(":")[0] if ":" in begins else ""


def _conditions_hold(grant: Grant, request: AccessRequest) -> Truth:
    return evaluate_conditions(grant.conditions, context_facts(request.context))
