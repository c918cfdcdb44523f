"""What was read before does not count again, and is forgotten after some days."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from policygen.logs.cache import Cache
from policygen.logs.calls import dedup
from policygen.logs.calls.counts import CallCounts
from policygen.logs.calls.dedup import DAYS_REMEMBERED, DuplicateFilter, days_within_reach, key_of
from policygen.logs.calls.stored_calls import CallReader
from policygen.logs.events.record import Record
from policygen.logs.read_report import ReadReport
from policygen.logs.source import LogObject
from tests.logs.test_batching import everybody, made, who


def test_a_key_is_admitted_once_and_has_the_location_where_it_was_read_first() -> None:
    seen = DuplicateFilter()
    seen.location = "one"
    assert seen.admit("a")
    seen.location = "two"
    assert not seen.admit("a")
    assert seen.admit("b")
    assert seen.seen(frozenset("abc")) == seen.keys == frozenset("ab")
    assert (seen.locations("a"), seen.locations("abc")) == ({"one"}, {"one", "two"})


def test_what_is_counted_elsewhere_is_no_record_of_this_count() -> None:
    seen = DuplicateFilter(frozenset("ab"))
    assert not seen.admit("a")
    assert seen.admit("c")
    assert (seen.skipped, seen.keys) == ({"a"}, frozenset("c"))


def test_days_are_forgotten() -> None:
    seen = DuplicateFilter()
    for day in range(DAYS_REMEMBERED + 2):
        seen.rotate()
        assert seen.admit(f"day {day}")
    assert seen.keys == {f"day {day}" for day in range(2, DAYS_REMEMBERED + 2)}
    assert seen.admit("day 0")


def test_packed_keys_are_known_like_others_until_their_day_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dedup, "ROOM", 1_000)
    plain, packed = DuplicateFilter(), DuplicateFilter()
    for number in range(9_000):  # half of the files come again, on the same day and on others
        keys = [f"{one * 7919:032x}" for one in range(number % 4_500, number % 4_500 + 3)]
        for one in (plain, packed):
            one.location = f"file {number}"
            if number % 1_000 == 0:
                one.rotate()
        assert packed.admit_all(keys) == plain.admit_all(keys)
        assert packed.admit(keys[0]) is plain.admit(keys[0]) is False
        packed.pack()
    everything = frozenset(f"{one * 7919:032x}" for one in range(4_600))
    assert packed.seen(everything) == plain.seen(everything) == plain.keys
    assert len(packed.keys) <= 1_000 < len(plain.keys)
    assert packed.locations(everything) == plain.locations(everything)
    assert not packed.isdisjoint([min(plain.keys)])
    assert packed.isdisjoint(everything - plain.keys)
    assert DuplicateFilter(packed).admit_all([*sorted(plain.keys)[:2], "new"]) == [False, False, True]


def test_packed_keys_of_files_without_a_day_are_never_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dedup, "ROOM", 1)
    seen = DuplicateFilter()
    for day in range(3 * DAYS_REMEMBERED):
        seen.location = f"day {day}"
        assert seen.admit_all([f"{day} {number}" for number in range(1_000)]) is None
        seen.pack()
        seen.rotate()
    lately = [0, *range(2 * DAYS_REMEMBERED + 1, 3 * DAYS_REMEMBERED)]
    every = {f"{day} {number}": day for day in range(3 * DAYS_REMEMBERED) for number in range(1_000)}
    assert seen.seen(frozenset(every)) == {key for key, day in every.items() if day in lately}
    assert seen.locations(every) == {f"day {day}" for day in lately}


def test_keys_stay_texts_where_hashes_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dedup, "ROOM", 1)
    monkeypatch.setattr(dedup, "CAN_PACK", False)
    seen = DuplicateFilter()
    seen.admit_all(["a", "b", "c"])
    seen.pack()
    assert seen.keys == frozenset("abc")


def test_days_within_reach_are_those_around_a_change() -> None:
    days = [f"2026-11-{day:02}" for day in range(1, 21)]
    assert sorted(days_within_reach(days, {"2026-11-02", "2026-11-15"})) == [*days[:5], *days[11:18]]


def copy_of(shared: str | None, event: str | None, table: str = "a") -> Record:
    return made(
        {
            "eventID": event,
            "sharedEventID": shared,
            "eventTime": "2026-11-03T08:00:00Z",
            "eventSource": "dynamodb.amazonaws.com",
            "eventName": "GetItem",
            "requestParameters": {"tableName": table},
            "userIdentity": {
                "type": "AWSAccount",
                "principalId": "AROAEXAMPLE1:orders",
                "accountId": "111122223333",
            },
            "recipientAccountId": "444455556666",
        }
    )


def own(shared: str) -> Record:
    return made(
        {
            "eventID": f"own {shared}",
            "sharedEventID": shared,
            "eventTime": "2026-11-03T08:00:00Z",
            "eventSource": "dynamodb.amazonaws.com",
            "eventName": "GetItem",
            "userIdentity": who("orders"),
            "recipientAccountId": "111122223333",
        }
    )


def test_a_copy_counts_where_no_own_record_was_read_even_after_the_cache(tmp_path: Path) -> None:
    chunk = CallCounts(everybody)
    chunk.add_all([own("shared-1"), copy_of("shared-1", "copy-1"), copy_of("shared-2", "copy-2")])
    objects = [LogObject("a", "/a", version="1")]
    cache = Cache.open(tmp_path, "job", everybody, lambda _: None)
    cache.add(objects, chunk, ReadReport())
    cache.close()
    ((_, cached),) = cache.lookup(objects)
    assert cached.keys == {
        key_of(one) for one in (own("shared-1"), copy_of("shared-1", "copy-1"), copy_of("shared-2", "copy-2"))
    }
    whole = CallCounts(everybody)
    whole.merge(cached.counted(everybody, CallReader())[0])
    whole.settle_memory()
    assert [*whole.copies.copies] == ["shared-2"]  # the other one is counted, and let go
    whole.resolve_cross_account_copies()
    chunk.resolve_cross_account_copies()
    assert whole == chunk
    assert [(role.name, events) for role, events in whole.totals.roles.items()] == [("orders", 2)]
    assert list(whole.totals.ignored.values()) == [1]


SEND = {
    "eventID": "one",
    "eventTime": "2026-11-13T08:50:00Z",
    "eventSource": "sqs.amazonaws.com",
    "eventName": "SendMessage",
    "awsRegion": "us-east-1",
    "userIdentity": who("orders"),
    "requestParameters": {"queueUrl": "https://sqs.us-east-1.amazonaws.com/111122223333/q", "delay": 1},
    "resources": [{"ARN": "arn:aws:sqs:us-east-1:111122223333:q", "type": "AWS::SQS::Queue"}],
    "recipientAccountId": "111122223333",
}
OTHER: dict[str, Any] = {
    "eventTime": "2026-11-13T08:50:01Z",
    "eventSource": "ec2.amazonaws.com",
    "eventName": "DescribeInstances",
    "awsRegion": "us-east-2",
    "errorCode": "AccessDenied",
    "userAgent": "aws-cli/2",
    "sourceIPAddress": "203.0.113.9",
    "userIdentity": who("someone"),
    "requestParameters": {"queueUrl": "https://sqs.us-east-1.amazonaws.com/111122223333/other", "delay": 1},
    "resources": [],
}


@pytest.mark.parametrize("name", OTHER)
def test_two_records_of_one_id_that_say_different_things_both_count_in_any_order(name: str) -> None:
    one, other = made(SEND), made(SEND | {name: OTHER[name]})
    forth, back = CallCounts(everybody), CallCounts(everybody)
    forth.add_all([one, other, one])
    back.add_all([other, one, other])
    assert forth == back
    assert (forth.totals.records, forth.totals.duplicates) == (3, 1)
    assert sum(seen.count for calls in forth.calls.values() for seen in calls.values()) == 2


@pytest.mark.parametrize(
    "more",
    [
        {"addendum": {"reason": "DELIVERY_DELAY"}},
        {"responseElements": {"messageId": "m"}, "tlsDetails": {"tlsVersion": "TLSv1.3"}},
        {"eventTime": "2026-11-13 08:50:00.000"},
        {"requestParameters": {"delay": 1, "queueUrl": SEND["requestParameters"]["queueUrl"]}},  # type: ignore[index]
    ],
)
def test_what_differs_by_delivery_only_is_a_duplicate(more: dict[str, Any]) -> None:
    counts = CallCounts(everybody)
    spaced = json.dumps(SEND | more, indent=2).encode()
    counts.add_all([made(SEND), made(SEND | more), msgspec.json.decode(spaced, type=Record)])
    assert (counts.totals.records, counts.totals.duplicates) == (3, 2)


def test_records_without_an_id_count_unless_they_say_the_same() -> None:
    nameless = {name: value for name, value in SEND.items() if name != "eventID"}
    counts = CallCounts(everybody)
    counts.add_all(made(nameless | {"requestParameters": {"n": n % 500}}) for n in range(1000))
    assert (counts.totals.records, counts.totals.duplicates) == (1000, 500)


def test_two_copies_without_an_id_are_two_calls() -> None:
    counts = CallCounts(everybody)
    for table in "ab":
        counts.add(copy_of(None, None, table))
    counts.resolve_cross_account_copies()
    assert counts.totals.roles.total() == 2


def test_a_key_is_the_same_in_every_process() -> None:
    assert key_of(made(SEND)) == "onec164628d"  # workers and the cache compare keys
