"""Which objects are searched for one role, and which are read whole, since they tell more than the role's calls."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from policygen.logs.decode.object_key import STAMP, published
from policygen.logs.source import LogObject, RecordFilter

TELLING = 32 << 10
"""Bytes as stored of some hundred events, enough to tell what kinds of events a trail holds."""

_CHOICE = 8
"""Objects among which the smallest of these is taken."""

LATEST = 20
"""Minutes within which a trail delivers what happened (2.1.2): the newest event is in a file of the newest of them."""


def searched(objects: Sequence[LogObject], search: RecordFilter) -> list[LogObject]:
    """The objects, to be searched, but for those that must tell more than their name does.

    The first of each account and region tells when its logs begin. An early and a late one with some hundred events
    tell what kinds the trail holds, or the largest where all are small. The newest of all tell the newest event.
    """
    stamps = [published(one.name) for one in objects]
    recent = _before(max(stamps, default=""))
    samples: set[str] = set()
    for members in _by_place(objects).values():
        telling = [one for one in members if one.size >= TELLING] or [max(members, key=lambda one: one.size)]
        ends = (telling[:_CHOICE], telling[-_CHOICE:])
        samples |= {members[0].locator, *(min(end, key=lambda one: one.size).locator for end in ends)}
    return [
        one._replace(search=search.of(one.account))
        if "" < stamp < recent and one.locator not in samples
        else one
        for one, stamp in zip(objects, stamps, strict=True)
    ]


def _by_place(objects: Sequence[LogObject]) -> dict[tuple[str, str], list[LogObject]]:
    found: dict[tuple[str, str], list[LogObject]] = {}
    for one in objects:
        found.setdefault((one.account, one.region), []).append(one)
    return found


def _before(stamp: str) -> str:
    """`LATEST` minutes earlier."""
    if not stamp:
        return ""
    return (datetime.strptime(stamp, STAMP) - timedelta(minutes=LATEST)).strftime(STAMP)
