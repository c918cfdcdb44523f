"""Dates in UTC as ISO 8601 texts, ``2026-11-24``: the form in which logs, plans and reports have them."""

from __future__ import annotations

from datetime import date, timedelta


def days_between(start: str, end: str) -> int:
    """Count the days from one date to another; 0 for the same date, negative where `end` is earlier."""
    return (date.fromisoformat(end) - date.fromisoformat(start)).days


def dates_from(start: str, end: str) -> list[str]:
    """List the dates from `start` to `end`, both included; none where `end` is earlier."""
    first = date.fromisoformat(start)
    return [(first + timedelta(days=n)).isoformat() for n in range(days_between(start, end) + 1)]
