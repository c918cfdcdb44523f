"""Find the records of a trail file that contain a text, without decoding all of the other records."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, compress
from operator import attrgetter
from typing import NamedTuple

import msgspec

from policygen.logs.decode.byte_search import find_all
from policygen.logs.decode.trail_file import JSON_ERRORS, is_call, is_sound, to_table
from policygen.logs.events.event_time import utc_time
from policygen.logs.events.record import CheckedRecord, Record
from policygen.logs.events.record_table import Memo, RawRecord, RecordTable
from policygen.logs.source import BytePattern

# CloudTrail writes no space anywhere; what stores a text may end it with a line break.
_SPACE = b" \t\r\n"
_HEAD = b'{"Records":'
_FIRST = _HEAD + b'[{"eventVersion":"'
_NEXT = b',{"eventVersion":"'
_TAIL = b"]}"
_raw_record = msgspec.json.Decoder(RawRecord).decode
_checked_record = msgspec.json.Decoder(CheckedRecord).decode
_raw_records = msgspec.json.Decoder(list[RawRecord]).decode
_pieces = msgspec.json.Decoder(list[msgspec.Raw]).decode
_operation_of = attrgetter("eventSource", "eventName", "eventType", "eventCategory")
_Operation = tuple[str, str, str | None, str | None]
_ESCAPED_WORD = re.compile(rb"\\u00(?:2[de]|3[0-9]|[46][1-9a-f]|[57][0-9a]|5f)", re.IGNORECASE)
"""An escape of a character that the patterns of a search are made of: a letter, a digit, ``_``, ``.`` or ``-``."""

_USUAL_SIZE = 768
"""Bytes: where there is a match in as many, most records of a file match, and all are decoded at once."""

_BEGINNING = 1 << 16
"""Bytes of a file by which that is decided: to find the matches of a file that has so many takes long."""

_IS_CALL: Memo[_Operation, bool] = Memo(lambda operation: is_call(*operation))


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
    data = data.rstrip(_SPACE)
    if not (data.startswith(_FIRST) and data.endswith(_TAIL) and is_sound(data)) or _has_escaped_word(data):
        return None
    texts = [one.text for one in wanted if one.text]
    beginning = data[:_BEGINNING]
    is_full = len(_hits(beginning, texts)) * _USUAL_SIZE > len(beginning)
    if is_full and (table := _full_table(data, texts)) is not None:
        return Cut(table, 0)
    hits = _hits(data, texts)
    for ends_of in (_usual_ends, _parsed_ends):
        try:
            return _cut(data, ends_of(data), hits, wanted)
        except JSON_ERRORS:
            continue
    return None


def _hits(data: bytes, texts: Iterable[bytes]) -> list[int]:
    return [hit for text in texts for hit in find_all(data, text)]


def _full_table(data: bytes, texts: Sequence[bytes]) -> RecordTable | None:
    """Return all records, decoded at once, where the caller of each holds a text and each can be used; else None."""
    try:
        raw = _raw_records(memoryview(data)[len(_HEAD) : -1])
        callers = {bytes(one.userIdentity) for one in raw}
        times = {one.eventTime or "" for one in raw}
        if all(any(text in who for text in texts) for who in callers) and all(map(utc_time, times)):
            return to_table(raw)
    except JSON_ERRORS:
        pass
    return None


def _usual_ends(data: bytes) -> list[int]:
    """Return the offset of the bracket before the first record, then where each ends if all begin as usual.

    If one does not, or if what looks like a beginning is within a record, a piece between two ends is no JSON. If all
    pieces are, they are the records: a JSON text can be read in one way only.
    """
    return [len(_HEAD), *find_all(data, _NEXT), len(data) - len(_TAIL)]


def _parsed_ends(data: bytes) -> list[int]:
    """Return the same offsets of any records without spaces between them.

    Raises:
        ValueError, RecursionError: there are spaces, or this is not one list.
    """
    pieces = _pieces(memoryview(data)[len(_HEAD) : -1])
    sizes = accumulate([len(memoryview(piece)) for piece in pieces], initial=len(_HEAD))
    ends = [end + number for number, end in enumerate(sizes)]
    if ends[-1] != len(data) - len(_TAIL):
        raise ValueError("spaces between records")
    return ends


def _cut(data: bytes, ends: Sequence[int], hits: Iterable[int], wanted: Sequence[BytePattern]) -> Cut | None:
    """Return the records that hold what is wanted.

    Args:
        data: the text.
        ends: as `_usual_ends` returns them.
        hits: the offsets of the wanted texts.
        wanted: the patterns.

    Raises:
        ValueError, RecursionError: a record cannot be decoded.
    """
    view, count = memoryview(data), len(ends) - 1
    found = {bisect_left(ends, hit) - 1 for hit in hits}
    held = {at: _raw_record(view[ends[at] + 1 : ends[at + 1]]) for at in found if 0 <= at < count}
    checked = {
        at: _checked_record(view[ends[at] + 1 : ends[at + 1]]) for at in range(count) if at not in held
    }
    operations = list(map(_operation_of, checked.values()))
    distinct = set(operations)
    times = {one.eventTime or "" for one in checked.values()} | {one.eventTime or "" for one in held.values()}
    if not (all(map(_IS_CALL.__getitem__, distinct)) and all(map(utc_time, times))):
        return None
    for at in _of_kinds(checked, operations, distinct, wanted):
        held[at] = _raw_record(view[ends[at] + 1 : ends[at + 1]])
    if not held:
        return Cut([], count)
    table = to_table([held[at] for at in sorted(held)])
    return None if table is None else Cut(table, count - len(held))


def _of_kinds(
    checked: Mapping[int, CheckedRecord],
    operations: Sequence[_Operation],
    distinct: Iterable[_Operation],
    wanted: Sequence[BytePattern],
) -> set[int]:
    """Return the numbers of the records of wanted events and callers; `operations` are those of the records."""
    found = set[int]()
    for _, event, caller in wanted:
        told = {one for one in distinct if event(one[0], one[1])} if event else ()
        if told:
            found.update(compress(checked, map(told.__contains__, operations)))
        if caller:
            found.update([number for number, one in checked.items() if caller(one.userIdentity)])
    return found


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
