"""Find the records of a trail file that contain a text, without decoding the other records.

The search uses SIMD with the extra ``fast``, else the standard library.
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
        """Return the offsets of a text, from left to right, without overlaps."""
        offsets, at = [], data.find(text)
        while at >= 0:
            offsets.append(at)
            at = data.find(text, at + len(text))
        return offsets

else:

    @lru_cache(maxsize=64)
    def _searcher(text: bytes) -> Callable[[bytes], list[tuple[int, int, int]]]:
        # One text per search: a search for several texts does not use SIMD and takes thirty times as long.
        return BytesAhoCorasick([text]).find_matches_as_indexes

    def find_all(data: bytes, text: bytes) -> list[int]:
        """Return the offsets of a text, from left to right, without overlaps."""
        return [start for _, start, _ in _searcher(text)(data)]


class _Pieces(msgspec.Struct, frozen=True, gc=False):
    """A log file whose records are not decoded."""

    Records: list[msgspec.Raw]


# CloudTrail writes no space anywhere, and the patterns of the search have none either.
_TRAIL_HEAD = b'{"Records":[{"eventVersion":"'
_PIECES = msgspec.json.Decoder(_Pieces)


def cut_records(data: bytes, wanted: Sequence[BytePattern]) -> list[Record] | None:
    """Return the records of a `{"Records": [...]}` text that contain a wanted pattern; None for any other text.

    Most files of a trail contain no match, and in most of the others only few records need to be decoded. The JSON
    parser alone decides where a record begins: a caller can write text that looks like a record into the parameters of
    a call.
    """
    # A file that was cut may have contained more; the full parser reports that.
    if not (data.startswith(_TRAIL_HEAD) and data[-64:].rstrip().endswith(b"}]}")):
        return None
    hits = sorted(
        hit for pattern in wanted for hit in find_all(data, pattern.text) if _has_context(data, hit, pattern)
    )
    if not hits:
        return []
    if invalid_utf8_offset(data) is not None:
        return None
    try:
        pieces = _PIECES.decode(data).Records
        # The offset of the bracket before the first record, then of the comma after each record.
        sizes = accumulate([len(memoryview(piece)) for piece in pieces], initial=data.index(b"["))
        ends = [end + number for number, end in enumerate(sizes)]
        if ends[-1] != data.rfind(b"]"):  # there is space between the records
            return None
        held = dict.fromkeys([bisect_left(ends, hit) for hit in hits])
        records = [RECORD.decode(pieces[number - 1]) for number in held if number]
    except JSON_ERRORS:
        return None
    return records if all(map(is_call_record, records)) else None


def _has_context(data: bytes, hit: int, wanted: BytePattern) -> bool:
    """Return whether the bytes around a hit match what the pattern requires there."""
    if not wanted.around:
        return True
    around = data[max(0, hit - wanted.before) : hit + len(wanted.text) + wanted.behind]
    return re.search(wanted.around, around) is not None
