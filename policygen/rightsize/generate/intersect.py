"""Intersect what was observed with what is currently allowed: the new policy is inside both.

A grant that the current statements allow whole is taken as it is, with the conditions of the statement that allows it.
Where a declared pattern reaches beyond a statement, it is cut to the statement's own resources; where the cut cannot be
written exactly, the observed names are written one by one. The result is never wider, which is decided by containment,
and every narrowing is reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from msgspec.structs import replace

from policygen.iam import arn
from policygen.iam.conjunction import conjoin
from policygen.iam.document import Policy, Statement, allow_statements
from policygen.iam.evaluate import Evaluator, action_contained
from policygen.iam.grants import Grant, inside_statements, overlaps_statement
from policygen.iam.request import AccessRequest
from policygen.iam.rules import StatementIndex
from policygen.rightsize.generate.pack import MANAGED_LIMIT


class NarrowedGrant(NamedTuple):
    """Something that the current policies may allow and the new one does not, because no exact pattern exists."""

    action: str
    resource: str
    """The pattern by the declared rules."""
    sid: str
    """The current statement that it was intersected with: its Sid, or its first action."""
    why: str


class Intersection(NamedTuple):
    """Observed grants, cut to what is allowed."""

    grants: list[Grant]
    losses: tuple[NarrowedGrant, ...]
    """Sorted, each once."""


def intersect_grants(
    candidates: Mapping[Grant, Sequence[AccessRequest]], policies: Sequence[Policy]
) -> list[Grant]:
    """Return the grants of `intersect_with_policies`."""
    return intersect_with_policies(candidates, policies).grants


def intersect_with_policies(
    candidates: Mapping[Grant, Sequence[AccessRequest]], policies: Sequence[Policy]
) -> Intersection:
    """Return grants inside the current policies that cover the candidates' requests, as far as these are allowed.

    Args:
        candidates: grant -> the observed requests it was made for, each currently allowed.
        policies: the current identity policies.
    """
    statements = StatementIndex(allow_statements(policies))
    found: list[Grant] = []
    losses: set[NarrowedGrant] = set()
    for grant, requests in candidates.items():
        about = statements.about(grant.resource)
        meeting = _Meeting(grant, [s for s in about if overlaps_statement(grant, s)])
        found += meeting.grants(requests)
        losses |= meeting.losses
    return Intersection(found, tuple(sorted(losses)))


class _Meeting:
    """One candidate, and the statements that overlap it."""

    def __init__(self, grant: Grant, statements: Sequence[Statement]) -> None:
        self.grant = grant
        self.losses: set[NarrowedGrant] = set()
        self._under: dict[Statement, Grant] = {}
        self._conflicts: dict[Statement, str] = {}
        for statement in statements:
            joined = conjoin(grant.conditions, statement.conditions)
            if joined.conditions is not None:
                self._under[statement] = grant._replace(conditions=joined.conditions)
            elif not joined.contradiction:  # no block can express both: the statement's own stays
                self._under[statement] = grant._replace(conditions=statement.conditions)
            if joined.lost:
                self._conflicts[statement] = "; ".join(joined.lost)
        self._statements = list(statements)

    def grants(self, requests: Sequence[AccessRequest]) -> list[Grant]:
        """Return grants inside the statements that cover the requests."""
        whole = [(s, under) for s, under in self._under.items() if self._holds(s, under)]
        if free := next((under for s, under in whole if not s.conditions), None):
            return [free]
        found: list[Grant] = []
        rest = [s for s in self._statements if all(s is not one for one, _ in whole)]
        for request in requests:
            certain = [under for s, under in whole if self._allowed(s, request, certainly=True)]
            # Where the record does not decide which statement allowed the call, each may have: all are kept.
            maybe = [under for s, under in whole if self._allowed(s, request)]
            found += certain or self._cut(request, rest, maybe)
        return list(dict.fromkeys(found))

    def _holds(self, statement: Statement, under: Grant) -> bool:
        """Return whether a statement contains the grant, alone or with others that have its conditions."""
        if under.inside_statement(statement):
            return True
        alike = [s for s in self._statements if s.conditions == statement.conditions]
        return len(alike) > 1 and inside_statements(under, alike)

    def _allowed(self, statement: Statement, request: AccessRequest, *, certainly: bool = False) -> bool:
        """Return whether a statement allows a request; note a narrowing if its conditions conflict."""
        allowed = _allows(statement, request, certainly=certainly)
        if allowed and statement in self._conflicts:
            self._lose(statement, self._conflicts[statement])
        return allowed

    def _cut(
        self, request: AccessRequest, statements: Sequence[Statement], maybe: list[Grant]
    ) -> list[Grant]:
        """Cut the grant to a statement that certainly allows the request, else to each that may have allowed it.

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
    """Shorten Denies until each fits into a managed policy, and return what that narrows.

    AWS's own managed policies may be larger than a customer's. A Deny with a NotAction list that is too long keeps only
    the entries that matter: actions that the new policies grant, or that the role was seen to use. The shorter list
    denies more of what only resource policies allow.

    Args:
        denies: the current Deny statements.
        actions: the names and patterns that matter.
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


def current_parts(request: AccessRequest, policies: Iterable[Policy]) -> list[AccessRequest]:
    """Return the parts of a request that the current statements may allow, each as a request.

    A request for one name has itself as its only part. A pattern of names is one part where a statement certainly
    allows all of it; else each statement may have allowed its own part. A part that has no exact pattern of its own is
    given by the whole request.
    """
    if not request.wild:
        return [request]
    statements = allow_statements(policies)
    if any(_allows(one, request, certainly=True) for one in statements):
        return [request]
    parts: dict[AccessRequest, None] = {}
    for statement in statements:
        for single in _by_resource(statement):
            if _evaluator(single).refusal(request) is None:
                found = _exact_parts(request, single)
                parts |= dict.fromkeys([request] if found is None else found)
    return list(parts)


def _by_resource(statement: Statement) -> list[Statement]:
    """Return a statement as statements of one resource each; one with NotResource as it is."""
    if statement.not_resources or len(statement.resources) == 1:
        return [statement]
    return [replace(statement, resources=(resource,)) for resource in statement.resources]


def _exact_parts(request: AccessRequest, statement: Statement) -> list[AccessRequest] | None:
    """Return the parts of a pattern of names that a statement of one resource may allow.

    None where they cannot be cut exactly: the resource has a variable, the statement has NotResource, or the
    intersection was given up. A piece with more colons than either pattern is none: a wildcard for the account would
    have to match a part of the name.
    """
    if statement.resource_contains(request.resource):
        return [request]
    if statement.not_resources:
        return None
    own = statement.resources[0]
    colons = max(request.resource.count(":"), own.count(":"))
    pieces = [piece for piece in arn.intersect(request.resource, own) or () if piece.count(":") <= colons]
    parts = [_narrowed(request, piece) for piece in pieces]
    return parts if parts and all(_allows(statement, part) for part in parts) else None


def _narrowed(request: AccessRequest, pattern: str) -> AccessRequest:
    literal = arn.unescape(pattern)
    return request._replace(resource=pattern if literal is None else literal, wild=literal is None)


def cut_to_policies(grant: Grant, policies: Sequence[Policy]) -> list[Grant]:
    """Return what the current statements may allow of a grant that is needed, whether or not it was observed."""
    about = [one for one in allow_statements(policies) if action_contained(grant.action, one)]
    if not about or any(not one.conditions and grant.inside_statement(one) for one in about):
        return [grant] if about else []  # as for most: nothing, or all of it
    request = AccessRequest(grant.action, grant.resource, wild=True)
    candidates = {
        grant._replace(resource=part.resource if part.wild else arn.escape(part.resource)): [part]
        for part in current_parts(request, policies)
    }
    found = intersect_grants(candidates, policies)
    if any(one.resource == grant.resource and one.conditions == grant.conditions for one in found):
        return found
    return list(dict.fromkeys((*found, *statement_grants(request, policies))))


def statement_grants(request: AccessRequest, policies: Iterable[Policy]) -> list[Grant]:
    """Return what the current statements grant of a request's action, as they write it, if they may have allowed it.

    For statements that cannot be intersected with a pattern of names: a policy variable in the resource, NotResource
    for a request whose record does not give the whole name, or a pattern whose intersection was given up.
    """
    found: list[Grant] = []
    for statement in allow_statements(policies):
        if _evaluator(statement).refusal(request) is not None:
            continue
        if not statement.not_resources:
            found += [
                Grant(request.action, single.resources[0], statement.conditions)
                for single in _by_resource(statement)
                if _is_uncut(request, single)
            ]
        elif "*" not in statement.resources:
            found.append(Grant(request.action, "*", statement.conditions, statement.resources))
    return found


def _is_uncut(request: AccessRequest, statement: Statement) -> bool:
    """Return whether a statement of one resource may allow a request and cannot be cut to it."""
    if not request.wild:
        return bool(_VARIABLE.search(statement.resources[0])) and _allows(statement, request)
    return _evaluator(statement).refusal(request) is None and _exact_parts(request, statement) is None


_VARIABLE = re.compile(r"\$\{[^*?$}]")


def _pieces(grant: Grant, request: AccessRequest, statement: Statement) -> Iterable[str]:
    """Yield resource patterns inside both the grant and the statement that match the request, widest first."""
    exact = request.resource if request.wild else arn.escape(request.resource)
    if not statement.not_resources:
        for own in statement.resources_about(grant.resource):
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
