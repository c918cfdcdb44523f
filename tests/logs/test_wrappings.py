"""Wrappings met in the wild: each is read exactly, or refused by name with the number of its records."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from policygen.logs.decode.wrappings import ORIGINALS, REFUSED, TEXT_WRAPPINGS, WRAPPINGS
from policygen.logs.events.record import Record
from policygen.logs.registry import open_source
from policygen.logs.source import Batch
from tests.logs.test_files import parquet
from tests.support import ROOT
from tests.support.command import run

ACCOUNT = "123456789012"


def called(number: int, **fields: Any) -> dict[str, Any]:
    """A call of the role `orders`, with all fields that decide."""
    arn = f"arn:aws:iam::{ACCOUNT}:role/orders"
    return {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROA00000000000000001:s",
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/orders/s",
            "accountId": ACCOUNT,
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": "AROA00000000000000001",
                    "arn": arn,
                    "accountId": ACCOUNT,
                    "userName": "orders",
                }
            },
        },
        "eventTime": f"2026-11-03T08:00:0{number}Z",
        "eventSource": "dynamodb.amazonaws.com",
        "eventName": "GetItem",
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "203.0.113.10",
        "userAgent": "Boto3/1.40",
        "errorCode": "AccessDenied" if number == 2 else None,
        "errorMessage": None,
        "requestParameters": {"tableName": f"täble-{number}", "note": 'a, "b" = {c}'},
        "responseElements": None,
        "eventID": f"id-{number}",
        "readOnly": True,
        "resources": [
            {"ARN": f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/t", "accountId": ACCOUNT, "type": "AWS::T"}
        ],
        "eventType": "AwsApiCall",
        "recipientAccountId": ACCOUNT,
        **fields,
    }


CALLS = [called(number) for number in (1, 2, 3)]
TEXTS = [json.dumps(one) for one in CALLS]
LINES = "\n".join(TEXTS)


def b64(data: str | bytes, *, packed: bool = False) -> str:
    raw = data.encode() if isinstance(data, str) else data
    return base64.b64encode(gzip.compress(raw) if packed else raw).decode()


def subscription() -> str:
    """What CloudWatch Logs sends to a subscriber."""
    events = [{"id": str(n), "timestamp": 1, "message": text} for n, text in enumerate(TEXTS)]
    return json.dumps({"messageType": "DATA_MESSAGE", "logGroup": "trail", "logEvents": events})


def table(rows: list[dict[str, Any]], delimiter: str = ",") -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def as_texts(one: dict[str, Any]) -> dict[str, Any]:
    """A row as Athena writes it, with JSON in place of structures."""
    return {
        key.lower(): json.dumps(value) if isinstance(value, dict | list) else value
        for key, value in one.items()
    }


def lower(value: Any) -> Any:
    """A value with the names of a table's columns; parameters stay a text."""
    if isinstance(value, list):
        return [lower(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key.lower(): json.dumps(one) if key == "requestParameters" else lower(one)
        for key, one in value.items()
    }


def presto(value: Any) -> str:
    """A structure as Presto prints it."""
    if not isinstance(value, dict):
        return str(value)
    return "{" + ", ".join(f"{key.lower()}={presto(one)}" for key, one in value.items()) + "}"


def dumps(*values: Any) -> bytes:
    return "\n".join(map(json.dumps, values)).encode()


def elastic(text: str, **more: Any) -> dict[str, Any]:
    return {
        "@timestamp": "2031-01-01T00:00:00Z",
        "event": {"original": text, "action": "GetItem", "provider": "dynamodb.amazonaws.com"},
        "aws": {"cloudtrail": {"user_identity": {"type": "AssumedRole"}}},
        **more,
    }


def lambda_records(source: str, made: Iterator[dict[str, Any]]) -> bytes:
    return dumps(
        {"Records": [{"eventSource": source, "eventName": f"{source}:record", **one} for one in made]}
    )


READ: dict[str, tuple[str, bytes]] = {
    "a Kinesis event of a function": (
        "a.json",
        dumps(
            {"Records": [{"eventSource": "aws:kinesis", "kinesis": {"data": b64(text)}} for text in TEXTS]}
        ),
    ),
    "a Kinesis event that names its event": (
        "a.json",
        lambda_records("aws:kinesis", ({"kinesis": {"data": b64(text)}} for text in TEXTS)),
    ),
    "a Kinesis event of CloudWatch Logs": (
        "a.json",
        dumps({"Records": [{"kinesis": {"data": b64(subscription(), packed=True)}}]}),
    ),
    "Kinesis GetRecords": (
        "a.json",
        dumps({"Records": [{"SequenceNumber": "1", "Data": b64(LINES), "PartitionKey": "p"}]}),
    ),
    "a CloudWatch Logs event of a function": (
        "a.json",
        dumps({"awslogs": {"data": b64(subscription(), packed=True)}}),
    ),
    "a Firehose event of a function": (
        "a.json",
        dumps({"invocationId": "i", "records": [{"recordId": "1", "data": b64(text)} for text in TEXTS]}),
    ),
    "a Kafka event of a function": (
        "a.json",
        dumps(
            {
                "eventSource": "aws:kafka",
                "bootstrapServers": "b",
                "records": {"t-0": [{"topic": "t", "value": b64(text)} for text in TEXTS]},
            }
        ),
    ),
    "an Amazon MQ event of a function": (
        "a.json",
        dumps(
            {
                "eventSource": "aws:mq",
                "eventSourceArn": "arn",
                "messages": [{"messageID": "1", "data": b64(text)} for text in TEXTS],
            }
        ),
    ),
    "an SQS event of a function that names its event source": (
        "a.json",
        lambda_records("aws:sqs", ({"messageId": "1", "body": text} for text in TEXTS)),
    ),
    "SNS in SQS in EventBridge": (
        "a.json",
        dumps(
            *(
                {"body": json.dumps({"Type": "Notification", "Message": json.dumps({"detail": one})})}
                for one in CALLS
            )
        ),
    ),
    "Panther": (
        "a.json",
        dumps(
            *(
                {**one, "p_event_time": "2031-01-01 00:00:00.000", "p_log_type": "AWS.CloudTrail"}
                for one in CALLS
            )
        ),
    ),
    "Logstash, fields": (
        "a.json",
        dumps(*({"@timestamp": "2031-01-01T00:00:00Z", "@version": "1", **one} for one in CALLS)),
    ),
    "Logstash, message": (
        "a.json",
        dumps(*({"@timestamp": "2031-01-01T00:00:00Z", "@version": "1", "message": text} for text in TEXTS)),
    ),
    "Logstash, message of a whole file": (
        "a.json",
        dumps({"@timestamp": "2031-01-01T00:00:00Z", "message": json.dumps({"Records": CALLS})}),
    ),
    "Elastic, event.original": ("a.json", dumps(*map(elastic, TEXTS))),
    "Elastic, event.original dotted": ("a.json", dumps(*({"event.original": text} for text in TEXTS))),
    "Elastic, message of Filebeat": (
        "a.json",
        dumps(*({"message": text, "event": {"dataset": "aws.cloudtrail"}} for text in TEXTS)),
    ),
    "Elastic, search": (
        "a.json",
        dumps({"took": 1, "hits": {"total": {"value": 3}, "hits": [{"_source": elastic(t)} for t in TEXTS]}}),
    ),
    "Elastic, fields": (
        "a.json",
        dumps(*({"_id": "1", "fields": {"event.original": [text]}} for text in TEXTS)),
    ),
    "Splunk, results": (
        "a.json",
        dumps({"results": [{"_raw": text, "eventName": "GetItem", "eventSource": "x"} for text in TEXTS]}),
    ),
    "Splunk, lines": (
        "a.json",
        dumps(*({"preview": False, "result": {"_raw": text, "_time": "2031-01-01"}} for text in TEXTS)),
    ),
    "Splunk, HTTP event collector": (
        "a.json",
        dumps(*({"sourcetype": "aws:cloudtrail", "event": one} for one in CALLS)),
    ),
    "Splunk, CSV": ("a.csv", table([{"_raw": text, "eventName": "x", "host": "h"} for text in TEXTS])),
    "CloudWatch Logs Insights, CSV": (
        "a.csv",
        table([{"@timestamp": "2031-01-01", "@message": text} for text in TEXTS]),
    ),
    "CloudEvents": ("a.json", dumps(*({"specversion": "1.0", "data": one} for one in CALLS))),
    "CloudTrail Lake, eventJson": (
        "a.json",
        dumps({"QueryStatus": "FINISHED", "QueryResultRows": [[{"eventJson": text}] for text in TEXTS]}),
    ),
    "CloudTrail Lake, columns with JSON": (
        "a.json",
        dumps({"QueryResultRows": [[{key: one} for key, one in as_texts(call).items()] for call in CALLS]}),
    ),
    "Athena, CSV with JSON": ("a.csv", table([as_texts(one) for one in CALLS])),
    "Athena, CSV with semicolons": ("a.csv", table([as_texts(one) for one in CALLS], delimiter=";")),
    "Athena, JSON lines": ("a.json", dumps(*map(lower, CALLS))),
    "Athena, GetQueryResults": (
        "a.json",
        dumps(
            {
                "ResultSet": {
                    "Rows": [
                        {"Data": [{"VarCharValue": key} for key in as_texts(CALLS[0])]},
                        *(
                            {
                                "Data": [
                                    {"VarCharValue": one} if one else {} for one in as_texts(call).values()
                                ]
                            }
                            for call in CALLS
                        ),
                    ]
                }
            }
        ),
    ),
    "Parquet": ("a.parquet", parquet(list(map(lower, CALLS)))),
    "Parquet of whole records": ("a.parquet", parquet([{"eventjson": text} for text in TEXTS])),
    "Parquet with times": (
        "a.parquet",
        parquet(
            [
                {**lower(one), "eventtime": datetime(2026, 11, 3, 8, 0, number, tzinfo=UTC)}
                for number, one in enumerate(CALLS, 1)
            ]
        ),
    ),
    "parameters as a text of JSON": (
        "a.json",
        dumps(*({**one, "requestParameters": json.dumps(one["requestParameters"])} for one in CALLS)),
    ),
    "two lists of records in one file": (
        "a.json",
        f'{{"Records":[{TEXTS[0]}],"Records":[{TEXTS[1]},{TEXTS[2]}]}}'.encode(),
    ),
    "two lists of records under two names": (
        "a.json",
        f'{{"Records":[{TEXTS[0]}],"note":1,"events":[{TEXTS[1]},{TEXTS[2]}]}}'.encode(),
    ),
}


def batches(path: Path, name: str, data: bytes) -> list[Batch]:
    (path / name).write_bytes(data)
    return list(open_source(path).read())


def told(found: list[Record]) -> list[tuple[Any, ...]]:
    return [
        (
            one.eventID,
            one.eventTime,
            one.eventName,
            one.errorCode,
            one.userIdentity,
            one.resources,
            json.loads(bytes(one.requestParameters)),
        )
        for one in found
    ]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    (batch,) = batches(tmp_path_factory.mktemp("plain"), "a.json", dumps({"Records": CALLS}))
    return told(batch.records)


@pytest.mark.parametrize("wrapping", READ)
def test_a_wrapping_met_in_the_wild_gives_the_records_as_they_were(
    wrapping: str, expected: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    found = batches(tmp_path, *READ[wrapping])
    assert not [
        (b.damage, b.unreadable, b.passed_over) for b in found if b.damage or b.unreadable or b.passed_over
    ]
    assert told([one for batch in found for one in batch.records]) == expected


OCSF = {
    "class_uid": 6003,
    "class_name": "API Activity",
    "metadata": {"product": {"name": "CloudTrail", "vendor_name": "AWS"}, "version": "1.1.0"},
    "api": {"operation": "GetItem", "service": {"name": "dynamodb.amazonaws.com"}},
    "actor": {"user": {"type": "AssumedRole"}},
}
FLAT = {
    "eventVersion": "1.11",
    "eventName": "GetItem",
    "eventSource": "dynamodb.amazonaws.com",
    "userIdentity.type": "AssumedRole",
    "requestParameters.tableName": "t",
}
HISTORY = {"Event name": "GetItem", "Event time": "2026-11-03", "Event source": "dynamodb.amazonaws.com"}
PRESTO = {**as_texts(CALLS[0]), "useridentity": presto(CALLS[0]["userIdentity"])}
PROTO = b"\xf3\x89\x9a\xc2aggregated by the library"

REFUSALS: dict[str, tuple[str, bytes, int, str]] = {
    "OCSF": ("a.json", dumps(OCSF, OCSF), 2, "OCSF"),
    "OCSF, a list": ("a.json", dumps([OCSF, OCSF]), 2, "OCSF"),
    "Elastic without the original": (
        "a.json",
        dumps(*({"@timestamp": "t", "aws": {"cloudtrail": {"event_version": "1.08"}}} for _ in "ab")),
        2,
        "event.original",
    ),
    "Elastic without the original, a search": (
        "a.json",
        dumps({"hits": {"hits": [{"_source": {"aws.cloudtrail.event_version": "1.08"}}] * 2}}),
        2,
        "event.original",
    ),
    "fields of Splunk without _raw": ("a.json", dumps({"result": FLAT}, {"result": FLAT}), 2, "userIdentity"),
    "flattened records": ("a.json", dumps(FLAT, FLAT), 2, "userIdentity"),
    "flattened records, CSV": ("a.csv", table([FLAT, FLAT]), 2, "userIdentity"),
    "rows without who called": (
        "a.json",
        dumps(*({"EventName": "GetItem", "EventSource": "x", "EventId": "1"} for _ in "ab")),
        2,
        "who called",
    ),
    "the event history as CSV": ("a.csv", table([HISTORY, HISTORY]), 2, "who called"),
    "rows of Athena in Presto's text": ("a.csv", table([PRESTO, PRESTO]), 2, "userIdentity"),
    "rows of Lake in Presto's text": (
        "a.json",
        dumps({"QueryResultRows": [[{key: one} for key, one in PRESTO.items()]] * 2}),
        2,
        "userIdentity",
    ),
    "rows without the error": (
        "a.csv",
        table([{k: v for k, v in as_texts(one).items() if k != "errorcode"} for one in CALLS]),
        3,
        "errorCode",
    ),
    "a wrapping that nobody knows": ("a.json", dumps({"x": {"y": CALLS[:2]}}), 2, "does not know"),
    "a wrapping that nobody knows beside a list": (
        "a.json",
        dumps({"Records": [], "more": {"x": CALLS[:2]}}),
        2,
        "does not know",
    ),
    "a text in a wrapping that nobody knows": (
        "a.json",
        dumps(*({"x": t} for t in TEXTS)),
        3,
        "does not know",
    ),
    "records of the Kinesis Producer Library": (
        "a.json",
        dumps({"Records": [{"kinesis": {"data": b64(PROTO)}}]}),
        1,
        "Producer Library",
    ),
    "base64 that is cut": (
        "a.json",
        dumps({"awslogs": {"data": b64(gzip.compress(subscription().encode())[:-9])}}),
        1,
        "gzip ends",
    ),
    "base64 that is no base64": (
        "a.json",
        dumps({"Records": [{"kinesis": {"data": "H4s!"}}]}),
        1,
        "not JSON",
    ),
}


@pytest.mark.parametrize("wrapping", REFUSALS)
def test_what_cannot_be_read_exactly_is_refused_by_name_with_the_number_of_records(
    wrapping: str, tmp_path: Path
) -> None:
    name, data, count, reason = REFUSALS[wrapping]
    found = batches(tmp_path, name, data)
    reasons = [one.reason for batch in found for one in batch.unreadable]
    assert len(reasons) == count
    assert all(reason in one for one in reasons), reasons
    assert not any(batch.records or batch.passed_over for batch in found)


def test_parquet_of_security_lake_is_refused_with_the_number_of_rows(tmp_path: Path) -> None:
    (batch,) = batches(tmp_path, "a.parquet", parquet([OCSF, OCSF]))
    assert batch.damage is not None
    assert batch.damage.reason.startswith("2 rows, each an event of OCSF")


def test_several_kinds_of_refused_records_are_told_each_with_its_number(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(dumps(OCSF, OCSF, FLAT, *CALLS))
    done = run(tmp_path, "suggest", "-r", "orders", "-l", str(tmp_path), "--no-plan", "-q")
    assert done.code == 3
    assert "3 records of 1 log file cannot be read: 2 an event of OCSF" in done.stderr
    assert "; 1 a record whose userIdentity is spread over columns" in done.stderr


def test_parquet_that_repeats_a_long_value_is_read_within_the_memory(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet as format_

    out = io.BytesIO()
    names = pa.array(["x" * 1_000_000] * 300).dictionary_encode()
    format_.write_table(pa.table({"eventname": names, "eventsource": ["s"] * 300}), out, compression="zstd")
    assert len(out.getvalue()) < 10_000
    assert sum(len(batch.unreadable) for batch in batches(tmp_path, "a.parquet", out.getvalue())) == 300


def test_parquet_that_is_cut_is_damaged(tmp_path: Path) -> None:
    (batch,) = batches(tmp_path, "a.parquet", parquet(list(map(lower, CALLS)))[:-40])
    assert batch.damage is not None
    assert "Parquet is cut or corrupt" in batch.damage.reason


@pytest.mark.parametrize(
    "data",
    [
        table([{"service": "EC2", "cost": "1"}]),
        parquet([{"service": "EC2", "cost": 1}]),
        dumps({"data": {"cost": 1}}, {"event": "x"}, {"result": [1]}, {"hits": {"hits": []}}),
        dumps({"Rule": {"EventPattern": {"eventName": ["GetItem"], "eventSource": ["x"]}}}),
        dumps({"class_uid": 4001, "metadata": {"product": {"name": "Amazon VPC"}}}),
    ],
    ids=["CSV", "Parquet", "JSON", "a rule of EventBridge", "OCSF of another product"],
)
def test_other_tables_and_objects_are_passed_over(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "log.json").write_bytes(dumps({"Records": CALLS}))
    found = [batch for batch in batches(tmp_path, "other", data) if batch.name == "other"]
    assert found
    assert all(batch.passed_over and not (batch.damage or batch.unreadable) for batch in found)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("messages.log", f"Nov  3 08:00:00 host trail: {TEXTS[0]}".encode(), "not JSON"),
        ("a.avro", b"Obj\x01" + TEXTS[0].encode(), "Avro, not JSON"),
        ("a.yaml", b"eventSource: s3.amazonaws.com\nuserIdentity: {}\n", "not JSON"),
    ],
)
def test_a_file_that_holds_events_in_another_form_is_damaged_whatever_its_name_is(
    name: str, data: bytes, reason: str, tmp_path: Path
) -> None:
    (batch,) = (one for one in batches(tmp_path, name, data) if one.name == name)
    assert batch.damage is not None
    assert reason in batch.damage.reason


def test_a_document_that_quotes_a_record_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "log.json").write_bytes(dumps({"Records": CALLS}))
    found = batches(tmp_path, "README.md", b"# Logs\n" + TEXTS[0].encode())
    assert [batch.kind for batch in found] == ["not-json", "log"]


def test_a_wrapping_s_own_time_never_stands_for_the_time_of_a_call(tmp_path: Path) -> None:
    timeless = {key: value for key, value in CALLS[0].items() if key != "eventTime"}
    wrapped = {"@timestamp": "2026-11-24T00:00:00Z", "p_event_time": "2026-11-24 00:00:00.000", **timeless}
    (batch,) = batches(tmp_path, "a.json", dumps(wrapped))
    assert [one.eventTime for one in batch.records] == [None]


def test_the_documentation_names_every_wrapping() -> None:
    folder = ROOT / "docs" / "reference"
    pages = {"logs.md": (*ORIGINALS, *WRAPPINGS, *REFUSED), "access-logs.md": TEXT_WRAPPINGS}
    for page, wrappings in pages.items():
        text = (folder / page).read_text("utf-8")
        assert not {one.name for one in wrappings if one.name not in text}
