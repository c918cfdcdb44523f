"""Renders the replay of a plan: what a policy made like it, but earlier, would have denied."""

from __future__ import annotations

from collections.abc import Iterator

from policygen.plan.model import Plan
from policygen.report.terminal.layout import Layout
from policygen.report.wording import places
from policygen.text import pluralize

_ROOM = 48
"""Columns of the names of resources."""


def render_replay(plan: Plan, layout: Layout, lead: str, listed: int | None = None) -> Iterator[str]:
    """Render the replay, and the permissions that were missing; nothing for an older plan.

    Args:
        plan: what to show.
        layout: the width.
        lead: what the first line begins with.
        listed: most permissions that are listed; None for all.
    """
    if plan.replay is None:
        return
    indent, found = " " * len(lead), plan.replay.denied_by
    yield from layout.wrapped(lead, plan.replay.sentence)
    for use in found[:listed]:
        where = places(use.resources, _ROOM, plan.role.account)
        on = "" if where == "*" else f" on {where}"
        yield from layout.wrapped(
            f"{indent}  ", f"{use.action}{on}: {pluralize(use.calls, 'call')}, {use.why}", f"{indent}    "
        )
    if listed is not None and len(found) > listed:
        yield f"{indent}  and {len(found) - listed:,} more (--details)"
