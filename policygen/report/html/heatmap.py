"""Counts events by service and day, and marks the days on which no event proves nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import groupby

import msgspec
from msgspec.structs import replace

from policygen.days import dates_from
from policygen.evidence.coverage.observability import VISIBLE
from policygen.iam.arn import service_of
from policygen.plan.model import Plan
from policygen.rightsize.assess.change_groups import ChangeGroup, count_changes

DAILY = 92
"""Longest window, in days, with a column for each day; in a longer one a column is a week."""
SERVICES, CELLS = 24, 1_200
"""Most services and most cells that are shown; omitted services are counted."""

LEVELS = 5

_SINCE = re.compile(VISIBLE + r" since (\d{4}-\d{2}-\d{2})")
_NEVER = "9999-12-31"


class HeatRow(msgspec.Struct, frozen=True):
    """The events of a service, or of several that have none and of which the logs tell the same."""

    services: tuple[str, ...]
    events: tuple[int, ...]
    """Events in each column."""
    blind: tuple[bool, ...]
    """For each column: whether zero events in it would prove nothing."""
    hidden: int
    """Permissions of each service, kept or dropped by a decision, of which the logs would not show the use."""

    @property
    def total(self) -> int:
        """Events in the window."""
        return sum(self.events)

    def named(self, limit: int) -> str:
        """Return the services in words: so many names, and how many more."""
        rest = len(self.services) - limit
        return ", ".join(self.services[:limit]) + (f" and {rest} more" if rest > 0 else "")


class Heat(msgspec.Struct, frozen=True):
    """The heat map: services that were used, or may be used, by day or week."""

    columns: tuple[str, ...]
    """The first day of each column."""
    step: int
    """Days of a column: 1 or 7."""
    rows: tuple[HeatRow, ...]
    """Services that were used, the busiest first; then those that the logs cannot show; then the rest."""
    omitted: tuple[HeatRow, ...]
    """Rows that are not shown."""
    unlogged: tuple[str, ...]
    """Days on which no event of any caller was read, or a trail was stopped."""


def heat_of(plan: Plan) -> Heat:
    """Build the heat map of a plan: from its calendar, and for days without events from keeps, changes and coverage."""
    days = plan.calendar.days
    step = 1 if len(days) <= DAILY else 7
    columns = days[::step]
    unlogged = _unlogged(plan)
    unseen = {keep.action for keep in plan.keeps if not keep.visible} | {*plan.dropped_unverified}
    hidden = Counter(map(service_of, unseen))
    used = {row.service: row.events for row in plan.calendar.rows}
    removed: dict[str, list[ChangeGroup]] = {}
    for group in plan.change_groups:
        gone = removed.setdefault(group.service, [])
        if group.kind == "removed":
            gone.append(group)

    starts = range(0, len(days), step)
    nothing = (0,) * len(starts)

    @cache  # an administrator has hundreds of services, and few such days
    def blind(since: str) -> tuple[bool, ...]:
        dark = [day < since or day in unlogged for day in days]
        return tuple(any(dark[i : i + step]) for i in starts)

    def row(service: str) -> HeatRow:
        since = _NEVER
        if plan.today is not None and not hidden[service]:
            since = _visible_since(removed.get(service, ()), seen=service in used)
        events = used.get(service)
        by_column = tuple(sum(events[i : i + step]) for i in starts) if events else nothing
        return HeatRow((service,), by_column, blind(since), hidden[service])

    rows = [row(service) for service in {*used, *hidden, *removed}]
    going = {service: count_changes(gone) for service, gone in removed.items()}
    rows.sort(key=lambda one: (-one.total, -one.hidden, -going.get(one.services[0], 0), one.services))
    rows = list(_shared(rows))
    limit = min(SERVICES, max(6, CELLS // max(1, len(columns))))
    return Heat(columns, step, tuple(rows[:limit]), tuple(rows[limit:]), tuple(sorted(unlogged)))


def _shared(rows: Iterable[HeatRow]) -> Iterator[HeatRow]:
    """Yield the rows; those without events that look the same are one: of a wide role most services were never used."""
    for (total, *_), group in groupby(rows, lambda row: (row.total, row.hidden, row.blind)):
        if total:
            yield from group
        else:
            first, *others = group
            yield replace(first, services=tuple(name for row in (first, *others) for name in row.services))


def edges(rows: Sequence[HeatRow]) -> tuple[int, ...]:
    """Return the most events of each level, on a logarithmic scale; small numbers use only the upper levels."""
    top = max((n for row in rows for n in row.events), default=0)
    return tuple(sorted({round(top ** (i / LEVELS)) for i in range(1, LEVELS + 1)})) if top else ()


def _visible_since(removed: Sequence[ChangeGroup], *, seen: bool) -> str:
    """Return the first day from which zero events of a service mean no use, from the reasons of removed permissions."""
    if not removed:
        return "" if seen else _NEVER
    whys = {group.why for group in removed if group.why.startswith(VISIBLE)}
    if not whys:
        return _NEVER
    return max((found.group(1) for why in whys if (found := _SINCE.match(why))), default="")


def _unlogged(plan: Plan) -> frozenset[str]:
    days = set(plan.coverage.days_without_events)
    for gap in plan.coverage.stopped:
        days.update(dates_from(gap.start[:10], gap.end[:10]))
    return frozenset(days) & frozenset(plan.calendar.days)
