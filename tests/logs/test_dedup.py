"""What was read before does not count again, and is forgotten after some days."""

from __future__ import annotations

from pathlib import Path

from policygen.logs.cache import Cache
from policygen.logs.calls.counts import CallCounts
from policygen.logs.calls.dedup import DAYS_REMEMBERED, DuplicateFilter, days_within_reach
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


def test_days_within_reach_are_those_around_a_change() -> None:
    days = [f"2026-11-{day:02}" for day in range(1, 21)]
    assert sorted(days_within_reach(days, {"2026-11-02", "2026-11-15"})) == [*days[:5], *days[11:18]]


def copy_of(shared: str, event: str) -> Record:
    return made(
        {
            "eventID": event,
            "sharedEventID": shared,
            "eventTime": "2026-11-03T08:00:00Z",
            "eventSource": "dynamodb.amazonaws.com",
            "eventName": "GetItem",
            "requestParameters": {"tableName": "a"},
            "userIdentity": {
                "type": "AWSAccount",
                "principalId": "AROAEXAMPLE1:orders",
                "accountId": "111122223333",
            },
            "recipientAccountId": "444455556666",
        }
    )


def test_a_copy_counts_where_no_own_record_was_read_even_after_the_cache(tmp_path: Path) -> None:
    own = made(
        {
            "eventID": "own",
            "sharedEventID": "shared-1",
            "eventTime": "2026-11-03T08:00:00Z",
            "eventSource": "dynamodb.amazonaws.com",
            "eventName": "GetItem",
            "userIdentity": who("orders"),
            "recipientAccountId": "111122223333",
        }
    )
    chunk = CallCounts(everybody)
    chunk.add_all([own, copy_of("shared-1", "copy-1"), copy_of("shared-2", "copy-2")])
    objects = [LogObject("a", "/a", version="1")]
    cache = Cache.open(tmp_path, "job", everybody, lambda _: None)
    cache.add(objects, chunk, ReadReport())
    cache.close()
    ((_, cached),) = cache.lookup(objects)
    assert cached.keys == {"own", "copy-1", "copy-2"}
    whole = CallCounts(everybody)
    whole.merge(cached.counts)
    whole.resolve_cross_account_copies()
    chunk.resolve_cross_account_copies()
    assert whole == chunk
    assert [(role.name, events) for role, events in whole.totals.roles.items()] == [("orders", 2)]
    assert list(whole.totals.ignored.values()) == [1]
