"""Where a text stands in the bytes of a file: by SIMD with the extra ``fast``, else by the standard library."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

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
