"""Renders findings as one JSON object."""

from __future__ import annotations

import json

from policygen.report.findings.report import FindingsReport
from policygen.text import visible_json


def render(report: FindingsReport) -> str:
    """Return one object with sorted keys."""
    document = {
        "role": report.role,
        "account": report.account,
        "files": list(report.files),
        "fail_on": report.fail_on or "never",
        "failed": report.failed,
        "days": report.days,
        "days_with_events": report.days_with_events,
        "last": report.last,
        "findings": [
            {
                "rule": finding.rule.id,
                "level": finding.level,
                "against": finding.against,
                "title": finding.rule.title,
                "subject": finding.subject,
                "resource": finding.resource,
                "message": finding.message,
                "fix": finding.fix,
                "file": finding.file,
                "line": finding.place.line,
                "column": finding.place.column,
            }
            for finding in report.findings
        ],
    }
    return visible_json(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False)) + "\n"
