"""The gate's findings, one file per output format; each renders a `Report` to text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from policygen.errors import UsageError
from policygen.gate import Finding, Level
from policygen.text import printable

FORMATS: Mapping[str, str] = {
    name: f"policygen.report.findings.{name}" for name in ("text", "json", "sarif", "junit", "github")
}
"""Name -> module with a function ``render(report) -> str``."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the gate found, and what it rests on."""

    role: str
    account: str
    findings: Sequence[Finding]
    files: Sequence[str]
    fail_on: Level | None
    """None where no finding fails the gate."""
    failed: int
    """Findings at or above it."""
    days: int
    days_with_events: int
    last: str
    """Time of the role's last event, ISO 8601 in UTC."""


def render(name: str, report: Report) -> str:
    """The report in the named format; it ends with a line break.

    Raises:
        UsageError: PG-E207, no such format.
    """
    if name not in FORMATS:
        raise UsageError(
            f"no format {printable(name)!r}", f"there are: {', '.join(sorted(FORMATS))}", code="PG-E207"
        )
    return cast("Callable[[Report], str]", import_module(FORMATS[name]).render)(report)
