"""A report of findings, on policies or of a plan, and the formats in which it is rendered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from policygen.report.formats import FORMATS as PLAN_FORMATS
from policygen.report.formats import Format, require_format
from policygen.text import pluralize

if TYPE_CHECKING:
    from policygen.rightsize.check.findings import Finding, Level

FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        Format("text", "policygen.report.findings.text:render"),
        Format("json", "policygen.report.findings.json:render"),
        Format("markdown", "policygen.report.findings.markdown:render"),
        *(one for one in PLAN_FORMATS.values() if one.findings),
    )
}
"""Name -> format of a report, in the order in which help lists them; a plan has other modules for the first three."""


@dataclass(frozen=True, slots=True)
class FindingsReport:
    """The findings, and the evidence behind them."""

    role: str
    account: str
    findings: Sequence[Finding]
    files: Sequence[str]
    fail_on: Level | None
    """The level from which on findings fail; None where none fails."""
    failed: int
    """Findings at or above that level."""
    days: int
    days_with_events: int
    last: str
    """The time of the role's last event, ISO 8601 in UTC."""
    command: Literal["check", "suggest"] = "check"
    """The command that found them: the gate on policies, or a plan on today's policies."""

    @property
    def verdict(self) -> str:
        """The number of findings, and of those that fail, in words that fit a gate and a plan."""
        number = pluralize(len(self.findings), "finding")
        if self.fail_on is None or not self.findings:
            return number
        return f"{number}, {self.failed:,} at or above {self.fail_on}"


def render(name: str, report: FindingsReport) -> str:
    """Return a report in the named format; the text ends with a line break.

    Raises:
        UsageError: PG-E207, no such format.
    """
    return FORMATS[require_format(name, FORMATS)].render([report])
