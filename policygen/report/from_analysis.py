"""From an analysis to a plan with its screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policygen.plan.model import Plan
    from policygen.rightsize.analysis import Analysis


def plan_from_analysis(analysis: Analysis) -> Plan:
    """The plan of an analysis, with its screen."""
    from policygen.plan.build import build_plan_document
    from policygen.plan.io import parse_plan
    from policygen.report.terminal.changes import ChangeSummary
    from policygen.report.terminal.screen import render_screen

    told = ChangeSummary(analysis.suggestion)
    made = parse_plan({**build_plan_document(analysis), "screen": render_screen(analysis, told)})
    made.alike = told.groups  # of the same changes
    return made
