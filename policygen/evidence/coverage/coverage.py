"""What the evidence could have shown: "not seen" means something only where it would have been seen.

Two verdicts for a permission that was not used: *visible since a date* (from then on the trails log every event of
its use, and there was none), or *cannot tell*, with the reason and the command that would show it. The
trails' selectors (3.4), their past in the logs (3.4.6), regions and the caller decide together. Without the trails
management events count as logged, and a data event type as not known: its events in the log may come from a
selector of one bucket. That every trail's log is among the files read is taken for granted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from policygen.account.model import Trail
from policygen.catalog.visibility import Visibility, data_types, visibility_of
from policygen.evidence.coverage.blind_spot import BlindSpot, Restrictions
from policygen.evidence.coverage.event_set import (
    GLOBAL,
    GLOBAL_EVENT_REGIONS,
    EventSet,
    Ignoring,
    event_sets_of,
    filters_of,
    logged_share,
    types_of,
)
from policygen.evidence.coverage.selectors import Answer, every
from policygen.evidence.coverage.trail_history import (
    Gap,
    TrailChange,
    bounds,
    gaps,
    trail_intervals,
    whole_day,
)
from policygen.iam import reference
from policygen.iam.arn import parse, partition_of, service_of
from policygen.iam.request import RoleKey
from policygen.logs.window import Window
from policygen.text import pluralize

VISIBLE = "visible"
"""How the reason of a removal begins where the logs would have shown a use."""


class ObservedSince(NamedTuple):
    """Whether the use of a permission would have been seen."""

    visible: bool
    since: str
    """The first whole day from which on it would have been seen until the window's end; "" if not visible."""
    days: int
    """Days from then on, 0 if not visible."""
    spot: BlindSpot | None = None
    """Why the evidence cannot tell; None if visible."""


class AbsenceVerdict(NamedTuple):
    """What it means that the use of a permission was not seen."""

    spot: BlindSpot | None
    """Why it means nothing; None if it was visible for long enough."""
    why: str
    """Since when it was visible, "" if it was not."""


@dataclass(frozen=True, slots=True)
class TrailPeriod:
    """A part of the window in which no trail changed. For each trail, what it was, or the alternatives."""

    start: str
    end: str
    trails: tuple[tuple[Trail, ...], ...]
    why: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a window of logs can show."""

    window: Window
    days_with_events: int
    """Days of the window on which any caller's event was read."""
    regions: tuple[str, ...]
    trails: tuple[str, ...] | None
    """Names of the trails that log; None where the account's trails are not known."""
    data_types: frozenset[str] | None
    """Data event types that are logged for every resource; None where the trails are not known."""
    logged_regions: frozenset[str] | None
    """Regions that are logged; None for all of them, or where the trails are not known."""
    incomplete: tuple[str, ...] = ()
    """What could not be read whole or was not proved, a phrase each."""
    gaps: tuple[str, ...] = ()
    """Days of the window on which no event of any caller was read: a warning, for nothing says why."""
    stopped: tuple[Gap, ...] = ()
    """When a trail did not log within the window."""
    data_seen: Mapping[str, int] = field(default_factory=dict)
    """Data event type -> events of any caller read in the window."""
    account: str = ""
    """Whose trails a command would change."""
    identity: str = ""
    """The ARNs of the role's sessions, with a ``*``; "" where the role is not known."""
    known: tuple[Trail, ...] = ()
    """All trails of the account, those that do not log among them."""
    eras: tuple[TrailPeriod, ...] = ()
    """By time, without holes; one at least where the trails are known."""
    filters: frozenset[str] = frozenset()
    """Fields that any selector of any era filters by."""
    first_day: str = ""
    """The first day of the window of which any event was read; "" where none was."""
    management: Mapping[str, int] | None = None
    """``read`` and ``write`` -> management events of anyone that were read; None where that was not counted."""
    _memo: dict[object, tuple[str, BlindSpot | None]] = field(default_factory=dict, repr=False, compare=False)
    _settled: dict[tuple[str, bool], ObservedSince] = field(default_factory=dict, repr=False, compare=False)
    """Verdicts on permissions that are on everything: not more than IAM has actions."""
    _silences: dict[tuple[str, int], AbsenceVerdict] = field(default_factory=dict, repr=False, compare=False)
    """The same in words, by the days that are asked for."""

    def of(self, role: RoleKey) -> Coverage | None:
        """The coverage of another role of the same logs and account; None where a selector tells the two apart.

        What is settled for one holds for the other: an account's roles have the same thousands of permissions.
        """
        if role.account != self.account or "userIdentity.arn" in self.filters:
            return None
        return replace(self, identity=_sessions(role, self.known), _memo={})

    def verdict(self, action: str, resource: str = "*", reads_only: bool = False) -> ObservedSince:
        """Whether, and since when, the use of a permission would have been seen.

        Args:
            action: ``service:Name``.
            resource: the Resource pattern that the permission has.
            reads_only: whether IAM says that the action only reads.
        """
        if resource != "*":
            return self._verdict(action, resource, reads_only)
        found = self._settled.get((action, reads_only))
        if found is None:
            found = self._settled[action, reads_only] = self._verdict(action, resource, reads_only)
        return found

    def silence(self, action: str, resource: str, min_days: int) -> AbsenceVerdict:
        """What it means that no use of a permission was seen, which asks for `min_days` of its being visible."""
        if resource != "*":
            return self._silence(action, resource, min_days)
        found = self._silences.get((action, min_days))
        if found is None:
            found = self._silences[action, min_days] = self._silence(action, resource, min_days)
        return found

    def _silence(self, action: str, resource: str, min_days: int) -> AbsenceVerdict:
        found = self.verdict(action, resource, reference.reads_only(action))
        if found.spot:
            return AbsenceVerdict(found.spot, "")
        if found.days < min_days:
            why = f"visible on {pluralize(found.days, 'day')} only, since {found.since}"
            return AbsenceVerdict(
                BlindSpot("window-not-covered", action, why, f"wait for {min_days} days of it"), ""
            )
        whole = found.days >= self.window.days
        return AbsenceVerdict(
            None, f"{VISIBLE}, 0 calls" if whole else f"{VISIBLE} since {found.since}, 0 calls"
        )

    def _verdict(self, action: str, resource: str, reads_only: bool) -> ObservedSince:
        seen = visibility_of(action)
        if seen.kind in _NEVER:
            why, remedy = _NEVER[seen.kind]
            return ObservedSince(
                False, "", 0, BlindSpot(_IDS[seen.kind], action, why, remedy, seen.reference)
            )
        if self.trails is None:
            return self._without_trails(action, seen, reads_only)
        service = service_of(action)
        # Most permissions are settled without a look at names and resources, and there are few such questions.
        for filters in (self.filters & _COARSE, self.filters):
            asked = event_sets_of(action, seen, resource, reads_only, filters, self.identity)
            since, spot = self._remembered(asked, service)
            if since == self.window.start:
                break
        spot = spot or self._unread(seen, resource, service, reads_only)
        if spot:
            return ObservedSince(False, "", 0, replace(spot, action=action))
        since = max(since, self.first_day)
        return ObservedSince(True, since, self._days(since))

    def _unread(self, seen: Visibility, resource: str, service: str, reads_only: bool) -> BlindSpot | None:
        """Why what the trails log need not be among the files that were read; None where it is."""
        pieces = resource.split(":", 5)
        region = pieces[3] if len(pieces) == 6 and not set(pieces[3]) & set("*?$") else ""
        if service in GLOBAL:
            region = ""
            leaders = GLOBAL_EVENT_REGIONS & set(self.regions)
            if self.regions and not leaders:
                why = f"no event of anyone was read in the region that records those of {service}"
                return BlindSpot("region-not-read", "", why, "give the files of us-east-1 to --logs")
        if region and self.regions and region not in self.regions:
            why = f"no event of anyone was read in {region}"
            return BlindSpot("region-not-read", "", why, f"give the files of {region} to --logs")
        if seen.kind == "data" and not any(self._is_read(kind) for kind in seen.data_types):
            why = f"the trail that logs {service} data events: none of its events was read"
            return BlindSpot("trail-not-read", "", why, "give the files of all trails to --logs")
        active = [trail for trail in self.known if trail.logging is not False]
        if seen.kind != "data" and all(t.selectors is None and t.advanced is None for t in active):
            return self._unproven(reads_only, "the selectors of the trails were not read")
        return None

    def _is_read(self, data_type: str) -> bool:
        """Whether the files of a trail that logs a data event type are among those that were read."""
        active = [trail for trail in self.known if trail.logging is not False]
        managing = [trail for trail in active if _logs_management(trail)]
        for trail in active:
            types = types_of([trail])
            if data_type not in types:
                continue
            if len(active) == 1 or managing == [trail] or types & set(self.data_seen):
                return True
        return False

    def _unproven(self, reads_only: bool, why: str) -> BlindSpot | None:
        """Management events are taken to be logged where any of their kind was read; else nobody can say."""
        kind = "read" if reads_only else "write"
        if self.management is None or self.management.get(kind):
            return None
        why = f"{why}, and no management event that {kind}s was read of anyone"
        return BlindSpot("trail-unknown", "", why, "give an account snapshot with --snapshot")

    def _remembered(self, asked: tuple[EventSet, ...], service: str) -> tuple[str, BlindSpot | None]:
        if asked not in self._memo:
            self._memo[asked] = self.since(asked), None
        since = self._memo[asked][0]
        if since and since <= self.window.last_day:
            return since, None
        # The reason is the same for all names, and there are thousands of management events.
        key = (tuple(one if one.data_type else one._replace(names=("",)) for one in asked), service)
        if key not in self._memo:
            self._memo[key] = (
                "",
                self._short("", since) if since else self._restrictions().spot(key[0], service),
            )
        return self._memo[key]

    def blind_spot(self, action: str, *, reads_only: bool = False, resource: str = "*") -> BlindSpot | None:
        """Why the evidence cannot tell whether `action` is used in the whole window, or None when it can.

        Actions that no known operation asks for (``no-event``) pass here; `verdict` names them.
        """
        found = self.verdict(action, resource, reads_only)
        if found.spot:
            return None if found.spot.id == "no-event" else found.spot
        return None if found.days >= self.window.days else self._short(action, found.since)

    def answer(self, asked: Sequence[EventSet], relaxed: Ignoring = frozenset()) -> Answer:
        """How much of what is asked about is logged at the window's end."""
        return every(logged_share(one, self.eras[-1].trails, relaxed) for one in asked)

    def logs(self, data_type: str) -> Answer:
        """How much of the events of a data event type is logged at the window's end."""
        return self.answer([EventSet(data_type=data_type, identity=self.identity)])

    def since(self, asked: Sequence[EventSet]) -> str:
        """The first whole day since which all that is asked about is logged until the window's end, or ""."""
        moment = ""
        for era in reversed(self.eras):
            if every(logged_share(one, era.trails) for one in asked) != "all":
                break
            moment = era.start
        return whole_day(moment) if moment else ""

    def _days(self, since: str) -> int:
        """Days from `since` on of which any event was read."""
        return _days_from(since, self.window.last_day, self.gaps if self.days_with_events else ())

    def _short(self, action: str, since: str) -> BlindSpot:
        why = f"the trails show it only since {since}"
        reasons = [era.why for era in self.eras if era.why and whole_day(era.start) <= since]
        why += f" ({reasons[-1]})" if reasons else ""
        return BlindSpot("window-not-covered", action, why, "wait, or --days fewer")

    def _restrictions(self) -> Restrictions:
        return Restrictions(self.known, self.eras[-1].trails, self.logged_regions, self.account)

    def _without_trails(self, action: str, seen: Visibility, reads_only: bool) -> ObservedSince:
        if seen.kind != "data":
            spot = self._unproven(reads_only, "the trails are not known")
            if spot:
                return ObservedSince(False, "", 0, replace(spot, action=action))
            since = max(self.window.start, self.first_day)
            return ObservedSince(True, since, self._days(since))
        service = action.partition(":")[0]
        why = f"{service} data events: the trail's selectors are not known"
        if events := sum(self.data_seen.get(one, 0) for one in seen.data_types):
            why = f"{service} data events were read ({events:,}), so a trail logs some; which is not known"
        elif self.data_seen:
            why += ", and none was read"
        remedy = "give an account snapshot with --snapshot"
        return ObservedSince(False, "", 0, BlindSpot("trail-unknown", action, why, remedy))


@lru_cache(maxsize=1024)
def _days_from(since: str, end: str, gaps: tuple[str, ...]) -> int:
    days = (date.fromisoformat(end) - date.fromisoformat(since)).days + 1
    return days - sum(1 for gap in gaps if gap >= since)


_COARSE = frozenset({"eventSource", "readOnly", "region", "userIdentity.arn"})
"""Fields that have few values among all permissions of a role."""

_NEVER: Mapping[str, tuple[str, str]] = {
    "never": ("never in CloudTrail", "keep it, or drop it by hand"),
    "unknown": ("it is not known whether CloudTrail shows it", "decide by hand"),
    "no-event": ("no operation is known that asks for it, so no event either", "decide by hand"),
}
_IDS = {"never": "never-logged", "unknown": "no-event-known", "no-event": "no-event"}


def _logs_management(trail: Trail) -> bool:
    return (
        logged_share(EventSet(sources=("-",), read_only=False), [[trail]], frozenset({"delivery", "place"}))
        != "none"
    )


def coverage_of(
    window: Window,
    days: Mapping[str, int],
    regions: Iterable[str],
    trails: Sequence[Trail] | None,
    incomplete: Iterable[str] = (),
    *,
    role: RoleKey | None = None,
    changes: Iterable[TrailChange] = (),
    data_seen: Mapping[str, int] | None = None,
    management: Mapping[str, int] | None = None,
) -> Coverage:
    """The coverage of a window.

    Args:
        window: the days asked for.
        days: date -> events read, of any caller.
        regions: regions of the events read.
        trails: the account's trails, None where they are not known.
        incomplete: what could not be read whole or was not proved, a phrase each.
        role: whose permissions are asked about; selectors may leave its sessions out.
        changes: what the logs tell of changes to trails, of any time.
        data_seen: data event type -> events of any caller read in the window.
        management: ``read`` and ``write`` -> management events of any caller that were read.
    """
    known = tuple(trails or ())
    active = [trail for trail in known if trail.logging is not False]
    told = tuple(changes)
    eras = _eras(active, told, window)
    coverage = Coverage(
        window=window,
        days_with_events=sum(1 for day in days if window.holds(day)),
        regions=tuple(sorted(regions)),
        trails=None if trails is None else tuple(sorted(trail.name for trail in active)),
        data_types=None,
        logged_regions=_regions(active),
        incomplete=tuple(incomplete),
        gaps=_quiet(window, days),
        stopped=tuple(gap for trail in active for gap in gaps(trail, told, window)),
        data_seen=dict(data_seen or {}),
        account=role.account if role else "",
        identity=_sessions(role, known),
        known=known,
        eras=eras,
        first_day=min((day for day in days if window.holds(day)), default=""),
        management=management,
        filters=filters_of(one for era in eras for states in era.trails for one in states),
    )
    if trails is None:
        return coverage
    whole = (one for one in types_of(active) | set(data_types()) if coverage.logs(one) == "all")
    return replace(coverage, data_types=frozenset(whole), _memo={}, _settled={}, _silences={})


def _eras(active: Sequence[Trail], changes: Sequence[TrailChange], window: Window) -> tuple[TrailPeriod, ...]:
    """The window, cut where any trail changed."""
    past = [(trail, trail_intervals(trail, changes, window)) for trail in active]
    first, last = bounds(window)
    cuts = sorted({first, *(one.start for _, found in past for one in found)})
    eras = []
    for start_, end in zip(cuts, [*cuts[1:], last], strict=True):
        now = [(trail, next(s for s in reversed(found) if s.start <= start_)) for trail, found in past]
        whys = [f"{trail.name}: {s.why}" for trail, s in now if s.why and s.start == start_]
        eras.append(TrailPeriod(start_, end, tuple(s.trails for _, s in now), "; ".join(whys)))
    return tuple(eras)


def _regions(active: Sequence[Trail]) -> frozenset[str] | None:
    if not active or any(trail.multi_region for trail in active):
        return None
    return frozenset(trail.home_region for trail in active)


def _quiet(window: Window, days: Mapping[str, int]) -> tuple[str, ...]:
    """Days of the window without an event of any caller, between or beside those with one."""
    return tuple(day for day in window.dates() if not days.get(day))


def _sessions(role: RoleKey | None, trails: Iterable[Trail]) -> str:
    """The ARNs of a role's sessions: they have no path (1.3.1)."""
    if role is None or not role.account or not role.name:
        return ""
    own = parse(role.arn)
    partition = own.partition if own else next((partition_of(t.home_region) for t in trails), "aws")
    return f"arn:{partition}:sts::{role.account}:assumed-role/{role.name}/*"
