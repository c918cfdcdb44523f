"""What decides about a permission where the logs and IAM's report cannot: a witness beside them.

A witness knows one kind of reason why a permission cannot have been used, although no log would have shown it: the
action is retired, only a service asks for it, nothing of its kind exists. It is asked only where nothing proves a use,
and it says nothing where it does not know. One witness is one module in `witnesses/`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from policygen.account.current import CurrentAccess
from policygen.evidence.coverage.blind_spot import BlindSpot
from policygen.evidence.coverage.coverage import Coverage
from policygen.evidence.coverage.role_report import RoleReport
from policygen.evidence.usage import Usage
from policygen.iam.document import Statement
from policygen.iam.grants import Grant
from policygen.rightsize.keep.model import CALLED, LOOKED, Keep
from policygen.rightsize.keep.seen_before import SeenBefore
from policygen.rightsize.removal import Removal

USE_PROVED = frozenset(
    {"used-unseen", "used-outside-window", "seen-before-window", "unmapped-call", "traced"}
)
"""Blind spots that witnesses cannot lift: something says that the permission, or one of its service, was used."""


def sign_of_use(keep: Keep) -> str:
    """Return what says that a permission kept without evidence is used, or well may be, a clause; "" for nothing."""
    if keep.kind != "unknown" or keep.blind_spot is None or keep.blind_spot.id in _MAY_BE_USED:
        return keep.why
    return keep.note if keep.note.startswith((CALLED, LOOKED)) else ""


_MAY_BE_USED = USE_PROVED | {"role-passed-by-name"}


class RoleFacts(msgspec.Struct, frozen=True, eq=False):
    """What a witness may look at: the role, its account, and what was read of both.

    It is equal to itself alone, so that what a witness derives from all of it can be remembered.
    """

    usages: Sequence[Usage]
    """What the role did; second, what it did in calls that were set apart."""
    coverage: Coverage
    """What the logs could have shown."""
    current: CurrentAccess
    """The role's policies, trust and configuration, and the account around it."""
    current_actions: Mapping[str, Sequence[Statement]]
    """Action -> the current Allow statements that grant it."""
    report: RoleReport | None = None
    """IAM's last-accessed report; None where it was not read."""
    needed: frozenset[str] = frozenset()
    """Actions that AWS's own services need of the role, or may need."""
    from_console: bool = False
    """Whether any call came from the AWS console or a browser."""
    earlier: SeenBefore = msgspec.field(default_factory=dict)
    """What the role did before the window, as far as logs of these days were read."""


class Asked(msgspec.Struct, frozen=True):
    """The question to a witness: was this permission used where nothing would have shown it?"""

    grant: Grant
    """One action on one of the resources that today's statements name."""
    blind_spot: BlindSpot
    """Why the logs cannot tell."""
    facts: RoleFacts
    may_have_been_used: Callable[..., bool]
    """Whether the role may have used any of some other actions, by all that is decided so far: it was seen, AWS's own
    services may need it, or its use could not have been seen. Who does not ask this is not asked again."""
    was_attempted_unread: Callable[[str], bool]
    """Whether IAM saw an attempt that may be at an action, of which no event was read and which nothing explains."""

    @property
    def action(self) -> str:
        """The action, ``service:Name``."""
        return self.grant.action


Witness = Callable[[Asked], Removal | None]
"""Returns why the permission is not needed; None where the witness cannot tell."""
