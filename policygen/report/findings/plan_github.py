"""Plans as annotations of GitHub Actions."""

from __future__ import annotations

from policygen.plan.model import Plan
from policygen.report.findings import github
from policygen.report.findings.from_plan import findings_from_plan


def render(plan: Plan, **_: bool) -> str:
    """A line a finding, the worst first, then what they come to."""
    return github.render(findings_from_plan(plan))
