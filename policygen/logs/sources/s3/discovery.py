"""Finding what trails delivered to a bucket by listing its folders, never by guessing them (2.1, 2.1.1).

A trail of an account delivers to ``[PREFIX/]AWSLogs/ACCOUNT/CloudTrail/REGION/Y/M/D/``, one of an organisation to
``[PREFIX/]AWSLogs/o-ID/ACCOUNT/CloudTrail/…``; Control Tower's has the organisation's id as its prefix. A bucket may
hold several, and a URL may point anywhere into one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

Folders = Callable[[str], Iterable[str]]
"""The names of the folders directly in a prefix, in order."""

_LAYOUT = re.compile(
    r"(?P<logs>(?:.*/)?AWSLogs/(?:(?P<org>o-[a-z0-9]+)/)?)"
    r"(?:(?P<account>\d{12})/(?:CloudTrail/(?:(?P<region>[^/]+)/(?P<date>(?:\d{4}/(?:\d\d/(?:\d\d/)?)?)?))?)?)?"
)
_ACCOUNT = re.compile(r"\d{12}")
_ORGANIZATION = re.compile(r"o-[a-z0-9]+")
_DATE_PARTS = (re.compile(r"\d{4}"), re.compile(r"\d\d"), re.compile(r"\d\d"))

_PARTITION = re.compile(r"\d{1,4}|\d{4}-\d\d.*|[^=]+=.*")  # 2026, 2026-11-24, day=24

MAX_FOLDERS = 2_000
"""How many folders are looked into for trails before more precision is asked for."""


class TrailFolder(NamedTuple):
    """What trails delivered of one account: `prefix` ends in ``ACCOUNT/CloudTrail/``."""

    account: str
    prefix: str
    region: str = ""
    """Only this one; "" for all."""
    date: str = ""
    """Only days that begin so, as ``2026/11``; "" for all."""


class LogLocation(NamedTuple):
    """Where a URL points: into the layout of trails at `logs` (up to AWSLogs or the organisation), or beside it."""

    logs: str
    organization: str
    trail: TrailFolder | None


def log_location(prefix: str) -> LogLocation | None:
    """What a prefix that ends in a slash says by itself; None where it is not in a trail's layout."""
    found = _LAYOUT.fullmatch(prefix)
    if found is None:
        return None
    account = found["account"]
    trail = account and TrailFolder(
        account,
        f"{found['logs']}{account}/CloudTrail/",
        found["region"] or "",
        (found["date"] or "").rstrip("/"),
    )
    return LogLocation(found["logs"], found["org"] or "", trail or None)


def accounts_in(place: LogLocation, folders: Folders) -> Iterator[TrailFolder]:
    """The accounts whose logs are at a place, those of organisations included."""
    if place.trail:
        yield place.trail
        return
    for name in folders(place.logs):
        if _ACCOUNT.fullmatch(name):
            yield TrailFolder(name, f"{place.logs}{name}/CloudTrail/")
        elif _ORGANIZATION.fullmatch(name) and not place.organization:
            yield from accounts_in(LogLocation(f"{place.logs}{name}/", name, None), folders)


class FolderSearch(NamedTuple):
    """What a search found: the places of trails, and whether it ended before all folders were seen."""

    places: list[LogLocation]
    incomplete: bool


def find_trail_folders(prefix: str, each: Callable[[list[str]], Iterable[Iterable[str]]]) -> FolderSearch:
    """The places of trails under a prefix, nearest first.

    Not searched are what lies in a trail's own layout, and folders of dates and partitions, of which other data has
    thousands.

    Args:
        prefix: ends in a slash, or is "".
        each: the names of the folders directly in each of some prefixes.
    """
    places: list[LogLocation] = []
    level, seen = [prefix], 1
    while level:
        below: list[str] = []
        for one, names in zip(level, each(level), strict=True):
            places += (LogLocation(f"{one}AWSLogs/", "", None) for name in names if name == "AWSLogs")
            below += (f"{one}{name}/" for name in names if name != "AWSLogs" and _may_be_prefix(name))
        seen += len(below)
        if seen > MAX_FOLDERS:
            return FolderSearch(places, incomplete=True)
        level = below
    return FolderSearch(places, incomplete=False)


def _may_be_prefix(name: str) -> bool:
    return bool(name) and not _PARTITION.fullmatch(name)


def days_in(prefix: str, date: str, first: str, last: str, folders: Folders) -> Iterator[str]:
    """The days of which there is a folder, as ``2026/11/24``, in order.

    Args:
        prefix: of one region; ends in a slash.
        date: only days that begin so; "" for all.
        first: first day wanted, as ``2026/11/24``; "" from the beginning.
        last: last day wanted; "" to the end.
        folders: lists them.
    """
    for start in _first_folders(date, first, last):
        yield from _days_under(prefix, start, first, last or "9999/99/99", folders)


def _first_folders(date: str, first: str, last: str) -> Iterator[str]:
    """Where to begin: a window names its months, which saves listing the years."""
    if first and last and len(date) < len("2026/11"):
        yield from (month for month in _months(first, last) if month.startswith(date))
    else:
        yield date


def _months(first: str, last: str) -> Iterator[str]:
    year, month = int(first[:4]), int(first[5:7])
    while (name := f"{year:04}/{month:02}") <= last[:7]:
        yield name
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)


def _days_under(prefix: str, date: str, first: str, last: str, folders: Folders) -> Iterator[str]:
    if not first[: len(date)] <= date <= last[: len(date)]:
        return
    depth = date.count("/") + 1 if date else 0
    if depth == len(_DATE_PARTS):
        yield date
        return
    for name in folders(f"{prefix}{date}/" if date else prefix):
        if _DATE_PARTS[depth].fullmatch(name):
            yield from _days_under(prefix, f"{date}/{name}" if date else name, first, last, folders)
