"""The formats in which findings are rendered: those about policies, and those about a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from policygen.report.formats import FORMATS as PLAN_FORMATS
from policygen.report.formats import Format, require_format

if TYPE_CHECKING:
    from policygen.gate.report import FindingsReport

FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        Format("text", "policygen.report.findings.text:render", many=True),
        Format("json", "policygen.report.findings.json:render", many=True),
        Format("markdown", "policygen.report.findings.markdown:render", many=True),
        *(one for one in PLAN_FORMATS.values() if one.findings),
    )
}
"""Name -> format of a report, in the order in which help lists them; a plan has other modules for the first three."""


def render(name: str, *reports: FindingsReport) -> str:
    """Return reports in the named format; the text ends with a line break.

    Raises:
        UsageError: PG-E207, no such format; PG-E281, more reports than the format can hold.
    """
    # Late: the help of `check` lists the formats and judges nothing.
    from policygen.gate.report import failed_first

    in_order = failed_first(reports) if name == "github" else reports
    return FORMATS[require_format(name, FORMATS)].render(in_order)
