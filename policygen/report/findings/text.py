"""Renders findings for a terminal, 80 columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from policygen.report.findings.report import FindingsReport
from policygen.report.terminal.layout import wrapped
from policygen.report.wording import minute
from policygen.rightsize.check.findings import LEVELS, Finding
from policygen.text import escape_controls, pluralize


def render(report: FindingsReport) -> str:
    """Return each finding in a few lines, then the verdict."""
    lines = [line for finding in report.findings for line in (*_finding(finding), "")]
    return "\n".join(escape_controls(line) for line in (*lines, *_verdict(report))) + "\n"


def _finding(finding: Finding) -> Iterator[str]:
    yield from wrapped("", f"{finding.level} {finding.rule.id} {finding.rule.title}: {finding.subject}", "  ")
    yield f"  --> {finding.file}:{finding.place.line}:{finding.place.column}"
    yield from wrapped("  ", finding.message)
    if not finding.against:
        yield from wrapped("  ", "not against the policy: the suggestion for this role has it too")
    yield from wrapped("  fix: ", finding.fix)


def _verdict(report: FindingsReport) -> Iterator[str]:
    counts = Counter(finding.level for finding in report.findings)
    by_level = ", ".join(pluralize(counts[level], level) for level in reversed(LEVELS) if counts[level])
    yield from wrapped(
        "",
        f"{pluralize(len(report.findings), 'finding')} in {pluralize(len(report.files), 'file')}"
        f"{f': {by_level}' if by_level else ''}; evidence {report.days_with_events}/{report.days} days, "
        f"last call {minute(report.last)}",
        "  ",
    )
    if report.fail_on is None:
        yield "gate passed: no finding fails it (--fail-on never)"
    elif report.failed:
        yield f"gate failed: {report.failed:,} at or above --fail-on {report.fail_on} (exit 1)"
    else:
        yield f"gate passed: none at or above --fail-on {report.fail_on}"
