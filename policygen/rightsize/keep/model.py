"""A grant that is kept without evidence, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from policygen.evidence.coverage.blind_spot import BlindSpot
from policygen.iam.grants import Grant


@dataclass(frozen=True, slots=True)
class Keep:
    """A grant without evidence. ``platform``: configuration asks for it; ``unknown``: cannot tell; ``decision``: a
    person wants it."""

    grant: Grant
    kind: Literal["platform", "unknown", "decision"]
    why: str
    blind_spot: BlindSpot | None = None
    feature: str = ""
    """The row of platform.toml that asks for it; "" for what no platform asks for."""
    note: str = ""
    """A warning to show beside it, "" for none."""


@dataclass(frozen=True, slots=True)
class UnobservedAccess:
    """What becomes of the permissions of today that nobody saw in use."""

    keeps: list[Keep]
    removed: dict[str, str]
    """Action -> why it need not be kept, where not all of it is."""
    seasonal: dict[str, str]
    """Removed action -> what IAM saw of it before the window."""
    said: dict[str, str]
    """Action -> what IAM's last-accessed report says of it, where it says anything."""
