"""A trail's past, as far as the logs show it: today's selectors may have been others before (3.4.6).

The window is cut into *intervals* in each of which the trail did not change. A change shows what holds after it; what
held before is known only from an earlier change. Where the last change in the logs and the trail of today disagree, a
change was not seen, and either state may have held.

Shapes of the events: CloudTrail API Reference, API_CreateTrail, API_UpdateTrail, API_PutEventSelectors,
API_StartLogging, API_StopLogging, API_DeleteTrail; the record writes members in lower camel case (3.4.6).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from policygen.account.model import Trail
from policygen.iam import arn
from policygen.logs.window import Window

SOURCE = "cloudtrail.amazonaws.com"
"""The event source of the changes."""

EVENTS = frozenset(
    {"CreateTrail", "DeleteTrail", "StartLogging", "StopLogging", "UpdateTrail", "PutEventSelectors"}
)
"""The events that change what a trail logs. PutInsightSelectors does not: Insights events are no calls."""


class TrailChange(msgspec.Struct, frozen=True):
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


class TrailInterval(msgspec.Struct, frozen=True):
    """A part of the window in which a trail did not change."""

    start: str
    """ISO 8601 in UTC, in seconds; included."""
    end: str
    """As `start`; not included, except at the window's end."""
    trails: tuple[Trail, ...]
    """The state of the trail, or the alternatives of which one held; () where nothing is known."""
    why: str = ""
    """The event between the interval before and this one; "" at the window's start."""


class Gap(msgspec.Struct, frozen=True):
    """A part of the window in which a trail did not log."""

    start: str
    """ISO 8601 in UTC."""
    end: str
    trail: str


def bounds(window: Window) -> tuple[str, str]:
    """Return the first and the last second of a window, ISO 8601 in UTC."""
    end = window.until.last_second
    return f"{window.start}T00:00:00Z", _moment(end) or end


def whole_day(moment: str) -> str:
    """Return the first day of which no second is before `moment`."""
    day = date.fromisoformat(moment[:10])
    return (day if moment[11:19] == "00:00:00" else day + timedelta(days=1)).isoformat()


def trail_intervals(
    trail: Trail, changes: Iterable[TrailChange], window: Window
) -> tuple[TrailInterval, ...]:
    """Return the intervals of a trail in a window, by time, without gaps.

    Args:
        trail: the trail as it is today.
        changes: the changes in the logs, in any order, of any trail and of any time.
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
    """Return when a trail did not log within a window, by time; neighbouring intervals make one gap."""
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
    """Return whether a change succeeded and was of this trail: by ARN, or by name in its account and home region."""
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
    """Yield the changes with their times in one form; an unreadable time counts as the window's end."""
    return (replace(one, time=_moment(one.time) or end) for one in changes)


def _order(change: TrailChange) -> tuple[str, str, str]:
    return change.time, change.event, json.dumps(change.params, sort_keys=True, default=str)


def _moment(text: str) -> str:
    """Return a time in UTC and whole seconds; "" where the text is no time."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return ""
    aware = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    return aware.strftime("%Y-%m-%dT%H:%M:%SZ")


def _status(trail: Trail, own: Sequence[TrailChange], start: str, end: str) -> dict[str, str]:
    """Return the last start and stop in the trail's status, unless an event has the same second."""
    status = {"StartLogging": trail.started, "StopLogging": trail.stopped}
    known = {change.time for change in own}
    found = {(_moment(text) or end): event for event, text in status.items() if text}
    return {moment: event for moment, event in found.items() if moment not in known and start < moment <= end}


def _at(trail: Trail, own: Sequence[TrailChange], moment: str) -> tuple[Trail, ...]:
    """Return the state of a trail just after `moment`, or the alternatives."""
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
    """Return whether a trail logged: by the last start or stop up to then, else by the first one after."""
    toggles = {(one.time, one.event) for one in own if one.event in _ON_BEFORE}
    status = (("StartLogging", _moment(trail.started)), ("StopLogging", _moment(trail.stopped)))
    ordered = sorted(toggles | {(time, event) for event, time in status if time}, key=_by_time)
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
    """Return whether a trail logged all regions and global services; the narrower, if the logs do not tell."""
    found = {}
    names = {"multi_region": "isMultiRegionTrail", "global_events": "includeGlobalServiceEvents"}
    for own, name in names.items():
        values = [value for one in past if isinstance(value := _flag(one, name), bool)]
        changed = any(_flag(one, name) is not None for one in later)
        value = values[-1] if values else (getattr(trail, own) and not changed)
        # Without a later change that the logs show, both what they say and what is true today must hold.
        found[own] = value if changed or not values else value and getattr(trail, own)
    return found


def _flag(change: TrailChange, name: str) -> bool | None:
    """Return what a change sets a flag to; None where it does not set it."""
    if change.event == "CreateTrail":
        # A new trail logs one region and global events, unless the request says otherwise.
        value = change.params.get(name)
        return value if isinstance(value, bool) else name == "includeGlobalServiceEvents"
    value = change.params.get(name) if change.event == "UpdateTrail" else None
    return value if isinstance(value, bool) else None


# --- Selectors of a change -------------------------------------------------------------------------

_DEFAULT: tuple[Mapping[str, Any], ...] = ({"ReadWriteType": "All", "IncludeManagementEvents": True},)
"""What a new trail has (3.1)."""


def _selectors(trail: Trail, past: Sequence[TrailChange], later: Sequence[TrailChange]) -> tuple[Trail, ...]:
    setters = [one for one in past if one.event in {"PutEventSelectors", "CreateTrail"}]
    changed = any(one.event in {"PutEventSelectors", "CreateTrail"} for one in later)
    if not setters:
        return () if changed else (trail,)
    then = _set_by(trail, setters[-1])
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
    """Write a record's selectors, in lower camel case, as AWS's answers do."""
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
    """Return whether two states have equivalent selectors; names, order and empty lists do not count."""
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
    """Return whether a value is a type without resources, which the console writes for a type that is not logged."""
    return isinstance(value, Mapping) and set(value) == {"Type"}
