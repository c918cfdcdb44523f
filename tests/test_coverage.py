"""What selectors show: each row is a trail and an action, and whether "not seen" would mean anything."""

from __future__ import annotations

from typing import Any

import pytest

from policygen.account.model import Account
from policygen.account.snapshot import to_account
from policygen.catalog.visibility import visibility_of
from policygen.coverage import Coverage, coverage_of
from policygen.usage import window_of
from tests.support import snapshot

WINDOW = window_of(30, "2026-11-24")


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
    return coverage_of(WINDOW, {"2026-11-24": 1}, ["us-east-1"], account.trails)


@pytest.mark.parametrize(
    ("trails", "action", "blind"),
    [
        ([basic()], "iam:ListUsers", ""),
        ([basic()], "s3:GetObject", "data-events-off"),
        ([basic(s3=["arn:aws:s3"])], "s3:GetObject", ""),
        ([basic(s3=["arn:aws:s3:::"])], "s3:GetObject", ""),
        ([basic(s3=["arn:aws:s3:::one-bucket/"])], "s3:GetObject", "data-events-partly"),
        ([basic(read_write="WriteOnly", s3=["arn:aws:s3"])], "s3:GetObject", "data-events-off"),
        ([basic(fn=["arn:aws:lambda"])], "lambda:InvokeFunction", ""),
        ([basic(ddb=["arn:aws:dynamodb"])], "dynamodb:PutItem", ""),
        ([basic(ddb=["arn:aws:dynamodb"])], "s3:GetObject", "data-events-off"),
        ([advanced(eventCategory=DATA, resources_type=S3)], "s3:PutObject", ""),
        ([s3_only(readOnly={"Equals": ["true"]})], "s3:PutObject", "data-events-off"),
        ([s3_only(eventName={"Equals": ["GetObject"]})], "s3:PutObject", "data-events-off"),
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
    spot = covering(*trails).blind_spot(action, reads_only=reads)
    assert (spot.id if spot else "") == blind


def test_without_the_trails_data_events_count_as_unknown_even_when_some_were_seen() -> None:
    coverage = coverage_of(WINDOW, {}, [], None)
    spot = coverage.blind_spot("s3:GetObject", reads_only=True)
    assert spot is not None
    assert spot.id == "trail-unknown"
    assert coverage.blind_spot("iam:ListUsers", reads_only=True) is None


def test_permissions_without_an_event_of_their_own_are_implied() -> None:
    assert visibility_of("iam:PassRole").kind == "implied"
    assert visibility_of("sts:TagSession").kind == "implied"


def test_days_count_only_inside_the_window() -> None:
    coverage = coverage_of(WINDOW, {"2026-11-24": 3, "2026-10-26": 1, "2026-10-25": 9}, [], None)
    assert coverage.days_with_events == 2
