"""Whether constraints on names leave any of the names that a pattern stands for.

A call whose record does not name the whole resource stands for one unknown name of a pattern. Policies refuse the call
for certain only if they refuse each of these names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from policygen.iam import arn
from policygen.iam.pattern import StepBudget, Wild

_PIECES = 300  # parts of a pattern, and cuts of one, that one question looks at


class NameSet(NamedTuple):
    """The names that one of some patterns matches; with `negated`, the names that none of them matches."""

    patterns: tuple[str, ...]
    negated: bool = False
    outside: tuple[str, ...] = ()
    """Patterns whose names are not in the set all the same."""
    within: tuple[tuple[str, ...], ...] = ()
    """Lists of patterns; a name must also match one of each list."""


class Constraint(NamedTuple):
    """What a name must meet."""

    inside: tuple[NameSet, ...] | None = None
    """Sets of names in one of which it must be; None where it may be anywhere."""
    outside: tuple[str, ...] = ()
    """Patterns that must not match it."""


def may_remain(pattern: str, constraints: Sequence[Constraint]) -> bool:
    """Whether a name that a pattern matches may meet all constraints.

    False is proven. True is also the answer where the proof is not found: a pattern cannot be cut exactly, or the
    search was given up. A policy variable without a value may have any.
    """
    outside = tuple(one for constraint in constraints for one in constraint.outside if _is_exact(one))
    stages = [constraint.inside for constraint in constraints if constraint.inside is not None]
    return _remains(pattern, outside, stages, StepBudget(_PIECES))


def _remains(
    pattern: str, outside: tuple[str, ...], stages: Sequence[tuple[NameSet, ...]], budget: StepBudget
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
        rest = [*((NameSet(patterns),) for patterns in names.within), *later]
        if names.negated:
            more = tuple(one for one in names.patterns if _is_exact(one))
            if _remains(pattern, (*without, *more), rest, budget):
                return True
            continue
        for own in names.patterns:
            if not arn.overlaps(pattern, own):
                continue
            if not budget.spend(1):
                return True
            if any(_remains(piece, without, rest, budget) for piece in _in_common(pattern, own)):
                return True
    return False


def _in_common(a: str, b: str) -> tuple[str, ...]:
    """Return patterns that match every name that two patterns may both match; `a` itself where none are found."""
    pieces = arn.intersect(a, b)
    if pieces is None:  # a policy variable may have any value
        pieces = arn.intersect(arn.with_any_values(a), arn.with_any_values(b))
    return (a,) if pieces is None else pieces


def _is_exact(pattern: str) -> bool:
    """Whether a pattern has no policy variable whose value is unknown."""
    return Wild.VARIABLE not in arn.resource_glob(pattern).tokens
