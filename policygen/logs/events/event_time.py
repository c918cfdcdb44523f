"""When an event happened, in whatever form its record says so.

CloudTrail writes ``2026-11-24T22:36:07Z`` (1.1.4), but records reach a log by way of databases, dashboards and scripts,
which write times in forms of their own. What can be read for certain is read; anything else is no time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

FIRST_DAY = "2013-11-13"
"""CloudTrail's first day: it wrote no older record."""
_END = (
    "2100"  # a later year is a default or a damaged number: it would move the window away from all evidence
)
_ISO = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)[Tt ](\d\d):?(\d\d):?(\d\d)(?:[.,]\d+)?(?: ?(Z|z|UTC|GMT|[+-]\d\d(?::?\d\d)?))?",
    re.ASCII,
)
_NUMBER = re.compile(r"\d{10,19}(?:\.\d{1,9})?|\d\.\d{1,18}[Ee]\+?\d\d?", re.ASCII)
_EPOCH = datetime(1970, 1, 1)
_UNITS = {10: 0, 13: 3, 16: 6, 19: 9}
"""Digits before the point -> decimal places of the unit: seconds, and their thousandths, millionths, billionths."""


is_plain_clock = re.compile(r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z").fullmatch
"""Matches what follows the date in a time as CloudTrail writes it; of such a time only the date may be none."""


def are_plain(times: Sequence[str]) -> bool:
    """Return whether all of many times are as CloudTrail writes them; most files are of one hour."""
    first, last = min(times, default=""), max(times, default="")
    hours = {first[:13]} if first[:13] == last[:13] else {time[:13] for time in times}
    return not times or (all(map(_is_hour, hours)) and all(map(_ends_hour, {time[13:] for time in times})))


@lru_cache(maxsize=4096)
def _is_hour(text: str) -> bool:
    return bool(is_plain_clock(f"{text}:00:00Z", 10)) and _is_day(text[:10])


@lru_cache(maxsize=4096)
def _ends_hour(text: str) -> bool:
    return is_plain_clock(f"T00{text}") is not None


def utc_time(text: str) -> str:
    """Return a time as ``2026-11-24T22:36:07Z``, to the second; "" where the text is no time of CloudTrail's years.

    Args:
        text: ISO 8601, in UTC where it names no zone, as CloudTrail's times are; or seconds, milliseconds, microseconds
            or nanoseconds since 1970.
    """
    if is_plain_clock(text, 10):
        return text if _is_day(text[:10]) else ""
    return _from_other_form(text) if len(text) <= 64 else ""


@lru_cache(maxsize=4096)
def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text and FIRST_DAY <= text < _END
    except ValueError:
        return False


@lru_cache(maxsize=4096)
def _from_other_form(text: str) -> str:
    found = _ISO.fullmatch(text)
    try:
        moment = _from_iso(found) if found else _from_number(text)
    except (ValueError, OverflowError):
        return ""
    time = f"{moment.isoformat(timespec='seconds')}Z" if moment else ""
    return time if FIRST_DAY <= time < _END else ""


def time_text(value: object) -> object:
    """Return a time that JSON has as a number as a text that `utc_time` reads; any other value unchanged."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _from_iso(found: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    # A leap second counts as the second before it.
    moment = datetime(year, month, day, hour, minute, min(second, 59) if second <= 60 else second)
    zone = found[7] or "Z"
    return moment if zone[0] not in "+-" else moment - _offset(zone)


def _offset(zone: str) -> timedelta:
    """Return how far a zone, ``+02:00``, ``+0200`` or ``+02``, is ahead of UTC."""
    sign, digits = (-1 if zone[0] == "-" else 1), zone[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    if hours > 14 or minutes > 59:
        raise ValueError(zone)
    return sign * timedelta(hours=hours, minutes=minutes)


def _from_number(text: str) -> datetime | None:
    if not _NUMBER.fullmatch(text):
        return None
    number = Decimal(text)
    places = _UNITS.get(number.adjusted() + 1)
    if places is None:
        return None
    return _EPOCH + timedelta(seconds=int(number.scaleb(-places)))
