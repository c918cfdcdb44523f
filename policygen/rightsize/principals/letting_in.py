"""Which statements of today's policy let each observed request in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from msgspec.structs import replace

from policygen.iam import arn
from policygen.iam.conditions import ContextFacts, Truth, all_of, evaluate_conditions
from policygen.iam.evaluate import grant_contained
from policygen.iam.party import EVERYONE, Party, Principals, account_named
from policygen.iam.request import AccessRequest
from policygen.iam.resource_policy import (
    DocumentDecision,
    PrincipalStatement,
    ResourcePolicy,
    ResourcePolicyEvaluator,
)
from policygen.rightsize.principals.owner import Owner

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


def let_in(today: ResourcePolicy, observed: Iterable[AnyUse], owner: Owner) -> LetIn[AnyUse]:
    """Return for each way in who comes through it, with the fewest ways for each caller.

    Where it is not known which of several ways lets a request in, all of them do.

    Args:
        today: the policy as it is.
        observed: what was seen.
        owner: the account that the policy belongs to.
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
            certain, doubtful = _firmest(ways, use.party, owner)
            if certain and not doubtful:
                sure[use] = certain
            elif ways:
                unsure.add(use)
                for way in (*certain, *doubtful):
                    uses[way, party].append(use)
            else:
                refused.append(use)
        for way, through in _fewest(today, sure):
            uses[way, party] += through
    return LetIn(dict(uses), frozenset(unsure), tuple(refused))


def _firmest(ways: Mapping[Way, Truth], party: Party, owner: Owner) -> tuple[list[Way], list[Way]]:
    """Return the ways that let a caller in as firmly as all of them together: the certain ones, and those that may."""
    firm = {way: owner.hold(way.entry[1], party) for way in ways}
    sure = max((firm[way] for way, truth in ways.items() if truth is Truth.TRUE), default=-1)
    certain = [way for way, truth in ways.items() if truth is Truth.TRUE and firm[way] == sure]
    return certain, [way for way, truth in ways.items() if truth is not Truth.TRUE and firm[way] > sure]


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


class HeldPolicy:
    """A policy that is asked of uses: once for each way to hold a caller that differs for it."""

    def __init__(self, policy: ResourcePolicy, owner: Owner) -> None:
        self.policy, self.owner = policy, owner
        self._held: dict[int, ResourcePolicyEvaluator] = {}

    def decide(self, use: Use) -> Iterator[DocumentDecision]:
        """Yield what it says of a use, by principals that hold the caller ever more firmly."""
        for least in self.owner.holds(use.party):
            yield self._by(least).decide(use.request, use.party, use.facts)

    def surely(self, use: Use) -> int:
        """Return how firmly it surely lets a use in; -1 where that is not sure."""
        levels = zip(self.owner.holds(use.party), self.decide(use), strict=True)
        return max((least for least, decided in levels if decided.worst == "ALLOWED"), default=-1)

    def _by(self, least: int) -> ResourcePolicyEvaluator:
        if least not in self._held:
            self._held[least] = ResourcePolicyEvaluator(self.owner.held(self.policy, least))
        return self._held[least]


def lost(
    finished: ResourcePolicy, today: ResourcePolicy, uses: Iterable[AnyUse], owner: Owner
) -> Iterator[AnyUse]:
    """Yield the uses that a policy allows less certainly, or holds less firmly, than today's does."""
    new, old = HeldPolicy(finished, owner), HeldPolicy(today, owner)
    for use in uses:
        if any(map(_is_weaker, new.decide(use), old.decide(use))):
            yield use


def _is_weaker(after: DocumentDecision, before: DocumentDecision) -> bool:
    if after.worst == "ALLOWED":
        return False
    return before.worst == "ALLOWED" or (before.best == "ALLOWED" and after.best != "ALLOWED")


class SpareParts(Generic[AnyUse]):
    """Tells whether a policy lets uses in as today's does without one of its parts.

    Deny statements are not asked, since they stay, nor those with NotPrincipal: AWS supports no Allow of that form.

    Args:
        today: the policy as it is.
        unsure: uses of which it is not known what lets them in: the rest must do so for certain.
        owner: the account that the policy belongs to.
    """

    def __init__(self, today: ResourcePolicy, unsure: frozenset[AnyUse], owner: Owner) -> None:
        self._today, self._unsure, self._owner = HeldPolicy(_naming(today), owner), unsure, owner

    def is_spare(self, less: ResourcePolicy, uses: Iterable[AnyUse]) -> bool:
        """Return whether a part is spare.

        Args:
            less: the policy without it.
            uses: that came through it.
        """
        new = HeldPolicy(_naming(less), self._owner)
        return not any(
            after.worst != "ALLOWED" and before.best == "ALLOWED"
            if use in self._unsure
            else _is_weaker(after, before)
            for use in uses
            for after, before in zip(new.decide(use), self._today.decide(use), strict=True)
        )


def _naming(policy: ResourcePolicy) -> ResourcePolicy:
    """Return the Allow statements of a policy that name principals."""
    return replace(policy, statements=tuple(one for one in policy.allows if not one.principals.negated))
