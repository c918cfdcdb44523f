"""How long the sessions of a role may last, and how long anybody asked for.

Source: IAM User Guide, id_roles_use (the maximum does not limit sessions of services; a chained role's last an hour).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from policygen.rightsize.trust.assumptions import Observed

HOUR = 3600
"""Seconds that a session lasts where nobody asks for a length, and the least maximum."""


class SessionLength(NamedTuple):
    """Seconds: the maximum of today, None where the snapshot does not have it, and the one to set."""

    now: int | None
    proposed: int


def session_length(now: int | None, observed: Iterable[Observed], *, is_visible: bool) -> SessionLength:
    """Return the maximum that is enough, in whole hours.

    Args:
        now: today's, None where it is not known.
        observed: the assumptions that count.
        is_visible: whether the logs would have shown a longer one.
    """
    asked = [one.said.duration or HOUR for one in observed if one.party.kind != "Service"]
    longest = -(-max(asked, default=HOUR) // HOUR) * HOUR
    if now is None:
        return SessionLength(None, longest)
    return SessionLength(now, min(now, longest) if is_visible else now)


def hours(seconds: int) -> str:
    """Return a length for people: ``12 h``, or minutes where it is no whole number of hours."""
    return f"{seconds // HOUR} h" if seconds % HOUR == 0 else f"{seconds // 60} min"
