"""What IAM's last-accessed information proves, and what it does not (3.5).

A new case is a new object in tests/cases/last_accessed. The window is 2026-10-26 to 2026-11-24, 22:40 UTC.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policygen.account.model import LastAccessed, ServiceUse
from policygen.evidence.coverage.last_accessed import last_accessed_finding
from policygen.logs.window import window_of
from policygen.logs.window_end import WindowEnd
from tests.support import ROOT

CASES = json.loads((ROOT / "tests" / "cases" / "last_accessed" / "last_accessed.json").read_text("utf-8"))
WINDOW = window_of(30, WindowEnd.parse("2026-11-24T22:40:00Z"))
REPORTED = "2026-11-24T20:00:00Z"


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_golden_case(case: dict[str, Any]) -> None:
    report = None
    if "services" in case:
        uses = {
            prefix: ServiceUse(
                use["last"], use.get("region", ""), use.get("actions"), use.get("action_regions", {})
            )
            for prefix, use in case["services"].items()
        }
        report = LastAccessed(case.get("generated_at", REPORTED), uses)
    seen = {name: {(day, region) for day, region in places} for name, places in case.get("seen", {}).items()}
    said = last_accessed_finding(case["action"], report, WINDOW, seen, created=case.get("created", ""))
    assert (said.kind, said.level, said.since) == (
        case["kind"],
        case.get("level", ""),
        case.get("since", ""),
    )
    assert case["says"] in said.why
    assert said.action == case["action"]


def test_the_cases_have_each_answer() -> None:
    assert {case["kind"] for case in CASES} == {"used_unseen", "used_outside", "idle", "silent"}


TIMES = st.one_of(st.just(""), st.datetimes().map(lambda time: time.replace(microsecond=0).isoformat() + "Z"))


@given(TIMES, TIMES, st.sampled_from(["sns:Publish", "iam:PassRole", "logs:PutLogEvents", "s3:GetObject"]))
def test_a_permission_is_called_idle_only_without_any_attempt(service: str, action: str, asked: str) -> None:
    prefix, _, name = asked.partition(":")
    report = LastAccessed(REPORTED, {prefix: ServiceUse(service, "", {name: action})})
    said = last_accessed_finding(asked, report, WINDOW, {})
    if said.kind == "idle":
        assert said.last == ""
        assert not (service if said.level == "service" else action)
        assert said.since <= said.until[:10]
    if said.kind == "used_unseen":
        assert WINDOW.holds(said.last[:10])
