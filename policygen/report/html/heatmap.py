"""Events by service and day, and where the absence of events says nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from policygen.days import dates_from
from policygen.evidence.coverage.observability import VISIBLE
from policygen.plan.change_groups import ChangeGroup, number
from policygen.plan.model import Plan

DAILY = 92
"""Days up to which a column is a day; in longer windows it is a week."""
SERVICES, CELLS = 24, 1_200
"""Most services that are shown, and most cells; what is left out is counted."""

LEVELS = 5

_SINCE = re.compile(VISIBLE + r" since (\d{4}-\d{2}-\d{2})")
_NEVER = "9999-12-31"


@dataclass(frozen=True, slots=True)
class HeatRow:
    """One service."""

    service: str
    events: tuple[int, ...]
    """By column."""
    blind: tuple[bool, ...]
    """By column: whether no event there would prove nothing."""
    hidden: int
    """Permissions that are kept and that the logs would not show."""

    @property
    def total(self) -> int:
        """Events in the window."""
        return sum(self.events)


@dataclass(frozen=True, slots=True)
class Heat:
    """The services that were used, or could have been, by day or week."""

    columns: tuple[str, ...]
    """First day of each."""
    step: int
    """Days of a column: 1 or 7."""
    rows: tuple[HeatRow, ...]
    """Used ones first, the busiest of them first; then those that the logs cannot show; then the rest."""
    omitted: tuple[HeatRow, ...]
    """Rows that are not shown."""
    unlogged: tuple[str, ...]
    """Days on which no event of anyone was read, or a trail was stopped."""


def heat_of(plan: Plan) -> Heat:
    """The heat map of a plan: its calendar, and what keeps, changes and coverage say of days without events."""
    days = plan.calendar.days
    step = 1 if len(days) <= DAILY else 7
    columns = days[::step]
    unlogged = _unlogged(plan)
    hidden = Counter(service for service, _ in {(k.service, k.action) for k in plan.keeps if not k.visible})
    used = {row.service: row.events for row in plan.calendar.rows}
    removed: dict[str, list[ChangeGroup]] = {}
    for group in plan.alike:
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
        return HeatRow(service, by_column, blind(since), hidden[service])

    rows = [row(service) for service in {*used, *hidden, *removed}]
    going = {service: number(gone) for service, gone in removed.items()}
    rows.sort(key=lambda one: (-one.total, -one.hidden, -going.get(one.service, 0), one.service))
    limit = min(SERVICES, max(6, CELLS // max(1, len(columns))))
    return Heat(columns, step, tuple(rows[:limit]), tuple(rows[limit:]), tuple(sorted(unlogged)))


def edges(rows: Sequence[HeatRow]) -> tuple[int, ...]:
    """The most events of each level of a logarithmic ramp; small numbers have fewer levels, the upper ones."""
    top = max((n for row in rows for n in row.events), default=0)
    return tuple(sorted({round(top ** (i / LEVELS)) for i in range(1, LEVELS + 1)})) if top else ()


def _visible_since(removed: Sequence[ChangeGroup], *, seen: bool) -> str:
    """The first day from which no event of a service means no use; what goes says since when it was visible."""
    if not removed:
        return "" if seen else _NEVER
    whys = {group.why for group in removed if group.why.startswith(VISIBLE)}
    if not whys:
        return _NEVER
    return max((found.group(1) for why in whys if (found := _SINCE.match(why))), default="")


def _unlogged(plan: Plan) -> frozenset[str]:
    found = set(plan.coverage.days_without_events)
    for gap in plan.coverage.stopped:
        found.update(dates_from(gap.start[:10], gap.end[:10]))
    return frozenset(found) & frozenset(plan.calendar.days)
