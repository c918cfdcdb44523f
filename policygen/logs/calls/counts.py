"""From events to calls: everything that was read, added up.

A call is what remains of events when all that IAM cannot see is taken away. The reduction is a sum, so that the
order, the splitting and the repetition of files cannot change it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain

from policygen.catalog.rules import learning_sources
from policygen.iam.request import RoleKey
from policygen.logs.calls.batching import EventGroup, GroupCount
from policygen.logs.calls.call import Calls, call_bucket, count_in
from policygen.logs.calls.dedup import (
    CrossAccountCopies,
    DuplicateFilter,
    LikeFields,
    key_at,
    like_fields,
)
from policygen.logs.calls.evidence import evidence_of
from policygen.logs.calls.fold import Bound, fold
from policygen.logs.calls.totals import CHANGE_EVENTS, COPIED, LATE, Totals
from policygen.logs.events.assumption import Sighting, Sightings, assumption_of, is_assumption, role_of_arn
from policygen.logs.events.event import LOST, UNDATED, SkippedRecord, event_of
from policygen.logs.events.event_time import is_plain_clock, utc_time
from policygen.logs.events.principal import Principal
from policygen.logs.events.record import Record, Resource, UserIdentity
from policygen.logs.events.record_table import RawRecord
from policygen.logs.events.session_use import SessionUses, use_of
from policygen.logs.window_end import WindowEnd
from policygen.text import clean_word, sanitize

Select = Callable[[RoleKey], bool]
"""Which roles' calls are kept. Picklable, since logs may be read in another process."""


def no_role(_: RoleKey) -> bool:
    """Select no role: only the totals are counted."""
    return False


ROOM = 32_768
"""Groups and counts that are held before they are made calls, some 40 MB; long parameters count for more."""


@dataclass(slots=True)
class CallCounts:
    """Everything that was read, added up: the calls of selected roles, and totals of all callers.

    Attributes:
        select: which roles' calls are kept.
        until: the end after which events do not count; None for all.
        calls: the calls of each selected role, with their evidence.
        totals: what was counted of all callers.
        duplicates: the filter that recognises a record that was read before.
        copies: other accounts' copies of calls, until `resolve_cross_account_copies`.
        known: roles of the account, which tell the names of roles that the records name by id alone.
        assumed: which roles' assumptions are kept, by anybody; None for none.
        sightings: these assumptions.
        sessions_of: the role of which is kept where its sessions were used; None for none.
        session_uses: where they were.
        reading: name of the file whose records are added now.
        unreadable: (file, reason) of records that may be calls, and say no time or no caller.
    """

    select: Select
    until: WindowEnd | None = None
    calls: dict[RoleKey, Calls] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)
    duplicates: DuplicateFilter = field(default_factory=DuplicateFilter, compare=False)
    copies: CrossAccountCopies = field(default_factory=CrossAccountCopies)
    known: Sequence[RoleKey] = field(default=(), compare=False)
    assumed: Select | None = field(default=None, compare=False)
    sightings: Sightings = field(default_factory=dict)
    sessions_of: RoleKey | None = None
    session_uses: SessionUses = field(default_factory=SessionUses)
    reading: str = field(default="", compare=False)
    unreadable: list[tuple[str, str]] = field(default_factory=list, compare=False)
    _selected: dict[RoleKey, bool] = field(default_factory=dict, compare=False)
    _bound: Bound = field(default_factory=Bound, compare=False)

    def add(self, record: Record) -> None:
        """Add one record."""
        self.add_all((record,))

    def add_all(self, records: Iterable[Record]) -> None:
        """Add records; those that were read before count as duplicates."""
        groups: dict[LikeFields, EventGroup] = {}
        until, totals, ignored, admit = self.until, self.totals, self.totals.ignored, self.duplicates.admit
        held = read = duplicates = 0
        for record in records:
            if held > ROOM:
                self._add_groups(groups.values())
                groups.clear()
                held = 0
            read += 1
            time = record.eventTime or ""
            if not is_plain_clock(time, 10):
                time = utc_time(time)
            # All that `EventGroup` reads of a record; what differs from one record to the next is not in it.
            fields = like_fields(record, time[:10])
            group = groups.get(fields)
            if group is None:
                group = groups[fields] = EventGroup(record, self.is_selected)
                held += 1
            params = bytes(record.requestParameters)
            key = key_at(record, time, group.digests)
            if not admit(key):
                duplicates += 1
                continue
            if self.assumed and is_assumption(record.eventSource, record.eventName):
                self.note_assumption(record, record.userIdentity, record.resources, time, key)
            if self.sessions_of:
                self._note_use(record, self.sessions_of, time)
            caller = group.caller
            if isinstance(caller, SkippedRecord):
                ignored[caller.reason] += 1
                if caller.reason in LOST:
                    self._note_lost(record, caller.reason)
                continue
            if until and until.excludes(time):
                ignored[LATE] += 1
                totals.add_change_event(record, time)  # it shows what a trail was before the change (3.4.6)
                totals.learn(record, caller, params)
                continue
            touched = (params if group.selected else b"", record.resources)
            count = group.counts.get(touched)
            if count is None:
                count = group.counts[touched] = GroupCount()
                held += 1 + len(touched[0]) // 2048
            if group.selected:
                count.add(time, record.eventID, record.sourceIPAddress)
            else:
                count.tally(time)
            self.note_special(record, caller, params, time, key)
        self._add_groups(groups.values())
        totals.records += read
        totals.duplicates += duplicates

    def note_assumption(
        self,
        record: Record | RawRecord,
        who: UserIdentity | None,
        resources: Sequence[Resource] | None,
        time: str,
        key: str,
    ) -> None:
        """Keep an assumption of a role in question, by whomever: a service's is no call of a role."""
        if self.assumed is None or not self._is_inside(time):
            return
        said = assumption_of(record, who, resources)
        role = role_of_arn(said.role_arn)
        if role is not None and self.assumed(role):
            seen = Sighting(time, record.eventID or "", record.sharedEventID or "")
            self.sightings.setdefault(said, {})[key] = seen

    def _note_use(self, record: Record, role: RoleKey, time: str) -> None:
        """Keep from where a session of the role was used."""
        if self._is_inside(time) and (use := use_of(record, role)):
            self.session_uses.add(use, time[:10])

    def _is_inside(self, time: str) -> bool:
        return bool(time) and not (self.until and self.until.excludes(time))

    def _note_lost(self, record: Record, reason: str) -> None:
        """Name the file of a record that may be a call."""
        if reason == UNDATED:
            reason += f": {sanitize(record.eventTime, 40)!r}" if record.eventTime else ", it has none"
        name = f"{clean_word(record.eventSource)} {clean_word(record.eventName)}"
        self.unreadable.append((self.reading, f"{name}: {reason}"))

    def note_special(self, record: Record, caller: Principal, params: bytes, time: str, key: str) -> None:
        """Note what a record tells of others, and a call that was logged in two accounts."""
        totals = self.totals
        if record.eventSource in CHANGE_EVENTS:
            totals.add_change_event(record, time)
        if record.eventSource in learning_sources() or (b":role/" in params and record.readOnly is False):
            totals.learn(record, caller, params)
        if caller.role is not None and (caller.is_cross_account_copy or record.sharedEventID):
            self._add_shared(record, caller, key)

    def _add_shared(self, record: Record, caller: Principal, key: str) -> None:
        """Note a call that was logged in two accounts, or hold the other account's copy of it (1.4.4)."""
        if caller.is_cross_account_copy:
            self.copies.add(event_of(record, caller), key)
        else:
            self.copies.own.add(sanitize(record.sharedEventID, 128))

    def _add_groups(self, groups: Iterable[EventGroup]) -> None:
        """Add what was counted in each group."""
        for group in groups:
            caller = group.caller
            if isinstance(caller, SkippedRecord) or not group.counts:  # all of them duplicates, or late
                continue
            events = self._add_totals(group)
            role = caller.role
            if role is None:
                self.totals.principals[caller.kind or "unknown"] += events
            elif not caller.is_cross_account_copy:
                self.totals.roles[role] += events
            if role is not None and group.selected:
                calls = self.calls.setdefault(role, {})
                for bucket, evidence in group.calls(caller):
                    count_in(calls, bucket, evidence)
                self._bound.keep(role, calls)

    def _add_totals(self, group: EventGroup) -> int:
        """Add the events of a group to the totals that do not depend on the caller; return how many they are."""
        totals, events = self.totals, 0
        first, last = totals.first or "~", totals.last
        for count in group.counts.values():
            events += count.count
            first, last = min(first, count.first), max(last, count.last)
        totals.first, totals.last = first, last
        totals.days[group.day] += events
        totals.account_days[f"{group.account} {group.day}"] += events
        totals.regions[group.region] += events
        totals.region_days[f"{group.region} {group.day}"] += events
        if group.is_data:
            for (_, resources), count in group.counts.items():
                for type_ in {entry.type for entry in resources or () if entry.type}:
                    totals.data_types[type_] += count.count
        else:
            totals.management["read" if group.read_only else "write"] += events
        return events

    def merge(self, other: CallCounts) -> None:
        """Add another count, of other records; the cross-account copies of both must not be resolved yet."""
        for role, calls in other.calls.items():
            mine = self.calls.setdefault(role, {})
            for bucket, evidence in calls.items():
                count_in(mine, bucket, evidence)
            self._bound.keep(role, mine, 2)  # of another count there are no records in memory
        self.totals.merge(other.totals)
        self.duplicates.merge(other.duplicates)
        self.copies.merge(other.copies)
        for assumption, seen in other.sightings.items():
            self.sightings.setdefault(assumption, {}).update(seen)
        self.session_uses.merge(other.session_uses)

    def subtract(self, other: CallCounts) -> None:
        """Subtract another count, of some of the same records, since these are counted elsewhere too.

        A record that comes twice says the same twice: times, days and samples may stay, only numbers have to go. The
        number of a call may fall below zero until the count that has the records is merged.
        """
        for role, calls in other.calls.items():
            mine = self.calls.setdefault(role, {})
            for bucket, evidence in calls.items():
                count_in(mine, bucket, evidence.negated())
        self.totals.subtract(other.totals)
        self.copies.subtract(other.copies)

    def is_selected(self, role: RoleKey) -> bool:
        """Return what `select` says of a role, which is called once for each."""
        selected = self._selected.get(role)
        if selected is None:
            selected = self._selected[role] = self.select(role)
        return selected

    def roles_by_id(self) -> dict[str, RoleKey]:
        """Return the roles whose names are known, by id; what the records say comes before what the account does."""
        named = (*self.known, *sorted(self.totals.roles))
        return {role.role_id: role for role in named if role.role_id and role.name}

    def settle_memory(self) -> None:
        """Hold what is needed to recognise records in less memory, between two parts of a reading."""
        self.duplicates.pack()
        if settled := self.copies.settle():
            self.totals.ignored[COPIED] += settled

    def resolve_cross_account_copies(self, every: Iterable[CrossAccountCopies] | None = None) -> None:
        """Count other accounts' copies of calls whose own record was not delivered (1.4.4). Once, after reading.

        Args:
            every: all copies, where some of them are not in `copies`.
        """
        totals = self.totals
        by_id = self.roles_by_id()
        copies = [self.copies] if every is None else every
        for event, has_own_record in chain.from_iterable(one.resolve() for one in copies):
            role = event.principal.role
            if role is None or has_own_record:
                totals.ignored[COPIED] += 1
                continue
            role = by_id.get(role.role_id, role)
            totals.roles[role] += 1
            if self.is_selected(role):
                bucket = call_bucket(event)
                count_in(self.calls.setdefault(role, {}), bucket, evidence_of(event, bucket.day))
        totals.change_events.sort()

    @property
    def size(self) -> int:
        """How many calls and assumptions it holds."""
        return sum(map(len, self.calls.values())) + sum(map(len, self.sightings.values()))

    def keep_bound(self, roles: Iterable[RoleKey]) -> None:
        """Fold the calls of some roles, where they are many."""
        for role in roles:
            self._bound.keep(role, self.calls[role])

    def fold(self) -> None:
        """Fold the calls of each role: once everything was read, the result depends on the records alone."""
        for calls in self.calls.values():
            fold(calls)
        self.session_uses.cut()
