"""What to say of a role that worked on few days: whether older logs may have more of them, and when to come back."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from datetime import date

from policygen.days import days_between
from policygen.text import pluralize

ALONE_DAYS = 14
"""Days without a call after the only day of use, from which on it may be a monthly run."""


def few_runs(active: Sequence[str], end: str, begin: str) -> tuple[str, str]:
    """Return the id of the reason, and its sentence.

    Args:
        active: the dates on which the role worked, sorted, at least one.
        end: the last day of the window.
        begin: the first day of the logs, where they have no older call of the role; "" where others may.
    """
    few = f"the role was active on {pluralize(len(active), 'day')} only"
    if not begin:
        return "few-active-days", few
    due = _same_day_next_month(active[-1])
    alone = len(active) == 1 and days_between(active[0], end) >= ALONE_DAYS
    next_run = f", and a monthly run is due on {due}" if alone and due > end else ""
    return "no-older-logs", f"{few}; the logs begin on {begin}{next_run}"


def _same_day_next_month(day: str) -> str:
    at = date.fromisoformat(day)
    year, month = at.year + at.month // 12, at.month % 12 + 1
    return date(year, month, min(at.day, monthrange(year, month)[1])).isoformat()
