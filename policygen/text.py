"""Cleans text that strangers wrote: user agents, session names, object keys, error messages.

Anyone who can call an API of the account can put text into its log. `sanitize` is applied once, where a record becomes
an event. Resource names keep their exact characters, because IAM compares them; `escape_controls` is applied where
they are shown.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import import_module

# What reorders a line, ends one, or is not seen at all: Unicode's format characters, what its DerivedCoreProperties.txt
# calls Default_Ignorable_Code_Point (fillers, selectors of variants, tags), C1 controls, and halves of pairs.
_HIDDEN = (
    "\x7f-\x9f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u115f-\u1160\u17b4-\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_UNSAFE = re.compile(f"[\x00-\x1f{_HIDDEN}]")

_CONSONANT_Y = re.compile("[^aeiou]y$")


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def pluralize(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 day``, ``1,200 days``, ``2 entries``."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun[:-1]}ies" if _CONSONANT_Y.search(noun) else f"{number:,} {noun}s"


def about_names(number: int) -> str:
    """Return how many names there are, where many are estimated: ``40 names``, ``about 480,000 names``."""
    if number < 256:
        return pluralize(number, "name")
    unit = 10 ** (len(str(number)) - 2)
    return f"about {pluralize(round(number / unit) * unit, 'name')}"


def format_bytes(number: float) -> str:
    """Return a number of bytes with a unit: ``1.2 GB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}" if unit != "bytes" else f"{number:,.0f} bytes"
        number /= 1000
    return f"{number:,.3g} TB"


def escape_controls(text: str) -> str:
    """Return the text as one visible line: what is not seen, or reorders it, is escaped, as ``\\x1b``."""
    return text if text.isascii() and text.isprintable() else _UNSAFE.sub(_visible, text)  # most text is both


def sanitize(text: object, limit: int = 256) -> str:
    """Return a value from a log as one short printable line.

    Args:
        text: any value; one that is not a string becomes "".
        limit: the greatest length in characters; an ellipsis marks a cut.
    """
    if not isinstance(text, str):
        return ""
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    shown = escape_controls(text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def clean_word(text: str | None, limit: int = 128) -> str:
    """Return the same as `sanitize`, cached for values that many records share; cut first, to bound the memory."""
    return _remembered(text[: limit + 1], limit) if text else ""


_remembered = lru_cache(maxsize=8192)(sanitize)


_RAW = re.compile(f"[{_HIDDEN}]")
"""What a JSON writer leaves raw, and is not seen or reorders a line."""


def visible_json(text: str) -> str:
    """Return JSON text of the same value in which all is seen, and in its order.

    What is not can occur only inside strings, where an escape has the same meaning.
    """
    return _RAW.sub(_json_escape, text)


def _json_escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\u{0xD7C0 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"  # a pair (RFC 8259, 7)


_IN_NAMES = re.compile(r"[^\w+=,@.-]", re.ASCII)


def file_name(text: str) -> str:
    """Return a name from a log as a file name without a path: IAM's characters stay, all others are escaped.

    The name of an IAM role has at most 64 of these characters; a name in a log may have any.
    """
    name = _IN_NAMES.sub(lambda match: f"%{ord(match.group()):x}", text[:100])
    return f"%2e{name[1:]}" if name.startswith(".") else name or "%"


def page_of(record: object) -> str:
    """Return the HTML that a notebook shows of a suggestion, a plan or a policy, which asks by `_repr_html_`.

    Pages are made at the top of the house, which these records do not import: the module is found by its name.
    """
    page: str = import_module("policygen.report.html.notebook").notebook_page(record)
    return page


_SIGNS = str.maketrans({"✔": "v", "✘": "x", "→": ">", "−": "-", "…": ".", "·": "-", "×": "x"})


def ascii_signs(text: str) -> str:
    """Return a text with ASCII characters in place of policygen's own signs."""
    return text.translate(_SIGNS)


def minute(time: str) -> str:
    """Return an ISO time to the minute, without the T."""
    return time[:16].replace("T", " ")
