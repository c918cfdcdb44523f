"""How often and when something was seen. Evidence adds up, in any order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from heapq import nsmallest

import msgspec

from policygen.logs.calls.distinct import number_of, union
from policygen.logs.events.event import Event
from policygen.logs.events.outcome import Outcome

SAMPLES = 5
"""eventIDs, sessions, user agents and addresses that are kept with a call: enough to look it up, and small."""


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """How often, when and by whom something was seen; the sum of two is the evidence of both together."""

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
    """Events of the count that may have failed before the permission was checked (1.10.4)."""
    names: bytes = b""
    """The count (`distinct`) of names that are not known one by one; b"" where all are."""

    def __add__(self, other: Evidence) -> Evidence:
        return Evidence(
            count=self.count + other.count,
            first=min(self.first, other.first),
            last=max(self.last, other.last),
            days=self.days | other.days,
            samples=tuple(sorted({*self.samples, *other.samples})[:SAMPLES]),
            sessions=sample(self.sessions | other.sessions),
            agents=sample(self.agents | other.agents),
            addresses=sample(self.addresses | other.addresses),
            weak=self.weak + other.weak,
            names=union((self.names, other.names)) if self.names or other.names else b"",
        )

    @property
    def name_count(self) -> int:
        """About how many names were counted together (exactly, if few); 0 where each is known."""
        return min(number_of(self.names), self.count)

    def negated(self) -> Evidence:
        """Return the evidence that, when added, takes this out of a sum that holds it twice."""
        return msgspec.structs.replace(self, count=-self.count, weak=-self.weak)

    @property
    def event_ids(self) -> tuple[str, ...]:
        """eventIDs to look up in the log."""
        return tuple(event_id for _, event_id in self.samples)


def evidence_of(event: Event, day: str) -> Evidence:
    """Return the evidence of one event."""
    return Evidence(
        count=1,
        first=event.time,
        last=event.time,
        days=singleton(day),
        samples=((event.time, event.id),),
        sessions=singleton(event.principal.session),
        agents=singleton(event.user_agent),
        addresses=singleton(event.address),
        weak=int(event.outcome is Outcome.WEAK),
    )


def sample(texts: frozenset[str]) -> frozenset[str]:
    """Return the first of some texts, at most `SAMPLES`."""
    return texts if len(texts) <= SAMPLES else frozenset(sorted(texts)[:SAMPLES])


_NONE: frozenset[str] = frozenset()


def sum_of(parts: Sequence[Evidence]) -> Evidence:
    """Return the sum of one or more, in one step: there may be many."""
    if len(parts) == 1:
        return parts[0]
    return Evidence(
        count=sum([one.count for one in parts]),
        first=min([one.first for one in parts]),
        last=max([one.last for one in parts]),
        days=_NONE.union(*[one.days for one in parts]),
        samples=tuple(nsmallest(SAMPLES, {found for one in parts for found in one.samples})),
        sessions=sample(_NONE.union(*[one.sessions for one in parts])),
        agents=sample(_NONE.union(*[one.agents for one in parts])),
        addresses=sample(_NONE.union(*[one.addresses for one in parts])),
        weak=sum([one.weak for one in parts]),
        names=union([one.names for one in parts if one.names]),
    )


def sum_evidence(evidence: Iterable[Evidence]) -> Evidence | None:
    """Return the sum, or None where there is no evidence."""
    total: Evidence | None = None
    for part in evidence:
        total = part if total is None else total + part
    return total


@lru_cache(maxsize=8192)
def singleton(text: str) -> frozenset[str]:
    """Return a text as a set, the empty set for ""."""
    return frozenset((text,)) if text else frozenset()
