"""Lines of screens: widths, wrapping, and how long lists are cut."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from policygen.text import escape_controls

WIDTH = 80
LISTED = 6
"""Entries of a long list that are shown before "and N more"."""


def right(left: str, right: str) -> str:
    """Return a line with text at the left margin and text at the right one."""
    gap = WIDTH - len(left) - len(right)
    return left + " " * max(2, gap) + right if right else left


def wrapped(lead: str, text: str, indent: str | None = None) -> list[str]:
    """Return `text` after `lead`, wrapped at the width; an ARN longer than a line is not cut.

    Args:
        lead: what the first line begins with.
        text: what is wrapped; control characters are written out.
        indent: what further lines begin with; None for spaces below the lead.
    """
    return textwrap.wrap(
        escape_controls(text),
        WIDTH,
        initial_indent=lead,
        subsequent_indent=" " * len(lead) if indent is None else indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def entries(title: str, mark: str, items: Sequence[tuple[str, str]], limit: int | None) -> Iterator[str]:
    """Yield a part of the screen, if there is anything in it: a title, and for each item what it is and why.

    Args:
        title: its first line.
        mark: the sign before each item.
        items: (what, why); "" for no reason.
        limit: how many are shown; None for all.
    """
    if not items:
        return
    yield from ("", title)
    for what, why in items[:limit]:
        yield from wrapped(f"  {mark} ", what, "    ")
        yield from wrapped("      why   ", why)
    yield from more(len(items), limit)


def more(count: int, limit: int | None) -> Iterator[str]:
    """Yield the line that counts what was cut, if anything was."""
    if limit is not None and count > limit:
        yield f"    and {count - limit} more (--details lists them)"


_SPARKS = "▁▂▃▄▅▆▇█"
_ASCII = str.maketrans(
    {
        "✔": "v",
        "✘": "x",
        "→": ">",
        "−": "-",
        "…": ".",
        "·": "-",
        **dict(zip(_SPARKS, "._-~=+*#", strict=True)),
    }
)


def sparks(numbers: Sequence[int], top: int = 0) -> str:
    """Draw a mark for each number, relative to `top` or to the highest of them."""
    highest = top or max(numbers, default=0) or 1
    return "".join(_SPARKS[min(7, 7 * number // highest)] for number in numbers)


def in_ascii(text: str) -> str:
    """Return the text for terminals without Unicode."""
    return text.translate(_ASCII).encode("ascii", "replace").decode()
