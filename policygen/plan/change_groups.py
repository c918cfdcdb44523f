"""A plan's changes: one for each action, and in groups by service, by what becomes of them and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from policygen.iam.arn import service_of
from policygen.rightsize.assess.changes import Change, Kind


class ChangeGroup(NamedTuple):
    """Changes of one service, kind and reason; actions that stay as they are have groups of their own."""

    service: str
    kind: Kind
    why: str
    same: bool
    """Whether the new policies allow the actions exactly where those of today do."""
    changes: Sequence[Change]
    """In the order of all changes; the groups are in the order of their first change."""


def group_changes(changes: Iterable[Change]) -> tuple[ChangeGroup, ...]:
    """Return all changes, each in one group; an administrator's are some 22,000 in 800 groups."""
    groups: dict[tuple[str, Kind, str, bool], list[Change]] = defaultdict(list)
    for one in changes:
        groups[service_of(one.action), one.kind, one.why, one.now == one.proposed].append(one)
    return tuple(
        ChangeGroup(service, kind, why, same, members)
        for (service, kind, why, same), members in groups.items()
    )


def count_changes(groups: Iterable[ChangeGroup]) -> int:
    """Count the changes of some groups."""
    return sum(len(one.changes) for one in groups)
