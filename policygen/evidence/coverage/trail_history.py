"""What the logs tell of a trail's past: selectors are of today, and may have been others (3.4.6).

A trail's window is cut into *stretches*, in each of which it was the same. A change shows what holds after it;
what held before is known only from an earlier change, and is otherwise not known. Where the last change that
the logs show and the trail of today disagree, a change was not seen, and either of the two may have held.

Shapes of the events: CloudTrail API Reference, API_CreateTrail, API_UpdateTrail, API_PutEventSelectors,
API_StartLogging, API_StopLogging, API_DeleteTrail; the record writes members in lower camel case (3.4.6).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from policygen.account.model import Trail
from policygen.iam import arn
from policygen.logs.window import Window

SOURCE = "cloudtrail.amazonaws.com"
"""The event source of the changes."""

EVENTS = frozenset(
    {"CreateTrail", "DeleteTrail", "StartLogging", "StopLogging", "UpdateTrail", "PutEventSelectors"}
)
"""The events that change what a trail logs. PutInsightSelectors does not: Insights events are no calls."""


@dataclass(frozen=True, slots=True)
class TrailChange:
    """One event of `SOURCE`, of any caller, whose name is in `EVENTS`."""

    time: str
    """eventTime, ISO 8601."""
    region: str
    account: str
    """12 digits, "" where the record does not tell."""
    event: str
    params: Mapping[str, Any]
    """requestParameters."""
    error: str = ""
    """errorCode; a change that failed changes nothing."""


@dataclass(frozen=True, slots=True)
class TrailInterval:
    """A part of the window in which a trail was the same."""

    start: str
    """ISO 8601 in UTC, in seconds; included."""
    end: str
    """As `start`; not included, but for the window's own end."""
    trails: tuple[Trail, ...]
    """What the trail was: one, or several of which it is not known which held. () where nothing is known."""
    why: str = ""
    """What ended the stretch before and began this one; "" for the window's start."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A part of the window in which a trail did not log."""

    start: str
    """ISO 8601 in UTC."""
    end: str
    trail: str


def bounds(window: Window) -> tuple[str, str]:
    """The first and the last second of a window, ISO 8601 in UTC."""
    end = window.until.last_second
    return f"{window.start}T00:00:00Z", _moment(end) or end


def whole_day(moment: str) -> str:
    """The first day that lies after `moment` from its first second."""
    day = date.fromisoformat(moment[:10])
    return (day if moment[11:19] == "00:00:00" else day + timedelta(days=1)).isoformat()


def trail_intervals(
    trail: Trail, changes: Iterable[TrailChange], window: Window
) -> tuple[TrailInterval, ...]:
    """The stretches of a trail in a window, by time, without holes.

    Args:
        trail: as it is today.
        changes: those of the logs, in any order, of any trail and of any time.
        window: the days asked for.
    """
    start, end = bounds(window)
    own = sorted((one for one in _timed(changes, end) if concerns(one, trail)), key=_order)
    moments = {one.time: one.event for one in own} | _status(trail, own, start, end)
    cuts = sorted({start, *(moment for moment in moments if start < moment <= end)})
    made = []
    for left, right in zip(cuts, [*cuts[1:], end], strict=True):
        found = _at(trail, own, left)
        made.append(TrailInterval(left, right, found, moments.get(left, "") if left != start else ""))
    return tuple(made)


def gaps(trail: Trail, changes: Iterable[TrailChange], window: Window) -> tuple[Gap, ...]:
    """When a trail did not log within a window, by time; neighbouring stretches make one gap."""
    found: list[Gap] = []
    for one in trail_intervals(trail, changes, window):
        if not one.trails or any(state.logging is not False for state in one.trails):
            continue
        if found and found[-1].end == one.start:
            found[-1] = replace(found[-1], end=one.end)
        else:
            found.append(Gap(one.start, one.end, trail.name))
    return tuple(found)


def concerns(change: TrailChange, trail: Trail) -> bool:
    """Whether a change was made, and to this trail: by ARN, or by name in its account and home region."""
    if change.error or change.event not in EVENTS:
        return False
    name = change.params.get("trailName" if change.event == "PutEventSelectors" else "name")
    if not isinstance(name, str):
        return False
    if name.startswith("arn:"):
        return name == trail.arn
    place = arn.parse(trail.arn)
    account = place.account if place else ""
    # Trails of two regions may have one name; AWS takes changes in a trail's home region only.
    return (
        name == trail.name
        and change.region == trail.home_region
        and (not account or change.account in ("", account))
    )


def _timed(changes: Iterable[TrailChange], end: str) -> Iterable[TrailChange]:
    """The changes with their times in one form; one that cannot be read counts at the window's end."""
    return (replace(one, time=_moment(one.time) or end) for one in changes)


def _order(change: TrailChange) -> tuple[str, str, str]:
    return change.time, change.event, json.dumps(change.params, sort_keys=True, default=str)


def _moment(text: str) -> str:
    """A time in UTC and whole seconds, "" where it is none."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return ""
    aware = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    return aware.strftime("%Y-%m-%dT%H:%M:%SZ")


def _status(trail: Trail, own: Sequence[TrailChange], start: str, end: str) -> dict[str, str]:
    """The last start and stop that the trail's status tells, where no event is at that second."""
    told = {"StartLogging": trail.started, "StopLogging": trail.stopped}
    known = {one.time for one in own}
    found = {(_moment(text) or end): event for event, text in told.items() if text}
    return {moment: event for moment, event in found.items() if moment not in known and start < moment <= end}


def _at(trail: Trail, own: Sequence[TrailChange], moment: str) -> tuple[Trail, ...]:
    """What a trail was just after `moment`."""
    logging = _logging(trail, own, moment)
    if logging is False:
        return (replace(trail, logging=False),)
    past = [one for one in own if one.time <= moment]
    later = [one for one in own if one.time > moment]
    flags = _flags(trail, past, later)
    return tuple(
        replace(
            state,
            logging=logging,
            multi_region=flags["multi_region"],
            global_events=flags["global_events"],
        )
        for state in _selectors(trail, past, later)
    )


def _logging(trail: Trail, own: Sequence[TrailChange], moment: str) -> bool | None:
    """Whether it logged: by the last start or stop up to then, else by the first one after."""
    toggles = {(one.time, one.event) for one in own if one.event in _ON_BEFORE}
    told = (("StartLogging", _moment(trail.started)), ("StopLogging", _moment(trail.stopped)))
    ordered = sorted(toggles | {(time, event) for event, time in told if time}, key=_by_time)
    before = [event for time, event in ordered if time <= moment]
    if before:
        return before[-1] == "StartLogging"
    after = [event for time, event in ordered if time > moment]
    return _ON_BEFORE[after[0]] if after else trail.logging


_ON_BEFORE = {"StopLogging": True, "DeleteTrail": True, "StartLogging": False, "CreateTrail": False}
"""Whether a trail logged before the change, if nothing else says. What is started may have been off before."""


def _by_time(toggle: tuple[str, str]) -> tuple[str, bool]:
    """Of two within a second the start comes last: AWS's status and the event may differ by a moment."""
    return toggle[0], toggle[1] == "StartLogging"


def _flags(trail: Trail, past: Sequence[TrailChange], later: Sequence[TrailChange]) -> dict[str, bool]:
    """Whether it logged all regions and the global services. Before a change the narrower is taken, if nothing says."""
    found = {}
    names = {"multi_region": "isMultiRegionTrail", "global_events": "includeGlobalServiceEvents"}
    for own, name in names.items():
        told = [value for one in past if isinstance(value := _flag(one, name), bool)]
        changed = any(_flag(one, name) is not None for one in later)
        value = told[-1] if told else (getattr(trail, own) and not changed)
        # Without a later change that the logs show, both what they say and what is true today must hold.
        found[own] = value if changed or not told else value and getattr(trail, own)
    return found


def _flag(change: TrailChange, name: str) -> bool | None:
    """What a change sets a flag to, or None where it leaves it as it is."""
    if change.event == "CreateTrail":
        # A new trail is of one region and has global events unless it is told otherwise.
        value = change.params.get(name)
        return value if isinstance(value, bool) else name == "includeGlobalServiceEvents"
    value = change.params.get(name) if change.event == "UpdateTrail" else None
    return value if isinstance(value, bool) else None


# --- Selectors of a change -------------------------------------------------------------------------

_DEFAULT: tuple[Mapping[str, Any], ...] = ({"ReadWriteType": "All", "IncludeManagementEvents": True},)
"""What a new trail has (3.1)."""


def _selectors(trail: Trail, past: Sequence[TrailChange], later: Sequence[TrailChange]) -> tuple[Trail, ...]:
    told = [one for one in past if one.event in {"PutEventSelectors", "CreateTrail"}]
    changed = any(one.event in {"PutEventSelectors", "CreateTrail"} for one in later)
    if not told:
        return () if changed else (trail,)
    then = _set_by(trail, told[-1])
    unread = trail.selectors is None and trail.advanced is None
    if changed or unread or _same(then, trail):
        return (then,)
    return (then, trail)


def _set_by(trail: Trail, change: TrailChange) -> Trail:
    if change.event == "CreateTrail":
        return replace(trail, selectors=_DEFAULT, advanced=None)
    basic, advanced = (
        _capitalised(change.params.get(name)) for name in ("eventSelectors", "advancedEventSelectors")
    )
    return replace(trail, selectors=basic or None, advanced=advanced or None)


def _capitalised(selectors: Any) -> tuple[Mapping[str, Any], ...]:
    """Selectors as AWS's answers write them, from the lower camel case of a record."""
    if not isinstance(selectors, Sequence) or isinstance(selectors, str):
        return ()
    return tuple(one for one in map(_renamed, selectors) if isinstance(one, dict))


def _renamed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {f"{name[:1].upper()}{name[1:]}": _renamed(inner) for name, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_renamed(inner) for inner in value]
    return value


def _same(one: Trail, other: Trail) -> bool:
    """Whether two states have selectors that say the same; names, order and empty lists say nothing."""
    return _plain(one.selectors) == _plain(other.selectors) and _plain(one.advanced) == _plain(other.advanced)


def _plain(selectors: Sequence[Mapping[str, Any]] | None) -> list[str]:
    return sorted(json.dumps(_sorted(one), sort_keys=True) for one in selectors or ())


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {key: _sorted(inner) for key, inner in value.items() if key != "Name"}
        defaults = {"ReadWriteType": "All", "IncludeManagementEvents": True}
        return {key: inner for key, inner in kept.items() if inner != [] and defaults.get(key) != inner}
    if isinstance(value, Sequence) and not isinstance(value, str):
        members = [inner for inner in map(_sorted, value) if not _is_empty_resource(inner)]
        return sorted(members, key=lambda inner: json.dumps(inner, sort_keys=True))
    return value


def _is_empty_resource(value: Any) -> bool:
    """A type with no resources, as the console writes it for what it does not log."""
    return isinstance(value, Mapping) and set(value) == {"Type"}
