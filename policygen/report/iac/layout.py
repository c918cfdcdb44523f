"""Brackets and indentation, alike in the languages that have them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import indent


def block(opening: str, inner: Iterable[str], closing: str, step: str = "  ") -> str:
    """Entries between brackets, each on lines of its own and one step further in."""
    return f"{opening}\n{indent(chr(10).join(inner), step)}\n{closing}"


def array(items: Sequence[str], step: str = "  ") -> str:
    """A list: on one line where it is short, else an entry a line."""
    if not items or (len(items) == 1 and "\n" not in items[0]):
        return f"[{''.join(items)}]"
    return block("[", (f"{item}," for item in items), "]", step)
