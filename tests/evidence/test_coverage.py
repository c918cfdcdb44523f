"""What selectors show: each row is a trail and an action, and whether "not seen" would mean anything."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import pytest

from policygen.account.model import Account
from policygen.account.snapshot import to_account
from policygen.catalog.visibility import comes_along, visibility_of
from policygen.evidence.coverage.coverage import Coverage, coverage_of
from policygen.evidence.coverage.observability import ObservabilityRules
from policygen.evidence.coverage.table import coverage_rows
from policygen.evidence.coverage.trail_history import TrailChange
from policygen.iam import reference
from policygen.iam.request import RoleKey
from policygen.logs.window import window_of
from policygen.logs.window_end import WindowEnd
from tests.support.accounts import snapshot
from tests.support.records import ACCOUNT

WINDOW = window_of(30, WindowEnd.parse("2026-11-24"))


def blind_spot(coverage: Coverage, action: str, *, reads_only: bool = False) -> str:
    """The id of why the logs cannot tell for the whole window; "" where they can, or where no event is known."""
    found = coverage.observability(action, reads_only=reads_only)
    if found.blind_spot:
        return "" if found.blind_spot.id == "no-event" else found.blind_spot.id
    return "" if found.days >= coverage.window.days else "window-not-covered"


def trail(**selectors: Any) -> dict[str, Any]:
    status = {"IsLogging": selectors.pop("logging", True)}
    return {
        "Trail": {
            "Name": "t",
            "TrailARN": "arn:aws:cloudtrail:us-east-1:123456789012:trail/t",
            "HomeRegion": "us-east-1",
            "IsMultiRegionTrail": True,
            "IncludeGlobalServiceEvents": True,
        },
        "Status": status,
    } | selectors


def basic(
    read_write: str = "All", management: bool = True, exclude: tuple[str, ...] = (), **data: list[str]
) -> dict[str, Any]:
    kinds = {"s3": "AWS::S3::Object", "fn": "AWS::Lambda::Function", "ddb": "AWS::DynamoDB::Table"}
    return trail(
        EventSelectors=[
            {
                "ReadWriteType": read_write,
                "IncludeManagementEvents": management,
                "ExcludeManagementEventSources": list(exclude),
                "DataResources": [{"Type": kinds[name], "Values": values} for name, values in data.items()],
            }
        ]
    )


def advanced(**fields: dict[str, list[str]]) -> dict[str, Any]:
    selectors = [{"Field": name.replace("_", "."), **operators} for name, operators in fields.items()]
    return trail(AdvancedEventSelectors=[{"FieldSelectors": selectors}])


DATA: dict[str, list[str]] = {"Equals": ["Data"]}
NOT_KMS: dict[str, list[str]] = {"NotEquals": ["kms.amazonaws.com"]}
ONE_NAME: dict[str, list[str]] = {"Equals": ["CreateUser"]}
MANAGEMENT: dict[str, list[str]] = {"Equals": ["Management"]}
S3: dict[str, list[str]] = {"Equals": ["AWS::S3::Object"]}
SQS: dict[str, list[str]] = {"Equals": ["AWS::SQS::Queue"]}


def one_region() -> dict[str, Any]:
    """A trail of eu-west-1 alone."""
    made = basic()
    return made | {"Trail": made["Trail"] | {"HomeRegion": "eu-west-1", "IsMultiRegionTrail": False}}


def changed(field: str, value: Any, part: str = "Trail") -> dict[str, Any]:
    """A trail of everything with one setting changed."""
    made = basic()
    return made | {part: made[part] | {field: value}}


def s3_only(**fields: dict[str, list[str]]) -> dict[str, Any]:
    """A selector of S3 data events with one more field: it shows a part of them only."""
    return advanced(eventCategory=DATA, resources_type=S3, **fields)


def covering(*trails: dict[str, Any]) -> Coverage:
    account: Account = to_account(snapshot({"trails": list(trails)}))
    return coverage_of(WINDOW, dict.fromkeys(WINDOW.dates(), 1), ["us-east-1"], account.trails)


@pytest.mark.parametrize(
    ("trails", "action", "blind"),
    [
        ([basic()], "iam:ListUsers", ""),
        ([basic()], "s3:GetObject", "data-events-off"),
        ([basic(s3=["arn:aws:s3"])], "s3:GetObject", ""),
        ([basic(s3=["arn:aws:s3:::"])], "s3:GetObject", ""),
        ([basic(s3=["arn:aws:s3:::one-bucket/"])], "s3:GetObject", "data-events-partly"),
        ([basic(read_write="WriteOnly", s3=["arn:aws:s3"])], "s3:GetObject", "data-events-partly"),
        ([basic(fn=["arn:aws:lambda"])], "lambda:InvokeFunction", ""),
        ([basic(ddb=["arn:aws:dynamodb"])], "dynamodb:PutItem", ""),
        ([basic(ddb=["arn:aws:dynamodb"])], "s3:GetObject", "data-events-off"),
        ([advanced(eventCategory=DATA, resources_type=S3)], "s3:PutObject", ""),
        ([s3_only(readOnly={"Equals": ["true"]})], "s3:PutObject", "data-events-partly"),
        ([s3_only(eventName={"Equals": ["GetObject"]})], "s3:PutObject", "data-events-partly"),
        ([s3_only(resources_ARN={"StartsWith": ["arn:aws:s3:::b/"]})], "s3:PutObject", "data-events-partly"),
        ([advanced(eventCategory=DATA, resources_type=SQS)], "sqs:SendMessage", ""),
        ([advanced(eventCategory={"Equals": ["Management"]})], "sqs:SendMessage", "data-events-off"),
        ([basic()], "logs:PutLogEvents", "never-logged"),
        ([basic()], "execute-api:Invoke", "never-logged"),
        ([basic(read_write="WriteOnly")], "iam:ListUsers", "reads-not-logged"),
        ([basic(read_write="WriteOnly")], "iam:CreateUser", ""),
        ([basic(read_write="WriteOnly"), basic()], "iam:ListUsers", ""),
        ([one_region()], "iam:ListUsers", "region-not-logged"),
        ([one_region()], "ec2:RunInstances", "region-not-logged"),
        ([one_region(), basic()], "iam:ListUsers", ""),
        ([changed("IncludeGlobalServiceEvents", False)], "iam:ListUsers", "region-not-logged"),
        ([changed("IncludeGlobalServiceEvents", False)], "ec2:RunInstances", ""),
        ([changed("StartLoggingTime", "2026-11-20T00:00:00Z", "Status")], "ec2:RunInstances", "window-not-covered"),
        ([changed("StartLoggingTime", "2025-11-20T00:00:00Z", "Status")], "ec2:RunInstances", ""),
        ([changed("LatestDeliveryError", "NoSuchBucket", "Status")], "ec2:RunInstances", "window-not-covered"),
        ([changed("LatestDeliveryError", "NoSuchBucket", "Status"), basic()], "ec2:RunInstances", ""),
        ([basic()], "bedrock-agentcore:InvokeAgentRuntime", "no-event-known"),
        ([basic()], "bedrock-agentcore:CreateAgentRuntime", ""),
        ([basic()], "sts:GetServiceBearerToken", "never-logged"),
        ([basic(exclude=("monitoring.amazonaws.com",))], "cloudwatch:PutMetricAlarm", "source-excluded"),
        ([basic(management=False)], "iam:CreateUser", "writes-not-logged"),
        ([advanced(eventCategory=MANAGEMENT)], "iam:CreateUser", ""),
        ([advanced(eventCategory=MANAGEMENT, readOnly={"Equals": ["false"]})], "iam:ListUsers", "reads-not-logged"),
        ([advanced(eventCategory=MANAGEMENT, eventSource=NOT_KMS)], "kms:Decrypt", "source-excluded"),
        ([advanced(eventCategory=MANAGEMENT, eventName=ONE_NAME)], "iam:DeleteUser", "writes-not-logged"),
        ([basic(exclude=("kms.amazonaws.com",))], "kms:Decrypt", "source-excluded"),
        ([basic(exclude=("kms.amazonaws.com",)), basic()], "kms:Decrypt", ""),
        ([basic(s3=["arn:aws:s3"]) | {"Status": {"IsLogging": False}}, basic()], "s3:GetObject", "data-events-off"),
    ],
)  # fmt: skip
def test_an_unused_action_is_called_unused_only_where_it_would_be_seen(
    trails: list[dict[str, Any]], action: str, blind: str
) -> None:
    reads = not action.split(":")[1].startswith(("Put", "Create", "Send", "Delete", "Run"))
    assert blind_spot(covering(*trails), action, reads_only=reads) == blind


def test_without_the_trails_data_events_count_as_unknown_even_when_some_were_seen() -> None:
    coverage = coverage_of(WINDOW, {}, [], None)
    assert blind_spot(coverage, "s3:GetObject", reads_only=True) == "trail-unknown"
    assert blind_spot(coverage, "iam:ListUsers", reads_only=True) == ""


def test_permissions_without_an_event_of_their_own_are_implied() -> None:
    assert visibility_of("iam:PassRole").kind == "implied"
    assert visibility_of("sts:TagSession").kind == "implied"


def test_days_count_only_inside_the_window() -> None:
    coverage = coverage_of(WINDOW, {"2026-11-24": 3, "2026-10-26": 1, "2026-10-25": 9}, [], None)
    assert coverage.days_with_events == 2


# --- Verdicts: since when, why not, and what to run ---------------------------------------------------

ORDERS = RoleKey(ACCOUNT, "", f"arn:aws:iam::{ACCOUNT}:role/service/orders", "orders")
S3_ON: dict[str, Any] = {
    "eventSelectors": [{"dataResources": [{"type": "AWS::S3::Object", "values": ["arn:aws:s3"]}]}]
}


def change(time: str, event: str, **params: Any) -> TrailChange:
    name = "trailName" if event == "PutEventSelectors" else "name"
    return TrailChange(time, "us-east-1", ACCOUNT, event, {name: "t", **params})


def covered(
    *trails: dict[str, Any],
    role: RoleKey | None = ORDERS,
    changes: Sequence[TrailChange] = (),
    seen: Mapping[str, int] | None = None,
) -> Coverage:
    account = to_account(snapshot({"trails": list(trails)}))
    return coverage_of(WINDOW, {}, [], account.trails, role=role, changes=changes, data_seen=seen)


def test_a_permission_is_visible_since_the_windows_start() -> None:
    found = covered(basic()).observability("iam:ListUsers", reads_only=True)
    assert (found.visible, found.since, found.days, found.blind_spot) == (True, WINDOW.start, 30, None)


@pytest.mark.parametrize(
    ("changes", "action", "since", "days"),
    [
        ([change("2026-11-15T09:00:00Z", "PutEventSelectors", **S3_ON)], "s3:GetObject", "2026-11-16", 9),
        ([change("2026-11-15T00:00:00Z", "PutEventSelectors", **S3_ON)], "s3:GetObject", "2026-11-15", 10),
        (
            [change("2026-11-10T08:00:00Z", "StopLogging"), change("2026-11-10T11:00:00Z", "StartLogging")],
            "iam:CreateUser",
            "2026-11-11",
            14,
        ),
        (
            [
                change("2026-09-01T00:00:00Z", "PutEventSelectors", **S3_ON),
                change("2026-11-15T09:00:00Z", "PutEventSelectors", **S3_ON),
            ],
            "s3:GetObject",
            WINDOW.start,
            30,
        ),
        (
            [change("2026-11-12T00:00:00Z", "UpdateTrail", isMultiRegionTrail=True)],
            "ec2:RunInstances",
            "2026-11-12",
            13,
        ),
    ],
)
def test_a_change_within_the_window_moves_the_date(
    changes: list[TrailChange], action: str, since: str, days: int
) -> None:
    coverage = covered(basic(s3=["arn:aws:s3"]), changes=changes)
    found = coverage.observability(action)
    assert (found.visible, found.since, found.days) == (True, since, days)
    assert blind_spot(coverage, action) == ("window-not-covered" if days < 30 else "")


def test_a_change_on_the_last_day_leaves_no_whole_day() -> None:
    coverage = covered(basic(), changes=[change("2026-11-24T08:00:00Z", "StartLogging")])
    found = coverage.observability("iam:CreateUser")
    assert not found.visible
    assert found.blind_spot
    assert found.blind_spot.id == "window-not-covered"


def test_another_trail_bridges_the_gap_of_one() -> None:
    other = basic()
    other = other | {
        "Trail": other["Trail"] | {"Name": "u", "TrailARN": other["Trail"]["TrailARN"][:-1] + "u"}
    }
    stop = [change("2026-11-10T08:00:00Z", "StopLogging"), change("2026-11-10T11:00:00Z", "StartLogging")]
    assert covered(basic(), other, changes=stop).observability("iam:CreateUser").days == 30
    gap = covered(basic(), other, changes=stop).stopped
    assert [(one.trail, one.start, one.end) for one in gap] == [
        ("t", "2026-11-10T08:00:00Z", "2026-11-10T11:00:00Z")
    ]


B = "arn:aws:s3:::"
BUCKET = {"StartsWith": [f"{B}b/"]}
OTHERS = {"NotStartsWith": [f"arn:aws:sts::{ACCOUNT}:assumed-role/orders/"]}
TABLE: dict[str, list[str]] = {"Equals": ["AWS::DynamoDB::Table"]}
TOPIC: dict[str, list[str]] = {"Equals": ["AWS::SNS::Topic"]}
ONE_TABLE = {"Equals": [f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/orders"]}
POINT = f"arn:aws:s3:us-east-1:{ACCOUNT}:accesspoint/in/object/*"


@pytest.mark.parametrize(
    ("trails", "action", "resource", "blind"),
    [
        ([s3_only(resources_ARN=BUCKET)], "s3:GetObject", f"{B}b/*", ""),
        ([s3_only(resources_ARN=BUCKET)], "s3:GetObject", f"{B}b2/*", "data-events-partly"),
        ([s3_only(resources_ARN=BUCKET)], "s3:GetObject", "*", "data-events-partly"),
        ([s3_only(resources_ARN=BUCKET)], "s3:ListBucket", f"{B}b", ""),
        ([s3_only(resources_ARN=BUCKET)], "s3:ListBucket", f"{B}b*", "data-events-partly"),
        ([advanced(eventCategory=DATA, resources_type=S3)], "s3:GetObject", POINT, "data-events-off"),
        ([s3_only(userIdentity_arn=OTHERS)], "s3:GetObject", "*", "caller-excluded"),
        ([advanced(eventCategory=MANAGEMENT, userIdentity_arn=OTHERS)], "iam:CreateUser", "*", "caller-excluded"),
        (
            [advanced(eventCategory=DATA, resources_type=TABLE, resources_ARN=ONE_TABLE)],
            "dynamodb:Query",
            f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/orders/index/*",
            "",
        ),
        ([advanced(eventCategory=DATA, resources_type=TOPIC)], "sns:Publish", f"arn:aws:sns:us-east-1:{ACCOUNT}:t", ""),
        ([advanced(eventCategory=DATA, resources_type=TOPIC)], "sns:Publish", "*", "data-events-off"),
        ([one_region()], "sqs:CreateQueue", f"arn:aws:sqs:eu-west-1:{ACCOUNT}:q", ""),
        ([one_region()], "sqs:CreateQueue", f"arn:aws:sqs:us-east-1:{ACCOUNT}:q", "region-not-logged"),
        ([basic(read_write="WriteOnly")], "kms:Decrypt", "*", "reads-not-logged"),
        ([basic(read_write="WriteOnly")], "sts:AssumeRole", "*", "reads-not-logged"),
        ([advanced(eventCategory=MANAGEMENT, eventName=ONE_NAME)], "iam:CreateUser", "*", ""),
        ([basic()], "a4b:ApproveSkill", "*", "no-event"),
        ([basic()], "rds-data:ExecuteStatement", "*", "data-events-off"),
        ([], "iam:CreateUser", "*", "writes-not-logged"),
        ([basic() | {"EventSelectors": None}], "s3:GetObject", "*", "trail-unknown"),
        ([basic() | {"EventSelectors": None}], "iam:CreateUser", "*", ""),
    ],
)  # fmt: skip
def test_the_resource_and_the_caller_decide_with_the_selectors(
    trails: list[dict[str, Any]], action: str, resource: str, blind: str
) -> None:
    spot = covered(*trails).observability(action, resource).blind_spot
    assert (spot.id if spot else "") == blind


def selectors_in(command: str) -> list[dict[str, Any]]:
    words = shlex.split(command)
    assert words[:5] == ["aws", "cloudtrail", "put-event-selectors", "--trail-name", "t"]
    found: list[dict[str, Any]] = json.loads(words[words.index("--advanced-event-selectors") + 1])
    return found


@pytest.mark.parametrize(
    ("made", "action"),
    [
        (basic(), "s3:GetObject"),
        (basic(s3=['arn:aws:s3:::it\'s "b"/'], fn=["arn:aws:lambda"]), "s3:GetObject"),
        (basic(exclude=("kms.amazonaws.com",)), "kms:Decrypt"),
        (basic(read_write="WriteOnly"), "iam:ListUsers"),
        (advanced(eventCategory=MANAGEMENT), "sqs:SendMessage"),
        (s3_only(resources_ARN=BUCKET), "s3:PutObject"),
        (s3_only(userIdentity_arn=OTHERS), "s3:PutObject"),
        (advanced(eventCategory=MANAGEMENT, eventName=ONE_NAME), "iam:DeleteUser"),
    ],
)
def test_the_command_keeps_what_the_trail_logs_and_adds_what_is_missing(
    made: dict[str, Any], action: str
) -> None:
    spot = covered(made).observability(action).blind_spot
    assert spot
    found = selectors_in(spot.command)
    after = trail(AdvancedEventSelectors=found)
    assert covered(after).observability(action).visible
    for selector in made.get("AdvancedEventSelectors", ()):
        assert selector in found
    for other in ("iam:CreateUser", "iam:ListUsers", "lambda:InvokeFunction", "s3:GetObject"):
        assert covered(after).observability(other).visible or not covered(made).observability(other).visible


def test_a_trail_that_is_stopped_is_started_and_none_is_made() -> None:
    stopped = covered(trail(logging=False, EventSelectors=[{}])).observability("iam:CreateUser").blind_spot
    none = covered().observability("iam:CreateUser").blind_spot
    assert stopped
    assert none
    assert stopped.command == "aws cloudtrail start-logging --name t --region us-east-1"
    assert none.command.startswith("aws cloudtrail create-trail --name ")
    assert " && aws cloudtrail start-logging --name " in none.command


def test_a_trail_of_one_region_is_widened() -> None:
    spot = covered(one_region()).observability("ec2:RunInstances").blind_spot
    assert spot
    assert spot.command.startswith(
        "aws cloudtrail update-trail --name t --region eu-west-1 --is-multi-region-trail"
    )


def test_no_command_is_given_that_would_lose_selectors_or_hide_in_a_name() -> None:
    unread = basic() | {"EventSelectors": None}
    odd = basic() | {"EventSelectors": [{"DataResources": [{"Type": 7}]}]}
    named = basic()
    named = named | {"Trail": named["Trail"] | {"Name": "t\x1b[2J"}}
    for one in (unread, odd, named):
        spot = covered(one).observability("sqs:SendMessage").blind_spot
        assert spot
        assert spot.command == ""


def test_without_the_trails_what_was_read_is_told_but_decides_nothing() -> None:
    account_less = coverage_of(WINDOW, {}, [], None, data_seen={"AWS::S3::Object": 1204})
    seen, unseen = (
        account_less.observability(action).blind_spot for action in ("s3:GetObject", "sqs:SendMessage")
    )
    assert seen
    assert unseen
    assert seen.id == unseen.id == "trail-unknown"
    assert seen.why == "s3 data events were read (1,204), so a trail logs some; which is not known"
    assert unseen.why.endswith("and none was read")


def test_days_without_any_event_do_not_count() -> None:
    coverage = coverage_of(
        window_of(3, WindowEnd.parse("2026-11-24")), {"2026-11-22": 1, "2026-11-24": 5}, [], None
    )
    assert coverage.gaps == ("2026-11-23",)
    assert coverage.observability("iam:CreateUser").days == 2


def test_thousands_of_permissions_come_down_to_few_questions() -> None:
    coverage = covered(basic(exclude=("kms.amazonaws.com",), s3=["arn:aws:s3:::x/"]))
    names = [name for prefix in ("ec2", "s3", "iam", "kms", "sqs") for name in reference.action_names(prefix)]
    for name in names:
        coverage.observability(name)
    assert len(names) > 1200
    assert len(coverage.cache.logged_since) + len(coverage.cache.blind_spots) < len(names) / 20


def test_what_is_settled_for_one_role_holds_for_others_that_no_selector_tells_apart() -> None:
    def made(name: str, *trails: dict[str, Any], account: str = ACCOUNT) -> Coverage:
        known = to_account(snapshot({"trails": list(trails)})).trails
        role = RoleKey(account, f"AROA{name}", f"arn:aws:iam::{account}:role/{name}", name)
        return coverage_of(WINDOW, dict.fromkeys(WINDOW.dates(), 1), ["us-east-1"], known, role=role)

    def role_of(coverage: Coverage, name: str, account: str = ACCOUNT) -> Coverage | None:
        return coverage.of(RoleKey(account, f"AROA{name}", f"arn:aws:iam::{account}:role/{name}", name))

    first = made("first", s3_only(resources_ARN=BUCKET))
    names = [name for prefix in ("s3", "iam", "logs") for name in reference.action_names(prefix)]
    places = ("*", f"{B}b/*", f"{B}b2/*")
    asked = [(name, place, reads) for name in names for place in places for reads in (True, False)]
    told = [first.observability(*one) for one in asked]
    second, alone = role_of(first, "second"), made("second", s3_only(resources_ARN=BUCKET))
    assert second == alone
    assert second
    assert (
        [second.observability(*one) for one in asked] == [alone.observability(*one) for one in asked] == told
    )
    assert role_of(first, "second", "999999999999") is None
    assert role_of(made("first", s3_only(userIdentity_arn=OTHERS)), "second") is None


@pytest.mark.parametrize(
    "trails",
    [
        [basic(exclude=("kms.amazonaws.com",), s3=["arn:aws:s3:::x/"])],
        [s3_only(resources_ARN=BUCKET), basic(read_write="WriteOnly")],
        [advanced(eventCategory=MANAGEMENT, eventName=ONE_NAME), s3_only(userIdentity_arn=OTHERS)],
        [one_region()],
        [basic() | {"EventSelectors": None}],
        [],
    ],
)
def test_the_cache_answers_as_the_rules_do(trails: list[dict[str, Any]]) -> None:
    changes = [change("2026-11-15T09:00:00Z", "PutEventSelectors", **S3_ON)]
    for made in (covered(*trails), covered(*trails, changes=changes)):
        rules = without_cache(made)
        for prefix in ("s3", "iam", "kms", "lambda", "ec2"):
            for action in sorted(reference.action_names(prefix))[::12]:
                for resource in ("*", f"{B}b/*", "arn:aws:ec2:eu-west-1:123456789012:instance/i-1"):
                    asked = action, resource, 7
                    assert made.absence(*asked) == rules.absence(*asked)
            names = frozenset(reference.action_names(prefix))
            told = {name: rules.absence(name, "*", 7).why for name in names if not comes_along(name)}
            found = made.unused(names, 7)
            assert {name: found[name] for name in names} == {name: told.get(name, "") for name in names}


def without_cache(coverage: Coverage) -> ObservabilityRules:
    names = [one.name for one in fields(ObservabilityRules)]
    return ObservabilityRules(**{name: getattr(coverage, name) for name in names})


def test_the_table_says_what_is_on_and_gives_a_command_for_what_is_not() -> None:
    made = basic(exclude=("kms.amazonaws.com",), s3=["arn:aws:s3:::x/"], ddb=["arn:aws:dynamodb"])
    lines = {
        line.name: line
        for line in coverage_rows(covered(made, seen={"AWS::SQS::Queue": 3}), {"s3", "sqs", "dynamodb"})
    }
    states = {name: line.state for name, line in lines.items()}
    assert states == {
        "reads": "on",
        "writes": "on",
        "kms.amazonaws.com": "off",
        "all regions": "on",
        "AWS::DynamoDB::Stream": "off",
        "AWS::DynamoDB::Table": "on",
        "AWS::S3::Object": "partly",
        "AWS::SQS::Queue": "off",
    }
    assert lines["AWS::DynamoDB::Table"].since == WINDOW.start
    assert lines["AWS::SQS::Queue"].events == 3
    assert all(bool(line.command) == (line.state != "on") for line in lines.values())


def test_the_table_without_trails_knows_only_what_was_read() -> None:
    coverage = coverage_of(WINDOW, {}, [], None, data_seen={"AWS::SQS::Queue": 3})
    states = {line.name: line.state for line in coverage_rows(coverage, {"sqs", "sns"})}
    assert states["AWS::SQS::Queue"] == "partly"
    assert {state for name, state in states.items() if name != "AWS::SQS::Queue"} == {"unknown"}


def test_the_table_of_an_account_without_a_trail_is_off_throughout() -> None:
    lines = coverage_rows(covered(), {"s3"})
    assert {line.state for line in lines} == {"off"}


@pytest.mark.parametrize(
    "odd",
    [
        {
            "EventSelectors": [
                {"ExcludeManagementEventSources": [["x"]], "DataResources": 7, "ReadWriteType": None}
            ]
        },
        {"AdvancedEventSelectors": [{"FieldSelectors": [7, {"Field": "eventSource", "NotEquals": [{}]}]}]},
        {"AdvancedEventSelectors": [{"FieldSelectors": None}]},
    ],
)
def test_selectors_of_an_odd_shape_show_nothing_and_break_nothing(odd: dict[str, Any]) -> None:
    coverage = covered(trail(**odd))
    assert not coverage.observability("s3:GetObject").visible
    assert {line.state for line in coverage_rows(coverage) if line.kind == "data"} <= {"off", "partly"}
