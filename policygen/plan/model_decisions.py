"""What a plan says of people's decisions: what they took, spared, or did not touch."""

from __future__ import annotations

import msgspec


class PlanDropped(msgspec.Struct, frozen=True):
    """A needed permission that a decision is about, and where the decision stands."""

    action: str
    resource: str
    rule: str
    why: str = ""
    """What needs it, a clause; "" where it was seen in use, as in all older plans."""


class PlanDroppedInUse(PlanDropped, frozen=True):
    """A needed permission that a decision drops, and its calls, which will fail. Older plans have no calls."""

    count: int = 0
    events: tuple[str, ...] = ()


class PlanRuledOut(msgspec.Struct, frozen=True):
    """An unverified permission that a rule drops."""

    action: str
    rule: str
    tried: bool
    """Whether IAM saw an attempt at it, or at its service, of which no event was read."""
    reason: str = ""
    """Why the rule drops it; "" where it was given on the command line, and in older plans."""
    sign: str = ""
    """What says that it is used, or well may be, a clause; "" for nothing. Older plans have none."""

    @property
    def settled(self) -> bool:
        """Whether a person wrote why it goes, and nothing says that it is used: then nothing is left to decide."""
        return bool(self.reason) and not self.sign


class PlanDecisions(msgspec.Struct, frozen=True):
    """What the decisions did to observed requests, and which of them did nothing."""

    losses: tuple[PlanDroppedInUse, ...] = ()
    """Permissions that are dropped although they are needed."""
    spared: tuple[PlanDropped, ...] = ()
    """Needed permissions that are kept although a drop rule matches."""
    expired: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    reasons: dict[str, str] = {}
    """Where an expired decision stands -> its reason. Older plans have none."""
    ruled_out: tuple[PlanRuledOut, ...] = ()
    """Older plans have none."""
