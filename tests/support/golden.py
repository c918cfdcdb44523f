"""What an analysis looks like in each format."""

from __future__ import annotations

from policygen.report import formats as report
from policygen.report import from_analysis
from policygen.rightsize.analysis import Analysis


def rendered(name: str, analysis: Analysis, **options: bool) -> str:
    """What an analysis looks like in a format."""
    return report.render(name, from_analysis.plan(analysis), **options)
