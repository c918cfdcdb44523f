"""How tight a policy is: how many of its actions are needed, and how many are kept unverified.

Each action counts once. One that is needed and is also kept, unverified, on further resources is needed: unverified is
only how far it reaches. Such actions are counted apart, so that no number hides what nobody can answer for.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

Support = Literal["seen", "required", "declared", "unverified"]
"""What speaks for an action of a policy."""


_SEEN_BESIDE = frozenset({"traced", "earlier"})
"""Kinds of `Keep` of which the use was seen, though not by the logs of the window."""


class Tightness(NamedTuple):
    """The actions of a policy, by what speaks for them."""

    seen: int = 0
    """Seen in use: by the logs of the window, by those of other days, or by traces."""
    required: int = 0
    """Needed by AWS's own services, by the role's configuration."""
    declared: int = 0
    """Kept or added because a person decided so."""
    unverified: int = 0
    """Kept because the logs cannot show their use."""
    broader: int = 0
    """Of the needed ones, those that are also kept, unverified, on more resources."""

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
    kept = list(kept)
    return tightness_by(support_of(actions, observed, kept), kept)


def tightness_by(support: Mapping[str, Support], kept: Iterable[tuple[str, str]]) -> Tightness:
    """Count the actions of a policy by what speaks for each; arguments as `support_of` returns and takes them."""
    return Tightness(**Counter[str](support.values()), broader=len(broader_of(support, kept)))


def broader_of(support: Mapping[str, Support], kept: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the needed actions, in lower case, that are also kept, unverified, on more resources."""
    unknown = {action.lower() for action, kind in kept if kind == "unknown"}
    return frozenset(action for action in unknown if support.get(action, "unverified") != "unverified")


def support_of(
    actions: Iterable[str], observed: Iterable[str], kept: Iterable[tuple[str, str]]
) -> dict[str, Support]:
    """Return what speaks for each action of a policy, in lower case; arguments as for `tightness_of`."""
    kinds: defaultdict[str, set[str]] = defaultdict(set)
    for action, kind in kept:
        kinds[kind].add(action.lower())
    unverified, required = kinds.pop("unknown", set()), kinds["platform"]
    beside = set[str]().union(*kinds.values())
    seen = {action.lower() for action in observed}.union(*(kinds[kind] for kind in _SEEN_BESIDE))

    def support(action: str) -> Support:
        if action in seen:
            return "seen"
        if action in required:
            return "required"
        return "unverified" if action in unverified and action not in beside else "declared"

    return {action: support(action) for action in {action.lower() for action in actions}}
