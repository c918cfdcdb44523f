"""The records of one trail file, in which equal parts are one object: most records of a file repeat those parts.

A table is a sequence of `Record`s, made one by one where they are asked for. Counting looks at the parts instead
(`calls/table_count.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from operator import attrgetter
from typing import TypeVar, overload

import msgspec

from policygen.logs.events.record import ABSENT, Record, RecordStruct, Resource, UserIdentity

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Memo(dict[Key, Value]):
    """What a function returned for each of the keys that were looked up, forgotten when the keys become many."""

    __slots__ = ("_held", "_make", "_room", "_size_of")

    def __init__(
        self, make: Callable[[Key], Value], room: int = 1 << 20, size_of: Callable[[Key], int] | None = None
    ) -> None:
        """Make an empty memo.

        Args:
            make: the function.
            room: bytes of keys that are held.
            size_of: bytes of a key beyond the 256 that it counts for anyway.
        """
        super().__init__()
        self._make, self._room, self._size_of = make, room, size_of
        self._held = 0

    def __missing__(self, key: Key) -> Value:
        self._held += 256 + self._size_of(key) if self._size_of else 256
        if self._held > self._room:
            self.clear()
            self._held = 0
        value = self[key] = self._make(key)
        return value


class CommonFields(RecordStruct, frozen=True, gc=False, eq=False):
    """Fields of which a trail has few combinations; two of these objects are equal if they are one."""

    eventSource: str | None  # noqa: N815
    eventName: str | None  # noqa: N815
    errorCode: str | None  # noqa: N815
    eventType: str | None  # noqa: N815
    eventCategory: str | None  # noqa: N815
    readOnly: bool | None  # noqa: N815
    sessionCredentialFromConsole: bool | str | None  # noqa: N815


class RawRecord(RecordStruct, frozen=True, gc=False, kw_only=True):
    """A `Record` in which the resources are not decoded either; a call has a caller, a source and a name.

    The fields stand in the order in which CloudTrail writes them: they are decoded sooner so.
    """

    userIdentity: UserIdentity  # noqa: N815
    eventTime: str | None = None  # noqa: N815
    eventSource: str  # noqa: N815
    eventName: str  # noqa: N815
    awsRegion: str | None = None  # noqa: N815
    sourceIPAddress: str | None = None  # noqa: N815
    userAgent: str | None = None  # noqa: N815
    errorCode: str | None = None  # noqa: N815
    errorMessage: str | None = None  # noqa: N815
    requestParameters: msgspec.Raw = ABSENT  # noqa: N815
    responseElements: msgspec.Raw = ABSENT  # noqa: N815
    additionalEventData: msgspec.Raw = ABSENT  # noqa: N815
    eventID: str | None = None  # noqa: N815
    readOnly: bool | None = None  # noqa: N815
    resources: msgspec.Raw = ABSENT
    eventType: str | None = None  # noqa: N815
    recipientAccountId: str | None = None  # noqa: N815
    sharedEventID: str | None = None  # noqa: N815
    vpcEndpointId: str | None = None  # noqa: N815
    eventCategory: str | None = None  # noqa: N815
    sessionCredentialFromConsole: bool | str | None = None  # noqa: N815


class RawResources(RecordStruct, frozen=True, gc=False, eq=False):
    """The resources of a record; two of these objects are equal if they are one."""

    entries: tuple[Resource, ...] | None


class RecordTable(Sequence[Record]):
    """Records of one file.

    Attributes:
        raw: the records as they were decoded.
        common: the common fields of each record.
        params: requestParameters of each record, as delivered.
        resources: the resources of each record.
    """

    __slots__ = ("common", "params", "raw", "resources")

    def __init__(self, raw: Sequence[RawRecord]) -> None:
        """Decode the parts of some records.

        Raises:
            ValueError, RecursionError: the resources cannot be decoded.
        """
        self.raw = raw
        self.common = list(map(_COMMON.__getitem__, map(common_of, raw)))
        self.params = [bytes(one.requestParameters) for one in raw]
        self.resources = [
            _NO_RESOURCES if one.resources is ABSENT else _RESOURCES[bytes(one.resources)] for one in raw
        ]

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        """Return whether another sequence has the same records."""
        return list(self) == list(other) if isinstance(other, RecordTable | list) else NotImplemented

    def __len__(self) -> int:
        return len(self.raw)

    @overload
    def __getitem__(self, place: int) -> Record: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Record]: ...

    def __getitem__(self, place: int | slice) -> Record | Sequence[Record]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        fields = msgspec.structs.asdict(self.raw[place])
        fields["resources"] = self.resources[place].entries
        return Record(**fields)


common_of = attrgetter(*CommonFields.__struct_fields__)


def _common(fields: tuple[object, ...]) -> CommonFields:
    return CommonFields(*fields)  # type: ignore[arg-type]


def _length(fields: tuple[object, ...]) -> int:
    return sum([len(text) for text in fields if isinstance(text, str)])


_resources = msgspec.json.Decoder(tuple[Resource, ...] | None).decode


def _resource_list(raw: bytes) -> RawResources:
    return RawResources(_resources(raw))


_COMMON: Memo[tuple[object, ...], CommonFields] = Memo(_common, size_of=_length)
_RESOURCES: Memo[bytes, RawResources] = Memo(_resource_list, size_of=len)
_NO_RESOURCES = RawResources(None)
