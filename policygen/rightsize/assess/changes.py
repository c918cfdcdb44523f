"""The difference between the current policies and the new ones, in permissions and not in text.

There is one change for each action: narrowed, unchanged, kept for the platform, kept because the logs cannot tell,
removed, or added. An action that was observed but that the current identity policies do not allow is *missing*.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Literal

import msgspec

from policygen.iam import arn
from policygen.iam.arn import service_of
from policygen.iam.document import Statement
from policygen.iam.grants import Grant
from policygen.rightsize.removal import DecidedBy, Removal, unseen

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


def compare(
    today: Mapping[str, Sequence[Statement]],
    grants: Iterable[Grant],
    kept: Mapping[Grant, tuple[Kind, str]],
    missing: Collection[str] = (),
    removed: Mapping[str, Removal] | None = None,
) -> tuple[Change, ...]:
    """Return the change of every action that the current or the new policies allow, sorted by action.

    Args:
        today: action -> the current Allow statements that grant it; sorted, whatever the case.
        grants: the grants of the new policies.
        kept: grants without evidence -> why they stay; grants beyond the current policies -> why they were added.
        missing: actions that were seen in use, but not as the current policies allow them.
        removed: action -> what decides that it goes, where there is another reason than no calls.
    """
    removed = removed or {}
    proposed: dict[str, list[Grant]] = {}
    for grant in grants:
        proposed.setdefault(grant.action.lower(), []).append(grant)
    # Thousands of actions stand in the same few statements.
    places = {
        id(statements): _together([(s.resources, s.not_resources) for s in statements])
        for statements in dict(zip(map(id, today.values()), today.values(), strict=True)).values()
    }

    def stays(members: Sequence[Grant]) -> Change:
        one = members[-1]
        now = places.get(id(today.get(one.action)), ())
        if len(members) == 1 and not one.excluded:  # as nearly all
            new: tuple[str, ...] = (one.resource,)
        else:
            new = _together([(g.excluded or (g.resource,), bool(g.excluded)) for g in members])
        kind, why = _kind(now, new, members, kept)
        return Change(one.action, kind, now, new, why)

    changes: dict[str, Change] = {}
    before: tuple[object, object] = (None, None)
    gone = _Gone((), unseen(""))
    for action, statements in today.items():
        folded, now = action.lower(), places[id(statements)]
        if folded in proposed:
            changes[folded] = stays(proposed[folded])
        elif action in missing:
            changes[folded] = Change(action, "missing", now, (), _MISSING)
        else:
            removal = removed.get(action) or unseen(action)
            if removal is not before[0] or now is not before[1]:  # thousands in a row have the same
                before, gone = (removal, now), _gone(now, removal)
            changes[folded] = gone[action]
    beyond = {folded: stays(members) for folded, members in proposed.items() if folded not in changes}
    return tuple((dict(sorted((changes | beyond).items())) if beyond else changes).values())


class _Gone(dict[str, Change]):
    """Action -> its change, of actions that go from the same places for the same reason: all roles share them."""

    __slots__ = ("_by", "_now", "_why")

    def __init__(self, now: tuple[str, ...], removal: Removal) -> None:
        """Make it for a reason, and the places in which today's policies allow the actions."""
        super().__init__()
        self._now, self._why, self._by = now, removal.why, removal.by

    def __missing__(self, action: str) -> Change:
        """Make the change of an action."""
        found = self[action] = Change(action, "removed", self._now, (), self._why, self._by)
        return found


_gone = lru_cache(maxsize=16)(_Gone)  # an administrator's changes take some megabytes

_MISSING = "seen on resources that today's policies do not allow"


_MOST_PAIRS = (
    1_000  # of exceptions that are compared; beyond it, the exceptions of the first statement are shown
)


def _kind(
    now: tuple[str, ...],
    new: tuple[str, ...],
    members: Sequence[Grant],
    kept: Mapping[Grant, tuple[Kind, str]],
) -> tuple[Kind, str]:
    reasons = [reason for grant in members if (reason := kept.get(grant))]
    if len(members) == len(reasons) == 1:
        return reasons[0]
    if added := next((reason for reason in reasons if reason[0] == "added"), None):
        return added
    unknown = next((reason for reason in reasons if reason[0] == "unknown"), None)
    if unknown:
        return unknown
    if reasons and len(reasons) == len(members):
        return reasons[0]
    return ("unchanged" if set(new) == set(now) else "narrowed"), "observed"


def _together(places: Sequence[tuple[tuple[str, ...], bool]]) -> tuple[str, ...]:
    """Return what several statements cover together, each given by (its patterns, whether they are its exceptions)."""
    named: set[str] = set()
    left_out: set[str] | None = None
    for patterns, negated in places:
        if not negated:
            named |= set(patterns)
        elif left_out is None:
            left_out = set(patterns)
        elif len(left_out) * len(patterns) <= _MOST_PAIRS:
            # Everything but A, and everything but B: it lacks only what both leave out.
            left_out = {text for a in left_out for b in patterns for text in arn.intersect(a, b) or ()}
    if left_out is None or "*" in named:
        return tuple(sorted(named))
    return tuple(sorted(named | {f"!{text}" for text in left_out})) if left_out else ("*",)
