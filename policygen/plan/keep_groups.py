"""The permissions that a plan keeps without evidence, and those that a person dropped without, in groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from policygen.plan.model import Plan, PlanKeep


class KeepGroup(msgspec.Struct, frozen=True):
    """Permissions that are kept, or dropped, for one reason."""

    why: str
    remedy: str
    command: str
    actions: tuple[str, ...]
    notes: tuple[str, ...]
    blind_spot: str


def keep_groups(plan: Plan, *kinds: str) -> tuple[KeepGroup, ...]:
    """Group what is kept without evidence by its reason, the largest group first."""
    return _groups(keep for keep in plan.keeps if keep.kind in kinds)


def dropped_groups(plan: Plan) -> tuple[KeepGroup, ...]:
    """Group the unverified permissions that a person dropped by why the logs cannot tell, or by what dropped them."""
    chosen = {keep.action for keep in plan.unverified.dropped}
    ruled_out = [one for one in plan.decisions.ruled_out if one.action not in chosen]
    why = {change.action: change.why for change in plan.changes} if ruled_out else {}
    rules = (
        PlanKeep(one.action, "*", "unknown", why.get(one.action, "") or f"dropped by {one.rule}")
        for one in ruled_out
    )
    return _groups([*plan.unverified.dropped, *rules])


def _groups(keeps: Iterable[PlanKeep]) -> tuple[KeepGroup, ...]:
    members_by_reason: dict[tuple[str, str, str, str], list[PlanKeep]] = {}
    for keep in keeps:
        reason = (keep.blind_spot or "", keep.why, keep.remedy, keep.command)
        members_by_reason.setdefault(reason, []).append(keep)
    groups = [
        KeepGroup(
            why, remedy, command, _names(members), tuple(sorted({k.note for k in members if k.note})), spot
        )
        for (spot, why, remedy, command), members in members_by_reason.items()
    ]
    return tuple(sorted(groups, key=lambda group: (-len(group.actions), group.why, group.remedy)))


def _names(keeps: Sequence[PlanKeep]) -> tuple[str, ...]:
    return tuple(sorted({keep.action for keep in keeps}))
