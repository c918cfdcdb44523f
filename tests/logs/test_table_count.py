"""Counting column by column gives what counting record by record gives, whatever the records are."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policygen.iam.request import RoleKey
from policygen.logs.calls import table_count
from policygen.logs.calls.counts import CallCounts, Select, no_role
from policygen.logs.calls.table_count import TableCounter
from policygen.logs.decode.trail_file import decode_trail_file
from policygen.logs.events.record import Record
from policygen.logs.events.record_table import RecordTable
from policygen.logs.window_end import WindowEnd
from tests.logs.test_batching import SAID, everybody, who

CHOICES = {
    **SAID,
    "userIdentity": [
        *SAID["userIdentity"],
        {**who("orders"), "accessKeyId": "ASIA2"},
        {**who("orders"), "principalId": "AROAOTHER:x"},
    ],
    "resources": [*SAID["resources"], [{"type": "AWS::KMS::Key", "arn": "x"}], []],
    "eventID": [*SAID["eventID"], "id-1\u202e", "x" * 300],
    "userAgent": [*SAID["userAgent"], "\x1b[31m", "a" * 400],
    "sessionCredentialFromConsole": [None, "true", True],
    "responseElements": [None, {"functionArn": "arn:aws:lambda:eu-west-1:111122223333:function:f"}],
}  # fmt: skip
FIELDS = st.fixed_dictionaries(
    {name: st.one_of(st.just(values[0]), st.sampled_from(values)) for name, values in CHOICES.items()}
)
FILES = st.lists(st.lists(FIELDS, max_size=12), max_size=4)


def text_of(records: list[dict[str, Any]], **form: Any) -> bytes:
    """A trail file of these records; a field without a value is left out, as CloudTrail does."""
    kept = [{name: value for name, value in one.items() if value is not None} for one in records]
    return json.dumps({"Records": kept}, **form).encode()


def tables_of(files: Sequence[list[dict[str, Any]]], **form: Any) -> list[RecordTable]:
    """The files that can be decoded at once; each of the others is parted into records, of which some can."""
    found = []
    for records in files:
        table = decode_trail_file(text_of(records, **form))
        parts = (
            [table] if table is not None else [decode_trail_file(text_of([one], **form)) for one in records]
        )
        found += [one for one in parts if one is not None]
    return found


def plain(files: Sequence[Sequence[Record]], select: Select, until: WindowEnd | None) -> CallCounts:
    counts = CallCounts(select, until=until)
    for records in files:
        counts.add_all(list(records))
    counts.resolve_cross_account_copies()
    return counts


def by_column(files: Sequence[RecordTable], select: Select, until: WindowEnd | None) -> CallCounts:
    counts = CallCounts(select, until=until)
    counter = TableCounter(counts)
    for table in files:
        if not counter.add(table):
            counts.add_all(table)
    counter.flush()
    counts.resolve_cross_account_copies()
    return counts


def check(one: CallCounts, other: CallCounts) -> None:
    assert one == other
    assert one.duplicates.keys == other.duplicates.keys
    assert sorted(one.unreadable) == sorted(other.unreadable)


def one_session(role: RoleKey) -> bool:
    return role.role_id == "AROAOTHER"


@given(
    FILES,
    st.sampled_from([everybody, one_session, no_role]),
    st.sampled_from(["", "2026-11-03"]),
    st.booleans(),
)
def test_columns_give_what_single_records_give(
    files: list[list[dict[str, Any]]], select: Callable[[RoleKey], bool], until: str, spaced: bool
) -> None:
    tables = tables_of([*files, *files[:1]], separators=None if spaced else (",", ":"))
    end = WindowEnd.parse(until) if until else None
    check(by_column(tables, select, end), plain(tables, select, end))


@given(FILES)
def test_it_does_not_matter_how_often_the_held_groups_are_added_up(files: list[list[dict[str, Any]]]) -> None:
    tables = tables_of(files)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_count, "HELD", 1)
        often = by_column(tables, everybody, None)
    check(often, by_column(tables, everybody, None))


@given(FILES, st.randoms(use_true_random=False))
def test_deliveries_in_another_order_and_with_other_spaces_are_the_same_records(
    files: list[list[dict[str, Any]]], random: Any
) -> None:
    again = [[dict(random.sample(list(one.items()), len(one))) for one in records] for records in files]
    first, second = tables_of(files), tables_of(again, separators=(",", ":"))
    once, twice = by_column(first, everybody, None), by_column([*first, *second], everybody, None)
    assert twice.calls == once.calls
    assert twice.totals.roles == once.totals.roles


def test_a_table_is_a_sequence_of_the_records_that_the_file_holds() -> None:
    records = [
        {name: values[0] for name, values in CHOICES.items()} | {"eventID": f"id-{n}"} for n in range(3)
    ]
    (table,) = tables_of([records])
    assert [one.eventID for one in table] == ["id-0", "id-1", "id-2"]
    assert [one.eventID for one in table[1:]] == ["id-1", "id-2"]
    assert table == list(table) != table[1:]


def test_all_that_events_of_one_call_tell_is_added_up() -> None:
    usual = {name: values[0] for name, values in CHOICES.items()} | {"errorCode": "ThrottlingException"}
    records = [
        {
            **usual,
            "eventID": f"id-{n}",
            "eventTime": f"2026-11-03T08:00:{59 - n:02}Z",
            "sourceIPAddress": f"10.0.0.{n}",
            "userAgent": f"aws-sdk exec-env/AWS_Lambda_{n}",
        }
        for n in range(8)
    ]
    tables = tables_of([records])
    counts = by_column(tables, everybody, None)
    check(counts, plain(tables, everybody, None))
    ((evidence,),) = (list(calls.values()) for calls in counts.calls.values())
    assert (evidence.count, evidence.weak, evidence.first[-3:], evidence.last[-3:]) == (8, 8, "52Z", "59Z")
    assert evidence.event_ids == ("id-7", "id-6", "id-5", "id-4", "id-3")
    assert len(evidence.addresses) == len(evidence.agents) == 5


@pytest.mark.parametrize(
    "odd",
    [
        {"eventTime": "2026-11-04 01:59:59"},
        {"eventTime": "2026-11-31T08:00:00Z"},
        {"eventTime": "2026-11-03T08:00:60Z"},
        {"eventTime": None},
        {"eventID": None},
        {"eventID": ""},
    ],
)
def test_a_table_with_an_odd_record_is_left_to_the_other_count(odd: dict[str, Any]) -> None:
    usual = {name: values[0] for name, values in CHOICES.items()}
    (table,) = tables_of([[usual, {**usual, **odd}]])
    counts = CallCounts(everybody)
    assert not TableCounter(counts).add(table)
    assert counts == CallCounts(everybody)


@pytest.mark.parametrize(
    "odd",
    [
        {"userIdentity": None},
        {"userIdentity": {"type": 5}},
        {"resources": [{"ARN": 5}]},
        {"requestParameters": '{"tableName": "a"}'},
        {"eventSource": "aws:s3"},
        {"eventName": ""},
        {"eventType": "AwsCloudTrailInsight"},
    ],
)
def test_a_file_with_a_record_of_another_form_is_no_table(odd: dict[str, Any]) -> None:
    usual = {name: values[0] for name, values in CHOICES.items()}
    assert decode_trail_file(text_of([usual, {**usual, **odd}])) is None
