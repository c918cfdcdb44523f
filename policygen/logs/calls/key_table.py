"""The keys of millions of records in little memory: some 12 bytes each, where a mapping of texts takes 150.

A key is known by 62 bits of its hash. Among ten million records of which a million are remembered at a time, one is
taken for another with a probability of two in a million. Python seeds the hash anew in each process, so nobody can
write a log whose records are taken for each other, and a table stays in the process that made it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

CAN_PACK = sys.hash_info.width >= 64
"""Whether hashes are long enough: they have 32 bits in Python for small machines."""

_BITS = 14
_ROWS = 1 << _BITS
_TAG = 6
"""Bytes of a hash, beyond those that choose the row."""
_PLACE = 4
"""Bytes of the number of a location: where no day is known, all files of a log are of one."""
_ENTRY = _TAG + _PLACE
_MASK = (1 << 8 * _TAG) - 1


class KeyTable:
    """Keys, each with the location of its file; they are added, and all forgotten together."""

    __slots__ = ("_numbers", "_places", "_rows")

    def __init__(self) -> None:
        self._rows = [b""] * _ROWS
        self._places: list[str] = []
        self._numbers: dict[str, int] = {}

    def add(self, keys: Mapping[str, str]) -> None:
        """Add keys with their locations."""
        rows, numbers = self._rows, self._numbers
        for key, place in keys.items():
            number = numbers.get(place)
            if number is None:
                number = numbers[place] = len(self._places)
                self._places.append(place)
            code = hash(key)
            rows[code & _ROWS - 1] += (code >> _BITS & _MASK).to_bytes(_TAG) + number.to_bytes(_PLACE)

    def location(self, key: str) -> str | None:
        """Return the location of a key; None for one that is not there."""
        code = hash(key)
        row, tag = self._rows[code & _ROWS - 1], (code >> _BITS & _MASK).to_bytes(_TAG)
        at = row.find(tag)
        while at % _ENTRY and at >= 0:  # the end of one entry and the beginning of the next
            at = row.find(tag, at + 1)
        return None if at < 0 else self._places[int.from_bytes(row[at + _TAG : at + _ENTRY])]

    def isdisjoint(self, keys: Iterable[str]) -> bool:
        """Return whether none of some keys is there."""
        rows = self._rows
        for key in keys:
            code = hash(key)
            if (code >> _BITS & _MASK).to_bytes(_TAG) in rows[code & _ROWS - 1] and self.location(
                key
            ) is not None:
                return False
        return True
