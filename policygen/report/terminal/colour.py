"""Colours a finished screen for a terminal: signs and headings get a colour beside the word that they stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping

_STYLES: Mapping[str, tuple[str, str]] = {
    "good": ("1;32", r"(?<=^  )✔ [A-Z ]+(?=  )"),
    "look": ("1;33", r"(?<=^  )! [A-Z ]+(?=  )"),
    "stop": ("1;31", r"(?<=^  )✘ [A-Z ]+(?=  )"),
    "error": ("1;31", r"^error(?= PG)"),
    "warning": ("1;33", r"^warning(?= PG)"),
    "note": ("1;34", r"^note(?= PG)"),
    "tick": ("32", r"✔"),
    "cross": ("31", r"✘"),
    "mark": ("33", r"(?<=^ \d )[!?]|(?<=^\d\d )[!?]|(?<=^  )[!?~]"),
    "less": ("31", r"(?<=^  )-(?= )"),
    "more": ("32", r"(?<=^  )[+=](?= )"),
    "command": (
        "36",
        (
            r"(?<= )policygen [a-z]+ .*|^ {10,}(?:--?[a-z]|[a-z0-9-]+:[A-Z]\w* -).*|"
            r"(?<= )--(?:accept|unverified|open|keep|drop) (?:'[^']*'|\S+)"
        ),
    ),
    "spark": ("34", r"[▁▂▃▄▅▆▇█]+"),
    "head": (
        "1",
        r"^[A-Z][a-z]+(?: [a-z]+)*(?=  | \(|$)|^[\w+=,@.-]+(?= · account )|^[a-z][\w-]*:\w+(?= for )",
    ),
}
"""Name -> SGR code, and what gets it in a line; where two fit, the first."""

_PARTS = "|".join(f"(?P<{name}>{pattern})" for name, (_, pattern) in _STYLES.items())


def coloured(screen: str) -> str:
    """Return a screen with the escape sequences of colours; its text has no control characters of its own."""

    def styled(found: re.Match[str]) -> str:
        return f"\x1b[{_STYLES[str(found.lastgroup)][0]}m{found.group()}\x1b[0m"

    return re.sub(_PARTS, styled, screen, flags=re.M)
