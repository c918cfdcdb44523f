"""Counting the records of trail files column by column: what `CallCounts.add_all` gives, at a fraction of the time.

Each distinct part of records (caller, operation, parameters, resources, user agent) is read once, and a record is a row
of such parts. Python code runs for distinct parts and for distinct calls; most of what is done for every record is one
look-up in a dictionary. A table with anything odd in it is left to `CallCounts.add_all`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from heapq import nsmallest
from itertools import compress
from operator import attrgetter
from typing import NamedTuple

import msgspec

from policygen.iam.request import RoleKey
from policygen.logs.calls.call import CallBucket, CallSignature, count_in, signature_of
from policygen.logs.calls.counts import ROOM, CallCounts
from policygen.logs.calls.dedup import digest_of_more, record_key
from policygen.logs.calls.distinct import union
from policygen.logs.calls.evidence import SAMPLES, Evidence, sample, singleton
from policygen.logs.calls.fold import sums_of
from policygen.logs.calls.record_parts import (
    AddressPart,
    AgentPart,
    CallerPart,
    OperationPart,
    OwnerPart,
    ParamsPart,
    Parts,
    PlacePart,
    ResourcesPart,
)
from policygen.logs.events.credentials import CredentialUse
from policygen.logs.events.event import EventFields, denial_told, says_presigned
from policygen.logs.events.outcome import Denial, Outcome
from policygen.logs.events.record import ABSENT
from policygen.logs.events.record_table import RecordTable
from policygen.text import sanitize


class _Rows(NamedTuple):
    """Columns of equal length: what is read of records."""

    operations: list[OperationPart]
    places: list[PlacePart]
    callers: list[CallerPart]
    params: list[ParamsPart]
    resources: list[ResourcesPart]
    times: list[str]
    days: list[str]
    ids: list[str]
    addresses: list[AddressPart]
    agents: list[AgentPart]
    presigned: list[bool]
    messages: list[str | None]
    shared: list[str | None]
    keys: list[str]
    numbers: list[int]
    """Of the records in their table, from 0."""

    def where(self, kept: Sequence[object]) -> _Rows:
        """Return the rows for which a value is true."""
        return _Rows._make([list(compress(column, kept)) for column in self])


HELD = 12_000
"""Groups that are held before they are made calls, some 15 MB."""

_place_of = attrgetter("awsRegion", "recipientAccountId", "vpcEndpointId")
_NO_MORE = (None, None, False)
_Key = tuple[OwnerPart, OperationPart, PlacePart, CredentialUse, str, bytes, ResourcesPart, Denial | None]
_Item = tuple[str, str, frozenset[str], frozenset[str], frozenset[str]]
"""Time, eventID, session, user agent and address of an event."""
_Counted = tuple[CallSignature, CredentialUse, tuple[str, list[_Item]]]
"""A call, its user, and a day with the events of it."""


class TableCounter:
    """Adds the records of tables to counts; what it holds is part of them after `flush`."""

    def __init__(self, counts: CallCounts) -> None:
        self._counts = counts
        self._parts = Parts(counts)
        self._groups: defaultdict[_Key, list[_Item]] = defaultdict(list)
        self._operations: Counter[tuple[OperationPart, PlacePart, str]] = Counter()
        self._callers: Counter[CallerPart] = Counter()
        self._touched: Counter[tuple[str | None, ...]] = Counter()

    def add(self, table: RecordTable) -> bool:
        """Add the records of a table; return False, and add none, where they have to be added one by one."""
        if self._counts.sessions_of:  # whole records tell where a session was used
            return False
        times = [one.eventTime or "" for one in table.raw]
        days = self._parts.days_of(times)
        ids = [one.eventID or "" for one in table.raw]
        if days is None or not all(ids):
            return False
        rows = self._admitted(self._rows(table, times, days, ids))
        if self._counts.assumed:
            self._note_assumptions(table, rows)
        reasons = [one.reason or who.reason for one, who in zip(rows.operations, rows.callers, strict=True)]
        if any(reasons):
            self._counts.totals.ignored.update(filter(None, reasons))
            rows = rows.where([not reason for reason in reasons])
        if rows.times:
            self._count(rows)
            self._note_special(table, rows)
            self._group(rows)
        return True

    def _rows(self, table: RecordTable, times: list[str], days: list[str], ids: list[str]) -> _Rows:
        parts, raw = self._parts, table.raw
        operations = list(map(parts.operations.__getitem__, table.common))
        recipients = [one.recipientAccountId for one in raw]
        places = list(map(parts.places.__getitem__, map(_place_of, raw)))
        callers = list(
            map(parts.callers.__getitem__, zip([one.userIdentity for one in raw], recipients, strict=True))
        )
        params = [one.params[text] for one, text in zip(operations, table.params, strict=True)]
        resources = list(map(parts.resources.__getitem__, table.resources))
        addresses = list(map(parts.addresses.__getitem__, [one.sourceIPAddress for one in raw]))
        agents = list(map(parts.agents.__getitem__, [one.userAgent for one in raw]))
        extras = [one.additionalEventData for one in raw]
        presigned = [one is not ABSENT and says_presigned(one) for one in extras]
        messages = [one.errorMessage for one in raw]
        shared = [one.sharedEventID for one in raw]
        more = [
            digest_of_more(*one) if one != _NO_MORE else ""
            for one in zip(shared, messages, presigned, strict=True)
        ]
        digests = (
            [one.digest for one in column]
            for column in (callers, operations, places, agents, params, resources)
        )
        keys = list(map(record_key, ids, times, [one.text for one in addresses], *digests, more))
        return _Rows(
            operations=operations,
            places=places,
            callers=callers,
            params=params,
            resources=resources,
            times=times,
            days=days,
            ids=_shown(ids),
            addresses=addresses,
            agents=agents,
            presigned=presigned,
            messages=messages,
            shared=shared,
            keys=keys,
            numbers=list(range(len(raw))),
        )

    def _admitted(self, rows: _Rows) -> _Rows:
        """Return the rows of records that were not read before."""
        totals = self._counts.totals
        totals.records += len(rows.keys)
        fresh = self._counts.duplicates.admit_all(rows.keys)
        if fresh is None:
            return rows
        totals.duplicates += len(fresh) - sum(fresh)
        return rows.where(fresh)

    def _note_assumptions(self, table: RecordTable, rows: _Rows) -> None:
        """Note the records that say who assumed a role, calls of roles or not."""
        assumes = [one.assumes for one in rows.operations]
        if any(assumes):
            columns = (compress(one, assumes) for one in (rows.numbers, rows.times, rows.keys))
            for number, time, key in zip(*columns, strict=True):
                record, resources = table.raw[number], table.resources[number].entries
                self._counts.note_assumption(record, record.userIdentity, resources, time, key)

    def _count(self, rows: _Rows) -> None:
        """Count events that differ in nothing that the totals tell."""
        totals = self._counts.totals
        totals.first = min(totals.first or "~", *rows.times)
        totals.last = max(totals.last, *rows.times)
        self._operations.update(zip(rows.operations, rows.places, rows.days, strict=True))
        self._callers.update(rows.callers)
        is_data = [one.is_data for one in rows.operations]
        if any(is_data):
            self._touched.update(compress([one.types for one in rows.resources], is_data))

    def _note_special(self, table: RecordTable, rows: _Rows) -> None:
        """Note the records that tell something of others, and those that were logged in two accounts."""
        special = [
            one.changes or params.tells or shared or who.is_copy
            for one, params, shared, who in zip(
                rows.operations, rows.params, rows.shared, rows.callers, strict=True
            )
        ]
        if any(special):
            columns = (rows.numbers, rows.params, rows.callers, rows.times, rows.keys)
            few = zip(*(compress(one, special) for one in columns), strict=True)
            for number, params, who, time, key in few:
                self._counts.note_special(table[number], who.principal, params.raw, time, key)

    def _group(self, rows: _Rows) -> None:
        """Put the events of selected roles into groups, each of one call."""
        selected = [one.owner is not None for one in rows.callers]
        if not all(selected):
            rows = rows.where(selected)
        is_from_ip = [one.is_ip_address for one in rows.addresses]
        consoles = [one.from_console for one in rows.operations]
        users = map(
            self._parts.users.__getitem__,
            zip(rows.callers, rows.agents, is_from_ip, rows.presigned, consoles, strict=True),
        )
        kept = [
            params.kept or one.kept(params) for one, params in zip(rows.operations, rows.params, strict=True)
        ]
        denials = [
            denial_told(one.fields("", None, who.via), message) if one.denied else None
            for one, who, message in zip(rows.operations, rows.callers, rows.messages, strict=True)
        ]
        owners = [one.owner for one in rows.callers]
        keys = zip(
            owners, rows.operations, rows.places, users, rows.days, kept, rows.resources, denials, strict=True
        )
        sessions = [one.sessions for one in rows.callers]
        addresses = [one.shown for one in rows.addresses]
        agents = [one.shown for one in rows.agents]
        items = zip(rows.times, rows.ids, sessions, agents, addresses, strict=True)
        groups = self._groups
        for key, item in zip(keys, items, strict=True):
            groups[key].append(item)
        if len(groups) > HELD or self._parts.held > ROOM:
            self.flush()

    def flush(self) -> None:
        """Add what is held to the counts."""
        self._add_totals()
        self._parts.forget()
        roles: dict[RoleKey, list[_Counted]] = {}
        fields: dict[tuple[OperationPart, PlacePart, str | None], EventFields] = {}
        while self._groups:
            (owner, operation, place, user, day, kept, resources, denial), items = self._groups.popitem()
            said = (operation, place, owner.via)
            if said not in fields:
                fields[said] = operation.fields(place.region, place.vpce, owner.via)
            call = signature_of(fields[said], owner.principal, denial, kept, resources.entries)
            roles.setdefault(owner.role, []).append((call, user, (day, items)))
        for role, counted in roles.items():
            calls = self._counts.calls.setdefault(role, {})
            for bucket, evidence in _folded(counted):
                count_in(calls, bucket, evidence)
        self._counts.keep_bound(roles)

    def clear(self) -> None:
        """Forget all that was met, after the last `flush`."""
        self._parts.clear()

    def _add_totals(self) -> None:
        totals = self._counts.totals
        for (one, place, day), events in self._operations.items():
            totals.days[day] += events
            totals.account_days[f"{place.account} {day}"] += events
            totals.regions[place.region] += events
            totals.region_days[f"{place.region} {day}"] += events
            if not one.is_data:
                totals.management["read" if one.read_only else "write"] += events
        for types, events in self._touched.items():
            for kind in {one for one in types if one}:
                totals.data_types[kind] += events
        for who, events in self._callers.items():
            role = who.principal.role
            if role is None:
                totals.principals[who.principal.kind or "unknown"] += events
            elif not who.is_copy:
                totals.roles[role] += events
        for counter in (self._operations, self._touched, self._callers):
            counter.clear()


def _shown(ids: list[str]) -> list[str]:
    """Return eventIDs as they are shown; nearly all are as they were delivered."""
    text = "".join(ids)
    if text.isascii() and text.isprintable() and max(map(len, ids), default=0) <= 128:
        return ids
    return [sanitize(one, 128) for one in ids]


def _folded(counted: Sequence[_Counted]) -> Iterator[tuple[CallBucket, Evidence]]:
    """Give the calls of one role with their evidence; past the limits of `fold`, fewer that stand for them."""
    gone = set[int]()
    for call, user, parts in sums_of(
        [(call, user, number) for number, (call, user, _) in enumerate(counted)]
    ):
        days = defaultdict[str, tuple[list[_Item], list[bytes]]](lambda: ([], []))
        for number, name in parts:
            gone.add(number)
            day, items = counted[number][2]
            of_day, names = days[day]
            of_day += items
            names.append(name)
        for day, (of_day, names) in days.items():
            evidence = _evidence(call, day, of_day)
            yield CallBucket(call, day, user), msgspec.structs.replace(evidence, names=union(names))
    for number, (call, user, (day, items)) in enumerate(counted):
        if number not in gone:
            yield CallBucket(call, day, user), _evidence(call, day, items)


def _evidence(call: CallSignature, day: str, items: Sequence[_Item]) -> Evidence:
    """Return the evidence of some events of one day."""
    weak = call.outcome is Outcome.WEAK
    if len(items) == 1:
        time, event_id, session, agent, address = items[0]
        return Evidence(
            1, time, time, singleton(day), ((time, event_id),), session, agent, address, int(weak)
        )
    times, ids, sessions, agents, addresses = zip(*items, strict=True)
    return Evidence(
        len(items),
        min(times),
        max(times),
        singleton(day),
        tuple(nsmallest(SAMPLES, {*zip(times, ids, strict=True)})),
        sample(frozenset[str]().union(*{*sessions})),
        sample(frozenset[str]().union(*{*agents})),
        sample(frozenset[str]().union(*{*addresses})),
        len(items) if weak else 0,
    )
