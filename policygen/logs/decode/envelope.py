"""Find the CloudTrail records in JSON text, however other services wrapped them on their way.

Most files are plain trail files, and `trail_file` decodes them faster. This module takes any sequence of JSON values,
unwraps each, and yields one item for everything in it: a record, a bad record, something passed over, or damage. Pure:
bytes in, items out.

The text is hostile: only keys that AWS writes decide what a value is, and the content of a record is never unwrapped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from policygen.logs.decode.json_text import RECORD_LISTS, VALUE, BadRecord, error_reason, parse_values
from policygen.logs.decode.trail_file import JSON_ERRORS, NON_CALL_CATEGORIES, NON_CALL_TYPES
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

_WRAPPER_KEYS = ("detail", "CloudTrailEvent", "message", "Message", "body", "Body", "Sns")
_MAX_DEPTH = 8

# Other JSON that is stored beside logs, by a key that only it has.
_OTHER_FILES = {
    "digestS3Bucket": "digest",
    "s3ObjectKey": "delivery-note",
    "policygen_snapshot": "snapshot",
    "UserDetailList": "snapshot",
    "RoleDetailList": "snapshot",
}

_FIELD = re.compile(r"`\$\.(\w+)")


def parse_items(data: bytes) -> Iterator[Item]:
    """Yield everything in a text of JSON values: one value, one per line, or one after the other. Never raises.

    Damage is yielded once, with its offset, and so is everything that can still be told apart after it.
    """
    for value in parse_values(data):
        if isinstance(value, Record | BadRecord | Damage):
            yield value
            continue
        for item in unwrap(value):
            yield to_record(item) if isinstance(item, dict) else item


def unwrap(value: object) -> Iterator[dict[str, Any] | PassedOver | BadRecord]:
    """Yield the records in one decoded JSON value, through all wrappers, as dicts that are not checked yet."""
    return _unwrap(value, 0)


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


def _unwrap(value: object, depth: int) -> Iterator[dict[str, Any] | PassedOver | BadRecord]:
    if depth > _MAX_DEPTH:
        yield BadRecord(f"wrapped more than {_MAX_DEPTH} deep")
    elif isinstance(value, dict):
        yield from _unwrap_object(value, depth)
    elif isinstance(value, list):
        for element in value:
            yield from _unwrap(element, depth + 1)
    elif isinstance(value, str):
        try:
            inner = VALUE.decode(value)
        except JSON_ERRORS as error:
            yield BadRecord(f"a text that is not JSON: {error_reason(error)}")
        else:
            yield from _unwrap(inner, depth + 1)
    else:
        yield BadRecord(f"not an object: {sanitize(json.dumps(value), 40)}")


def _unwrap_object(value: dict[str, Any], depth: int) -> Iterator[dict[str, Any] | PassedOver | BadRecord]:
    if kind := _non_call_kind(value):
        yield PassedOver(kind)
    elif "eventName" in value and "eventSource" in value:
        yield value
    elif (key := next((key for key in RECORD_LISTS if isinstance(value.get(key), list)), None)) is not None:
        yield from _unwrap(value[key], depth)
    elif (
        key := next((key for key in _WRAPPER_KEYS if isinstance(value.get(key), dict | str)), None)
    ) is not None:
        yield from _unwrap(value[key], depth + 1)
    elif depth == 0 and _RECORD_KEYS.isdisjoint(value):
        yield PassedOver("other-json")
    else:
        yield BadRecord(f"no {'eventSource' if 'eventName' in value else 'eventName'}")


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
