"""What is accepted together with something: the same, and of what is granted all that is less.

A permission that is accepted on ``*`` is accepted on one bucket, under a condition, and on all but some buckets. What
breaks the role, and calls that are suspicious, are accepted as they were found and no further.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from policygen.gate.scope import read_scope
from policygen.iam.document import Statement
from policygen.iam.grants import Grant, inside_statements, is_pattern

Point = tuple[str, str, str]
"""Rule, subject in lower case, and where it holds, as `Finding.points` has them."""

_ABOUT = {
    "PG101": "permission",
    "PG102": "permission",
    "PG301": "permission",
    "PG103": "PG103",
    "PG105": "PG105",
    "PG107": "PG107",
    "PG109": "PG109",
    "PG112": "PG112",
    "PG401": "PG401",
}
"""Rules about what is granted -> what is accepted by them. Of a permission on less the reason can be another one."""


class Accepted:
    """A set of points, in which each point also stands for all that grants no more."""

    def __init__(self, points: Iterable[Point]) -> None:
        self._points = frozenset(points)
        self._named: dict[tuple[str, str], list[_OfGrant]] = {}
        self._wild: dict[str, list[_OfGrant]] = {}
        for granted in filter(None, map(_granted, self._points)):
            if is_pattern(granted.grant.action):
                self._wild.setdefault(granted.what, []).append(granted)
            else:
                self._named.setdefault((granted.what, granted.grant.action), []).append(granted)

    def __contains__(self, point: Point) -> bool:
        if point in self._points:
            return True
        asked = _granted(point)
        if asked is None:
            return False
        about = [*self._named.get((asked.what, asked.grant.action), ()), *self._wild.get(asked.what, ())]
        return inside_statements(asked.grant, [one.statement for one in about if one.denies <= asked.denies])


class _OfGrant(NamedTuple):
    """A point about what is granted."""

    what: str
    """What is accepted of it: the permission, or a risk by its name."""
    grant: Grant
    denies: frozenset[str]

    @property
    def statement(self) -> Statement:
        """A statement that grants it."""
        grant = self.grant
        resources = grant.excluded or (grant.resource,)
        return Statement("Allow", (grant.action,), resources, False, bool(grant.excluded), grant.conditions)


def _granted(point: Point) -> _OfGrant | None:
    """Return what a point is about; None where that is nothing that is granted, or not clear."""
    rule, subject, where = point
    scope = read_scope(where) if rule in _ABOUT else None
    if scope is None:
        return None
    risk, _, action = subject.rpartition(" ")
    grant = Grant(action, scope.resource, scope.conditions, scope.excluded)
    return _OfGrant(f"{_ABOUT[rule]} {risk}", grant, scope.denies)
