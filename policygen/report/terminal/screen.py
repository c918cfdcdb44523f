"""Renders a plan as a screen: the answer in at most 50 lines; or all details, where they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

from policygen.plan.model import Plan
from policygen.report.terminal.apply_list import apply_lines
from policygen.report.terminal.layout import WIDTH, Layout, finished
from policygen.report.terminal.needed import render_needed
from policygen.report.terminal.next_steps import render_next
from policygen.report.terminal.notices import render_notices
from policygen.report.terminal.replay import render_replay
from policygen.report.terminal.verdict import render_head, render_proof, render_verdict

_DENIED = 3
"""Permissions missing in the replay that the summary lists."""


def render(plan: Plan, *, show_all: bool = False, ascii_only: bool = False, width: int = WIDTH) -> str:
    """Return the screen of a plan.

    Args:
        plan: what to show.
        show_all: list every service, question, finding and record in place of the summary.
        ascii_only: for terminals without Unicode.
        width: columns.
    """
    layout = Layout(width)
    body = _details if show_all else _summary
    lines = [
        *render_head(plan, layout),
        *render_verdict(plan, layout),
        "",
        *body(plan, layout),
        *([""] if show_all else []),
        *apply_lines(plan, width, show_all=show_all),
        *render_next(plan, layout, show_all=show_all),
        "Nothing in AWS was changed.",
    ]
    return finished(lines, ascii_only=ascii_only)


def _details(plan: Plan, layout: Layout) -> Iterator[str]:
    from policygen.report.terminal.details import render_details

    return render_details(plan, layout)


def _summary(plan: Plan, layout: Layout) -> Iterator[str]:
    yield from render_needed(plan, layout)
    yield from render_notices(plan, layout)
    yield from render_replay(plan, layout, "Replay  ", _DENIED)
    yield from render_proof(plan, layout)
