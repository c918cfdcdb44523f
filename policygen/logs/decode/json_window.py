"""Read JSON that cannot be decoded at once, because that would need too much memory: one value at a time.

A list of empty objects needs thirty times its size when it is decoded. Here only a window of the text is looked at, and
the elements of a list of records are yielded one by one. The answer is that of the usual reading.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterator
from typing import NamedTuple

from policygen.logs.decode.trail_file import JSON_ERRORS
from policygen.logs.events.record import Record
from policygen.logs.source import Damage

WINDOW = 4 << 20
"""Greatest size of one value, in bytes; an event has at most 256 KB (2.1.5)."""

MEMORY = 256 << 20
"""Bytes of memory that one decoded value may need."""

_SMALL = 1 << 20
_LONG = 16 << 20
_LEAST_BYTES = ((b"{", 32), (b"[", 16), (b",", 3), (b"\n", 8))
"""Bytes of a text for each such sign that a log has at least; CloudTrail's records have 150 for each object."""

_HEAD = 1 << 16

RECORD_LISTS = ("Records", "records", "Events", "events", "logEvents", "Messages")
"""Keys under which an object holds a list of records."""

_LISTS = "|".join(RECORD_LISTS).encode()
_MEMBERS = rb'(?:"\w+"\s*:\s*(?:"[^"\\]*"|[\w.+-]+|\[\s*"[^]"\\]*"\s*\])\s*,\s*)*'
LIST_HEAD = re.compile(rb'\s*(?:\{\s*%b"(?:%b)"\s*:\s*)?\[' % (_MEMBERS, _LISTS))
"""The start of a list of records: the whole text, or the first list of an object."""
_NEXT_LIST = re.compile(rb'\s*,\s*%b"(?:%b)"\s*:\s*\[' % (_MEMBERS, _LISTS))
_TAIL = re.compile(rb'(?:\s*,\s*%b"\w+"\s*:\s*(?:"[^"\\]*"|[\w.+-]+))?\s*\}' % _MEMBERS)
_SPACE = re.compile(rb"[ \t\r\n]*")
_SCANNER = json.JSONDecoder()

ParsePiece = Callable[[bytes, int, int], object]
"""Decodes ``data[start:end]`` as one value; a BadRecord where it is none."""


class BadRecord(NamedTuple):
    """Something that should be a record and cannot be used."""

    reason: str


def fits_in_memory(text: bytes, start: int = 0, end: int | None = None) -> bool:
    """Return whether `text[start:end]`, decoded as one value, surely needs no more than `MEMORY`."""
    end = len(text) if end is None else end
    if end - start <= _SMALL:
        return True
    needed = (end - start) * (1 if text.isascii() else 5)
    for sign, size in ((b"{", 240), (b"[", 72), (b'"', 32), (b",", 9)):
        needed += size * text.count(sign, start, end)
    return needed <= MEMORY


def is_implausible(text: bytes) -> bool:
    """Return whether a long text has so many values, or lines, for its size that they are empty: no log has as many."""
    size = len(text)
    return size > _LONG and any(text.count(sign) * least > size for sign, least in _LEAST_BYTES)


def parse_in_windows(data: bytes, position: int, parse: ParsePiece) -> Iterator[object]:
    """Yield the values from a position on, as `parse` decodes them; what stands behind damage is left out."""
    scanner = _Scanner(data)
    while (position := _skip(data, position)) < len(data):
        head = LIST_HEAD.match(data, position, position + _HEAD)
        if head is None:
            end = scanner.end_of(position)
            if end is None:
                yield _no_value(position)
                return
            yield parse(data, position, end)
            position = end
            continue
        in_object = data[position] == ord("{")
        match: re.Match[bytes] | None = head
        while match:
            position = yield from _elements(scanner, match.end(), parse)
            if position < 0:
                return
            match = _NEXT_LIST.match(data, position, position + _HEAD) if in_object else None
        if in_object:
            tail = _TAIL.match(data, position, position + _HEAD)
            if tail is None:
                yield _no_value(position)
                return
            position = tail.end()


def _elements(scanner: _Scanner, position: int, parse: ParsePiece) -> Generator[object, None, int]:
    """Yield the elements of a list; return the position behind it, -1 after damage."""
    data = scanner.data
    position = _skip(data, position)
    while data[position : position + 1] != b"]":
        end = scanner.end_of(position)
        if end is None:
            yield _no_value(position)
            return -1
        value = parse(data, position, end)
        yield value if isinstance(value, Record | BadRecord) else [value]
        position = _skip(data, end)
        sign = data[position : position + 1]
        if sign == b",":
            position = _skip(data, position + 1)
        elif sign != b"]":
            yield _no_value(position)
            return -1
    return position + 1


def _no_value(position: int) -> Damage:
    return Damage(position, f"not JSON at byte {position:,}, or a value of more than {WINDOW:,} bytes")


def _skip(data: bytes, position: int) -> int:
    match = _SPACE.match(data, position)
    return match.end() if match else position


class _Scanner:
    """Finds the ends of values; it holds one window of the text, as Latin-1, so that both have the same offsets."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._start = 0
        self._text = ""

    def end_of(self, position: int) -> int | None:
        """Return the end of the value at a position; None if there is none, or if it is longer than a window."""
        end = self._scan(position)
        if end is None:
            self._start = position
            self._text = self.data[position : position + WINDOW].decode("latin-1")
            end = self._scan(position)
        return end

    def _scan(self, position: int) -> int | None:
        try:
            _, end = _SCANNER.raw_decode(self._text, position - self._start)
        except JSON_ERRORS:
            return None
        # A number at the end of a window may go on.
        return self._start + end if end < len(self._text) or self._is_last else None

    @property
    def _is_last(self) -> bool:
        return self._start + len(self._text) >= len(self.data)
