"""What a plan says of the trust policy: who assumed the role, and the smallest policy with which they can go on."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

TrustAnswer = Literal["narrower", "unchanged", "unseen", "unknown", "refused"]
"""``narrower``: less is enough for all who came. ``unchanged``: today's policy is the smallest, or the logs could not
have shown more. ``unseen``: nobody came, so nothing is suggested. ``unknown``: today's policy is not known.
``refused``: no policy was made, and why."""


class TrustCaller(msgspec.Struct, frozen=True):
    """Somebody who assumed the role."""

    name: str
    times: int
    days: int
    came_with: tuple[str, ...] = ()
    """What came with the calls: ``MFA always``."""


class TrustChange(msgspec.Struct, frozen=True):
    """Something of today's trust policy, or of the longest session, that the new one narrows, lacks or keeps."""

    kind: Literal["narrowed", "removed", "kept"]
    what: str
    why: str = ""


class TrustRule(msgspec.Struct, frozen=True):
    """A finding about today's trust policy."""

    rule: str
    level: str
    text: str
    remains: bool
    """Whether the new policy still has it."""

    @property
    def sentence(self) -> str:
        """The finding, and whether the new policy ends it."""
        return f"{self.rule} {self.text}{'' if self.remains else '; not with the new policy'}"


class TrustPromise(msgspec.Struct, frozen=True):
    """A promise that was checked on the new policy."""

    promise: str
    finding: str


class TrustProposal(msgspec.Struct, frozen=True, kw_only=True):
    """The smallest trust policy of a role, or why there is none. All but the answer and its reason may be missing."""

    answer: TrustAnswer
    reason: str
    code: str = ""
    """Of the error, where there is no policy: ``PG-E385``."""
    document: dict[str, Any] | None = None
    """The new policy; None where it is today's."""
    session_now: int | None = None
    """Seconds that a session may last today; None where that is not known."""
    session_proposed: int | None = None
    """Seconds that are enough; None where nothing is suggested."""
    assumptions: int | None = None
    """Assumptions that count; None where that is not known."""
    last: str = ""
    """When the last was, ISO 8601 in UTC."""
    evidence: str = ""
    left_out: str = ""
    """Assumptions that do not count, and why."""
    coverage: str = ""
    """What the logs could have shown."""
    callers: tuple[TrustCaller, ...] = ()
    """The first of them, those who came most."""
    more_callers: int = 0
    """How many there are more."""
    changes: tuple[TrustChange, ...] = ()
    questions: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    """What was asked for and could not be done."""
    findings: tuple[TrustRule, ...] = ()
    promises: tuple[TrustPromise, ...] = ()
    losses: int = 0
    """Callers that decisions drop although they came."""

    @property
    def narrowing(self) -> int:
        """How many changes take something away."""
        return sum(one.kind != "kept" for one in self.changes)

    @property
    def shorter_session(self) -> int | None:
        """Seconds of the longest session, where that is to be lowered; else None."""
        proposed = self.session_proposed
        return proposed if proposed and self.session_now and proposed < self.session_now else None


class Trust(msgspec.Struct, frozen=True):
    """Who may assume the role."""

    services: tuple[str, ...] = ()
    document: dict[str, Any] = {}
    proposal: TrustProposal | None = None
    """The smallest trust policy; None where nobody looked at who assumed the role, as in older plans."""
