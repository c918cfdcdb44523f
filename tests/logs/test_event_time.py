"""A time that can be read counts, whatever its form; any other is no time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policygen.logs.events.event_time import time_text, utc_time

NOON = "2023-07-10T11:58:00Z"


@pytest.mark.parametrize(
    "text",
    [
        NOON,
        "2023-07-10T11:58:00.000Z",
        "2023-07-10T11:58:00.123456789Z",
        "2023-07-10 11:58:00.000",
        "2023-07-10 11:58:00",
        "2023-07-10T11:58:00",
        "2023-07-10 11:58:00.000 UTC",
        "2023-07-10t11:58:00z",
        "2023-07-10T11:58:00+00:00",
        "2023-07-10T13:58:00+02:00",
        "2023-07-10T13:58:00.5+0200",
        "2023-07-10T06:28:00-05:30",
        "2023-07-10T13:58:00+02",
        "20230710T115800Z",
        "1688990280",
        "1688990280.75",
        "1688990280000",
        "1688990280000.0",
        "1688990280000000",
        "1688990280000000000",
        "1.68899028E9",
        "1.68899028e+12",
    ],
)
def test_a_time_is_read_in_any_form_that_says_it_for_certain(text: str) -> None:
    assert utc_time(text) == NOON


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2023-07-10",
        "2023-13-10T11:58:00Z",
        "2023-02-30T11:58:00Z",
        "2023-07-10T25:58:00Z",
        "2023-07-10T11:61:00Z",
        "2023-07-10T11:58:61Z",
        "0023-07-10T11:58:00Z",
        "23-07-10T11:58:00Z",
        "20233-07-10T11:58:00Z",
        "1969-12-31T23:59:59Z",
        "2013-11-12T23:59:59Z",
        "2100-01-01T00:00:00Z",
        "9999-12-31 23:59:59",
        "10/07/2023 11:58:00",
        "2023-07-10T11:58:00 CEST",
        "2023-07-10T11:58:00+25:00",
        "Jul 10, 2023 @ 11:58:00.000",
        "168899028",
        "16889902800",
        "9" * 70,
        "٢٠٢٣-٠٧-١٠T١١:٥٨:٠٠Z",
    ],
)
def test_what_is_no_time_of_cloudtrail_s_years_is_none(text: str) -> None:
    assert utc_time(text) == ""


def test_a_leap_second_is_the_second_before_it() -> None:
    assert utc_time("2016-12-31T23:59:60Z") == "2016-12-31T23:59:59Z"


def test_a_number_of_json_is_read_as_its_text() -> None:
    assert [utc_time(str(time_text(one))) for one in (1688990280, 1688990280000, 1688990280.25)] == [NOON] * 3
    assert time_text(True) is True
    assert time_text(None) is None


@given(
    st.datetimes(datetime(2013, 11, 14), datetime(2099, 12, 31)),
    st.integers(-12 * 60, 14 * 60),
)
def test_every_form_of_one_instant_is_that_instant(moment: datetime, minutes: int) -> None:
    moment = moment.replace(microsecond=0)
    stamp = int(moment.replace(tzinfo=UTC).timestamp())
    local = datetime.fromtimestamp(stamp + minutes * 60, UTC).replace(tzinfo=None)
    zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    forms = [f"{moment.isoformat()}Z", f"{local.isoformat()}{zone}", str(moment), f"{stamp}000"]
    assert {utc_time(form) for form in forms} == {f"{moment.isoformat()}Z"}
