"""One thing to look at before a policy is applied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

SHOWN = 3
"""Lines of details of one kind; `--details` has all of them."""


class Notice(NamedTuple):
    """Something to look at: a mark, what it is, a sentence, and lines of details with what each is about."""

    mark: str
    name: str
    sentence: str
    details: Sequence[tuple[str, str]] = ()
    paste: Sequence[str] = ()
    """What to paste where, and its lines, which are never broken."""


def listed_notice(
    mark: str,
    name: str,
    sentence: str,
    entries: Sequence[tuple[str, str]],
    last: tuple[str, str] | None = None,
) -> Notice | None:
    """Return a notice with its first entries, and the number of the others; None where there is no entry."""
    if not entries:
        return None
    rest = [("", f"and {len(entries) - SHOWN:,} more (--details)")] if len(entries) > SHOWN else []
    return Notice(mark, name, sentence, [*entries[:SHOWN], *rest, *([last] if last else [])])


def few(names: Sequence[str]) -> str:
    """Name the first, and count the others: ``a, b, c +2``."""
    return ", ".join(names[:SHOWN]) + (f" +{len(names) - SHOWN}" if len(names) > SHOWN else "")
