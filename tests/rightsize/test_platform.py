"""What AWS itself does with a role: each row of table 3.6 as configuration in, kept grants out.

A new case is a new object in tests/cases/platform. ``+logs`` stands for the three grants that every function has.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest
from moto.iam.aws_managed_policies import aws_managed_policies_data

from policygen.account.model import Account
from policygen.account.snapshot import to_account
from policygen.iam import reference
from policygen.iam.document import allow_statements, conditions_of, parse_policy
from policygen.iam.evaluate import action_contained
from policygen.iam.request import AccessRequest
from policygen.rightsize.keep.event_sources import features, unknown_sources
from policygen.rightsize.keep.model import Keep
from policygen.rightsize.keep.platform import SOURCE_FUNCTION, platform_keeps, warned
from policygen.rightsize.keep.service_roles import NeedAtTimes, needs_at_times
from tests.support import ROOT

ACCOUNT, REGION = "123456789012", "eu-west-1"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/orders"
FUNCTION = {
    "FunctionName": "orders",
    "FunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:orders",
    "Role": ROLE_ARN,
}
LOGS = [
    f"logs:{name} arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/orders:*"
    for name in ("CreateLogGroup", "CreateLogStream", "PutLogEvents")
]
FILES = sorted((ROOT / "tests" / "cases" / "platform").glob("*.json"))
CASES = [case for file in FILES for case in json.loads(file.read_text("utf-8"))]


def account_of(case: dict[str, Any]) -> Account:
    parties = {"Service": case.get("trust", []), "Federated": case.get("federated", [])}
    trust = [{"Effect": "Allow", "Principal": parties, "Action": "sts:AssumeRole"}]
    role = {
        "RoleName": "orders",
        "Arn": ROLE_ARN,
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": trust},
        "AttachedManagedPolicies": [{"PolicyArn": arn} for arn in case.get("attached", [])],
    }
    function = case.get("function", {})
    return to_account(
        {
            "policygen_snapshot": 1,
            "authorization": {"RoleDetailList": [role]},
            "functions": [] if function is None else [FUNCTION | function],
            "function_versions": case.get("versions", []),
            "event_source_mappings": case.get("mappings", []),
            "event_invoke_configs": case.get("invoke_configs", []),
        }
    )


def keeps_of(case: dict[str, Any]) -> list[Keep]:
    account = account_of(case)
    (role,) = account.roles
    used = [
        AccessRequest(
            one["action"],
            one["resource"],
            context=tuple((key, tuple(values)) for key, values in one.get("context", {}).items()),
        )
        for one in case.get("used", [])
    ]
    return platform_keeps(
        account.configurations_of(role) or (),
        account.mappings or (),
        used,
        invoke_configs=account.invoke_configs or (),
        role=role,
        visible=case.get("visible", ()),
    )


def written(keeps: list[Keep], kind: str) -> list[str]:
    return sorted(f"{k.grant.action} {k.grant.resource}" for k in keeps if k.kind == kind)


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_golden_case(case: dict[str, Any]) -> None:
    keeps = keeps_of(case)
    expected = [row for row in case["kept"] if row != "+logs"] + LOGS * ("+logs" in case["kept"])
    assert written(keeps, "platform") == sorted(expected)
    assert written(keeps, "unknown") == sorted(case.get("unknown", []))
    for action, fragment in case.get("why", {}).items():
        assert [k.why for k in keeps if k.grant.action == action and fragment not in k.why] == []
    assert all(keep.why and keep.grant.conditions == () for keep in keeps)
    assert all((keep.blind_spot is not None) == (keep.kind == "unknown") for keep in keeps)


def test_each_row_of_the_table_has_a_case_that_asks_for_it() -> None:
    asked = {keep.feature for case in CASES for keep in keeps_of(case)} - {""}
    assert asked == set(features())


def test_the_names_of_the_cases_are_sentences_of_their_own() -> None:
    assert [name for name, count in Counter(case["name"] for case in CASES).items() if count > 1] == []
    assert all(re.match(r"\d\.\d", case["reference"]) for case in CASES)


def test_the_table_names_only_actions_that_iam_knows_and_a_page_of_aws() -> None:
    for name, feature in features().items():
        assert [action for action in feature.actions if reference.action(action) is None] == [], name
        assert feature.caller in ("present", "absent", "unknown")
        assert feature.source.startswith("https://docs.aws.amazon.com/")


@pytest.mark.parametrize("row", needs_at_times(), ids=lambda row: row.when)
def test_a_service_needs_at_times_what_its_page_says(row: NeedAtTimes) -> None:
    assert [one for one in (*row.actions, *row.signs) if reference.action(one) is None] == []
    assert row.source.startswith("https://docs.aws.amazon.com/")
    shown = [one for one in row.actions if one not in row.signs]
    case = {"function": None, "trust": [row.service], "visible": shown}
    kept = {keep.grant.action for keep in keeps_of(case)}
    assert shown, "what is a sign of itself is no need"
    assert kept.issuperset(shown), "where the logs cannot show a sign, there may be one"
    seen = case | {"used": [{"action": one, "resource": "*"} for one in row.actions]}
    assert {keep.grant.action for keep in keeps_of(seen)}.isdisjoint(row.actions)
    assert keeps_of(case | {"trust": ["quicksight.amazonaws.com"]}) == []


_MANAGED = re.compile(r".+/aws-managed-policy/latest/reference/(\w+)\.html")
_FROM_POLICIES = [(row, found[1]) for row in needs_at_times() if (found := _MANAGED.fullmatch(row.source))]


@pytest.mark.parametrize(("row", "name"), _FROM_POLICIES, ids=lambda one: one if isinstance(one, str) else "")
def test_what_is_needed_by_a_managed_policy_is_in_it(row: NeedAtTimes, name: str) -> None:
    allows = allow_statements([parse_policy(json.loads(aws_managed_policies_data)[name]["Document"])])
    assert [one for one in row.actions if not any(action_contained(one, allow) for allow in allows)] == []


def test_each_grant_is_there_once_though_several_configurations_ask_for_it() -> None:
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"
    mappings = [
        {"UUID": uuid, "FunctionArn": FUNCTION["FunctionArn"], "EventSourceArn": queue} for uuid in "ab"
    ]
    grants = [keep.grant for keep in keeps_of({"mappings": mappings})]
    assert len(grants) == len(set(grants)) == 6


def test_a_configuration_that_cannot_be_read_asks_for_nothing_and_breaks_nothing() -> None:
    case = {
        "function": {"DeadLetterConfig": {"TargetArn": "nonsense"}, "FileSystemConfigs": [{"Arn": "x"}]},
        "mappings": [
            {
                "UUID": "u",
                "FunctionArn": FUNCTION["FunctionArn"],
                "EventSourceArn": f"arn:aws:newer:{REGION}:{ACCOUNT}:thing",
                "DestinationConfig": {"OnFailure": {"Destination": "kafka://topic"}},
            }
        ],
    }
    assert written(keeps_of(case), "platform") == LOGS
    assert unknown_sources(account_of(case).mappings or ()) == {"newer"}


def test_the_sources_of_the_cases_are_all_known() -> None:
    assert {source for case in CASES for source in unknown_sources(account_of(case).mappings or ())} == set()


# --- The trap of lambda:SourceFunctionArn (3.6.1) ------------------------------------------------

ASKING = [
    ("ArnEquals", True),
    ("ArnLike", True),
    ("StringLike", True),
    ("ForAnyValue:ArnLike", True),
    ("ArnEqualsIfExists", False),
    ("ArnNotEquals", False),
    ("ForAllValues:ArnLike", False),
]


def under(action: str, operator: str, key: str = SOURCE_FUNCTION) -> Keep:
    case = {
        "function": {
            "VpcConfig": {"SubnetIds": ["subnet-1"]},
            "KMSKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/k",
            "DurableConfig": {},
        }
    }
    keep = next(keep for keep in keeps_of(case) if keep.grant.action == action)
    conditions = conditions_of({operator: {key: [FUNCTION["FunctionArn"]]}})
    return Keep(keep.grant._replace(conditions=conditions), keep.kind, keep.why, None, keep.feature)


@pytest.mark.parametrize(("operator", "asks"), ASKING)
@pytest.mark.parametrize("action", ["ec2:CreateNetworkInterface", "kms:Decrypt"])
def test_a_keep_under_a_condition_that_aws_cannot_meet_carries_a_warning(
    action: str, operator: str, asks: bool
) -> None:
    keep = under(action, operator)
    noted = warned(keep)
    assert ("lacks: it is denied" in noted.note) == asks
    assert noted.grant == keep.grant


def test_where_aws_does_not_say_the_warning_does_not_either() -> None:
    assert "may lack" in warned(under("lambda:CheckpointDurableExecution", "ArnEquals")).note


def test_a_call_that_has_the_function_in_its_context_is_not_warned_of() -> None:
    assert warned(under("logs:PutLogEvents", "ArnEquals")).note == ""


def test_a_condition_on_anything_else_is_not_warned_of() -> None:
    assert warned(under("kms:Decrypt", "ArnEquals", "aws:SourceArn")).note == ""
