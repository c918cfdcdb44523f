"""Records that differ in nothing that is kept apart, counted together before anything is made of them.

Most records of a workload say the same again. Who called what, and how, is read once for each *kind* of record; what it
touched, once for each tally of that kind. What comes out is what adding up record by record would give.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator

from policygen.iam.request import RoleKey
from policygen.logs.calls.call import CallBucket, call_of
from policygen.logs.calls.evidence import SAMPLES, Evidence, sample, singleton
from policygen.logs.events.credentials import credential_use_of
from policygen.logs.events.event import (
    SkippedRecord,
    agent_of,
    denial_in,
    is_from_ip_address,
    is_presigned,
    normalize,
    principal_or_skip,
    resources_of,
)
from policygen.logs.events.outcome import Outcome
from policygen.logs.events.principal import Principal
from policygen.logs.events.record import Record, Resource
from policygen.text import clean_word, sanitize

MANY = 64
"""Addresses of one tally that are held before all but few are dropped."""

Touched = tuple[bytes, tuple[Resource, ...] | None]
"""What tells the tallies of a kind apart: requestParameters as delivered, and resources."""


class GroupCount:
    """How often and when, of records that differ in nothing else that is kept."""

    __slots__ = ("addresses", "count", "first", "last", "samples")

    def __init__(self) -> None:
        self.count = 0
        self.first = self.last = ""
        self.samples: list[tuple[str, str]] = []
        self.addresses: set[str | None] = set()

    def add(self, time: str, event_id: str | None, address: str | None) -> None:
        """Counts a record: its eventTime, and eventID and sourceIPAddress as delivered."""
        self.count += 1
        if time > self.last:  # noqa: PLR1730 - max() takes twice as long, and there are millions
            self.last = time
        if time < self.first or not self.first:
            self.first = time
        samples = self.samples
        if len(samples) < SAMPLES or time <= samples[-1][0]:
            sample = (time, sanitize(event_id, 128))
            if sample not in samples:
                insort(samples, sample)
                del samples[SAMPLES:]
        if address not in self.addresses:
            self.addresses.add(address)
            if len(self.addresses) > MANY:
                self.addresses = set(self.few_addresses())

    def few_addresses(self) -> frozenset[str]:
        """The addresses that are kept, cleaned."""
        if len(self.addresses) == 1:
            return singleton(clean_word(next(iter(self.addresses))))
        return sample(frozenset([clean_word(one) for one in self.addresses if one]))


class EventGroup:
    """Records of the same caller, operation, outcome and day, made in the same manner.

    Attributes:
        caller: who called, or why these records are no calls.
        day: date in UTC.
        account: that the records were delivered to.
        data: whether they are data events.
        reads: whether they only read.
        kept: whether the calls are kept one by one, and not just counted.
        tallies: what was counted.
    """

    __slots__ = (
        "account", "agent", "caller", "data", "day", "denial", "kept", "reads", "region", "said", "tallies", "user",
    )  # fmt: skip

    def __init__(self, record: Record, select: Callable[[RoleKey], bool]) -> None:
        """Reads a record for all of its kind; `select` says which roles' calls are kept one by one."""
        self.caller: Principal | SkippedRecord = principal_or_skip(record)
        self.kept = False
        self.tallies: dict[Touched, GroupCount] = {}
        if isinstance(self.caller, SkippedRecord):
            return
        self.day = (record.eventTime or "")[:10]
        self.account = clean_word(record.recipientAccountId)
        self.region = clean_word(record.awsRegion)
        self.data = record.eventCategory == "Data"
        self.reads = bool(record.readOnly)
        who = self.caller
        if who.role is None or who.is_cross_account_copy or not select(who.role):
            return
        self.kept = True
        self.said = normalize(record)
        self.denial = denial_in(record, self.said)
        self.agent = agent_of(record)
        self.user = credential_use_of(
            who.function,
            who.session,
            self.agent,
            self.said.via,
            is_from_ip_address(record),
            is_presigned(record),
        )

    def calls(self, who: Principal) -> Iterator[tuple[CallBucket, Evidence]]:
        """The calls of the caller that were counted, and their evidence; a call may come more than once."""
        weak = self.said.outcome is Outcome.WEAK
        days, sessions, agents = singleton(self.day), singleton(who.session), singleton(self.agent)
        for (params, resources), tally in self.tallies.items():
            call = call_of(self.said, who, self.denial, params, resources_of(resources))
            evidence = Evidence(
                tally.count,
                tally.first,
                tally.last,
                days,
                tuple(tally.samples),
                sessions,
                agents,
                tally.few_addresses(),
                tally.count if weak else 0,
            )
            yield CallBucket(call, self.day, self.user), evidence
