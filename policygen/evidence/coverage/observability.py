"""Would the logs have shown a use? "Not seen" means something only where a use would have been seen.

There are two answers for a permission that was not used. It was *visible since a date*: from that date on the trails
log every event of its use, and there was none. Or the logs *cannot tell*, with the reason and the command that would
make them. The trails' selectors (3.4), their past in the logs (3.4.6), regions and the caller decide together.
Without the trails, management events count as logged and a data event type counts as unknown: its events in the log
may come from a selector of one bucket. The rules take for granted that every trail's log is among the files read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec
from msgspec.structs import replace

from policygen.account.model import Trail
from policygen.catalog.visibility import Visibility, never_without_arn, visibility_with
from policygen.days import days_between
from policygen.evidence.coverage.blind_spot import BlindSpot, Restrictions
from policygen.evidence.coverage.event_set import (
    GLOBAL,
    GLOBAL_EVENT_REGIONS,
    EventSet,
    event_sets_of,
    logged_share,
    types_of,
)
from policygen.evidence.coverage.selectors import Answer, every
from policygen.evidence.coverage.trail_history import Gap, whole_day
from policygen.iam import reference
from policygen.iam.arn import service_of
from policygen.logs.window import Window
from policygen.text import pluralize

VISIBLE = "visible"
"""The first word of a removal's reason where the logs would have shown a use."""


class ObservedSince(msgspec.Struct, frozen=True):
    """Whether the logs would have shown the use of a permission, and since when."""

    visible: bool
    since: str
    """The first whole day from which a use would have been seen until the window's end; "" if not visible."""
    days: int
    """Days from `since` on of which any event was read; 0 if not visible."""
    blind_spot: BlindSpot | None = None
    """Why the logs cannot tell; None if visible."""


class AbsenceVerdict(msgspec.Struct, frozen=True):
    """What it means that no use of a permission was seen."""

    blind_spot: BlindSpot | None
    """Why the absence proves nothing; None if the permission was visible for long enough."""
    why: str
    """Since when the permission was visible; "" if the absence proves nothing."""


class TrailPeriod(msgspec.Struct, frozen=True):
    """A part of the window in which no trail changed."""

    start: str
    end: str
    trails: tuple[tuple[Trail, ...], ...]
    """For each trail its state, or the alternatives of which one holds."""
    why: str = ""
    """The changes that began this period."""


@dataclass(frozen=True, slots=True)
class ObservabilityRules:
    """What a window of logs covers, and the rules that decide from it. `Coverage` adds a cache."""

    window: Window
    days_with_events: int
    """Days of the window on which an event of any caller was read."""
    regions: tuple[str, ...]
    """The regions of the events read."""
    trails: tuple[str, ...] | None
    """Names of the trails that log; None where the account's trails are not known."""
    data_types: frozenset[str] | None
    """Data event types that are logged for every resource; None where the trails are not known."""
    logged_regions: frozenset[str] | None
    """Regions that are logged; None for all of them, or where the trails are not known."""
    incomplete: tuple[str, ...] = ()
    """Files that were not read to the end or not proved genuine, a phrase each."""
    gaps: tuple[str, ...] = ()
    """Days of the window on which no event of any caller was read: a warning, because the reason is unknown."""
    stopped: tuple[Gap, ...] = ()
    """When a trail did not log within the window."""
    data_seen: Mapping[str, int] = field(default_factory=dict)
    """Data event type -> events of any caller read in the window."""
    account: str = ""
    """The account whose trails a remedy's command changes."""
    identity: str = ""
    """The ARNs of the role's sessions, with a ``*``; "" where the role is not known."""
    known: tuple[Trail, ...] = ()
    """All trails of the account, including those that do not log."""
    trail_periods: tuple[TrailPeriod, ...] = ()
    """By time, without gaps; at least one where the trails are known."""
    filters: frozenset[str] = frozenset()
    """Fields that any selector of any period filters by."""
    begins: str = ""
    """The first day of the logs that were read, where it is known to be the first that they have; "" where not."""
    first_day: str = ""
    """The first day of the window with an event; "" where there is none."""
    management: Mapping[str, int] | None = None
    """``read`` and ``write`` -> management events of any caller that were read; None where they were not counted."""
    region_days: frozenset[str] = frozenset()
    """``REGION DATE`` of the events read; empty where they were not counted so."""
    created: frozenset[tuple[str, str]] = frozenset()
    """eventSource and name of events, of anybody, that made what roles connect to (`catalog.reach`)."""
    tracked: frozenset[str] = frozenset()
    """Actions, in lower case, that IAM's last-accessed reports of the account list one by one."""
    account_known: bool = False
    """Whether the account was read, with its trails or without."""

    @property
    def active_trails(self) -> list[Trail]:
        """The trails that log, or may log."""
        return [trail for trail in self.known if trail.logging is not False]

    def has_read(self, region: str, day: str) -> bool:
        """Return whether events of a region and day were read, so that one more would be among them."""
        if self.incomplete or day in self.gaps or region not in self.regions:
            return False
        return not self.region_days or f"{region} {day}" in self.region_days

    # --- The questions ---

    def observability(self, action: str, resource: str = "*", reads_only: bool = False) -> ObservedSince:
        """Decide whether, and since when, the logs would have shown the use of a permission.

        Args:
            action: ``service:Name``.
            resource: the Resource pattern that the permission has.
            reads_only: whether IAM says that the action only reads.
        """
        found = self.observed(action, visibility_with(action, self.tracked), resource, reads_only)
        if found.visible and resource == "*" and (part := never_without_arn(action)):
            remedy = _NEVER["never"][1]
            return _hidden(BlindSpot("never-logged", action, part.why, remedy, part.reference), action)
        return found

    def observed(
        self, action: str, visibility: Visibility, resource: str = "*", reads_only: bool = False
    ) -> ObservedSince:
        """Decide whether, and since when, the logs would have shown calls that are logged in one way.

        Args:
            action: ``service:Name``.
            visibility: how the calls are logged.
            resource: the Resource pattern that the permission has.
            reads_only: whether IAM says that the action only reads.
        """
        if visibility.kind in _NEVER:
            why, remedy = _NEVER[visibility.kind]
            return _hidden(
                BlindSpot(_IDS[visibility.kind], action, why, remedy, visibility.reference), action
            )
        if self.trails is None:
            return self._without_trails(action, visibility, reads_only)
        event_sets, since = self._logged(action, visibility, resource, reads_only)
        service = service_of(action)
        blind_spot = None
        if not since or since > self.window.last_day:
            blind_spot = self.unlogged(event_sets, service, since)
        blind_spot = blind_spot or self._unread(visibility, resource, service, reads_only)
        return _hidden(blind_spot, action) if blind_spot else self._visible(since)

    def absence(self, action: str, resource: str, min_days: int) -> AbsenceVerdict:
        """Decide what it means that no use of a permission was seen.

        Args:
            action: ``service:Name``.
            resource: the Resource pattern that the permission has.
            min_days: days for which the permission must have been visible.
        """
        found = self.observability(action, resource, reference.reads_only(action))
        if found.blind_spot:
            return AbsenceVerdict(found.blind_spot, "")
        if found.days < min_days:
            why = f"visible on {pluralize(found.days, 'day')} only, since {found.since}"
            remedy = f"wait for {min_days} days of it"
            return AbsenceVerdict(BlindSpot("window-not-covered", action, why, remedy), "")
        whole = found.days >= self.window.days
        return AbsenceVerdict(
            None, f"{VISIBLE}, 0 calls" if whole else f"{VISIBLE} since {found.since}, 0 calls"
        )

    # --- Do the trails log the events? ---

    def logs(self, data_type: str) -> Answer:
        """Return how much of the events of a data event type the trails log at the window's end."""
        return logged_share(
            EventSet(data_type=data_type, identity=self.identity), self.trail_periods[-1].trails
        )

    def _logged(
        self, action: str, visibility: Visibility, resource: str, reads_only: bool
    ) -> tuple[tuple[EventSet, ...], str]:
        """Return the events that the use of a permission makes, and since when the trails log them all."""
        event_sets = event_sets_of(action, visibility, resource, reads_only, self.filters, self.identity)
        return event_sets, self.logged_since(event_sets)

    def logged_since(self, event_sets: tuple[EventSet, ...]) -> str:
        """Return the first whole day since which the trails log all these events until the window's end, or ""."""
        moment = ""
        for period in reversed(self.trail_periods):
            if every(logged_share(one, period.trails) for one in event_sets) != "all":
                break
            moment = period.start
        return whole_day(moment) if moment else ""

    def unlogged(self, event_sets: tuple[EventSet, ...], service: str, since: str) -> BlindSpot:
        """Say why the trails do not log all these events, or log them only `since` a day after the window."""
        if since:
            return self._logged_too_late(since)
        now = self.trail_periods[-1].trails
        restrictions = Restrictions(self.known, now, self.logged_regions, self.account)
        return restrictions.find_blind_spot(without_names(event_sets), service)

    def _logged_too_late(self, since: str) -> BlindSpot:
        why = f"the trails show it only since {since}"
        reasons = [one.why for one in self.trail_periods if one.why and whole_day(one.start) <= since]
        why += f" ({reasons[-1]})" if reasons else ""
        return BlindSpot("window-not-covered", "", why, "wait, or --days fewer")

    # --- Are the logged events among the files that were read? ---

    def _unread(
        self, visibility: Visibility, resource: str, service: str, reads_only: bool
    ) -> BlindSpot | None:
        """Say why the events that the trails log may be missing from the files read; None where they are there."""
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
        if visibility.kind == "data" and not any(self._is_read(kind) for kind in visibility.data_types):
            why = f"the trail that logs {service} data events: none of its events was read"
            return BlindSpot("trail-not-read", "", why, "give the files of all trails to --logs")
        if visibility.kind != "data" and all(
            trail.selectors is None and trail.advanced is None for trail in self.active_trails
        ):
            return self._unproven(reads_only, "the selectors of the trails were not read")
        return None

    def _is_read(self, data_type: str) -> bool:
        """Return whether the files of a trail that logs a data event type are among the files read."""
        active = self.active_trails
        managing = [trail for trail in active if _logs_management(trail)]
        for trail in active:
            types = types_of([trail])
            if data_type not in types:
                continue
            if len(active) == 1 or managing == [trail] or types & set(self.data_seen):
                return True
        return False

    def _unproven(self, reads_only: bool, why: str) -> BlindSpot | None:
        """Say why management events may not be logged; None where any event of their kind was read."""
        kind = "read" if reads_only else "write"
        if self.management is None or self.management.get(kind):
            return None
        why = f"{why}, and no management event that {kind}s was read of anyone"
        return BlindSpot("trail-unknown", "", why, self._how_to_know)

    @property
    def _how_to_know(self) -> str:
        """What would make the trails known."""
        if self.account_known:
            return "give a snapshot that has the trails, as policygen snapshot makes it: this one has none"
        return "give an account snapshot with --snapshot"

    # --- Without the account's trails ---

    def _without_trails(self, action: str, visibility: Visibility, reads_only: bool) -> ObservedSince:
        if visibility.kind != "data":
            blind_spot = self._unproven(reads_only, "the trails are not known")
            return _hidden(blind_spot, action) if blind_spot else self._visible(self.window.start)
        service = action.partition(":")[0]
        why = f"{service} data events: the trail's selectors are not known"
        if events := sum(self.data_seen.get(one, 0) for one in visibility.data_types):
            why = f"{service} data events were read ({events:,}), so a trail logs some; which is not known"
        elif self.data_seen:
            why += ", and none was read"
        return _hidden(BlindSpot("trail-unknown", action, why, self._how_to_know), action)

    def _visible(self, since: str) -> ObservedSince:
        since = max(since, self.first_day)
        gaps = self.gaps if self.days_with_events else ()
        return ObservedSince(True, since, _days_with_events(since, self.window.last_day, gaps))


def without_names(event_sets: tuple[EventSet, ...]) -> tuple[EventSet, ...]:
    """Drop the names of management events, because the reason why they are not logged does not depend on them."""
    return tuple(one if one.data_type else one._replace(names=("",)) for one in event_sets)


def _hidden(blind_spot: BlindSpot, action: str) -> ObservedSince:
    named = blind_spot if blind_spot.action else replace(blind_spot, action=action)
    return ObservedSince(False, "", 0, named)


@lru_cache(maxsize=1024)
def _days_with_events(since: str, end: str, gaps: tuple[str, ...]) -> int:
    return days_between(since, end) + 1 - sum(1 for gap in gaps if gap >= since)


_NEVER: Mapping[str, tuple[str, str]] = {
    "never": ("never in CloudTrail", "keep it, or drop it by hand"),
    "unknown": ("it is not known whether CloudTrail shows it", "decide by hand"),
    "no-event": ("no known API call uses this action, so CloudTrail cannot show it", "decide by hand"),
}
_IDS = {"never": "never-logged", "unknown": "no-event-known", "no-event": "no-event"}


def _logs_management(trail: Trail) -> bool:
    management = EventSet(sources=("-",), read_only=False)
    return logged_share(management, [[trail]], frozenset({"delivery", "place"})) != "none"
