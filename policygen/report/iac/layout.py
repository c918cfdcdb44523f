"""Writes brackets and indentation, for all languages that have them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import indent


def block(opening: str, inner: Iterable[str], closing: str, step: str = "  ") -> str:
    """Return entries between brackets, each on lines of its own and indented by one step."""
    return f"{opening}\n{indent(chr(10).join(inner), step)}\n{closing}"


def array(items: Sequence[str], step: str = "  ") -> str:
    """Return a list: on one line where it has at most one short item, else with each item on its own line."""
    if not items or (len(items) == 1 and "\n" not in items[0]):
        return f"[{''.join(items)}]"
    return block("[", (f"{item}," for item in items), "]", step)
