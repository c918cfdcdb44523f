"""Renders what a person dropped of the unverified permissions: with a reason that stands in the file, and without."""

from __future__ import annotations

from collections.abc import Iterator

from policygen.plan.model import Plan
from policygen.report.notices.dropped import SETTLE, settling_rule, unsettled
from policygen.report.terminal.layout import Layout


def render_dropped(plan: Plan, layout: Layout) -> Iterator[str]:
    """List all unverified permissions that were dropped, each with why, and what settles the others."""
    settled = [one for one in plan.decisions.ruled_out if one.settled]
    decided = [(f"{one.action}, by {one.rule}", one.reason) for one in settled]
    yield from layout.entries(f"Unverified, and dropped by a decision ({len(settled)})", "=", decided)
    dropped = unsettled(plan)
    loose = [(action, sign or "nobody wrote why") for action, sign in dropped.items()]
    yield from layout.entries(f"Unverified, and dropped without being settled ({len(loose)})", "!", loose)
    if rule := settling_rule(plan):
        yield from layout.wrapped("  ", SETTLE)
        yield from (f"    {line}" for line in rule.splitlines())
