"""Traces of each format give the calls that CloudTrail would have logged; what cannot be read is an error."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policygen.catalog.mapping import requests_for
from policygen.errors import UsageError
from policygen.logs.traces import read
from policygen.logs.traces.read import Traces, read_traces
from policygen.logs.traces.traced_call import Caller
from tests.support.records import ACCOUNT

HERE = Path(__file__).parent / "traces"
FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:orders"
PAID = f"arn:aws:sqs:us-east-1:{ACCOUNT}:paid"


def requests_in(traces: Traces) -> dict[str, str]:
    """``service operation outcome`` -> the requests of each call."""
    return {
        f"{bucket.call.source.split('.')[0]} {bucket.call.name} {bucket.call.outcome}": " ".join(
            f"{one.request.action} {one.request.resource}"
            for one in requests_for(bucket.call.call()).requests
        )
        for calls in traces.calls.values()
        for bucket in calls
    }


GET_ITEM = {"dynamodb GetItem used": f"dynamodb:GetItem arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/carts"}
PUT_OBJECT = {"s3 PutObject used": "s3:PutObject arn:aws:s3:::invoices/2025/11/a.pdf"}


def test_xray_tells_calls_with_the_resources_that_its_sdk_lists_and_refused_calls_as_refused() -> None:
    traces = read_traces([str(HERE / "xray.json")])
    assert list(traces.calls) == [Caller(FUNCTION, "orders", ACCOUNT)]
    assert requests_in(traces) == {
        **GET_ITEM,
        **PUT_OBJECT,
        "sqs SendMessage denied": f"sqs:SendMessage {PAID}",
        "states StartExecution used": f"states:StartExecution arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:*",
    }
    assert traces.missing == 1


def test_otlp_tells_calls_by_the_present_conventions() -> None:
    traces = read_traces([str(HERE / "otlp.jsonl")])
    assert list(traces.calls) == [Caller(FUNCTION, "orders", ACCOUNT)], (
        "the ARN is made of its parts where it is not said"
    )
    assert requests_in(traces) == {
        **GET_ITEM,
        **PUT_OBJECT,
        "sqs SendMessage used": f"sqs:SendMessage {PAID}",
        "sns Publish used": f"sns:Publish arn:aws:sns:us-east-1:{ACCOUNT}:done",
        "states StartExecution denied": f"states:StartExecution arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:*",
    }


def test_otlp_tells_calls_by_the_names_that_instrumentations_had_before() -> None:
    assert requests_in(read_traces([str(HERE / "otlp-older.jsonl")])) == {
        **GET_ITEM,
        "s3 PutObject used": "s3:PutObject arn:aws:s3:::invoices/*",
        "sqs SendMessage used": f"sqs:SendMessage {PAID}",
        "sqs ReceiveMessage used": f"sqs:ReceiveMessage {PAID}",
    }


def test_messages_of_sdk_monitoring_are_calls_and_an_attempt_counts_only_where_its_call_is_missing() -> None:
    traces = read_traces([f"orders={HERE / 'sdk-monitoring.jsonl'}"])
    assert list(traces.calls) == [Caller(role="orders")]
    assert set(requests_in(traces)) == {
        "dynamodb GetItem used",
        "sqs SendMessage denied",
        "monitoring PutMetricData used",
    }
    assert traces.count == 3


def test_a_policy_of_iamlive_is_a_call_for_each_of_its_actions() -> None:
    traces = read_traces([f"orders={HERE / 'iamlive.txt'}"])
    found = requests_in(traces)
    assert {one.split()[0] for one in found.values()} == {"dynamodb:GetItem", "s3:ListBucket", "s3:PutObject"}
    assert "s3:PutObject arn:aws:s3:::invoices/2025/11/a.pdf" in found.values()
    assert {bucket.day for calls in traces.calls.values() for bucket in calls} == {""}


def xray(**more: Any) -> dict[str, Any]:
    aws = {"operation": "GetItem", "region": "us-east-1"}
    call = {"id": "1", "name": "DynamoDB", "namespace": "aws", "start_time": 1762156800.5, "aws": aws} | more
    return {"id": "2", "trace_id": "1-x", "name": "orders", "start_time": 1762156800, "subsegments": [call]}


def written(folder: Path, *documents: Any) -> str:
    path = folder / "one.json"
    path.write_text("\n".join(map(json.dumps, documents)), "utf-8")
    return str(path)


def test_the_name_of_a_database_is_that_of_a_table_only_in_dynamodb(tmp_path: Path) -> None:
    def export(service: str, operation: str) -> dict[str, Any]:
        said = {"rpc.system": "aws-api", "rpc.service": service, "rpc.method": operation, "db.name": "carts"}
        attributes = [{"key": key, "value": {"stringValue": value}} for key, value in said.items()]
        return {"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": attributes}]}]}]}

    traces = read_traces(
        [written(tmp_path, export("DynamoDB", "GetItem"), export("RDS Data", "ExecuteStatement"))]
    )
    params = {one.call.name: one.call.params for calls in traces.calls.values() for one in calls}
    assert params == {"GetItem": b'{"tableName":"carts"}', "ExecuteStatement": b"{}"}


@pytest.mark.parametrize(
    ("failed", "outcome"),
    [
        ({}, "used"),
        ({"error": True, "http": {"response": {"status": 403}}}, "denied"),
        ({"error": True, "http": {"response": {"status": 400}}}, "weak"),
        (
            {
                "error": True,
                "http": {"response": {"status": 400}},
                "cause": {
                    "exceptions": [
                        {
                            "type": "ClientError",
                            "message": "An error occurred (AccessDeniedException) when calling the GetItem operation",
                        }
                    ]
                },
            },
            "denied",
        ),
        ({"error": True, "cause": {"exceptions": [{"type": "ResourceNotFoundException"}]}}, "used"),
        ({"error": True, "cause": {"exceptions": [{"type": "ExpiredTokenException"}]}}, "unauthenticated"),
        ({"throttle": True}, "weak"),
        ({"fault": True}, "weak"),
        ({"http": {"response": {"status": 404}}}, "used"),
    ],
)
def test_a_failed_call_proves_what_its_error_proves(
    tmp_path: Path, failed: dict[str, Any], outcome: str
) -> None:
    traces = read_traces([written(tmp_path, xray(**failed))])
    assert [bucket.call.outcome for calls in traces.calls.values() for bucket in calls] == [outcome]


def test_a_service_or_operation_that_nobody_knows_is_counted_and_said(tmp_path: Path) -> None:
    strange = xray(name="Blockbuster"), xray(aws={"operation": "GetItem"}, name="")
    traces = read_traces([written(tmp_path, *strange)])
    assert dict(traces.unknown) == {
        "service 'Blockbuster' is not known": 1,
        "service 'without a name' is not known": 1,
    }
    assert traces.count == 2


def test_text_of_strangers_is_one_printable_line(tmp_path: Path) -> None:
    evil = xray(
        name="DynamoDB", aws={"operation": "GetItem\x1b[2J", "region": "us-east-1\n", "table_name": 7}
    )
    traces = read_traces([written(tmp_path, evil, xray(name="\x1b]0;x\x07"))])
    told = [
        text for calls in traces.calls.values() for one in calls for text in (one.call.name, one.call.region)
    ]
    assert all(text.isprintable() for text in (*told, *traces.unknown))


@pytest.mark.parametrize(
    "document",
    [
        xray(aws={"operation": "GetItem", "region": "us-east-1", "table_name": "\ud83d"}),
        xray(aws={"operation": "BatchGetItem", "region": "us-east-1", "table_names": ["\ud83d", "carts"]}),
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "sns:Publish", "Resource": "arn:aws:sns:::\udc00"}],
        },
    ],
    ids=["a parameter", "a list", "an ARN"],
)
def test_a_name_that_was_cut_within_a_character_names_nothing(document: Any, tmp_path: Path) -> None:
    traces = read_traces([written(tmp_path, document)])
    assert len(traces.calls) == 1
    assert json.dumps(requests_in(traces), ensure_ascii=False).encode()


def test_values_of_other_types_than_the_format_has_are_passed_over(tmp_path: Path) -> None:
    odd = [
        {"Traces": [7, {"Segments": [7]}, {}]},
        xray(aws=[1], http=7, cause="41b8") | {"aws": 7, "resource_arn": 9},
        {
            "resourceSpans": [
                7,
                {"resource": 7, "scopeSpans": [{"spans": [7, {"attributes": [{"key": 1}, 7]}]}]},
            ]
        },
        {"Version": "2012-10-17", "Statement": [7, {"Effect": "Allow", "Action": [7], "Resource": 7}]},
    ]
    assert read_traces([written(tmp_path, *odd)]).count == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b'{"Traces": []}\n{"Traces": [', "line 2 is not JSON"),
        (b"\xff\xfe", "byte 0 is not UTF-8"),
        (b"[" * 100_000, "document that begins in line 1"),
        (b'{"Records": []}', "document 1: an object with 'Records', none of the formats"),
        (b"[1, 2]", "document 1: a list of 2 values"),
        (b'{"Traces": [{"Segments": [{"Document": "{"}]}]}', "document of a segment is no JSON object"),
        (b"\x1f\x8bnot gzip", "one.json: "),
    ],
)
def test_what_is_no_trace_is_an_error_and_nothing_of_it_is_used(
    tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "one.json").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_traces([str(tmp_path)])
    assert caught.value.code == "PG-E264"
    assert said in caught.value.message


def test_a_path_that_is_not_there_and_a_folder_without_traces_are_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "gone", tmp_path):
        with pytest.raises(UsageError) as caught:
            read_traces([str(path)])
        assert caught.value.code == "PG-E265"


def test_a_file_may_be_packed_but_may_not_unpack_to_more_than_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = tmp_path / "one.json.gz"
    packed.write_bytes(gzip.compress((HERE / "xray.json").read_bytes()))
    assert read_traces([str(tmp_path)]).count == 4
    monkeypatch.setattr(read, "LARGEST", 1_000)
    with pytest.raises(UsageError, match="more than 1 kB"):
        read_traces([str(tmp_path)])


SAMPLES = [
    json.loads(line)
    for name in ("otlp.jsonl", "otlp-older.jsonl", "sdk-monitoring.jsonl")
    for line in (HERE / name).read_text("utf-8").splitlines()
]
SAMPLES += [
    json.loads(one["Document"])
    for trace in json.loads((HERE / "xray.json").read_text("utf-8"))["Traces"]
    for one in trace["Segments"]
]
ODD = st.sampled_from(
    [
        "null",
        "true",
        "7",
        "-1.5",
        '""',
        '"\\u001b[2J"',
        '"\\u202e"',
        '"\\ud83d"',
        "[]",
        "[[]]",
        "{}",
        '{"key": 1}',
        "1" + "0" * 30,
    ]
)
"""JSON of values that the formats do not have there."""


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) below a value."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [found for key in keys for found in ((value, key), *places(value[key]))]


@given(data=st.data(), sample=st.sampled_from(range(len(SAMPLES))))
def test_any_value_anywhere_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, sample: int
) -> None:
    document = json.loads(json.dumps(SAMPLES[sample]))
    for _ in range(data.draw(st.integers(1, 3))):
        holder, key = data.draw(st.sampled_from(places(document)))
        holder[key] = json.loads(data.draw(ODD))
    folder = tmp_path_factory.mktemp("odd")
    traces = Traces()
    with suppress(UsageError):
        traces = read_traces([written(folder, document)])
    for calls in traces.calls.values():
        for bucket, seen in calls.items():
            assert bucket.call.source.isprintable()
            assert bucket.call.name.isprintable()
            assert all(name.isprintable() for name in seen.event_ids)
            requests_for(bucket.call.call())
