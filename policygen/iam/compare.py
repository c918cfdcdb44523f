"""Compare two sets of identity policies by meaning: what the new one allows and the old one does not, and vice versa.

Each grant of one side is checked for containment in the other side. Where containment is not proven, example requests
are evaluated on both sides until one is found that only one side allows: a counterexample. A grant with neither a
proof nor a counterexample is reported as unsure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Literal, NamedTuple

import msgspec

from policygen.iam import arn, reference
from policygen.iam.actions import actions_matching
from policygen.iam.conjunction import conjoin
from policygen.iam.document import Policy, Statement, allow_statements, deny_statements
from policygen.iam.evaluate import Evaluator
from policygen.iam.example_requests import example_contexts, example_names
from policygen.iam.grants import Grant, inside_statements, is_pattern, overlaps_statement
from policygen.iam.implication import implies
from policygen.iam.request import AccessRequest, Context

Verdict = Literal["equal", "narrower", "wider", "different", "unsure"]
Side = Literal["new", "old"]

_TRIES = 200
"""How many requests are tried for one grant before it is reported as unsure."""


class Counterexample(NamedTuple):
    """A request that one side allows and the other does not, by the evaluator."""

    request: AccessRequest
    allowed_by: str
    """The evaluator's reason for the side that allows it."""
    refused: str
    """Its reason for the side that does not."""
    grants: tuple[Grant, ...] = ()
    """The grants of the side that allows it for which it is the counterexample: one or more."""


class UndecidedGrant(NamedTuple):
    """A grant of one side that is neither proven to be contained in the other side nor shown not to be."""

    side: Side
    grant: str
    """``s3:GetObject on arn:aws:s3:::bucket/*``."""
    of: Grant
    """The same, with its conditions."""

    @property
    def sentence(self) -> str:
        """One line for people, with the side."""
        return f"{self.side}: {self.grant}"


class Comparison(msgspec.Struct, frozen=True):
    """What changes from old to new. All fields are sorted; each grant has at most one counterexample."""

    verdict: Verdict
    """``narrower``: new allows less than old. ``unsure``: the verdict depends on unsure grants."""
    gained: tuple[Counterexample, ...]
    """Requests that new allows and old does not."""
    lost: tuple[Counterexample, ...]
    """Requests that old allows and new does not."""
    unsure: tuple[UndecidedGrant, ...] = ()


def compare_policies(old: Sequence[Policy], new: Sequence[Policy]) -> Comparison:
    """Compare two sets of identity policies, each of one role.

    Args:
        old: the current policies, for example.
        new: the policies that replace them.
    """
    gained, unsure_new = gained_by(old, new)
    lost, unsure_old = _allowed_only_by(old, new, "old")
    return Comparison(
        _verdict(gained, lost, unsure_new, unsure_old),
        gained,
        lost,
        tuple(sorted((*unsure_new, *unsure_old))),
    )


def gained_by(
    old: Sequence[Policy], new: Sequence[Policy]
) -> tuple[tuple[Counterexample, ...], tuple[UndecidedGrant, ...]]:
    """Return what `compare_policies` finds of the new policies alone: what they gain, and what may be more."""
    return _allowed_only_by(new, old, "new")


def _verdict(
    gained: Sequence[Counterexample],
    lost: Sequence[Counterexample],
    unsure_new: Sequence[UndecidedGrant],
    unsure_old: Sequence[UndecidedGrant],
) -> Verdict:
    if gained and lost:
        return "different"
    if (unsure_new and not gained) or (unsure_old and not lost):
        return "unsure"
    return "wider" if gained else "narrower" if lost else "equal"


def _allowed_only_by(
    mine: Sequence[Policy], theirs: Sequence[Policy], side: Side
) -> tuple[tuple[Counterexample, ...], tuple[UndecidedGrant, ...]]:
    """Return counterexamples for what `mine` allows and `theirs` does not, and the grants that stay unsure."""
    comparer = _GrantComparer(mine, theirs)
    counterexamples: dict[AccessRequest, Counterexample] = {}
    unsure: set[UndecidedGrant] = set()
    for statement in allow_statements(mine):
        for grant in _grants(statement):
            if comparer.is_contained(grant):
                continue
            found = comparer.counterexample(grant)
            if found is None:
                where = f"everything but {', '.join(grant.excluded)}" if grant.excluded else grant.resource
                unsure.add(UndecidedGrant(side, f"{grant.action} on {where}", grant))
            else:
                before = counterexamples.get(found.request, found)
                counterexamples[found.request] = before._replace(grants=(*before.grants, grant))
    return tuple(sorted(counterexamples.values())), tuple(sorted(unsure))


def _grants(statement: Statement) -> Iterator[Grant]:
    """Yield a statement's grants, by its own patterns. NotAction gives the services and actions that it leaves."""
    actions: Iterable[str] = statement.actions
    if statement.not_actions:
        actions = _actions_left_by(statement.actions)
    for action in actions:
        if statement.not_resources:
            yield Grant(action, "*", statement.conditions, statement.resources)
        else:
            for resource in statement.resources:
                yield Grant(action, resource, statement.conditions)


def _actions_left_by(excluded: Sequence[str]) -> Iterator[str]:
    """Yield what NotAction leaves: ``service:*`` where no pattern touches a service, else each known action left."""
    for service in sorted(reference.prefixes()):
        whole = f"{service}:*"
        if not any(arn.action_overlaps(pattern, whole) for pattern in excluded):
            yield whole
        else:
            for action in reference.action_names(service):
                if not any(arn.action_matches(pattern, action) for pattern in excluded):
                    yield action


class _GrantComparer:
    """Compares single grants of one side (`mine`) with the other side (`theirs`)."""

    def __init__(self, mine: Sequence[Policy], theirs: Sequence[Policy]) -> None:
        self._mine = Evaluator(mine, complete=True)
        self._theirs = Evaluator(theirs, complete=True)
        self._allows = allow_statements(theirs)
        self._denies = deny_statements(theirs)
        self._own_denies = deny_statements(mine)
        self._conditions = [s.conditions for policy in (*mine, *theirs) for s in policy.statements]
        self._resources = [r for policy in (*mine, *theirs) for s in policy.statements for r in s.resources]
        self._actions = [
            a
            for policy in (*mine, *theirs)
            for s in policy.statements
            for a in s.actions
            if not is_pattern(a)
        ]

    def is_contained(self, grant: Grant) -> bool:
        """Whether the other side provably allows all of a grant, or this side denies all of it."""
        if any(_denies_all_of(deny, grant) for deny in self._own_denies):
            return True
        return inside_statements(grant, self._allows) and all(
            self._deny_is_irrelevant(d, grant) for d in self._denies
        )

    def _deny_is_irrelevant(self, deny: Statement, grant: Grant) -> bool:
        """Whether a Deny of the other side denies no part of a grant that this side allows."""
        if not overlaps_statement(grant, deny) or conjoin(grant.conditions, deny.conditions).contradiction:
            return True
        return any(
            _deny_contained_in(deny, own) and implies(deny.conditions, own.conditions)
            for own in self._own_denies
        )

    def counterexample(self, grant: Grant) -> Counterexample | None:
        """Return a request that this side allows and the other does not; None where none was found."""
        for request in islice(self._requests(grant), _TRIES):
            mine = self._mine.evaluate(request)
            if mine.outcome == "ALLOWED" and mine.certain:
                theirs = self._theirs.evaluate(request)
                if theirs.outcome != "ALLOWED" and theirs.certain:
                    return Counterexample(request, mine.reason, theirs.reason)
        return None

    def _requests(self, grant: Grant) -> Iterator[AccessRequest]:
        """Yield requests that the grant may allow, the simplest first, in a fixed order."""
        contexts = example_contexts(grant.conditions, self._conditions)
        for action in self._concrete_actions(grant.action):
            known = reference.action(action)
            has_types = known is None or bool(known.types)
            names = (
                example_names(grant.resource, grant.excluded, self._resources, known) if has_types else ("*",)
            )
            for name, context in product(names, contexts):
                yield AccessRequest(action, name, context=_context(context))

    def _concrete_actions(self, pattern: str) -> Iterator[str]:
        """Yield actions that a pattern matches: some that the other side treats differently, some that a statement
        names, and the first known ones.
        """
        if not is_pattern(pattern):
            yield pattern
            return
        named = sorted({a for a in self._actions if arn.action_matches(pattern, a)})
        differing = list(islice(self._differing_actions(pattern), 6))
        yield from dict.fromkeys((*differing, *named[:12], *islice(actions_matching(pattern), 6)))

    def _differing_actions(self, pattern: str) -> Iterator[str]:
        """Yield known actions that the other side does not allow on every resource; allowed services are skipped."""
        parts = [f"{name}:*" for name in sorted(reference.prefixes())] if pattern == "*" else [pattern]
        for part in parts:
            if not self._other_allows_all(part):
                yield from (action for action in actions_matching(part) if not self._other_allows_all(action))

    def _other_allows_all(self, action: str) -> bool:
        """Whether the other side allows an action on every resource without conditions, and denies nothing."""
        return inside_statements(Grant(action, "*"), self._allows) and not self._denies


def _context(context: Mapping[str, Sequence[str]]) -> Context:
    return tuple((key, tuple(values)) for key, values in sorted(context.items()) if values)


def _denies_all_of(deny: Statement, grant: Grant) -> bool:
    """Whether a Deny denies all of a grant."""
    as_allow = Statement(
        "Allow", deny.actions, deny.resources, deny.not_actions, deny.not_resources, deny.conditions
    )
    return grant.inside_statement(as_allow)


def _deny_contained_in(deny: Statement, own: Statement) -> bool:
    """Whether a Deny of this side (`own`) denies everything that another Deny does, conditions aside."""
    if deny.not_actions or deny.not_resources or own.not_actions or own.not_resources:
        same = (deny.not_actions, deny.not_resources) == (own.not_actions, own.not_resources)
        return same and set(deny.actions) == set(own.actions) and set(deny.resources) == set(own.resources)
    return all(any(arn.action_contains(o, a) for o in own.actions) for a in deny.actions) and all(
        any(arn.contains(o, r) for o in own.resources) for r in deny.resources
    )
