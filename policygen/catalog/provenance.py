"""Locate the origin of a request in the service files, by file and line, so that people can check it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from policygen.catalog.call import Provenance
from policygen.catalog.rules import file_text, rules_for_source

FOLDER = "services"


def rule_place(origin: Provenance) -> str:
    """Return the location of the need that gave the action, ``services/s3.toml:120``; "" for a general step."""
    if not origin.file:
        return ""
    return (
        f"{FOLDER}/{origin.file}:{_need_line(origin.file, origin.rule.removeprefix('event '), origin.need)}"
    )


def step_place(origin: Provenance, source: str) -> str:
    """Return the location of the template that gave the ARN, ``services/s3.toml:9``; "" for a general step.

    Args:
        origin: the origin of a request.
        source: eventSource of its call, whose service file has the templates of resource types.
    """
    rules = rules_for_source(source)
    file = origin.file or (rules.file if rules else "")
    if not file or "{" not in origin.step:
        return ""
    line = _template_line(
        file, origin.step, origin.rule.removeprefix("event "), origin.need, origin.resource_type
    )
    return f"{FOLDER}/{file}:{line}" if line else ""


@lru_cache(maxsize=1024)
def _need_line(file: str, event: str, number: int) -> int:
    text = file_text(file)
    begin, end = _event_block(text, event)
    needs = [found.start() for found in _needs_in_order(text, begin, end)]
    return _line(text, needs[number] if number < len(needs) else begin)


def _event_block(text: str, event: str) -> tuple[int, int]:
    """Return the offsets of an event's rule: of its own table, or of its line in the table of all events."""
    name = f'(?:{re.escape(event)}|"{re.escape(event)}")'
    if own := re.search(rf"^\[event\.{name}\]", text, re.M):
        following = re.search(r"^\[", text[own.end() :], re.M)
        return own.start(), own.end() + following.start() if following else len(text)
    if row := re.search(rf"^{name} *= *\{{.*$", text, re.M):
        return row.start(), row.end()
    return 0, len(text)


def _needs_in_order(text: str, begin: int, end: int) -> Iterator[re.Match[str]]:
    """Yield the needs of a block and then those of its `also`, in the order of their numbers."""
    pattern = re.compile(r"\{\s*action\s*=")
    also = re.compile(r"\balso\s*=").search(text, begin, end)
    needs = re.compile(r"\bneeds\s*=").search(text, begin, end)
    parts = [(one.start(), one) for one in (needs, also) if one]
    spans = {one: (at, min((p for p, _ in parts if p > at), default=end)) for at, one in parts}
    for one in (needs, also):
        if one:
            yield from pattern.finditer(text, *spans[one])


@lru_cache(maxsize=1024)
def _template_line(file: str, template: str, event: str, number: int, resource_type: str) -> int:
    """Return the line of a template: in the need itself, else among the steps of its type; 0 if in neither."""
    text = file_text(file)
    quoted = template.replace("\\", "\\\\").replace('"', '\\"')
    written = re.compile("|".join(re.escape(form) for form in (f'"{quoted}"', f"'{template}'")))
    if number >= 0:
        begin, end = _event_block(text, event)
        needs = [found.start() for found in _needs_in_order(text, begin, end)]
        if number < len(needs) and (
            found := written.search(
                text, needs[number], needs[number + 1] if number + 1 < len(needs) else end
            )
        ):
            return _line(text, found.start())
    table = re.search(r"^\[resource\]", text, re.M)
    own = re.compile(rf'^"?{re.escape(resource_type)}"? *=', re.M | re.I).search(
        text, table.end() if table else 0
    )
    found = written.search(text, own.start()) if own else None
    return _line(text, found.start()) if found else 0


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
