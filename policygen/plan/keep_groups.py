"""The permissions that a plan keeps without evidence, in groups."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from policygen.plan.model import Plan, PlanKeep


class KeepGroup(msgspec.Struct, frozen=True):
    """Permissions that are kept for one reason."""

    why: str
    remedy: str
    command: str
    actions: tuple[str, ...]
    notes: tuple[str, ...]
    blind_spot: str


def keep_groups(plan: Plan, *kinds: str) -> tuple[KeepGroup, ...]:
    """Group what is kept without evidence by its reason, the largest group first."""
    members_by_reason: dict[tuple[str, str, str, str], list[PlanKeep]] = {}
    for keep in plan.keeps:
        if keep.kind in kinds:
            members_by_reason.setdefault(
                (keep.blind_spot or "", keep.why, keep.remedy, keep.command), []
            ).append(keep)
    groups = [
        KeepGroup(
            why, remedy, command, _names(members), tuple(sorted({k.note for k in members if k.note})), spot
        )
        for (spot, why, remedy, command), members in members_by_reason.items()
    ]
    return tuple(sorted(groups, key=lambda group: (-len(group.actions), group.why, group.remedy)))


def _names(keeps: Sequence[PlanKeep]) -> tuple[str, ...]:
    return tuple(sorted({keep.action for keep in keeps}))
