"""Whether constraints on names leave any of the names that a pattern stands for.

A call whose record does not name the whole resource stands for one unknown name of a pattern. Policies refuse the call
for certain only if they refuse each of these names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from policygen.iam import arn
from policygen.iam.pattern import Budget, Wild

_PIECES = 300  # parts of a pattern, and cuts of one, that one question looks at


class NameSet(NamedTuple):
    """The names that one of some patterns matches; with `negated`, the names that none of them matches."""

    patterns: tuple[str, ...]
    negated: bool = False
    outside: tuple[str, ...] = ()
    """Patterns whose names are not in the set all the same."""


class Constraint(NamedTuple):
    """What a name must meet."""

    inside: tuple[NameSet, ...] | None = None
    """Sets of names in one of which it must be; None where it may be anywhere."""
    outside: tuple[str, ...] = ()
    """Patterns that must not match it."""


def may_remain(pattern: str, constraints: Sequence[Constraint]) -> bool:
    """Whether a name that a pattern matches may meet all constraints.

    False is proven. True is also the answer where the proof is not found: a pattern cannot be cut exactly, has a policy
    variable without a value, or the search was given up.
    """
    outside = tuple(one for constraint in constraints for one in constraint.outside if _is_exact(one))
    stages = [constraint.inside for constraint in constraints if constraint.inside is not None]
    return _remains(pattern, outside, stages, Budget(_PIECES))


def _remains(
    pattern: str, outside: tuple[str, ...], stages: Sequence[tuple[NameSet, ...]], budget: Budget
) -> bool:
    if not budget.spend(1):
        return True
    outside = tuple(one for one in outside if arn.overlaps(one, pattern))
    if outside and arn.contained_in_union(pattern, outside):
        return False
    if not stages:
        return True
    stage, *later = stages
    for names in stage:
        without = (*outside, *(one for one in names.outside if _is_exact(one)))
        if names.negated:
            more = tuple(one for one in names.patterns if _is_exact(one))
            if _remains(pattern, (*without, *more), later, budget):
                return True
            continue
        for own in names.patterns:
            if not arn.overlaps(pattern, own):
                continue
            if not budget.spend(1):
                return True
            pieces = arn.intersect(pattern, own)
            if any(_remains(p, without, later, budget) for p in ((pattern,) if pieces is None else pieces)):
                return True
    return False


def _is_exact(pattern: str) -> bool:
    """Whether a pattern has no policy variable whose value is unknown."""
    return Wild.VARIABLE not in arn.resource_glob(pattern).tokens
