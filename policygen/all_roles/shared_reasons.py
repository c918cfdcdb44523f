"""What holds back many roles alike: reasons that lie in what was read or given, so that one act mends them for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from policygen.days import days_between
from policygen.logs.window import Window
from policygen.plan.batch_table import SharedReason
from policygen.rightsize.assess.readiness import (
    MIN_DAYS,
    NOT_ASKED,
    OF_ALL_ROLES,
    Reason,
    no_event_on,
    quiet_days_of,
)


class HeldBack(NamedTuple):
    """What holds back several roles, and how many of them: fields of a `BatchTable`."""

    shared_reasons: tuple[SharedReason, ...] = ()
    held_back: int = 0
    ready_without: int = 0


def of_all_roles(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Return the reasons of a plan that lie in what was read or given, without what they say of its role alone."""
    return tuple(
        one._replace(sentence=NOT_ASKED) if one.id == "no-report" else one
        for one in reasons
        if one.id in OF_ALL_ROLES
    )


def held_back(
    roles: Iterable[tuple[tuple[str, ...], tuple[Reason, ...]]],
    quiet: Mapping[str, int] = {},
    report_command: str = "",
    min_days: int = MIN_DAYS,
) -> HeldBack:
    """Return what holds back several roles.

    Args:
        roles: of each role whose policies would change, the ids of its reasons, and what `of_all_roles` gives of them.
        quiet: as `days_after_quiet` gives it.
        report_command: the command that makes a snapshot with IAM's reports.
        min_days: days of a window that are needed.
    """
    known = list(roles)
    numbers = Counter(one for _, reasons in known for one in dict.fromkeys(reasons))
    shared = {one: number for one, number in numbers.most_common() if number > 1}
    held = [(ids, reasons) for ids, reasons in known if shared.keys() & {*reasons}]
    free = [
        1 for ids, reasons in held if shared.keys() >= {*reasons} and {*ids} <= {one.id for one in reasons}
    ]
    found = [
        SharedReason(
            id=one.id,
            sentence=one.sentence,
            roles=number,
            command=report_command if one.id == "no-report" else "",
            days=days if (days := quiet.get(one.sentence, 0)) >= min_days else None,
        )
        for one, number in shared.items()
    ]
    return HeldBack(tuple(found), len(held), len(free))


def days_after_quiet(
    account_days: Mapping[str, int], accounts: Iterable[str], window: Window
) -> dict[str, int]:
    """Return what the reason ``gaps`` says of days without an event, and the days of the window after the last of them.

    Args:
        account_days: events by ``ACCOUNT DAY``.
        accounts: those of the roles.
        window: the days that count.
    """
    found = {}
    for account in accounts:
        covered = [day for day in window.dates() if account_days.get(f"{account} {day}")]
        if quiet := quiet_days_of(covered, window.last_day):
            found[no_event_on(quiet)] = days_between(quiet[-1], window.last_day)
    return found
