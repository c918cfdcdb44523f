"""A window ends with a whole day or at an instant, and what is after its end does not count."""

from __future__ import annotations

import pickle
from datetime import date

import pytest

from policygen.logs.source import Scope
from policygen.logs.window import Window, limit_of, scope_of, window_of
from policygen.logs.window_end import WindowEnd

DAY = WindowEnd.parse("2026-11-24")
INSTANT = WindowEnd.parse("2026-11-24T09:00:00Z")


def test_an_end_is_a_day_or_an_instant() -> None:
    assert WindowEnd(date(2026, 11, 24)) == DAY
    assert WindowEnd(date(2026, 11, 24), "2026-11-24T09:00:00Z") == INSTANT
    assert (str(DAY), str(INSTANT)) == ("2026-11-24", "2026-11-24T09:00:00Z")
    assert (DAY.last_second, INSTANT.last_second) == ("2026-11-24T23:59:59Z", "2026-11-24T09:00:00Z")
    assert pickle.loads(pickle.dumps((DAY, INSTANT))) == (DAY, INSTANT)


@pytest.mark.parametrize(
    ("time", "after_day", "after_instant"),
    [
        ("2026-11-23T23:59:59Z", False, False),
        ("2026-11-24T09:00:00Z", False, False),
        ("2026-11-24T09:00:01Z", False, True),
        ("2026-11-24T23:59:59Z", False, True),
        ("2026-11-25T00:00:00Z", True, True),
    ],
)
def test_what_is_after_the_end_does_not_count(time: str, after_day: bool, after_instant: bool) -> None:
    assert (DAY.excludes(time), INSTANT.excludes(time)) == (after_day, after_instant)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2026-11-24", DAY),
        ("2026-11-24T09:00:00Z", INSTANT),
        ("2026-11-24 09:00", INSTANT),
        ("2026-11-24T10:00:00+01:00", INSTANT),
        ("2026-11-25T00:30:00+09:30", WindowEnd.parse("2026-11-24T15:00:00Z")),
        ("", None),
    ],
)
def test_a_person_writes_a_day_or_a_time_of_any_zone(text: str, end: WindowEnd | None) -> None:
    assert limit_of(30, text) == end


def test_a_window_is_whole_days_up_to_its_end() -> None:
    for end in (DAY, INSTANT):
        window = window_of(3, end)
        assert window == Window(date(2026, 11, 22), end)
        assert (window.start, window.last_day, window.end) == ("2026-11-22", "2026-11-24", str(end))
        assert (window.days, window.dates()) == (3, ["2026-11-22", "2026-11-23", "2026-11-24"])
        days = ("2026-11-21", "2026-11-22", "2026-11-24", "2026-11-25")
        assert [window.holds(day) for day in days] == [False, True, True, False]
    assert window_of(3, None, "2026-11-24T09:00:00Z") == window_of(3, INSTANT)


def test_a_source_is_asked_for_the_days_and_the_instant() -> None:
    assert scope_of(3, None, "111122223333") == Scope(account="111122223333")
    assert scope_of(3, DAY) == Scope("2026-11-22", "2026-11-24")
    assert scope_of(3, INSTANT) == Scope("2026-11-22", "2026-11-24", until="2026-11-24T09:00:00Z")
