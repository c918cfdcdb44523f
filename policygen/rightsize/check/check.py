"""`check`: a policy that somebody wrote, against what the role did and what the logs could have shown.

Findings have stable rule ids. An observed call that the policy denies is an error. A permission beyond what was seen is
a warning where the logs would have shown its use, and a note where they could not.
"""

from __future__ import annotations

from collections.abc import Sequence

from policygen.rightsize.check.basis import CheckBasis
from policygen.rightsize.check.denied import denied, platform, set_apart, wider
from policygen.rightsize.check.findings import (
    LEVELS,
    RULES,
    CheckRule,
    Finding,
    Level,
    PolicySource,
    policy_source,
)
from policygen.rightsize.check.unused import unused_permissions

__all__ = [
    "LEVELS",
    "RULES",
    "CheckBasis",
    "CheckRule",
    "Finding",
    "Level",
    "PolicySource",
    "check",
    "failing",
    "policy_source",
]


def check(sources: Sequence[PolicySource], basis: CheckBasis) -> tuple[Finding, ...]:
    """Return all findings: errors first, then by file, line and rule."""
    found = [
        *denied(sources, basis),
        *platform(sources, basis),
        *set_apart(sources, basis),
        *wider(sources, basis),
        *unused_permissions(sources, basis),
    ]
    order = {level: -i for i, level in enumerate(LEVELS)}
    found.sort(key=lambda f: (order[f.level], f.file, f.place, f.rule.id, f.subject, f.resource))
    return tuple(found)


def failing(findings: Sequence[Finding], fail_on: Level) -> list[Finding]:
    """Return the findings at or above a level."""
    return [finding for finding in findings if LEVELS.index(finding.level) >= LEVELS.index(fail_on)]
