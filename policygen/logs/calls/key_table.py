"""The keys of millions of records in little memory: some 12 bytes each, where a mapping of texts takes 150.

A key is known by 63 bits of its hash. Among ten million records of which a million are remembered at a time, one is
taken for another with a probability of one in a million. Python seeds the hash anew in each process, so nobody can
write a log whose records are taken for each other, and a table stays in the process that made it.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Mapping
from operator import sub
from typing import NamedTuple

CAN_PACK = sys.hash_info.width >= 64
"""Whether hashes are long enough: they have 32 bits in Python for small machines."""

_BITS = 15
_ROWS = 1 << _BITS
_TAG = 6
"""Bytes of a hash, beyond those that choose the row."""
_PLACE = 4
"""Bytes of the number of a location: where no day is known, all files of a log are of one."""
_ENTRY = _TAG + _PLACE
_MASK = (1 << 8 * _TAG) - 1


class _End(NamedTuple):
    """The end of a day in a table, in which the days follow each other."""

    sizes: array[int]
    """How long each row was."""
    number: int
    """Number of the first location after it."""


class KeyTable:
    """The keys of some days, each with the location of its file."""

    __slots__ = ("_ends", "_next", "_places", "_rows")

    def __init__(self) -> None:
        self._rows = [b""] * _ROWS
        self._places: dict[int, str] = {}
        self._next = 0
        """Number of the next location."""
        self._ends: list[_End] = []
        """Of all days but the newest."""

    def add(self, keys: Mapping[str, str]) -> None:
        """Add keys of the newest day with their locations."""
        rows, numbers = self._rows, dict[str, bytes]()
        for key, place in keys.items():
            number = numbers.get(place)
            if number is None:
                self._places[self._next] = place
                number = numbers[place] = self._next.to_bytes(_PLACE)
                self._next += 1
            code = hash(key)
            rows[code & _ROWS - 1] += (code >> _BITS & _MASK).to_bytes(_TAG) + number

    def rotate(self) -> None:
        """Begin a new day."""
        self._ends.append(_End(array("L", map(len, self._rows)), self._next))

    def forget(self, day: int) -> None:
        """Forget a day that is over, by its number from 0."""
        none = _End(array("L", bytes(array("L").itemsize * _ROWS)), 0)
        start, end = self._ends[day - 1] if day else none, self._ends.pop(day)
        self._rows = [
            row[:first] + row[last:]
            for row, first, last in zip(self._rows, start.sizes, end.sizes, strict=True)
        ]
        for number in range(start.number, end.number):
            self._places.pop(number, None)
        gone = array("L", map(sub, end.sizes, start.sizes))
        self._ends[day:] = [
            _End(array("L", map(sub, later.sizes, gone)), later.number) for later in self._ends[day:]
        ]

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
