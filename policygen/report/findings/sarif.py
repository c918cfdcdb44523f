"""Findings as SARIF 2.1.0, as GitHub code scanning reads it.

Source: https://docs.github.com/en/code-security/reference/code-scanning/sarif-support-for-code-scanning
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from policygen.errors import UsageError
from policygen.report.findings.report import FindingsReport
from policygen.rightsize.check.findings import RULES, CheckRule, Finding
from policygen.text import escape_controls, visible_json
from policygen.version import VERSION

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_SEVERITY = {"error": "7.5", "warning": "5.0", "note": "1.0"}
LIMIT = 5_000
"""Results that GitHub shows of a run."""
RUNS = 20
"""Runs that GitHub takes in one file."""


def render(reports: Sequence[FindingsReport]) -> str:
    """A run a report; paths are as they were given, which in a repository means relative to its root.

    Raises:
        UsageError: PG-E281, more runs than GitHub takes.
    """
    if len(reports) > RUNS:
        raise UsageError(
            f"SARIF of {len(reports)} plans: GitHub refuses a file of more than {RUNS} runs",
            f"give {RUNS} plans a time, and upload each file",
            code="PG-E281",
        )
    found = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [_run(report) for report in reports]}
    return visible_json(json.dumps(found, indent=2, ensure_ascii=False)) + "\n"


def _run(report: FindingsReport) -> dict[str, Any]:
    names = list(RULES)
    # One category a role and a command, so that several do not replace each other's results.
    whose = "" if report.command == "check" else f"{report.command}/"
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "policygen",
                "semanticVersion": VERSION,
                "rules": [_rule(rule) for rule in RULES.values()],
            }
        },
        "automationDetails": {"id": f"policygen/{whose}{report.account}/{report.role}/"},
        "columnKind": "unicodeCodePoints",
        "results": [_result(report, one, names) for one in report.findings[:LIMIT]],
    }
    if len(report.findings) > LIMIT:
        run["properties"] = {"omitted": len(report.findings) - LIMIT}
    return run


def _rule(rule: CheckRule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.title.replace(",", "").replace("'", "").split()),
        "shortDescription": {"text": rule.title[0].upper() + rule.title[1:] + "."},
        "fullDescription": {"text": f"{rule.title[0].upper()}{rule.title[1:]}. {rule.help}"},
        "help": {"text": rule.help},
        "defaultConfiguration": {"level": rule.level},
        "properties": {"tags": ["security", "iam"], "security-severity": _SEVERITY[rule.level]},
    }


def _result(report: FindingsReport, one: Finding, names: list[str]) -> dict[str, Any]:
    place = {"startLine": one.place.line, "startColumn": one.place.column}
    known = escape_controls("\x1f".join((report.role, one.rule.id, one.key or one.subject, one.resource)))
    return {
        "ruleId": one.rule.id,
        "ruleIndex": names.index(one.rule.id),
        "level": one.level,
        "message": {"text": _literal(f"{one.rule.title}: {one.subject}. {one.message}. Fix: {one.fix}.")},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(one.file)},
                    "region": place,
                }
            }
        ],
        "partialFingerprints": {"policygen/v1": hashlib.sha256(known.encode()).hexdigest()},
    }


def _literal(text: str) -> str:
    """Text without placeholders (SARIF 2.1.0, 3.11.5) and embedded links (SARIF 3.11.6)."""
    return escape_controls(text).replace("{", "{{").replace("}", "}}").replace("](", "] (")


def _uri(name: str) -> str:
    path = PurePath(escape_controls(name))
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
