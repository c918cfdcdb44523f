"""What a person asks of new policies that name principals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from policygen.rightsize.decisions.model import Decisions


@dataclass(frozen=True, slots=True, kw_only=True)
class PrincipalOptions:
    """What a person asks of a new trust policy, or of the new policies of an API."""

    require: Sequence[str] = ()
    """Names of conditions that callers already satisfy."""
    keep: Sequence[str] = ()
    """Principals that today's policy lets in and that stay, seen or not."""
    max_blocks: int = 10
    """How many blocks of addresses a condition may list."""
    decisions: Decisions = field(default_factory=Decisions)
    on: date | None = None
    """The day on which decisions apply; None for the window's last."""
