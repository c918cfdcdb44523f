"""Renders the next commands: each is whole, and runs as it is pasted."""

from __future__ import annotations

from collections.abc import Iterator

from policygen.plan.model import Plan
from policygen.report.commands import EXPLAIN, of_role, script_of, show_command
from policygen.report.terminal.layout import Layout


def render_next(plan: Plan, layout: Layout, *, show_all: bool) -> Iterator[str]:
    """Render how to get the policy, why an action stays and, below the short screen, how to get the details."""
    for i, (purpose, command) in enumerate(next_commands(plan, show_all=show_all)):
        yield from layout.command(f"{'' if i else 'Next':<8}{purpose:<8}", command)


def next_commands(plan: Plan, *, show_all: bool = False) -> Iterator[tuple[str, str]]:
    """Yield purposes, and for each a command that can be pasted into the shell in which the plan was made."""
    yield "code", show_command(plan, "-f terraform")
    if not plan.unsaved:
        yield "script", show_command(plan, f"-f aws-cli > {script_of(plan)}")
    if plan.inputs is not None and (action := _puzzling(plan)):
        yield "why", f"policygen explain {action}{of_role(plan, EXPLAIN)}"
    if not show_all:
        yield "details", show_command(plan, "--details")


def _puzzling(plan: Plan) -> str:
    """Return the action that a reader may ask about first; "" for none.

    It is the riskiest unverified one, else one that a decision dropped unverified, else the most used.
    """
    if risky := [action for question in plan.questions for action in question.riskiest]:
        return risky[0]
    if dropped := plan.dropped_unverified:
        tried = {*plan.unverified.tried} | {one.action for one in plan.decisions.ruled_out if one.tried}
        return min(dropped, key=lambda action: (action not in tried, action))
    return max(plan.evidence.granted, key=lambda one: one.count).action if plan.evidence.granted else ""
