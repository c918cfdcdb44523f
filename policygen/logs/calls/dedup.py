"""Undoing duplicates, so that every call counts once however often and wherever it was logged.

**A duplicate** is a record that was read before: CloudTrail may deliver an event again, in the same file or in one that
it publishes within the next days (2.1.2, 2.1.7). Two records are the same if their eventID and all that policygen reads
of them agree; what tells two deliveries apart (an addendum, the response, TLS) is not read. Two records of one eventID
that say different things are two records: neither may hide the other, whichever comes first. `DuplicateFilter` admits a
record once.

**A cross-account copy** is another record of the same call: where a role touches a resource of another account, both
accounts' trails log the call, under eventIDs of their own and one sharedEventID (1.4.4). The copy counts only where
the caller's own record was not delivered, which is known when everything was read: `CrossAccountCopies` holds it
until then. Where calls wait on disk, so do copies (`spill`).

**Days rotate**: the filter forgets keys that are older than `DAYS_REMEMBERED` days of publication, so that memory does
not grow with the length of the log. The keys of busy days are packed (`key_table`).

**Locations** are kept with the keys. Chunks of files may be counted in several processes, none of which knows what the
others read. Where a chunk turns out to hold records that were counted already, only the files of these records are
read once more; their count is then subtracted from the chunk's (`CallCounts.subtract`). The cache keeps each chunk
without such records instead, so it reads the whole chunk again, with their keys as `counted_elsewhere`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Protocol
from zlib import crc32

import msgspec

from policygen.logs.calls.key_table import CAN_PACK, KeyTable
from policygen.logs.events.event import Event, is_from_ip_address, is_presigned, sorted_parameters
from policygen.logs.events.event_time import is_plain_clock, utc_time
from policygen.logs.events.record import ABSENT, Record, Resource
from policygen.logs.events.record_table import CommonFields, common_of

DAYS_REMEMBERED = 3
"""Days of publication whose records are remembered."""


LikeFields = tuple[Any, ...]
"""What `like_fields` returns."""


def like_fields(record: Record, day: str) -> LikeFields:
    """Return all that is read of a record but the time, address, ids, parameters and resources: records repeat it."""
    return (
        record.userIdentity,
        record.eventSource,
        record.eventName,
        record.errorCode,
        record.errorMessage,
        day,
        record.awsRegion,
        record.userAgent,
        record.recipientAccountId,
        record.vpcEndpointId,
        record.eventType,
        record.eventCategory,
        record.readOnly,
        is_from_ip_address(record),
        record.additionalEventData is not ABSENT and is_presigned(record),
        record.sessionCredentialFromConsole,
    )


def record_key(
    event_id: str,
    time: str,
    address: str | None,
    caller: str,
    common: str,
    place: str,
    agent: str,
    params: str,
    resources: str,
    more: str,
) -> str:
    """Return what identifies a record: its eventID, and a hash of all that is read of it.

    Few records share an eventID, so 32 bits tell them apart.

    Args:
        event_id: eventID, which a record without one has no key of; see `key_of`.
        time: as `utc_time` returns it; as delivered where that is "".
        address: sourceIPAddress.
        caller: digest of userIdentity.
        common: digest of the common fields.
        place: digest of awsRegion, recipientAccountId and vpcEndpointId.
        agent: digest of userAgent.
        params: digest of requestParameters.
        resources: digest of resources.
        more: `digest_of_more` of what few records have.
    """
    text = f"{caller}{common}{place}{agent}{params}{resources}{more} {time} {address}"
    return f"{event_id}{crc32(_bytes(text)):08x}"


def _bytes(text: str) -> bytes:
    return text.encode() if text.isascii() else text.encode(errors="surrogatepass")


def digest_of(value: object) -> str:
    """Return a short hash of a value of a record, the same in every process."""
    return f"{crc32(_packed(value)):08x}"


def digest_of_common(fields: Record | CommonFields) -> str:
    """Return the digest of the common fields, of these or of a record."""
    return digest_of(common_of(fields))


def digest_of_params(params: bytes) -> str:
    """Return a digest of parameters that does not depend on white space and order, in which deliveries may differ."""
    return f"{crc32(sorted_parameters(params)):08x}"


def digest_of_resources(resources: Sequence[Resource] | None) -> str:
    """Return the digest of resources; "" for none."""
    if not resources:
        return ""
    return digest_of([(one.ARN, one.type, one.accountId or one.accountid) for one in resources])


def digest_of_more(shared_id: str | None, message: str | None, presigned: bool) -> str:
    """Return the digest of what few records have; "" for those that have none of it."""
    return digest_of((shared_id, message, presigned)) if shared_id or message or presigned else ""


def key_of(record: Record) -> str:
    """Return the key of a record; one without an eventID is told apart by a longer hash alone."""
    time = record.eventTime or ""
    if not is_plain_clock(time, 10):  # as in `CallCounts.add_all`, which keeps a day that no calendar has
        time = utc_time(time)
    return key_at(record, time, like_digests(record))


LikeDigests = tuple[str, str, str, str]
"""What `like_digests` returns."""


def like_digests(record: Record) -> LikeDigests:
    """Return the digests of what like records have in common: caller, common fields, place, agent."""
    return (
        digest_of(record.userIdentity),
        digest_of_common(record),
        digest_of((record.awsRegion, record.recipientAccountId, record.vpcEndpointId)),
        digest_of(record.userAgent),
    )


def key_at(record: Record, time: str, like: LikeDigests) -> str:
    """Return the key of a record whose time, as `utc_time` returns it, and `like_digests` are known."""
    if not record.eventID:
        return _long_key(record, time)
    params = bytes(record.requestParameters)
    return record_key(
        record.eventID,
        time or record.eventTime or "",
        record.sourceIPAddress,
        *like,
        _params_cached(params) if len(params) < _CACHED else digest_of_params(params),
        digest_of_resources(record.resources),
        digest_of_more(record.sharedEventID, record.errorMessage, is_presigned(record)),
    )


def _long_key(record: Record, time: str) -> str:
    """Return a key for a record without an eventID, which the hash alone has to tell apart."""
    resources = [(one.ARN, one.type, one.accountId or one.accountid) for one in record.resources or ()]
    rest = repr(
        (
            time or record.eventTime or "",
            record.sourceIPAddress,
            record.sharedEventID,
            resources,
            like_fields(record, time[:10]),
        )
    )
    return blake2b(
        sorted_parameters(bytes(record.requestParameters)) + rest.encode(errors="surrogatepass"),
        digest_size=16,
    ).hexdigest()


_pack = msgspec.msgpack.Encoder().encode
_CACHED = 1024
"""Bytes of parameters that are not cached: longer ones seldom repeat."""


def _packed(value: object) -> bytes:
    try:
        return _pack(value)
    except ValueError:  # a lone surrogate
        return repr(value).encode(errors="surrogatepass")


_params_cached = lru_cache(maxsize=16384)(digest_of_params)


class KnownKeys(Protocol):
    """Keys of records, of which one can be asked for."""

    def __contains__(self, key: object, /) -> bool:
        """Return whether a key is among them."""

    def isdisjoint(self, keys: Iterable[str], /) -> bool:
        """Return whether none of some keys is among them."""


ROOM = 50_000
"""Keys of a day that are held as they are, some 7 MB."""


class DuplicateFilter:
    """The keys of the records that were read lately, each with the location of its file.

    Attributes:
        location: of the file whose records are admitted now.
        counted_elsewhere: keys of records that another count has: they are duplicates here.
        skipped: those of them that were met.
    """

    __slots__ = ("_days", "_table", "counted_elsewhere", "location", "skipped")

    def __init__(self, counted_elsewhere: KnownKeys = frozenset()) -> None:
        self.location = ""
        self.counted_elsewhere = counted_elsewhere
        self.skipped: set[str] = set()
        self._days: list[dict[str, str]] = [{}]
        """Key -> location, of a day of publication each; the newest last."""
        self._table: KeyTable | None = None
        """Further keys of the same days, packed."""

    def __contains__(self, key: object) -> bool:
        """Return whether a record was read lately."""
        return isinstance(key, str) and self._location(key) is not None

    def isdisjoint(self, keys: Iterable[str]) -> bool:
        """Return whether none of some records was read lately."""
        some = frozenset(keys)
        return all(day.keys().isdisjoint(some) for day in self._days) and (
            self._table is None or self._table.isdisjoint(some)
        )

    def admit(self, key: str) -> bool:
        """Return whether a record is read for the first time, and remember it."""
        for day in self._days:
            if key in day:
                return False
        if self._table and self._table.location(key) is not None:
            return False
        if key in self.counted_elsewhere:
            self.skipped.add(key)
            return False
        self._days[-1][key] = self.location
        return True

    def admit_all(self, keys: Sequence[str]) -> list[bool] | None:
        """Admit the records of a file; return what `admit` returns of each, or None where all are new."""
        some = frozenset(keys)
        if len(some) == len(keys) and self.isdisjoint(some) and self.counted_elsewhere.isdisjoint(some):
            self._days[-1] |= dict.fromkeys(keys, self.location)
            return None
        return [self.admit(key) for key in keys]

    def rotate(self) -> None:
        """Begin a new day of publication, and forget the oldest; the first is of files whose day is not known."""
        if self._table:
            self._pack_into(self._table)
            self._table.rotate()
        self._days.append({})
        if len(self._days) > 1 + DAYS_REMEMBERED:
            del self._days[1]
            if self._table:
                self._table.forget(1)

    def pack(self) -> None:
        """Hold the keys in less memory, from the first busy day on; `keys` has no packed ones."""
        if self._table:
            self._pack_into(self._table)
        elif CAN_PACK and len(self._days[-1]) > ROOM:
            self._table = KeyTable()
            for day in self._days[:-1]:
                self._table.add(day)
                self._table.rotate()
                day.clear()
            self._pack_into(self._table)

    def _pack_into(self, table: KeyTable) -> None:
        """Pack the keys of the newest day, the only one that has others."""
        table.add(self._days[-1])
        self._days[-1] = {}

    def forget(self) -> None:
        """Forget all records: everything was read, and the calls may need the memory."""
        self._days, self._table = [{}], None

    @property
    def keys(self) -> frozenset[str]:
        """Keys of the records read lately, of a filter that was never told to `pack`."""
        return frozenset[str]().union(*self._days)

    def seen(self, keys: frozenset[str]) -> frozenset[str]:
        """Return those of the keys whose records were read lately."""
        found = frozenset[str]().union(*(keys.intersection(day) for day in self._days))
        table = self._table
        if table is None or table.isdisjoint(keys):
            return found
        return found.union(key for key in keys if table.location(key) is not None)

    def locations(self, keys: Iterable[str]) -> set[str]:
        """Return the locations of the files that hold the records of these keys."""
        return {one for one in map(self._location, keys) if one is not None}

    def _location(self, key: str) -> str | None:
        held = next((day[key] for day in self._days if key in day), None)
        return self._table.location(key) if held is None and self._table else held

    def add(self, keys: frozenset[str]) -> None:
        """Remember records that were counted elsewhere, in no known location."""
        self._days[-1] |= dict.fromkeys(keys, "")

    def merge(self, other: DuplicateFilter) -> None:
        """Remember the records of another filter, which was never told to `pack`, as records of the newest day."""
        for day in other._days:
            self._days[-1] |= day


class CrossAccountCopies(msgspec.Struct):
    """Copies of calls that accounts other than the caller's received, until it is known which of them count."""

    own: set[str] = msgspec.field(default_factory=set)
    """sharedEventIDs of calls whose own record was read, in the caller's account."""
    copies: dict[str, dict[str, Event]] = msgspec.field(default_factory=dict)
    """sharedEventID, or the record's key where there is none -> the record's key -> the copy."""

    @property
    def size(self) -> int:
        """How many sharedEventIDs and calls it holds."""
        return len(self.own) + len(self.copies)

    def add(self, event: Event, key: str) -> None:
        """Hold a copy by the key of its record."""
        # The raw parameters share the memory of the file: copied, or the file would stay in memory.
        event = msgspec.structs.replace(event, params=msgspec.Raw(bytes(event.params)))
        self.copies.setdefault(event.shared_id or key, {})[key] = event

    def merge(self, other: CrossAccountCopies) -> None:
        """Hold the copies of another count too."""
        self.own |= other.own
        for shared_id, events in other.copies.items():
            self.copies.setdefault(shared_id, {}).update(events)

    def subtract(self, other: CrossAccountCopies) -> None:
        """Forget copies that another count holds too."""
        for shared_id, events in other.copies.items():
            mine = self.copies.get(shared_id, {})
            for key in events.keys() & mine.keys():
                del mine[key]

    def settle(self) -> int:
        """Forget the copies of calls whose own record was read, and return how many there were."""
        return sum(len(self.copies.pop(shared_id)) for shared_id in self.copies.keys() & self.own)

    def resolve(self) -> Iterator[tuple[Event, bool]]:
        """Give each copy, in the order of ids, and whether the own record of its call was read; forget all of them."""
        copies, self.copies = self.copies, {}
        for shared_id in sorted(copies):
            for key in sorted(copies[shared_id]):
                yield copies[shared_id][key], shared_id in self.own


def days_within_reach(days: Sequence[str], changed: Collection[str]) -> set[str]:
    """Return the days whose records may come again on one of some days.

    Args:
        days: all days of publication, in order.
        changed: those of them on which something is read that was not part of an earlier reading, or was without its
            duplicates.
    """
    places = [place for place, day in enumerate(days) if day in changed]
    reach = range(-DAYS_REMEMBERED, DAYS_REMEMBERED + 1)
    return {days[place + n] for place in places for n in reach if 0 <= place + n < len(days)}
