"""Keep more than the evidence asks for where the unverified rest would not fit into IAM's quotas exactly.

A policy must come out: a role whose statements grant nearly everything may keep thousands of actions, of which no list
fits. Then patterns match some actions that could go, and at last whole statements stay as they are today. That grants
more than the evidence asks for, never more than today and never what a decision drops, and it is said of each action.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec.structs import replace

from policygen.evidence.coverage.blind_spot import BlindSpot
from policygen.iam.document import Statement
from policygen.iam.grants import Grant, maximal
from policygen.rightsize.keep.model import Keep, KeepResult, places_of
from policygen.text import pluralize

DOES_NOT_FIT = "does-not-fit"
"""The blind spot of what stays for this reason only."""
_WHY = "it could go, but the unverified rest does not fit into IAM's quotas without it"


def barred_actions(kept: KeepResult, today: Iterable[str], may_stay: Collection[str]) -> frozenset[str]:
    """Return the actions, in lower case, that go at any price: dropped by a decision, or used by suspicious calls only.

    Args:
        kept: why actions go.
        today: all actions that the current policies grant.
        may_stay: those of them about which no drop rule is.
    """
    dropped = {action.lower() for action in today} - {action.lower() for action in may_stay}
    apart = {action.lower() for action, removal in kept.removed.items() if removal.rule == "suspicious"}
    return frozenset(dropped | apart)


def besides_note(kept: KeepResult) -> str:
    """Return how many actions stay only because the rest does not fit without them, a sentence; "" where none do."""
    number = len(
        {one.grant.action for one in kept.keeps if one.blind_spot and one.blind_spot.id == DOES_NOT_FIT}
    )
    if not number:
        return ""
    some = pluralize(number, "permission")
    return f"{some} could go and stay, as today grants them: the unverified rest does not fit into IAM's quotas exactly"


def keep_besides(kept: KeepResult, grants: Iterable[Grant]) -> KeepResult:
    """Return the keeps with further grants, which stay because the rest does not fit without them."""
    removed, keeps = dict(kept.removed), {keep.grant: keep for keep in kept.keeps}
    for grant in grants:
        removed.pop(grant.action, None)
        spot = BlindSpot(DOES_NOT_FIT, grant.action, _WHY, "split the role, or decide about its services")
        keeps.setdefault(grant, Keep(grant, "unknown", _WHY, spot))
    left = tuple(keeps[grant] for grant in sorted(set(maximal(keeps))))
    return replace(kept, keeps=left, removed=removed)


def crowded_statements(kept: KeepResult, may_stay: Mapping[str, Sequence[Statement]]) -> list[Statement]:
    """Return the current statements of which something is kept as unknown, those that take the most room first."""
    room = Counter[Statement]()
    for action in {keep.grant.action for keep in kept.keeps if keep.kind == "unknown"}:
        for statement in may_stay.get(action, ()):
            room[statement] += len(action)
    return sorted(room, key=lambda one: (-room[one], one.actions, one.resources, one.conditions))


def whole(
    statements: Collection[Statement],
    may_stay: Mapping[str, Sequence[Statement]],
    barred: Collection[str],
) -> list[Grant]:
    """Return all that some current statements grant and may stay."""
    chosen = set(statements)
    return [
        Grant(action, resource, conditions, excluded)
        for action, granting in may_stay.items()
        if action.lower() not in barred
        for resource, conditions, excluded in places_of([one for one in granting if one in chosen])
    ]
