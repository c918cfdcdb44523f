"""Lines of screens: widths, wrapping, and how long lists are cut."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from policygen.text import ascii_signs, escape_controls

WIDTH = 80
"""Columns of a screen that goes to a file or a pipe."""
NARROWEST, WIDEST = 60, 160
"""Columns between which a screen follows the terminal's width."""
LISTED = 6
"""Entries of a long list that are shown before "and N more"."""


class Layout(NamedTuple):
    """How wide a screen is, and what follows from it for its lines."""

    width: int = WIDTH

    def right(self, left: str, right: str) -> str:
        """Return a line with text at the left margin and text at the right one."""
        gap = self.width - len(left) - len(right)
        return left + " " * max(2, gap) + right if right else left

    def wrapped(self, lead: str, text: str, indent: str | None = None) -> list[str]:
        """Return `text` after `lead`, wrapped at the width; an ARN longer than a line is not cut.

        Args:
            lead: what the first line begins with.
            text: what is wrapped; control characters are written out.
            indent: what further lines begin with; None for spaces below the lead.
        """
        return textwrap.wrap(
            escape_controls(text),
            self.width,
            initial_indent=lead,
            subsequent_indent=" " * len(lead) if indent is None else indent,
            break_long_words=False,
            break_on_hyphens=False,
        )

    def joined(self, lead: str, parts: Iterable[str], separator: str = " · ") -> list[str]:
        """Return parts after `lead`, separated; lines end between two parts, and inside those that are too long."""
        lines: list[str] = []
        for part in parts:
            if lines and len(lead) + len(lines[-1]) + len(separator) + len(part) <= self.width:
                lines[-1] += separator + part
            else:
                lines.append(part)
        indent = " " * len(lead)
        return [
            line for i, text in enumerate(lines) for line in self.wrapped(indent if i else lead, text, indent)
        ]

    def command(self, lead: str, command: str) -> list[str]:
        """Return a shell command after `lead`; where it is too long, lines end with ``\\``, as a shell takes it.

        It may end with ``> FILE``.
        """
        room = self.width - len(lead) - len(" \\")
        lines = [""]
        to_file = _TO_FILE.search(command)
        words = option_words(command[: to_file.start()] if to_file else command)
        words += [to_file[0].strip()] if to_file else []
        for number, word in enumerate(words, 1):
            if number == len(words):
                room += len(" \\")  # no line follows
            if lines[-1] and len(lines[-1]) + 1 + len(word) > room:
                lines.append(f"  {word}")
            else:
                lines[-1] += f" {word}" if lines[-1] else word
        first, *others = [f"{line} \\" for line in lines[:-1]] + lines[-1:]
        return [lead + first, *(" " * len(lead) + line for line in others)]

    def entries(self, title: str, mark: str, items: Sequence[tuple[str, str]]) -> Iterator[str]:
        """Yield a part of the screen, if there is anything in it: a title, and for each item what it is and why.

        Args:
            title: its first line.
            mark: the sign before each item.
            items: (what, why); "" for no reason.
        """
        if not items:
            return
        yield from ("", *self.wrapped("", title, "  "))
        for what, why in items:
            yield from self.wrapped(f"  {mark} ", what, "    ")
            yield from self.wrapped("      why   ", why)


_TO_FILE = re.compile(r" > [\w+=,.@%-]+$")

wrapped = Layout().wrapped
"""That of a screen of 80 columns."""


def option_words(command: str) -> list[str]:
    """Split a command where a line may end: before an option, and never inside quotes."""
    words: list[str] = []
    for word in shlex.split(command):
        quoted = shlex.quote(word)
        if words and words[-1].startswith("-") and " " not in words[-1] and not word.startswith("-"):
            words[-1] += f" {quoted}"
        else:
            words.append(quoted)
    return words


def finished(lines: Iterable[str], *, ascii_only: bool) -> str:
    """Return the lines of a screen as its text, without control characters and spaces at their ends."""
    text = "\n".join(escape_controls(line).rstrip() for line in lines) + "\n"
    return in_ascii(text) if ascii_only else text


def more(count: int, limit: int | None) -> Iterator[str]:
    """Yield the line that counts what was cut, if anything was."""
    if limit is not None and count > limit:
        yield f"    and {count - limit} more (--details lists them)"


_SPARKS = "▁▂▃▄▅▆▇█"
_ASCII_SPARKS = str.maketrans(_SPARKS, "._-~=+*#")


def sparks(numbers: Sequence[int], top: int = 0) -> str:
    """Draw a mark for each number, relative to `top` or to the highest of them."""
    highest = top or max(numbers, default=0) or 1
    return "".join(_SPARKS[min(7, 7 * number // highest)] for number in numbers)


def in_ascii(text: str) -> str:
    """Return the text for terminals without Unicode."""
    return ascii_signs(text.translate(_ASCII_SPARKS)).encode("ascii", "replace").decode()
