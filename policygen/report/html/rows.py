"""Writes the rows of the table of changes: they are most of a page, and a template is slow at them.

HTML closes cells and rows by itself: a third of a table of short numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup, escape

from policygen.report.html.changes import ChangeLine, Changes, Pattern, shorten_pattern
from policygen.report.html.templating import display_text, names_text
from policygen.text import minute, pluralize

_PLACES = 3
"""Most resource patterns in a cell."""


def request_rows(changes: Changes, account: str) -> Markup:
    """Return all rows of the table of a role in `account`."""
    pieces = (piece for line in changes.lines for piece in _row(line, changes, account))
    return Markup("".join(pieces))  # noqa: S704 escaped, each text of a plan by `_safe`


def _safe(text: str) -> str:
    """Return a text as a template writes it: as `display_text` makes it, escaped."""
    return escape(display_text(text))


def _row(line: ChangeLine, changes: Changes, account: str) -> Iterator[str]:
    yield f"<tr data-kind={line.kind}><td>{line.word}<th scope=row>"
    if len(line.actions) == 1:
        yield f"<code>{_safe(line.service)}:<wbr>{_safe(line.names[0])}</code>"
    else:
        who = f"{pluralize(len(line.services), 'service')}," if line.services else _safe(line.service)
        yield f"<details><summary><strong>{who}</strong> {pluralize(len(line.actions), 'action')}</summary>"
        yield names_text(line.names, changes.services if line.services else changes.names)
        yield "</details>"
    yield "<td>"
    yield from _places(line, account)
    yield f"<td>{line.times:,}" if line.times else "<td>"
    yield f"<td>{_safe(line.last[:10])}" if line.last else "<td>"
    yield f"<td>{_safe('; '.join(line.whys))}"
    if line.patterns:
        yield from _evidence(line.patterns, changes)
    yield "\n"


def _places(line: ChangeLine, account: str) -> Iterator[str]:
    yield _patterns(line.proposed, account)
    if line.now == line.proposed:
        yield " <small>as today</small>"
    elif line.now:
        yield f"<p>today {_patterns(line.now, account)}</p>"


def _patterns(patterns: Sequence[str], account: str) -> str:
    listed = " ".join([f"<code>{_safe(shorten_pattern(one, account))}</code>" for one in patterns[:_PLACES]])
    more = len(patterns) - _PLACES
    return f"{listed} <small>and {more:,} more</small>" if more > 0 else listed


def _evidence(patterns: Sequence[Pattern], changes: Changes) -> Iterator[str]:
    yield "<details><summary>evidence</summary><ul>"
    for one in patterns[: changes.patterns]:
        names = f"{one.names}, " if one.names else ""
        yield f"<li><code>{_safe(one.pattern)}</code> {names}{one.times:,}×, "
        yield f"last <time>{_safe(minute(one.last))}</time>"
        if one.rule:
            yield f"; rule: {_safe(one.rule)}"
        if one.event_ids:
            yield f"; eventIDs <code>{_safe(', '.join(one.event_ids[: changes.event_ids]))}</code>"
    if len(patterns) > changes.patterns:
        yield f"<li>and {pluralize(len(patterns) - changes.patterns, 'more pattern')}"
    yield "</ul></details>"
