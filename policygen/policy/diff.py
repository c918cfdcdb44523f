"""The difference between today's policies and the new ones, in permissions and not in text.

One change per action: narrowed, unchanged, kept for the platform, kept because nobody can tell, removed, or
added. What was observed but today's identity policies do not allow is *missing*, and is reported apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from policygen.policy.document import Statement
from policygen.policy.grants import Grant

Kind = Literal["narrowed", "unchanged", "kept", "unknown", "removed", "added", "missing"]

SYMBOLS: Mapping[Kind, str] = {
    "narrowed": "~", "unchanged": "~", "kept": "=", "unknown": "?", "removed": "-", "added": "+", "missing": "!",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one action."""

    action: str
    kind: Kind
    now: tuple[str, ...]
    """Resource patterns today; one that begins with ``!`` is left out by a NotResource."""
    proposed: tuple[str, ...]
    why: str

    @property
    def service(self) -> str:
        """The action's service prefix."""
        return self.action.split(":", 1)[0].lower()


def compare(
    today: Mapping[str, Sequence[Statement]],
    grants: Iterable[Grant],
    kept: Mapping[Grant, tuple[Kind, str]],
    missing: Collection[str] = (),
    removed: Mapping[str, str] | None = None,
) -> tuple[Change, ...]:
    """The change of every action that is allowed today or will be, sorted by action.

    Args:
        today: action -> the Allow statements that grant it.
        grants: what the new policies grant.
        kept: grants without evidence -> why they stay; grants beyond today's policies -> why they were added.
        missing: actions that were seen in use, but not as today's policies allow them.
        removed: action -> why it need not be kept, where more is to say than that it was not seen.
    """
    proposed: dict[str, list[Grant]] = {}
    for grant in grants:
        proposed.setdefault(grant.action.lower(), []).append(grant)
    names = {name.lower(): name for name in today}
    names |= {grant.action.lower(): grant.action for members in proposed.values() for grant in members}
    changes = []
    for folded, action in sorted(names.items()):
        now = tuple(sorted({text for s in today.get(action, ()) for text in _resources(s)}))
        members = proposed.get(folded, [])
        new = tuple(sorted({text for grant in members for text in _grant_resources(grant)}))
        kind, why = _kind(now, new, members, kept)
        if kind == "removed" and removed:
            why = removed.get(action, why)
        if kind == "removed" and action in missing:
            kind, why = "missing", "seen on resources that today's policies do not allow"
        changes.append(Change(action, kind, now, new, why))
    return tuple(changes)


def _kind(
    now: tuple[str, ...],
    new: tuple[str, ...],
    members: Sequence[Grant],
    kept: Mapping[Grant, tuple[Kind, str]],
) -> tuple[Kind, str]:
    if not new:
        return "removed", "visible, 0 calls"
    reasons = [kept[grant] for grant in members if grant in kept]
    if added := next((reason for reason in reasons if reason[0] == "added"), None):
        return added
    unknown = next((reason for reason in reasons if reason[0] == "unknown"), None)
    if unknown:
        return unknown
    if reasons and len(reasons) == len(members):
        return reasons[0]
    return ("unchanged" if set(new) == set(now) else "narrowed"), "observed"


def _resources(statement: Statement) -> tuple[str, ...]:
    return (
        tuple(f"!{text}" for text in statement.resources) if statement.not_resources else statement.resources
    )


def _grant_resources(grant: Grant) -> tuple[str, ...]:
    return tuple(f"!{text}" for text in grant.excluded) if grant.excluded else (grant.resource,)
