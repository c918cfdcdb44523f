"""Why a permission goes: the rule that decides so, where the rule comes from, and how sure it is."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

import msgspec

from policygen.evidence.coverage.observability import VISIBLE

Confidence = Literal["high", "medium"]
LOGS = "CloudTrail"
"""The source where the logs themselves decide."""


class DecidedBy(msgspec.Struct, frozen=True):
    """What decides that an action goes; fields as in `Removal`. Plans hold it as it is."""

    rule: str
    source: str = ""
    confidence: str = "high"


class Removal(NamedTuple):
    """What decides that a permission of today is not needed."""

    why: str
    """One clause for people."""
    rule: str
    """What decides: ``logs``, ``last-accessed``, ``decision``, ``suspicious``, or the name of a witness's rule."""
    source: str
    """Where the rule comes from: a URL, or what was read."""
    confidence: Confidence = "high"
    """``medium`` where an exception is possible that nobody has seen."""

    @property
    def by(self) -> DecidedBy:
        """The removal without its reason."""
        return _decided_by(self.rule, self.source, self.confidence)


_decided_by = lru_cache(maxsize=256)(DecidedBy)
"""What thousands of actions have in common."""


def unseen(action: str, why: str = f"{VISIBLE}, 0 calls") -> Removal:
    """Return the removal of an action whose use the logs would have shown: ``iam:PassRole`` by other calls alone.

    Args:
        action: ``service:Name``.
        why: since when it was visible, as `AbsenceVerdict` says it.
    """
    if action.lower() != "iam:passrole":
        return unseen_since(why)
    visible, _, calls = why.partition(", ")
    return Removal(f"{visible} only in calls that pass a role, {calls}", "logs", LOGS, "medium")


@lru_cache(maxsize=64)
def unseen_since(why: str) -> Removal:
    """Return the removal that thousands of actions have in common; `why` as for `unseen`."""
    return Removal(why, "logs", LOGS)
