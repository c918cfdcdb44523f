"""Lines of the screen: widths, counts and short names, for every section alike."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from policygen import arn
from policygen.text import count, printable

WIDTH = 80
LISTED = 6
"""How many entries of a long list are shown before "and N more"."""


def places(patterns: Iterable[Sequence[str]]) -> str:
    """Resources in words: short names of a few, the number of many."""
    distinct = sorted({text for one in patterns for text in one})
    if "*" in distinct:
        return "*" if len(distinct) == 1 else f"* and {count(len(distinct) - 1, 'resource')}"
    if len(distinct) <= 2:
        return " and ".join(short(text) for text in distinct)
    return count(len(distinct), "resource")


def where(actions: Iterable[Sequence[str]]) -> str:
    """The resources of some actions in words; what a NotResource leaves out is no place, but all others are."""
    named: set[str] = set()
    broad: set[tuple[str, ...]] = set()
    for patterns in set(map(tuple, actions)):  # thousands of actions have the same
        left_out = tuple(text[1:] for text in patterns if text.startswith("!"))
        broad |= {left_out} if left_out else set()
        # A name beside them is worth a word only where it brings back some of what is left out.
        named |= {
            text
            for text in patterns
            if not text.startswith("!") and (not left_out or any(arn.overlaps(text, one) for one in left_out))
        }
    if not broad:
        return places([sorted(named)])
    some = "some of " if len(broad) > 1 else ""
    lacking = {text for one in broad for text in one}
    words = f"everything but {some}{count(len(lacking), 'resource') if some else places(broad)}"
    parts = ["*"] * ("*" in named) + [words] + [places([sorted(named - {"*"})])] * bool(named - {"*"})
    return ", and ".join(parts)


def short(pattern: str) -> str:
    """The resource part of an ARN pattern."""
    pieces = pattern.split(":", 5)
    return pieces[5] if len(pieces) == 6 else pattern


def minute(time: str) -> str:
    """An ISO time to the minute, without the T."""
    return time[:16].replace("T", " ")


def right(left: str, right: str) -> str:
    """Text at the left margin and text at the right one."""
    gap = WIDTH - len(left) - len(right)
    return left + " " * max(2, gap) + right if right else left


def wrapped(lead: str, text: str, indent: str | None = None) -> Iterator[str]:
    """`text` after `lead`, wrapped at the width; an ARN longer than a line is not cut."""
    text = printable(text)
    if text and text == text.strip() and len(lead) + len(text) <= WIDTH:
        yield lead + text  # most are so
        return
    indent = " " * len(lead) if indent is None else indent
    if text.split() == text.split(" "):
        yield from _filled(lead, text, indent)  # nearly all others
        return
    yield from textwrap.wrap(
        text,
        WIDTH,
        initial_indent=lead,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _filled(lead: str, text: str, indent: str) -> Iterator[str]:
    """As `textwrap` has it, which is slow: words with one space between, as many in a line as go into it."""
    start = 0
    while len(text) - start > (room := max(0, WIDTH - len(lead))):
        end = text.rfind(" ", start, start + room + 1)
        if end < 0:  # a word that is longer than a line
            end = text.find(" ", start)
        if end < 0:
            break
        yield lead + text[start:end]
        start, lead = end + 1, indent
    yield lead + text[start:]


def more(count: int, limit: int | None) -> Iterator[str]:
    """The line that counts what was cut."""
    if limit is not None and count > limit:
        yield f"    and {count - limit} more (--all lists them)"


def denied_by(policy_type: str, *, explicit: bool) -> str:
    """What refused a call, as far as its error message says."""
    if not policy_type:
        return "the message names no policy"
    if explicit:
        return f"explicit deny, {policy_type} policy"
    if policy_type == "identity-based":
        return "no identity-based policy allows it"
    return f"{policy_type}: an identity policy would not help"


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
    """A mark for each number, against `top` or the highest of them."""
    highest = top or max(numbers, default=0) or 1
    return "".join(_SPARKS[min(7, 7 * number // highest)] for number in numbers)


def in_ascii(text: str) -> str:
    """The text for terminals without Unicode."""
    return text.translate(_ASCII).encode("ascii", "replace").decode()
