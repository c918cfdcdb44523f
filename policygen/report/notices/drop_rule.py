"""What dropping unverified actions does, and the table for policygen.toml that drops them for good."""

from __future__ import annotations

from collections.abc import Container, Iterable

from policygen.plan.model import Plan
from policygen.rightsize.question_rules import exact_drops, rule_text

LINES = 4
"""Lines of a table that the short screen has room for; the details have any."""


def parted(actions: Iterable[str], needed: Container[str]) -> tuple[set[str], set[str]]:
    """Part unverified actions into those that go when they are dropped, and those that are needed, on less."""
    narrowed = {action for action in actions if action.lower() in needed}
    return {*actions} - narrowed, narrowed


def drop_rule(plan: Plan, names: Iterable[str]) -> str:
    """Write the table that drops some unverified actions and nothing that is needed; "" for none."""
    spared = {action for action, why in plan.support.items() if why != "unverified"}
    patterns = exact_drops(sorted(names), spared)
    return rule_text("drop", [plan.role.name], patterns, "why nothing needs them") if patterns else ""
