"""What the logs tell of a trail's past: changes and the trail of today in, stretches and gaps out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policygen.account.model import Trail
from policygen.account.snapshot import to_account
from policygen.evidence.coverage.selectors import OBJECTS, Probe, logged
from policygen.evidence.coverage.trail_history import (
    EVENTS,
    TrailChange,
    TrailInterval,
    bounds,
    gaps,
    trail_intervals,
    whole_day,
)
from policygen.logs.window import window_of
from policygen.logs.window_end import WindowEnd
from tests.support import ROOT
from tests.support.accounts import snapshot
from tests.support.records import ACCOUNT

CASES: Sequence[Mapping[str, Any]] = json.loads(
    (ROOT / "tests" / "cases" / "trail_history" / "past.json").read_text("utf-8")
)
WINDOW = window_of(24, WindowEnd.parse("2026-11-24"))
WRITE = Probe("Management", "iam.amazonaws.com", "CreateUser", read_only=False)
READ = Probe("Data", "s3.amazonaws.com", "GetObject", read_only=True, data_type=OBJECTS, resource="*")


def trail_of(parts: Mapping[str, Any]) -> Trail:
    trail = {
        "Name": "t",
        "TrailARN": f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/t",
        "HomeRegion": "us-east-1",
        "IsMultiRegionTrail": True,
        "IncludeGlobalServiceEvents": True,
    }
    status = {"IsLogging": True, **parts.get("Status", {})}
    account = to_account(snapshot({"trails": [{"Trail": trail, **parts, "Status": status}]}))
    assert account.trails
    return account.trails[0]


def changes_of(case: Mapping[str, Any]) -> list[TrailChange]:
    return [TrailChange(**({"region": "us-east-1", "account": ACCOUNT} | one)) for one in case["changes"]]


def said(trail: Trail) -> str:
    if trail.logging is False:
        return "off"
    answers = [logged(probe, trail.selectors, trail.advanced) for probe in (WRITE, READ)]
    return f"M={answers[0]} D={answers[1]}" + ("" if trail.multi_region else " one region")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_the_past_of_a_trail_is_what_the_logs_tell(case: Mapping[str, Any]) -> None:
    trail, changes = trail_of(case["trail"]), changes_of(case)
    found = trail_intervals(trail, changes, WINDOW)
    assert [[one.start, " or ".join(map(said, one.trails)) or "not known"] for one in found] == case[
        "stretches"
    ]
    assert [[one.start, one.end] for one in gaps(trail, changes, WINDOW)] == case.get("gaps", [])


def test_every_event_that_changes_a_trail_is_in_a_case() -> None:
    assert {change["event"] for case in CASES for change in case["changes"]} >= EVENTS


def test_a_stretch_names_the_change_that_began_it() -> None:
    case = next(one for one in CASES if one["case"] == "a stop and a start leave a gap")
    whys = [one.why for one in trail_intervals(trail_of(case["trail"]), changes_of(case), WINDOW)]
    assert whys == ["", "StopLogging", "StartLogging"]


def test_a_day_counts_from_its_first_second() -> None:
    assert whole_day("2026-11-12T00:00:00Z") == "2026-11-12"
    assert whole_day("2026-11-30T00:00:01Z") == "2026-12-01"


PARAMS = st.sampled_from([change["params"] for case in CASES for change in case["changes"]])
TIMES = st.integers(0, 40).map(lambda n: f"2026-{10 + n // 30:02}-{n % 30 + 1:02}T12:00:00Z")
CHANGES = st.lists(
    st.builds(
        TrailChange,
        time=TIMES,
        region=st.just("us-east-1"),
        account=st.just(ACCOUNT),
        event=st.sampled_from(sorted(EVENTS)),
        params=PARAMS,
    ),
    max_size=6,
)


@given(CHANGES, st.randoms())
def test_stretches_cover_the_window_without_holes_in_any_order(
    changes: list[TrailChange], random: Any
) -> None:
    trail = trail_of(CASES[0]["trail"])
    found: Sequence[TrailInterval] = trail_intervals(trail, changes, WINDOW)
    start, end = bounds(WINDOW)
    assert (found[0].start, found[-1].end) == (start, end)
    assert all(one.end == after.start for one, after in pairwise(found))
    mixed = list(changes)
    random.shuffle(mixed)
    assert trail_intervals(trail, mixed, WINDOW) == found


@given(CHANGES)
def test_refused_changes_leave_the_trail_as_it_is(changes: list[TrailChange]) -> None:
    refused = [TrailChange(c.time, c.region, c.account, c.event, c.params, "AccessDenied") for c in changes]
    trail = trail_of(CASES[0]["trail"])
    assert trail_intervals(trail, refused, WINDOW) == trail_intervals(trail, (), WINDOW)
