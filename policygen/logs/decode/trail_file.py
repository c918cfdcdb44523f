"""Decode a log file as a trail writes it, ``{"Records": [...]}`` in UTF-8 (1.1.1): the fast path for most logs."""

from __future__ import annotations

import msgspec

from policygen.logs.events.record import Record


class TrailFile(msgspec.Struct, frozen=True, gc=False):
    """A log file as a trail delivers it (1.1.1)."""

    Records: list[Record]


_TRAIL_FILE = msgspec.json.Decoder(TrailFile)
RECORD = msgspec.json.Decoder(Record)
JSON_ERRORS = (ValueError, RecursionError)

# 1.7: neither is one authorised call. Such a record also says so in its category.
NON_CALL_TYPES = {"AwsCloudTrailInsight": "insight", "AwsAggregatedEvent": "aggregated"}
NON_CALL_CATEGORIES = {"Insight": "insight", "Aggregated": "aggregated"}


def decode_trail_file(data: bytes) -> list[Record] | None:
    """Return the records of a ``{"Records": [...]}`` text, or None if any part of it is something else."""
    if invalid_utf8_offset(data) is not None:
        return None
    try:
        records = _TRAIL_FILE.decode(data).Records
    except JSON_ERRORS:
        return None
    return records if all(map(is_call_record, records)) else None


def is_call_record(record: Record) -> bool:
    """Return whether a decoded object is the record of a call; the typed decoder accepts any JSON object as one."""
    return bool(
        record.eventName
        and record.eventSource
        and record.eventSource != "aws:s3"
        and record.eventType not in NON_CALL_TYPES
        and record.eventCategory not in NON_CALL_CATEGORIES
    )


def invalid_utf8_offset(data: bytes) -> int | None:
    """Return the offset of the first byte that is not UTF-8, or None if all of `data` is."""
    if data.isascii():
        return None
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None
