"""Counting records in groups: most records of a workload repeat others in all but time, address and eventID.

Each group of such records is read once: who called what, and how. Parameters and resources are read once per
distinct value within a group. The result is what adding up the records one by one would give.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator

from policygen.iam.request import RoleKey
from policygen.logs.calls.call import CallBucket, call_of
from policygen.logs.calls.dedup import like_digests
from policygen.logs.calls.evidence import SAMPLES, Evidence, sample, singleton
from policygen.logs.events.credentials import credential_use_of
from policygen.logs.events.event import (
    SkippedRecord,
    agent_of,
    denial_in,
    is_from_console,
    is_from_ip_address,
    is_presigned,
    normalize,
    principal_or_skip,
    resources_of,
)
from policygen.logs.events.event_time import utc_time
from policygen.logs.events.outcome import Outcome
from policygen.logs.events.principal import Principal
from policygen.logs.events.record import Record, Resource
from policygen.text import clean_word, sanitize

MANY = 64
"""Addresses that a count holds before it drops all but a few."""

Touched = tuple[bytes, tuple[Resource, ...] | None]
"""Tells the counts of a group apart: requestParameters as delivered, and resources."""


class GroupCount:
    """How many records of a group touched the same, when, and from which addresses."""

    __slots__ = ("addresses", "count", "first", "last", "samples")

    def __init__(self) -> None:
        self.count = 0
        self.first = self.last = ""
        self.samples: list[tuple[str, str]] = []
        self.addresses: set[str | None] = set()

    def tally(self, time: str) -> None:
        """Count a record by its eventTime, where no more is needed of it."""
        self.count += 1
        if time > self.last:  # noqa: PLR1730 - max() takes twice as long, and there are millions
            self.last = time
        if time < self.first or not self.first:
            self.first = time

    def add(self, time: str, event_id: str | None, address: str | None) -> None:
        """Count a record by its eventTime, and its eventID and sourceIPAddress as delivered."""
        self.tally(time)
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
        """Return the first few addresses, cleaned."""
        if len(self.addresses) == 1:
            return singleton(clean_word(next(iter(self.addresses))))
        return sample(frozenset([clean_word(one) for one in self.addresses if one]))


class EventGroup:
    """Records of one day with the same caller, operation and outcome, made through the same channel.

    Attributes:
        digests: `like_digests` of each record.
        caller: who called, or why these records are no calls.
        day: date in UTC.
        account: the account that the records were delivered to.
        is_data: whether they are data events.
        read_only: whether they only read.
        selected: whether the role's calls are kept, so that more than the number of events is needed.
        counts: a count for all records that touched the same.
    """

    __slots__ = (
        "account", "agent", "caller", "counts", "day", "denial", "digests", "fields", "is_data", "read_only", "region",
        "selected", "user",
    )  # fmt: skip

    def __init__(self, record: Record, select: Callable[[RoleKey], bool]) -> None:
        """Read one record for the whole group; `select` says which roles' calls are kept."""
        self.digests = like_digests(record)
        self.caller: Principal | SkippedRecord = principal_or_skip(record)
        self.selected = False
        self.counts: dict[Touched, GroupCount] = {}
        if isinstance(self.caller, SkippedRecord):
            return
        self.day = utc_time(record.eventTime or "")[:10]
        self.account = clean_word(record.recipientAccountId)
        self.region = clean_word(record.awsRegion)
        self.is_data = record.eventCategory == "Data"
        self.read_only = bool(record.readOnly)
        caller = self.caller
        if caller.role is None or caller.is_cross_account_copy or not select(caller.role):
            return
        self.selected = True
        self.fields = normalize(record)
        self.denial = denial_in(record, self.fields)
        self.agent = agent_of(record)
        self.user = credential_use_of(
            caller.function,
            caller.session,
            self.agent,
            self.fields.via,
            is_from_ip_address(record),
            is_presigned(record),
            is_from_console(record),
        )

    def calls(self, caller: Principal) -> Iterator[tuple[CallBucket, Evidence]]:
        """Give the caller's calls with their evidence; the same call may come several times."""
        weak = self.fields.outcome is Outcome.WEAK
        days, sessions, agents = singleton(self.day), singleton(caller.session), singleton(self.agent)
        for (params, resources), count in self.counts.items():
            call = call_of(self.fields, caller, self.denial, params, resources_of(resources))
            evidence = Evidence(
                count.count,
                count.first,
                count.last,
                days,
                tuple(count.samples),
                sessions,
                agents,
                count.few_addresses(),
                count.count if weak else 0,
            )
            yield CallBucket(call, self.day, self.user), evidence
