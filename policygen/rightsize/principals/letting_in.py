"""Which statements of today's policy let each observed request in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from policygen.iam import arn
from policygen.iam.conditions import ContextFacts, Truth, all_of, evaluate_conditions
from policygen.iam.evaluate import grant_contained
from policygen.iam.party import EVERYONE, Party, Principals, account_named
from policygen.iam.request import AccessRequest
from policygen.iam.resource_policy import PrincipalStatement, ResourcePolicy, ResourcePolicyEvaluator

Entry = tuple[str, str]
"""Kind and name of a principal."""


class Use(Hashable, Protocol):
    """Something that a party was seen to do."""

    @property
    def request(self) -> AccessRequest:
        """What IAM was asked."""

    @property
    def party(self) -> Party:
        """Who asked."""

    @property
    def facts(self) -> ContextFacts:
        """The condition keys that are known."""


AnyUse = TypeVar("AnyUse", bound=Use)


class Way(NamedTuple):
    """One principal of one Allow statement, through which requests come in."""

    statement: int
    """Number of the statement in today's policy."""
    entry: Entry


@dataclass(frozen=True, slots=True)
class LetIn(Generic[AnyUse]):
    """What lets the requests in, and those that nothing of today does."""

    uses: dict[tuple[Way, Party], list[AnyUse]]
    unsure: frozenset[AnyUse]
    """Uses of which it is not known which of several ways let them in."""
    refused: tuple[AnyUse, ...]
    """What today's policy does not allow: it was changed since."""

    def changed(self, change: Callable[[AnyUse], AnyUse]) -> LetIn[AnyUse]:
        """Return the same with uses in the place of others."""
        uses = {way: [change(use) for use in through] for way, through in self.uses.items()}
        return LetIn(uses, frozenset(map(change, self.unsure)), tuple(map(change, self.refused)))


def let_in(today: ResourcePolicy, observed: Iterable[AnyUse], owner: str) -> LetIn[AnyUse]:
    """Return for each way in who comes through it, with the fewest ways for each caller.

    Where it is not known which of several ways lets a request in, all of them do.

    Args:
        today: the policy as it is.
        observed: what was seen.
        owner: the account of what the policy belongs to.
    """
    uses: dict[tuple[Way, Party], list[AnyUse]] = defaultdict(list)
    unsure, refused = set[AnyUse](), list[AnyUse]()
    by_party: dict[Party, list[AnyUse]] = defaultdict(list)
    evaluator = ResourcePolicyEvaluator(today)
    for one in observed:
        by_party[one.party._replace(session="")].append(one)
    for party in sorted(by_party):
        sure: dict[AnyUse, list[Way]] = {}
        for use in by_party[party]:
            may_be = evaluator.decide(use.request, use.party, use.facts).best == "ALLOWED"
            ways = dict(_ways(today, use)) if may_be else {}
            certain = [way for way, truth in ways.items() if truth is Truth.TRUE]
            if certain:
                sure[use] = _sufficient(certain) if party.account == owner else certain
            elif ways:
                unsure.add(use)
                for way in ways:
                    uses[way, party].append(use)
            else:
                refused.append(use)
        for way, through in _fewest(today, sure):
            uses[way, party] += through
    return LetIn(dict(uses), frozenset(unsure), tuple(refused))


def _sufficient(ways: list[Way]) -> list[Way]:
    """Return the ways that let a caller of the owner's account in as surely as all of them together.

    One that names the caller needs no Allow of its own policies, one that names its account does.
    """
    return [way for way in ways if not account_named(way.entry[1])] or ways


def _fewest(today: ResourcePolicy, ways: dict[AnyUse, list[Way]]) -> Iterator[tuple[Way, list[AnyUse]]]:
    """Yield the ways, those first through which most uses come."""
    left = dict(ways)
    while left:
        through: dict[Way, list[AnyUse]] = defaultdict(list)
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
        if one.statement.effect != "Allow" or one.principals.negated or not covers(one, use.request):
            continue
        holds = evaluate_conditions(one.statement.conditions, use.facts)
        for entry in one.principals.entries:
            named, _ = Principals((entry,)).names(use.party)
            truth = all_of((named, holds))
            if truth is not Truth.FALSE:
                yield Way(number, entry), truth


def covers(statement: PrincipalStatement, request: AccessRequest) -> bool:
    """Return whether a statement is about all of a request's action and resource."""
    pattern = request.resource if request.wild else arn.escape(request.resource)
    return grant_contained(request.action, pattern, statement.statement.conditions, statement.statement)


def left_to_account(
    finished: ResourcePolicy, less: ResourcePolicy, uses: Iterable[AnyUse], owner: str
) -> Iterator[AnyUse]:
    """Yield the uses of the owner's account that a policy names, and one with less leaves to their own policies."""
    whole, part = ResourcePolicyEvaluator(finished), ResourcePolicyEvaluator(less)
    for use in uses:
        if use.party.account == owner and whole.decide(use.request, use.party, use.facts).naming == "direct":
            after = part.decide(use.request, use.party, use.facts)
            if after.best == "ALLOWED" and after.naming != "direct":
                yield use


def lost(finished: ResourcePolicy, today: ResourcePolicy, uses: Iterable[AnyUse]) -> Iterator[AnyUse]:
    """Yield the uses that a policy allows less certainly than today's does."""
    new, old = ResourcePolicyEvaluator(finished), ResourcePolicyEvaluator(today)
    for use in uses:
        after = new.decide(use.request, use.party, use.facts)
        if after.worst == "ALLOWED":
            continue
        before = old.decide(use.request, use.party, use.facts)
        if before.worst == "ALLOWED" or (before.best == "ALLOWED" and after.best != "ALLOWED"):
            yield use
