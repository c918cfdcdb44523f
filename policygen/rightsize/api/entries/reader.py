"""Read the entries of access logs: each becomes an `Entry`, whatever it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

from policygen.account.apis import Api
from policygen.logs.events.event_time import utc_time
from policygen.rightsize.api.entries.callers import Callers, Contradiction
from policygen.rightsize.api.entries.console import console_format
from policygen.rightsize.api.entries.format import EntryFormat, TooManyWaysError, Values, compact
from policygen.rightsize.api.entries.reading import LoggedStage, Reading, read_values, unknown
from policygen.rightsize.api.entries.variables import NOTHING, PASSING, is_valid
from policygen.rightsize.api.question import World

_KEPT = 50_000
"""Distinct entries whose readings are remembered at once."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EMPTY = frozenset({"", NOTHING})
_IDENTITY = frozenset({"identity.userArn", "identity.caller", "identity.user", "identity.accountId"})
_UTC = " +0000"
_READ_EACH_TIME = ("extendedRequestId", "requestId", "requestTime", "requestTimeEpoch")
_UNKNOWN: Reading = unknown("unmapped", "")
ELSEWHERE = unknown("unmapped", "it is of a stage that was not asked for")
"""The reading of an entry of another stage than those that were asked for."""
_NO_FORMAT = "no snapshot has a format of an access log that the entry has"


class Entry(NamedTuple):
    """One entry of an access log."""

    reading: Reading
    id: str = ""
    """AWS's own id of the request, else the one that its client may have chosen; "" for none."""
    is_unique: bool = False
    """Whether the id is AWS's own: then another entry of that id is the same one."""
    time: str = ""
    """ISO 8601 in UTC; "" where it is not known."""
    by_text: bool = False
    """Whether nobody can tell its id, so that another entry of the same text is the same one."""


class StageRef(NamedTuple):
    """A stage, or all stages of an API where `stage` is ""."""

    api: Api
    stage: str = ""


class EntryReader:
    """Reads entries of the stages of some accounts, or of a few stages.

    Args:
        world: the accounts that are known.
        only: the stages whose entries are asked for, and which have written those that do not say where; none for all.
    """

    def __init__(self, world: World, only: Sequence[StageRef] = ()) -> None:
        self._callers = Callers.of(world.accounts)
        self._places = list(_places(world, only))
        self._of_group: dict[str, list[_StageFormat]] = {}
        self._console: dict[tuple[str, str], _StageFormat] = {}
        self._last_console: dict[str, _StageFormat] = {}

    def read(self, text: str, group: str = "") -> Entry:
        """Return what an entry shows.

        Args:
            text: the entry.
            group: the log group that it was written to; "" where that is not known.
        """
        return next(self.read_all((text,), group))

    def read_all(self, texts: Sequence[str], group: str = "") -> Iterator[Entry]:
        """Yield what each of some entries shows, in their order; see `read`."""
        formats = self._of_group.get(group)
        if formats is None:
            formats = self._of_group[group] = self._formats(group)
        if len(formats) == 1:
            plain = formats[0].plain_entry
            for text in texts:
                yield plain(text) or self._read_any(text, formats, group)
            return
        for text in texts:
            if formats:
                possible = [one for one in formats if one.may_have(text)]
                entry = possible[0].plain_entry(text) if len(possible) == 1 else None
            else:
                known = None if "\\" in text else self._last_console.get(group)
                entry = known.plain_entry(text) if known else None
            yield entry or self._read_any(text, formats, group)

    # ---- formats ------------------------------------------------------------------------------------

    def _formats(self, group: str) -> list[_StageFormat]:
        """Return the formats of the stages that write to a group; of all where no stage is known to."""
        by_text: dict[str, list[LoggedStage]] = {}
        for place in self._in_group(group):
            if text := _format_text(place):
                by_text.setdefault(text, []).append(place)
        return [_StageFormat(EntryFormat(text), places, self._callers) for text, places in by_text.items()]

    def _in_group(self, group: str) -> list[LoggedStage]:
        writing = [one for one in self._places if group and _group_of(one) == group]
        return writing or self._places

    def _console_format(self, text: str, group: str) -> list[_StageFormat]:
        """Return the console's format, for stages whose own is not known."""
        layout = console_format(text)
        places = [one for one in self._in_group(group) if not _format_text(one)] if layout else []
        if layout is None or not places:
            return []
        if (group, layout) not in self._console:
            if len(self._console) >= _KEPT:
                self._console.clear()
            self._console[group, layout] = _StageFormat(EntryFormat(layout), places, self._callers)
        known = self._last_console[group] = self._console[group, layout]
        return [known]

    # ---- entries that are not plain -----------------------------------------------------------------

    def _read_any(self, text: str, formats: Sequence[_StageFormat], group: str) -> Entry:
        """Return what an entry shows in all ways to take it apart; `ambiguous` where they differ."""
        found: list[tuple[Entry, Identity]] = []
        try:
            for one in formats:
                found += one.entries(text)
            if not found:
                found = [pair for one in formats if (pair := one.relaid_entry(text))]
            if not found:
                found = [pair for one in self._console_format(text, group) for pair in one.entries(text)]
        except TooManyWaysError:
            return Entry(unknown("ambiguous", "it can be read in very many ways"), by_text=True)
        if not found:
            return Entry(unknown("unreadable", _NO_FORMAT), by_text=True)
        entries = list(dict.fromkeys(entry for entry, _ in found))
        first = entries[0]
        if len(entries) == 1:
            return first
        readings = {entry.reading for entry in entries}
        if len(readings) > 1 and len({identity for _, identity in found}) == 1:
            # The same caller in all: ways that no method answers are none.
            readings = {one for one in readings if one.status != "unmapped"} or readings
        same = [entry for entry in entries if entry.reading in readings]
        reading = (
            same[0].reading if len(readings) == 1 else unknown("ambiguous", "it can be read in several ways")
        )
        ids, times = {(one.id, one.is_unique) for one in same}, {one.time for one in same}
        by_text = len(ids) > 1
        id_, is_unique = ("", False) if by_text else ids.pop()
        return Entry(reading, id_, is_unique, times.pop() if len(times) == 1 else "", by_text)


Identity = tuple[str, ...]
"""The values that say who called."""


class _StageFormat:
    """A format with the stages that have it, which remembers what its entries showed."""

    def __init__(self, entry_format: EntryFormat, places: Sequence[LoggedStage], callers: Callers) -> None:
        self._format, self._places, self._callers = entry_format, places, callers
        names = entry_format.variables
        self._telling = [n for n, name in enumerate(names) if name not in PASSING]
        self._known: dict[object, Reading | None] = {}
        self._compact: _StageFormat | None = None
        self._identity = _getter([n for n, name in enumerate(names) if name in _IDENTITY])
        self._passing = [names.index(name) if name in names else -1 for name in _READ_EACH_TIME]
        self._match = entry_format.match_only_way()
        runs = _runs(self._telling)
        read = [n for n in self._passing if n >= 0]
        kept = sorted([*runs, *(range(n, n + 1) for n in read)], key=lambda one: one[0])
        self._match_plain = entry_format.match_only_way(kept)
        self._plain_key = _getter([n for n, one in enumerate(kept) if one in runs])
        places_of = {one[0]: n for n, one in enumerate(kept)}
        self._plain_passing = [places_of[n] if n >= 0 else -1 for n in self._passing]
        self._key = _getter(self._telling)

    def may_have(self, text: str) -> bool:
        """Return whether an entry may be of this format: whether it has its constant pieces, in their order."""
        at = 0
        for constant in self._format.constants:
            at = text.find(constant, at)
            if at < 0:
                return False
            at += len(constant)
        return text.startswith(self._format.constants[0])

    def plain_entry(self, text: str) -> Entry | None:
        """Return an entry that surely has one way to be taken apart; None for any other."""
        found = self._match_plain(text)
        if found is None:
            return None
        groups = found.groups()
        key = self._plain_key(groups)
        reading = self._known.get(key, _UNKNOWN)
        if reading is _UNKNOWN:
            whole = self._match(text)
            reading = self._remember(key, whole.groups() if whole else ())
        return _entry(reading, groups, self._plain_passing) if reading else None

    def relaid_entry(self, text: str) -> tuple[Entry, Identity] | None:
        """Return an entry that is JSON with other white space than its format's, as programs rewrite it; else None.

        No value of it holds a quote, so there is one way to take it apart.
        """
        if not (text.startswith("{") and self._format.text.lstrip().startswith("{")) or "\\" in text:
            return None
        if self._compact is None:
            self._compact = _StageFormat(EntryFormat(compact(self._format.text)), self._places, self._callers)
        entry = self._compact.plain_entry(compact(text))
        return (entry, (self._format.text,)) if entry else None

    def entries(self, text: str) -> Iterator[tuple[Entry, Identity]]:
        """Yield what an entry shows in each possible way to take it apart.

        Raises:
            TooManyWaysError: there are too many to look at.
        """
        found = self._match(text)
        for values in [found.groups()] if found else self._format.ways(text):
            key = ("", *self._key(values))
            reading = self._known.get(key, _UNKNOWN)
            if reading is _UNKNOWN:
                reading = self._remember(key, values)
            if reading:
                yield _entry(reading, values, self._passing), self._identity(values)

    def _remember(self, key: object, values: Values) -> Reading | None:
        """Return what values show, None for values that API Gateway cannot have written, and remember it."""
        if len(self._known) >= _KEPT:
            self._known.clear()
        reading = self._known[key] = self._interpret(values)
        return reading

    def _interpret(self, values: Values) -> Reading | None:
        names = self._format.variables
        if not all(is_valid(names[n], values[n]) for n in self._telling):
            return None
        told: dict[str, str] = {}
        for n in self._telling:
            text = "" if values[n] == NOTHING else values[n]
            if told.setdefault(names[n], text) != text:
                return None  # one variable has one value
        places = [one for one in self._places if _may_be_at(one, told)]
        if len(places) > 1:
            places = [one for one in places if one.asked] or places
        if len(places) > 1:
            places = _by_path(places, told) or places
        if len(places) != 1:
            which = f"which of {len(places)} stages wrote it" if places else "a stage that a snapshot has"
            return unknown("unmapped", f"the entry does not say {which}")
        if not places[0].asked:
            return ELSEWHERE
        try:
            return read_values(places[0], told, self._callers)
        except Contradiction:
            return None


def _may_be_at(place: LoggedStage, told: dict[str, str]) -> bool:
    """Return whether an entry may be of a stage, by what it says of where it was written."""
    api = place.api
    name = told.get("domainName", "")
    of_api = name.partition(".")[0].partition("-vpce-")[0] if ".execute-api." in name else ""
    return (
        told.get("apiId", "") in {"", api.id}
        and told.get("stage", "") in {"", place.stage}
        and told.get("accountId", "") in {"", api.account}
        and of_api in {"", api.id}
    )


def _by_path(places: Sequence[LoggedStage], told: dict[str, str]) -> list[LoggedStage]:
    """Return the stages that the path names: it begins with the stage, where no custom domain leads to the API."""
    path = told.get("path", "")
    first = path.split("/")[1] if path.startswith("/") else ""
    if any(target[1] == one.api.id for one in places for domain in one.domains for target in domain.mappings):
        return []
    return [one for one in places if one.stage == first] if first else []


def _places(world: World, only: Sequence[StageRef]) -> Iterator[LoggedStage]:
    """Yield the stages that may have written entries."""
    wanted = {(one.api.id, one.stage) for one in only}
    domains = tuple(domain for one in world.accounts.values() for domain in one.gateway.domains or ())
    for account in world.accounts.values():
        for api in account.gateway.apis or ():
            for stage in api.stages:
                asked = not wanted.isdisjoint({(api.id, stage.name), (api.id, "")})
                yield LoggedStage(api, stage.name, domains, asked or not wanted)


def _format_text(place: LoggedStage) -> str:
    stage = place.api.stage(place.stage)
    return stage.log_format if stage else ""


def _group_of(place: LoggedStage) -> str:
    """Return the log group that a stage writes to; "" for none."""
    stage = place.api.stage(place.stage)
    return stage.log_destination.partition(":log-group:")[2].removesuffix(":*") if stage else ""


def _getter(indexes: Sequence[int]) -> Callable[[Values], Identity]:
    """Return what picks some values, always a tuple."""
    if len(indexes) < 2:
        return lambda values: tuple(values[n] for n in indexes)
    return itemgetter(*indexes)


def _entry(reading: Reading, values: Values, passing: Sequence[int]) -> Entry:
    """Return the entry of a reading.

    Args:
        reading: what it shows.
        values: of the entry.
        passing: where the values of `_READ_EACH_TIME` stand among them; -1 for one that is not there.
    """
    unique, request, clock, epoch = passing
    if clock >= 0:
        text = values[clock]
        date = _date(text[:11])
        time = f"{date}T{text[12:20]}Z" if date and text.endswith(_UTC) else clock_time(text)
    else:
        time = utc_time(values[epoch]) if epoch >= 0 else ""
    id_ = values[unique] if unique >= 0 else ""
    if id_ in _EMPTY:
        id_ = values[request] if request >= 0 else ""
        return Entry(reading, "" if id_ in _EMPTY else id_, False, time)
    return Entry(reading, id_, True, time)


def _runs(numbers: Sequence[int]) -> list[range]:
    """Return numbers as ranges, where several follow one another."""
    runs: list[range] = []
    for number in numbers:
        if runs and runs[-1].stop == number:
            runs[-1] = range(runs[-1].start, number + 1)
        else:
            runs.append(range(number, number + 1))
    return runs


@lru_cache(maxsize=4096)
def _date(text: str) -> str:
    """Return ``14/Nov/2026`` as an ISO date; "" where it is none."""
    day, _, rest = text.partition("/")
    month, _, year = rest.partition("/")
    return f"{year}-{_MONTHS.index(month) + 1:02}-{day}" if month in _MONTHS else ""


@lru_cache(maxsize=4096)
def clock_time(text: str) -> str:
    """Return ``14/Nov/2026:12:22:07 +0200`` as ISO 8601 in UTC; "" where it is no such time."""
    return utc_time(f"{_date(text[:11])}T{text[12:20]}{text[21:]}")
