"""Renders the steps that apply a plan, for the screen."""

from __future__ import annotations

import textwrap

from policygen.plan.model import Plan
from policygen.report.apply_steps import apply_steps, numbered_lines
from policygen.report.commands import script_of

_LEAD = "Apply"
_INDENT = " " * 8
_NAMED = 2
"""Most names of one kind in a step."""


def apply_lines(plan: Plan, width: int, *, show_all: bool = False) -> list[str]:
    """Return the numbered steps behind the word "Apply", and the command that takes them.

    Args:
        plan: the plan.
        width: columns of the screen.
        show_all: name every policy; else the first few of each kind, and how many there are more.
    """
    first, *others = numbered_lines(
        apply_steps(plan.apply_list, limit=None if show_all else _NAMED), width, _INDENT
    )
    if plan.apply_list.changes and not plan.unsaved:
        which = "or" if plan.apply_list.today_known else "step 1"
        by_script = f"{which} by the script below: bash {script_of(plan)} apply; undo takes it back"
        others += textwrap.wrap(by_script, width, initial_indent=_INDENT, subsequent_indent=_INDENT)
    return [f"{_LEAD}{first[len(_LEAD) :]}", *others]
