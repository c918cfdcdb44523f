"""Which logs of other accounts can be left out, because the log of the role's own account has the same calls.

A call on another account's resource is logged in both accounts (1.4.3, 3.4.5). The other account's copy is the only one
where the own log has a gap, and where the other account's trail logs what the own trail does not. So a file of another
account is left out only if all of this holds:

- One trail of an organization delivered it and the own log: the same selectors decide about both copies.
- The own log has files of that region and day. The own record of a call may be on the other side of midnight: for a
  file that was published within minutes of it, the own log has files of both days.
- These files show management events, and data events if samples of other accounts' logs in that region have any. Every
  kind of events in these samples is shown on that day, or before and after it.
- It is older than the newest own files, after which own records may be missing.

All other files are read. What was left out is counted in `ReadReport.unread`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from policygen.logs.decode.object_key import STAMP, organization_trail, published
from policygen.logs.event_kinds import KindsInFiles, category_of
from policygen.logs.read_report import ReadReport
from policygen.logs.source import Batch, LogFolder, LogObject, LogSource, Scope

TELLING = 32 << 10
"""Bytes as stored of about a hundred events, enough to show what kinds of events a trail holds."""

LATEST = 20
"""Minutes within which a trail delivers an event (2.1.2): a file of the last minutes holds the newest event."""

_ROUNDS = 8
"""How often more own files of a day are read, about a hundred events at a time, to see its kinds of events."""

_SAMPLE_FILES = 64
"""Greatest number of files with a hundred events."""

_SAMPLED_ACCOUNTS = 8
"""Other accounts of which a folder is listed for a sample in each region, where listing them all takes requests."""

_AFTER_MIDNIGHT, _BEFORE_MIDNIGHT = f"00{LATEST:02}", f"23{60 - LATEST}"

Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)


class TrailRegion(NamedTuple):
    """The log of one region that one trail of an organization delivers."""

    name: str
    region: str


class Place(NamedTuple):
    """A day of a `TrailRegion`."""

    trail: TrailRegion
    day: str


def without_spare(
    source: LogSource,
    objects: Sequence[LogObject],
    scope: Scope,
    read_report: ReadReport,
    kinds_folder: Path | None = None,
) -> list[LogObject]:
    """Return the objects that are needed for a role of one account, those of its own account among them.

    Args:
        source: listed the objects.
        objects: what it listed, in the order of their days.
        scope: what it listed them for; it has the role's account.
        read_report: takes what is left out, and what of other accounts cannot be listed.
        kinds_folder: where the cache keeps which kinds of events the samples show; None for no cache.

    Raises:
        PolicygenError: as `LogSource.objects` and `Reader.read` raise.
    """
    others = [one for one in objects if one.account not in {"", scope.account} and one.region and one.day]
    found = source.other_accounts()
    own_account = [one for one in objects if one.account == scope.account]
    # After its window a bucket has only what came late.
    last = max([scope.last, *(one.day for one in own_account)]) if scope.last else "9999"
    folders = [one for one in found if isinstance(one, LogFolder) and one.day <= last]
    if scope.all_accounts is False:
        spare, unlisted, listed = others, folders, []
    else:
        for one in found:
            if isinstance(one, Batch):
                read_report.note(one)
        own = _OwnLog.of(own_account, scope, source)
        sampled = own.sampled(folders)
        listed = _list(source, sampled, read_report)
        kinds = KindsInFiles(source.reader, kinds_folder)
        own.compare([*others, *listed], kinds)
        kinds.keep()
        unlisted = [one for one in folders if one not in sampled and own.covers_whole(one)]
        known = {*sampled, *unlisted}
        listed += _list(source, [one for one in folders if one not in known], read_report)
        spare = [one for one in chain(others, listed) if own.covers(one)]
    read_report.unread.update((one.account, one.region, one.day) for one in spare)
    read_report.unread.update({(one.account, one.region, one.day): 0 for one in unlisted})
    left_out = {one.locator for one in spare}
    return [one for one in chain(objects, listed) if one.locator not in left_out]


def _list(source: LogSource, folders: Iterable[LogFolder], read_report: ReadReport) -> list[LogObject]:
    """List folders of other accounts."""
    listed = []
    for one in source.objects_in(folders):
        if isinstance(one, Batch):
            read_report.note(one)
        else:
            listed.append(one)
    return listed


def _place_of(one: LogObject | LogFolder) -> Place | None:
    """Return the place of a file or folder; None where no trail of an organization delivered it."""
    folder = one.locator[: max(one.locator.rfind("/"), one.locator.rfind("\\")) + 1]
    return _place_in(folder, one.account, one.region, one.day)


@lru_cache(maxsize=65_536)
def _place_in(folder: str, account: str, region: str, day: str) -> Place | None:
    name = organization_trail(folder, account)
    return Place(TrailRegion(name, region), day) if name else None


# ---- the own log ----------------------------------------------------------------------------------------


class _OwnLog(msgspec.Struct):
    """The log of the role's account.

    Attributes:
        files: its files by place.
        first_day: first day of the window, "" where it is not known.
        last_day: day of the newest files.
        recent: stamp after which own records may be missing.
        covered: places whose own files show all kinds of events, after `compare`.
    """

    files: Mapping[Place, list[LogObject]]
    first_day: str
    last_day: str
    recent: str
    covered: frozenset[Place] = frozenset()

    @classmethod
    def of(cls, own: Iterable[LogObject], scope: Scope, source: LogSource) -> _OwnLog:
        """Return the log that consists of some files."""
        pairs = [(place, one) for one in own if (place := _place_of(one))]
        newest = max((published(one.name) for _, one in pairs), default="")
        return cls(
            {place: [one for _, one in found] for place, found in _grouped(pairs, lambda pair: pair[0])},
            scope.first,
            max((place.day for place, _ in pairs), default=""),
            # What a bucket lacks was not delivered to it yet; a copy of it may be older than the copies of others.
            "~" if source.remote else _before(newest),
        )

    def covers(self, one: LogObject) -> bool:
        """Return whether no call can be in another account's file alone."""
        stamp, place = published(one.name), _place_of(one)
        if not stamp or place is None or stamp >= self.recent:
            return False
        return self.covered.issuperset(self._days_about(place, stamp[-5:-1]))

    def covers_whole(self, one: LogFolder) -> bool:
        """Return whether no call can be in another account's day alone."""
        place = _place_of(one)
        return place is not None and all(
            self.covered.issuperset(self._days_about(place, clock)) for clock in ("0000", "2359")
        )

    def _days_about(self, place: Place, clock: str) -> Iterator[Place]:
        """Give the days that may have the own record of a call whose copy was published at a time, ``HHMM``."""
        yield place
        if clock < _AFTER_MIDNIGHT and (before_ := _add_days(place.day, -1)) >= self.first_day:
            yield place._replace(day=before_)
        if clock >= _BEFORE_MIDNIGHT and place.day < self.last_day:
            yield place._replace(day=_add_days(place.day, 1))

    def sampled(self, folders: Iterable[LogFolder]) -> set[LogFolder]:
        """Return the folders of a few accounts in each region, of one day on which the own log has files."""
        found = [(place, one) for one in folders if (place := _place_of(one)) in self.files and place]
        by_trail = _grouped(found, lambda pair: pair[0].trail)
        samples = set[LogFolder]()
        for _, pairs in by_trail:
            days = sorted({place.day for place, _ in pairs})
            middle = days[len(days) // 2]
            samples.update(_spread([one for place, one in pairs if place.day == middle], _SAMPLED_ACCOUNTS))
        return samples

    def compare(self, others: Iterable[LogObject], kinds: KindsInFiles) -> None:
        """Find out which days cover files of other accounts, by the kinds of events in samples."""
        needed = _kinds_of_others(others, kinds)
        shown: dict[Place, set[str]] = {place: set() for place in self.files if needed.get(place.trail)}
        waiting = {place: _telling_first(self.files[place]) for place in shown}
        for _ in range(_ROUNDS):
            parts = {place: list(_hundred(waiting[place])) for place in shown.keys() - self.covered}
            for place, found in kinds.in_groups(parts).items():
                shown[place] |= found
            self.covered = _covered(shown, needed)


def _covered(shown: Mapping[Place, set[str]], needed: Mapping[TrailRegion, set[str]]) -> frozenset[Place]:
    """Return the places whose own files show management and data events, and on days around them all kinds."""
    days: dict[tuple[TrailRegion, str], list[str]] = defaultdict(list)
    for place, kinds in shown.items():
        for kind in kinds:
            days[place.trail, kind].append(place.day)

    def is_covered(place: Place) -> bool:
        kinds = needed[place.trail]
        around = (days.get((place.trail, kind), ["~"]) for kind in kinds)
        return set(map(category_of, kinds)) <= set(map(category_of, shown[place])) and all(
            min(found) <= place.day <= max(found) for found in around
        )

    return frozenset(filter(is_covered, shown))


# ---- samples --------------------------------------------------------------------------------------------


def _kinds_of_others(others: Iterable[LogObject], kinds: KindsInFiles) -> dict[TrailRegion, set[str]]:
    """Return the kinds of events in samples of other accounts' files: early, late, and between."""
    pairs = [(place.trail, one) for one in others if (place := _place_of(one))]
    samples: dict[TrailRegion, list[LogObject]] = {}
    for (trail, _), found in _grouped(pairs, lambda pair: (pair[0], pair[1].account)):
        files = [one for _, one in found]
        for start in (0, len(files) // 2, max(0, len(files) - _SAMPLE_FILES)):
            samples.setdefault(trail, []).extend(
                _hundred(_telling_first(files[start : start + _SAMPLE_FILES]))
            )
    return kinds.in_groups(samples)


def _telling_first(files: Sequence[LogObject]) -> Iterator[LogObject]:
    """Give files in the order in which they show most for the fewest bytes: about a hundred events come first."""
    return iter(
        sorted(files, key=lambda one: (one.size < TELLING, one.size if one.size >= TELLING else -one.size))
    )


def _hundred(files: Iterator[LogObject]) -> Iterator[LogObject]:
    """Take the next files, until they have about a hundred events."""
    size = 0
    for number, one in enumerate(files, 1):
        yield one
        size += one.size
        if size >= TELLING or number == _SAMPLE_FILES:
            return


def _grouped(items: Iterable[Item], key: Callable[[Item], Key]) -> Iterable[tuple[Key, list[Item]]]:
    groups: dict[Key, list[Item]] = defaultdict(list)
    for one in items:
        groups[key(one)].append(one)
    return groups.items()


def _spread(items: Sequence[Item], number: int) -> Sequence[Item]:
    """Return at most so many items, spread evenly."""
    return [items[place * len(items) // number] for place in range(number)] if len(items) > number else items


def _add_days(day: str, number: int) -> str:
    return str(date.fromisoformat(day) + timedelta(number))


def _before(stamp: str) -> str:
    """Return the time `LATEST` minutes before a stamp."""
    if not stamp:
        return ""
    return (datetime.strptime(stamp, STAMP) - timedelta(minutes=LATEST)).strftime(STAMP)
