"""The coverage of a window: built from the logs and the account's trails, with a cache around the rules.

A role may have thousands of permissions, and an account hundreds of roles with the same ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

import msgspec

from policygen.account.model import Trail
from policygen.catalog.visibility import Visibility, comes_along, data_types
from policygen.days import days_between
from policygen.evidence.coverage.blind_spot import BlindSpot
from policygen.evidence.coverage.event_set import EventSet, event_sets_of, filters_of, types_of
from policygen.evidence.coverage.observability import (
    AbsenceVerdict,
    ObservabilityRules,
    ObservedSince,
    TrailPeriod,
    without_names,
)
from policygen.evidence.coverage.selectors import Answer
from policygen.evidence.coverage.trail_history import TrailChange, bounds, gaps, trail_intervals
from policygen.iam import reference
from policygen.iam.arn import parse, partition_of
from policygen.iam.request import RoleKey
from policygen.logs.window import Window
from policygen.text import pluralize

_FEW_VALUES = frozenset({"eventSource", "readOnly", "region", "userIdentity.arn"})
"""Fields that have few values among all permissions of a role."""


class ObservabilityCache(msgspec.Struct):
    """Answers given before."""

    logged_since: dict[tuple[EventSet, ...], str] = msgspec.field(default_factory=dict)
    blind_spots: dict[tuple[tuple[EventSet, ...], str], BlindSpot] = msgspec.field(default_factory=dict)
    observability: dict[tuple[str, bool], ObservedSince] = msgspec.field(default_factory=dict)
    """Of permissions on every resource, so that there are no more entries than IAM has actions."""
    absence: dict[tuple[str, int], AbsenceVerdict] = msgspec.field(default_factory=dict)
    """As `observability`, by the days that are needed."""
    unused: dict[int, dict[str, str]] = msgspec.field(default_factory=dict)
    """The days that are needed -> action -> what `Coverage.unused` says of it; "" for nothing."""
    is_read: dict[str, bool] = msgspec.field(default_factory=dict)
    logs: dict[str, Answer] = msgspec.field(default_factory=dict)
    """By the data event type."""


@dataclass(frozen=True, slots=True)
class Coverage(ObservabilityRules):
    """What a window of logs can show. The rules with a cache: the answers are those of the rules alone."""

    cache: ObservabilityCache = field(default_factory=ObservabilityCache, repr=False, compare=False)

    def __repr__(self) -> str:
        """Return what was read in a line."""
        days, regions = pluralize(self.window.days, "day"), pluralize(len(self.regions), "region")
        trails = "trails not known" if self.trails is None else pluralize(len(self.trails), "trail")
        return f"<Coverage: events on {self.days_with_events} of {days}, {regions}, {trails}>"

    def of(self, role: RoleKey) -> Coverage | None:
        """Return the coverage of another role of the same logs and account.

        An account's roles have the same thousands of permissions, so the answers for permissions on every resource
        are shared. Returns None where a selector treats the two roles differently.
        """
        if role.account != self.account or "userIdentity.arn" in self.filters:
            return None
        own = self.cache
        cache = ObservabilityCache(
            observability=own.observability, absence=own.absence, unused=own.unused, logs=own.logs
        )
        return replace(self, identity=_sessions(role, self.known), cache=cache)

    def observability(self, action: str, resource: str = "*", reads_only: bool = False) -> ObservedSince:
        """As `ObservabilityRules.observability`; remembered for permissions on every resource."""
        if resource != "*":
            return ObservabilityRules.observability(self, action, resource, reads_only)
        known = self.cache.observability
        found = known.get((action, reads_only))
        if found is None:
            found = ObservabilityRules.observability(self, action, resource, reads_only)
            known[action, reads_only] = found
        return found

    def logs(self, data_type: str) -> Answer:
        """As `ObservabilityRules.logs`; remembered."""
        known = self.cache.logs
        if data_type not in known:
            known[data_type] = ObservabilityRules.logs(self, data_type)
        return known[data_type]

    def absence(self, action: str, resource: str, min_days: int) -> AbsenceVerdict:
        """As `ObservabilityRules.absence`; remembered for permissions on every resource."""
        if resource != "*":
            return ObservabilityRules.absence(self, action, resource, min_days)
        known = self.cache.absence
        found = known.get((action, min_days))
        if found is None:
            found = known[action, min_days] = ObservabilityRules.absence(self, action, resource, min_days)
        return found

    def unused(self, actions: Set[str], min_days: int) -> Mapping[str, str]:
        """Return why actions on every resource are unused, by the logs alone; "" for those of which they do not tell.

        An action is told of by the calls that ask for it, so none is that is checked along with other ones. Other
        actions, which were asked about before, stand there as well: an administrator's are not copied for each role.

        Args:
            actions: not seen in use.
            min_days: days for which the permission must have been visible.
        """
        known = self.cache.unused.setdefault(min_days, {})
        # A difference of the two would go through all that is known, which is more than a role has.
        for action in [one for one in actions if one not in known]:
            alone = reference.action(action) is not None and not comes_along(action)
            known[action] = self.absence(action, "*", min_days).why if alone else ""
        return known

    def _logged(
        self, action: str, visibility: Visibility, resource: str, reads_only: bool
    ) -> tuple[tuple[EventSet, ...], str]:
        """Ask first about a larger set of events, without names and resources: there are few such sets.

        Where the trails log the larger set in the whole window, they log each part of it.
        """
        filters = self.filters & _FEW_VALUES
        larger = event_sets_of(action, visibility, resource, reads_only, filters, self.identity)
        since = self.logged_since(larger)
        if since == self.window.start:
            return larger, since
        return ObservabilityRules._logged(self, action, visibility, resource, reads_only)

    def logged_since(self, event_sets: tuple[EventSet, ...]) -> str:
        """As `ObservabilityRules.logged_since`, remembered."""
        since = self.cache.logged_since.get(event_sets)
        if since is None:
            since = ObservabilityRules.logged_since(self, event_sets)
            self.cache.logged_since[event_sets] = since
        return since

    def _is_read(self, data_type: str) -> bool:
        """As `ObservabilityRules._is_read`, remembered."""
        found = self.cache.is_read.get(data_type)
        if found is None:
            found = self.cache.is_read[data_type] = ObservabilityRules._is_read(self, data_type)
        return found

    def unlogged(self, event_sets: tuple[EventSet, ...], service: str, since: str) -> BlindSpot:
        """As `ObservabilityRules.unlogged`, remembered."""
        key = without_names(event_sets), service
        found = self.cache.blind_spots.get(key)
        if found is None:
            found = self.cache.blind_spots[key] = ObservabilityRules.unlogged(
                self, event_sets, service, since
            )
        return found


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
    region_days: Iterable[str] = (),
    created: Mapping[str, int] | None = None,
    tracked: Iterable[str] = (),
    account_known: bool = False,
) -> Coverage:
    """Work out the coverage of a window.

    Args:
        window: the days that count.
        days: date -> events read, of any caller.
        regions: the regions of the events read.
        trails: the account's trails; None where they are not known.
        incomplete: files that were not read to the end or not proved genuine, a phrase each.
        role: the role whose permissions are in question, because selectors may exclude its sessions.
        changes: changes of trails in the logs, of any time.
        data_seen: data event type -> events of any caller read in the window.
        management: ``read`` and ``write`` -> management events of any caller that were read.
        region_days: ``REGION DATE`` of the events read.
        created: ``SOURCE NAME`` -> events of any caller that made what roles connect to.
        tracked: actions, in lower case, that IAM's last-accessed reports of the account list one by one.
        account_known: whether the account was read, with its trails or without.
    """
    known = tuple(trails or ())
    active = [trail for trail in known if trail.logging is not False]
    all_changes = tuple(changes)
    periods = _trail_periods(active, all_changes, window)
    coverage = Coverage(
        window=window,
        days_with_events=sum(1 for day in days if window.holds(day)),
        regions=tuple(sorted(regions)),
        trails=None if trails is None else tuple(sorted(trail.name for trail in active)),
        data_types=None,
        logged_regions=_regions(active),
        incomplete=tuple(incomplete),
        gaps=_quiet(window, days),
        stopped=tuple(gap for trail in active for gap in gaps(trail, all_changes, window)),
        data_seen=dict(data_seen or {}),
        account=role.account if role else "",
        identity=_sessions(role, known),
        known=known,
        trail_periods=periods,
        begins=_begins(window, days),
        first_day=min((day for day in days if window.holds(day)), default=""),
        management=management,
        region_days=frozenset(region_days),
        created=frozenset(_split(name) for name, events in (created or {}).items() if events > 0),
        tracked=frozenset(tracked),
        account_known=account_known,
        filters=filters_of(one for period in periods for states in period.trails for one in states),
    )
    if trails is None:
        return coverage
    whole = (one for one in types_of(active) | set(data_types()) if coverage.logs(one) == "all")
    return replace(coverage, data_types=frozenset(whole))


def _trail_periods(
    active: Sequence[Trail], changes: Sequence[TrailChange], window: Window
) -> tuple[TrailPeriod, ...]:
    """Cut the window where any trail changed."""
    past = [(trail, trail_intervals(trail, changes, window)) for trail in active]
    first, last = bounds(window)
    cuts = sorted({first, *(one.start for _, found in past for one in found)})
    periods = []
    for start_, end in zip(cuts, [*cuts[1:], last], strict=True):
        now = [(trail, next(s for s in reversed(found) if s.start <= start_)) for trail, found in past]
        whys = [f"{trail.name}: {s.why}" for trail, s in now if s.why and s.start == start_]
        periods.append(TrailPeriod(start_, end, tuple(s.trails for _, s in now), "; ".join(whys)))
    return tuple(periods)


def _split(name: str) -> tuple[str, str]:
    source, _, event = name.partition(" ")
    return source, event


def _regions(active: Sequence[Trail]) -> frozenset[str] | None:
    if not active or any(trail.multi_region for trail in active):
        return None
    return frozenset(trail.home_region for trail in active)


def _quiet(window: Window, days: Mapping[str, int]) -> tuple[str, ...]:
    """Return the days of the window without an event of any caller."""
    return tuple(day for day in window.dates() if not days.get(day))


def _begins(window: Window, days: Collection[str]) -> str:
    """Return the first day with events, unless it is that of the window: a source may have listed nothing before."""
    first = min(days, default="")
    known = first and abs(days_between(first, window.start)) > 1
    return first if known else ""


def _sessions(role: RoleKey | None, trails: Iterable[Trail]) -> str:
    """Return a pattern of the ARNs of a role's sessions, which have no path (1.3.1)."""
    if role is None or not role.account or not role.name:
        return ""
    own = parse(role.arn)
    partition = own.partition if own else next((partition_of(t.home_region) for t in trails), "aws")
    return f"arn:{partition}:sts::{role.account}:assumed-role/{role.name}/*"
