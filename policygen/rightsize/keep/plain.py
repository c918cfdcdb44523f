"""The permissions about which the logs alone decide: nearly all of those that a role may use and does not.

A role has thousands of them, on every resource, and nothing beside the logs can tell of any.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from policygen.iam.document import Statement
from policygen.rightsize.keep.witness import RoleFacts
from policygen.rightsize.removal import Removal, unseen_since


def plainly_unused(
    facts: RoleFacts, min_days: int, doubted: Collection[str], told: Collection[str]
) -> dict[str, Removal]:
    """Return the actions on every resource whose use the logs would have shown, and what decides about them.

    Args:
        facts: the role, its current permissions, and what was read; without IAM's last-accessed report.
        min_days: days for which a permission must have been visible before its absence means anything.
        doubted: services of which calls may have been made unseen.
        told: actions of which something else tells.
    """
    granted = facts.current_actions
    unused = facts.coverage.unused(granted.keys(), min_days)
    elsewhere = tuple(f"{service}:" for service in doubted)
    found = {
        action: unseen_since(why)
        for action in granted
        if (why := unused[action]) and not action.startswith(elsewhere)
    }
    for action in (*told, "iam:PassRole"):  # whose removal says more
        found.pop(action, None)
    # Thousands of actions are granted by the same few statements.
    groups = dict(zip(map(id, granted.values()), granted.values(), strict=True))
    if all(map(_on_everything, groups.values())):
        return found
    everywhere = {identity for identity, statements in groups.items() if _on_everything(statements)}
    return {action: removal for action, removal in found.items() if id(granted[action]) in everywhere}


def _on_everything(statements: Sequence[Statement]) -> bool:
    return all(one.not_resources or set(one.resources) == {"*"} for one in statements)
