"""Records that do not tell the region or the account of the call: the ARN says so, and is never one of no place."""

from __future__ import annotations

from typing import Any

import pytest

from policygen.evidence.record_mapping import map_batch
from policygen.logs.events.event import Event, read_event
from policygen.logs.source import Batch
from tests.logs.test_event import decode
from tests.support.records import ACCOUNT, ROLE, ROLE_ID, record

MINE = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
TABLE = {"source": "dynamodb", "name": "GetItem", "params": {"tableName": "carts"}}
QUEUE = {"source": "sqs", "name": "SendMessage", "params": {"queueUrl": "orders"}}
UNNAMED = {"source": "dynamodb", "name": "DescribeTable"}
BUCKET = {"source": "s3", "name": "GetObject", "params": {"bucketName": "shop", "key": "a*"}}


def requests(raw: dict[str, Any]) -> list[tuple[str, Any]]:
    (mapped,) = map_batch(Batch("a.json", [decode(raw)]), None, set())
    return [(request["action"], request["resource"]) for request in mapped.requests]


@pytest.mark.parametrize(
    ("event", "resource"),
    [
        (TABLE, f"arn:aws:dynamodb:*:{ACCOUNT}:table/carts"),
        (QUEUE, f"arn:aws:sqs:*:{ACCOUNT}:orders"),
        (UNNAMED, f"arn:aws:dynamodb:*:{ACCOUNT}:table/*"),
        (BUCKET, "arn:aws:s3:::shop/a*"),
    ],
    ids=["table", "queue", "unnamed", "bucket"],
)
@pytest.mark.parametrize("region", ["absent", None, ""])
def test_without_a_region_a_resource_is_in_any(
    event: dict[str, Any], resource: str, region: str | None
) -> None:
    raw = record(event) | {"awsRegion": region}
    if region == "absent":
        del raw["awsRegion"]
    assert [found for _, found in requests(raw)] == [resource]


@pytest.mark.parametrize("account", [None, ""])
def test_the_arn_of_a_caller_tells_its_account(account: str | None) -> None:
    raw = record(TABLE)
    raw["userIdentity"]["accountId"] = account
    raw["userIdentity"]["sessionContext"]["sessionIssuer"]["accountId"] = account
    event = read_event(decode(raw))
    assert isinstance(event, Event)
    assert event.principal.role == (ACCOUNT, ROLE_ID, MINE, ROLE)
    assert [resource for _, resource in requests(raw)] == [
        f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/carts"
    ]
    del raw["userIdentity"]["sessionContext"]
    event = read_event(decode(raw))
    assert isinstance(event, Event)
    assert event.principal.role == (ACCOUNT, ROLE_ID, "", ROLE)
