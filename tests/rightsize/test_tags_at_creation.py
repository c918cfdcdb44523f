"""Whether tags were given at creation is decided where the records of creation would show them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from policygen.account.snapshot import to_account
from policygen.catalog.tag_members import operation_names, tags_shown
from policygen.rightsize.analysis import analyse
from policygen.rightsize.keep.witnesses.tags import is_of_another
from tests.support.accounts import snapshot, trail
from tests.support.options import analysis_options
from tests.support.records import ROLE, write_logs

DAYS = ["2026-10-26", "2026-11-24", 1]
USED = {"source": "ssm", "name": "GetParameter", "params": {"name": "/a"}, "on": DAYS}
MADE = {"source": "sqs", "name": "CreateQueue", "params": {"queueName": "q"}, "on": DAYS}
RAN = {
    "source": "ec2",
    "name": "RunInstances",
    "on": DAYS,
    "params": {"launchTemplate": {"launchTemplateId": "lt-1"}},
}
GROUP = {"source": "logs", "name": "CreateLogGroup", "params": {"logGroupName": "g"}, "on": DAYS}
TOO_LARGE = {"omitted": True, "originalSize": 137011, "reason": "requestParameters too large"}
READS = {
    "EventSelectors": [{"ReadWriteType": "ReadOnly", "IncludeManagementEvents": True, "DataResources": []}]
}


def kept(folder: Path, action: str, *events: dict[str, Any], **selectors: Any) -> bool:
    """Whether a tagging action stays unverified for a role that may do anything in its service."""
    service = action.partition(":")[0]
    logging = trail({"name": "main"})
    if selectors:
        logging = {
            key: value for key, value in logging.items() if key != "AdvancedEventSelectors"
        } | selectors
    return action in unverified(folder, {"ssm:*": "*", f"{service}:*": "*"}, logging, *events)


def unverified(
    folder: Path, allowed: dict[str, str], logging: dict[str, Any], *events: dict[str, Any], **more: Any
) -> set[str]:
    """What stays of today's policy, action -> resource, though nothing shows it."""
    statements = [
        {"Effect": "Allow", "Action": action, "Resource": place} for action, place in allowed.items()
    ]
    parts = {"policies": [{"Statement": statements}], "trails": [logging], **more}
    told = snapshot(parts)
    for one in told.get("last_accessed", {}).values():
        one["JobCreationDate"] = one["JobCompletionDate"] = "2026-11-24T20:00:00Z"
    account = to_account(told)
    logs = [write_logs(folder, [USED, *events])]
    made = analyse(logs, ROLE, account=account, **analysis_options(days=20)).suggestion
    return {keep.grant.action for keep in made.keeps}


@pytest.mark.parametrize(
    ("action", "event", "stays"),
    [
        ("sqs:TagQueue", MADE, False),
        ("sqs:TagQueue", MADE | {"params": {"queueName": "q", "tags": {"team": "x"}}}, True),
        ("sqs:TagQueue", MADE | {"params": {}}, True),
        ("sqs:UntagQueue", MADE | {"params": {"queueName": "q", "tags": {"team": "x"}}}, False),
        ("ec2:CreateTags", RAN, True),
        ("logs:TagResource", GROUP, False),
        ("logs:TagLogGroup", GROUP | {"params": TOO_LARGE}, True),
    ],
    ids=[
        "the records show no tags",
        "one shows tags",
        "one has lost its parameters",
        "nothing loses tags at creation",
        "a launch template may hold tags",
        "an operation of another service that asks for the same action makes nothing here",
        "CloudTrail left the parameters out",
    ],
)
def test_tags_are_decided_by_the_records_of_what_was_made(
    action: str, event: dict[str, Any], stays: bool, tmp_path: Path
) -> None:
    assert kept(tmp_path, action, event) is stays


TABLE = {"source": "cassandra", "name": "CreateTable", "params": {"keyspaceName": "shop"}, "on": DAYS}
BUDGET = {"source": "budgets", "name": "CreateBudget", "params": {"accountId": "123456789012"}, "on": DAYS}


@pytest.mark.parametrize(
    ("action", "event"),
    [("sqs:TagQueue", MADE), ("cassandra:TagResource", TABLE), ("budgets:TagResource", BUDGET)],
    ids=["an action with the operation's name", "one of a verb", "one of another name"],
)
def test_tags_stay_where_no_trail_shows_what_is_made(
    action: str, event: dict[str, Any], tmp_path: Path
) -> None:
    assert kept(tmp_path, action, event, **READS)


def test_no_operation_of_a_service_is_taken_for_another_s() -> None:
    wrong = [
        (prefix, name)
        for prefix in ("apigateway", "budgets", "cassandra", "s3", "lambda", "ec2", "elasticloadbalancing")
        for name in operation_names(f"{prefix}.amazonaws.com")
        if is_of_another(prefix, name)
    ]
    assert wrong == []
    assert is_of_another("logs", "ImportTable")
    assert is_of_another("s3", "CreateFunction")


@pytest.mark.parametrize(
    ("seen", "stays"),
    [("2026-11-20", False), ("2026-11-22", True)],
    ids=["by a record that was read", "by none of that day"],
)
def test_tags_stay_where_iam_saw_something_made_that_no_record_shows(
    seen: str, stays: bool, tmp_path: Path
) -> None:
    report = {
        "sqs": [f"{seen}T09:00:00Z", {"CreateQueue": f"{seen}T09:00:00Z"}],
        "ssm": "2026-11-24T09:00:00Z",
    }
    allowed = {"ssm:*": "*", "sqs:TagQueue": "*", "sqs:CreateQueue": "*"}
    made = {key: value for key, value in MADE.items() if key != "on"} | {"time": "2026-11-20T09:00:00Z"}
    found = unverified(tmp_path, allowed, trail({"name": "main"}), made, last_accessed=report)
    assert ("sqs:TagQueue" in found) is stays


HERE = "arn:aws:sqs:us-east-1:*:*"


@pytest.mark.parametrize(
    ("tagged", "made", "stays"),
    [(HERE, HERE, False), (HERE, "*", True), ("*", HERE, True)],
    ids=["both in the trail's region", "it may make queues elsewhere", "it may tag queues elsewhere"],
)
def test_tags_stay_where_a_trail_does_not_show_every_region(
    tagged: str, made: str, stays: bool, tmp_path: Path
) -> None:
    allowed = {"ssm:*": "*", "sqs:TagQueue": tagged, "sqs:CreateQueue": made}
    found = unverified(tmp_path, allowed, trail({"name": "main", "region": "us-east-1"}), MADE)
    assert ("sqs:TagQueue" in found) is stays


@pytest.mark.parametrize(
    ("source", "name", "shown"),
    [
        ("logs.amazonaws.com", "CreateLogStream", "no-tags"),
        ("lambda.amazonaws.com", "CreateFunction20150331", "by-parameters"),
        ("ecs.amazonaws.com", "RunTask", "unknown"),
        ("s3.amazonaws.com", "CreateBucket", "unknown"),
        ("sqs.amazonaws.com", "CreateNothing", "unknown"),
    ],
)
def test_an_operation_takes_no_tags_or_shows_them_or_may_hide_them(
    source: str, name: str, shown: str
) -> None:
    assert tags_shown(source, name) == shown
