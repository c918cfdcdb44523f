"""Renders the steps that apply a plan, for the screen."""

from __future__ import annotations

import textwrap

from policygen.plan.model import Plan
from policygen.report.apply_steps import apply_steps

_LEAD = "Apply   "
_NAMED = 4
"""Most names of one kind in a step."""


def apply_lines(plan: Plan, width: int, *, show_all: bool = False) -> list[str]:
    """Return the numbered steps, below the word "Apply".

    Args:
        plan: the plan.
        width: columns of the screen.
        show_all: name every policy; else the first few of each kind, and how many there are more.
    """
    steps = apply_steps(plan, limit=None if show_all else _NAMED)
    lines: list[str] = []
    for number, step in enumerate(steps, 1):
        lead = _LEAD if number == 1 else " " * len(_LEAD)
        mark = f"{number}. " if len(steps) > 1 else ""
        lines += textwrap.wrap(
            step,
            width,
            initial_indent=f"{lead}{mark}",
            subsequent_indent=" " * len(f"{lead}{mark}"),
            break_long_words=False,
            break_on_hyphens=False,
        )
    return lines
