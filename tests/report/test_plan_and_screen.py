"""What is printed and written: the JSON against its schema, the screen against its width and its signs."""

from __future__ import annotations

import copy
import json
import os
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from policygen.errors import PolicygenError
from policygen.plan.build import plan_from_analysis
from policygen.plan.fast_json import to_bytes
from policygen.plan.io import SCHEMA_VERSION, read_plan
from policygen.report.formats import FORMATS, SUFFIXES, format_of
from policygen.report.formats import render as render_plan
from policygen.rightsize.analysis import analyse
from tests.support.golden import Golden
from tests.support.golden import rendered as render
from tests.support.options import analysis_options
from tests.support.samples import EVERY_SAMPLE, SAMPLES, SCREENS, SNAPSHOT, sample, shortened, too_wide

SCHEMA = json.loads((files("policygen.plan") / "plan.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)


def problems(text: str) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in VALIDATOR.iter_errors(json.loads(text))]


# --- JSON ----------------------------------------------------------------------------------------


def objects(schema: Any) -> list[dict[str, Any]]:
    """All schemas of objects with named properties in a schema."""
    if isinstance(schema, list):
        return [found for one in schema for found in objects(one)]
    if not isinstance(schema, dict):
        return []
    own = [schema] if isinstance(schema.get("properties"), dict) else []
    return own + [found for value in schema.values() for found in objects(value)]


def test_the_schema_is_a_schema_and_lets_no_unknown_field_pass() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["properties"]["schema_version"] == {"const": SCHEMA_VERSION}
    found = objects(SCHEMA)
    assert len(found) > 20
    assert [one["properties"].keys() for one in found if one.get("additionalProperties") is not False] == []


@EVERY_SAMPLE
def test_a_sample_s_json_is_as_the_schema_says(role: str, today: bool) -> None:
    assert problems(render("json", sample(role, today))) == []


def test_a_golden_case_s_json_is_as_the_schema_says(golden: Golden) -> None:
    assert problems(render("json", golden.analysis)) == []


def test_a_golden_case_s_screen_fits_and_has_an_ascii_twin(golden: Golden) -> None:
    assert too_wide(render("text", golden.analysis)) == []
    assert render("text", golden.analysis, ascii_only=True).isascii()


LATER_FIELDS = {
    ("unverified", "droppable"),
    ("tightness", "broader"),
    ("window", "end_given"),
    ("gate",),
    ("coverage", "logged_regions"),
    ("coverage", "data_events"),
    ("decisions", "reasons"),
    ("decisions", "ruled_out"),
    ("reading", "audit"),
    ("reading", "unread"),
    ("needs",),
    ("unverified",),
    ("boundary",),
    ("open_names",),
    ("names",),
    ("replay",),
    ("tightness",),
    ("tightness", "broader"),
    ("changes", 0, "decided_by"),
    ("today", 0, "kind"),
    ("today", 0, "arn"),
    ("today", 0, "size"),
    ("today_unread",),
    ("added",),
    ("cautions",),
    ("suspects", 0, "reported"),
    ("trust", "proposal"),
}
"""What plans hold since they hold no screen: a plan without them is an older one."""


def paths(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Where the keys of our own objects are; keys that are data (conditions, counters) are left out."""
    if isinstance(value, list):
        return paths(value[0], (*at, 0)) if value else []
    if (
        not isinstance(value, dict)
        or at[-1:]
        in {
            ("Condition",),
            ("condition",),
            ("context",),
            ("ignored",),
            ("passed_over",),
            ("results",),  # only those that there are
            ("other_principals",),
        }
        or at[-2:] == ("trust", "document")
        or at == ("gate",)  # its members are the gate's own
    ):
        return []
    return [(*at, key) for key in value] + [p for key in value for p in paths(value[key], (*at, key))]


def test_a_field_that_is_lost_or_new_or_of_another_type_is_noticed() -> None:
    whole = shortened(json.loads(render("json", sample("orders-api", today=True))))
    assert not list(VALIDATOR.iter_errors(whole))
    optional = {"Sid", "Condition"}
    for path in paths(whole):
        *parents, key = path
        for change in ("lose", "rename", "retype"):
            changed = copy.deepcopy(whole)
            at = changed
            for step in parents:
                at = at[step]
            if change == "retype":
                at[key] = 1.5
            else:
                value = at.pop(key)
                if change == "rename":
                    at[f"{key}_"] = value
            if change == "lose" and (key in optional or path in LATER_FIELDS):
                continue
            assert not VALIDATOR.is_valid(changed), (change, path)


def test_json_carries_the_promises_and_the_eventids_behind_each_grant() -> None:
    made = json.loads(render("json", sample("orders-api", today=True)))
    assert [check["promise"] for check in made["proof"]] == [
        "sufficient",
        "nothing spare",
        "accounted for",
        "never wider",
    ]
    assert all(check["held"] for check in made["proof"])
    seen = {(one["action"], one["resource"]): one["event_ids"] for one in made["evidence"]["requests"]}
    reasons = [(one["action"], one["resource"]) for grant in made["grants"] for one in grant["for"]]
    assert reasons
    assert all(seen[reason] for reason in reasons)


@EVERY_SAMPLE
def test_the_policy_is_the_same_in_every_format(role: str, today: bool) -> None:
    analysis = sample(role, today)
    policy = json.loads(render("policy", analysis))
    whole = json.loads(render("json", analysis))["policies"]
    documents = [one["document"] for one in policy["policies"]] if "policies" in policy else [policy]
    assert documents == [one["document"] for one in whole]
    assert [one["size"] for one in whole] == [
        len(json.dumps(document, separators=(",", ":"), ensure_ascii=False)) for document in documents
    ]


# --- a saved plan --------------------------------------------------------------------------------


def saved(role: str, today: bool) -> dict[str, Any]:
    """A plan as it stands in its file."""
    plan: dict[str, Any] = json.loads(to_bytes(plan_from_analysis(sample(role, today)).document))
    return plan


def screen_of(plan: dict[str, Any], **options: bool) -> str:
    return render_plan("text", read_plan(json.dumps(plan).encode(), ""), **options)


@EVERY_SAMPLE
def test_a_saved_plan_has_no_screen_and_gives_the_one_that_suggest_printed(role: str, today: bool) -> None:
    plan = saved(role, today)
    assert "screen" not in plan
    assert screen_of(plan) == render("text", sample(role, today))
    assert screen_of(plan, show_all=True) == render("text", sample(role, today), show_all=True)


def test_a_promise_of_an_older_plan_has_its_name_of_today() -> None:
    plan = saved("orders-api", True)
    old = copy.deepcopy(plan)
    for check in old["proof"]:
        check["promise"] = {"nothing spare": "minimal", "accounted for": "nothing unseen"}.get(
            check["promise"], check["promise"]
        )
    assert screen_of(old) == screen_of(plan)


def test_the_tick_of_accounted_for_stands_beside_the_number_of_unverified_permissions() -> None:
    plan = saved("orders-api", True)
    kept = {keep["action"] for keep in plan["keeps"] if keep["kind"] == "unknown"}
    # A needed action that is also kept on more resources is needed; `broader` counts it.
    needed = {one["action"] for one in plan["evidence"]["requests"] if one["written_as"]}
    kept -= needed | {one["action"] for one in plan["keeps"] if one["kind"] == "platform"}
    assert kept
    finding = next(one["finding"] for one in plan["proof"] if one["promise"] == "accounted for")
    numbers = {word: int(number) for number, word in (part.split() for part in finding.split(", "))}
    assert numbers["unverified"] == len(kept)
    total = len({grant["action"] for grant in plan["grants"]})
    assert sum(numbers.values()) == total
    assert f"✔ accounted for: {finding.replace(', ', ' + ')} = {total}" in screen_of(plan)
    assert f"✔ accounted for: {finding}" in screen_of(plan, show_all=True)


def test_the_screen_of_an_edited_plan_says_what_the_plan_says() -> None:
    plan = saved("orders-api", True)
    before = screen_of(plan) + screen_of(plan, show_all=True)
    plan["notes"] = ["a note of mine"]
    plan["coverage"]["days_with_events"] = 7
    plan["strength"]["reasons"][0]["sentence"] = "somebody has to look"
    plan["open_names"] = [{"type": "ec2:image", "names": 3, "reason": "new ones come"}]
    after = screen_of(plan) + screen_of(plan, show_all=True)
    for words in (
        "Note      a note of mine",
        "\nNote    a note of mine\n",
        "Coverage  7/45 days with events",
        "· 7/45 days with events",
        "! LOOK FIRST     somebody has to look",
        "ec2:image       3 names seen; new ones come",
        "ec2:image: 3 names written as seen; new ones come",
    ):
        assert (words in before, words in after) == (False, True)


@EVERY_SAMPLE
def test_a_plan_of_an_older_version_is_read_and_its_stored_screen_is_ignored(role: str, today: bool) -> None:
    plan = saved(role, today)
    old = {
        name: {
            key: one for key, one in value.items() if (name, key) not in LATER_FIELDS or name == "unverified"
        }
        if isinstance(value, dict)
        else value
        for name, value in plan.items()
    }
    old["asides"] = [{key: one for key, one in aside.items() if key != "events"} for aside in plan["asides"]]
    old["changes"] = [
        {key: one for key, one in change.items() if key != "decided_by"} for change in plan["changes"]
    ]
    old["screen"] = {"short": "what it said once\n", "all": "what it said once\n"}
    assert problems(json.dumps({key: one for key, one in old.items() if key != "needs"})) == []
    found = read_plan(json.dumps(old).encode(), "plan.json")
    assert "screen" not in json.loads(render_plan("json", found))
    found.file = ""
    assert "(the newest event read)" in screen_of(plan, show_all=True)
    assert "(the newest event read)" not in render_plan("text", found, show_all=True)
    # All but what the old plan does not hold stands there as it does today.
    assert render_plan("text", found) == screen_of(plan)


def test_an_expired_decision_and_lost_calls_of_an_older_plan_are_named_without_reason_and_number() -> None:
    plan = saved("orders-api", True)
    loss = {"action": "s3:GetObject", "resource": "arn:aws:s3:::b/k", "rule": "--drop s3:GetObject"}
    events = ["s3.amazonaws.com GetObject"]
    plan["decisions"] |= {"losses": [loss | {"count": 2, "events": events}], "expired": ["keep[0]"]}
    plan["decisions"]["reasons"] = {"keep[0]": "until the audit"}
    assert problems(json.dumps(plan)) == []
    words = " ".join(screen_of(plan, show_all=True).split())
    assert (
        "s3:GetObject on arn:aws:s3:::b/k: 2 calls of s3.amazonaws.com GetObject would have failed" in words
    )
    assert "keep[0] has expired and does not apply: until the audit" in words
    plan["decisions"]["losses"] = [loss]
    del plan["decisions"]["reasons"]
    assert problems(json.dumps(plan)) == []
    words = " ".join(screen_of(plan, show_all=True).split())
    assert "s3:GetObject on arn:aws:s3:::b/k: calls would have failed" in words
    assert "keep[0] has expired and does not apply" in words
    assert "until the audit" not in words


# --- the screen ----------------------------------------------------------------------------------


@EVERY_SAMPLE
@pytest.mark.parametrize("show_all", [False, True], ids=["short", "all"])
def test_the_screen_fits_eighty_columns(role: str, today: bool, show_all: bool) -> None:
    screen = render("text", sample(role, today), show_all=show_all)
    assert too_wide(screen) == []
    assert screen.endswith("Nothing in AWS was changed.\n")
    assert [line for line in screen.splitlines() if line != line.rstrip()] == []


@EVERY_SAMPLE
def test_the_ascii_twin_says_the_same_in_ascii(role: str, today: bool) -> None:
    analysis = sample(role, today)
    screen, twin = render("text", analysis), render("text", analysis, ascii_only=True)
    assert twin.isascii()
    assert "?" * 3 not in twin.replace("????", "")  # nothing was lost for want of a sign
    assert [len(line) for line in twin.splitlines()] == [len(line) for line in screen.splitlines()]
    for line, other in zip(screen.splitlines(), twin.splitlines(), strict=True):
        assert [a for a, b in zip(line, other, strict=True) if a.isascii() and a != b] == []
        assert "?" not in {b for a, b in zip(line, other, strict=True) if not a.isascii()}


def test_the_short_screen_says_how_to_get_the_details_and_the_long_one_does_not() -> None:
    analysis = sample("orders-api", today=True)
    short, whole = render("text", analysis), render("text", analysis, show_all=True)
    assert "  details policygen report orders-api --details\n" in short
    assert "--details" not in whole
    assert len(whole) > 3 * len(short)


@pytest.mark.parametrize("name", ["orders-api", "orders-api.evidence-alone"])
def test_the_screen_of_the_sample_is_as_it_was_agreed(name: str) -> None:
    role, _, without = name.partition(".")
    made = analyse(
        [SAMPLES / "trail"],
        role,
        account=None if without else SNAPSHOT,
        **analysis_options(days=30),
    )
    screen = render("text", made)
    golden = SCREENS / f"{name}.txt"
    if os.environ.get("POLICYGEN_UPDATE"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(screen, "utf-8")
    assert screen == golden.read_text("utf-8"), (
        "if the change is meant: POLICYGEN_UPDATE=1 pytest tests/report/test_plan_and_screen.py"
    )


# --- formats -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.txt", "text"),
        ("a.json", "json"),
        ("a.policy.json", "policy"),
        ("A.POLICY.JSON", "policy"),
        ("x/y.b.json", "json"),
        ("a.md", "markdown"),
        ("a.csv", "csv"),
        ("a.sarif", "sarif"),
        ("a.junit.xml", "junit"),
        ("a.sh", "aws-cli"),
    ],
)
def test_the_suffix_says_the_format(name: str, kind: str) -> None:
    assert format_of(name) == kind
    assert set(FORMATS) - set(SUFFIXES.values()) == {"github"}  # its place is the log of a step


@pytest.mark.parametrize("name", ["a.docx", "json", "", "a.json/b", "policy.json.gz"])
def test_an_unknown_suffix_is_refused_with_those_that_are_known(name: str) -> None:
    with pytest.raises(PolicygenError) as caught:
        format_of(name)
    assert (caught.value.code, caught.value.exit_code) == ("PG-E207", 2)
    assert ".policy.json (policy)" in caught.value.hints[0]
