"""The meet of what was observed and what is allowed today: the new policy is inside both.

A grant that today's statements allow whole is taken as it is, with the conditions of the statement that
allows it. Where a declared pattern reaches beyond a statement, it is cut to the statement's own resources;
where that has no exact form, the observed names are written one by one. Never wider, decided by containment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from policygen import arn
from policygen.access import AccessRequest
from policygen.policy.document import Conditions, Policy, Statement, conditions_of
from policygen.policy.evaluate import Evaluator
from policygen.policy.grants import Grant, overlaps_statement


def allow_statements(policies: Iterable[Policy]) -> list[Statement]:
    """The Allow statements of policies, in order, each once."""
    return list(dict.fromkeys(s for policy in policies for s in policy.statements if s.effect == "Allow"))


def deny_statements(policies: Iterable[Policy]) -> list[Statement]:
    """The Deny statements of policies, in order, each once."""
    return list(dict.fromkeys(s for policy in policies for s in policy.statements if s.effect == "Deny"))


def meet(candidates: Mapping[Grant, Sequence[AccessRequest]], policies: Sequence[Policy]) -> list[Grant]:
    """Grants inside today's policies that cover all the candidates' requests that today's policies allow.

    Args:
        candidates: grant -> the observed requests it was made for, each allowed today.
        policies: today's identity policies.
    """
    statements = allow_statements(policies)
    found: list[Grant] = []
    for grant, requests in candidates.items():
        concerned = [s for s in statements if overlaps_statement(grant, s)]
        found += _meet_one(grant, requests, concerned)
    return found


def _meet_one(
    grant: Grant, requests: Sequence[AccessRequest], statements: Sequence[Statement]
) -> list[Grant]:
    whole = [
        (s, under)
        for s in statements
        if (under := _under(grant, s)) is not None and under.inside_statement(s)
    ]
    if free := next((under for s, under in whole if not s.conditions), None):
        return [free]
    found: list[Grant] = []
    rest = [s for s in statements if all(s is not one for one, _ in whole)]
    for request in requests:
        certain = [under for s, under in whole if _allows(s, request, certainly=True)]
        # Where it is not known which of several statements allowed the call, each may have: all are kept.
        maybe = [under for s, under in whole if _allows(s, request)]
        found += certain or _cut(grant, request, rest, maybe)
    return list(dict.fromkeys(found))


def _under(grant: Grant, statement: Statement) -> Grant | None:
    """The grant under a statement's conditions as well, or None where the two cannot be written together."""
    merged = merge_conditions(grant.conditions, statement.conditions)
    return None if merged is None else Grant(grant.action, grant.resource, merged, grant.excluded)


def _cut(
    grant: Grant, request: AccessRequest, statements: Sequence[Statement], maybe: list[Grant]
) -> list[Grant]:
    """The grant cut to a statement that allows the request for certain, else to each that may have.

    `maybe` are grants that need no cut, under conditions that the record does not decide.
    """
    for statement in sorted(statements, key=lambda s: bool(s.conditions)):
        if not _allows(statement, request):
            continue
        piece = _piece(grant, request, statement)
        if piece and _allows(statement, request, certainly=True):
            return [piece]
        maybe += [piece] if piece else []
    return maybe


def _piece(grant: Grant, request: AccessRequest, statement: Statement) -> Grant | None:
    under = _under(grant, statement)
    if under is None:
        return None
    pieces = (Grant(grant.action, one, under.conditions) for one in _pieces(grant, request, statement))
    return next((piece for piece in pieces if piece.inside_statement(statement)), None)


def own_grants(request: AccessRequest, policies: Iterable[Policy]) -> list[Grant]:
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


def merge_conditions(own: Conditions, other: Conditions) -> Conditions | None:
    """Both blocks at once; None where one operator has one key with values that cannot be joined.

    Two StringEquals on one key meet in the values they share; for other operators only equal values do.
    """
    block: dict[str, dict[str, tuple[str, ...]]] = {op: dict(keys) for op, keys in own}
    for operator, keys in other:
        mine = block.setdefault(operator, {})
        names = {key.lower(): key for key in mine}
        for key, values in keys:
            key_ = names.get(key.lower(), key)
            if key_ not in mine or mine[key_] == values:
                mine[key_] = values
            elif operator == "StringEquals" and (shared := tuple(v for v in mine[key_] if v in values)):
                mine[key_] = shared
            else:
                return None
    return conditions_of(block)
