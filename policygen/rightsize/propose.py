"""The smallest documents for what was observed and what is kept: the fourth stage of a suggestion."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import ceil
from typing import NamedTuple

from policygen.errors import GateError
from policygen.iam.arn import service_of
from policygen.iam.document import Policy, Statement, allow_statements, deny_statements
from policygen.iam.grants import Grant, cover_matrix, maximal, minimal_cover
from policygen.iam.request import AccessRequest
from policygen.rightsize.assess.proof import redundant_grants
from policygen.rightsize.generate.intersect import NarrowedGrant, trim_denies
from policygen.rightsize.generate.pack import INLINE_LIMIT, name_statements, pack, statements_of
from policygen.rightsize.generate.wildcards import by_wildcards
from policygen.rightsize.keep.model import KeepResult
from policygen.rightsize.keep.widen import crowded_services, keep_whole

_STEPS = 4
"""Steps in which services are kept whole until the rest fits."""


class Proposal(NamedTuple):
    """The new policies."""

    policies: tuple[Policy, ...]
    grants: Mapping[Grant, tuple[AccessRequest, ...]]
    """Each grant and the observed requests it is for."""
    narrowed: Sequence[NarrowedGrant]
    """Denies that had to be shortened."""


class Demanded(NamedTuple):
    """What the documents must allow, and stay inside of."""

    requests: Sequence[AccessRequest]
    """The observed requests that the documents must allow."""
    observed: Sequence[Grant]
    """The grants for them."""
    seen_actions: Collection[str]
    """Actions of all observed requests, about which a Deny may be."""
    bounds: Sequence[Policy] | None
    """The current identity policies; None where they are not known."""


def propose(
    demanded: Demanded,
    kept: KeepResult,
    may_stay: Mapping[str, Sequence[Statement]],
    names: tuple[str, str],
) -> tuple[Proposal, KeepResult]:
    """Write the documents; where they do not fit into IAM's quotas, keep the largest services whole until they do.

    Args:
        demanded: what was observed.
        kept: what is kept without evidence.
        may_stay: action -> the current Allow statements that grant it, for the services that may stay whole because no
            decision drops a part of them.
        names: of one inline policy, and of several managed ones.

    Returns:
        The documents, and the keeps that they hold.

    Raises:
        GateError: PG-E402, they do not fit even so.
    """
    try:
        return _proposal(demanded, kept, names), kept
    except GateError:
        services = {service_of(action) for action in may_stay}
        crowded = [
            one for one in crowded_services(kept, [keep.grant for keep in kept.keeps]) if one in services
        ]
        for step in range(1, _STEPS + 1):
            chosen = crowded[: ceil(len(crowded) * step / _STEPS)]
            wider = keep_whole(kept, may_stay, chosen)
            try:
                return _proposal(demanded, wider, names), wider
            except GateError:
                continue
        raise


def _proposal(demanded: Demanded, kept: KeepResult, names: tuple[str, str]) -> Proposal:
    kept_grants = [keep.grant for keep in kept.keeps]
    matrix = cover_matrix(maximal([*demanded.observed, *kept_grants]), demanded.requests)
    grants = minimal_cover(matrix, kept_grants)
    actions = (*(grant.action for grant in grants), *demanded.seen_actions)
    denies, shortened = trim_denies(deny_statements(demanded.bounds or ()), actions)
    policies = _documents(grants, demanded.requests, kept_grants, denies, demanded.bounds, names)
    return Proposal(policies, {grant: tuple(matrix.requests_by_grant[grant]) for grant in grants}, shortened)


def _documents(
    grants: Sequence[Grant],
    requests: Sequence[AccessRequest],
    kept: Sequence[Grant],
    denies: Sequence[Statement],
    bounds: Sequence[Policy] | None,
    names: tuple[str, str],
) -> tuple[Policy, ...]:
    """Write the documents; where kept actions do not fit by name, write them by the current policies' patterns."""
    statements = name_statements([*statements_of(grants), *denies])
    if bounds is None or Policy(tuple(statements)).size <= INLINE_LIMIT:
        return pack(statements, *names)
    fixed = set(kept)
    patterns = by_wildcards([grant for grant in grants if grant in fixed], allow_statements(bounds))
    shorter = [grant for grant in grants if grant not in fixed] + patterns
    # A pattern of one statement may match names of another, which are then redundant.
    while (redundant := next(redundant_grants(shorter, requests, kept), None)) is not None:
        shorter.remove(redundant)
    return pack(name_statements([*statements_of(shorter), *denies]), *names)
