"""Which grants cover which requests, and which grants can be left out."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import msgspec

from policygen.iam.conditions import Truth
from policygen.iam.grants import Grant, GrantIndex
from policygen.iam.request import AccessRequest


def minimal_cover(table: CoverMatrix, fixed: Iterable[Grant] = ()) -> list[Grant]:
    """Return a set of grants from which none can be left out without denying a request (1-minimal).

    A grant can be left out when each request that it covers is allowed by another grant for certain, or by another
    grant under the same conditions.

    Args:
        table: candidates in a stable order, and the observed requests that must stay covered.
        fixed: grants that stay whatever they cover.
    """
    kept = set(table.requests_by_grant)
    needed = set(fixed)
    for grant in sorted(table.requests_by_grant, key=lambda g: (len(table.requests_by_grant[g]), g)):
        if grant not in needed and table.sole_request(grant, kept) is None:
            kept.remove(grant)
    return [grant for grant in table.requests_by_grant if grant in kept]


class CoverMatrix(msgspec.Struct, frozen=True):
    """Which grants cover which requests."""

    index: GrantIndex
    """The grants."""
    requests_by_grant: dict[Grant, list[AccessRequest]]
    grants_by_request: dict[AccessRequest, dict[Grant, Truth]]

    def sole_request(self, grant: Grant, kept: set[Grant]) -> AccessRequest | None:
        """Return a request that no kept grant but `grant` allows; None where `grant` can be left out."""
        for request in self.requests_by_grant[grant]:
            others = (
                (other, truth)
                for other, truth in self.grants_by_request[request].items()
                if other in kept and other != grant
            )
            if not any(
                truth is Truth.TRUE or other.conditions == grant.conditions for other, truth in others
            ):
                return request
        return None


def cover_matrix(grants: Iterable[Grant], requests: Iterable[AccessRequest]) -> CoverMatrix:
    """Return the matrix of grants and requests."""
    return _cover_matrix(tuple(grants), tuple(requests))


@lru_cache(
    maxsize=2
)  # the proof asks again for that of the proposal: mostly the documents write the same grants
def _cover_matrix(grants: tuple[Grant, ...], requests: tuple[AccessRequest, ...]) -> CoverMatrix:
    requests_by_grant: dict[Grant, list[AccessRequest]] = {grant: [] for grant in grants}
    grants_by_request: dict[AccessRequest, dict[Grant, Truth]] = {}
    index = GrantIndex(requests_by_grant)
    for request in requests:
        grants_by_request[request] = index.covering(request)
        for grant in grants_by_request[request]:
            requests_by_grant[grant].append(request)
    return CoverMatrix(index, requests_by_grant, grants_by_request)
