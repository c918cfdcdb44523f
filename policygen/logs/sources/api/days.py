"""The days of a history as objects: which can be read, which are gone, and which will not change any more. Pure."""

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
    """What a reader asks for: [start, end) in UTC, of one region; `subject` is a log group, or ""."""

    region: str
    start: datetime
    end: datetime
    subject: str = ""

    @classmethod
    def parse(cls, where: str) -> DayRange:
        """The inverse of `where`."""
        region, start, end, subject = where.split(" ")
        return cls(region, _utc(start), _utc(end), subject)

    @property
    def locator(self) -> str:
        """As a `LogObject` carries it."""
        return f"{self.region} {self.start.strftime(_TIME)} {self.end.strftime(_TIME)} {self.subject}"


class Span(NamedTuple):
    """Days of a history: `first` to `last` can be read, `missing` were asked for and are no longer all there."""

    first: date
    last: date
    missing: tuple[date, date] | None

    def days(self) -> Iterator[date]:
        """The days that can be read, in order."""
        for number in range((self.last - self.first).days + 1):
            yield self.first + number * DAY


def span(scope: Scope, oldest: datetime, now: datetime, late: timedelta = timedelta(0)) -> Span:
    """The days that `scope` asks of a history that begins at `oldest`.

    Without a first day it is the first that is whole. A first day that is cut by `oldest` is read, and missing too.

    Args:
        scope: what is wanted.
        oldest: the time of the first event that is still kept, in UTC.
        now: the time, in UTC.
        late: how much later than it happened an event may be in the history.
    """
    cut = oldest.date()
    whole = cut if midnight(cut) == oldest else cut + DAY
    asked = date.fromisoformat(scope.first) if scope.first else whole
    last = min(date.fromisoformat(scope.last) + late, now.date()) if scope.last else now.date()
    gone = min(whole - DAY, last)
    return Span(max(asked, cut), last, (asked, gone) if asked <= gone else None)


def midnight(day: date) -> datetime:
    """The start of a day in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def stretch_object(name: str, stretch: DayRange, account: str, now: datetime, region: str = "") -> LogObject:
    """The object of a day's stretch: final, so that it may be remembered, when it is whole and has settled.

    Args:
        name: as it is shown.
        stretch: what is read.
        account: whose history it is. Two accounts have stretches of the same name, so the version tells them apart.
        now: the time, in UTC.
        region: the region of the stretch's events; "" where they can be of any.
    """
    day = stretch.start.date()
    whole = stretch.start == midnight(day) and stretch.end == midnight(day + DAY)
    final = whole and stretch.end + SETTLED <= now
    version = f"final-{account}" if final else ""
    return LogObject(name, stretch.locator, version=version, region=region, day=day.isoformat())


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
