"""Cleaning of text that strangers wrote: user agents, session names, object keys, error messages.

Anyone who can call an API of the account can put text into its log. `sanitize` is applied once, where a
record becomes an event; resource names keep their exact characters, because IAM compares them, and go
through `escape_controls` where they are shown.
"""

from __future__ import annotations

import re
from functools import lru_cache

# C0 and C1 controls (ESC among them), and the bidirectional and invisible marks that reorder a line.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def pluralize(number: int, noun: str) -> str:
    """A number with its noun: ``1 day``, ``1,200 days``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_bytes(number: float) -> str:
    """Bytes in words: ``1.2 GB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}" if unit != "bytes" else f"{number:,.0f} bytes"
        number /= 1000
    return f"{number:,.3g} TB"


def escape_controls(text: str) -> str:
    """`text` with every control and direction mark written out, as ``\\x1b``; one line, nothing hidden."""
    return text if text.isprintable() else _UNSAFE.sub(_visible, text)  # most is; none of the unsafe ones is


def sanitize(text: object, limit: int = 256) -> str:
    """A value from a log as one short printable line.

    Args:
        text: anything; values that are not strings become "".
        limit: the greatest length in characters; what is cut is marked by an ellipsis.
    """
    if not isinstance(text, str):
        return ""
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    shown = escape_controls(text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def clean_word(text: str | None, limit: int = 128) -> str:
    """`sanitize` for a value that many records share; cut before it is remembered, so that none fills the memory."""
    return _remembered(text[: limit + 1], limit) if text else ""


_remembered = lru_cache(maxsize=8192)(sanitize)


# What a JSON writer leaves raw and a terminal obeys: DEL, the C1 controls, marks that reorder or hide text.
_RAW = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def visible_json(text: str) -> str:
    """JSON text of the same value without raw control and direction marks.

    They can stand in its strings only, where an escape means the same to every reader.
    """
    return _RAW.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


_IN_NAMES = re.compile(r"[^\w+=,@.-]", re.ASCII)


def file_name(text: str) -> str:
    """A name from a log as the name of a file: IAM's characters as they are, all others written out, and no path.

    A role of IAM has at most 64 characters of these; a log may hold anything.
    """
    name = _IN_NAMES.sub(lambda found: f"%{ord(found.group()):x}", text[:100])
    return f"%2e{name[1:]}" if name.startswith(".") else name or "%"
