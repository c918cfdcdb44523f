"""A plan's changes: one for each action, and in groups by service, by what becomes of them and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from policygen.iam.arn import service_of
from policygen.rightsize.assess.changes import Kind


class DecidedBy(msgspec.Struct, frozen=True):
    """What decides that an action goes."""

    rule: str
    source: str = ""
    confidence: str = "high"


class PlanChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """What becomes of one action."""

    action: str
    kind: Kind
    now: tuple[str, ...]
    proposed: tuple[str, ...]
    why: str
    decided_by: DecidedBy | None = None
    """None where the action stays, and in plans of versions that did not say."""

    @property
    def service(self) -> str:
        """The action's service prefix."""
        return service_of(self.action)

    @property
    def becomes(self) -> Kind:
        """The kind in the words of every format: what stays without a call is narrowed, or as today, like the rest."""
        if self.kind != "kept" or not self.now:
            return self.kind
        return "unchanged" if self.now == self.proposed else "narrowed"


class ChangeGroup(NamedTuple):
    """Changes of one service, kind and reason; actions that stay as they are have groups of their own."""

    service: str
    kind: Kind
    why: str
    changes: Sequence[PlanChange]
    """In the order of all changes; the groups are in the order of their first change."""


def group_changes(changes: Iterable[PlanChange]) -> tuple[ChangeGroup, ...]:
    """Return all changes, each in one group; an administrator's are some 22,000 in 800 groups."""
    groups: dict[tuple[str, Kind, str, bool], list[PlanChange]] = defaultdict(list)
    for one in changes:
        groups[service_of(one.action), one.kind, one.why, one.now == one.proposed].append(one)
    return tuple(
        ChangeGroup(service, kind, why, members) for (service, kind, why, _), members in groups.items()
    )


def count_changes(groups: Iterable[ChangeGroup]) -> int:
    """Count the changes of some groups."""
    return sum(len(one.changes) for one in groups)
