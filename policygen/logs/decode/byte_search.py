"""Find a text in bytes, with SIMD where the extra ``fast`` is installed, else with the standard library."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

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
