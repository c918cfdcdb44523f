"""Write many kept actions by few patterns, where their names would not fit into IAM's quotas.

This is done only inside a current statement, on its resources and under its conditions, so that nothing becomes wider.
A pattern is one that the statement has, or a prefix inside it. It is exact: each known action that it matches is kept
or was seen. Actions that IAM's data does not know yet may match as well: the current statement allows them and no log
could have shown them, so they are kept too. Where a statement grants everything, or everything but some actions, what
is kept may also be written as everything but what is not (NotAction).

At a price, a pattern may match actions that would go by the evidence: for what fits into no quota exactly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from math import inf
from typing import NamedTuple

from policygen.iam import arn, reference
from policygen.iam.actions import actions_matching
from policygen.iam.arn import service_of
from policygen.iam.document import Conditions, Statement
from policygen.iam.grants import Grant, is_pattern
from policygen.iam.implication import implies
from policygen.rightsize.generate.prefixes import MAY, MUST, MUST_NOT, Price, cheapest_patterns


class GrantPlace(NamedTuple):
    """Where an action is granted."""

    resource: str
    conditions: Conditions
    excluded: tuple[str, ...]

    def holds(self, other: GrantPlace) -> bool:
        """Whether what is granted here is granted there too."""
        return (
            self.excluded == other.excluded
            and (not self.conditions or self.conditions == other.conditions)
            and arn.contains(self.resource, other.resource)
        )


class Spares(NamedTuple):
    """What it costs that a pattern matches an action which could go by the evidence."""

    price: float = inf
    """Characters that must be saved for each of them."""
    barred: frozenset[str] = frozenset()
    """Actions, in lower case, that no pattern may match at any price."""

    def priced(self, action: str) -> float:
        """Return the price of an action."""
        return inf if self.price == inf or action.lower() in self.barred else self.price


EXACT = Spares()


class _Content(NamedTuple):
    """What is granted in a place."""

    names: frozenset[str]
    kept: frozenset[str]
    """Those of the names that are kept without evidence."""
    held: frozenset[str]
    """All that is granted there, in lower case: the names, and what wider places hold."""
    origin: tuple[Statement, ...]
    """The current statements that grant their actions in all of the place."""


class Patterns:
    """Grants, and the current statements inside which patterns may stand for their names."""

    def __init__(
        self, grants: Collection[Grant], kept: Collection[Grant], statements: Sequence[Statement]
    ) -> None:
        """Sort grants by place.

        Args:
            grants: grants of single actions.
            kept: those of them that are kept without evidence. Only for them is a pattern written.
            statements: the current Allow statements.
        """
        self.grants, self._statements = sorted(grants), statements
        self._names, self._kept = _by_place(grants), _by_place(kept)
        self._wide = [place for place in self._names if not arn.is_name(place.resource)]
        self._held: dict[GrantPlace, frozenset[str]] = {}
        self._origins: dict[GrantPlace, tuple[Statement, ...]] = {}
        self._patterns: dict[tuple[_Content, Spares], list[str]] = {}

    def written(self, spares: Spares = EXACT, *, by_exception: bool = False) -> list[Grant]:
        """Return grants for the same known actions, fewer where patterns can replace names. Sorted.

        Args:
            spares: what a pattern may match besides.
            by_exception: write everything but some actions where that is shorter.
        """
        found: list[Grant] = []
        alike: dict[_Content, list[Grant]] = {}
        for place, names in self._names.items():
            mine = frozenset(names & self._kept.get(place, set()))
            origin = self._origin(place) if len(mine) > 1 else ()
            if not origin:
                found += (Grant(name, *place) for name in names)
                continue
            # Many resources of one statement have the same actions.
            content = _Content(frozenset(names), mine, self._held_in(place), origin)
            shape = alike.get(content)
            if shape is None:
                patterns = self._patterns_of(content, spares)
                shape = _by_exception(content, patterns, spares) if by_exception else None
                shape = alike[content] = shape or [Grant(pattern, "*") for pattern in patterns]
            found += (Grant(one.action, *place, one.unless) for one in shape)
        return sorted(found)

    def _patterns_of(self, content: _Content, spares: Spares) -> list[str]:
        key = content, spares
        if key not in self._patterns:
            self._patterns[key] = _patterns(content, spares)
        return self._patterns[key]

    def _origin(self, place: GrantPlace) -> tuple[Statement, ...]:
        """Return the current statements that grant their actions in all of a place."""
        if place not in self._origins:
            self._origins[place] = tuple(one for one in self._statements if _holds_place(one, place))
        return self._origins[place]

    def spare(self, written: Iterable[Grant]) -> list[Grant]:
        """Return the known actions that written grants hold and the grants of the beginning do not, by place."""
        found: list[Grant] = []
        for grant in written:
            if is_pattern(grant.action):
                place = GrantPlace(*grant[1:4])
                held = self._held_in(place)
                found += (Grant(one, *place) for one in grant.known_actions() if one.lower() not in held)
        return found

    def _held_in(self, place: GrantPlace) -> frozenset[str]:
        """Return what is granted in a place, in lower case: there, or as a part of a wider one."""
        if place not in self._held:
            holding = [place, *(one for one in self._wide if one != place and one.holds(place))]
            names = (name.lower() for one in holding for name in self._names[one])
            self._held[place] = frozenset(names)
        return self._held[place]


def _by_place(grants: Iterable[Grant]) -> dict[GrantPlace, set[str]]:
    """Return the actions of grants by place."""
    found: dict[GrantPlace, set[str]] = defaultdict(set)
    for grant in grants:
        found[GrantPlace(*grant[1:4])].add(grant.action)
    return found


def _holds_place(statement: Statement, place: GrantPlace) -> bool:
    """Return whether a statement grants its actions in all of a place."""
    if not implies(place.conditions, statement.conditions):
        return False
    if place.excluded:
        return statement.not_resources and statement.resources == place.excluded
    listed = not statement.not_resources and place.resource in statement.resources
    return listed or statement.resource_contains(place.resource)


def _by_exception(content: _Content, patterns: Sequence[str], spares: Spares) -> list[Grant] | None:
    """Return the grants of one place as everything but some actions; None where its patterns are shorter."""
    everything = next((s for s in content.origin if s.not_actions or "*" in s.actions), None)
    if everything is None:
        return None
    # What only another statement of today grants is written beside.
    beside = frozenset(name for name in content.names if not _holds(everything, name))
    unless = _exceptions(content.names - beside, content.held, everything, spares)
    more = _patterns(content._replace(names=beside), spares)
    if not unless or _length(unless) + _length(more) >= _length(patterns):
        return None
    return [Grant("*", "*", unless=unless), *(Grant(pattern, "*") for pattern in more)]


def _length(patterns: Collection[str]) -> int:
    return sum(len(one) + 3 for one in patterns)


# --- By what is kept -------------------------------------------------------------------------------


def _patterns(content: _Content, spares: Spares) -> list[str]:
    """Return patterns and names that match all names, and nothing that is not held but for spares."""
    names, kept, held, origin = content

    def excess(pattern: str) -> float:
        spare = (one for one in actions_matching(pattern) if one.lower() not in held)
        if spares.price == inf:
            return 0 if next(spare, None) is None else inf
        return sum(map(spares.priced, spare))

    own = {p for s in origin if not s.not_actions for p in s.actions if is_pattern(p)}
    elements = tuple(_ActionElement(s.actions, s.not_actions) for s in origin)
    if "*" in own and not excess("*"):
        return ["*"]
    found: list[str] = []
    wanted_of, own_of = _wanted_of(held, spares), _by_service(own)
    for service, members in _by_service(names).items():
        mine = sorted(own_of[service], key=lambda p: (len(p), p))
        chosen, left = _own_patterns(members, mine, excess)
        found += chosen
        cheapest = _cheapest(wanted_of(service, left), elements)
        found += cheapest if left <= kept else _with_names(cheapest, left, kept)
    return found


class _ActionElement(NamedTuple):
    """The Action or NotAction element of a statement."""

    actions: tuple[str, ...]
    not_actions: bool


class _Wanted(NamedTuple):
    """What is asked of the patterns of one service."""

    service: str
    names: frozenset[str]
    """Actions that they must match; of exceptions, that they must not match."""
    held: frozenset[str]
    """Actions, in lower case, that they may match."""
    spares: Spares


def _wanted_of(held: Iterable[str], spares: Spares) -> Callable[[str, Collection[str]], _Wanted]:
    """Return what makes a `_Wanted` of a service and the names in it."""
    held_of, barred_of = _by_service(held), _by_service(spares.barred)
    return lambda service, names: _Wanted(
        service,
        frozenset(names),
        frozenset(held_of[service]),
        spares._replace(barred=frozenset(barred_of[service])),
    )


@lru_cache(maxsize=4096)
def _cheapest(wanted: _Wanted, elements: tuple[_ActionElement, ...]) -> tuple[str, ...]:
    """Return the cheapest patterns that one of the elements contains.

    They are remembered: many roles of an account are granted the same, and use little of it.
    """

    @cache
    def may_write(pattern: str) -> bool:
        return any(_holds(element, pattern) for element in elements)

    prices = {
        _bare(one): MAY if one.lower() in wanted.held else Price(wanted.spares.priced(one), 0)
        for one in reference.action_names(wanted.service)
    }
    prices |= {_bare(one): MUST for one in wanted.names}
    return cheapest_patterns(wanted.service, prices, may_write)


def _with_names(patterns: Iterable[str], names: Collection[str], kept: Collection[str]) -> Iterator[str]:
    """Yield patterns, and in place of one that stands for nothing kept the names: what was seen is known by name."""
    for pattern in patterns:
        matched = {one for one in names if arn.action_matches(pattern, one)}
        yield from [pattern] if not matched.isdisjoint(kept) else sorted(matched)


def _own_patterns(
    names: Collection[str], own: Iterable[str], excess: Callable[[str], float]
) -> tuple[list[str], set[str]]:
    """Choose patterns of the current statement that are shorter than the names they match; return the names left."""
    left, chosen = set(names), list[str]()
    for pattern in own:
        matched = {name for name in left if arn.action_matches(pattern, name)}
        if len(matched) > 1 and _length([pattern]) + excess(pattern) < _length(matched):
            left -= matched
            chosen.append(pattern)
    return chosen, left


def _by_service(names: Iterable[str]) -> defaultdict[str, set[str]]:
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for name in names:
        groups[service_of(name)].add(name)
    return groups


def _bare(action: str) -> str:
    return action.partition(":")[2]


def _holds(element: _ActionElement | Statement, pattern: str) -> bool:
    """Return whether the Action or NotAction element of a statement contains a pattern."""
    if not element.not_actions and "*" in element.actions:
        return True
    patterns = arn.actions_about(element.actions, pattern)
    if element.not_actions:
        return not any(arn.action_overlaps(other, pattern) for other in patterns)
    return any(arn.action_contains(other, pattern) for other in patterns)


# --- By what is not --------------------------------------------------------------------------------


def _exceptions(
    names: Collection[str], held: Collection[str], statement: Statement, spares: Spares
) -> tuple[str, ...]:
    """Return what to leave out of a statement that grants everything, or everything but some actions. Sorted."""
    before = statement.actions if statement.not_actions else ()
    wanted_of, names_of = _wanted_of(held, spares), _by_service(names)
    found: list[str] = list(before)
    for service in sorted(reference.prefixes()):
        about = arn.actions_about(before, f"{service}:*")
        found += _cheapest_exceptions(wanted_of(service, names_of[service]), about)
    return tuple(sorted(set(found)))


@lru_cache(maxsize=4096)
def _cheapest_exceptions(wanted: _Wanted, about: tuple[str, ...]) -> tuple[str, ...]:
    """Return the cheapest patterns of what is not wanted and not left out yet. Remembered, as `_cheapest`."""
    prices = {
        _bare(one): MAY
        if one.lower() in wanted.held or any(arn.action_matches(pattern, one) for pattern in about)
        else Price(0, wanted.spares.priced(one))
        for one in reference.action_names(wanted.service)
    }
    prices |= {_bare(one): MUST_NOT for one in wanted.names}
    return tuple(
        pattern
        for pattern in cheapest_patterns(wanted.service, prices)
        if not any(arn.action_contains(other, pattern) for other in about)
    )
