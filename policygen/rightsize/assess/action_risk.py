"""How risky a single action is: what a stranger could do with it, by the named risks and by IAM's access levels."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from policygen.iam import reference
from policygen.rightsize.assess.risk import rules

SHOWN = 3
"""Riskiest actions that are named."""
_FAMILIES = ("escalation", "exfiltration", "exposure")
_LEVELS = ("Permissions management", "Write", "Tagging", "Read", "List")


@cache
def risk_rank(action: str) -> int:
    """Rank an action by what a stranger could do with it; 0 is the riskiest.

    First the actions of the named risks, by family, then IAM's access levels.
    """
    for rank, family in enumerate(_FAMILIES):
        if action.lower() in _risky_actions()[family]:
            return rank
    known = reference.action(action)
    levels = [level.strip() for level in known.access_level.split(",")] if known else []
    ranks = [_LEVELS.index(level) for level in levels if level in _LEVELS]
    return len(_FAMILIES) + min(ranks, default=1)


def riskiest(actions: Iterable[str]) -> tuple[str, ...]:
    """Return the riskiest few of some actions, the riskiest first."""
    return tuple(sorted(actions, key=lambda name: (risk_rank(name), name))[:SHOWN])


@cache
def _risky_actions() -> dict[str, frozenset[str]]:
    return {
        family: frozenset(
            action.lower() for rule in rules() if rule.family == family for action in rule.actions
        )
        for family in _FAMILIES
    }
