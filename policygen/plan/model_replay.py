"""The shape of a plan: the replay of the last days, and how names were used."""

from __future__ import annotations

import msgspec


class PlanDeniedUse(msgspec.Struct, frozen=True):
    """A permission that was missing in the replay, on one type of resources."""

    action: str
    type: str
    resources: tuple[str, ...]
    calls: int
    days: int
    new_action: bool
    why: str
    """What was new, a phrase."""


class PlanReplay(msgspec.Struct, frozen=True):
    """What a policy made like this one, but learnt on the first days of the window, denies on the others."""

    claim: str
    """``made``; or ``none``: nothing was learnt or nothing replayed, so that the numbers say nothing."""
    sentence: str
    days: int
    """Days of the window."""
    learnt: int
    """Days of it that were learnt from; 0 where it was too short to be split."""
    learnt_calls: int
    calls: int
    denied: int
    days_broken: int
    denied_by: tuple[PlanDeniedUse, ...] = ()


class PlanNames(msgspec.Struct, frozen=True):
    """How the names of one type below one parent were used by one action."""

    action: str
    type: str
    """``s3:object``."""
    parent: str
    seen: int
    active_days: int
    new_days: int
    late_days: int
    choice: str
    """``open``, ``closed`` or ``ask``."""
    declared: bool
    asked: bool
    """Whether there were days enough to decide, and they do not."""
    why: str
