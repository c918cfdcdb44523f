"""Who could read a stream or a queue: the triggers of the role's functions, or nothing but their own code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from policygen.account.snapshot import to_account
from policygen.catalog.visibility import visibility_of
from policygen.iam import reference
from policygen.plan.build import plan_from_analysis
from policygen.report.formats import render
from policygen.rightsize.analysis import Analysis, analyse
from policygen.rightsize.keep.event_sources import features
from policygen.rightsize.keep.model import LOOKED, ONLY_CODE
from tests.support.accounts import snapshot, trails_of
from tests.support.options import analysis_options
from tests.support.records import ACCOUNT, ROLE, crowd, write_logs

PLACE = f"us-east-1:{ACCOUNT}"
STREAM = f"arn:aws:dynamodb:{PLACE}:table/carts/stream/2026-01-01T00:00:00.000"
ALLOWED = [
    *("dynamodb:DescribeStream", "dynamodb:GetItem", "dynamodb:GetRecords", "dynamodb:GetShardIterator"),
    *("kinesis:DescribeStream", "kinesis:GetRecords", "kinesis:ListShards", "kinesis:SubscribeToShard"),
    *("sqs:ChangeMessageVisibility", "sqs:ReceiveMessage", "sqs:SendMessage", "ssm:GetParameter"),
]
READ = {"source": "ssm", "name": "GetParameter", "params": {"name": "/app/key"}, "reads": True}
FOUND = {"source": "dynamodb", "name": "DescribeStream", "params": {"streamArn": STREAM}, "reads": True}


def function(name: str) -> dict[str, Any]:
    arn = f"arn:aws:lambda:{PLACE}:function:{name}"
    return {"FunctionName": name, "FunctionArn": arn, "Role": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"}


def trigger(source: str, name: str = "carts") -> dict[str, Any]:
    return {
        "UUID": source,
        "EventSourceArn": source,
        "FunctionArn": function(name)["FunctionArn"],
        "State": "Enabled",
    }


def suggested(folder: Path, *events: dict[str, Any], **more: Any) -> Analysis:
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ALLOWED, "Resource": "*"}]}
    world = {"policies": [policy], "trails": trails_of("management"), "trust": ["lambda.amazonaws.com"]}
    world |= {"functions": [function("carts")], "event_source_mappings": []} | more
    known = to_account(snapshot(world) | {"event_invoke_configs": []})
    log = write_logs(folder, crowd([READ, *events]))
    return analyse([log], ROLE, account=known, **analysis_options(days=30))


def notes(analysis: Analysis) -> dict[str, str]:
    return {one.action: one.note for one in plan_from_analysis(analysis).keeps if one.kind == "unknown"}


def test_what_no_trigger_reads_is_put_to_whoever_wrote_the_code(tmp_path: Path) -> None:
    found = suggested(tmp_path)
    told = notes(found)
    tables = f"{ONLY_CODE}: no trigger of carts reads a stream of DynamoDB, and no call looked for one (DescribeStream)"
    assert told["dynamodb:GetRecords"] == told["dynamodb:GetShardIterator"] == tables
    assert "reads a stream of Kinesis" in told["kinesis:SubscribeToShard"]
    assert "(DescribeStream or ListShards)" in told["kinesis:GetRecords"]
    assert told["sqs:ReceiveMessage"] == f"{ONLY_CODE}: no trigger of carts reads a queue"
    assert told["dynamodb:GetItem"] == told["sqs:SendMessage"] == ""  # they read no stream and no queue
    assert {"dynamodb:GetRecords", "sqs:ReceiveMessage"} <= {one.action for one in found.suggestion.grants}
    screen = " ".join(render("text", plan_from_analysis(found)).split())
    assert "Only your code could use dynamodb 2, kinesis 2, sqs 2: no trigger of carts reads" in screen


def test_what_a_trigger_reads_is_named_and_the_rest_is_asked(tmp_path: Path) -> None:
    read = [trigger(f"arn:aws:sqs:{PLACE}:orders"), trigger(f"arn:aws:sqs:{PLACE}:returns", "other")]
    told = notes(suggested(tmp_path, event_source_mappings=read))
    assert told["sqs:ChangeMessageVisibility"] == (
        f"{ONLY_CODE}: Lambda reads orders for a trigger of carts and needs no more for that"
    )
    two = [function("carts"), function("baskets")]
    assert (
        "no trigger of the 2 functions reads a queue"
        in notes(suggested(tmp_path, functions=two))["sqs:ReceiveMessage"]
    )


def test_who_looked_for_a_stream_may_read_it_so_a_drop_is_looked_at_first(tmp_path: Path) -> None:
    told = notes(suggested(tmp_path, FOUND))["dynamodb:GetRecords"]
    assert told == f"{LOOKED}: it called DescribeStream, as code does that reads a stream of DynamoDB"
    denied = FOUND | {"error": "AccessDenied"}
    assert notes(suggested(tmp_path / "denied", denied))["dynamodb:GetRecords"].startswith(LOOKED)


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"trust": ["lambda.amazonaws.com", "pipes.amazonaws.com"]}, id="a pipe may read it"),
        pytest.param({"functions": []}, id="no function is known"),
        pytest.param({"event_source_mappings": None}, id="the triggers are not known"),
    ],
)
def test_nothing_is_said_where_others_may_read_or_the_triggers_are_not_known(
    more: dict[str, Any], tmp_path: Path
) -> None:
    assert set(notes(suggested(tmp_path, **more)).values()) <= {""}


def test_what_is_read_and_found_are_actions_of_iam_that_polling_knows() -> None:
    for row in features().values():
        assert all(map(reference.action, (*row.reading, *row.found_by)))
        assert not row.reading or row.polled
        assert {visibility_of(action).kind for action in row.reading} <= {"data"}
        assert {visibility_of(action).kind for action in row.found_by} <= {"management"}
