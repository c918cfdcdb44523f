"""What holds back many roles alike: reasons that lie in what was read or given, so that one act mends them for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from policygen.plan.batch_table import SharedReason
from policygen.rightsize.assess.readiness import NOT_ASKED, OF_ALL_ROLES, Reason


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
    roles: Iterable[tuple[tuple[str, ...], tuple[Reason, ...]]], report_command: str = ""
) -> HeldBack:
    """Return what holds back several roles.

    Args:
        roles: of each role whose policies would change, the ids of its reasons, and what `of_all_roles` gives of them.
        report_command: the command that makes a snapshot with IAM's reports.
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
        )
        for one, number in shared.items()
    ]
    return HeldBack(tuple(found), len(held), len(free))
