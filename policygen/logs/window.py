"""The days that count."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import msgspec

from policygen.errors import UsageError
from policygen.logs.events.event_time import FIRST_DAY
from policygen.logs.source import Scope, Source
from policygen.logs.window_end import WindowEnd
from policygen.text import escape_controls

# Python reads more forms of ISO 8601, but a week is no day and a bare number may be a typing error.
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]")

LONGEST = 36_500
"""Days of the longest window; CloudTrail began in 2013."""


class Window(msgspec.Struct, frozen=True):
    """Whole days in UTC; `start`, `end` and `last_day` are the texts that JSON and screens show."""

    first: date
    until: WindowEnd

    @property
    def start(self) -> str:
        """The first day."""
        return self.first.isoformat()

    @property
    def end(self) -> str:
        """The last day, or an instant within it."""
        return self.until.text

    @property
    def last_day(self) -> str:
        """The last day, of which all or a part counts."""
        return self.until.day.isoformat()

    @property
    def days(self) -> int:
        """Number of days."""
        return (self.until.day - self.first).days + 1

    def dates(self) -> list[str]:
        """Return the days in order."""
        return [(self.first + timedelta(days=n)).isoformat() for n in range(self.days)]

    def holds(self, day: str) -> bool:
        """Return whether a day lies in the window."""
        return self.start <= day <= self.last_day


def window_of(days: int, until: WindowEnd | None, newest: str = "") -> Window:
    """Return the window of `days` days that ends at `until`, or else at the time of the newest event."""
    end = until or WindowEnd.parse(newest)
    return Window(end.day - timedelta(days=days - 1), end)


def end_of(source: Source, on: date | None) -> WindowEnd | None:
    """Return the end where the user gave none: today for a source in AWS; None, the newest event, for files."""
    return WindowEnd(on) if on and source.remote else None


def scope_of(days: int, until: WindowEnd | None, account: str = "") -> Scope:
    """Return what a window needs of a source."""
    if until is None:
        return Scope(account=account)
    window = window_of(days, until)
    return Scope(window.start, window.last_day, account, until.instant)


def limit_of(days: int, until: str) -> WindowEnd | None:
    """Return the end that the user gave; None for "", the newest event.

    Args:
        days: length of the window.
        until: a date, or a time, in UTC where it names no other zone.

    Raises:
        UsageError: PG-E205 and PG-E206, no such window.
    """
    if not (isinstance(days, int) and 1 <= days <= LONGEST):
        raise UsageError(f"--days is {repr(days)[:40]}: a window has 1 to {LONGEST:,} days", code="PG-E205")
    end = _parse(until) if until else None
    if end and end.day.isoformat() < FIRST_DAY:
        raise UsageError(
            f"--until is {end.text}: CloudTrail wrote its first record on {FIRST_DAY}",
            "for example --until 2026-11-24",
            code="PG-E206",
        )
    return end


def _parse(text: str) -> WindowEnd:
    try:
        if _DATE.fullmatch(text):
            return WindowEnd(date.fromisoformat(text))
        if _TIME.match(text):
            moment = datetime.fromisoformat(text)
            utc = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
            return WindowEnd(utc.date(), utc.isoformat(timespec="seconds") + "Z")
    except (ValueError, OverflowError):
        pass
    raise UsageError(
        f"--until is not a date: {escape_controls(text)[:40]!r}",
        "for example --until 2026-11-24",
        code="PG-E206",
    )
