"""Everything as JSON, for machines: the plan, but for the picture of the screen."""

from __future__ import annotations

from policygen.plan.io import plan_to_json
from policygen.plan.model import Plan


def render(plan: Plan, **_: bool) -> str:
    """The plan as one JSON object with sorted keys."""
    return plan_to_json({name: value for name, value in plan.document.items() if name != "screen"})
