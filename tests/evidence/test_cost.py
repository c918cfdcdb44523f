"""What data events cost a month, by those that were read."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from policygen.catalog.visibility import data_types
from policygen.evidence.coverage.cost import data_event_price, metric_of, monthly_costs
from policygen.evidence.coverage.coverage import coverage_of
from policygen.evidence.coverage.table import CoverageRow
from policygen.logs.window import window_of
from policygen.logs.window_end import WindowEnd
from policygen.report.terminal.doctor import dollars
from tests.support import ROOT

TABLE = tomllib.loads(
    (ROOT / "policygen" / "evidence" / "coverage" / "prices.toml").read_text(encoding="utf-8")
)


def cost_of(
    events: int | None, *, since: str = "", quiet: tuple[str, ...] = (), kind: Any = "data"
) -> list[Any]:
    window = window_of(10, WindowEnd.parse("2026-11-24"))
    days = {day: 5 for day in window.dates() if day not in quiet}
    row = CoverageRow(kind, "AWS::S3::Object", "s3", "on", since, events, "")
    return monthly_costs(coverage_of(window, days, ["us-east-1"], None), [row])


def test_events_of_ten_days_cost_three_times_as_much_a_month() -> None:
    (found,) = cost_of(1_000_000)
    assert (found.days, found.events, round(found.dollars, 2)) == (10, 3_000_000, 3.0)


def test_days_before_a_type_was_logged_and_days_without_records_do_not_count() -> None:
    (found,) = cost_of(400_000, since="2026-11-21", quiet=("2026-11-16", "2026-11-22"))
    assert (found.days, found.events) == (3, 4_000_000)


@pytest.mark.parametrize(("events", "kind"), [(0, "data"), (None, "data"), (9, "management")])
def test_what_was_not_read_costs_nothing_that_is_known(events: int | None, kind: str) -> None:
    assert cost_of(events, kind=kind) == []


def test_the_price_and_each_metric_name_their_page() -> None:
    assert data_event_price().of(2_000_000) == pytest.approx(2.0)
    rows = [TABLE["data_events"], TABLE["trails"], *TABLE["metrics"].values()]
    assert all(row["source"].startswith("https://") for row in rows)
    assert set(TABLE["metrics"]) <= set(data_types())
    assert metric_of("AWS::Lambda::Function") == "AWS/Lambda Invocations"
    assert metric_of("AWS::EC2::Snapshot") == ""


@pytest.mark.parametrize(
    ("amount", "text"), [(0.0, "$0.00"), (0.004, "under $0.01"), (1.0, "$1.00"), (12345.678, "$12,345.68")]
)
def test_an_amount_is_written_in_dollars_and_cents(amount: float, text: str) -> None:
    assert dollars(amount) == text
