"""Renders findings as workflow commands of GitHub Actions, which become annotations on lines.

Sources: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
"""

from __future__ import annotations

from collections.abc import Iterator

from policygen.report.findings.report import FindingsReport
from policygen.rightsize.check.findings import Finding
from policygen.text import escape_controls

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def render(report: FindingsReport) -> str:
    """Return a line for each finding, the worst first, then the verdict; GitHub shows ten of a level and step."""
    return "".join(f"{line}\n" for line in _lines(report))


def _lines(report: FindingsReport) -> Iterator[str]:
    yield from map(_line, report.shown)
    # In a plain line the runner looks for commands of an older kind, at any position.
    told = "; ".join(
        filter(None, (report.verdict, report.accepted, f"not shown: {report.hidden}" * bool(report.hidden)))
    )
    yield f"policygen {escape_controls(report.role)}: {escape_controls(told)}".replace("##[", "# #[")


def _line(finding: Finding) -> str:
    place = f"file={_property(finding.file)},line={finding.place.line},col={finding.place.column}"
    title = _property(f"{finding.rule.id} {finding.rule.title}")
    return (
        f"::{_COMMANDS[finding.level]} {place},title={title}::"
        f"{_data(escape_controls(f'{finding.subject}: {finding.message}. Fix: {finding.fix}.'))}"
    )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(escape_controls(text)).replace(":", "%3A").replace(",", "%2C")
