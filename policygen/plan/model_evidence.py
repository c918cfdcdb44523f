"""The shape of a plan: the parts that hold what was seen, and what the logs can show."""

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
    context: dict[str, str | list[str]] = {}
    """Condition key -> its value, or its values."""
    grade: str = "required"
    pattern: bool = False
    """Whether the record does not have the whole name, so that `resource` is a pattern."""
    written_as: str | None = None
    rule: str | None = None
    why: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    names: int = 0
    """About how many names were counted together, by the pattern of their class; 0 where each is known."""


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
    """A request that was observed, is not allowed by today's policies, and is not granted."""

    action: str
    resource: str
    cause: str


class PlanDenied(Seen, frozen=True, kw_only=True):
    """A request that AWS denied."""

    action: str
    resource: str
    policy_type: str
    explicit: bool
    event: str


class PlanUnmapped(Seen, frozen=True, kw_only=True):
    """A call that no rule maps to access requests."""

    event: str
    why: str


class PlanSuspiciousCall(msgspec.Struct, frozen=True, kw_only=True):
    """A suspicious call on one day: what it asked for, and how it ended."""

    action: str
    """"" where it is not known."""
    resource: str
    region: str
    result: str
    """``succeeded``, ``failed`` (no denial), ``denied``, ``expired`` or ``refused`` (its credentials)."""
    error: str
    count: int
    first: str
    last: str
    addresses: tuple[str, ...] = ()
    event_ids: tuple[str, ...] = ()


class PlanAnomaly(Seen, frozen=True, kw_only=True):
    """Calls that do not look like the workload."""

    sign: str
    event: str
    accepted: bool
    reported: str = ""
    """Why a person says that they are not the workload's; "" where nobody does. Older plans have none."""
    function: str = ""
    sessions: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    user_agents: tuple[str, ...] = ()
    results: dict[str, int] = {}
    """Result -> calls. Older plans have none."""
    calls: tuple[PlanSuspiciousCall, ...] = ()
    """The first of them, by time. Older plans have none."""


class PlanInformationalRequest(Seen, frozen=True, kw_only=True):
    """A request that only other calls show (``indirect``), or that is often needed (``hint``)."""

    action: str
    resource: str
    grade: str
    allowed: bool
    events: tuple[str, ...] = ()
    """Event source and name. Older plans have none."""


class PlanPredecessor(msgspec.Struct, frozen=True):
    """A deleted role of the same name; its events are left out."""

    role_id: str
    events: int
    last: str


class PlanUser(msgspec.Struct, frozen=True):
    """A function that uses the role ("" for other callers), and the actions that it uses."""

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
    """A time in which a trail did not log."""

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
    """None for all regions, or where the trails are not known. Older plans lack it."""
    data_events: tuple[PlanDataEvents, ...] = ()
    """Of the services that the role may use or used, where the trails are known. Older plans have none."""
