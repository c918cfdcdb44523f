"""Findings as SARIF 2.1.0, as GitHub code scanning reads it.

Source: https://docs.github.com/en/code-security/reference/code-scanning/sarif-support-for-code-scanning
"""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from policygen.gate import RULES, Finding, Rule
from policygen.report.findings import Report
from policygen.text import printable, visible_json
from policygen.version import VERSION

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_SEVERITY = {"error": "7.5", "warning": "5.0", "note": "1.0"}
LIMIT = 5_000
"""Results that GitHub shows of a run."""


def render(report: Report) -> str:
    """One run; paths are as they were given, which in a repository means relative to its root."""
    shown = report.findings[:LIMIT]
    names = list(RULES)
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "policygen",
                "semanticVersion": VERSION,
                "rules": [_rule(rule) for rule in RULES.values()],
            }
        },
        # One category a role, so that several roles do not replace each other's results.
        "automationDetails": {"id": f"policygen/{report.account}/{report.role}/"},
        "columnKind": "unicodeCodePoints",
        "results": [_result(report, one, names) for one in shown],
    }
    if len(report.findings) > LIMIT:
        run["properties"] = {"omitted": len(report.findings) - LIMIT}
    found = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return visible_json(json.dumps(found, indent=2, ensure_ascii=False)) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.title.replace(",", "").replace("'", "").split()),
        "shortDescription": {"text": rule.title[0].upper() + rule.title[1:] + "."},
        "fullDescription": {"text": f"{rule.title[0].upper()}{rule.title[1:]}. {rule.help}"},
        "help": {"text": rule.help},
        "defaultConfiguration": {"level": rule.level},
        "properties": {"tags": ["security", "iam"], "security-severity": _SEVERITY[rule.level]},
    }


def _result(report: Report, one: Finding, names: list[str]) -> dict[str, Any]:
    place = {"startLine": one.place.line, "startColumn": one.place.column}
    known = printable("\x1f".join((report.role, one.rule.id, one.subject, one.resource)))
    return {
        "ruleId": one.rule.id,
        "ruleIndex": names.index(one.rule.id),
        "level": one.level,
        "message": {"text": f"{one.rule.title}: {one.subject}. {one.message}. Fix: {one.fix}."},
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


def _uri(name: str) -> str:
    path = PurePath(printable(name))
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
