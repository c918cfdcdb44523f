"""Find the records of a trail file that contain a text, without decoding all of the other records."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

import msgspec

from policygen.logs.decode.byte_search import find_all
from policygen.logs.decode.trail_file import (
    JSON_ERRORS,
    TRAIL_FILE,
    is_call_record,
    is_sound,
    to_table,
)
from policygen.logs.events.event_time import utc_time
from policygen.logs.events.record import CheckedRecord, Record
from policygen.logs.events.record_table import RawRecord
from policygen.logs.source import BytePattern


class _Pieces(msgspec.Struct, frozen=True, gc=False):
    """A log file whose records are not decoded."""

    Records: list[msgspec.Raw]


class _CheckedFile(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A log file of which only these fields are decoded."""

    Records: list[CheckedRecord]


# CloudTrail writes no space anywhere.
_TRAIL_HEAD = b'{"Records":[{"eventVersion":"'
_PIECES = msgspec.json.Decoder(_Pieces)
_RAW_RECORD = msgspec.json.Decoder(RawRecord)
_CHECKED_FILE = msgspec.json.Decoder(_CheckedFile)
_ESCAPED_WORD = re.compile(rb"\\u00(?:2[de]|3[0-9]|[46][1-9a-f]|[57][0-9a]|5f)", re.IGNORECASE)
"""An escape of a character that the patterns of a search are made of: a letter, a digit, ``_``, ``.`` or ``-``."""


_USUAL_SIZE = 768
"""Bytes: where there is a match in as many, most records of a file match, and all are decoded at once."""

_BEGINNING = 1 << 16
"""Bytes of a file by which that is decided: to find the matches of a file that has so many takes long."""


class Cut(NamedTuple):
    """What a search of a file gives."""

    records: Sequence[Record]
    others: int
    """Records that were checked, and not decoded in full."""


def cut_records(data: bytes, wanted: Sequence[BytePattern]) -> Cut | None:
    """Return the records of a `{"Records": [...]}` text that contain a wanted pattern; None for any other text.

    Most files of a trail contain no match, and in most of the others only few records need to be decoded in full. But
    every record is checked: a damaged file, a record that cannot be used or placed in time, and a text that JSON
    escapes may hide what is searched for, so that the full reading has to judge them. The JSON parser alone decides
    where a record begins: a caller can write text that looks like a record into the parameters of a call.
    """
    if not data.startswith(_TRAIL_HEAD) or not is_sound(data) or _has_escaped_word(data):
        return None
    try:
        texts = [pattern.text for pattern in wanted if pattern.of is None]
        beginning = data[:_BEGINNING]
        raw = _raw_records(data) if len(_hits(beginning, texts)) * _USUAL_SIZE > len(beginning) else None
        if raw is not None and _all_hold(raw, texts) and (table := to_table(raw)) is not None:
            return Cut(table, 0)
        hits = _hits(data, texts)
        checked = _CHECKED_FILE.decode(data).Records
        # One record of each operation: `is_call_record` reads no more of them, since all have a caller.
        distinct = {
            (one.eventName, one.eventSource, one.eventType, one.eventCategory): one for one in checked
        }
        if not all(map(is_call_record, distinct.values())) or not all(
            map(utc_time, {one.eventTime or "" for one in checked})
        ):
            return None
        held = set[int]()
        for pattern in wanted:
            if pattern.of is not None:
                held.update([number for number, one in enumerate(checked) if pattern.of(one)])
        if not (hits or held):
            return Cut([], len(checked))
        pieces = _PIECES.decode(data).Records
        ends = _ends(data, pieces)
        if not ends:
            return None
        held.update(number - 1 for number in {bisect_left(ends, hit) for hit in hits} if number)
        held.intersection_update(range(len(pieces)))
        table = to_table(
            [raw[number] if raw else _RAW_RECORD.decode(pieces[number]) for number in sorted(held)]
        )
        return None if table is None else Cut(table, len(checked) - len(held))
    except JSON_ERRORS:
        return None


def _hits(data: bytes, texts: Iterable[bytes]) -> list[int]:
    return [hit for text in texts for hit in find_all(data, text)]


def _ends(data: bytes, pieces: Sequence[msgspec.Raw]) -> list[int]:
    """Return the offset of the bracket before the first record, then that of the comma after each; [] for spaces."""
    sizes = accumulate([len(memoryview(piece)) for piece in pieces], initial=data.index(b"["))
    ends = [end + number for number, end in enumerate(sizes)]
    return ends if ends[-1] == data.rfind(b"]") else []


def _raw_records(data: bytes) -> list[RawRecord] | None:
    """Return all records of a file, decoded at once; None where one of them cannot be."""
    try:
        return TRAIL_FILE.decode(data).Records
    except JSON_ERRORS:
        return None


def _all_hold(raw: Sequence[RawRecord], texts: Sequence[bytes]) -> bool:
    """Return whether the caller of each record holds a text, and each record can be placed in time."""
    callers = {bytes(one.userIdentity) for one in raw}
    return all(any(text in caller for text in texts) for caller in callers) and all(
        map(utc_time, {one.eventTime or "" for one in raw})
    )


def _has_escaped_word(data: bytes) -> bool:
    """Return whether JSON escapes hide a character that could have been written as it is.

    CloudTrail writes none of them; another writer of JSON may.
    """
    return any(
        _ESCAPED_WORD.match(data, hit) and _backslashes_before(data, hit) % 2 == 0
        for hit in find_all(data, b"\\u00")
    )


def _backslashes_before(data: bytes, position: int) -> int:
    start = position
    while start and data[start - 1] == ord("\\"):
        start -= 1
    return position - start
