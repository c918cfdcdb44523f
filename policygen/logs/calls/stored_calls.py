"""Calls as they are written to disk: what many of them have in common once, and shared in memory when they are read.

A role makes the same call on thirty days, from the same session and the same address. Written one by one, each day
would bring objects of its own for all of that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from policygen.logs.calls.call import CallBucket, CallSignature
from policygen.logs.calls.evidence import Evidence
from policygen.logs.events.credentials import CredentialUse

Part = TypeVar("Part")


class _StoredCall(msgspec.Struct, gc=False, array_like=True):
    """A bucket and its evidence; what is a number in them stands in a list of `StoredCalls`."""

    call: int
    day: str
    user: int
    count: int
    first: str
    last: str
    days: int
    samples: tuple[tuple[str, str], ...]
    sessions: int
    agents: int
    addresses: int
    weak: int
    names: bytes


class StoredCalls(msgspec.Struct, gc=False, array_like=True):
    """Calls of one role."""

    calls: list[CallSignature]
    users: list[CredentialUse]
    sets: list[frozenset[str]]
    """Days, sessions, user agents and addresses."""
    rows: list[_StoredCall]


def stored_calls(counted: Iterable[tuple[CallBucket, Evidence]]) -> StoredCalls:
    """Return calls as they are written."""
    calls: dict[CallSignature, int] = {}
    users: dict[CredentialUse, int] = {}
    sets: dict[frozenset[str], int] = {}
    rows = [
        _StoredCall(
            calls.setdefault(bucket.call, len(calls)),
            bucket.day,
            users.setdefault(bucket.user, len(users)),
            one.count,
            one.first,
            one.last,
            sets.setdefault(one.days, len(sets)),
            one.samples,
            sets.setdefault(one.sessions, len(sets)),
            sets.setdefault(one.agents, len(sets)),
            sets.setdefault(one.addresses, len(sets)),
            one.weak,
            one.names,
        )
        for bucket, one in counted
    ]
    return StoredCalls(list(calls), list(users), list(sets), rows)


class CallReader:
    """Returns stored calls; equal parts of all that it read are one object."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: dict[Any, Any] = {}

    def read(self, stored: StoredCalls) -> Iterator[tuple[CallBucket, Evidence]]:
        """Give each bucket with its evidence."""
        calls = [self._call(one) for one in stored.calls]
        users, sets = self._shared(stored.users), self._shared(stored.sets)
        share = self._parts.setdefault
        for row in stored.rows:
            first, last, samples = row.first, row.last, row.samples
            if last == first and len(samples) == 1:  # most calls were made once on a day
                samples = ((first, samples[0][1]),) if samples[0][0] == first else samples
                last = first
            yield (
                CallBucket(calls[row.call], share(row.day, row.day), users[row.user]),
                Evidence(
                    row.count,
                    first,
                    last,
                    sets[row.days],
                    samples,
                    sets[row.sessions],
                    sets[row.agents],
                    sets[row.addresses],
                    row.weak,
                    row.names,
                ),
            )

    def _shared(self, some: list[Part]) -> list[Part]:
        share = self._parts.setdefault
        return [share(one, one) for one in some]

    def _call(self, call: CallSignature) -> CallSignature:
        """Return the one object for a call; those of one operation and place share the texts of these."""
        parts = self._parts
        known: CallSignature | None = parts.get(call)
        if known is None:
            texts = (call.source, call.name, call.region, call.account, call.partition)
            source, name, region, account, partition = parts.setdefault(texts, texts)
            known = CallSignature(
                source,
                name,
                region,
                account,
                partition,
                call.outcome,
                call.error,
                call.denial,
                call.via,
                call.vpce,
                call.params,
                call.resources,
                call.folded,
            )
            parts[known] = known
        return known
