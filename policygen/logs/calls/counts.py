"""From events to calls: everything that was read, added up.

A call is what remains of events when all that IAM cannot see is taken away. The reduction is a sum, so that the
order, the splitting and the repetition of files cannot change it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from policygen.iam.request import RoleKey
from policygen.logs.calls.batching import EventGroup, GroupCount
from policygen.logs.calls.call import Calls, call_bucket, count_in
from policygen.logs.calls.evidence import evidence_of
from policygen.logs.events.event import (
    Event,
    SkippedRecord,
    event_of,
    has_clock,
    is_outside,
    is_presigned,
    principal_or_skip,
)
from policygen.logs.events.principal import Principal
from policygen.logs.events.record import ABSENT, Record
from policygen.text import clean_word, sanitize

Select = Callable[[RoleKey], bool]
"""Picklable, since logs may be read in another process."""


def nobody(_: RoleKey) -> bool:
    """Selects no role: only what holds for all callers is counted."""
    return False


class ChangeEvent(NamedTuple):
    """An event of any caller that says something about the evidence itself: what was logged, what was deployed."""

    time: str
    """ISO 8601, UTC."""
    source: str
    name: str
    region: str
    account: str
    params: bytes
    """requestParameters, JSON as delivered."""
    error: str
    id: str

    @property
    def parameters(self) -> dict[str, Any]:
        """requestParameters; empty where they cannot be read."""
        try:
            value = msgspec.json.decode(self.params)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


CHANGE_EVENTS = {
    "cloudtrail.amazonaws.com": re.compile(
        r"(Create|Update|Delete)Trail|(Start|Stop)Logging|PutEventSelectors"
    ),
    "lambda.amazonaws.com": re.compile(
        r"(UpdateFunction(Code|Configuration)|CreateFunction|UpdateAlias|PublishVersion)(20\d{6}(v\d+)?)?"
    ),
}
"""eventSource -> the events of it that change a trail (3.4.6), or a function's code."""


DAYS_REMEMBERED = 3
"""Days of publication whose records are remembered, so that what is delivered twice counts once."""

ROOM = 32_768
"""Tallies and kinds that are held before they are made calls, some 40 MB; long parameters count for more."""

_COUNTERS = ("roles", "ignored", "principals", "days", "regions", "data_types", "management", "account_days")


@dataclass(slots=True)
class CallCounts:
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
    days: Counter[str] = field(default_factory=Counter)
    regions: Counter[str] = field(default_factory=Counter)
    data_types: Counter[str] = field(default_factory=Counter)
    """CloudTrail resource type -> data events of it, of any caller."""
    management: Counter[str] = field(default_factory=Counter)
    """``read`` and ``write`` -> management events, of any caller."""
    account_days: Counter[str] = field(default_factory=Counter, compare=False)
    """``ACCOUNT DATE`` -> records delivered to an account; empty where a source tells sums only."""
    notices: list[ChangeEvent] = field(default_factory=list)
    records: int = 0
    duplicates: int = 0
    first: str = ""
    last: str = ""
    searched: int = 0
    """Files of which only the records that hold the role were looked at: the counts are without the others."""
    skip: frozenset[str] = frozenset()
    """Keys of records that count as read already."""
    skipped: set[str] = field(default_factory=set)
    """Those of them that were met."""
    place: str = field(default="", compare=False)
    """Where the records are read that are added now."""
    _seen: list[dict[str, str]] = field(default_factory=lambda: [{}], compare=False)
    """Key of a record that was read -> where; those of the newest day last."""
    _own_shared: set[str] = field(default_factory=set)
    _foreign: dict[tuple[str, str], Event] = field(default_factory=dict)
    _selected: dict[RoleKey, bool] = field(default_factory=dict, compare=False)

    def add(self, record: Record) -> None:
        """Adds one record."""
        self.add_all((record,))

    def add_all(self, records: Iterable[Record]) -> None:
        """Adds records; those already seen by eventID count as duplicates (2.1.7)."""
        kinds: dict[tuple[Any, ...], EventGroup] = {}
        held = 0
        for record in records:
            if held > ROOM:
                self._take(kinds.values())
                kinds.clear()
                held = 0
            self.records += 1
            time = record.eventTime or ""
            if self._is_known(key_of(record)):
                continue
            if not has_clock(time) or (self.until and self._is_late(time)):
                self._leave_out(record, time)
                continue
            # All that `EventGroup` reads of a record; what differs from one record to the next is not in it.
            like = (
                record.userIdentity,
                record.eventSource,
                record.eventName,
                record.errorCode,
                record.errorMessage,
                time[:10],
                record.awsRegion,
                record.userAgent,
                record.recipientAccountId,
                record.vpcEndpointId,
                record.eventType,
                record.eventCategory,
                record.readOnly,
                is_outside(record),
                record.additionalEventData is not ABSENT and is_presigned(record),
            )
            kind = kinds.get(like)
            if kind is None:
                kind = kinds[like] = EventGroup(record, self._wanted)
                held += 1
            caller = kind.caller
            if isinstance(caller, SkippedRecord):
                self.ignored[caller.reason] += 1
                continue
            touched = (bytes(record.requestParameters) if kind.kept else b"", record.resources)
            tally = kind.tallies.get(touched)
            if tally is None:
                tally = kind.tallies[touched] = GroupCount()
                held += 1 + len(touched[0]) // 2048
            tally.add(time, record.eventID, record.sourceIPAddress)
            if record.eventSource in CHANGE_EVENTS:
                self.notice(record, time)
            if caller.role is not None and (caller.foreign or record.sharedEventID):
                self._add_shared(record, caller)
        self._take(kinds.values())

    def _is_known(self, key: str) -> bool:
        """Whether the record of this key counts already; if not, it does from now on."""
        for seen in self._seen:
            if key in seen:
                self.duplicates += 1
                return True
        if key in self.skip:
            self.duplicates += 1
            self.skipped.add(key)
            return True
        self._seen[-1][key] = self.place
        return False

    def _is_late(self, time: str) -> bool:
        return time > self.until and time[: len(self.until)] > self.until

    def _leave_out(self, record: Record, time: str) -> None:
        """Counts a record that is none of a caller, or that is of a time after the window."""
        caller = principal_or_skip(record)
        if isinstance(caller, SkippedRecord):
            self.ignored[caller.reason] += 1
        else:
            self.ignored["after the window"] += 1
            self.notice(record, time)  # a later change tells what a trail was before it (3.4.6)

    def _add_shared(self, record: Record, caller: Principal) -> None:
        """Notes a call of which there is a copy for another account, or which is that copy (1.4.4)."""
        if not caller.foreign:
            self._own_shared.add(sanitize(record.sharedEventID, 128))
            return
        event = event_of(record, caller)
        # The raw parameters share the file's memory: copied, or the file would stay.
        copied = msgspec.structs.replace(event, params=msgspec.Raw(bytes(event.params)))
        self._foreign[event.shared_id or event.id, event.id] = copied

    def _take(self, kinds: Iterable[EventGroup]) -> None:
        """Adds what was counted of each kind."""
        for kind in kinds:
            caller = kind.caller
            if isinstance(caller, SkippedRecord):
                continue
            events = self._note(kind)
            role = caller.role
            if role is None:
                self.principals[caller.kind or "unknown"] += events
            elif not caller.foreign:
                self.roles[role] += events
            if role is not None and kind.kept:
                calls = self.calls.setdefault(role, {})
                for key, evidence in kind.calls(caller):
                    count_in(calls, key, evidence)

    def add_searched(self, day: str, region: str) -> None:
        """Adds a file that was searched for some records: it shows that its day and region were read."""
        self.searched += 1
        self.days[day] += 1
        self.regions[region] += 1

    def next_day(self) -> None:
        """Tells that what comes now was published on a later day: what was read long before is forgotten.

        Files are delivered again within days, if at all (2.1.2, 2.1.7), so that memory stays flat.
        """
        self._seen.append({})
        del self._seen[1:-DAYS_REMEMBERED]

    @property
    def keys(self) -> frozenset[str]:
        """Keys of the records read lately."""
        return frozenset[str]().union(*self._seen)

    def known(self, keys: frozenset[str]) -> frozenset[str]:
        """Those of the keys that are of records read lately."""
        return frozenset[str]().union(*(keys.intersection(seen) for seen in self._seen))

    def places(self, keys: Iterable[str]) -> set[str]:
        """Where the records of these keys were read, of those read lately."""
        return {seen[key] for key in keys for seen in self._seen if key in seen}

    def remember(self, keys: frozenset[str]) -> None:
        """Takes records for read, though they were counted elsewhere."""
        self._seen[-1] |= dict.fromkeys(keys, "")

    @property
    def unsettled(self) -> tuple[set[str], dict[tuple[str, str], Event]]:
        """Shared ids of own copies, and the copies that other accounts received of calls."""
        return self._own_shared, self._foreign

    @unsettled.setter
    def unsettled(self, found: tuple[set[str], dict[tuple[str, str], Event]]) -> None:
        self._own_shared, self._foreign = found

    def merge(self, other: CallCounts) -> None:
        """Adds what another ledger read of other records; both as yet unsettled."""
        for role, calls in other.calls.items():
            mine = self.calls.setdefault(role, {})
            for key, evidence in calls.items():
                count_in(mine, key, evidence)
        for name in _COUNTERS:
            getattr(self, name).update(getattr(other, name))
        self.notices += other.notices
        self.records += other.records
        self.duplicates += other.duplicates
        self.searched += other.searched
        self.last = max(self.last, other.last)
        self.first = min(self.first, other.first) if self.first and other.first else self.first or other.first
        for seen in other._seen:
            self._seen[-1] |= seen
        self._own_shared |= other._own_shared
        self._foreign |= other._foreign

    def take_back(self, other: CallCounts) -> None:
        """Takes out what another ledger counted of some of the same records, since they count elsewhere.

        A record that comes twice says the same twice: only what is counted has to go, from a call even below zero
        until the sum is whole.
        """
        for role, calls in other.calls.items():
            mine = self.calls.setdefault(role, {})
            for key, evidence in calls.items():
                count_in(mine, key, evidence.taken_back())
        for name in _COUNTERS:
            getattr(self, name).subtract(getattr(other, name))
        self.notices = [*(Counter(self.notices) - Counter(other.notices)).elements()]
        self.duplicates += other.records - other.duplicates

    def _wanted(self, role: RoleKey) -> bool:
        """`select`, asked once a role."""
        found = self._selected.get(role)
        if found is None:
            found = self._selected[role] = self.select(role)
        return found

    def _note(self, kind: EventGroup) -> int:
        """Counts the events of a kind, whoever made them; returns how many."""
        events, first, last = 0, self.first or "~", self.last
        for tally in kind.tallies.values():
            events += tally.count
            first, last = min(first, tally.first), max(last, tally.last)
        self.first, self.last = first, last
        self.days[kind.day] += events
        self.account_days[f"{kind.account} {kind.day}"] += events
        self.regions[kind.region] += events
        if kind.data:
            for (_, resources), tally in kind.tallies.items():
                for type_ in {entry.type for entry in resources or () if entry.type}:
                    self.data_types[type_] += tally.count
        else:
            self.management["read" if kind.reads else "write"] += events
        return events

    def notice(self, record: Record, time: str) -> None:
        """Keeps a record that says something about the evidence itself; others are left."""
        noted = CHANGE_EVENTS.get(record.eventSource or "")
        if noted and noted.fullmatch(record.eventName or ""):
            self.notices.append(_notice(record, time))

    def settle(self) -> None:
        """Attributes other accounts' copies whose own copy was not delivered (1.4.4). Once, after reading."""
        by_id = {role.role_id: role for role in sorted(self.roles) if role.role_id and role.name}
        for (key, _), event in sorted(self._foreign.items(), key=lambda one: one[0]):
            role = event.principal.role
            if role is None or key in self._own_shared:
                self.ignored["another account's copy of a call that was read already"] += 1
            else:
                role = by_id.get(role.role_id, role)
                self.roles[role] += 1
                if self._wanted(role):
                    call = call_bucket(event)
                    count_in(self.calls.setdefault(role, {}), call, evidence_of(event, call.day))
        self._foreign.clear()
        self.notices.sort()


def _notice(record: Record, time: str) -> ChangeEvent:
    return ChangeEvent(
        time,
        clean_word(record.eventSource),
        clean_word(record.eventName),
        clean_word(record.awsRegion),
        clean_word(record.recipientAccountId),
        bytes(record.requestParameters),
        clean_word(record.errorCode),
        sanitize(record.eventID, 128),
    )


def key_of(record: Record) -> str:
    """What tells a record from others: its eventID, or all that was read of it where it has none."""
    return record.eventID or repr(record)
