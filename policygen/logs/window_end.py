"""The end of a window."""

from __future__ import annotations

from datetime import date

import msgspec
from msgspec.structs import force_setattr


class WindowEnd(msgspec.Struct, frozen=True):
    """The end of a window: a whole day in UTC, or an instant within one. Events after it do not count."""

    day: date
    instant: str = ""
    """ISO 8601 in UTC as records write it, ``2026-11-24T22:36:07Z``; "" where the whole day counts."""
    text: str = ""
    """The instant, or else the day: the form of JSON and screens."""

    def __post_init__(self) -> None:
        force_setattr(self, "text", self.instant or self.day.isoformat())

    @classmethod
    def parse(cls, text: str) -> WindowEnd:
        """Return the end that `text` writes: a day, or a record's eventTime.

        Raises:
            ValueError: it begins with no date.
        """
        day, clock, _ = text.partition("T")
        return cls(date.fromisoformat(day), text if clock else "")

    def __str__(self) -> str:
        return self.text

    @property
    def last_second(self) -> str:
        """The last second that counts, ISO 8601 in UTC."""
        return self.instant or f"{self.text}T23:59:59Z"

    def excludes(self, time: str) -> bool:
        """Return whether an eventTime is after the end."""
        return time > self.text and time[: len(self.text)] > self.text  # a day excludes no time of that day
