"""Which statements of today's trust policy let each assumption in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from policygen.iam.conditions import Truth, all_of, evaluate_conditions
from policygen.iam.evaluate import grant_contained
from policygen.iam.party import EVERYONE, Party, Principals, account_named
from policygen.iam.request import AccessRequest
from policygen.iam.resource_policy import PrincipalStatement, ResourcePolicy, ResourcePolicyEvaluator
from policygen.rightsize.trust.assumptions import Observed

Entry = tuple[str, str]
"""Kind and name of a principal."""


class Way(NamedTuple):
    """One principal of one Allow statement, through which assumptions come in."""

    statement: int
    """Number of the statement in today's policy."""
    entry: Entry


class Use(NamedTuple):
    """An action of some assumptions."""

    observed: Observed
    action: str


@dataclass(frozen=True, slots=True)
class LetIn:
    """What lets the assumptions in, and what nothing of today does."""

    uses: dict[tuple[Way, Party], list[Use]]
    unsure: frozenset[Use]
    """Uses of which it is not known which of several ways let them in."""
    refused: tuple[Use, ...]
    """What today's policy does not allow: it was changed since."""


def let_in(today: ResourcePolicy, observed: Sequence[Observed]) -> LetIn:
    """Return for each way in who comes through it, with the fewest ways for each caller.

    Where it is not known which of several ways lets an assumption in, all of them do.
    """
    uses: dict[tuple[Way, Party], list[Use]] = defaultdict(list)
    unsure, refused = set[Use](), list[Use]()
    by_party: dict[Party, list[Use]] = defaultdict(list)
    evaluator = ResourcePolicyEvaluator(today)
    for one in observed:
        who = one.party._replace(session="")
        by_party[who] += [Use(one, action) for action in one.actions]
        unseen = [Use(one, action) for action in one.unseen_actions]
        by_party[who] += [use for use in unseen if _may_be_allowed(evaluator, use)]
    for party in sorted(by_party):
        sure: dict[Use, list[Way]] = {}
        for use in by_party[party]:
            ways = dict(_ways(today, use)) if _may_be_allowed(evaluator, use) else {}
            certain = [way for way, truth in ways.items() if truth is Truth.TRUE]
            if certain:
                sure[use] = certain
            elif ways:
                unsure.add(use)
                for way in ways:
                    uses[way, party].append(use)
            else:
                refused.append(use)
        for way, through in _fewest(today, sure):
            uses[way, party] += through
    return LetIn(dict(uses), frozenset(unsure), tuple(refused))


def _may_be_allowed(today: ResourcePolicyEvaluator, use: Use) -> bool:
    """Return whether today's policy may allow a use, its Deny statements considered."""
    request = AccessRequest(use.action, "*")
    return today.decide(request, use.observed.party, use.observed.facts).best == "ALLOWED"


def _fewest(today: ResourcePolicy, ways: dict[Use, list[Way]]) -> Iterator[tuple[Way, list[Use]]]:
    """Yield the ways, those first through which most uses come."""
    left = dict(ways)
    while left:
        through: dict[Way, list[Use]] = defaultdict(list)
        for use, found in left.items():
            for way in found:
                through[way].append(use)
        way = min(through, key=lambda one: (-len(through[one]), *_width(today, one)))
        yield way, through[way]
        left = {use: found for use, found in left.items() if way not in found}


def _width(today: ResourcePolicy, way: Way) -> tuple[bool, bool, int, Way]:
    """Return what sorts the narrower ways first."""
    statement = today.statements[way.statement].statement
    entries = sum(len(keys) for _, keys in statement.conditions)
    return way.entry[1] == EVERYONE, bool(account_named(way.entry[1])), -entries, way


def _ways(today: ResourcePolicy, use: Use) -> Iterator[tuple[Way, Truth]]:
    for number, one in enumerate(today.statements):
        if one.statement.effect != "Allow" or not covers(one, use.action):
            continue
        holds = evaluate_conditions(one.statement.conditions, use.observed.facts)
        for entry in one.principals.entries:
            named, _ = Principals((entry,)).names(use.observed.party)
            truth = all_of((named, holds))
            if truth is not Truth.FALSE:
                yield Way(number, entry), truth


def covers(statement: PrincipalStatement, action: str) -> bool:
    """Return whether a statement is about an action."""
    return grant_contained(action, "*", statement.statement.conditions, statement.statement)


def lost(finished: ResourcePolicy, today: ResourcePolicy, uses: Iterable[Use]) -> Iterator[Use]:
    """Yield the uses that a policy allows less certainly than today's does."""
    new, old = ResourcePolicyEvaluator(finished), ResourcePolicyEvaluator(today)
    for use in uses:
        request, who, facts = AccessRequest(use.action, "*"), use.observed.party, use.observed.facts
        after = new.decide(request, who, facts)
        if after.worst == "ALLOWED":
            continue
        before = old.decide(request, who, facts)
        if after.best != "ALLOWED" or before.worst == "ALLOWED":
            yield use
