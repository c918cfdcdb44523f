"""From events to calls, and from calls to the usage of a role: what it asked for, with the evidence.

Two reductions, both sums, so that the order and the splitting of files cannot change them. A `Ledger` adds
events up into calls, per day. `usage_of` maps a role's calls in a window to access requests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from policygen import catalog
from policygen.access import AccessRequest, Call, Denial, ResourceEntry, RoleKey
from policygen.arn import partition_of
from policygen.catalog.projection import project
from policygen.events import (
    Event,
    Ignored,
    Outcome,
    caller_of,
    event_of,
    is_data_event,
    parameters,
    partition_of_arn,
)
from policygen.record import Record
from policygen.text import clean, clean_word

SAMPLES = 5
"""Event ids, sessions and user agents kept with a call: enough to look it up, few enough to stay small."""

Select = Callable[[RoleKey], bool]


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """How often and when something was seen. Adding two gives what one would have been."""

    count: int
    first: str
    """ISO 8601, UTC."""
    last: str
    days: frozenset[str]
    """Dates in UTC."""
    samples: tuple[tuple[str, str], ...]
    """(time, eventID) of the earliest events, at most `SAMPLES`."""
    sessions: frozenset[str] = frozenset()
    agents: frozenset[str] = frozenset()
    weak: int = 0
    """Events of the count that may have failed before the permission was looked at (1.10.4)."""

    def __add__(self, other: Evidence) -> Evidence:
        return Evidence(
            count=self.count + other.count,
            first=min(self.first, other.first),
            last=max(self.last, other.last),
            days=self.days | other.days,
            samples=tuple(sorted({*self.samples, *other.samples})[:SAMPLES]),
            sessions=_few(self.sessions | other.sessions),
            agents=_few(self.agents | other.agents),
            weak=self.weak + other.weak,
        )

    def again(self, event: Event) -> Evidence:
        """With one more event of the same day: `self + evidence_of(event)`, made in fewer steps."""
        sample = (event.time, event.id)
        full = len(self.samples) >= SAMPLES and sample >= self.samples[-1]
        known = event.principal.session in self.sessions and event.user_agent in self.agents
        if not (full and known):
            return self + evidence_of(event, event.time[:10])
        return Evidence(
            self.count + 1,
            min(self.first, event.time),
            max(self.last, event.time),
            self.days,
            self.samples,
            self.sessions,
            self.agents,
            self.weak + (event.outcome is Outcome.WEAK),
        )

    @property
    def event_ids(self) -> tuple[str, ...]:
        """eventIDs to look up in the log."""
        return tuple(event_id for _, event_id in self.samples)


def evidence_of(event: Event, day: str) -> Evidence:
    """The evidence of one event."""
    return Evidence(
        count=1,
        first=event.time,
        last=event.time,
        days=_one(day),
        samples=((event.time, event.id),),
        sessions=_one(event.principal.session),
        agents=_one(event.user_agent),
        weak=int(event.outcome is Outcome.WEAK),
    )


def _few(texts: frozenset[str]) -> frozenset[str]:
    return texts if len(texts) <= SAMPLES else frozenset(sorted(texts)[:SAMPLES])


def total(evidence: Iterable[Evidence]) -> Evidence | None:
    """The sum, or None of nothing."""
    result: Evidence | None = None
    for one in evidence:
        result = one if result is None else result + one
    return result


class CallId(NamedTuple):
    """What makes two events the same for IAM. `params` is canonical JSON of the identifying parameters."""

    source: str
    name: str
    region: str
    account: str
    partition: str
    outcome: Outcome
    error: str
    denial: Denial | None
    via: str
    vpce: str
    params: bytes
    resources: tuple[ResourceEntry, ...]

    def call(self) -> Call:
        """The call as the catalog reads it."""
        return Call(
            source=self.source,
            name=self.name,
            region=self.region,
            account=self.account,
            partition=self.partition,
            params=msgspec.json.decode(self.params),
            resources=self.resources,
            error=self.error,
            via=self.via,
            vpce=self.vpce,
        )


_encode = msgspec.json.Encoder(order="sorted").encode


def call_id(event: Event) -> CallId:
    """The call an event belongs to."""
    role = event.principal.role
    arn = (role.arn if role else "") or next((r.arn for r in event.resources), "")
    params = project(event.source, event.name, parameters(event), arns=b'"arn:' in bytes(event.params))
    return CallId(
        source=event.source,
        name=event.name,
        region=event.region,
        account=event.principal.account,
        partition=partition_of_arn(arn) if arn else partition_of(event.region),
        outcome=event.outcome,
        error=event.error,
        denial=event.denial,
        via=event.via,
        vpce=event.vpce,
        params=_encode(params),
        resources=event.resources,
    )


Calls = dict[tuple[CallId, str], Evidence]
"""(call, day) -> evidence of that day."""


@dataclass(slots=True)
class Ledger:
    """Everything that was read, added up. Only the calls of selected roles are kept one by one.

    `select` says which roles; the counts are of all.
    """

    select: Select
    until: str = ""
    """Date or time after which events do not count; "" for all."""
    calls: dict[RoleKey, Calls] = field(default_factory=dict)
    roles: Counter[RoleKey] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    principals: Counter[str] = field(default_factory=Counter)
    """Events of callers that are not roles, by userIdentity.type."""
    data_events: Counter[str] = field(default_factory=Counter)
    """Data events by event source, of any caller: which of them the trail records at all."""
    days: Counter[str] = field(default_factory=Counter)
    regions: Counter[str] = field(default_factory=Counter)
    records: int = 0
    duplicates: int = 0
    first: str = ""
    last: str = ""
    _seen: set[str] = field(default_factory=set)
    _own_shared: set[str] = field(default_factory=set)
    _foreign: dict[tuple[str, str], Event] = field(default_factory=dict)
    _selected: dict[RoleKey, bool] = field(default_factory=dict)

    def add_all(self, records: Iterable[Record]) -> None:
        """Adds records; those already seen by eventID count as duplicates (2.1.7)."""
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Adds one record."""
        self.records += 1
        key = record.eventID or _fingerprint(record)
        if key in self._seen:
            self.duplicates += 1
            return
        self._seen.add(key)
        caller = caller_of(record)
        if isinstance(caller, Ignored):
            self.ignored[caller.reason] += 1
            return
        time = clean(record.eventTime, 32)
        if self.until and time > self.until and time[: len(self.until)] > self.until:
            self.ignored["after the window"] += 1
            return
        self._note(record, time)
        role = caller.role
        if role is None:
            self.principals[caller.kind or "unknown"] += 1
        elif caller.foreign:
            event = event_of(record, caller)
            # The raw parameters share the file's memory: copied, or the file would stay.
            copied = replace(event, params=msgspec.Raw(bytes(event.params)))
            self._foreign[event.shared_id or event.id, event.id] = copied
        else:
            if record.sharedEventID:
                self._own_shared.add(clean(record.sharedEventID, 128))
            self.roles[role] += 1
            if self._wanted(role):
                self._count(role, event_of(record, caller))

    def _wanted(self, role: RoleKey) -> bool:
        """`select`, asked once a role."""
        found = self._selected.get(role)
        if found is None:
            found = self._selected[role] = self.select(role)
        return found

    def _note(self, record: Record, time: str) -> None:
        self.days[time[:10]] += 1
        self.regions[clean_word(record.awsRegion)] += 1
        if is_data_event(record):
            self.data_events[clean_word(record.eventSource)] += 1
        if not self.first or time < self.first:
            self.first = time
        self.last = max(self.last, time)

    def _count(self, role: RoleKey, event: Event) -> None:
        day = event.time[:10]
        calls = self.calls.setdefault(role, {})
        key = (call_id(event), day)
        old = calls.get(key)
        calls[key] = evidence_of(event, day) if old is None else old.again(event)

    def settle(self) -> None:
        """Attributes other accounts' copies whose own copy was not delivered (1.4.4). Once, after reading."""
        by_id = {role.role_id: role for role in self.roles if role.role_id and role.name}
        for (key, _), event in sorted(self._foreign.items(), key=lambda one: one[0]):
            role = event.principal.role
            if role is None or key in self._own_shared:
                self.ignored["another account's copy of a call that was read already"] += 1
            else:
                role = by_id.get(role.role_id, role)
                self.roles[role] += 1
                if self._wanted(role):
                    self._count(role, event)
        self._foreign.clear()


@lru_cache(maxsize=65536)
def _one(text: str) -> frozenset[str]:
    return frozenset((text,)) if text else frozenset()


def _fingerprint(record: Record) -> str:
    """What tells a record without eventID from another: all that was read of it."""
    return repr(record)


@dataclass(frozen=True, slots=True)
class Window:
    """Whole days in UTC, both ends included."""

    start: str
    """Date."""
    end: str
    """Date, or a time within the last day after which nothing counts."""

    @property
    def days(self) -> int:
        """Number of days."""
        return (date.fromisoformat(self.end[:10]) - date.fromisoformat(self.start)).days + 1

    def holds(self, day: str) -> bool:
        """Whether a date lies in the window."""
        return self.start <= day <= self.end[:10]


def window_of(days: int, until: str) -> Window:
    """The window of `days` days that ends on the day of `until` (ISO 8601)."""
    start = date.fromisoformat(until[:10]) - timedelta(days=days - 1)
    return Window(start.isoformat(), until)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A permission that was asked for and refused."""

    action: str
    resource: str
    policy_type: str
    explicit: bool
    source: str
    event: str


@dataclass(frozen=True, slots=True)
class Unmapped:
    """A call that no rule can turn into access requests: a finding, never a guess."""

    source: str
    event: str
    why: str


@dataclass(frozen=True, slots=True)
class Usage:
    """The access requests of one role in a window, and all that is no request."""

    role: RoleKey
    window: Window
    requests: Mapping[AccessRequest, Evidence]
    reasons: Mapping[AccessRequest, tuple[str, ...]]
    sources: Mapping[AccessRequest, tuple[str, ...]]
    """Request -> ``s3.amazonaws.com GetObject``: the events it comes from."""
    wanted: Mapping[Wanted, Evidence]
    unmapped: Mapping[Unmapped, Evidence]
    no_permission: Mapping[str, Evidence]
    unauthenticated: Evidence | None
    events: Evidence | None
    """All events of the role in the window."""
    calls: int
    """Distinct calls."""
    regions: tuple[str, ...]
    daily: Mapping[tuple[CallId, str], Evidence] = field(default_factory=dict)
    """(call, day) -> evidence, within the window."""


def usage_of(role: RoleKey, calls: Calls, window: Window) -> Usage:
    """What a role's calls in a window stand for.

    Args:
        role: the role the calls were attributed to.
        calls: per day; days outside the window are left out.
        window: the days that count.
    """
    daily = {key: evidence for key, evidence in calls.items() if window.holds(key[1])}
    by_call: dict[CallId, Evidence] = {}
    for (call, _), evidence in daily.items():
        by_call[call] = by_call[call] + evidence if call in by_call else evidence
    tally = _Tally()
    for call in sorted(by_call, key=_order):
        tally.add(call, by_call[call])
    return Usage(
        role=role,
        window=window,
        requests=dict(sorted(tally.requests.items(), key=lambda item: request_order(item[0]))),
        reasons={request: tuple(sorted(why)) for request, why in tally.reasons.items()},
        sources={request: tuple(sorted(names)) for request, names in tally.sources.items()},
        wanted=tally.wanted,
        unmapped=tally.unmapped,
        no_permission=tally.no_permission,
        unauthenticated=tally.unauthenticated,
        events=total(by_call.values()),
        calls=len(by_call),
        regions=tuple(sorted({call.region for call in by_call})),
        daily=daily,
    )


def request_order(request: AccessRequest) -> tuple[str, str, str, tuple[Any, ...]]:
    """A stable order of access requests, for output."""
    return (request.action.lower(), request.resource, request.grade, request.context)


def _order(call: CallId) -> tuple[str, ...]:
    return (
        call.source,
        call.name,
        call.region,
        call.error,
        call.via,
        call.vpce,
        call.params.decode(),
        repr(call.resources),
    )


@dataclass(slots=True)
class _Tally:
    requests: dict[AccessRequest, Evidence] = field(default_factory=dict)
    reasons: dict[AccessRequest, set[str]] = field(default_factory=dict)
    sources: dict[AccessRequest, set[str]] = field(default_factory=dict)
    wanted: dict[Wanted, Evidence] = field(default_factory=dict)
    unmapped: dict[Unmapped, Evidence] = field(default_factory=dict)
    no_permission: dict[str, Evidence] = field(default_factory=dict)
    unauthenticated: Evidence | None = None

    def add(self, call: CallId, evidence: Evidence) -> None:
        if call.outcome is Outcome.UNAUTHENTICATED:
            self.unauthenticated = _sum(self.unauthenticated, evidence)
            return
        answer = catalog.requests_for(call.call())
        if call.outcome is Outcome.DENIED:
            self._deny(call, answer, evidence)
            if not _dependency(call.denial):
                return
        name = f"{call.source} {call.name}"
        if answer.status == "unmapped":
            _add(self.unmapped, Unmapped(call.source, call.name, answer.why), evidence)
        elif answer.status != "mapped":
            _add(self.no_permission, f"{name}: {answer.why}", evidence)
        for one in answer.requests:
            _add(self.requests, one.request, evidence)
            self.reasons.setdefault(one.request, set()).add(one.why)
            self.sources.setdefault(one.request, set()).add(name)

    def _deny(self, call: CallId, answer: catalog.Answer, evidence: Evidence) -> None:
        for wanted in wanted_of(call, answer):
            _add(self.wanted, wanted, evidence)


def _dependency(denial: Denial | None) -> bool:
    """Whether only a dependent part was refused: then the call itself was authorised (1.10.1)."""
    return bool(denial and denial.policy_type.startswith("dependency"))


def wanted_of(call: CallId, answer: catalog.Answer) -> Iterator[Wanted]:
    """What a denied call asked for: what the message names, else what the call stands for."""
    denial = call.denial or Denial()
    base = (denial.policy_type, denial.explicit, call.source, call.name)
    if denial.action:
        yield Wanted(denial.action, denial.resource or "*", *base)
    elif answer.requests and not _dependency(denial):
        for one in answer.requests:
            yield Wanted(one.request.action, one.request.resource, *base)
    else:
        yield Wanted("", "", *base)


def _add(table: dict[Any, Evidence], key: Any, evidence: Evidence) -> None:
    table[key] = table[key] + evidence if key in table else evidence


def _sum(old: Evidence | None, new: Evidence) -> Evidence:
    return new if old is None else old + new
