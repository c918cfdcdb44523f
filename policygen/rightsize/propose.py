"""The smallest documents for what was observed and what is kept: the fourth stage of a suggestion."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from math import ceil
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from policygen.errors import GateError
from policygen.iam.cover import cover_matrix, minimal_cover
from policygen.iam.document import Policy, Statement, allow_statements, deny_statements
from policygen.iam.grants import Grant, GrantIndex, maximal
from policygen.iam.request import AccessRequest
from policygen.rightsize.assess.proof import redundant_grants
from policygen.rightsize.generate.intersect import NarrowedGrant, trim_denies
from policygen.rightsize.generate.pack import (
    INLINE_LIMIT,
    MANAGED_COUNT,
    MANAGED_LIMIT,
    name_statements,
    pack,
    statements_by_resource,
    statements_of,
)
from policygen.rightsize.generate.wildcards import Patterns, Spares
from policygen.rightsize.keep.model import Keep, KeepResult
from policygen.rightsize.keep.unverified import Parted
from policygen.rightsize.keep.widen import barred_actions, crowded_statements, keep_besides, whole

_PRICES = (64, 16, 4, 1, 0)
"""Characters to save for each action that a pattern matches though it could go, one after the other until it fits."""
_STEPS = 4
"""Steps in which whole statements stay until the rest fits."""


class Proposal(msgspec.Struct, frozen=True):
    """The new policies."""

    policies: tuple[Policy, ...]
    grants: Mapping[Grant, tuple[AccessRequest, ...]]
    """Each grant and the observed requests it is for."""
    narrowed: Sequence[NarrowedGrant]
    """Denies that had to be shortened."""


_NOTHING = Proposal((), {}, ())


class Demanded(msgspec.Struct, frozen=True):
    """What the documents must allow, and stay inside of."""

    requests: Sequence[AccessRequest]
    """The observed requests that the documents must allow."""
    observed: Sequence[Grant]
    """The grants for them."""
    seen_actions: Collection[str]
    """Actions of all observed requests, about which a Deny may be."""
    bounds: Sequence[Policy] | None
    """The current identity policies; None where they are not known."""
    with_denies: bool = True
    """Whether the documents carry the current Denies over."""


class Naming(NamedTuple):
    """What the documents are called, and how many there may be."""

    inline: str
    """The name of one inline policy."""
    managed: str
    """The name of managed policies, to which their number is added where there are several."""
    may_be_inline: bool = True
    most: int | None = None
    """Managed policies that there may be; None for IAM's default quota."""

    @property
    def limit(self) -> int:
        """Characters of one document."""
        return INLINE_LIMIT if self.may_be_inline else MANAGED_LIMIT


class Today(msgspec.Struct, frozen=True):
    """What the current policies grant."""

    actions: Mapping[str, Sequence[Statement]]
    """Action -> the Allow statements that grant it."""
    may_stay: Mapping[str, Sequence[Statement]]
    """The actions among them about which no drop rule is."""


def propose(
    demanded: Demanded, kept: KeepResult, today: Today, naming: Naming
) -> tuple[Proposal, KeepResult]:
    """Write the documents; where they do not fit into IAM's quotas, keep more than is asked for until they do.

    Args:
        demanded: what was observed.
        kept: what is kept without evidence.
        today: what the current policies grant.
        naming: what the documents are called.

    Returns:
        The documents, and the keeps that they hold.

    Raises:
        GateError: PG-E402, they do not fit even so.
    """
    refused: GateError | None = None
    for wider in wider_keeps(demanded, kept, today):
        try:
            return _proposal(demanded, wider, naming), wider
        except GateError as error:
            refused = refused or error
    raise refused or GateError("no policy", code="PG-E402")


class ProposalInParts(msgspec.Struct, frozen=True):
    """Policies for what is needed, and policies of their own for what is unverified."""

    needed: Proposal
    """It holds no unverified permission, but for those without which it does not fit."""
    needed_keeps: KeepResult
    unverified: Proposal
    unverified_keeps: tuple[Keep, ...]

    @property
    def kept(self) -> KeepResult:
        """What both hold without evidence."""
        keeps = {keep.grant: keep for keep in (*self.unverified_keeps, *self.needed_keeps.keeps)}
        return replace(self.needed_keeps, keeps=tuple(keeps[grant] for grant in sorted(keeps)))


def propose_in_parts(demanded: Demanded, parted: Parted, today: Today, naming: Naming) -> ProposalInParts:
    """Write what is needed and what is unverified as documents apart, all of them managed policies.

    The first ones suffice for all that is needed, so that the others can be detached.

    Args:
        demanded: what was observed.
        parted: what is kept without evidence, parted by whether it is unverified.
        today: what the current policies grant.
        naming: what the documents are called; those of the unverified part get a word more.

    Raises:
        GateError: PG-E402, they do not fit into IAM's quotas.
    """
    needed, kept = _NOTHING, parted.kept
    if demanded.observed or kept.keeps:
        needed, kept = propose(demanded, kept, today, naming._replace(may_be_inline=False))
    held = GrantIndex([*demanded.observed, *(keep.grant for keep in kept.keeps)])
    rest = tuple(keep for keep in parted.unverified if not any(held.containing(keep.grant)))
    if not rest:
        return ProposalInParts(needed, kept, _NOTHING, ())
    apart = Naming(
        f"{naming.inline}-unverified",
        f"{naming.managed}-unverified",
        may_be_inline=False,
        most=MANAGED_COUNT - len(needed.policies),
    )
    alone = Demanded((), (), demanded.seen_actions, demanded.bounds, with_denies=not needed.policies)
    unverified, wider = propose(alone, replace(kept, keeps=rest), today, apart)
    return ProposalInParts(needed, kept, unverified, wider.keeps)


def wider_keeps(demanded: Demanded, kept: KeepResult, today: Today) -> Iterator[KeepResult]:
    """Yield what is kept, then the same with more and more of what could go, inside the current policies."""
    yield kept
    if demanded.bounds is None:
        return
    barred = barred_actions(kept, today.actions, today.may_stay)
    patterns = _patterns(demanded, kept)
    for price, by_exception in product(_PRICES, (False, True)):
        written = patterns.written(Spares(price, barred), by_exception=by_exception)
        if sum(map(_room, written)) < MANAGED_COUNT * MANAGED_LIMIT:
            yield keep_besides(kept, patterns.spare(written))
    crowded = crowded_statements(kept, today.may_stay)
    for step in range(1, _STEPS + 1):
        chosen = crowded[: ceil(len(crowded) * step / _STEPS)]
        yield keep_besides(kept, whole(chosen, today.may_stay, barred))


def _room(grant: Grant) -> int:
    """Return the characters that the actions of a grant take at least."""
    return sum(len(name) + len('"",') for name in grant.unless or (grant.action,))


def _patterns(demanded: Demanded, kept: KeepResult, grants: Sequence[Grant] | None = None) -> Patterns:
    kept_grants = [keep.grant for keep in kept.keeps]
    every = maximal([*demanded.observed, *kept_grants]) if grants is None else grants
    return Patterns(every, kept_grants, allow_statements(demanded.bounds or ()))


def _proposal(demanded: Demanded, kept: KeepResult, naming: Naming) -> Proposal:
    kept_grants = [keep.grant for keep in kept.keeps]
    matrix = cover_matrix(maximal([*demanded.observed, *kept_grants]), demanded.requests)
    grants = minimal_cover(matrix, kept_grants)
    actions = (*(grant.action for grant in grants), *demanded.seen_actions)
    bounds = demanded.bounds if demanded.with_denies else None
    denies, shortened = trim_denies(deny_statements(bounds or ()), actions)
    statements = name_statements([*statements_of(grants), *denies])
    if demanded.bounds is None or Policy(tuple(statements)).size <= naming.limit:
        policies = _packed(statements, naming)
    else:
        policies = _shortest(demanded, kept, grants, denies, naming)
    return Proposal(policies, {grant: tuple(matrix.requests_by_grant[grant]) for grant in grants}, shortened)


def _packed(statements: Sequence[Statement], naming: Naming, *, with_sids: bool = True) -> tuple[Policy, ...]:
    return pack(
        statements,
        naming.inline,
        naming.managed,
        with_sids=with_sids,
        inline=naming.may_be_inline,
        most=naming.most,
    )


def _shortest(
    demanded: Demanded,
    kept: KeepResult,
    grants: Sequence[Grant],
    denies: Sequence[Statement],
    naming: Naming,
) -> tuple[Policy, ...]:
    """Write the documents by the current policies' patterns: the most readable of one policy, else the fewest."""
    patterns = _patterns(demanded, kept, grants)
    kept_grants = [keep.grant for keep in kept.keeps]
    found: list[tuple[Policy, ...]] = []
    refused: list[GateError] = []
    before: list[Grant] = []
    for by_exception in (False, True):
        shorter = patterns.written(by_exception=by_exception)
        if shorter == before:
            continue
        before = shorter
        # A pattern of one statement may match names of another, which are then redundant.
        spare = set(redundant_grants(shorter, demanded.requests, kept_grants))
        left = [grant for grant in shorter if grant not in spare]
        for statements in (statements_of(left), statements_by_resource(left)):
            for with_sids in (True, False):
                try:
                    named = name_statements([*statements, *denies])
                    found.append(_packed(named, naming, with_sids=with_sids))
                except GateError as error:
                    refused.append(error)
                    continue
                if len(found[-1]) == 1:
                    return found[-1]
                break
    if not found:
        raise refused[0]
    return min(found, key=len)
