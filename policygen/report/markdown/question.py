"""Renders a question about unverified permissions for a comment: what answers it, and what drops it, to be pasted."""

from __future__ import annotations

from policygen.plan.model import Plan, PlanQuestion
from policygen.report.commands import answering_command
from policygen.report.markdown.escape import code_names, command_span, prose
from policygen.report.wording import drop_options, not_offered


def question_line(plan: Plan, one: PlanQuestion) -> str:
    """Return a question as an item of a list; its commands are whole."""
    how = f": {command_span(answering_command(plan, one.command))}" if one.command else ""
    drop = f" To drop them: {command_span(drop_options(one))}." if drop_options(one) else ""
    left = f" Not among these: {prose(not_offered(plan, one))}." if drop and not_offered(plan, one) else ""
    return (
        f"- **{prose(one.asks)}**. Riskiest: {code_names(one.riskiest)}. Why: {prose(one.why)}. "
        f"What answers it: {prose(one.answer)}{how}.{drop}{left}"
    )
