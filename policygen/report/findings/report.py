"""Findings on policies, one file per output format; each renders reports, of a policy or of a plan, to text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal

from policygen.report.formats import require_format
from policygen.text import pluralize

if TYPE_CHECKING:
    from policygen.rightsize.check.findings import Finding, Level

FORMATS: Mapping[str, str] = {
    name: f"policygen.report.findings.{name}"
    for name in ("text", "json", "markdown", "sarif", "junit", "github")
}
"""Name -> module with a function ``render(*reports) -> str``; `text`, `json` and `markdown` take one report."""


@dataclass(frozen=True, slots=True)
class FindingsReport:
    """What was found, and what it rests on."""

    role: str
    account: str
    findings: Sequence[Finding]
    files: Sequence[str]
    fail_on: Level | None
    """None where no finding fails."""
    failed: int
    """Findings at or above it."""
    days: int
    days_with_events: int
    last: str
    """Time of the role's last event, ISO 8601 in UTC."""
    command: Literal["check", "suggest"] = "check"
    """Whose findings they are: of the gate on a policy, or of a plan on today's policies."""

    @property
    def verdict(self) -> str:
        """What the findings come to, in words that are true of a gate and of a plan."""
        found = pluralize(len(self.findings), "finding")
        if self.fail_on is None or not self.findings:
            return found
        return f"{found}, {self.failed:,} at or above {self.fail_on}"


def render(name: str, *reports: FindingsReport) -> str:
    """Reports in the named format; the text ends with a line break.

    Raises:
        UsageError: PG-E207, no such format.
    """
    return str(import_module(FORMATS[require_format(name, FORMATS)]).render(*reports))
