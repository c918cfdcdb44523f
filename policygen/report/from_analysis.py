"""From an analysis to a plan with its screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policygen.plan.model import Plan
    from policygen.rightsize.analysis import Analysis


def plan(analysis: Analysis) -> Plan:
    """The plan of an analysis, with its screen."""
    from policygen.plan.build import document_of
    from policygen.plan.io import plan_of
    from policygen.report.terminal.changes import Told
    from policygen.report.terminal.screen import draw

    told = Told(analysis.suggestion)
    made = plan_of({**document_of(analysis), "screen": draw(analysis, told)})
    made.alike = told.groups  # of the same changes
    return made
