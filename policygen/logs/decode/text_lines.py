"""Split a log of texts into its lines, out of what CloudWatch Logs and Firehose wrap them in.

A line is what one program wrote at once, an entry of an access log for instance; here nobody knows what it means. Lines
end with a line break, or each stands in a field of an answer of CloudWatch Logs (`wrappings.TEXT_WRAPPINGS`), or
objects of JSON follow one another with nothing between, as Firehose delivers them. Pure: bytes in, lines out.

The text is hostile: no line break can stand in a line, so a line of a text that has line breaks is never split.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from policygen.logs.decode.json_text import non_json_reason, without_bom
from policygen.logs.decode.json_window import fits_in_memory
from policygen.logs.decode.trail_file import JSON_ERRORS
from policygen.logs.decode.wrappings import TEXT_WRAPPING_KEYS, wrapped_lines
from policygen.logs.events.event_time import utc_time
from policygen.logs.source import Damage, TextLines

PIECE = 1 << 20
"""Bytes of a text that are made lines at once, which bounds the memory."""

_SCANNER = json.JSONDecoder()
_FIRST_KEY = re.compile(rb'\s*\{\s*"(\w+)"\s*:')
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d{3}Z ")
"""What an export of CloudWatch Logs writes before each line."""
_WRITE_TEST = b"Permission Check Successful"
"""The content of the file with which CloudWatch Logs tries whether it may write an export."""
_BETWEEN_OBJECTS = re.compile(r"(?<=\})\s*(?=\{)")
_NEXT_OBJECT = re.compile(r"\s*(?=\{)")


def non_text_reason(data: bytes) -> str | None:
    """Return why bytes are no lines of text, judged by their first bytes; None if they may be."""
    reason = non_json_reason(data)
    if reason:
        return reason.replace("JSON in UTF-8", "text")
    return "not text" if b"\0" in data[:1024] else None


def text_lines(data: bytes) -> Iterator[TextLines | Damage]:
    """Yield the lines of a text in their order, and damage where a wrapping is cut.

    Args:
        data: the text, in UTF-8; what is not UTF-8 becomes U+FFFD.
    """
    data = without_bom(data)
    if data[: len(_WRITE_TEST) + 2].strip() == _WRITE_TEST:
        return
    first = _FIRST_KEY.match(data)
    if first and first[1].decode() in TEXT_WRAPPING_KEYS and fits_in_memory(data):
        try:
            yield from _unwrapped(data.decode(errors="replace"))
        except _NotWrappedError:
            pass
        else:
            return
    if b"\n" not in data and b"}" in data:
        yield TextLines(_objects(data.decode(errors="replace")))
        return
    yield from _split(data)


class _NotWrappedError(Exception):
    """The first value of a text is no wrapping."""


def _unwrapped(text: str) -> Iterator[TextLines | Damage]:
    """Yield what the wrappings of a text hold, one after the other.

    Raises:
        _NotWrappedError: the text does not begin with one.
    """
    position, number = 0, 1
    while match := _NEXT_OBJECT.match(text, position):
        try:
            value, end = _SCANNER.raw_decode(text, match.end())
        except JSON_ERRORS as error:
            if number == 1 and not position:
                raise _NotWrappedError from error
            break
        if value.get("messageType") == "CONTROL_MESSAGE":
            position = end
            continue
        found = wrapped_lines(value)
        if found is None:
            if not position:
                raise _NotWrappedError
            break
        group = str(value.get("logGroup", ""))
        yield TextLines(
            [line.rstrip("\r\n") for _, line in found], [utc_time(time) for time, _ in found], group, number
        )
        number, position = number + len(found), end
    if text[position:].strip():
        yield Damage(position, "log events that are cut, or in a form that policygen does not know")


def _objects(text: str) -> list[str]:
    """Return the objects that a text without line breaks consists of; the whole text where it has none.

    A value that is not quoted may be a lone ``-``, which is no JSON: then objects end where another begins.
    """
    found: list[str] = []
    position = 0
    while match := _NEXT_OBJECT.match(text, position):
        try:
            _, end = _SCANNER.raw_decode(text, match.end())
        except JSON_ERRORS:
            break
        found.append(text[match.end() : end])
        position = end
    return [*found, *filter(None, _BETWEEN_OBJECTS.split(text[position:].strip()))]


def _split(data: bytes) -> Iterator[TextLines]:
    """Yield the lines of a text that has line breaks; empty lines count, and are given."""
    stamped = _STAMP.match(data[:32].decode("latin-1")) is not None
    position, number = 0, 1
    while position < len(data):
        end = len(data) if position + PIECE >= len(data) else data.find(b"\n", position + PIECE)
        end = len(data) if end < 0 else end
        texts = data[position:end].decode(errors="replace").split("\n")
        if end == len(data) and texts[-1] == "":
            texts.pop()
        if texts and texts[0].endswith("\r"):
            texts = [one.removesuffix("\r") for one in texts]
        yield _without_stamps(texts, number) if stamped else TextLines(texts, first=number)
        number += len(texts)
        position = end + 1


def _without_stamps(texts: list[str], number: int) -> TextLines:
    """Return the lines of an export, each without the time before it."""
    lines, times = [], []
    for text in texts:
        stamp = _STAMP.match(text)
        lines.append(text[stamp.end() :] if stamp else text)
        times.append(f"{stamp[1]}Z" if stamp else "")
    return TextLines(lines, times, first=number)
