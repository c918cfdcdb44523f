"""What data events cost a month, from those that were read in the window.

Where a type is off, CloudTrail counts nothing: the number of calls decides, which a metric of CloudWatch may tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

from policygen.days import days_between
from policygen.evidence.coverage.coverage import Coverage
from policygen.evidence.coverage.table import CoverageRow
from policygen.files import read_package_table

MONTH = 30
"""Days."""


class EventPrice(NamedTuple):
    """What CloudTrail charges for data events, for each trail that delivers them."""

    dollars: float
    events: int
    """So many events cost `dollars`."""
    source: str

    def of(self, events: float) -> float:
        """Return what some events cost, in dollars."""
        return events * self.dollars / self.events


class MonthlyCost(NamedTuple):
    """The data events of one type as they were read, for a month and one trail."""

    data_type: str
    days: int
    """Days of the window in which they were counted, those without any event of anyone left out."""
    events: int
    """A month."""
    dollars: float
    """A month."""


@cache
def _table() -> Mapping[str, Any]:
    return read_package_table("policygen.evidence.coverage", "prices.toml")  # type: ignore[no-any-return]


def data_event_price() -> EventPrice:
    """Return what data events cost."""
    return EventPrice(**_table()["data_events"])


def metric_of(data_type: str) -> str:
    """Return the CloudWatch metrics that count the calls of a type; "" where none is known."""
    return str(_table()["metrics"].get(data_type, {}).get("names", ""))


def monthly_costs(coverage: Coverage, rows: Iterable[CoverageRow]) -> list[MonthlyCost]:
    """Return what the types cost of which events were read.

    Where a type is logged in part, or only since a day, this is what that part costs.
    """
    found = []
    for row in rows:
        days = _counted_days(coverage, row)
        if row.kind == "data" and row.events and days > 0:
            events = row.events * MONTH / days
            found.append(MonthlyCost(row.name, days, round(events), data_event_price().of(events)))
    return found


def _counted_days(coverage: Coverage, row: CoverageRow) -> int:
    since = max(row.since, coverage.first_day or coverage.window.start)
    quiet = sum(1 for day in coverage.gaps if day >= since)
    return days_between(since, coverage.window.last_day) + 1 - quiet
