"""Renders the gate's findings as the comment of a pull request."""

from __future__ import annotations

from policygen.report.findings.report import FindingsReport
from policygen.report.markdown.escape import Section, code, comment, fitted_section, marker, prose, row
from policygen.report.wording import minute
from policygen.rightsize.check.findings import Finding


def render(report: FindingsReport) -> str:
    """Return the verdict, then a table of findings, the worst first, cut at the limit of a comment."""
    verdict = "failed" if report.failed else "passed"
    files = ", ".join(map(code, report.files[:6])) + (
        f" and {len(report.files) - 6:,} more" if report.files[6:] else ""
    )
    head = [
        marker(report.command, report.account, report.role),
        f"### policygen: {code(report.role)} in {code(report.account)}: gate **{verdict}**",
        f"{report.verdict}, in {files}.",
        f"Evidence: {report.days_with_events} of {report.days} days, last call {prose(minute(report.last))}.",
    ]
    columns = [row("level", "rule", "finding", "where", "what", "fix"), row(*[":--"] * 6)]
    table = fitted_section(
        "Findings",
        [_row(finding) for finding in report.findings],
        opening="\n".join(columns),
        noun="finding",
        rest=f"{code('policygen check … -f json')} prints all",
        folded=False,
    )
    return comment([Section("\n\n".join(head)), *table])


def _row(finding: Finding) -> str:
    return row(
        finding.level,
        finding.rule.id,
        f"{prose(finding.rule.title)}: {code(finding.subject)}",
        code(f"{finding.file}:{finding.place.line}:{finding.place.column}"),
        prose(finding.message),
        prose(finding.fix),
    )
