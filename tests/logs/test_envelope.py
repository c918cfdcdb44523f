"""What the envelope module makes of JSON text, wrapper by wrapper."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policygen.logs.decode.envelope import Item, PassedOver, parse_items, to_record, unwrap
from policygen.logs.decode.json_window import BadRecord
from policygen.logs.decode.trail_file import decode_trail_file
from policygen.logs.events.record import Record
from policygen.logs.source import Damage
from tests.support.effort import examples


def record(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "eventVersion": "1.11",
        "eventID": f"id-{number}",
        "eventTime": "2026-11-24T00:00:00Z",
        "eventSource": "dynamodb.amazonaws.com",
        "eventName": "GetItem",
        "eventType": "AwsApiCall",
        "userIdentity": {"type": "AssumedRole", "principalId": "AROAEXAMPLE:s"},
        "requestParameters": {"tableName": "orders", "key": {"eventName": "forged", "eventSource": "forged"}},
        **fields,
    }


def read(data: bytes | str) -> list[Item]:
    return list(parse_items(data.encode() if isinstance(data, str) else data))


def ids(found: list[Item]) -> list[str | None]:
    return [item.eventID for item in found if isinstance(item, Record)]


INSIGHT = record(eventType="AwsCloudTrailInsight")
CHAIN = json.dumps(record())
for _ in range(12):
    CHAIN = json.dumps({"Message": CHAIN})

PASSED: list[tuple[str, Any]] = [
    ("insight", INSIGHT),
    ("insight", {"insightDetails": {"state": "Start"}}),
    ("insight", {"detail-type": "AWS Insight via CloudTrail", "source": "aws.cloudtrail", "detail": INSIGHT}),
    ("aggregated", {"eventType": "AwsAggregatedEvent", "eventId": "1", "eventName": "GetObject"}),
    ("aggregated", record(eventCategory="Aggregated")),
    ("s3-notification", {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {}}]}),
    ("s3-notification", {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}),
    ("delivery-note", {"s3Bucket": "b", "s3ObjectKey": ["AWSLogs/1.json.gz"]}),
    ("delivery-note", {"Type": "Notification", "Message": '{"s3Bucket": "b", "s3ObjectKey": ["k"]}'}),
    ("digest", {"digestS3Bucket": "b", "logFiles": []}),
    ("snapshot", {"policygen_snapshot": 1, "roles": []}),
    ("snapshot", {"UserDetailList": [], "RoleDetailList": []}),
    (
        "control-message",
        {"messageType": "CONTROL_MESSAGE", "logEvents": [{"message": "CWL CONTROL MESSAGE"}]},
    ),
    ("other-event", {"detail-type": "Object Created", "source": "aws.s3", "detail": {"bucket": {}}}),
    (
        "other-event",
        {
            "detail-type": "AWS API Call via CloudTrail",
            "source": "mallory",
            "detail": record(eventName="Forged"),
        },
    ),
    ("other-json", {"Version": "2012-10-17", "Statement": []}),
]


@pytest.mark.parametrize(("kind", "value"), PASSED)
def test_what_is_no_evidence_is_passed_over_by_kind(kind: str, value: Any) -> None:
    assert read(json.dumps(value)) == [PassedOver(kind)]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"Records": [7]}, "not an object: 7"),
        ({"Records": [None]}, "not an object: null"),
        ({"Records": [{}]}, "no eventName"),
        ({"Records": [record(eventName=None)]}, "no eventName"),
        ({"eventName": "GetItem"}, "no eventSource"),
        (record(eventSource=""), "no eventSource"),
        (record(eventName=5), "eventName"),
        (record(errorCode=403), "errorCode"),
        (record(userIdentity="root"), "userIdentity"),
        (record(userIdentity={"accountId": ["123456789012"]}), "userIdentity.accountId"),
        ({"logEvents": [{"message": "START RequestId"}]}, "a text that is not JSON"),
        ({"logEvents": [{"message": CHAIN}]}, "deep"),
        (None, "not an object: null"),
        (True, "not an object: true"),
    ],
)
def test_what_should_be_a_record_and_is_none_is_a_flaw_with_its_reason(value: Any, reason: str) -> None:
    (found,) = read(json.dumps(value))
    assert isinstance(found, BadRecord)
    assert reason in found.reason


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("resources", {"ARN": "x"}), ("awsRegion", 7), ("managementEvent", "perhaps"), ("userAgent", ["x"])],
)
def test_a_field_of_a_wrong_type_is_left_out_and_the_record_kept(field: str, wrong: Any) -> None:
    assert to_record(record(**{field: wrong})) == to_record(record())


def test_a_boolean_written_as_text_is_read() -> None:
    found = to_record(record(readOnly="true"))
    assert isinstance(found, Record)
    assert found.readOnly is True


def test_request_parameters_stay_raw_and_whole_on_both_paths() -> None:
    text = json.dumps({"Records": [record()]}).encode()
    fast = decode_trail_file(text)
    assert fast is not None
    (slow,) = (to_record(value) for value in unwrap(json.loads(text)) if isinstance(value, dict))
    assert isinstance(slow, Record)
    for one in (fast[0], slow):
        assert msgspec.json.decode(one.requestParameters) == record()["requestParameters"]


def test_the_fast_path_refuses_whatever_is_not_all_plain_records() -> None:
    for odd in (INSIGHT, {"eventSource": "aws:s3", "eventName": "x"}, {}, record(eventCategory="Insight")):
        assert decode_trail_file(json.dumps({"Records": [record(), odd]}).encode()) is None


def test_an_odd_record_in_a_trail_file_costs_only_itself() -> None:
    text = json.dumps({"Records": [record(1), INSIGHT, 5, record(2)]})
    assert [type(item) for item in read(text)] == [Record, PassedOver, BadRecord, Record]


@pytest.mark.parametrize("bad", [b"\xff", b"\\ud800"], ids=["not UTF-8", "lone surrogate"])
@pytest.mark.parametrize("lines", [False, True])
def test_a_record_with_bad_characters_costs_only_itself(bad: bytes, lines: bool) -> None:
    records = [record(1), record(2, eventName="@"), record(3)]
    text = "\n".join(map(json.dumps, records)) if lines else json.dumps({"Records": records})
    found = read(text.encode().replace(b"@", bad))
    assert [type(item) for item in found] == [Record, BadRecord, Record]
    assert ids(found) == ["id-1", "id-3"]


def test_a_bad_character_outside_the_list_is_not_lost() -> None:
    found = read(b'{"Records":[' + json.dumps(record()).encode() + b'],"note":"\xff"}')
    assert [type(item) for item in found] == [Record, BadRecord]


@pytest.mark.parametrize(
    "head", ['{"Records":[', "[", '{"messageType":"DATA_MESSAGE","subscriptionFilters":["a"],"logEvents":[']
)
def test_whole_records_before_a_cut_are_used_and_the_cut_is_named(head: str) -> None:
    one, two = json.dumps(record(1)), json.dumps(record(2))
    text = f"{head}{one},{two[:-9]}"
    found = read(text)
    assert ids(found) == ["id-1"]
    assert found[-1] == Damage(len(text), f"JSON ends in the middle of a value at byte {len(text):,}")


def test_not_json_is_named_at_its_byte() -> None:
    (found,) = read('{"Records": xx}')
    assert isinstance(found, Damage)
    assert found.byte == 12
    assert found.reason.startswith("not JSON at byte 12: ")


def test_lines_after_a_damaged_line_are_used_and_further_bad_lines_counted() -> None:
    lines = [json.dumps(record(number)) for number in range(5)]
    lines[1], lines[3] = lines[1][:50], lines[3][:-1]
    found = read("\n".join(lines))
    assert [type(item) for item in found] == [Record, Damage, Record, BadRecord, Record]
    assert ids(found) == ["id-0", "id-2", "id-4"]


def test_records_on_lines_of_a_list_survive_damage_among_them() -> None:
    lines = [json.dumps(record(number)) for number in range(4)]
    found = read('{"Records":[\n' + ",\n".join([lines[0], lines[1][:-5], *lines[2:]]) + "\n]}")
    assert ids(found) == ["id-0", "id-2", "id-3"]
    assert sum(isinstance(item, Damage) for item in found) == 1


@pytest.mark.parametrize("indent", [None, 1, 2, 4, "\t"])
def test_an_object_inside_a_damaged_record_is_never_taken_for_a_record(indent: Any) -> None:
    forged = record(66, eventName="DeleteTable")
    victim = record(1, requestParameters={"list": [forged, forged]})
    text = json.dumps({"Records": [victim]}, indent=indent).replace(
        '"eventVersion": "1.11"', '"eventVersion": ', 1
    )
    assert text.count("DeleteTable") == 2
    for cut in range(0, len(text), 7):
        assert "id-66" not in ids(read(text[cut:] if cut == 0 else text[:cut]))


def test_many_values_on_one_line_take_no_longer_each() -> None:
    found = read(json.dumps(record()) * 20_000)
    assert len(found) == 20_000
    assert set(map(type, found)) == {Record}


@pytest.mark.parametrize("text", [b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5_000, b"1e999", b"\x00", b'"'])
def test_hostile_text_is_reported_and_raises_nothing(text: bytes) -> None:
    assert any(isinstance(item, BadRecord | Damage) for item in read(text))


@settings(max_examples=examples(200))
@given(st.binary(max_size=60) | st.text('{}[]",:\\\n 0aeR', max_size=60).map(str.encode))
def test_any_bytes_but_empty_lists_give_at_least_one_item(data: bytes) -> None:
    found = read(data)
    assert found or set(data) <= set(b" \t\r\n[],")


@settings(max_examples=examples(200))
@given(st.data())
def test_a_changed_byte_in_lines_costs_at_most_the_lines_it_touches(data: st.DataObject) -> None:
    lines = [json.dumps(record(number)).encode() for number in range(6)]
    text = bytearray(b"\n".join(lines))
    where = data.draw(st.integers(0, len(text) - 1))
    text[where] = data.draw(st.integers(0, 255))
    found = read(bytes(text))
    assert len([item for item in found if isinstance(item, Record)]) >= 4
    assert len(found) >= 5
