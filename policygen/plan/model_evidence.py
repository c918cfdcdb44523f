"""The parts of a plan that tell what was seen, and what the logs can show."""

from __future__ import annotations

from functools import cached_property

import msgspec


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """How often and when something was seen."""

    count: int = 0
    days: int = 0
    first: str = ""
    last: str = ""
    event_ids: tuple[str, ...] = ()
    weak: int = 0


class Request(Seen, frozen=True, kw_only=True):
    """An access request and its evidence."""

    action: str
    resource: str
    type: str = ""
    grade: str = "required"
    written_as: str | None = None
    rule: str | None = None
    why: tuple[str, ...] = ()
    events: tuple[str, ...] = ()


class PlanEvidence(Seen, frozen=True, kw_only=True, dict=True):
    """The role's events in the window, and what they asked for."""

    calls: int
    regions: tuple[str, ...]
    requests: tuple[Request, ...]
    digest: str = ""
    """A hash of the window and of all that was seen in it."""

    @cached_property
    def observed(self) -> tuple[Request, ...]:
        """The requests that AWS asked for, or may have asked for: all but the informational ones."""
        return tuple(one for one in self.requests if one.grade not in {"hint", "indirect"})

    @property
    def granted(self) -> tuple[Request, ...]:
        """The observed requests that the proposal grants for their own sake."""
        return tuple(one for one in self.observed if one.written_as is not None)


class PlanNotAllowed(Seen, frozen=True, kw_only=True):
    """Observed, but not allowed by today's policies, and not granted."""

    action: str
    resource: str
    cause: str


class PlanDenied(Seen, frozen=True, kw_only=True):
    """Asked for and refused."""

    action: str
    resource: str
    policy_type: str
    explicit: bool
    event: str


class PlanUnmapped(Seen, frozen=True, kw_only=True):
    """A call that no rule turns into access requests."""

    event: str
    why: str


class PlanAnomaly(Seen, frozen=True, kw_only=True):
    """Calls that do not look like the workload."""

    sign: str
    event: str
    accepted: bool
    function: str = ""
    sessions: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    user_agents: tuple[str, ...] = ()


class PlanInformationalRequest(Seen, frozen=True, kw_only=True):
    """Shown by other calls only (``indirect``), or often needed (``hint``); not granted for its own sake."""

    action: str
    resource: str
    grade: str
    allowed: bool
    events: tuple[str, ...] = ()
    """Event source and name. Older plans have none."""


class PlanPredecessor(msgspec.Struct, frozen=True):
    """A deleted role of the same name, left out."""

    role_id: str
    events: int
    last: str


class PlanUser(msgspec.Struct, frozen=True):
    """A function that uses the role, "" for others, and what it uses."""

    function: str
    actions: tuple[str, ...]


class ServiceDays(msgspec.Struct, frozen=True):
    """Events of one service, day by day."""

    service: str
    events: tuple[int, ...]


class Calendar(msgspec.Struct, frozen=True):
    """Events of what looks like the workload, by service and day."""

    days: tuple[str, ...] = ()
    rows: tuple[ServiceDays, ...] = ()


class Stopped(msgspec.Struct, frozen=True):
    """When a trail did not log."""

    trail: str
    start: str
    end: str


class PlanDataEvents(msgspec.Struct, frozen=True):
    """How much of a service's data events the trails log."""

    service: str
    logged: str
    """``on``, ``off`` or ``partly``."""


class PlanCoverage(msgspec.Struct, frozen=True):
    """What the logs can show."""

    days: int
    days_with_events: int
    regions: tuple[str, ...]
    trails: tuple[str, ...] | None
    data_event_types: tuple[str, ...] | None
    days_without_events: tuple[str, ...] = ()
    stopped: tuple[Stopped, ...] = ()
    incomplete: tuple[str, ...] = ()
    logged_regions: tuple[str, ...] | msgspec.UnsetType | None = msgspec.UNSET
    """None for all regions, or where the trails are not known. Older plans do not tell."""
    data_events: tuple[PlanDataEvents, ...] = ()
    """Of the services that the role may use or used, where the trails are known. Older plans have none."""
