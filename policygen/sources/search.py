"""The records of a trail file in which something stands, without decoding the others.

Texts are found by SIMD with the extra ``fast``, else by the standard library.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import lru_cache

import msgspec

from policygen.record import Record
from policygen.sources import Sought
from policygen.sources.envelope import BAD_JSON, RECORD, is_plain, not_utf8

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


BEFORE, AFTER = 64, 256
"""Bytes around a text that is sought in which more is looked for."""


class _Pieces(msgspec.Struct, frozen=True, gc=False):
    """A log file of which no record is decoded yet."""

    Records: list[msgspec.Raw]


# As CloudTrail writes it, with no space anywhere: what is sought is written so as well.
_TRAIL_HEAD = b'{"Records":[{"eventVersion":"'
_PIECES = msgspec.json.Decoder(_Pieces)


def search(data: bytes, wanted: Sequence[Sought]) -> list[Record] | None:
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
    if not_utf8(data) is not None:
        return None
    try:
        pieces = _PIECES.decode(data).Records
        found, at, end = [], 0, data.index(b"[") + 1
        for piece in pieces:
            start = end
            end = start + len(memoryview(piece)) + 1  # its comma
            if at < len(hits) and hits[at] < end:
                found.append(RECORD.decode(piece))
                at = bisect_left(hits, end, at)
    except BAD_JSON:
        return None
    # With space between the records the places are wrong, and so is the end.
    return found if end == data.rfind(b"]") + 1 and all(map(is_plain, found)) else None


def _stands(data: bytes, hit: int, wanted: Sought) -> bool:
    """Whether what must be around a hit is there."""
    if not wanted.around:
        return True
    around = data[max(0, hit - BEFORE) : hit + len(wanted.text) + AFTER]
    return re.search(wanted.around, around) is not None
