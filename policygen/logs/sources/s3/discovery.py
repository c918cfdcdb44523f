"""Find what trails delivered to a bucket by listing its folders, never by guessing their names (2.1, 2.1.1).

An account's trail delivers to ``[PREFIX/]AWSLogs/ACCOUNT/CloudTrail/REGION/Y/M/D/``, an organisation's trail to
``[PREFIX/]AWSLogs/o-ID/ACCOUNT/CloudTrail/…``; Control Tower's trail has the organisation's id as its prefix. A bucket
may hold several of them, and a URL may point to any folder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

Folders = Callable[[str], Iterable[str]]
"""Returns the names of the folders directly in a prefix, in order."""

_LAYOUT = re.compile(
    r"(?P<logs>(?:.*/)?AWSLogs/(?:(?P<org>o-[a-z0-9]+)/)?)"
    r"(?:(?P<account>\d{12})/(?:CloudTrail/(?:(?P<region>[^/]+)/(?P<date>(?:\d{4}/(?:\d\d/(?:\d\d/)?)?)?))?)?)?"
)
_ACCOUNT = re.compile(r"\d{12}")
_ORGANIZATION = re.compile(r"o-[a-z0-9]+")
_DATE_PARTS = (re.compile(r"\d{4}"), re.compile(r"\d\d"), re.compile(r"\d\d"))

_PARTITION = re.compile(r"\d{1,4}|\d{4}-\d\d.*|[^=]+=.*")  # 2026, 2026-11-24, day=24

MAX_FOLDERS = 2_000
"""Number of folders that are searched for trails before the user must name a more precise prefix."""


class TrailFolder(NamedTuple):
    """The logs that trails delivered of one account; `prefix` ends in ``ACCOUNT/CloudTrail/``."""

    account: str
    prefix: str
    region: str = ""
    """The only region to read; "" for all."""
    date: str = ""
    """The beginning of the days to read, as ``2026/11``; "" for all."""


class LogLocation(NamedTuple):
    """A place in the layout of trails that a URL points to.

    `logs` is the folder AWSLogs, or the organisation's folder in it; `trail` is None where the place is above an
    account.
    """

    logs: str
    organization: str
    trail: TrailFolder | None


def log_location(prefix: str) -> LogLocation | None:
    """Return the place that a prefix names by itself; None where it is not in a trail's layout. It ends in a slash."""
    match = _LAYOUT.fullmatch(prefix)
    if match is None:
        return None
    account = match["account"]
    trail = account and TrailFolder(
        account,
        f"{match['logs']}{account}/CloudTrail/",
        match["region"] or "",
        (match["date"] or "").rstrip("/"),
    )
    return LogLocation(match["logs"], match["org"] or "", trail or None)


def accounts_in(place: LogLocation, folders: Folders) -> Iterator[TrailFolder]:
    """Yield the accounts whose logs are at a place, with those of organisations."""
    if place.trail:
        yield place.trail
        return
    for name in folders(place.logs):
        if _ACCOUNT.fullmatch(name):
            yield TrailFolder(name, f"{place.logs}{name}/CloudTrail/")
        elif _ORGANIZATION.fullmatch(name) and not place.organization:
            yield from accounts_in(LogLocation(f"{place.logs}{name}/", name, None), folders)


class FolderSearch(NamedTuple):
    """The places of trails that a search found, and whether the search ended before it saw all folders."""

    places: list[LogLocation]
    incomplete: bool


def find_trail_folders(prefix: str, each: Callable[[list[str]], Iterable[Iterable[str]]]) -> FolderSearch:
    """Return the places of trails below a prefix, nearest first.

    The search leaves out what lies inside a trail's layout, and folders of dates and partitions: other data can have
    thousands of them.

    Args:
        prefix: ends in a slash, or is "".
        each: returns, for each of some prefixes, the names of the folders directly in it.
    """
    places: list[LogLocation] = []
    level, seen = [prefix], 1
    while level:
        below: list[str] = []
        for folder, names in zip(level, each(level), strict=True):
            places += (LogLocation(f"{folder}AWSLogs/", "", None) for name in names if name == "AWSLogs")
            below += (f"{folder}{name}/" for name in names if name != "AWSLogs" and _may_be_prefix(name))
        seen += len(below)
        if seen > MAX_FOLDERS:
            return FolderSearch(places, incomplete=True)
        level = below
    return FolderSearch(places, incomplete=False)


def _may_be_prefix(name: str) -> bool:
    return bool(name) and not _PARTITION.fullmatch(name)


def days_in(prefix: str, date: str, first: str, last: str, folders: Folders) -> Iterator[str]:
    """Yield the days that have a folder, as ``2026/11/24``, in order.

    Args:
        prefix: of one region; ends in a slash.
        date: the beginning of the wanted days; "" for all.
        first: first wanted day, as ``2026/11/24``; "" for the oldest.
        last: last wanted day; "" for the newest.
        folders: lists them.
    """
    for start in _first_folders(date, first, last):
        yield from _days_under(prefix, start, first, last or "9999/99/99", folders)


def _first_folders(date: str, first: str, last: str) -> Iterator[str]:
    """Yield the folders where listing begins: for a window its months, so that no year need be listed."""
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
