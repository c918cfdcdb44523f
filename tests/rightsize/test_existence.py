"""What does not exist, or cannot be reached, was not used: and when that is not known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from policygen.account.snapshot import to_account
from policygen.rightsize.analysis import analyse
from policygen.rightsize.assess.changes import Change
from policygen.rightsize.suggestion import Suggestion
from tests.support.accounts import snapshot, trail
from tests.support.options import analysis_options
from tests.support.records import ACCOUNT, ROLE, write_logs

USED = {
    "source": "ssm",
    "name": "GetParameter",
    "params": {"name": "/a"},
    "on": ["2026-10-26", "2026-11-24", 1],
}
MADE = {
    "source": "kafka",
    "name": "CreateCluster",
    "role": "admin",
    "time": "2026-11-12T10:00:00Z",
    "params": {},
}
BROKER = {
    "type": "AWS::MSK::Cluster",
    "arn": f"arn:aws:kafka:us-east-1:{ACCOUNT}:cluster/orders/1",
    "region": "us-east-1",
    "public": False,
}
COMPLETE = ["AWS::MSK::Cluster", "AWS::MSK::ServerlessCluster", "AWS::DAX::Cluster", "AWS::SQS::Queue"]
CONNECT = "kafka-cluster:Connect"


def resources(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"complete": COMPLETE, "regions": "all", "items": list(items), **more}


def function(**more: Any) -> dict[str, Any]:
    arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:app"
    return {"FunctionName": "app", "FunctionArn": arn, "Role": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}", **more}


def suggested(
    folder: Path,
    *actions: str,
    resource: str = "*",
    trust: str = "ecs-tasks.amazonaws.com",
    condition: dict[str, Any] | None = None,
    events: tuple[dict[str, Any], ...] = (USED,),
    **parts: Any,
) -> Suggestion:
    """`parts` of the snapshot: resources, functions, event_source_mappings, last_accessed."""
    allow: list[dict[str, Any]] = [
        {"Effect": "Allow", "Action": ["ssm:*"], "Resource": "*"},
        {"Effect": "Allow", "Action": list(actions or [CONNECT]), "Resource": resource},
    ]
    if condition:
        allow[1]["Condition"] = condition
    told = {"policies": [{"Statement": allow}], "trails": [trail({"name": "main"})], "trust": [trust]}
    if "last_accessed" in parts:
        told["last_accessed"] = parts.pop("last_accessed")
    made = snapshot(told) | {"regions": ["us-east-1"]} | parts
    for report in made.get("last_accessed", {}).values():
        report["JobCreationDate"] = report["JobCompletionDate"] = "2026-11-24T20:00:00Z"
        for row in report["ServicesLastAccessed"]:
            row["LastAuthenticatedRegion"] = "us-east-1"
    logs = [write_logs(folder, list(events))]
    return analyse(logs, ROLE, account=to_account(made), **analysis_options(days=20)).suggestion


def gone(made: Suggestion, action: str = CONNECT) -> Change | None:
    """The change that takes the action away; None where it stays."""
    kept = {keep.grant.action for keep in made.keeps}
    return next((one for one in made.changes if one.action == action and action not in kept), None)


def rule(made: Suggestion, action: str = CONNECT) -> tuple[str, str] | None:
    change = gone(made, action)
    return (change.decided_by.rule, change.decided_by.confidence) if change and change.decided_by else None


# --- Nothing exists --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resource", "confidence"),
    [("*", "medium"), (f"arn:aws:kafka:*:{ACCOUNT}:*", "high"), ("arn:aws:kafka:*:*:*", "medium")],
)
def test_nobody_connects_to_what_does_not_exist(resource: str, confidence: str, tmp_path: Path) -> None:
    made = suggested(tmp_path, resource=resource, resources=resources())
    assert rule(made) == ("nothing-exists", confidence)


@pytest.mark.parametrize(
    ("more", "events"),
    [
        ({}, (USED,)),
        ({"resources": resources(complete=[])}, (USED,)),
        ({"resources": resources(complete=["AWS::MSK::Cluster"])}, (USED,)),
        ({"resources": resources(regions=["us-east-1"])}, (USED,)),
        ({"resources": resources(BROKER)}, (USED,)),
        ({"resources": resources()}, (USED, MADE)),
        ({"resources": resources(), "resource": "arn:aws:kafka:us-east-1:999900001111:*"}, (USED,)),
    ],
    ids=[
        "nobody read what exists",
        "of no type everything is known",
        "another type would do",
        "one region was read",
        "there is one",
        "somebody made one, which is gone",
        "it is another account's",
    ],
)
def test_a_connection_stays_where_there_may_be_something(more: Any, events: Any, tmp_path: Path) -> None:
    assert gone(suggested(tmp_path, events=events, **more)) is None


def test_a_condition_may_name_another_account(tmp_path: Path) -> None:
    foreign = {"StringEquals": {"aws:ResourceAccount": "999900001111"}}
    assert gone(suggested(tmp_path, condition=foreign, resources=resources())) is None
    own = {"StringEquals": {"aws:ResourceAccount": ACCOUNT}}
    assert rule(suggested(tmp_path, condition=own, resources=resources())) is not None


def test_a_condition_may_name_all_accounts_but_one(tmp_path: Path) -> None:
    others = {"StringNotEquals": {"aws:ResourceAccount": ACCOUNT}}
    assert gone(suggested(tmp_path, condition=others, resources=resources())) is None


def test_one_region_is_enough_for_a_permission_of_that_region(tmp_path: Path) -> None:
    here = resources(regions=["us-east-1"])
    made = suggested(tmp_path, resource=f"arn:aws:kafka:us-east-1:{ACCOUNT}:*", resources=here)
    assert rule(made) == ("nothing-exists", "high")
    there = suggested(tmp_path, resource=f"arn:aws:kafka:eu-west-1:{ACCOUNT}:*", resources=here)
    assert gone(there) is None
    # What exists in another region is not in this one.
    everywhere: dict[str, Any] = {
        "resources": resources(BROKER),
        "resource": f"arn:aws:kafka:eu-west-1:{ACCOUNT}:*",
    }
    assert rule(suggested(tmp_path, **everywhere)) == ("nothing-exists", "high")


def test_a_failed_attempt_to_make_one_makes_none(tmp_path: Path) -> None:
    made = suggested(tmp_path, events=(USED, MADE | {"error": "AccessDenied"}), resources=resources())
    assert rule(made) == ("nothing-exists", "medium")


@pytest.mark.parametrize(
    ("day", "spot"), [("2026-11-02", "used-outside-window"), ("2026-11-20", "data-events-off")]
)
def test_what_iam_saw_an_attempt_at_stays_though_nothing_exists(day: str, spot: str, tmp_path: Path) -> None:
    seen = {"sqs": f"{day}T09:00:00Z"}
    made = suggested(tmp_path, "sqs:SendMessage", resources=resources(), last_accessed=seen)
    assert gone(made, "sqs:SendMessage") is None
    # Within the window it explains the attempt, and stays for its own reason: the witness is asked.
    spots = {keep.grant.action: keep.blind_spot.id for keep in made.keeps if keep.blind_spot}
    assert spots["sqs:SendMessage"] == spot


def test_where_no_trail_shows_that_something_is_made_it_may_have_been(tmp_path: Path) -> None:
    reads = {"ReadWriteType": "ReadOnly", "IncludeManagementEvents": True, "DataResources": []}
    trails = [trail({"name": "main"}) | {"AdvancedEventSelectors": None, "EventSelectors": [reads]}]
    assert gone(suggested(tmp_path, resources=resources(), trails=trails)) is None


# --- Out of reach ----------------------------------------------------------------------------------

LAMBDA = "lambda.amazonaws.com"
IN_VPC = {"VpcConfig": {"SubnetIds": ["subnet-1"]}}


def test_a_function_outside_of_any_vpc_does_not_reach_what_only_a_vpc_does(tmp_path: Path) -> None:
    made = suggested(tmp_path, "dax:GetItem", CONNECT, trust=LAMBDA, functions=[function()])
    assert rule(made, "dax:GetItem") == ("out-of-reach", "high")
    assert gone(made) is None  # a broker may be public


def test_a_broker_that_is_not_public_is_out_of_reach(tmp_path: Path) -> None:
    made = suggested(tmp_path, trust=LAMBDA, functions=[function()], resources=resources(BROKER))
    assert rule(made) == ("out-of-reach", "medium")


@pytest.mark.parametrize(
    "parts",
    [
        {"functions": [function(**IN_VPC)]},
        {"functions": [function()], "trust": "ec2.amazonaws.com"},
        {"functions": []},
        {"functions": [function()], "regions": ["eu-west-1"]},
        {"functions": [function(CapacityProviderConfig={"x": 1})]},
        {
            "functions": [function()],
            "event_source_mappings": [
                {"UUID": "1", "FunctionArn": function()["FunctionArn"], "EventSourceArn": BROKER["arn"]}
            ],
        },
    ],
    ids=[
        "a function is in a VPC",
        "instances may assume it",
        "no function is known",
        "its region was not read",
        "its capacity is in a VPC",
        "Lambda polls a broker for it",
    ],
)
def test_what_may_be_reached_stays(parts: dict[str, Any], tmp_path: Path) -> None:
    given = {"trust": LAMBDA} | parts
    assert gone(suggested(tmp_path, "dax:GetItem", **given), "dax:GetItem") is None


def test_a_function_that_the_snapshot_does_not_have_may_be_in_a_vpc(tmp_path: Path) -> None:
    events = (USED | {"function": "made-since"},)
    made = suggested(tmp_path, "dax:GetItem", trust=LAMBDA, functions=[function()], events=events)
    assert gone(made, "dax:GetItem") is None
    events = (USED | {"function": "app:2"},)
    made = suggested(tmp_path / "known", "dax:GetItem", trust=LAMBDA, functions=[function()], events=events)
    assert gone(made, "dax:GetItem")


@pytest.mark.parametrize("public", [True, None])
def test_a_broker_that_is_public_or_may_be_is_reached_by_any_function(public: Any, tmp_path: Path) -> None:
    there = resources(BROKER | {"public": public})
    assert gone(suggested(tmp_path, trust=LAMBDA, functions=[function()], resources=there)) is None


def test_another_accounts_broker_may_be_public(tmp_path: Path) -> None:
    foreign = "arn:aws:kafka:us-east-1:999900001111:*"
    given: dict[str, Any] = {"trust": LAMBDA, "functions": [function()], "resources": resources(BROKER)}
    assert gone(suggested(tmp_path, resource=foreign, **given)) is None


# --- What there is ---------------------------------------------------------------------------------


def resources_of(made: Suggestion, action: str) -> set[str]:
    return {keep.grant.resource for keep in made.keeps if keep.grant.action == action}


def test_where_all_is_known_a_permission_stays_on_what_exists(tmp_path: Path) -> None:
    made = suggested(tmp_path, CONNECT, "kafka-cluster:ReadData", resources=resources(BROKER))
    assert resources_of(made, CONNECT) == {BROKER["arn"]}
    topics = f"arn:aws:kafka:us-east-1:{ACCOUNT}:topic/orders/1/*"
    assert resources_of(made, "kafka-cluster:ReadData") == {topics}
    assert {keep.note for keep in made.keeps if keep.grant.action == CONNECT} != {""}


@pytest.mark.parametrize(
    ("told", "events"),
    [
        (resources(BROKER, complete=["AWS::MSK::Cluster"]), (USED,)),
        (resources(BROKER), (USED, MADE)),
        (resources(*(BROKER | {"arn": f"{BROKER['arn']}{number}"} for number in range(6))), (USED,)),
        (resources(BROKER | {"arn": "orders"}), (USED,)),
    ],
    ids=["another type may exist", "somebody made another", "there are many", "its name is no ARN"],
)
def test_a_permission_stays_on_everything_where_more_may_exist(
    told: Any, events: Any, tmp_path: Path
) -> None:
    made = suggested(tmp_path, resources=told, events=events)
    assert resources_of(made, CONNECT) == {"*"}
