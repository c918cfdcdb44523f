"""The days that count."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from policygen.errors import UsageError
from policygen.logs.source import Scope, Source
from policygen.text import escape_controls

# Python reads more forms of ISO 8601, but a week is no day and a bare number may be a typing error.
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]")


LONGEST = 36_500
"""Days of the longest window; CloudTrail began in 2013."""


def end_of(source: Source, on: date | None) -> str:
    """The window's end where the user gave none: what is read from AWS ends today, files with their newest event."""
    return on.isoformat() if on and source.remote else ""


def scope_of(days: int, until: str, account: str = "") -> Scope:
    """What of a source a window needs."""
    if not until:
        return Scope(account=account)
    window = window_of(days, until)
    return Scope(window.start, until[:10], account, until if len(until) > len("2026-11-24") else "")


def limit_of(days: int, until: str) -> str:
    """Where a window ends, as a date or time in UTC; "" where the newest event says it.

    Raises:
        UsageError: PG-E205 and PG-E206, no such window.
    """
    if not 1 <= days <= LONGEST:
        raise UsageError(f"--days is {days}: a window has 1 to {LONGEST:,} days", code="PG-E205")
    return _until(until)


def _until(text: str) -> str:
    """The end of the window in the log's own form: a date, or a time in UTC to the second."""
    if not text:
        return ""
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text).isoformat()
        if _TIME.match(text):
            moment = datetime.fromisoformat(text)
            utc = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
            return utc.isoformat(timespec="seconds") + "Z"
    except (ValueError, OverflowError):
        pass
    raise UsageError(
        f"--until is not a date: {escape_controls(text)[:40]!r}",
        "for example --until 2026-11-24",
        code="PG-E206",
    )


@dataclass(frozen=True, slots=True)
class Window:
    """Whole days in UTC, both ends included."""

    start: str
    """Date."""
    end: str
    """Date, or a time within the last day after which nothing counts."""

    @property
    def days(self) -> int:
        """Number of days."""
        return (date.fromisoformat(self.end[:10]) - date.fromisoformat(self.start)).days + 1

    def dates(self) -> list[str]:
        """The days, in order."""
        first = date.fromisoformat(self.start)
        return [(first + timedelta(days=n)).isoformat() for n in range(self.days)]

    def holds(self, day: str) -> bool:
        """Whether a date lies in the window."""
        return self.start <= day <= self.end[:10]


def window_of(days: int, until: str) -> Window:
    """The window of `days` days that ends on the day of `until` (ISO 8601)."""
    start = date.fromisoformat(until[:10]) - timedelta(days=days - 1)
    return Window(start.isoformat(), until)
