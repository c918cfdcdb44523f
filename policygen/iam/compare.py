"""Two sets of identity policies by meaning: what the new one allows and the old one does not, and the other way.

Every grant of one side is looked for in the other by containment. What is contained is settled; what is not is
shown by a witness: a request that one side allows and the other does not, tried by the evaluator before it is
shown. Where neither a proof nor a witness is found, the grant is named as unsure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Literal, NamedTuple

from policygen.iam import arn, reference
from policygen.iam.actions import actions_matching
from policygen.iam.conjunction import conjoin
from policygen.iam.document import Policy, Statement, allow_statements, deny_statements
from policygen.iam.evaluate import Evaluator
from policygen.iam.example_requests import example_contexts, example_names
from policygen.iam.grants import Grant, inside_statements, is_pattern
from policygen.iam.implication import implies
from policygen.iam.request import AccessRequest, Context

Verdict = Literal["equal", "narrower", "wider", "different", "unsure"]
Side = Literal["new", "old"]

_TRIES = 200
"""Requests tried for one grant before it is called unsure."""


class Counterexample(NamedTuple):
    """A request that one side allows and the other does not, as the evaluator says of it."""

    request: AccessRequest
    allowed_by: str
    """The statement of the one side that allows it."""
    refused: str
    """Why the other side does not."""


class UndecidedGrant(NamedTuple):
    """A grant of one side of which it is neither proven nor refuted that the other side allows it all."""

    side: Side
    grant: str
    """``s3:GetObject on arn:aws:s3:::bucket/*``."""

    @property
    def sentence(self) -> str:
        """One line for people, with the side."""
        return f"{self.side}: {self.grant}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changes from old to new. Witnesses and unsure grants are sorted, one witness for each grant."""

    verdict: Verdict
    """``narrower``: the new side allows less; ``unsure``: where only unsure grants keep it from being settled."""
    gained: tuple[Counterexample, ...]
    """What new allows and old does not."""
    lost: tuple[Counterexample, ...]
    """What old allows and new does not."""
    unsure: tuple[UndecidedGrant, ...] = ()


def compare_policies(old: Sequence[Policy], new: Sequence[Policy]) -> Comparison:
    """The comparison of two sets of identity policies, each of one role.

    Args:
        old: today's, for example.
        new: what is to replace them.
    """
    gained, doubts_new = _surplus(new, old, "new")
    lost, doubts_old = _surplus(old, new, "old")
    return Comparison(
        _verdict(gained, lost, doubts_new, doubts_old),
        gained,
        lost,
        tuple(sorted((*doubts_new, *doubts_old))),
    )


def _verdict(
    gained: Sequence[Counterexample],
    lost: Sequence[Counterexample],
    more: Sequence[UndecidedGrant],
    less: Sequence[UndecidedGrant],
) -> Verdict:
    """`more` and `less` are doubts about what new and old alone allow."""
    if gained and lost:
        return "different"
    if (more and not gained) or (less and not lost):
        return "unsure"
    return "wider" if gained else "narrower" if lost else "equal"


def _surplus(
    mine: Sequence[Policy], theirs: Sequence[Policy], side: Side
) -> tuple[tuple[Counterexample, ...], tuple[UndecidedGrant, ...]]:
    """Witnesses for what `mine` allows and `theirs` does not, and the grants that are neither shown nor refuted."""
    contest = _Contest(mine, theirs)
    witnesses: dict[AccessRequest, Counterexample] = {}
    doubts: set[UndecidedGrant] = set()
    for statement in allow_statements(mine):
        for grant in _grants(statement):
            if contest.proven(grant):
                continue
            found = contest.witness(grant)
            if found is None:
                where = f"everything but {', '.join(grant.excluded)}" if grant.excluded else grant.resource
                doubts.add(UndecidedGrant(side, f"{grant.action} on {where}"))
            else:
                witnesses.setdefault(found.request, found)
    return tuple(sorted(witnesses.values())), tuple(sorted(doubts))


def _grants(statement: Statement) -> Iterator[Grant]:
    """What a statement grants, by its own patterns; NotAction by the services and actions that it leaves."""
    actions: Iterable[str] = statement.actions
    if statement.not_actions:
        actions = _left(statement.actions)
    for action in actions:
        if statement.not_resources:
            yield Grant(action, "*", statement.conditions, statement.resources)
        else:
            for resource in statement.resources:
                yield Grant(action, resource, statement.conditions)


def _left(excluded: Sequence[str]) -> Iterator[str]:
    """What NotAction leaves: whole services where none of their actions is named, else the known actions left."""
    for service in sorted(reference.prefixes()):
        whole = f"{service}:*"
        if not any(arn.action_overlaps(pattern, whole) for pattern in excluded):
            yield whole
        else:
            for action in reference.action_names(service):
                if not any(arn.action_matches(pattern, action) for pattern in excluded):
                    yield action


class _Contest:
    """One side's grants against the other side."""

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

    def proven(self, grant: Grant) -> bool:
        """Whether the other side allows all of a grant, or this side denies all of it: by containment."""
        if any(_covers(deny, grant) for deny in self._own_denies):
            return True
        return inside_statements(grant, self._allows) and all(self._harmless(d, grant) for d in self._denies)

    def _harmless(self, deny: Statement, grant: Grant) -> bool:
        """Whether a Deny of the other side bars nothing of a grant that this side does not bar itself."""
        if not _touches(deny, grant) or conjoin(grant.conditions, deny.conditions).never:
            return True
        return any(
            _inside_deny(deny, own) and implies(deny.conditions, own.conditions) for own in self._own_denies
        )

    def witness(self, grant: Grant) -> Counterexample | None:
        """A request that this side allows and the other does not; None where none was found."""
        for request in islice(self._requests(grant), _TRIES):
            mine = self._mine.evaluate(request)
            if mine.outcome == "ALLOWED" and mine.certain:
                theirs = self._theirs.evaluate(request)
                if theirs.outcome != "ALLOWED" and theirs.certain:
                    return Counterexample(request, mine.reason, theirs.reason)
        return None

    def _requests(self, grant: Grant) -> Iterator[AccessRequest]:
        """Requests that the grant may allow, the plainest first, in a fixed order."""
        contexts = example_contexts(grant.conditions, self._conditions)
        for action in self._named(grant.action):
            known = reference.action(action)
            typed = known is None or bool(known.types)
            names = example_names(grant.resource, grant.excluded, self._resources, known) if typed else ("*",)
            for name, context in product(names, contexts):
                yield AccessRequest(action, name, context=_context(context))

    def _named(self, pattern: str) -> Iterator[str]:
        """Actions that a pattern matches: those that a statement names, then the first known ones."""
        if not is_pattern(pattern):
            yield pattern
            return
        named = sorted({a for a in self._actions if arn.action_matches(pattern, a)})
        unlike = list(islice(self._unlike(pattern), 6))
        yield from dict.fromkeys((*unlike, *named[:12], *islice(actions_matching(pattern), 6)))

    def _unlike(self, pattern: str) -> Iterator[str]:
        """Known actions that the other side does not allow on everything; whole services are passed over first."""
        services = [f"{name}:*" for name in sorted(reference.prefixes())] if pattern == "*" else [pattern]
        for part in services:
            if not self._same_side(part):
                yield from (action for action in actions_matching(part) if not self._same_side(action))

    def _same_side(self, action: str) -> bool:
        """Whether the other side allows the action on everything without a word more."""
        return inside_statements(Grant(action, "*"), self._allows) and not self._denies


def _context(context: Mapping[str, Sequence[str]]) -> Context:
    return tuple((key, tuple(values)) for key, values in sorted(context.items()) if values)


def _covers(deny: Statement, grant: Grant) -> bool:
    """Whether a Deny bars all of a grant."""
    allow = Statement(
        "Allow", deny.actions, deny.resources, deny.not_actions, deny.not_resources, deny.conditions
    )
    return grant.inside_statement(allow)


def _touches(deny: Statement, grant: Grant) -> bool:
    """Whether a Deny may bar something of a grant. Errs on the side of yes."""
    listed = [arn.action_overlaps(pattern, grant.action) for pattern in deny.actions]
    if deny.not_actions:
        if any(arn.action_contains(pattern, grant.action) for pattern in deny.actions):
            return False
    elif not any(listed):
        return False
    if deny.not_resources:
        return not any(arn.contains(pattern, grant.resource) for pattern in deny.resources)
    return any(arn.overlaps(pattern, grant.resource) for pattern in deny.resources)


def _inside_deny(deny: Statement, own: Statement) -> bool:
    """Whether all that one Deny speaks about, another one does, conditions aside."""
    if deny.not_actions or deny.not_resources or own.not_actions or own.not_resources:
        same = (deny.not_actions, deny.not_resources) == (own.not_actions, own.not_resources)
        return same and set(deny.actions) == set(own.actions) and set(deny.resources) == set(own.resources)
    return all(any(arn.action_contains(o, a) for o in own.actions) for a in deny.actions) and all(
        any(arn.contains(o, r) for o in own.resources) for r in deny.resources
    )
