"""The days of an API's history as log objects: which can be read, which are gone, and which may be cached. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from policygen.logs.source import LogObject, Scope

DAY = timedelta(days=1)

SETTLED = timedelta(hours=12)
"""How long after its end a day may still grow. Events take minutes, "not guaranteed" (2.1.2, 2.1.6)."""

_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


class DayRange(NamedTuple):
    """The time that a reader requests: [start, end) in UTC, of one region; `subject` is a log group, or ""."""

    region: str
    start: datetime
    end: datetime
    subject: str = ""

    @classmethod
    def parse(cls, where: str) -> DayRange:
        """Parse what `locator` returns."""
        region, start, end, subject = where.split(" ")
        return cls(region, _utc(start), _utc(end), subject)

    @property
    def locator(self) -> str:
        """The range as text, as a `LogObject` carries it."""
        return f"{self.region} {self.start.strftime(_TIME)} {self.end.strftime(_TIME)} {self.subject}"


class ReadableDays(NamedTuple):
    """Days of a history: `first` to `last` can be read; `missing` are wanted days that are no longer complete."""

    first: date
    last: date
    missing: tuple[date, date] | None

    def days(self) -> Iterator[date]:
        """Yield the days that can be read, in order."""
        for number in range((self.last - self.first).days + 1):
            yield self.first + number * DAY


def readable_days(
    scope: Scope, oldest: datetime, now: datetime, late: timedelta = timedelta(0)
) -> ReadableDays:
    """Return the days of `scope` in a history that begins at `oldest`.

    Without a first day in `scope`, the first is the first complete day. If `oldest` cuts the first wanted day, that day
    is both read and missing.

    Args:
        scope: what is wanted.
        oldest: the time of the first event that is still kept, in UTC.
        now: the time, in UTC.
        late: how long after a call its event may be recorded in the history.
    """
    oldest_day = oldest.date()
    first_complete = oldest_day if midnight(oldest_day) == oldest else oldest_day + DAY
    first_wanted = date.fromisoformat(scope.first) if scope.first else first_complete
    last = min(date.fromisoformat(scope.last) + late, now.date()) if scope.last else now.date()
    last_missing = min(first_complete - DAY, last)
    missing = (first_wanted, last_missing) if first_wanted <= last_missing else None
    return ReadableDays(max(first_wanted, oldest_day), last, missing)


def midnight(day: date) -> datetime:
    """Return the start of a day in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def day_object(name: str, day_range: DayRange, account: str, now: datetime, region: str = "") -> LogObject:
    """Return the object of one day. It is final, so that it may be cached, when the day is complete and settled.

    Args:
        name: as it is shown.
        day_range: the time to read.
        account: whose history it is. Objects of two accounts have the same name, so the version tells them apart.
        now: the time, in UTC.
        region: the region of the day's events; "" where they can be of any.
    """
    day = day_range.start.date()
    whole = day_range.start == midnight(day) and day_range.end == midnight(day + DAY)
    final = whole and day_range.end + SETTLED <= now
    version = f"final-{account}" if final else ""
    return LogObject(name, day_range.locator, version=version, region=region, day=day.isoformat())


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
