"""The screen of a plan."""

from __future__ import annotations

from policygen.plan.model import Plan
from policygen.report.terminal.layout import in_ascii
from policygen.text import escape_controls


def render(plan: Plan, *, show_all: bool = False, ascii_only: bool = False) -> str:
    """The screen, as it was drawn when the plan was made.

    Args:
        plan: what to show.
        show_all: with every service and every resource; else the long lists are cut, with their number.
        ascii_only: for terminals without Unicode.
    """
    drawn = plan.screen.all if show_all else plan.screen.short
    text = "".join(f"{escape_controls(line)}\n" for line in drawn.splitlines())  # a file may hold anything
    return in_ascii(text) if ascii_only else text
