"""The meet of what was observed and what is allowed today: the new policy is inside both.

A grant that today's statements allow whole is taken as it is, with the conditions of the statement that
allows it. Where a declared pattern reaches beyond a statement, it is cut to the statement's own resources;
where that has no exact form, the observed names are written one by one. Never wider, decided by containment;
what is lost by it is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from policygen.iam import arn
from policygen.iam.conjunction import conjoin
from policygen.iam.document import Policy, Statement, allow_statements
from policygen.iam.evaluate import Evaluator
from policygen.iam.grants import Grant, inside_statements, overlaps_statement
from policygen.iam.request import AccessRequest
from policygen.rightsize.generate.pack import MANAGED_LIMIT


class NarrowedGrant(NamedTuple):
    """Something that today's policies may allow and the new one does not, because the two could not be met exactly."""

    action: str
    resource: str
    """The pattern that was wanted, by the declared rules."""
    sid: str
    """The statement of today that it was met with: its Sid, or its first action."""
    why: str


class Intersection(NamedTuple):
    """What was observed, met with what is allowed."""

    grants: list[Grant]
    losses: tuple[NarrowedGrant, ...]
    """Sorted, each once."""


def intersect_grants(
    candidates: Mapping[Grant, Sequence[AccessRequest]], policies: Sequence[Policy]
) -> list[Grant]:
    """The grants of `intersect_with_policies`."""
    return intersect_with_policies(candidates, policies).grants


def intersect_with_policies(
    candidates: Mapping[Grant, Sequence[AccessRequest]], policies: Sequence[Policy]
) -> Intersection:
    """Grants inside today's policies that cover all the candidates' requests that today's policies allow.

    Args:
        candidates: grant -> the observed requests it was made for, each allowed today.
        policies: today's identity policies.
    """
    statements = allow_statements(policies)
    found: list[Grant] = []
    losses: set[NarrowedGrant] = set()
    for grant, requests in candidates.items():
        meeting = _Meeting(grant, [s for s in statements if overlaps_statement(grant, s)])
        found += meeting.grants(requests)
        losses |= meeting.losses
    return Intersection(found, tuple(sorted(losses)))


class _Meeting:
    """One candidate and the statements that could speak about it."""

    def __init__(self, grant: Grant, statements: Sequence[Statement]) -> None:
        self.grant = grant
        self.losses: set[NarrowedGrant] = set()
        self._under: dict[Statement, Grant] = {}
        self._conflicts: dict[Statement, str] = {}
        for statement in statements:
            joined = conjoin(grant.conditions, statement.conditions)
            if joined.conditions is not None:
                self._under[statement] = grant._replace(conditions=joined.conditions)
            if joined.lost:
                self._conflicts[statement] = "; ".join(joined.lost)
        self._statements = list(statements)

    def grants(self, requests: Sequence[AccessRequest]) -> list[Grant]:
        """Grants inside the statements that cover the requests."""
        whole = [(s, under) for s, under in self._under.items() if self._holds(s, under)]
        if free := next((under for s, under in whole if not s.conditions), None):
            return [free]
        found: list[Grant] = []
        rest = [s for s in self._statements if all(s is not one for one, _ in whole)]
        for request in requests:
            certain = [under for s, under in whole if self._allowed(s, request, certainly=True)]
            # Where it is not known which of several statements allowed the call, each may have: all are kept.
            maybe = [under for s, under in whole if self._allowed(s, request)]
            found += certain or self._cut(request, rest, maybe)
        return list(dict.fromkeys(found))

    def _holds(self, statement: Statement, under: Grant) -> bool:
        """Whether a statement holds the grant whole, alone or with others that have its conditions."""
        if under.inside_statement(statement):
            return True
        alike = [s for s in self._statements if s.conditions == statement.conditions]
        return len(alike) > 1 and inside_statements(under, alike)

    def _allowed(self, statement: Statement, request: AccessRequest, *, certainly: bool = False) -> bool:
        """Whether a statement allows a request; a conflict of the two conditions is then a loss."""
        allowed = _allows(statement, request, certainly=certainly)
        if allowed and statement in self._conflicts:
            self._lose(statement, self._conflicts[statement])
        return allowed

    def _cut(
        self, request: AccessRequest, statements: Sequence[Statement], maybe: list[Grant]
    ) -> list[Grant]:
        """The grant cut to a statement that allows the request for certain, else to each that may have.

        `maybe` are grants that need no cut, under conditions that the record does not decide.
        """
        for statement in sorted(statements, key=lambda s: bool(s.conditions)):
            if not self._allowed(statement, request):
                continue
            piece = self._piece(request, statement)
            if piece and _allows(statement, request, certainly=True):
                return [piece]
            maybe += [piece] if piece else []
        return maybe

    def _piece(self, request: AccessRequest, statement: Statement) -> Grant | None:
        under = self._under.get(statement)
        if under is None:
            return None
        for resource in _pieces(self.grant, request, statement):
            piece = Grant(self.grant.action, resource, under.conditions)
            if piece.inside_statement(statement):
                if resource != self.grant.resource:
                    self._lose(statement, f"cut to {resource}: today's statement allows no more of it")
                return piece
        return None

    def _lose(self, statement: Statement, why: str) -> None:
        sid = statement.sid or statement.actions[0]
        self.losses.add(NarrowedGrant(self.grant.action, self.grant.resource, sid, why))


def trim_denies(
    denies: Sequence[Statement], actions: Iterable[str]
) -> tuple[list[Statement], list[NarrowedGrant]]:
    """Denies that each fit into a managed policy, and what is lost by it.

    AWS's own managed policies may be larger than a customer's. A Deny that leaves out a list of actions too long for
    one of them leaves out those that matter: what the new policies grant, or the role was seen to do. It then bars
    more of what only resource policies allow.

    Args:
        denies: today's.
        actions: names and patterns that matter.
    """
    fitted, losses, wanted = list[Statement](), list[NarrowedGrant](), sorted(set(actions))
    for deny in denies:
        if deny.not_actions and Policy((deny,)).size > MANAGED_LIMIT:
            left = tuple(a for a in deny.actions if any(arn.action_overlaps(a, one) for one in wanted))
            # IAM wants at least one.
            kept = left or deny.actions[:1]
            why = f"its NotAction list has {len(deny.actions)} entries, too many for one policy: {len(kept)} are kept"
            losses.append(NarrowedGrant("*", ", ".join(deny.resources), deny.sid or "Deny", why))
            deny = replace(deny, actions=kept)  # noqa: PLW2901 - the shortened one takes its place
        fitted.append(deny)
    return fitted, losses


def statement_grants(request: AccessRequest, policies: Iterable[Policy]) -> list[Grant]:
    """What today's statements grant of a request's action, as they write it, where they may have allowed it.

    For statements that no pattern of names can be met with: a policy variable in the resource, or NotResource
    beside a request whose name is not whole.
    """
    found: list[Grant] = []
    for statement in allow_statements(policies):
        probe = Grant(request.action, request.resource if request.wild else arn.escape(request.resource))
        if not overlaps_statement(probe, statement) and not _allows(statement, request):
            continue
        if statement.not_resources:
            if "*" not in statement.resources:
                found.append(Grant(request.action, "*", statement.conditions, statement.resources))
            continue
        for resource in statement.resources:
            alone = replace(statement, resources=(resource,))
            if _VARIABLE.search(resource) and _allows(alone, request):
                found.append(Grant(request.action, resource, statement.conditions))
    return found


_VARIABLE = re.compile(r"\$\{[^*?$}]")


def _pieces(grant: Grant, request: AccessRequest, statement: Statement) -> Iterable[str]:
    """Resource patterns inside both the grant and the statement that hold the request, widest first."""
    exact = request.resource if request.wild else arn.escape(request.resource)
    if not statement.not_resources:
        for own in statement.resources:
            for piece in arn.intersect(grant.resource, own) or ():
                if arn.contains(piece, exact):
                    yield piece
    yield exact


@lru_cache(maxsize=4096)
def _evaluator(statement: Statement) -> Evaluator:
    return Evaluator((Policy((statement,)),))


def _allows(statement: Statement, request: AccessRequest, *, certainly: bool = False) -> bool:
    decision = _evaluator(statement).evaluate(request)
    return decision.outcome == "ALLOWED" and (decision.certain or not certainly)
