"""Calls, and the evidence of them: what remains of events when all that IAM cannot see is taken away.

Evidence is a sum, so that the order, the splitting and the repetition of files cannot change it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import msgspec

from policygen.access import Call, Denial, ResourceEntry
from policygen.arn import partition_of
from policygen.catalog.projection import project
from policygen.events import Event, Principal, Said, parameters, partition_of_arn
from policygen.outcome import Outcome
from policygen.user import User, user_of

SAMPLES = 5
"""Event ids, sessions and user agents kept with a call: enough to look it up, few enough to stay small."""


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
    addresses: frozenset[str] = frozenset()
    """sourceIPAddress: an address, or the name of a service."""
    weak: int = 0
    """Events of the count that may have failed before the permission was looked at (1.10.4)."""

    def __add__(self, other: Evidence) -> Evidence:
        return Evidence(
            count=self.count + other.count,
            first=min(self.first, other.first),
            last=max(self.last, other.last),
            days=self.days | other.days,
            samples=tuple(sorted({*self.samples, *other.samples})[:SAMPLES]),
            sessions=few(self.sessions | other.sessions),
            agents=few(self.agents | other.agents),
            addresses=few(self.addresses | other.addresses),
            weak=self.weak + other.weak,
        )

    def taken_back(self) -> Evidence:
        """What takes this out of a sum that holds it twice, when it is added: the rest is there anyway."""
        return msgspec.structs.replace(self, count=-self.count, weak=-self.weak)

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
        days=at_most_one(day),
        samples=((event.time, event.id),),
        sessions=at_most_one(event.principal.session),
        agents=at_most_one(event.user_agent),
        addresses=at_most_one(event.address),
        weak=int(event.outcome is Outcome.WEAK),
    )


def few(texts: frozenset[str]) -> frozenset[str]:
    """The first of some texts, at most `SAMPLES`."""
    return texts if len(texts) <= SAMPLES else frozenset(sorted(texts)[:SAMPLES])


def total(evidence: Iterable[Evidence]) -> Evidence | None:
    """The sum, or None of nothing."""
    result: Evidence | None = None
    for one in evidence:
        result = one if result is None else result + one
    return result


class CallId(msgspec.Struct, frozen=True, gc=False, array_like=True, cache_hash=True):
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


def _identifying(source: str, name: str, params: bytes) -> bytes:
    """Canonical JSON of the parameters that identify what a call touched."""
    return _encode(project(source, name, parameters(params), arns=b'"arn:' in params))


_remembered = lru_cache(maxsize=16384)(_identifying)


def call_id(event: Event) -> CallId:
    """The call an event belongs to."""
    return call_of(event.said, event.principal, event.denial, bytes(event.params), event.resources)


def call_of(
    said: Said, who: Principal, denial: Denial | None, params: bytes, resources: tuple[ResourceEntry, ...]
) -> CallId:
    """The call an event belongs to that says this.

    Args:
        said: its words.
        who: its caller.
        denial: what it says of a denial.
        params: its requestParameters, JSON as delivered.
        resources: its resources.
    """
    arn = (who.role.arn if who.role else "") or next((r.arn for r in resources), "")
    # The calls of a workload repeat; what is long seldom does.
    known = (_remembered if len(params) < 512 else _identifying)(said.source, said.name, params)
    return CallId(
        said.source,
        said.name,
        said.region,
        who.account,
        partition_of_arn(arn) if arn else partition_of(said.region),
        said.outcome,
        said.error,
        denial,
        said.via,
        said.vpce,
        known,
        resources,
    )


class CallKey(msgspec.Struct, frozen=True, gc=False, array_like=True, cache_hash=True):
    """What is added up apart: a call, the day in UTC, and who used the role's credentials in what manner."""

    call: CallId
    day: str
    user: User


Calls = dict[CallKey, Evidence]


def count_in(calls: Calls, key: CallKey, evidence: Evidence) -> None:
    """Adds evidence of a call to what there is of it."""
    old = calls.get(key)
    calls[key] = evidence if old is None else old + evidence


def call_key(event: Event) -> CallKey:
    """What an event is added up under."""
    who = event.principal
    user = user_of(
        who.function, who.session, event.user_agent, event.said.via, event.outside, event.presigned
    )
    return CallKey(call_id(event), event.time[:10], user)


@lru_cache(maxsize=8192)
def at_most_one(text: str) -> frozenset[str]:
    """A text as a set; the empty set for none."""
    return frozenset((text,)) if text else frozenset()
