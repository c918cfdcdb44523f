"""Replay in time: what is learnt, what is replayed, and when nothing is claimed. The cases are data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from policygen.evidence.observe import ObserveOptions, collect_evidence
from policygen.rightsize.analysis import analyse
from policygen.rightsize.assess.replay import SHORTEST, split_of
from policygen.rightsize.backtest import Backtest, backtest
from policygen.rightsize.generate.generalise import MODES
from tests.support import ROOT
from tests.support.golden import run
from tests.support.options import analysis_options
from tests.support.records import ROLE, write_logs
from tests.support.samples import SAMPLES, SNAPSHOT

LAST = date(2026, 11, 24)
CASES = json.loads((ROOT / "tests/cases/replay/windows.json").read_text())


def events(case: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The calls of a case by day, the first of the window being day 1; and somebody else on each day that was read."""
    days = case.get("days", 30)
    times = {day: f"{LAST - timedelta(days=days - day)}T09" for day in range(1, days + 1)}
    for day, hour in times.items():
        if day not in case.get("unread", ()):
            yield {"source": "sts", "name": "GetCallerIdentity", "role": "crowd", "time": f"{hour}:59:00Z"}
    for one in case["calls"]:
        for day in times if one["days"] == "all" else one["days"]:
            for n in range(one["times"]):
                yield {"time": f"{times[day]}:{n:02}:00Z"} | one["call"]


def replayed(case: dict[str, Any], folder: Path) -> Backtest:
    write_logs(folder, list(events(case)))
    options = ObserveOptions(days=case.get("days", 30), until=LAST.isoformat())
    evidence = collect_evidence([folder], ROLE, options)
    return backtest(evidence.usage, evidence.coverage, learnt=case.get("learn", 0), curve=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_window_is_replayed(case: dict[str, Any], tmp_path: Path) -> None:
    found, expect = replayed(case, tmp_path), case["expect"]
    chosen = found.outcome("auto").replay
    denied = {mode: found.outcome(mode).replay.denied for mode in MODES}
    assert {one.replay.calls for one in found.outcomes} == {expect["calls"]}
    assert {mode: denied[mode] for mode in expect["denied"]} == expect["denied"]
    assert chosen.made is (expect.get("claim", "made") == "made")
    assert chosen.sentence == expect.get("sentence", chosen.sentence)
    assert ("denied" in chosen.sentence) is chosen.made  # no number without a test
    assert len(chosen.days_broken) == expect.get("days_broken", len(chosen.days_broken))
    assert [f"{use.action}: {use.why}" for use in chosen.uses] == expect.get(
        "why", [f"{use.action}: {use.why}" for use in chosen.uses]
    )
    choices = {one.action: one.choice for one in found.names}
    assert {action: choices[action] for action in expect.get("choices", {})} == expect.get("choices", {})


def test_two_thirds_are_learnt_from_and_a_short_window_is_not_split() -> None:
    assert [split_of(days) for days in (1, SHORTEST - 1, SHORTEST, 30, 45, 90)] == [0, 0, 6, 20, 30, 60]


def test_the_curve_has_its_days_and_says_from_when_on_nothing_is_denied(tmp_path: Path) -> None:
    table = {"source": "dynamodb", "name": "GetItem"}
    late = {"call": table | {"params": {"tableName": "late"}}, "days": [12], "times": 1}
    calls = [{"call": table | {"params": {"tableName": "orders"}}, "days": "all", "times": 1}, late]
    found = replayed({"calls": calls}, tmp_path)
    assert sorted({one.replay.learnt for one in found.curve}) == [3, 5, 7, 10, 14, 20, 21]
    assert found.days_until_none("exact") == 14
    assert found.days_until_none("type") == 3
    denied = {one.replay.learnt: one.replay.denied for one in found.curve if one.mode == "exact"}
    assert denied == {3: 1, 5: 1, 7: 1, 10: 1, 14: 0, 20: 0, 21: 0}


def test_of_a_sample_role_nothing_is_denied_later_and_with_exact_names_every_seventh_call() -> None:
    analysis = analyse([SAMPLES / "trail"], "orders-api", account=SNAPSHOT, **analysis_options(days=30))
    found = backtest(
        analysis.suggestion.usage, analysis.suggestion.coverage, analysis.observed.current_access
    )
    numbers = {mode: (found.outcome(mode).replay.denied, found.outcome(mode).replay.calls) for mode in MODES}
    assert numbers == {"auto": (0, 636), "pattern": (0, 636), "type": (0, 636), "exact": (94, 636)}
    assert analysis.suggestion.replay.sentence == ("learnt on days 1-20: 0 of 636 calls of days 21-30 denied")


READ = {"source": "dynamodb", "name": "GetItem"}
LATE: dict[str, Any] = {
    "name": "a table that was new late",
    "events": [
        READ | {"params": {"tableName": "orders"}, "on": ["2026-10-26", "2026-11-24", 1]},
        READ | {"params": {"tableName": "late"}, "on": ["2026-11-20", "2026-11-20", 2]},
    ],
    "expect": {},
}


def today(resource: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": resource}
    return {"policies": [{"Version": "2012-10-17", "Statement": [statement]}]}


TABLES = "arn:aws:dynamodb:us-east-1:123456789012:table/"


def test_later_calls_that_are_denied_are_a_reason_to_look_first(tmp_path: Path) -> None:
    made = run(LATE, tmp_path).suggestion
    assert (made.replay.denied, made.replay.calls) == (2, 12)
    assert made.strength
    assert (made.strength.verdict, [one.id for one in made.strength.reasons]) == (
        "review",
        ["replay", "policies-unknown"],
    )


def test_what_a_person_keeps_is_denied_in_no_part(tmp_path: Path) -> None:
    keep = [f"dynamodb:GetItem on {TABLES}*"]
    made = run(LATE | {"today": today("*"), "keep": keep}, tmp_path).suggestion
    assert (made.replay.denied, made.replay.calls) == (0, 12)


def test_a_type_that_is_opened_is_opened_in_the_replay_too(tmp_path: Path) -> None:
    made = run(LATE | {"options": {"opened": ["dynamodb:table"]}}, tmp_path).suggestion
    assert made.replay.denied == 0


def test_calls_that_today_s_policies_do_not_allow_are_in_neither_part(tmp_path: Path) -> None:
    made = run(LATE | {"today": today(f"{TABLES}orders")}, tmp_path).suggestion
    assert len(made.missing) == 1
    assert (made.replay.denied, made.replay.calls) == (0, 10)
