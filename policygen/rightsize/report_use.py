"""IAM's last-accessed report and the answer: what it would tell of a role, and where it contradicts the logs."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from policygen.evidence.coverage.coverage import Coverage
from policygen.evidence.coverage.last_accessed import is_counted
from policygen.iam import reference
from policygen.iam.request import AccessRequest
from policygen.rightsize.assess.readiness import ReportGain
from policygen.rightsize.keep.model import Keep

_DOUBTED = frozenset(
    {
        "unmapped-call", "tags-on-create", "role-passed-by-name", "comes-along", "does-not-fit", "agent-unseen",
        "key-unknown", "configuration-unknown",
    }
)  # fmt: skip
"""Blind spots about which IAM's report decides nothing."""


def report_gain(keeps: Collection[Keep], used: Iterable[AccessRequest]) -> ReportGain:
    """Return how many of the unverified actions IAM's last-accessed report would decide about.

    An action that is needed is none of them: the report says nothing of its resources.

    Args:
        keeps: what a suggestion keeps without evidence.
        used: what was seen in use.
    """
    needed = {
        *(request.action for request in used),
        *(keep.grant.action for keep in keeps if keep.kind != "unknown"),
    }
    unverified: set[str] = set()
    decided: set[str] = set()
    for keep in keeps:
        if keep.kind == "unknown" and keep.grant.action not in needed:
            action, spot = keep.grant.action, keep.blind_spot
            unverified.add(action)
            if spot and spot.id not in _DOUBTED and is_counted(action):
                decided.add(action)
    return ReportGain(len(decided), len(unverified))


def unread_use(keeps: Iterable[Keep], coverage: Coverage) -> frozenset[str]:
    """Return the actions that IAM saw in use in the window, that the logs would show, and of which they show nothing.

    A log is missing then. Where the logs would not show the action, its use is no contradiction.
    """
    return frozenset(
        keep.grant.action
        for keep in keeps
        if keep.blind_spot
        and keep.blind_spot.id == "used-unseen"
        and coverage.observability(
            keep.grant.action, keep.grant.resource, reference.reads_only(keep.grant.action)
        ).visible
    )
