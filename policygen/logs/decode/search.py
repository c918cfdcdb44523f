"""The records of a trail file in which something stands, without decoding the others.

Texts are found by SIMD with the extra ``fast``, else by the standard library.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate

import msgspec

from policygen.logs.decode.trail_file import JSON_ERRORS, RECORD, invalid_utf8_offset, is_call_record
from policygen.logs.events.record import Record
from policygen.logs.source import BytePattern

try:
    from ahocorasick_rs import BytesAhoCorasick
except ImportError:  # the extra `fast` is not installed

    def find_all(data: bytes, text: bytes) -> list[int]:
        """Offsets of a text, from left to right, none inside another."""
        found, at = [], data.find(text)
        while at >= 0:
            found.append(at)
            at = data.find(text, at + len(text))
        return found

else:

    @lru_cache(maxsize=64)
    def _searcher(text: bytes) -> Callable[[bytes], list[tuple[int, int, int]]]:
        # One text at a time: several at once are searched without SIMD, thirty times slower.
        return BytesAhoCorasick([text]).find_matches_as_indexes

    def find_all(data: bytes, text: bytes) -> list[int]:
        """Offsets of a text, from left to right, none inside another."""
        return [start for _, start, _ in _searcher(text)(data)]


class _Pieces(msgspec.Struct, frozen=True, gc=False):
    """A log file of which no record is decoded yet."""

    Records: list[msgspec.Raw]


# As CloudTrail writes it, with no space anywhere: what is sought is written so as well.
_TRAIL_HEAD = b'{"Records":[{"eventVersion":"'
_PIECES = msgspec.json.Decoder(_Pieces)


def cut_records(data: bytes, wanted: Sequence[BytePattern]) -> list[Record] | None:
    """The records of a `{"Records": [...]}` text that hold something that is wanted; None if it is anything else.

    Most files of a trail hold none, and of most others few records need be decoded. Where a record begins, JSON
    alone decides: a caller can write what looks like a record into the parameters of a call.
    """
    # What is cut may have held more: that is for the full reading to say.
    if not (data.startswith(_TRAIL_HEAD) and data[-64:].rstrip().endswith(b"}]}")):
        return None
    hits = sorted(hit for one in wanted for hit in find_all(data, one.text) if _stands(data, hit, one))
    if not hits:
        return []
    if invalid_utf8_offset(data) is not None:
        return None
    try:
        pieces = _PIECES.decode(data).Records
        # Where the comma behind each record is, and before them all the bracket.
        sizes = accumulate([len(memoryview(piece)) for piece in pieces], initial=data.index(b"["))
        ends = [end + number for number, end in enumerate(sizes)]
        if ends[-1] != data.rfind(b"]"):  # there is space between the records
            return None
        held = dict.fromkeys([bisect_left(ends, hit) for hit in hits])
        found = [RECORD.decode(pieces[number - 1]) for number in held if number]
    except JSON_ERRORS:
        return None
    return found if all(map(is_call_record, found)) else None


def _stands(data: bytes, hit: int, wanted: BytePattern) -> bool:
    """Whether what must be around a hit is there."""
    if not wanted.around:
        return True
    around = data[max(0, hit - wanted.before) : hit + len(wanted.text) + wanted.behind]
    return re.search(wanted.around, around) is not None
