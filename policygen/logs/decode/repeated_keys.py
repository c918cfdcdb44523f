"""Find keys that stand twice in one JSON object: readers of JSON take the last of them without a word (RFC 8259, 4).

No record that AWS writes has one. In one that has, nobody can tell which value is true: it cannot be used.
"""

from __future__ import annotations

import json
import re

import msgspec

from policygen.logs.decode.json_window import RECORD_LISTS, BadRecord
from policygen.text import sanitize

# A number is written again as it was: 1e5 would come out longer, as 100000.0.
_decode = msgspec.json.Decoder(float_hook=lambda text: msgspec.Raw(text.encode())).decode
_encode = msgspec.json.Encoder().encode
_SPACE = b" \t\r\n"
_LIST = re.compile(rb'\s*\{\s*"Records"\s*:\s*\[\s*(?=\{)')
_BETWEEN = b'},{"eventVersion":"'
_LONGEST = 1 << 20
"""Bytes within which the first record of a file ends; an event has at most 256 KB (2.1.5)."""


def has_repeated_key(text: bytes) -> bool:
    """Return whether an object of a JSON text, at any depth, has a key twice.

    A text that is written again as it was has none. Nothing gets longer by it, and a key that is lost makes it shorter.

    Raises:
        ValueError, RecursionError: it is no JSON.
    """
    if len(_encode(_decode(text))) == len(text.strip(_SPACE)):
        return False
    found = False

    def note(pairs: list[tuple[str, object]]) -> None:
        nonlocal found
        found = found or len(dict(pairs)) < len(pairs)

    json.loads(text, object_pairs_hook=note)
    return found


def first_record(text: bytes) -> bytes:
    """Return the first record of a ``{"Records": [...]}`` text; all of a text that is none, or has only one."""
    head = _LIST.match(text)
    end = text.find(_BETWEEN, head.end(), head.end() + _LONGEST) + 1 if head else 0
    return text[head.end() : end] if head and end else text


def decode_distinct(text: bytes) -> object:
    """Decode JSON; an object with a repeated key is a `BadRecord`, and so is what holds it, up to a list of records.

    Lists of records under one key are joined: both count.

    Raises:
        ValueError, RecursionError: it is no JSON.
    """
    return json.loads(text, object_pairs_hook=_distinct)


def _distinct(pairs: list[tuple[str, object]]) -> object:
    fields: dict[str, object] = {}
    bad: BadRecord | None = None
    for key, value in pairs:
        earlier = fields.get(key)
        is_list = key in RECORD_LISTS and isinstance(value, list)
        if is_list and isinstance(earlier, list):
            fields[key] = [*earlier, *value]  # type: ignore[misc]  # `is_list` says so
            continue
        if key in fields:
            bad = bad or BadRecord(f"the key {sanitize(key, 40)} stands twice in it")
        fields[key] = value
        held = None if is_list else value if isinstance(value, BadRecord) else _bad_in(value)
        bad = bad or held
    return fields if bad is None or any(isinstance(fields.get(key), list) for key in RECORD_LISTS) else bad


def _bad_in(value: object) -> BadRecord | None:
    """Return the bad object in a list, at any depth: objects tell it of themselves."""
    if not isinstance(value, list):
        return None
    for one in value:
        if found := one if isinstance(one, BadRecord) else _bad_in(one):
            return found
    return None
