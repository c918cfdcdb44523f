"""The gate: golden cases of findings, the places in the text, and each output format read back."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policygen.account.snapshot import to_account
from policygen.evidence.observe import collect_evidence
from policygen.gate.findings import RULES, Finding, failing
from policygen.gate.judge.check import check
from policygen.gate.judge.from_logs import check_basis
from policygen.gate.report import FindingsReport
from policygen.gate.sources import policy_source
from policygen.iam.document import parse_policy
from policygen.iam.locations import Location, locations
from policygen.report.findings.report import FORMATS, render
from policygen.rightsize.decisions.load import parse_decisions
from tests.support import ROOT
from tests.support.accounts import ALL_DATA_EVENTS, snapshot
from tests.support.records import ROLE, crowd, write_logs

CASES = json.loads((ROOT / "tests" / "cases" / "check" / "findings.json").read_text())


def findings(case: dict[str, Any], folder: Path) -> tuple[Finding, ...]:
    account = None
    if "today" in case:
        today = dict(case["today"])
        if today.get("trails") == "all":
            today["trails"] = ALL_DATA_EVENTS
        account = to_account(snapshot(today))
    seen = collect_evidence([write_logs(folder, crowd(case["events"]))], ROLE, account=account)
    text = json.dumps(case["policy"], indent=2)
    decisions = parse_decisions(case.get("decisions", ""))
    return check([policy_source("policy.json", text, parse_policy(text))], check_basis(seen, decisions))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_gate_finds_exactly_what_it_should(case: dict[str, Any], tmp_path: Path) -> None:
    found = findings(case, tmp_path)
    if "rules" in case:
        assert list(dict.fromkeys(f.rule.id for f in found if f.rule.id != "PG304")) == case["rules"]
    else:
        looked_at = [f for f in found if f.rule.id in case.get("only", RULES.keys() - {"PG304"})]
        assert sorted({f"{f.level} {f.rule.id} {f.subject}" for f in looked_at}) == case["expect"]
        if "fails" in case:
            failed = [f for f in failing(found, "note") if f in looked_at]
            assert sorted({f"{f.level} {f.rule.id} {f.subject}" for f in failed}) == case["fails"]


def test_every_rule_has_a_case_but_those_of_plans_and_of_files() -> None:
    """PG108 to PG114 are tested with the command, in tests/cli/test_gate.py, rules of trust in test_trust_gate.py."""
    named = json.dumps(CASES)
    assert [rule for rule in RULES if rule not in named and rule < "PG6"] == [
        "PG106",
        "PG108",
        "PG109",
        "PG110",
        "PG111",
        "PG112",
        "PG113",
        "PG114",
        "PG303",
        "PG402",
        "PG403",
    ]


def test_a_level_gates_itself_and_what_is_worse(tmp_path: Path) -> None:
    (case,) = [case for case in CASES if case["name"].startswith("NotAction")]
    found = findings(case, tmp_path)
    assert {f.level for f in failing(found, "note")} == {"error", "warning", "note"}
    assert {f.level for f in failing(found, "warning")} == {"error", "warning"}
    assert {f.level for f in failing(found, "error")} == {"error"}


# --- places --------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Any:
    yield path, value
    if isinstance(value, dict):
        for key, one in value.items():
            yield from leaves(one, (*path, key))
    if isinstance(value, list):
        for i, one in enumerate(value):
            yield from leaves(one, (*path, i))


@given(json_values, st.sampled_from([None, 1, 4]), st.booleans())
def test_at_its_place_in_the_text_every_value_can_be_read(
    value: Any, indent: int | None, ascii_: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_)
    lines = text.split("\n")
    found = locations(text)
    decoder = json.JSONDecoder()
    expected = list(leaves(value))
    assert set(found) == {path for path, _ in expected}
    for path, one in expected:
        at = found[path]
        rest = "\n".join([lines[at.line - 1][at.column - 1 :], *lines[at.line :]])
        assert decoder.raw_decode(rest)[0] == one


def test_what_stands_alone_where_a_list_may_is_found_too() -> None:
    text = (
        '{"Version": "2012-10-17",\n "Statement": {"Effect": "Allow",\n  "Action": "s3:*", "Resource": "*"}}'
    )
    source = policy_source("p", text, parse_policy(text))
    assert source.place(0, "Action", 0) == Location(3, 13)


# --- formats -------------------------------------------------------------------------------------

HOSTILE = "a\x1b[31m,b:c%\n</script>\u202e\ud800"


def report(*found: Finding, fail_on: Any = "error") -> FindingsReport:
    failed = len(failing(found, fail_on)) if fail_on else 0
    return FindingsReport(
        "orders", "123456789012", found, ["p.json"], fail_on, failed, 30, 30, "2026-11-24T22:36:02Z"
    )


def named(rule: str, text: str) -> Finding:
    """A finding of which every text is the same."""
    return Finding(RULES[rule], text, text, text, f"iam/{text}", Location(3, 7), text)


EVERY = tuple(named(rule, HOSTILE) for rule in RULES)


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_lets_a_hostile_name_out(name: str) -> None:
    text = render(name, report(*EVERY))
    text.encode("utf-8")
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert text.endswith("\n")


def test_an_annotation_is_one_line_with_its_own_signs_escaped() -> None:
    lines = render("github", report(*EVERY)).splitlines()
    *shown, verdict, last = lines
    assert len(shown) == len(EVERY)
    assert verdict.startswith("::error title=policygen gate failed::orders: ")
    assert last.startswith("policygen orders: gate failed, ")
    for line in shown:
        command = re.fullmatch(
            r"::(error|warning|notice) file=([^,:]*),line=3,col=7,title=([^,:]*)::(.*)", line
        )
        assert command
        assert "%25" in command[4]


def test_what_fails_is_an_annotation_of_an_error_and_a_rule_has_one_on_each_line() -> None:
    many = [Finding(RULES["PG102"], f"s3:A{n}", "m", "f", "p.json", Location(3, 7)) for n in range(12)]
    line, verdict, _ = render("github", report(*many, fail_on="warning")).splitlines()
    assert line.startswith(
        "::error file=p.json,line=3,col=7,title=PG102 granted on more than was used::s3:A0: m."
    )
    assert line.endswith("And 11 more here: " + ", ".join(f"s3:A{n}" for n in range(1, 9)) + " and 3 others.")
    assert verdict == "::error title=policygen gate failed::orders: 12 warnings, 12 at or above warning"
    assert render("github", report(*many)).startswith("::warning file=p.json,")


def on_one_line(rule: str, number: int) -> list[Finding]:
    """Findings of a NotAction: as many messages, on one line."""
    return [
        Finding(RULES[rule], f"EX-{n:02} risk", f"by a:B{n} on *", f"fix {n}", "p.json", Location(3, 7))
        for n in range(number)
    ]


def alike(number: int) -> list[Finding]:
    """Notes that say the same, each on its own line."""
    fix, rule = "no action needed", RULES["PG301"]
    return [Finding(rule, f"a:B{n}", "no event", fix, "p.json", Location(n + 1, 7)) for n in range(number)]


def test_what_stands_on_one_line_is_told_together() -> None:
    made = report(*on_one_line("PG107", 77))
    text = render("text", made)
    assert len(text.splitlines()) < 80
    assert "error PG107 opens a risk that nothing needs (77)\n" in text
    assert text.count("by a:B") == 20
    assert "  p.json:3:7  And 57 more here: EX-20 risk, EX-21 risk," in text
    markdown = render("markdown", made)
    assert markdown.count("| error |") == 21
    assert "And 57 more here" in markdown.replace("`", "")
    (result,) = json.loads(render("sarif", made))["runs"][0]["results"]
    assert "And 76 more here: EX-01 risk, " in result["message"]["text"]
    assert "and 68 others." in result["message"]["text"]
    (suite,) = Xml.fromstring(render("junit", made))
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    (case,) = suite.findall("testcase")
    assert case.get("name") == "EX-00 risk and 76 more"
    assert all(f"EX-{n:02} risk\nby a:B{n} on *" in case.findtext("failure", "") for n in range(77))
    assert len(json.loads(render("json", made))["findings"]) == 77
    assert render("github", made).count("::error file") == 1


def test_equal_notes_are_one_row_for_people() -> None:
    made = report(*alike(60))
    assert render("text", made).count("no event") == 1
    assert "  and 40 more (-f json lists them)\n" in render("text", made)
    (row,) = [line for line in render("markdown", made).splitlines() if line.startswith("| note |")]
    assert "`a:B7` and 52 more | `p.json:1:7`, " in row
    assert len(json.loads(render("sarif", made))["runs"][0]["results"]) == 60  # a line has its own alert
    (suite,) = Xml.fromstring(render("junit", made))
    assert (suite.get("tests"), suite.get("skipped")) == ("60", "60")


def test_another_finding_on_a_line_is_another_alert() -> None:
    def fingerprint(*found: Finding) -> Any:
        (result,) = json.loads(render("sarif", report(*found)))["runs"][0]["results"]
        return result["partialFingerprints"]

    many = on_one_line("PG107", 3)
    assert fingerprint(*many) == fingerprint(*many[::-1]) != fingerprint(*many[:2])


def test_junit_can_be_read_and_counts_failures_and_what_nobody_can_know() -> None:
    root = Xml.fromstring(render("junit", report(*EVERY)))
    (suite,) = root
    errors = [rule for rule in RULES.values() if rule.level == "error"]
    notes = [rule for rule in RULES.values() if rule.level == "note"]
    assert (suite.get("tests"), suite.get("failures")) == (str(len(EVERY)), str(len(errors)))
    assert (len(suite.findall("*/failure")), len(suite.findall("*/skipped"))) == (len(errors), len(notes))


def test_junit_of_nothing_is_a_test_that_passed() -> None:
    (suite,) = Xml.fromstring(render("junit", report()))
    assert (suite.get("tests"), suite.get("failures")) == ("1", "0")


def test_sarif_has_what_github_demands() -> None:
    (run,) = json.loads(render("sarif", report(*EVERY, fail_on=None)))["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(RULES)
    for rule in rules:
        assert all(rule[key]["text"] for key in ("help", "shortDescription", "fullDescription"))
        assert float(rule["properties"]["security-severity"])
    assert run["automationDetails"]["id"] == "policygen/123456789012/orders/"
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["partialFingerprints"]
        place = result["locations"][0]["physicalLocation"]
        assert place["region"] == {"startLine": 3, "startColumn": 7}
        assert re.fullmatch(r"[!-~]+", place["artifactLocation"]["uri"])


def test_the_fingerprint_of_a_finding_does_not_move_with_its_line() -> None:
    one = named("PG101", HOSTILE)
    moved = Finding(one.rule, one.subject, one.message, one.fix, one.file, Location(9, 1), one.resource)
    first, second = json.loads(render("sarif", report(one, moved)))["runs"][0]["results"]
    assert first["partialFingerprints"] == second["partialFingerprints"]
