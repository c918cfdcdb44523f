"""How tight a policy is: how many of its actions are needed, and how many are kept unverified.

Each action counts once. One that was seen in use and is also kept unverified on further resources is unverified: the
number of needed actions never hides one that nobody can answer for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal, NamedTuple

Support = Literal["seen", "required", "declared", "unverified"]
"""What speaks for an action of a policy."""


class Tightness(NamedTuple):
    """The actions of a policy, by what speaks for them."""

    seen: int = 0
    """Seen in use."""
    required: int = 0
    """Needed by AWS's own services, by the role's configuration."""
    declared: int = 0
    """Kept or added because a person decided so."""
    unverified: int = 0
    """Kept because the logs cannot show their use."""

    @property
    def needed(self) -> int:
        """All actions but the unverified ones."""
        return self.seen + self.required + self.declared

    @property
    def words(self) -> str:
        """The numbers, those that are not zero and always the unverified: ``23 seen, 4 required, 60 unverified``."""
        parts = [(self.seen, "seen"), (self.required, "required"), (self.declared, "declared")]
        told = [f"{number:,} {word}" for number, word in parts if number]
        return ", ".join([*told, f"{self.unverified:,} unverified"])


def tightness_of(
    actions: Iterable[str], observed: Iterable[str], kept: Iterable[tuple[str, str]]
) -> Tightness:
    """Count the actions of a policy.

    Args:
        actions: the actions that the policy allows.
        observed: actions of the observed requests that it is for.
        kept: (action, kind of `Keep`) of what it keeps without evidence.
    """
    return Tightness(**Counter[str](support_of(actions, observed, kept).values()))


def support_of(
    actions: Iterable[str], observed: Iterable[str], kept: Iterable[tuple[str, str]]
) -> dict[str, Support]:
    """Return what speaks for each action of a policy, in lower case; arguments as for `tightness_of`."""
    kinds: dict[str, set[str]] = {}
    for action, kind in kept:
        kinds.setdefault(action.lower(), set()).add(kind)
    seen = {action.lower() for action in observed}

    def support(action: str) -> Support:
        reasons = kinds.get(action, set())
        if "unknown" in reasons:
            return "unverified"
        return "seen" if action in seen else "required" if "platform" in reasons else "declared"

    return {action: support(action) for action in {action.lower() for action in actions}}
