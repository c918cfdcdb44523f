"""Choose the records of a trail file that one role needs, by columns: each record is decoded once, and checked.

Callers and kinds of events are few and come again, so each distinct one is looked at once. All records, chosen or not,
tell which days, regions and kinds of events a log holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import compress, count
from operator import attrgetter

import msgspec

from policygen.logs.calls.totals import Others, OthersKind
from policygen.logs.decode.trail_file import JSON_ERRORS, decode_records, is_call, to_table
from policygen.logs.events.event import no_call_reason, no_caller_reason
from policygen.logs.events.event_time import are_plain
from policygen.logs.events.principal import principal_of
from policygen.logs.events.record import ABSENT, Resource, UserIdentity
from policygen.logs.events.record_table import CommonFields, Memo, RawRecord, RecordTable
from policygen.logs.source import Wanted


class _EventShape:
    """A kind of event in a region and an account: what is asked of each record is looked up once."""

    __slots__ = ("account", "counts", "is_call", "is_data", "name", "read_only", "region", "source")

    def __init__(
        self, fields: tuple[str, str, str | None, str | None, bool | None, str | None, str | None]
    ) -> None:
        """Read the fields of a record that `_fields_of` returns."""
        self.source, self.name, type_, category, read_only, self.region, self.account = fields
        self.is_call = is_call(self.source, self.name, type_, category)
        self.is_data, self.read_only = category == "Data", bool(read_only)
        self.counts = not no_call_reason(
            CommonFields(
                eventSource=self.source,
                eventName=self.name,
                errorCode=None,
                eventType=type_,
                eventCategory=category,
                readOnly=read_only,
                sessionCredentialFromConsole=None,
            )
        )


_fields_of = attrgetter(
    "eventSource", "eventName", "eventType", "eventCategory", "readOnly", "awsRegion", "recipientAccountId"
)
_KINDS = Memo(_EventShape)
_resources = msgspec.json.Decoder(tuple[Resource, ...] | None).decode
_OTHER, _WANTED, _NOBODY = range(3)
"""What a caller is: another one, one that is wanted, or none that needs permissions."""


def select_records(data: bytes, wanted: Sequence[Wanted]) -> tuple[RecordTable, Others] | None:
    """Return the wanted records of a ``{"Records": [...]}`` text, and what the others tell; None for any other text.

    A text is left to the full reading too where a record cannot be used, has no caller, or cannot be placed in time.
    """
    try:
        raw = decode_records(data)
        if raw is None:
            return None
        kinds = list(map(_KINDS.__getitem__, map(_fields_of, raw)))
        times = [one.eventTime or "" for one in raw]
        if not (all(kind.is_call for kind in set(kinds)) and are_plain(times)):
            return None
        callers = _callers([one.userIdentity for one in raw], wanted)
        _add_events(callers, raw, kinds, wanted)
        table = to_table(list(compress(raw, map(_WANTED.__eq__, callers))))
        return None if table is None else (table, _others(raw, kinds, times, callers))
    except JSON_ERRORS:
        return None


def _callers(identities: Sequence[UserIdentity], wanted: Sequence[Wanted]) -> list[int]:
    """Return what each caller is: `_OTHER`, `_WANTED` or `_NOBODY`."""
    callers = [_NOBODY if who.type in _MAY_BE_NOBODY and _is_nobody(who) else _OTHER for who in identities]
    for one in wanted:
        for number in compress(count(), map(one.caller, identities)):
            callers[number] = _WANTED
    return callers


_MAY_BE_NOBODY = (None, "", "AWSService")


def _is_nobody(who: UserIdentity) -> bool:
    return bool(no_caller_reason(principal_of(who, None), who))


def _add_events(
    callers: list[int], raw: Sequence[RawRecord], kinds: Sequence[_EventShape], wanted: Sequence[Wanted]
) -> None:
    """Call it wanted, too, who made a wanted event."""
    texts = {kind: found for kind in set(kinds) if (found := _texts_of(kind, wanted))}
    for number in compress(count(), map(texts.__contains__, kinds)) if texts else ():
        params = bytes(raw[number].requestParameters)
        if any(text in params for text in texts[kinds[number]]):
            callers[number] = _WANTED


def _texts_of(kind: _EventShape, wanted: Sequence[Wanted]) -> list[bytes]:
    return [text for one in wanted if one.event for text in one.event(kind.source, kind.name)]


def _others(
    raw: Sequence[RawRecord], kinds: Sequence[_EventShape], times: Sequence[str], callers: Sequence[int]
) -> Others:
    """Return what the records that are not wanted tell; of those that need no permissions only the number."""
    number = len(callers) - callers.count(_WANTED)
    if any(callers):
        rest = [not caller for caller in callers]
        kinds, times, raw = (
            list(compress(kinds, rest)),
            list(compress(times, rest)),
            list(compress(raw, rest)),
        )
    counts = Counter(kinds)
    first, last = min(times, default=""), max(times, default="")
    by_day: Mapping[tuple[str, _EventShape], int]
    if first[:10] == last[:10]:
        by_day = {(first[:10], kind): events for kind, events in counts.items()}
    else:
        by_day = Counter(zip([time[:10] for time in times], kinds, strict=True))
    found = Counter[OthersKind]()
    for (day, kind), events in by_day.items():
        if kind.counts:
            found[OthersKind(day, kind.region, kind.account, kind.is_data, kind.read_only)] += events
    return Others(number, times, found, _data_types(raw, kinds, counts))


def _data_types(
    raw: Sequence[RawRecord], kinds: Sequence[_EventShape], counts: Mapping[_EventShape, int]
) -> Counter[str]:
    """Return how many data events there are of each type of resources, by the first of each event that has any."""
    types = Counter[str]()
    of_data = [kind for kind in counts if kind.is_data]
    firsts = dict(zip(reversed(kinds), reversed(raw), strict=True)) if of_data else {}
    for kind in of_data:
        found = [firsts[kind]]
        if found[0].resources is ABSENT:
            found = [record for record, one in zip(raw, kinds, strict=True) if one is kind]
        resources = next((record.resources for record in found if record.resources is not ABSENT), ABSENT)
        types.update(
            dict.fromkeys({one.type for one in _resources(bytes(resources)) or () if one.type}, counts[kind])
        )
    return types
