"""A change: what becomes of one action.

It is narrowed, unchanged, kept for the platform, kept because the logs cannot tell, removed, or added. An action that
was observed but that the current identity policies do not allow is *missing*.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from policygen.iam.arn import service_of
from policygen.rightsize.removal import DecidedBy

Kind = Literal["narrowed", "unchanged", "kept", "unknown", "removed", "added", "missing"]

GONE: frozenset[Kind] = frozenset({"removed", "missing"})
"""The kinds of actions that the new policies do not allow, so that nothing is proposed for them."""


class Change(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What becomes of one action. Plans hold it as it is: an administrator has some 22,000, and a batch hundreds."""

    action: str
    kind: Kind
    now: tuple[str, ...]
    """Current resource patterns; patterns with a leading ``!`` are together the exceptions of NotResource."""
    proposed: tuple[str, ...]
    """Resource patterns of the new policy; () where the action is removed."""
    why: str
    decided_by: DecidedBy | None = None
    """What decides that it goes; None where it stays, or was not asked about, and in plans of versions that did not
    say."""

    @property
    def service(self) -> str:
        """The action's service prefix."""
        return service_of(self.action)

    @property
    def becomes(self) -> Kind:
        """The kind in the words of every format: what stays without a call is narrowed, or as today, like the rest."""
        if self.kind != "kept" or not self.now:
            return self.kind
        return "unchanged" if self.now == self.proposed else "narrowed"
