"""Every field of the totals is merged, subtracted, saved and loaded, whatever fields there are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
import pytest

from policygen.catalog.knowledge import Fact
from policygen.iam.request import RoleKey
from policygen.logs.cache import Cache
from policygen.logs.calls.counts import CallCounts, no_role
from policygen.logs.calls.stored_calls import CallReader
from policygen.logs.calls.totals import ChangeEvent, Totals
from policygen.logs.read_report import ReadReport
from policygen.logs.source import LogObject

KEYS: dict[type, Any] = {
    str: "one\x1b",
    RoleKey: RoleKey("111122223333", "AROAEXAMPLE1", "arn:aws:iam::111122223333:role/a", "a"),
    Fact: Fact("role", "111122223333:a", "arn:aws:iam::111122223333:role/x/a"),
}
VALUES: dict[type, Any] = {
    int: 3,
    str: "2026-11-03T08:00:00Z",
    list: [ChangeEvent("2026-11-03T08:00:00Z", "s", "n", "r", "a", b'{"a":"\xff"}', "", "id")],
}
FIELDS = {field.name: field.type for field in msgspec.structs.fields(Totals)}
TIMES = {"first", "last"}


def with_only(name: str) -> Totals:
    """Totals in which one field has a value."""
    kind = get_origin(FIELDS[name]) or FIELDS[name]
    value = Counter({KEYS[get_args(FIELDS[name])[0]]: 3}) if kind is Counter else VALUES[kind]
    return Totals(**{name: value})


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_is_merged(name: str) -> None:
    merged = Totals()
    merged.merge(with_only(name))
    assert merged == with_only(name) != Totals()
    merged.merge(with_only(name))
    assert (merged == with_only(name)) == (name in TIMES)


@pytest.mark.parametrize("name", sorted(FIELDS.keys() - TIMES - {"records", "duplicates"}))
def test_a_field_is_subtracted(name: str) -> None:
    twice = with_only(name)
    twice.merge(with_only(name))
    twice.subtract(with_only(name))
    assert twice == with_only(name)


def test_records_that_are_subtracted_were_read_and_count_as_duplicates() -> None:
    totals = Totals(records=10, duplicates=1)
    totals.subtract(Totals(records=4, duplicates=1))
    assert totals == Totals(records=10, duplicates=4)


def test_the_earliest_and_the_latest_time_stay() -> None:
    early, late = "2026-11-03T08:00:00Z", "2026-11-04T08:00:00Z"
    for one, other in ((early, late), (late, early)):
        totals = Totals(first=one, last=one)
        totals.merge(Totals(first=other, last=other))
        assert (totals.first, totals.last) == (early, late)


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_survives_the_cache(name: str, tmp_path: Path) -> None:
    objects = [LogObject("a", "/a", version="1")]
    written = Cache.open(tmp_path, "job", no_role, pytest.fail)
    written.add(objects, CallCounts(no_role, totals=with_only(name)), ReadReport())
    written.close()
    ((_, chunk),) = Cache.open(tmp_path, "job", no_role, pytest.fail).lookup(objects)
    assert chunk.counted(no_role, CallReader())[0].totals == with_only(name)
