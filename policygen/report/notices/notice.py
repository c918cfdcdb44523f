"""One thing to look at before a policy is applied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

SHOWN = 3
"""Details of one kind; `--details` has all of them."""
TITLE = "Before you merge"
"""The title of all notices, in every format."""
WITH = "policygen suggest"
"""The command that their options go with."""


class Detail(NamedTuple):
    """A line of a notice: what it is about, what is said of it, and the options that change it."""

    label: str
    words: str
    options: Sequence[str] = ()
    """Options of `suggest`, each as it is pasted."""

    @property
    def sentence(self) -> str:
        """Both in one, where there are no columns: ``If dropped: 4 go``."""
        label = self.label.strip().removesuffix(":")
        return f"{label}: {self.words}".rstrip() if label else self.words


class Notice(NamedTuple):
    """Something to look at: a mark, what it is, a sentence, and lines of details."""

    mark: str
    """``✘`` for what will fail, ``!`` to act on, ``?`` to answer, ``=`` to know."""
    name: str
    """At most 12 columns."""
    sentence: str
    details: Sequence[Detail] = ()
    paste: Sequence[str] = ()
    """What to paste where, and its lines, which are never broken."""


def listed_notice(
    mark: str,
    name: str,
    sentence: str,
    entries: Sequence[Detail],
    last: Detail | None = None,
) -> Notice | None:
    """Return a notice with its first entries, and the number of the others; None where there is no entry."""
    if not entries:
        return None
    rest = [Detail("", f"and {len(entries) - SHOWN:,} more (--details)")] if len(entries) > SHOWN else []
    return Notice(mark, name, sentence, [*entries[:SHOWN], *rest, *([last] if last else [])])


def few(names: Sequence[str]) -> str:
    """Name the first, and count the others: ``a, b, c +2``."""
    return ", ".join(names[:SHOWN]) + (f" +{len(names) - SHOWN}" if len(names) > SHOWN else "")
