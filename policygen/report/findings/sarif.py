"""Renders findings as SARIF 2.1.0, as GitHub code scanning reads it.

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
from policygen.gate.findings import RULES, CheckRule, Finding
from policygen.gate.report import FindingsReport
from policygen.report.findings.places import by_place, more_here
from policygen.text import escape_controls, visible_json
from policygen.version import VERSION

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_SEVERITY = {"error": "7.5", "warning": "5.0", "note": "1.0"}
LIMIT = 5_000
"""Most results of a run that GitHub shows."""
RUNS = 20
"""Most runs that GitHub takes in one file."""


def render(reports: Sequence[FindingsReport]) -> str:
    """Return a run for each report; of a gate with one result for each rule and line.

    Paths are as they were given: in a repository, relative to its root.
    A role that was not checked has no run: one without results would close its alerts.
    A gate of more roles than GitHub takes runs has one run for all.

    Raises:
        UsageError: PG-E281, more plans than GitHub takes runs.
    """
    checked = [one for one in reports if not one.error]
    together = len(reports) > RUNS and all(one.command == "check" for one in reports)
    if len(reports) > RUNS and not together:
        raise UsageError(
            f"SARIF of {len(reports)} plans: GitHub refuses a file of more than {RUNS} runs",
            f"give {RUNS} plans at a time, and upload each file",
            code="PG-E281",
        )
    document = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [_run(*checked)] * bool(checked) if together else [_run(one) for one in checked],
    }
    return visible_json(json.dumps(document, indent=2, ensure_ascii=False)) + "\n"


def _run(*reports: FindingsReport) -> dict[str, Any]:
    """Return the run of a role, or of all roles of a gate."""
    report, names = reports[0], list(RULES)
    found = [(one, members) for one in reports for members in by_place(one, one.findings)]
    owner = f"{report.account}/{report.role}" if len(reports) == 1 else "*"
    newly = [entry for one in reports for entry in one.newly]
    # Each role and command has its own category, so that results of one do not replace those of another.
    whose = "" if report.command == "check" else f"{report.command}/"
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "policygen",
                "semanticVersion": VERSION,
                "rules": [_rule(rule, report.rules_url) for rule in RULES.values()],
            }
        },
        "automationDetails": {"id": f"policygen/{whose}{owner}/"},
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, members, names) for one, members in found[:LIMIT]],
    }
    properties: dict[str, Any] = {"plan": report.plan} if report.plan and len(reports) == 1 else {}
    if newly:
        properties |= {"newly_accepted": newly}
    if len(found) > LIMIT:
        properties |= {"omitted": len(found) - LIMIT}
    if properties:
        run["properties"] = properties
    return run


def _rule(rule: CheckRule, pages: str) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.title.replace(",", "").replace("'", "").split()),
        "shortDescription": {"text": rule.title[0].upper() + rule.title[1:] + "."},
        "fullDescription": {"text": f"{rule.title[0].upper()}{rule.title[1:]}. {rule.help}"},
        "help": {"text": rule.help},
        "helpUri": f"{pages}/{rule.id}.md",
        "defaultConfiguration": {"level": rule.level},
        "properties": {"tags": ["security", "iam"], "security-severity": _SEVERITY[rule.level]},
    }


def _result(report: FindingsReport, members: Sequence[Finding], names: list[str]) -> dict[str, Any]:
    """Return the result of findings of one rule on one line; another one among them is another alert."""
    finding, more = members[0], more_here(members)
    place = {"startLine": finding.place.line, "startColumn": finding.place.column}
    about = sorted({(one.key or one.subject, one.resource) for one in members})
    parts = (report.role, finding.rule.id, *(part for one in about for part in one))
    identity = escape_controls("\x1f".join(parts))
    message = f"{finding.rule.title}: {finding.subject}. {finding.message}. Fix: {finding.fix}."
    message += f" {more}" if more else ""
    return {
        "ruleId": finding.rule.id,
        "ruleIndex": names.index(finding.rule.id),
        "level": finding.level,
        "message": {"text": _literal(message)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(finding.file)},
                    "region": place,
                }
            }
        ],
        "partialFingerprints": {"policygen/v1": hashlib.sha256(identity.encode()).hexdigest()},
    }


def _literal(text: str) -> str:
    """Return text without placeholders (SARIF 2.1.0, 3.11.5) and embedded links (SARIF 3.11.6)."""
    return escape_controls(text).replace("{", "{{").replace("}", "}}").replace("](", "] (")


def _uri(name: str) -> str:
    path = PurePath(escape_controls(name))
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
