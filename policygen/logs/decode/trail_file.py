"""Decode a log file as a trail writes it, ``{"Records": [...]}`` in UTF-8 (1.1.1): the fast path for most logs."""

from __future__ import annotations

import codecs

import msgspec

from policygen.logs.events.record import Record
from policygen.logs.events.record_table import CommonFields, Memo, RawRecord, RecordTable


class TrailFile(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A log file as a trail delivers it (1.1.1)."""

    Records: list[RawRecord]


TRAIL_FILE = msgspec.json.Decoder(TrailFile)
_RECORDS = msgspec.json.Decoder(list[RawRecord])
_HEAD, _TAIL, _SPACE = b'{"Records":[', b"]}", b" \t\r\n"
RECORD = msgspec.json.Decoder(Record)
JSON_ERRORS = (ValueError, RecursionError)

# 1.7: neither is one authorised call. Such a record also says so in its category.
NON_CALL_TYPES = {"AwsCloudTrailInsight": "insight", "AwsAggregatedEvent": "aggregated"}
NON_CALL_CATEGORIES = {"Insight": "insight", "Aggregated": "aggregated"}


_DENSE = 1 << 20
"""Braces in one text from which decoding it at once may need too much memory: 100,000 records of a trail have them."""

_SMALLEST = len(b"{},")
"""Bytes that an object of a list needs."""

_LONG = 32 << 20
"""Bytes of a text from which a string that is not ASCII may need too much memory: four times its size."""

_PIECE = 1 << 20


NOTIFIER = "aws:"
"""How `eventSource` begins in what AWS sends to functions (``aws:s3``, ``aws:kinesis``), which is no record."""


def decode_trail_file(data: bytes) -> RecordTable | None:
    """Return the records of a ``{"Records": [...]}`` text, or None if any part of it is something else."""
    try:
        raw = decode_records(data)
        return None if raw is None else to_table(raw)
    except JSON_ERRORS:
        return None


def decode_records(data: bytes) -> list[RawRecord] | None:
    """Return the records of such a text, their resources not decoded yet; None for a text that needs care.

    Raises:
        ValueError, RecursionError: it is something else.
    """
    if not is_sound(data):
        return None
    text = data.rstrip(_SPACE)
    if text.startswith(_HEAD) and text.endswith(
        _TAIL
    ):  # a second list of records would be no part of this one
        return _RECORDS.decode(memoryview(text)[len(_HEAD) - 1 : 1 - len(_TAIL)])
    return None if data.count(b'"Records"') > 1 else TRAIL_FILE.decode(data).Records


def to_table(raw: list[RawRecord]) -> RecordTable | None:
    """Return a table of records, None where one is no call, or has its parameters in a string, as tables write them.

    Raises:
        ValueError, RecursionError: one cannot be decoded.
    """
    table = RecordTable(raw)
    if not all(map(_IS_CALL.__getitem__, table.common)):
        return None
    return None if raw and min(table.params) < _AFTER_QUOTE else table


_TEXT_PARAMETERS = (b'"requestParameters":"', b'"requestParameters": "')
_AFTER_QUOTE = b"#"
"""A JSON value that is less than this is a string."""


def is_sound(data: bytes) -> bool:
    """Return whether a text can be decoded at once: UTF-8, and not too many objects for memory."""
    return (
        invalid_utf8_offset(data) is None
        and (len(data) <= _SMALLEST * _DENSE or data.count(b"{") <= _DENSE)
        and (len(data) <= _LONG or data.isascii())
    )


def has_text_parameters(data: bytes) -> bool:
    """Return whether parameters of a call may stand in a string of their own, as tables write them."""
    return any(text in data for text in _TEXT_PARAMETERS)


def is_call_record(record: Record) -> bool:
    """Return whether a decoded object is the record of a call; the typed decoder accepts any JSON object as one.

    A record without a caller is left to the full reading: its caller may stand in other fields.
    """
    return record.userIdentity is not None and _is_call(record)


def _is_call(record: Record | CommonFields) -> bool:
    return is_call(record.eventSource, record.eventName, record.eventType, record.eventCategory)


def is_call(source: str | None, name: str | None, type_: str | None, category: str | None) -> bool:
    """Return whether the fields of a record that say what happened are those of a call."""
    return bool(
        name
        and source
        and not source.startswith(NOTIFIER)
        and type_ not in NON_CALL_TYPES
        and category not in NON_CALL_CATEGORIES
    )


_IS_CALL = Memo(_is_call)


def invalid_utf8_offset(data: bytes) -> int | None:
    """Return the offset of the first byte that is not UTF-8, or None if all of `data` is."""
    if data.isascii():
        return None
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(data), _PIECE):  # decoded as one text it could need four times the memory
        kept = len(decoder.getstate()[0])
        try:
            decoder.decode(data[start : start + _PIECE], final=start + _PIECE >= len(data))
        except UnicodeDecodeError as error:
            return start - kept + error.start
    return None
