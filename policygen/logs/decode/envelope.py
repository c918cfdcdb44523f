"""Find the CloudTrail records in JSON text, however other services wrapped them on their way.

Most files are plain trail files, and `trail_file` decodes them faster. This module takes any sequence of JSON values,
unwraps each, and yields one item for everything in it: a record, a bad record, something passed over, or damage. Pure:
bytes in, items out. `wrappings` says in what records can be wrapped.

The text is hostile: only keys that AWS writes decide what a value is, and the content of a record is never unwrapped.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from itertools import repeat
from typing import Any, NamedTuple

import msgspec

from policygen.logs.decode.compression import UnpackBudget, codec_of, decompress
from policygen.logs.decode.json_text import VALUE, error_reason, parse_values
from policygen.logs.decode.json_window import MEMORY, RECORD_LISTS, BadRecord, fits_in_memory
from policygen.logs.decode.repeated_keys import decode_distinct, has_repeated_key
from policygen.logs.decode.rows import NO_CALLER, record_of_row
from policygen.logs.decode.trail_file import JSON_ERRORS, NON_CALL_CATEGORIES, NON_CALL_TYPES, NOTIFIER
from policygen.logs.decode.wrappings import count_held_records, is_row, original_in, refusal_of, wrapped_in
from policygen.logs.events.loose_fields import with_texts
from policygen.logs.events.record import Record
from policygen.logs.source import Damage
from policygen.text import sanitize


class PassedOver(NamedTuple):
    """Something that is known to be no evidence; `kind` names what it is."""

    kind: str


Item = Record | PassedOver | BadRecord | Damage

_LENIENT_RECORD = msgspec.json.Decoder(Record, strict=False)

# A record without these fields, or with a wrong type in one of them, cannot be judged: without its errorCode, a denied
# call would look like a success.
_DECISIVE = (
    "eventName",
    "eventSource",
    "eventTime",
    "eventType",
    "eventCategory",
    "errorCode",
    "userIdentity",
)
_RECORD_KEYS = frozenset((*_DECISIVE, "eventVersion", "eventID", "requestParameters"))

_MAX_DEPTH = 8
_MAX_COUNTED = 10_000
_BASE64 = re.compile(r"[A-Za-z0-9+/=_\s-]{16,}")
_AGGREGATED = b"\xf3\x89\x9a\xc2"

# Other JSON that is stored beside logs, by a key that only it has.
_OTHER_FILES = {
    "digestS3Bucket": "digest",
    "s3ObjectKey": "delivery-note",
    "policygen_snapshot": "snapshot",
    "UserDetailList": "snapshot",
    "RoleDetailList": "snapshot",
}

_FIELD = re.compile(r"`\$\.(\w+)")


def parse_items(data: bytes, budget: UnpackBudget | None = None) -> Iterator[Item]:
    """Yield everything in a text of JSON values: one value, one per line, or one after the other.

    Damage is yielded once, with its offset, and so is everything that can still be told apart after it.

    Args:
        data: the text.
        budget: what compressed parts of the text may unpack to; by default what its own size allows.

    Raises:
        BombError: they unpack to more.
    """
    opener = _Opener(budget or UnpackBudget(len(data)))
    for value in parse_values(data):
        if isinstance(value, Record | BadRecord | Damage):
            yield value
        else:
            yield from opener.items(value)


def items_of(value: object, budget: UnpackBudget) -> Iterator[Item]:
    """Yield everything in one decoded value, its records checked; raises as `parse_items` does."""
    return _Opener(budget).items(value)


def unwrap(value: object) -> Iterator[Record | dict[str, Any] | PassedOver | BadRecord]:
    """Yield the records in one decoded JSON value, through all wrappers; most as dicts that are not checked yet."""
    return _Opener(UnpackBudget(0)).unwrap(value, 0)


def to_record(value: dict[str, Any]) -> Record | BadRecord:
    """Convert one unwrapped dict to a record.

    A field of a wrong type is left out, unless it decides what the record means: then the record is bad.
    """
    fields = with_texts(value)
    try:
        while True:
            try:
                record = _LENIENT_RECORD.decode(msgspec.json.encode(fields))
                break
            except msgspec.ValidationError as error:
                name = "".join(_FIELD.findall(str(error))[:1])
                if name in _DECISIVE or name not in fields:
                    return BadRecord(sanitize(str(error)))
                del fields[name]
    except JSON_ERRORS as error:
        return BadRecord(sanitize(str(error)))
    missing = next((name for name in ("eventName", "eventSource") if not getattr(record, name)), None)
    return BadRecord(f"no {missing}") if missing else record


class _Opener:
    """Opens wrappings, within one budget."""

    def __init__(self, budget: UnpackBudget) -> None:
        self._budget = budget

    def items(self, value: object) -> Iterator[Item]:
        """Yield what a decoded value holds, its records checked."""
        if value == []:
            yield PassedOver("other-json")
        for item in self.unwrap(value, 0):
            yield to_record(item) if isinstance(item, dict) else item

    def unwrap(self, value: object, depth: int) -> Iterator[Record | dict[str, Any] | PassedOver | BadRecord]:
        """Yield what a value holds that is wrapped `depth` times."""
        if isinstance(value, BadRecord):
            yield value
        elif depth > _MAX_DEPTH:
            yield BadRecord(f"wrapped more than {_MAX_DEPTH} deep")
        elif isinstance(value, dict):
            yield from self._unwrap_object(value, depth)
        elif isinstance(value, list):
            for element in value:
                yield from (
                    self.unwrap(element, depth + 1) if element != [] else (BadRecord("not an object: []"),)
                )
        elif isinstance(value, str):
            yield from self._unwrap_text(value, depth)
        else:
            yield BadRecord(f"not an object: {sanitize(json.dumps(value), 40)}")

    def _unwrap_object(
        self, value: dict[str, Any], depth: int
    ) -> Iterator[Record | dict[str, Any] | PassedOver | BadRecord]:
        if kind := _non_call_kind(value):
            yield PassedOver(kind)
        elif (content := original_in(value)) is not None:
            yield from self.unwrap(content, depth + 1)
        elif "eventName" in value and "eventSource" in value and not _is_notification(value):
            yield _checked_form(value)
        elif lists := [key for key in RECORD_LISTS if isinstance(value.get(key), list)]:
            for key in lists:
                yield from self.unwrap(value[key], depth)
            yield from _unknown_wrappings({key: one for key, one in value.items() if key not in lists})
        elif (refusal := refusal_of(value)) is not None:
            yield BadRecord(refusal.reason)
        elif (content := wrapped_in(value)) is not None:
            yield from self.unwrap(content, depth + 1)
        elif _is_notification(value):
            yield PassedOver("other-event")
        elif is_row(value):
            yield record_of_row(value)
        elif unknown := list(_unknown_wrappings(value)):
            yield from unknown
        elif depth == 0 and _RECORD_KEYS.isdisjoint(value):
            yield PassedOver("other-json")
        else:
            yield BadRecord(f"no {'eventSource' if 'eventName' in value else 'eventName'}")

    def _unwrap_text(
        self, text: str, depth: int
    ) -> Iterator[Record | dict[str, Any] | PassedOver | BadRecord]:
        """Yield what a text holds: JSON, lines of JSON, or bytes in base64."""
        try:
            data = text.encode()
        except UnicodeEncodeError:
            yield BadRecord("a text that is not Unicode")
            return
        if not fits_in_memory(data):
            yield BadRecord(f"a text that would need more than {MEMORY:,} bytes of memory")
            return
        try:
            inner = decode_distinct(data) if has_repeated_key(data) else VALUE.decode(data)
        except JSON_ERRORS as error:
            if data.lstrip()[:1] == b"{" and (b"}\n{" in data or b"}\r\n{" in data):
                yield from self._unwrap_bytes(data, depth)
            elif (packed := _from_base64(text)) is not None:
                yield from self._unwrap_packed(packed, depth)
            else:
                yield BadRecord(f"a text that is not JSON: {error_reason(error)}")
        else:
            yield from self.unwrap(inner, depth + 1)

    def _unwrap_packed(
        self, data: bytes, depth: int
    ) -> Iterator[Record | dict[str, Any] | PassedOver | BadRecord]:
        for _ in range(_MAX_DEPTH):
            codec = codec_of(data)
            if codec is None:
                break
            data, damage = decompress(data, codec, self._budget)
            if damage:
                yield BadRecord(f"in base64: {damage.reason}")
                return
        if data.startswith(_AGGREGATED):
            yield BadRecord("records that the Kinesis Producer Library put together: take them apart first")
        elif not data or data.isspace():
            yield BadRecord("base64 of nothing")
        elif codec_of(data):
            yield BadRecord(f"packed more than {_MAX_DEPTH} times")
        else:
            yield from self._unwrap_bytes(data, depth)

    def _unwrap_bytes(
        self, data: bytes, depth: int
    ) -> Iterator[Record | dict[str, Any] | PassedOver | BadRecord]:
        for value in parse_values(data):
            if isinstance(value, Damage):
                yield BadRecord(f"in a wrapping: {value.reason}")
            elif isinstance(value, Record | BadRecord):
                yield value
            else:
                yield from self.unwrap(value, depth + 1)


def _unknown_wrappings(value: dict[str, Any]) -> Iterator[BadRecord]:
    """Yield a bad record for each record that an object holds under a key that no wrapping has."""
    if held := count_held_records(value):
        keys = sanitize(", ".join(list(value)[:3]), 60)
        reason = f"in a wrapping that policygen does not know, with the keys {keys}: unwrap it first"
        yield from repeat(BadRecord(reason), min(held, _MAX_COUNTED))


def _is_notification(value: dict[str, Any]) -> bool:
    """Return whether an object is what AWS sends to functions: a queue's message, a stream's record."""
    source = value.get("eventSource")
    return isinstance(source, str) and source.startswith(NOTIFIER)


def _checked_form(value: dict[str, Any]) -> dict[str, Any] | BadRecord:
    """Return the fields of a record; texts that a table has in the place of objects are read."""
    if "userIdentity" not in value:
        if refusal := refusal_of(value):
            return BadRecord(refusal.reason)
        if "eventVersion" not in value:
            return BadRecord(NO_CALLER)
    parameters = value.get("requestParameters")
    if (
        isinstance(value.get("userIdentity"), str)
        or isinstance(value.get("resources"), str)
        or (isinstance(parameters, str) and parameters.lstrip().startswith("{"))
    ):
        row = record_of_row(value)
        return row if isinstance(row, BadRecord) else {**value, **row}
    return value


def _from_base64(text: str) -> bytes | None:
    """Return the bytes that a text stands for, None where it is no base64."""
    if not _BASE64.fullmatch(text):
        return None
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error:
        return None
    known = codec_of(data) or data.startswith(_AGGREGATED) or data.lstrip()[:1] in {b"{", b"[", b'"'}
    return data if known else None


def _non_call_kind(value: dict[str, Any]) -> str | None:
    """Return what kind of non-evidence an object is, or None if it may be or hold a record."""
    if "insightDetails" in value:
        return "insight"
    for key, kinds in (("eventType", NON_CALL_TYPES), ("eventCategory", NON_CALL_CATEGORIES)):
        name = value.get(key)
        if isinstance(name, str) and name in kinds:
            return kinds[name]
    if value.get("eventSource") == "aws:s3" or value.get("Event") == "s3:TestEvent":
        return "s3-notification"
    if value.get("messageType") == "CONTROL_MESSAGE":  # CloudWatch Logs testing its subscription
        return "control-message"
    if "detail-type" in value and not _is_trail_event(value):
        return "other-event"
    return next((kind for key, kind in _OTHER_FILES.items() if key in value), None)


def _is_trail_event(value: dict[str, Any]) -> bool:
    """Return whether an EventBridge envelope is CloudTrail's own.

    Anyone who may call events:PutEvents can write envelopes, but only AWS services can use a source in ``aws.``
    (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html).
    """
    source, detail_type = value.get("source", "aws."), value["detail-type"]
    return str(source).startswith("aws.") and str(detail_type).endswith(" via CloudTrail")
