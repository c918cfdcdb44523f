"""Permissions that are used on a regular schedule: each week, each month, at its start or at its end."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Collection
from datetime import date, timedelta
from typing import Literal

import msgspec

from policygen.text import pluralize

WEEKLY_TIMES = 3
"""Uses on one weekday, and on no other, that make a weekly job."""
MONTHLY_TIMES = 3
"""Months with a use on the same day that make a monthly job."""
MONTH_EDGE_TIMES = 2
"""Months that make a job on the first or last day of the month: these days are rarely a coincidence."""


class Schedule(msgspec.Struct, frozen=True):
    """A permission that is used on a regular schedule."""

    permission: str
    kind: Literal["weekly", "monthly", "month start", "month end"]
    sentence: str
    """``on Mondays, 4 times``."""


def schedule_of(permission: str, dates: Collection[str]) -> Schedule | None:
    """Find the schedule of a set of dates; None where they follow none.

    The first of these rules that holds: always the last day of a month or its last weekday, in `MONTH_EDGE_TIMES`
    months; always the first day of a month or its first weekday, likewise; always the same day of the month, in
    `MONTHLY_TIMES` months; always the same weekday, `WEEKLY_TIMES` times. There is one date in a month or week.
    """
    days = sorted(map(date.fromisoformat, set(dates)))
    months = {(day.year, day.month) for day in days}
    if len(months) == len(days):
        times = f"{pluralize(len(days), 'time')}"
        if len(days) >= MONTH_EDGE_TIMES and all(day in _edges(day, last=True) for day in days):
            return Schedule(permission, "month end", f"at the end of the month, {times}")
        if len(days) >= MONTH_EDGE_TIMES and all(day in _edges(day, last=False) for day in days):
            return Schedule(permission, "month start", f"at the start of the month, {times}")
        if len(days) >= MONTHLY_TIMES and len({day.day for day in days}) == 1:
            return Schedule(permission, "monthly", f"on day {days[0].day} of the month, {times}")
    if len(days) >= WEEKLY_TIMES and len({day.weekday() for day in days}) == 1:
        return Schedule(
            permission, "weekly", f"on {_WEEKDAYS[days[0].weekday()]}s, {pluralize(len(days), 'time')}"
        )
    return None


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _edges(day: date, *, last: bool) -> set[date]:
    """Return the last day of a day's month and its last weekday; or the first ones."""
    edge = day.replace(day=monthrange(day.year, day.month)[1] if last else 1)
    weekday = edge
    while weekday.weekday() > 4:
        weekday += timedelta(days=-1 if last else 1)
    return {edge, weekday}
