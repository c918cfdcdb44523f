"""Which objects are searched for one role's records, and which are read whole, because they show what was logged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from policygen.logs.decode.object_key import STAMP, published
from policygen.logs.source import LogObject, RecordFilter

TELLING = 32 << 10
"""Bytes as stored of about a hundred events, enough to show what kinds of events a trail holds."""

_CANDIDATES_PER_END = 8
"""Objects of that size at each end of the log, of which the smallest is read whole."""

LATEST = 20
"""Minutes within which a trail delivers an event (2.1.2): a file of the last minutes holds the newest event."""


def searched(objects: Sequence[LogObject], search: RecordFilter) -> list[LogObject]:
    """Return the objects, most of them with what to search for; a few are left as they are and are read whole.

    The first object of each account and region shows when its log begins. An early and a late one with about a hundred
    events show what kinds of events the trail holds, or the largest where all are small. The newest objects hold the
    newest event.
    """
    stamps = [published(one.name) for one in objects]
    recent = before(max(stamps, default=""))
    samples: set[str] = set()
    for members in _by_account_and_region(objects).values():
        telling = [one for one in members if one.size >= TELLING] or [max(members, key=lambda one: one.size)]
        ends = (telling[:_CANDIDATES_PER_END], telling[-_CANDIDATES_PER_END:])
        samples |= {members[0].locator, *(min(end, key=lambda one: one.size).locator for end in ends)}
    return [
        one._replace(search=search.of(one.account))
        if "" < stamp < recent and one.locator not in samples
        else one
        for one, stamp in zip(objects, stamps, strict=True)
    ]


def _by_account_and_region(objects: Sequence[LogObject]) -> dict[tuple[str, str], list[LogObject]]:
    groups: dict[tuple[str, str], list[LogObject]] = {}
    for one in objects:
        groups.setdefault((one.account, one.region), []).append(one)
    return groups


def before(stamp: str) -> str:
    """Return the time `LATEST` minutes before a stamp."""
    if not stamp:
        return ""
    return (datetime.strptime(stamp, STAMP) - timedelta(minutes=LATEST)).strftime(STAMP)
