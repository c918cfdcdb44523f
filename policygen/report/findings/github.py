"""Findings as workflow commands of GitHub Actions, which become annotations on the lines.

Source: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from policygen.gate import Finding
from policygen.report.findings import Report
from policygen.text import printable

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def render(report: Report) -> str:
    """A line a finding, then the verdict as a plain line."""
    lines = [_line(one) for one in report.findings]
    verdict = f"{report.failed} of {len(report.findings)} fail the gate" if report.failed else "gate passed"
    return "\n".join([*lines, f"policygen {printable(report.role)}: {verdict}"]) + "\n"


def _line(one: Finding) -> str:
    place = f"file={_property(one.file)},line={one.place.line},col={one.place.column}"
    title = _property(f"{one.rule.id} {one.rule.title}")
    return (
        f"::{_COMMANDS[one.level]} {place},title={title}::"
        f"{_data(printable(f'{one.subject}: {one.message}. Fix: {one.fix}.'))}"
    )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(printable(text)).replace(":", "%3A").replace(",", "%2C")
