"""What a person decided to do with unverified permissions: keep them, drop them, or write them as a policy of its own.

An unverified permission is kept because the logs cannot show its use. Where IAM's report has an attempt at the very
action it was used, whoever tells: that is not dropped.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from msgspec.structs import replace

from policygen.iam.arn import service_of
from policygen.rightsize.decisions.model import Unverified
from policygen.rightsize.keep.model import Keep, KeepResult
from policygen.rightsize.removal import Removal
from policygen.text import pluralize


class UnverifiedChoice(msgspec.Struct, frozen=True):
    """What was chosen, and what that did."""

    mode: Unverified = "keep"
    dropped: tuple[Keep, ...] = ()
    """Unverified permissions that the policy does not grant, because a person chose so."""
    policies: tuple[str, ...] = ()
    """Names of the policies that hold the unverified permissions alone."""
    permissions: int = 0
    """Unverified actions that were dropped, or are in these policies."""
    tried: frozenset[str] = frozenset()
    """Unverified actions at which, or at whose service, IAM saw an attempt of which no event was read."""
    droppable: frozenset[str] = frozenset()
    """Unverified actions that ``drop`` would drop, where they are kept: IAM saw no attempt that they alone explain."""

    @property
    def apart_note(self) -> str:
        """Where the unverified permissions stand apart, a sentence; "" where they do not."""
        if not self.policies:
            return ""
        some = pluralize(self.permissions, "unverified permission")
        return (
            f"{some} stand apart in {', '.join(self.policies)}: detach what nothing needed for a month; the other "
            "policies hold what was seen and what is required"
        )


class Parted(msgspec.Struct, frozen=True):
    """Keeps, parted by whether they are unverified."""

    kept: KeepResult
    unverified: tuple[Keep, ...]


def part_unverified(kept: KeepResult) -> Parted:
    """Part the unverified permissions from what is required or declared, or what IAM saw the role use."""
    attempted = kept.attempted | _only_candidates(kept)
    apart: list[Keep] = []
    left: list[Keep] = []
    for keep in kept.keeps:
        (apart if _is_unverified(keep, attempted) else left).append(keep)
    return Parted(replace(kept, keeps=tuple(left)), tuple(apart))


def _only_candidates(kept: KeepResult) -> set[str]:
    """Return the actions that alone can explain an attempt at their service."""
    candidates: dict[str, set[str]] = {}
    for keep in kept.keeps:
        candidates.setdefault(service_of(keep.grant.action), set()).add(keep.grant.action)
    return {min(actions) for actions in candidates.values() if len(actions) == 1 and actions <= kept.tried}


def _is_unverified(keep: Keep, attempted: Collection[str]) -> bool:
    """Return whether nothing tells that a kept permission is used.

    What is carried over from today's statements was used: it has no blind spot.
    """
    return keep.kind == "unknown" and keep.blind_spot is not None and keep.grant.action not in attempted


def actions_of(keeps: Collection[Keep]) -> int:
    """Return the number of actions."""
    return len({keep.grant.action for keep in keeps})


def drop_unverified(kept: KeepResult) -> tuple[KeepResult, UnverifiedChoice]:
    """Return what is left without the unverified permissions, and what was dropped."""
    parted = part_unverified(kept)
    stays = {keep.grant.action for keep in parted.kept.keeps}
    removed = dict(parted.kept.removed)
    for keep in parted.unverified:
        if keep.grant.action not in stays:
            why = f"dropped as unverified by your choice: {keep.why}"
            removed[keep.grant.action] = Removal(why, "unverified-dropped", "--unverified drop", "medium")
    return replace(parted.kept, removed=removed), UnverifiedChoice(
        "drop", parted.unverified, permissions=actions_of(parted.unverified), tried=kept.tried
    )
