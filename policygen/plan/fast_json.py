"""JSON as `json` writes it, several times as fast: a batch writes thousands of plans, and some are megabytes.

msgspec writes the text, and `json` only where msgspec would write other bytes: where something has to be escaped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from policygen.text import visible_json

_PLAIN = bytes(range(0x20, 0x7F))
_encode = msgspec.json.Encoder(order="sorted").encode


def to_bytes(document: Mapping[str, Any], *, indent: int = 2) -> bytes:
    """Return the bytes of a file: sorted keys, nothing raw that a terminal obeys.

    Args:
        document: its values.
        indent: spaces of each level; negative for one line without spaces.
    """
    data = _encode(document)
    return _visible((data if indent < 0 else msgspec.json.format(data, indent=indent)) + b"\n")


def line_in_parts(document: Mapping[str, Any], name: str, parts: Sequence[bytes]) -> Iterator[bytes]:
    """Yield what `to_bytes` returns of a document on one line; of many plans, nobody needs all in one piece.

    Args:
        document: its values.
        name: of the value that is a list, most of the document.
        parts: the entries of the list: some of them in each part, as `_encode` writes them, without brackets.
    """
    gap = b"\0"  # is nowhere in JSON
    before, _, after = _encode({**document, name: msgspec.Raw(b"[%b]" % gap)}).partition(gap)
    yield _visible(before)
    for number, part in enumerate(parts):
        yield _visible(b",%b" % part if number else part)
    yield _visible(after + b"\n")


def _visible(text: bytes) -> bytes:
    """Return JSON as `visible_json` does."""
    if text.isascii() and b"\x7f" not in text:
        return text  # as most plans: what msgspec leaves unescaped is plain
    unusual = text.translate(None, _PLAIN).decode()  # most of a plan need not be looked at
    return text if visible_json(unusual) == unusual else visible_json(text.decode()).encode()


def indented(value: object, spaces: int = 2) -> str:
    """Return JSON over several lines, as `json` writes it with so many spaces, in half of its time."""
    try:
        return msgspec.json.format(json.dumps(value, ensure_ascii=False), indent=spaces)
    except ValueError:  # half a pair of surrogates, or no number
        return json.dumps(value, indent=spaces, ensure_ascii=False)


def digest(value: Any) -> str:
    """Return a hash of plain values, whatever the order of their keys."""
    return _hash(json.dumps(value, sort_keys=True).encode())


def digest_without_fractions(value: Any) -> str:
    """Return the `digest` of values without fractions, in less time: both libraries write those alike."""
    data = msgspec.json.format(_encode(value), indent=0)
    plain = data.isascii() and b"\\" not in data and b"\x7f" not in data
    return _hash(data) if plain else digest(value)


def _hash(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()
