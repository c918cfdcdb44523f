"""Renders what stays of each service as a table: its columns add up to the figures above it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from policygen.plan.model import Plan
from policygen.report.figures import ServiceNeed, service_needs
from policygen.report.terminal.layout import WIDTH, Layout
from policygen.report.wording import day, fitted, places
from policygen.text import pluralize

LEGEND = "~ narrowed  = as today  ? unverified  - removed  + new"
"""What the marks of the rows mean."""
SERVICES = 12
"""Services that have a row of their own."""
_NAME = 19
"""Columns of the name of a service with its mark, where the names are not longer."""
_TODAY, _NEEDED, _UNVERIFIED, _CALLS = 6, 7, 8, 7
_NUMBERS = _TODAY + _NEEDED + _UNVERIFIED + 2 + _CALLS
"""Columns of the numbers and the gap before the resources."""
_LAST = 8
"""Columns of the last use; a screen that is narrower than `WIDTH` has none."""
_ROOM = 64
"""Columns that resources get at most."""


class _Row(NamedTuple):
    mark: str
    name: str
    services: Sequence[ServiceNeed]
    on: str = ""
    """What stands in the place of the resources; "" for these."""


def render_needed(plan: Plan, layout: Layout) -> Iterator[str]:
    """Render a row for each service that was used, one for what AWS itself requires, and those for all others."""
    rows = list(_rows(service_needs(plan)))
    last_use = _LAST if layout.width >= WIDTH else 0
    name = min(2 * layout.width // 5, max([_NAME, *(len(row.name) + 5 for row in rows)]))
    room = min(_ROOM, layout.width - name - _NUMBERS - last_use)
    known = plan.today is not None

    def line(lead: str, today: str, needed: str, unverified: str, on: str, calls: str, last: str) -> str:
        now = today if known else ""
        tail = f"{last:>{last_use}}" if last_use else ""
        return (
            f"{fitted(lead, name):<{name}}{now:>{_TODAY}}{needed:>{_NEEDED}}{unverified:>{_UNVERIFIED}}  "
            f"{fitted(on, room):<{room}}{calls:>{_CALLS}}{tail}"
        )

    yield line("Services", "today", "needed", "unver.", "on", "calls", "last")
    for row in rows:
        patterns = {pattern for one in row.services for pattern in one.resources}
        calls = sum(one.calls for one in row.services)
        yield line(
            f"  {row.mark} {row.name}",
            f"{sum(one.today for one in row.services):,}",
            f"{sum(len(one.needed) for one in row.services):,}",
            _plus(sum(one.unverified for one in row.services)),
            row.on or places(patterns, room, plan.role.account),
            f"{calls:,}" if calls else "",
            day(max(one.last for one in row.services)),
        )
    yield from layout.wrapped("    ", LEGEND)


def _rows(services: Sequence[ServiceNeed]) -> Iterator[_Row]:
    used = [one for one in services if "seen" in one.needed.values()]
    used.sort(key=lambda one: (-one.calls, one.service))
    yield from (_Row(_mark([one]), one.service, [one]) for one in used[:SERVICES])
    if more := used[SERVICES:]:
        yield _Row("~", _several(more), more, "see --details")
    unused = [one for one in services if one.needed and one not in used]
    for words, declared in (("required by AWS", False), ("kept by your decision", True)):
        if some := [one for one in unused if ("declared" in one.needed.values()) is declared]:
            yield _Row(_mark(some), ", ".join(one.service for one in some), some, words)
    if left := [one for one in services if not one.needed and one.unverified]:
        yield _Row("?", ", ".join(one.service for one in left), left, "the logs can't tell")
    if rest := [one for one in services if not one.needed and not one.unverified]:
        yield _Row("-", _several(rest), rest, "nothing stays")


def _several(services: Sequence[ServiceNeed]) -> str:
    """Count services; one has its name."""
    return services[0].service if len(services) == 1 else pluralize(len(services), "more service")


def _plus(number: int) -> str:
    return f"+{number:,}" if number else ""


def _mark(services: Sequence[ServiceNeed]) -> str:
    """Return what becomes of services that stay: ``+`` is new, ``=`` stays as it is, ``~`` is narrowed."""
    if not any(one.today for one in services):
        return "+"
    return "=" if all(one.unchanged for one in services) else "~"
