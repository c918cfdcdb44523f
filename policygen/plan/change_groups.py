"""Changes by service, and within it by what becomes of them and why: what most readers of a plan ask for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from policygen.iam.arn import service_of
from policygen.rightsize.assess.changes import Change as SuggestedChange
from policygen.rightsize.assess.changes import Kind

if TYPE_CHECKING:
    from policygen.plan import model

Change: TypeAlias = "SuggestedChange | model.PlanChange"
"""What becomes of one action, in a suggestion or in a plan."""


class ChangeGroup(NamedTuple):
    """Changes of one service and one kind, for one reason: those that leave an action as it is, or the others."""

    service: str
    kind: Kind
    why: str
    changes: Sequence[Change]
    """In the order of all; the groups are in that of their first."""


def group_changes(changes: Iterable[Change]) -> tuple[ChangeGroup, ...]:
    """All changes, each in one group; an administrator's are some 22,000 in 800 groups."""
    groups: dict[tuple[str, Kind, str, bool], list[Change]] = defaultdict(list)
    for one in changes:
        groups[service_of(one.action), one.kind, one.why, one.now == one.proposed].append(one)
    return tuple(
        ChangeGroup(service, kind, why, members) for (service, kind, why, _), members in groups.items()
    )


def number(groups: Iterable[ChangeGroup]) -> int:
    """How many changes there are in some groups."""
    return sum(len(one.changes) for one in groups)
