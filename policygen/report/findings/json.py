"""Renders findings as one JSON object."""

from __future__ import annotations

import json

from policygen.report.findings.report import FindingsReport
from policygen.text import visible_json


def render(report: FindingsReport) -> str:
    """Return one object with sorted keys."""
    found = {
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
                "rule": one.rule.id,
                "level": one.level,
                "title": one.rule.title,
                "subject": one.subject,
                "resource": one.resource,
                "message": one.message,
                "fix": one.fix,
                "file": one.file,
                "line": one.place.line,
                "column": one.place.column,
            }
            for one in report.findings
        ],
    }
    return visible_json(json.dumps(found, indent=2, sort_keys=True, ensure_ascii=False)) + "\n"
