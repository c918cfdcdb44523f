"""Counting distinct names: exactly while they are few, else by an estimate that adds up in any order.

A count keeps the smallest of the names' hashes. If it knows that so many of the names' hashes lie below a value, the
share of all hashes that lie below it tells how many names there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from heapq import nsmallest

SIZE = 8
"""Bytes of a hash."""
KEPT = 256
"""Hashes that a count keeps. The estimate is then off by 6 % (one standard deviation)."""


def hash_of(text: str) -> bytes:
    """Return the hash of a name."""
    return blake2b(text.encode(errors="surrogatepass"), digest_size=SIZE).digest()


def union(counts: Iterable[bytes]) -> bytes:
    """Return the count of the names of several counts; the hash of a name is the count of this name."""
    every = b"".join(counts)
    return b"".join(nsmallest(KEPT, {every[at : at + SIZE] for at in range(0, len(every), SIZE)}))


def is_exact(count: bytes) -> bool:
    """Return whether a count is no estimate."""
    return len(count) < KEPT * SIZE


def number_of(count: bytes) -> int:
    """Return how many names a count is of."""
    if is_exact(count):
        return len(count) // SIZE
    largest = int.from_bytes(count[-SIZE:], "big") + 1
    return (KEPT - 1) * (1 << 8 * SIZE) // largest
