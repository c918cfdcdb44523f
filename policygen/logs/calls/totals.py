"""The totals of a reading: what is counted of all callers, whichever roles are selected.

A field that is added to `Totals` is merged, subtracted, saved and loaded without further code: its type decides how.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_args, get_origin

import msgspec

from policygen.catalog.call import Call
from policygen.catalog.knowledge import Fact
from policygen.catalog.learning import RESPONSE, facts_of, learn_rules
from policygen.catalog.reach import creating_events
from policygen.catalog.service_names import strip_version
from policygen.iam.arn import partition_of
from policygen.iam.reference import LONGEST_ARN
from policygen.iam.request import RoleKey
from policygen.logs.events.event import parameters, resources_of, sorted_parameters
from policygen.logs.events.principal import Principal
from policygen.logs.events.record import Record
from policygen.logs.events.record_table import CommonFields
from policygen.logs.window_end import WindowEnd
from policygen.text import clean_word, sanitize


class ChangeEvent(NamedTuple):
    """An event of any caller that changes what the logs show: a trail that was changed, a function deployed."""

    time: str
    """ISO 8601, UTC."""
    source: str
    name: str
    region: str
    account: str
    params: bytes
    """requestParameters, JSON in one order and without spaces."""
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


_CHANGES = {
    "cloudtrail.amazonaws.com": re.compile(
        r"(Create|Update|Delete)Trail|(Start|Stop)Logging|PutEventSelectors"
    ),
    "lambda.amazonaws.com": re.compile(
        r"(UpdateFunction(Code|Configuration)|CreateFunction|UpdateAlias|PublishVersion)(20\d{6}(v\d+)?)?"
    ),
}
"""eventSource -> the events of it that change a trail (3.4.6), or a function's code: kept one by one."""


def _change_events() -> dict[str, str]:
    """Return the patterns of `_CHANGES`, and of the events that make what roles connect to, which are only counted."""
    names = {source: [f"({pattern.pattern})"] for source, pattern in _CHANGES.items()}
    for source, created in creating_events().items():
        names.setdefault(source, []).append(f"({'|'.join(sorted(created))})(20[0-9_v]+)?")
    return {source: "|".join(patterns) for source, patterns in sorted(names.items())}


CHANGE_EVENTS = _change_events()
"""eventSource -> a pattern of the events that say something of other callers' roles: changes of trails and of
functions' code, and the making of what can be connected to. A log has few of the sources: the patterns are texts."""


def is_change(record: Record | CommonFields) -> bool:
    """Return whether `Totals.add_change_event` keeps or counts a record with these fields."""
    source, name = record.eventSource or "", record.eventName or ""
    changes = _CHANGES.get(source)
    return bool(changes and changes.fullmatch(name)) or _makes(record)


def _makes(record: Record | CommonFields) -> bool:
    """Return whether a record made something that roles connect to."""
    names = creating_events().get(record.eventSource or "", ())
    return not record.errorCode and strip_version(record.eventName or "") in names


LATE = "after the window"
COPIED = "another account's copy of a call that was read already"
"""Reasons of `Totals.ignored` that do not come from the record alone."""


class OthersKind(NamedTuple):
    """What is told apart of records that are summed up."""

    day: str
    region: str | None
    account: str | None
    """The account that the record was delivered to."""
    is_data: bool
    read_only: bool


class Others(NamedTuple):
    """Records of a file that were decoded and checked, and then summed up: no role in question needs them."""

    number: int
    """Of all of them."""
    times: Sequence[str]
    """Of those that are calls, ISO 8601 in UTC."""
    kinds: Mapping[OthersKind, int]
    """Of those that are calls."""
    types: Mapping[str, int]
    """CloudTrail resource type -> data events of it, by one example of each event."""


class Totals(msgspec.Struct):
    """What was counted of all callers. Counters, numbers and lists add up; `first` and `last` widen."""

    roles: Counter[RoleKey] = msgspec.field(default_factory=Counter)
    """Events of each role, the copies that other accounts received left out."""
    ignored: Counter[str] = msgspec.field(default_factory=Counter)
    """Reason -> records that are no calls, or are not counted."""
    principals: Counter[str] = msgspec.field(default_factory=Counter)
    """userIdentity.type -> events of callers that are not roles."""
    days: Counter[str] = msgspec.field(default_factory=Counter)
    regions: Counter[str] = msgspec.field(default_factory=Counter)
    data_types: Counter[str] = msgspec.field(default_factory=Counter)
    """CloudTrail resource type -> data events of it."""
    management: Counter[str] = msgspec.field(default_factory=Counter)
    """``read`` and ``write`` -> management events."""
    account_days: Counter[str] = msgspec.field(default_factory=Counter)
    """``ACCOUNT DATE`` -> records delivered to an account; empty where a source gives sums only."""
    region_days: Counter[str] = msgspec.field(default_factory=Counter)
    """``REGION DATE`` -> events of any caller; empty where a source gives sums only."""
    facts: Counter[Fact] = msgspec.field(default_factory=Counter)
    """What records of any caller tell of names in other records -> how many do."""
    change_events: list[ChangeEvent] = msgspec.field(default_factory=list)
    created: Counter[str] = msgspec.field(default_factory=Counter)
    """``SOURCE NAME`` -> events that made what roles connect to (`catalog.reach`), of any time."""
    records: int = 0
    """Records that were read, duplicates included."""
    duplicates: int = 0
    searched: int = 0
    """Files of which only the records that a role needs were counted one by one: the totals lack other callers."""
    first: str = ""
    """Time of the earliest event, ISO 8601 in UTC; "" where there is none."""
    last: str = ""

    def merge(self, other: Totals) -> None:
        """Add the totals of other records."""
        for name in _COUNTERS:
            getattr(self, name).update(getattr(other, name))
        for name in (*_NUMBERS, *_LISTS):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.first = min(filter(None, (self.first, other.first)), default="")
        self.last = max(self.last, other.last)

    def subtract(self, other: Totals) -> None:
        """Subtract the totals of records that are counted elsewhere too: here they become duplicates."""
        for name in _COUNTERS:
            getattr(self, name).subtract(getattr(other, name))
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) - getattr(other, name))
        for name in _LISTS:
            setattr(self, name, [*(Counter(getattr(self, name)) - Counter(getattr(other, name))).elements()])
        self.records += other.records  # they were read all the same
        self.duplicates += other.records

    def add_change_event(self, record: Record, time: str) -> None:
        """Keep a record that changes what the logs show, count one that makes something; pass over any other."""
        source, name = record.eventSource or "", record.eventName or ""
        names = _CHANGES.get(source)
        if names and names.fullmatch(name):
            self.change_events.append(_change_event(record, time))
        elif _makes(record):
            self.created[f"{source} {strip_version(name)}"] += 1

    def learn(self, record: Record, caller: Principal, params: bytes) -> None:
        """Note what a record tells of the names in other records; nothing if its call failed.

        Args:
            record: the record.
            caller: who called.
            params: its requestParameters, JSON as delivered.
        """
        if b":role/" not in params:
            for rule in learn_rules(record.eventSource or "", record.eventName or ""):
                if rule.text in params:
                    break
            else:
                return
        if not record.errorCode and not caller.is_cross_account_copy:
            self.facts.update(_facts_of(record, caller))

    def add_others(self, others: Others, until: WindowEnd | None) -> None:
        """Add what records of a file tell that no selected role needs; those after the window do not count."""
        self.searched += 1
        times = [time for time in others.times if not until.excludes(time)] if until else others.times
        if times:
            self.first, self.last = min(self.first or "~", *times), max(self.last, *times)
        for (day, region, account, is_data, read_only), events in others.kinds.items():
            if until and until.excludes(f"{day}T00:00:00Z"):
                continue
            shown = clean_word(region)
            self.days[day] += events
            self.account_days[f"{clean_word(account)} {day}"] += events
            self.regions[shown] += events
            self.region_days[f"{shown} {day}"] += events
            if not is_data:
                self.management["read" if read_only else "write"] += events
        self.data_types.update(others.types)

    def to_json(self) -> bytes:
        """Return the totals as JSON; a counter is a list of pairs, for its keys need not be texts."""
        values = msgspec.structs.asdict(self)
        return msgspec.json.encode(
            {name: sorted(value.items()) if name in _COUNTERS else value for name, value in values.items()}
        )

    @classmethod
    def from_json(cls, data: bytes | msgspec.Raw) -> Totals:
        """Return the totals that `to_json` wrote.

        Raises:
            msgspec.ValidationError: something else is in the text.
        """
        return msgspec.json.decode(data, type=cls, dec_hook=_counter)


def _fields_of(kind: type) -> tuple[str, ...]:
    fields = msgspec.structs.fields(Totals)
    return tuple(field.name for field in fields if (get_origin(field.type) or field.type) is kind)


_COUNTERS, _NUMBERS, _LISTS = _fields_of(Counter), _fields_of(int), _fields_of(list)


def _counter(kind: Any, pairs: Any) -> Counter[Any]:
    """Return a counter of a type such as ``Counter[str]`` from its pairs."""
    (key,) = get_args(kind)
    return Counter(dict(msgspec.convert(pairs, list[tuple[key, int]])))  # type: ignore[valid-type]


def _facts_of(record: Record, caller: Principal) -> Iterator[Fact]:
    region = clean_word(record.awsRegion)
    call = Call(
        source=clean_word(record.eventSource),
        name=clean_word(record.eventName),
        region=region,
        account=caller.account,
        partition=partition_of(region),
        params={**parameters(record.requestParameters), RESPONSE: parameters(record.responseElements)},
        resources=resources_of(record.resources),
    )
    for fact in facts_of(call):
        if max(map(len, fact)) <= LONGEST_ARN and all(text.isascii() and text.isprintable() for text in fact):
            yield fact


def _change_event(record: Record, time: str) -> ChangeEvent:
    return ChangeEvent(
        time,
        clean_word(record.eventSource),
        clean_word(record.eventName),
        clean_word(record.awsRegion),
        clean_word(record.recipientAccountId),
        sorted_parameters(bytes(record.requestParameters)),
        clean_word(record.errorCode),
        sanitize(record.eventID, 128),
    )
