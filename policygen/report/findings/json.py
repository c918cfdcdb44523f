"""Renders findings as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from policygen.gate.report import FindingsReport, files_without_role
from policygen.text import visible_json


def render(reports: Sequence[FindingsReport]) -> str:
    """Return an object for one role, or ``{"reports": [...]}`` for several; keys are sorted.

    ``unnamed`` stands in it where there are policy files that no role of the configuration has.
    """
    documents = [_object(report) for report in reports]
    document: dict[str, Any] = documents[0] if len(documents) == 1 else {"reports": documents}
    if unnamed := files_without_role(reports):
        document["unnamed"] = unnamed
    return visible_json(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False)) + "\n"


def _object(report: FindingsReport) -> dict[str, Any]:
    return {
        "role": report.role,
        "account": report.account,
        "files": list(report.files),
        "fail_on": report.fail_on or "never",
        "failed": report.failed,
        "days": report.days,
        "days_with_events": report.days_with_events,
        "gaps": report.gaps,
        "last": report.last,
        "plan": report.plan,
        "origin": report.origin,
        "error": report.error,
        "planned": not report.unplanned,
        "next": list(report.next),
        "unchecked": list(report.unchecked),
        "baseline": {
            "file": report.baseline,
            "accepted": report.known,
            "gone": report.gone,
            "before": report.before,
            "newly_accepted": list(report.newly),
        },
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
