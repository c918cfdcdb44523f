from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policygen.iam.request import AccessRequest
from policygen.logs.calls.evidence import Evidence
from policygen.rightsize.assess import readiness, schedule
from policygen.rightsize.assess.few_runs import few_runs
from policygen.rightsize.assess.readiness import (
    OpenIssues,
    ReportGain,
    permission_days,
    readiness_of,
)
from policygen.rightsize.assess.schedule import schedule_of
from tests.support import ROOT
from tests.support.command import run_in_root

CASES = ROOT / "tests/cases/readiness"
PAGE = ROOT / "docs/concepts/evidence.md"


def dates(start: str, end: str) -> list[str]:
    first, last = date.fromisoformat(start), date.fromisoformat(end)
    return [(first + timedelta(days=i)).isoformat() for i in range((last - first).days + 1)]


def spread(written: str | Iterable[str], start: str, end: str) -> list[str]:
    """Dates and ranges of dates as a case writes them."""
    if written == "all":
        return dates(start, end)
    return [day for one in written for day in (dates(*one.split("/")) if "/" in one else [one])]


def made(given: dict[str, Any]) -> readiness.Readiness:
    start, end = given["start"], given["end"][:10]
    plain = {"events", "weak", "gaps", "min_days", "quiet_days", "policies_known", "begin"}
    more = {k: v for k, v in given.items() if k in plain}
    if "without_report" in given:
        more["without_report"] = ReportGain(*given["without_report"])
    return readiness_of(
        start,
        given["end"],
        {name: spread(days, start, end) for name, days in given["permissions"].items()},
        spread(given["active"], start, end),
        spread(given["covered"], start, end),
        open_points=OpenIssues(**given.get("open_points", {})),
        **more,
    )


@pytest.mark.parametrize("case", json.loads((CASES / "verdicts.json").read_text()), ids=lambda c: c["name"])
def test_verdict(case: dict[str, Any]) -> None:
    found = made(case["given"])
    assert (found.verdict, [reason.id for reason in found.reasons]) == (case["verdict"], case["reasons"])


@pytest.mark.parametrize("case", json.loads((CASES / "rhythms.json").read_text()), ids=lambda c: c["name"])
def test_rhythm(case: dict[str, Any]) -> None:
    found = schedule_of("s3:GetObject", case["dates"])
    assert (found.kind if found else None) == case["kind"]
    if "sentence" in case:
        assert found is not None
        assert found.sentence == case["sentence"]


def test_the_learning_curve_counts_distinct_permissions_day_by_day() -> None:
    found = readiness_of(
        "2026-11-01",
        "2026-11-05",
        {"b:Late": ["2026-11-04"], "a:Early": ["2026-11-01", "2026-11-05"], "c:Before": ["2026-10-31"]},
        ["2026-11-01"],
        dates("2026-11-01", "2026-11-05"),
    )
    assert found.curve == (1, 1, 1, 2, 2)
    assert (found.last_new, found.quiet, found.once) == ("2026-11-04", 1, ("b:Late",))
    assert (found.days, found.covered, found.active) == (5, 5, 1)


def test_each_reason_says_a_number_that_the_reader_can_check() -> None:
    found = made(
        {
            "start": "2026-10-26",
            "end": "2026-11-24",
            "covered": ["2026-11-15/2026-11-18", "2026-11-20/2026-11-24"],
            "active": ["2026-11-20", "2026-11-24"],
            "permissions": {"s3:GetObject": ["2026-11-20"], "s3:PutObject": ["2026-11-24"]},
            "events": 1200,
            "weak": 100,
            "open_points": {"suspects": 1, "losses": 2, "replayed": 1},
            "without_report": [12, 1400],
        }
    )
    gain = "it would also decide about 12 of the 1,400 unverified"
    assert [reason.sentence for reason in found.reasons] == [
        "2 needed permissions dropped by a decision: calls will fail",
        "the window shows the role for 5 days, 14 are needed",
        "a permission was new 0 days before the end, 3 are needed",
        "9 days of evidence, 14 are needed",
        "1 suspicious call left out of the policy",
        "1 later call that a policy learnt on the first part of the window denies",
        "the role was active on 2 days only",
        "100 of 1,200 events throttled or invalid",
        "no event of anyone on 1 day: 2026-11-19",
        "the logs begin 2026-11-15, the window 2026-10-26",
        f"IAM was not asked what was used before the window: {readiness.REPORT_COMMAND}; {gain}",
    ]


def test_the_days_of_a_permission_are_those_of_all_its_resources() -> None:
    def seen(*days: str) -> Evidence:
        return Evidence(len(days), days[0], days[-1], frozenset(days), ())

    requests = {
        AccessRequest("s3:GetObject", "arn:aws:s3:::a/k"): seen("2026-11-01"),
        AccessRequest("s3:GetObject", "arn:aws:s3:::b/k"): seen("2026-11-01", "2026-11-02"),
        AccessRequest("s3:PutObject", "arn:aws:s3:::a/k"): seen("2026-11-03"),
    }
    assert permission_days(requests) == {
        "s3:GetObject": {"2026-11-01", "2026-11-02"},
        "s3:PutObject": {"2026-11-03"},
    }


def test_the_page_shows_each_threshold_and_each_reason() -> None:
    page = PAGE.read_text()
    both = vars(readiness) | vars(schedule)
    numbers = {name: value for name, value in both.items() if name.isupper() and isinstance(value, int)}
    assert len(numbers) == 8
    missing = [name for name, value in numbers.items() if f"`{name}` | {value} |" not in page]
    ids = {reason for case in json.loads((CASES / "verdicts.json").read_text()) for reason in case["reasons"]}
    missing += [reason for reason in sorted(ids) if f"| `{reason}` |" not in page]
    assert not missing


DAYS = st.sets(st.sampled_from(dates("2026-10-20", "2026-11-30")))
GIVEN = st.fixed_dictionaries(
    {"permissions": st.dictionaries(st.sampled_from("abc"), DAYS), "active": DAYS, "covered": DAYS}
)


@given(GIVEN, st.integers(1, 30), st.integers(0, 10))
def test_the_curve_only_rises_and_stricter_thresholds_never_help(given: Any, days: int, quiet: int) -> None:
    def judge(**more: int) -> readiness.Readiness:
        return readiness_of("2026-10-26", "2026-11-24", **given, **more)

    found, stricter = judge(min_days=days, quiet_days=quiet), judge(min_days=days + 1, quiet_days=quiet + 1)
    assert list(found.curve) == sorted(found.curve)
    assert found.reasons
    order = ["ready", "review", "wait"]
    assert order.index(stricter.verdict) >= order.index(found.verdict)
    assert [order.index(r.verdict) for r in found.reasons] == sorted(
        (order.index(r.verdict) for r in found.reasons), reverse=True
    )


DUE = ", and a monthly run is due on"


@pytest.mark.parametrize(
    ("active", "end", "begin", "says"),
    [
        (["2026-11-01"], "2026-11-24", "2026-10-10", f"1 day only; the logs begin on 2026-10-10{DUE} 2026-12-01"),
        (["2026-12-31"], "2027-01-20", "2026-12-02", f"1 day only; the logs begin on 2026-12-02{DUE} 2027-01-31"),
        (["2027-01-31"], "2027-02-20", "2027-01-02", f"1 day only; the logs begin on 2027-01-02{DUE} 2027-02-28"),
        (["2026-11-20"], "2026-11-24", "2026-10-10", "1 day only; the logs begin on 2026-10-10"),
        (["2026-10-12"], "2026-11-24", "2026-10-10", "1 day only; the logs begin on 2026-10-10"),
        (["2026-11-01", "2026-11-08"], "2026-11-24", "2026-10-10", "2 days only; the logs begin on 2026-10-10"),
        (["2026-11-01"], "2026-11-24", "", "1 day only"),
    ],
)  # fmt: skip
def test_few_runs_say_since_when_there_are_logs_and_when_the_next_is_due(
    active: list[str], end: str, begin: str, says: str
) -> None:
    reason, sentence = few_runs(active, end, begin)
    assert reason == ("no-older-logs" if begin else "few-active-days")
    assert sentence == f"the role was active on {says}"


def test_a_longer_window_is_offered_only_where_older_logs_may_have_more() -> None:
    for days in (30, 60, 90):
        done = run_in_root("suggest", "report-monthly", "-l", "samples/trail", "-s", "samples/account.json",
                           "--days", str(days), "-q", "--no-plan")  # fmt: skip
        text = " ".join(done.stdout.split())
        assert "the logs begin on 2026-10-10, and a monthly run is due on 2026-12-01: run this again" in text
        assert "--days 90" not in text.split("Services")[0]
