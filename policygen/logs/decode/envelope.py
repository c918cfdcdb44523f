"""What a piece of JSON text holds: CloudTrail records, however they were wrapped on their way here.

Trails deliver `{"Records": [...]}` (1.1.1) and that has a fast path, `trail`. Everything else goes through
`items`, which takes any sequence of JSON values, unwraps each, and yields for every thing that it met
exactly one item: a record, a flaw, something passed over, or damage. Pure: bytes in, items out.

The text is hostile. Only keys that AWS writes decide what a value is, the content of a record is never
unwrapped, and after damage no nested object can be taken for a record.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

import msgspec

from policygen.logs.events.record import Record
from policygen.logs.source import Damage
from policygen.text import escape_controls, sanitize


class Passed(NamedTuple):
    """Something that is knowingly no evidence, by kind."""

    kind: str


class Flaw(NamedTuple):
    """Something that should have been a record and cannot be used."""

    reason: str


Item = Record | Passed | Flaw | Damage


class TrailFile(msgspec.Struct, frozen=True, gc=False):
    """A log file as a trail delivers it (1.1.1)."""

    Records: list[Record]


_TRAIL = msgspec.json.Decoder(TrailFile)
RECORD = msgspec.json.Decoder(Record)
_TOLERANT = msgspec.json.Decoder(Record, strict=False)
_VALUE = msgspec.json.Decoder()
_SCAN = json.JSONDecoder()
BAD_JSON = (ValueError, RecursionError)

# 1.7: neither is one authorised call. Both also mark themselves by category.
_PASSED_TYPES = {"AwsCloudTrailInsight": "insight", "AwsAggregatedEvent": "aggregated"}
_PASSED_CATEGORIES = {"Insight": "insight", "Aggregated": "aggregated"}

# A record without these, or with these in a wrong type, cannot be judged: with an errorCode dropped, a
# denied call would look like a success.
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

_LISTS = ("Records", "records", "Events", "events", "logEvents", "Messages")
_INNER = ("detail", "CloudTrailEvent", "message", "Message", "body", "Body", "Sns")
_MAX_DEPTH = 8

_FOREIGN = (
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PAR1", "Parquet"),
    *((magic, "UTF-16 text") for magic in (b"\xff\xfe", b"\xfe\xff", b"{\x00", b"\x00{")),
)

# Other JSON that lies beside logs, by a key that only it has.
_OTHERS = {
    "digestS3Bucket": "digest",
    "s3ObjectKey": "delivery-note",
    "policygen_snapshot": "snapshot",
    "UserDetailList": "snapshot",
    "RoleDetailList": "snapshot",
}


def trail(data: bytes) -> list[Record] | None:
    """The records of a `{"Records": [...]}` text, or None if it is anything else, even in one record."""
    if not_utf8(data) is not None:
        return None
    try:
        records = _TRAIL.decode(data).Records
    except BAD_JSON:
        return None
    return records if all(map(is_plain, records)) else None


def items(data: bytes) -> Iterator[Item]:
    """Everything in a text of JSON values: one, one a line, or one after the other.

    Damage is yielded once, at its byte; what can still be told apart after it is yielded too. Never raises.
    """
    for value in _values(data):
        if isinstance(value, Record | Flaw | Damage):
            yield value
            continue
        for found in unwrap(value):
            yield to_record(found) if isinstance(found, dict) else found


def unwrap(value: object) -> Iterator[dict[str, Any] | Passed | Flaw]:
    """The records in one decoded JSON value, through all its wrappers, as dicts yet to be checked."""
    return _unwrap(value, 0)


def to_record(value: dict[str, Any]) -> Record | Flaw:
    """One unwrapped dict as a record.

    A field of a wrong type is left out, unless the meaning of the record hangs on it: then it is a flaw.
    """
    fields = dict(value)
    try:
        while True:
            try:
                record = _TOLERANT.decode(msgspec.json.encode(fields))
                break
            except msgspec.ValidationError as error:
                name = "".join(_FIELD.findall(str(error))[:1])
                if name in _DECISIVE or name not in fields:
                    return Flaw(sanitize(str(error)))
                del fields[name]
    except BAD_JSON as error:
        return Flaw(sanitize(str(error)))
    missing = next((name for name in ("eventName", "eventSource") if not getattr(record, name)), None)
    return Flaw(f"no {missing}") if missing else record


def not_utf8(data: bytes) -> int | None:
    """The offset of the first byte that is not UTF-8; None if all is."""
    if data.isascii():
        return None
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


def without_bom(data: bytes) -> bytes:
    """`data` without the mark that Windows programs put before UTF-8."""
    return data.removeprefix(b"\xef\xbb\xbf")


def not_json(data: bytes) -> str | None:
    """Why these bytes cannot be JSON text at all, from their look; None if they may be."""
    if not data or data.isspace():
        return "empty file"
    if data[257:262] == b"ustar":
        return "a tar archive, not JSON: unpack it first"
    foreign = next((what for magic, what in _FOREIGN if data.startswith(magic)), None)
    return f"{foreign}, not JSON in UTF-8" if foreign else None


def is_plain(record: Record) -> bool:
    """Whether the typed decoder was right to take this for a record: it takes any object for one."""
    return bool(
        record.eventName
        and record.eventSource
        and record.eventSource != "aws:s3"
        and record.eventType not in _PASSED_TYPES
        and record.eventCategory not in _PASSED_CATEGORIES
    )


def _unwrap(value: object, depth: int) -> Iterator[dict[str, Any] | Passed | Flaw]:
    if depth > _MAX_DEPTH:
        yield Flaw(f"wrapped more than {_MAX_DEPTH} deep")
    elif isinstance(value, dict):
        yield from _unwrap_object(value, depth)
    elif isinstance(value, list):
        for one in value:
            yield from _unwrap(one, depth + 1)
    elif isinstance(value, str):
        try:
            inner = _VALUE.decode(value)
        except BAD_JSON as error:
            yield Flaw(f"a text that is not JSON: {_why(error)}")
        else:
            yield from _unwrap(inner, depth + 1)
    else:
        yield Flaw(f"not an object: {sanitize(json.dumps(value), 40)}")


def _unwrap_object(value: dict[str, Any], depth: int) -> Iterator[dict[str, Any] | Passed | Flaw]:
    if kind := _passed_kind(value):
        yield Passed(kind)
    elif "eventName" in value and "eventSource" in value:
        yield value
    elif (key := next((key for key in _LISTS if isinstance(value.get(key), list)), None)) is not None:
        yield from _unwrap(value[key], depth)
    elif (key := next((key for key in _INNER if isinstance(value.get(key), dict | str)), None)) is not None:
        yield from _unwrap(value[key], depth + 1)
    elif depth == 0 and _RECORD_KEYS.isdisjoint(value):
        yield Passed("other-json")
    else:
        yield Flaw(f"no {'eventSource' if 'eventName' in value else 'eventName'}")


def _passed_kind(value: dict[str, Any]) -> str | None:
    if "insightDetails" in value:
        return "insight"
    for key, kinds in (("eventType", _PASSED_TYPES), ("eventCategory", _PASSED_CATEGORIES)):
        mark = value.get(key)
        if isinstance(mark, str) and mark in kinds:
            return kinds[mark]
    if value.get("eventSource") == "aws:s3" or value.get("Event") == "s3:TestEvent":
        return "s3-notification"
    if value.get("messageType") == "CONTROL_MESSAGE":  # CloudWatch Logs testing its subscription
        return "control-message"
    if "detail-type" in value and not _is_trail_event(value):
        return "other-event"
    return next((kind for key, kind in _OTHERS.items() if key in value), None)


def _is_trail_event(value: dict[str, Any]) -> bool:
    """Whether an EventBridge envelope is CloudTrail's own.

    Whoever may call events:PutEvents writes envelopes, but only AWS services can use a source in ``aws.``
    (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html).
    """
    source, detail_type = value.get("source", "aws."), value["detail-type"]
    return str(source).startswith("aws.") and str(detail_type).endswith(" via CloudTrail")


# ---- text -> values -------------------------------------------------------------------------------------

_SPACE = re.compile(rb"[ \t\r\n]*")
# CloudWatch Logs puts the time before each line it exports to S3.
_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+Z[ \t]+(?=\{)")
# The start of a list of records, as the whole text or as the first list of an object.
_LIST_HEAD = re.compile(
    rb'\s*(?:\{\s*(?:"\w+"\s*:\s*(?:"[^"\\]*"|\w+|\[\s*"[^]"\\]*"\s*\])\s*,\s*)*'
    rb'"(?:' + "|".join(_LISTS).encode() + rb')"\s*:\s*)?\['
)
_COMMA = re.compile(r"\s*,\s*")
_BYTE = re.compile(r" ?\(byte (\d+)\)")
_FIELD = re.compile(r"`\$\.(\w+)")


class _Bad(NamedTuple):
    """A slice that is not one JSON value: the offset in the text, and why."""

    byte: int
    reason: str


def _values(data: bytes) -> Iterator[object]:
    """Top-level values, each a Record if it plainly is one; flaws and damage where there is no value.

    A line is tried by itself first. If that fails, the value may span lines or share its line, which costs a
    scan. Where the scan finds no end, the text is damaged, and the rest is read by `_rest`.
    """
    text = ""
    position, at_line_start = _skip_space(data, 0)
    while position < len(data):
        value = None
        if at_line_start:  # or else the search for the line's end would make one long line quadratic
            end = _line_end(data, position)
            value = _parse(data, position, end)
        if value is None or isinstance(value, _Bad):
            text = text or data.decode("latin-1")
            start = position
            end, value = _scan(data, text, start)
            if isinstance(value, _Bad):
                stop, flaws = yield from _salvage(data, text, start)
                if end == start:
                    yield Damage(*value)
                    yield from _rest(data, _line_end(data, stop))
                    return
                value = None if flaws else Flaw(value.reason)
            elif value is None:
                value = Flaw("not an object: null")
        if value is not None:
            yield value
        position, at_line_start = _skip_space(data, end)


def _rest(data: bytes, position: int) -> Iterator[object]:
    """What follows damage: whole lines that start with an object, perhaps in a list, and nothing else.

    JSON strings hold no line ends, so nothing that a stranger wrote into a record can start such a line; in
    indented text any nested object can, but there it is indented or has more than one line.
    """
    while position < len(data):
        position += 1
        end = _line_end(data, position)
        stamp = _STAMP.match(data, position)
        start = stamp.end() if stamp else position
        if data.startswith(b'{"', start):
            stop = start + len(data[start:end].rstrip(b" \t\r,"))
            value = _parse(data, start, stop)
            yield Flaw(value.reason) if isinstance(value, _Bad) else value
        position = end


def _line_end(data: bytes, position: int) -> int:
    end = data.find(b"\n", position)
    return len(data) if end < 0 else end


def _skip_space(data: bytes, position: int) -> tuple[int, bool]:
    """Past white space, and past a time stamp at a line's start; whether a line starts here."""
    match = _SPACE.match(data, position)
    end = match.end() if match else position
    at_line_start = position == 0 or b"\n" in data[position:end]
    stamp = _STAMP.match(data, end) if at_line_start else None
    return (stamp.end() if stamp else end), at_line_start


def _parse(data: bytes, start: int, end: int) -> object:
    """`data[start:end]` as one value: a Record where it plainly is one."""
    piece = data[start:end]
    bad = not_utf8(piece)
    if bad is not None:
        return _Bad(start + bad, f"not UTF-8 at byte {start + bad:,}")
    try:
        record = RECORD.decode(piece)
        if is_plain(record):
            return record
    except BAD_JSON:
        pass
    try:
        return _VALUE.decode(piece)
    except BAD_JSON as error:
        return _bad(error, start, end)


def _scan(data: bytes, text: str, start: int) -> tuple[int, object]:
    """The one value that starts at `start`, and its end.

    `text` is `data` as Latin-1, so that both have the same offsets; the structure of JSON is ASCII.
    """
    try:
        _, end = _SCAN.raw_decode(text, start)
    except BAD_JSON:
        try:
            _VALUE.decode(memoryview(data)[start:])
        except BAD_JSON as error:
            return start, _bad(error, start, len(data))
        return start, _Bad(start, f"not JSON at byte {start:,}")
    return end, _parse(data, start, end)


def _salvage(data: bytes, text: str, start: int) -> Generator[object, None, tuple[int, int]]:
    """The whole elements of a list of records that was cut, or that holds something that is no JSON.

    Returns where it stopped, and how many elements were flaws.
    """
    head = _LIST_HEAD.match(data, start)
    if head is None:
        return start, 0
    position, flaws = head.end(), 0
    while True:
        begin = _skip_space(data, position)[0]
        position, value = _scan(data, text, begin)
        if position == begin:
            return begin, flaws
        if isinstance(value, _Bad):
            flaws += 1
            yield Flaw(value.reason)
        else:
            yield value if isinstance(value, Record) else [value]
        comma = _COMMA.match(text, position)
        if comma is None:
            return position, flaws
        position = comma.end()


def _bad(error: Exception, start: int, end: int) -> _Bad:
    """A decoder's complaint about `data[start:end]`, with the offset in the whole text."""
    message = str(error)
    if message == "Input data was truncated":
        return _Bad(end, f"JSON ends in the middle of a value at byte {end:,}")
    match = _BYTE.search(message)
    byte = start + int(match.group(1)) if match else start
    return _Bad(byte, f"not JSON at byte {byte:,}: {_why(error)}")


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deep"
    return escape_controls(_BYTE.sub("", str(error)).removeprefix("JSON is malformed: ").lower())
