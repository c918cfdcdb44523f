"""Plans as JUnit XML, for test reports: a suite a role; what nobody can tell is skipped."""

from __future__ import annotations

from collections.abc import Sequence

from policygen.plan.model import Plan
from policygen.report.findings import junit
from policygen.report.findings.from_plan import findings_from_plan


def render(plan: Plan, **_: bool) -> str:
    """The findings of one plan."""
    return render_all([plan])


def render_all(plans: Sequence[Plan], **_: bool) -> str:
    """The findings of several plans in one document."""
    return junit.render(*map(findings_from_plan, plans))
