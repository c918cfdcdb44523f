"""Where the sessions of an assumed role were used: its calls by session, address and VPC endpoint.

A role may have millions of sessions, so a bounded number is kept: those with the least hashes, whatever the order of
the records. Days are kept, and no numbers: a record that is read twice says nothing new.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from policygen.iam.request import RoleKey
from policygen.logs.events.record import Record

KEPT = 10_000
"""Sessions with a place that are kept, some 5 MB."""


class SessionUse(msgspec.Struct, frozen=True, gc=False, order=True):
    """A session of a role, and a place that it was used from."""

    principal_id: str
    """``AROA…:NAME``."""
    address: str
    """As delivered; the name of an AWS service where that called with the session."""
    endpoint: str
    """The VPC endpoint; "" for none."""


class SessionUses(msgspec.Struct):
    """Uses of the sessions of one role. Two of them add up, in any order, and what comes twice changes nothing."""

    days: dict[SessionUse, frozenset[str]] = msgspec.field(default_factory=dict)
    """Use -> the days on which it was."""
    is_cut: bool = False
    """Whether there were more than are kept."""

    def add(self, use: SessionUse, day: str) -> None:
        """Add one use."""
        before = self.days.get(use, _NEVER)
        if day not in before:
            self.days[use] = before | {day}
            self._cut(2 * KEPT)

    def merge(self, other: SessionUses) -> None:
        """Add other uses."""
        self.is_cut |= other.is_cut
        for use, days in other.days.items():
            self.days[use] = self.days.get(use, _NEVER) | days
        self._cut(2 * KEPT)

    def cut(self) -> None:
        """Keep those with the least hashes, if there are too many: once everything was read."""
        self._cut(KEPT)

    def _cut(self, room: int) -> None:
        if len(self.days) > room:
            self.is_cut = True
            self.days = {use: self.days[use] for use in sorted(self.days, key=_hash)[:KEPT]}


_NEVER = frozenset[str]()


def _hash(use: SessionUse) -> bytes:
    text = "\0".join((use.principal_id, use.address, use.endpoint))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def use_of(record: Record, role: RoleKey) -> SessionUse | None:
    """Return the session of a role that made a call, and from where; None for a call of anybody else."""
    who = record.userIdentity
    if who is None or who.type != "AssumedRole" or not who.principalId:
        return None
    issuer = who.sessionContext.sessionIssuer if who.sessionContext else None
    if issuer is None or issuer.arn != role.arn:
        return None
    return SessionUse(who.principalId, record.sourceIPAddress or "", record.vpcEndpointId or "")
