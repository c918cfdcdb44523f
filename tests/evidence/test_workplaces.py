"""Where a role may have worked, in regions of which IAM's report says nothing."""

from __future__ import annotations

from typing import Any

import pytest

from policygen.account.current import current_access
from policygen.account.snapshot import to_account
from policygen.evidence.coverage.workplaces import Workplaces, workplaces
from tests.support.accounts import snapshot
from tests.support.records import ACCOUNT, ROLE

MEXICO = "mx-central-1"
QUEUE = {"type": "AWS::SQS::Queue", "arn": f"arn:aws:sqs:{MEXICO}:{ACCOUNT}:q", "region": MEXICO}


def function(region: str, **more: Any) -> dict[str, Any]:
    return {
        "FunctionName": "app",
        "FunctionArn": f"arn:aws:lambda:{region}:{ACCOUNT}:function:app",
        "Role": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}",
        **more,
    }


def found(trust: str = "ecs-tasks.amazonaws.com", resource: str = "*", **parts: Any) -> Workplaces:
    """Where the role may have worked, in an account in which others work in Mexico."""
    allow = {"Effect": "Allow", "Action": "sqs:*", "Resource": resource} | parts.pop("statement", {})
    made = snapshot({"policies": [{"Statement": [allow]}], "trust": [trust]}) | parts
    account = to_account(made)
    access = current_access(account.role(ROLE), account)
    return workplaces(access, ["eu-west-1", MEXICO], ["eu-west-1"])


def may_work(places: Workplaces, action: str = "sqs:SendMessage") -> bool:
    return MEXICO in places.of(action)


def test_where_others_work_a_task_may_run_too() -> None:
    assert may_work(found())


@pytest.mark.parametrize(
    ("regions", "errors", "may"),
    [
        (["eu-west-1", MEXICO], [], False),
        (["eu-west-1"], [], True),
        (["eu-west-1", MEXICO], [{"operation": "lambda:ListFunctions", "region": MEXICO}], True),
    ],
    ids=["its functions are known there", "that region was not read", "AWS refused to list them there"],
)
def test_a_role_of_lambda_runs_where_its_functions_are(
    regions: list[str], errors: list[Any], may: bool
) -> None:
    places = found("lambda.amazonaws.com", functions=[function("eu-west-1")], regions=regions, errors=errors)
    assert may_work(places) is may
    assert (places.ruled_out("sqs:SendMessage") == MEXICO) is not may


@pytest.mark.parametrize(
    "parts",
    [
        {"functions": [function(MEXICO)]},
        {"functions": [function("eu-west-1", DeadLetterConfig={"TargetArn": QUEUE["arn"]})]},
        {"resource": QUEUE["arn"]},
        {"statement": {"Condition": {"StringEquals": {"aws:RequestedRegion": MEXICO}}}},
    ],
    ids=["a function", "a dead letter queue", "a resource", "a condition"],
)
def test_what_is_known_of_the_role_itself_counts_in_any_case(parts: dict[str, Any]) -> None:
    places = found("lambda.amazonaws.com", regions=["eu-west-1", MEXICO], **parts)
    assert MEXICO in places.own


@pytest.mark.parametrize(
    ("resources", "sqs", "sns"),
    [
        ({"complete": ["AWS::SQS::Queue"], "regions": "all", "items": [QUEUE]}, True, False),
        ({"complete": ["AWS::SQS::Queue"], "regions": "all", "items": []}, False, False),
        ({"complete": ["AWS::SQS::Queue"], "regions": ["eu-west-1"], "items": []}, True, True),
        ({"regions": "all", "items": []}, True, True),
    ],
    ids=[
        "a queue is there",
        "nothing is there",
        "that region was not read",
        "it does not say what is complete",
    ],
)
def test_a_role_works_where_others_do_only_with_what_exists_there(
    resources: dict[str, Any], sqs: bool, sns: bool
) -> None:
    places = found(resources=resources)
    assert (may_work(places), may_work(places, "sns:Publish")) == (sqs, sns)


def test_a_broker_brings_the_protocol_of_its_topics_along() -> None:
    broker = {
        "type": "AWS::MSK::Cluster",
        "arn": f"arn:aws:kafka:{MEXICO}:{ACCOUNT}:cluster/c/1",
        "region": MEXICO,
    }
    places = found(resources={"complete": ["AWS::MSK::Cluster"], "regions": "all", "items": [broker]})
    assert may_work(places, "kafka-cluster:Connect")
