"""Writes Markdown for GitHub: foreign text stays text, nothing closes a fence, and the whole keeps to a limit.

GitHub makes more of text than CommonMark does: ``@name`` calls people, ``#12``, ``GH-12``, addresses and commit ids
become links, ``$…$`` a formula, ``:name:`` a picture. In code it does none of this. So everything but plain words and
numbers is written as code, and no single character is escaped.

Sources: https://github.github.com/gfm/ and
https://docs.github.com/en/get-started/writing-on-github/working-with-advanced-formatting/autolinked-references-and-urls
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

import msgspec

from policygen.text import escape_controls, pluralize

LIMIT = 60_000
"""Bytes of a comment; GitHub refuses one of more than 65,536 characters."""
NAME = 200
"""Most characters of a name; the policy and the plan have all of it."""
LONG = 12
"""A section with more items is folded."""
SENTENCE = 300
"""Most characters of a sentence."""

_RUN = re.compile("`+")
_LONG_RUN = re.compile("`{17,}")
"""More backticks than a name ever has; GitHub's parser knows no code span within more than 80."""
_WORD = re.compile(
    r"(?P<open>\(?)(?P<core>[A-Za-z]+(?:[-'][A-Za-z]+)*|\d{1,3}(?:,\d{3})*(?:\.\d+)?|\d{1,6}(?:/\d{1,6})?"
    r"|\d{4}-\d\d-\d\d|\d\d:\d\d(?::\d\d)?|[→–−…%])(?P<end>[.,;:?)]{0,2})"
)
_COMMIT = re.compile("[0-9a-fA-F]{7,40}")
_ITEM = re.compile(r"\d+[.)]+")


def marker(*parts: str) -> str:
    """Return the hidden line by which a comment is found again."""
    return f"<!-- policygen:{':'.join(quote(escape_controls(part)[:NAME], safe='') for part in parts)} -->"


def code(text: str) -> str:
    """Return text as a code span, in one line; a name that is long is cut."""
    return _span(text, NAME)


def command_span(text: str) -> str:
    """Return a command as a code span, in one line: whole, because a part could not be pasted."""
    return _span(text, _COMMAND)


_COMMAND = 2000
"""Most characters of a command; policygen prints none that is longer."""


def _span(text: str, most: int) -> str:
    shown = _LONG_RUN.sub("`" * 16 + "…", escape_controls(text))
    shown = shown if len(shown) <= most else shown[: most - 1] + "…"
    if not shown:
        return ""
    ticks = "`" * (_longest(shown) + 1)
    # A parser removes one blank on each side; it separates backticks of the text from those around it.
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def code_names(names: Sequence[str]) -> str:
    """Return the first names as code, and the number of the others."""
    shown = ", ".join(map(code, names[:4]))
    return f"{shown} and {len(names) - 4:,} more" if len(names) > 4 else shown


def prose(text: str) -> str:
    """Return a sentence: plain words as they are, names and everything else as code."""
    shown = escape_controls(text)
    shown = shown if len(shown) <= SENTENCE else shown[: SENTENCE - 1] + "…"
    first, *others = shown.split() or [""]
    # At the beginning of a line a number may be that of a list's item.
    return " ".join([_coded(first) if _ITEM.fullmatch(first) else _word(first), *map(_word, others)])


def _word(word: str) -> str:
    found = _WORD.fullmatch(word)
    return word if found and not _COMMIT.fullmatch(found["core"]) else _coded(word)


def _coded(word: str) -> str:
    core = word.rstrip(".,;:)") or word
    lead = "(" if core.startswith("(") and len(core) > 1 else ""
    return f"{lead}{code(core[len(lead) :])}{word[len(core) :]}"


def row(*cells: str) -> str:
    """Return a row of a table, with pipes escaped: they end a cell even in code."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def fence(texts: Iterable[str]) -> str:
    """Return the line that opens and closes a block of code with these texts."""
    return "`" * max(3, 1 + max(map(_longest, texts), default=0))


def _longest(text: str) -> int:
    return max((len(run) for run in _RUN.findall(text)), default=0)


class Section(msgspec.Struct, frozen=True):
    """A part of a comment; it can be cut at its end, between items."""

    head: str = ""
    items: Sequence[str] = ()
    opening: str = ""
    """What stands before the items, if there are any: a fence, or the head of a table. `closing` stands behind."""
    closing: str = ""
    end: str = ""
    noun: str = "line"
    rest: str = ""
    """Where the items that were cut can be read, as Markdown."""

    def text(self, room: int | None = None) -> str:
        """Return the section with as many items as fit in `room` bytes; None for all."""
        kept = list(self.items) if room is None else list(_fitting(self.items, room))
        cut = len(self.items) - len(kept)
        body = _lines(self.opening, *kept, self.closing).rstrip("\n") if kept else ""
        rest = f"And {pluralize(cut, self.noun)} more, left out of this comment: {self.rest}" if cut else ""
        return "\n\n".join(part for part in (self.head, body, rest, self.end) if part)

    @property
    def size(self) -> int:
        """Bytes of all items."""
        return sum(map(_size, self.items))


def _lines(*texts: str) -> str:
    return "\n".join(text for text in texts if text)


def _fitting(items: Iterable[str], room: int) -> Iterator[str]:
    for item in items:
        room -= _size(item)
        if room < 0:
            return
        yield item


def _size(text: str) -> int:
    return len(text.encode()) + 1


def fitted_section(
    title: str,
    items: Sequence[str],
    *,
    noun: str,
    rest: str,
    opening: str = "",
    closing: str = "",
    end: str = "",
    folded: bool | None = None,
) -> Iterator[Section]:
    """Yield a section with a title, if it has items.

    Args:
        title: our own words only; in a summary nothing is read as Markdown.
        items: lines; the last ones can be cut.
        noun: what one item is called.
        rest: where the items that were cut can be read, as Markdown.
        opening: stands before the items.
        closing: stands behind them.
        end: stands at the end.
        folded: whether it opens only on a click; None for a section that is long.
    """
    if not items:
        return
    if len(items) > LONG if folded is None else folded:
        head, end = f"<details><summary>{title}</summary>", "\n\n".join(filter(None, [end, "</details>"]))
    else:
        head = f"#### {title}"
    yield Section(head, items, opening, closing, end, noun, rest)


def comment(sections: Sequence[Section], limit: int = LIMIT) -> str:
    """Join the sections; where they are too long together, the longest are cut to the same length."""
    text = _joined(section.text() for section in sections)
    if _size(text) <= limit:
        return text
    frame = _size(_joined(section.text(0) for section in sections))
    frame += sum(_size(section.opening) + _size(section.closing) + 2 for section in sections)
    room = _common_length([section.size for section in sections], limit - frame)
    return _joined(section.text(room) for section in sections)


def _joined(texts: Iterable[str]) -> str:
    return "\n\n".join(text for text in texts if text) + "\n"


def _common_length(sizes: Sequence[int], room: int) -> int:
    """Return the length to which longer sections must be cut so that all together fit."""
    left = len(sizes)
    for size in sorted(sizes):
        if size * left > room:
            return max(0, room // left)
        room -= size
        left -= 1
    return max(sizes, default=0)
