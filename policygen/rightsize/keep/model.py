"""A grant that is kept without evidence, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from policygen.evidence.coverage.blind_spot import BlindSpot
from policygen.iam.document import Conditions, Statement
from policygen.iam.grants import Grant
from policygen.rightsize.decisions.apply import DroppedNeeds
from policygen.rightsize.removal import Removal

CALLED = "the code calls"
"""How the note begins of permissions that code asks for: that proves no use, but the wish for one."""

ONLY_CODE = "only the function's own code could use it"
"""How the note begins of permissions to read what no trigger of a function reads: a person can tell."""
LOOKED = "the role looked for something to read"
"""How the note begins of such permissions where a call shows that code may read: that speaks for a use."""


class Keep(msgspec.Struct, frozen=True, gc=False):
    """A grant that stays without evidence of its use."""

    grant: Grant
    kind: Literal["platform", "traced", "earlier", "unknown", "decision"]
    """``platform``: AWS's own service needs it, by configuration; ``traced``: a trace shows its use, but not on
    what else it is used; ``earlier``: the logs show its use before the window; ``unknown``: the logs
    cannot tell; ``decision``: a person wants it."""
    why: str
    blind_spot: BlindSpot | None = None
    feature: str = ""
    """The row of platform.toml that needs it; "" where no platform does."""
    note: str = ""
    """A warning to show beside it; "" for none."""


class KeepResult(msgspec.Struct, frozen=True):
    """What stays without evidence, and why the rest of the current permissions goes."""

    keeps: tuple[Keep, ...]
    removed: Mapping[str, Removal] = msgspec.field(default_factory=dict)
    """Action -> what decides that it goes: its absence from the logs, a witness, a decision."""
    seasonal: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Kept action -> what IAM saw of it before or after the window."""
    last_accessed: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Action -> what IAM's last-accessed report says of it, where it says anything."""
    needed: frozenset[str] = frozenset()
    """Actions that AWS's own services need of the role, also where an unverified permission holds them too."""
    attempted: frozenset[str] = frozenset()
    """Actions that IAM itself saw the role ask for, one by one, though no event of it was read."""
    tried: frozenset[str] = frozenset()
    """These, and all actions of services at which IAM saw an attempt of which no event was read."""
    dropped: DroppedNeeds = msgspec.field(default_factory=DroppedNeeds)
    """What the drop rules did to needs of AWS's own services, and to what is unverified."""


Place = tuple[str, Conditions, tuple[str, ...]]
"""Resource, conditions and excluded resources: where a statement grants its actions."""


def places_of(statements: Sequence[Statement]) -> list[Place]:
    """Return where statements grant their actions: resource, conditions, excluded resources."""
    found: list[Place] = []
    for statement in statements:
        excluded = statement.resources if statement.not_resources else ()
        found += ((r, statement.conditions, excluded) for r in (("*",) if excluded else statement.resources))
    return found
