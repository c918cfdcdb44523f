"""Split a text into JSON values: one value, one per line, or one after the other, even where parts are damaged.

The text is hostile: after damage, no nested object may be taken for a record.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from typing import NamedTuple

import msgspec

from policygen.logs.decode.json_window import (
    LIST_HEAD,
    BadRecord,
    fits_in_memory,
    parse_in_windows,
)
from policygen.logs.decode.repeated_keys import decode_distinct, has_repeated_key
from policygen.logs.decode.trail_file import (
    JSON_ERRORS,
    RECORD,
    has_text_parameters,
    invalid_utf8_offset,
    is_call_record,
)
from policygen.logs.events.record import Record
from policygen.logs.source import Damage
from policygen.text import escape_controls

VALUE = msgspec.json.Decoder()
_SCANNER = json.JSONDecoder()

_SPACE = re.compile(rb"[ \t\r\n]*")
# CloudWatch Logs puts the time before each line it exports to S3.
_TIME_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+Z[ \t]+(?=\{)")
_COMMA = re.compile(r"\s*,\s*")
_BYTE_OFFSET = re.compile(r" ?\(byte (\d+)\)")

_PACKED = (
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\x5d\x00\x00", "lzma"),
    (b"LZIP", "lzip"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\xff\x06\x00\x00sNaPpY", "snappy"),
    (b"\x1f\x9d", "compress (.Z)"),
    *((magic, "zlib") for magic in (b"\x78\x01", b"\x78\x9c", b"\x78\xda")),
)
"""Beginnings of packed files; what unpacks some of them looks at them first."""

_OTHER_FORMATS = (
    *_PACKED,
    (b"PAR1", "Parquet"),
    (b"Obj\x01", "Avro"),
    (b"ORC", "ORC"),
    *((magic, "UTF-16 text") for magic in (b"\xff\xfe", b"\xfe\xff", b"{\x00", b"\x00{")),
)


class _JsonError(NamedTuple):
    """Why a slice of the text is not one JSON value, and the offset in the whole text."""

    byte: int
    reason: str


def without_bom(data: bytes) -> bytes:
    """Return `data` without the byte order mark that Windows programs put before UTF-8."""
    return data.removeprefix(b"\xef\xbb\xbf")


def is_packed(data: bytes) -> bool:
    """Return whether bytes are packed in a way that other programs unpack: there may be logs in them."""
    return data.startswith(tuple(magic for magic, _ in _PACKED))


def holds_events(data: bytes) -> bool:
    """Return whether bytes that are no JSON have the names of a record's fields: text with records in it, or Avro."""
    return b"ventsource" in data.lower() and b"seridentity" in data.lower() and b"amazonaws.com" in data


def non_json_reason(data: bytes) -> str | None:
    """Return why these bytes cannot be JSON text at all, judged by their first bytes; None if they may be."""
    if not data or data.isspace():
        return "empty file"
    if data[257:262] == b"ustar":
        return "a tar archive, not JSON: unpack it first"
    format_name = next((name for magic, name in _OTHER_FORMATS if data.startswith(magic)), None)
    if format_name and is_packed(data):
        return f"{format_name}, not JSON in UTF-8: unpack it first"
    return f"{format_name}, not JSON in UTF-8" if format_name else None


def parse_values(data: bytes) -> Iterator[object]:
    """Yield the top-level values: a Record where a value is one, a BadRecord or Damage where there is no value.

    A line is parsed by itself first. If that fails, the value may span lines or share its line, and a scan looks for
    its end. If the scan finds no end, the text is damaged, and `_lines_after_damage` reads the rest.
    """
    text = ""
    position, at_line_start = _skip_space(data, 0)
    while position < len(data):
        value = None
        if at_line_start:  # elsewhere the search for the line's end would make one long line quadratic
            end = _line_end(data, position)
            value = _parse(data, position, end)
        if value is None or isinstance(value, _JsonError):
            if not (text or fits_in_memory(data)):
                yield from _parse_without_decoding(data, position)
                return
            text = text or data.decode("latin-1")
            start = position
            end, value = _scan(data, text, start)
            if isinstance(value, _JsonError):
                stop, bad_elements = yield from _salvage_list(data, text, start)
                if end == start:
                    yield Damage(*value)
                    yield from _lines_after_damage(data, _line_end(data, stop))
                    return
                value = None if bad_elements else BadRecord(value.reason)
            elif value is None:
                value = BadRecord("not an object: null")
        if value is not None:
            yield value
        position, at_line_start = _skip_space(data, end)


def _parse_without_decoding(data: bytes, position: int) -> Iterator[object]:
    for value in parse_in_windows(data, position, _parse_or_bad):
        yield value
        if isinstance(value, Damage):
            yield from _lines_after_damage(data, _line_end(data, value.byte or position))


def _parse_or_bad(data: bytes, start: int, end: int) -> object:
    value = _parse(data, start, end)
    return BadRecord(value.reason) if isinstance(value, _JsonError) else value


def error_reason(error: Exception) -> str:
    """Return a JSON decoder's error as one printable phrase, without its offset."""
    if isinstance(error, RecursionError):
        return "nested too deep"
    return escape_controls(_BYTE_OFFSET.sub("", str(error)).removeprefix("JSON is malformed: ").lower())


def _lines_after_damage(data: bytes, position: int) -> Iterator[object]:
    """Yield the values of whole lines that start with an object, perhaps an element of a list, and nothing else.

    JSON strings hold no line ends, so text that a caller put into a record cannot start such a line. In indented JSON a
    nested object can start a line, but then the line is indented or the object has more than one line.
    """
    while position < len(data):
        position += 1
        end = _line_end(data, position)
        stamp = _TIME_STAMP.match(data, position)
        start = stamp.end() if stamp else position
        if data.startswith(b'{"', start):
            stop = start + len(data[start:end].rstrip(b" \t\r,"))
            yield _parse_or_bad(data, start, stop)
        position = end


def _line_end(data: bytes, position: int) -> int:
    end = data.find(b"\n", position)
    return len(data) if end < 0 else end


def _skip_space(data: bytes, position: int) -> tuple[int, bool]:
    """Skip white space, and a time stamp at a line's start; return the position, and whether a line starts there."""
    match = _SPACE.match(data, position)
    end = match.end() if match else position
    at_line_start = position == 0 or b"\n" in data[position:end]
    stamp = _TIME_STAMP.match(data, end) if at_line_start else None
    return (stamp.end() if stamp else end), at_line_start


def _parse(data: bytes, start: int, end: int) -> object:
    """Return `data[start:end]` as one value: a Record where it is one, else as plain JSON."""
    if not fits_in_memory(data, start, end):
        return _JsonError(start, f"too many values in one at byte {start:,}")
    piece = data[start:end]
    offset = invalid_utf8_offset(piece)
    if offset is not None:
        return _JsonError(start + offset, f"not UTF-8 at byte {start + offset:,}")
    try:
        if has_repeated_key(piece):
            return decode_distinct(piece)
    except JSON_ERRORS:  # what is no JSON is judged below
        pass
    try:
        record = RECORD.decode(piece)
        if is_call_record(record) and not has_text_parameters(piece):
            return record
    except JSON_ERRORS:
        pass
    try:
        return VALUE.decode(piece)
    except JSON_ERRORS as error:
        return _json_error(error, start, end)


def _scan(data: bytes, text: str, start: int) -> tuple[int, object]:
    """Return the end of the value that begins at `start`, and the value.

    `text` is `data` as Latin-1, so that both have the same offsets; the structure of JSON is ASCII.
    """
    try:
        _, end = _SCANNER.raw_decode(text, start)
    except JSON_ERRORS:
        try:
            VALUE.decode(memoryview(data)[start:])
        except JSON_ERRORS as error:
            return start, _json_error(error, start, len(data))
        return start, _JsonError(start, f"not JSON at byte {start:,}")
    return end, _parse(data, start, end)


def _salvage_list(data: bytes, text: str, start: int) -> Generator[object, None, tuple[int, int]]:
    """Yield the whole elements of a list of records that is cut, or that has an element which is not JSON.

    Returns the position where it stopped, and the number of elements that are bad.
    """
    head = LIST_HEAD.match(data, start)
    if head is None:
        return start, 0
    position, bad_elements = head.end(), 0
    while True:
        begin = _skip_space(data, position)[0]
        position, value = _scan(data, text, begin)
        if position == begin:
            return begin, bad_elements
        if isinstance(value, _JsonError):
            bad_elements += 1
            yield BadRecord(value.reason)
        else:
            yield value if isinstance(value, Record) else [value]
        comma = _COMMA.match(text, position)
        if comma is None:
            return position, bad_elements
        position = comma.end()


def _json_error(error: Exception, start: int, end: int) -> _JsonError:
    """Return a decoder's error on `data[start:end]`, with the offset in the whole text."""
    message = str(error)
    if message == "Input data was truncated":
        return _JsonError(end, f"JSON ends in the middle of a value at byte {end:,}")
    match = _BYTE_OFFSET.search(message)
    byte = start + int(match.group(1)) if match else start
    return _JsonError(byte, f"not JSON at byte {byte:,}: {error_reason(error)}")
