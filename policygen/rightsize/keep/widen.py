"""Keep whole services as today where their unknown rest would not fit into IAM's quotas by names.

A policy must come out: a role whose statement says NotAction may keep thousands of actions of hundreds of services, of
which no list fits. Then the services that take the most room are kept whole, so that ``service:*`` can stand for them.
That grants more than the evidence asks for, never more than today, and it is said of each action.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from policygen.evidence.coverage.blind_spot import BlindSpot
from policygen.iam.arn import service_of
from policygen.iam.document import Statement
from policygen.iam.grants import Grant, maximal
from policygen.rightsize.keep.model import Keep, KeepResult, places_of
from policygen.rightsize.removal import Removal


def crowded_services(kept: KeepResult, written: Collection[Grant]) -> list[str]:
    """Return the services of which something is kept as unknown, those that take the most room first.

    Args:
        kept: what is kept without evidence.
        written: the grants as they would be written.
    """
    unknown = {service_of(keep.grant.action) for keep in kept.keeps if keep.kind == "unknown"}
    room = Counter[str]()
    for grant in written:
        room[service_of(grant.action)] += len(grant.action)
    return sorted(unknown, key=lambda name: (-room[name], name))


def keep_whole(
    kept: KeepResult, may_stay: Mapping[str, Sequence[Statement]], services: Collection[str]
) -> KeepResult:
    """Return the keeps with all that may stay of some services, but for what only suspicious calls used.

    Args:
        kept: what is kept without evidence, and why the rest goes.
        may_stay: action -> the current Allow statements that grant it, of services that may stay whole.
        services: IAM prefixes.
    """
    chosen, removed, keeps = set(services), dict(kept.removed), {keep.grant: keep for keep in kept.keeps}
    for action, statements in may_stay.items():
        service = service_of(action)
        if service not in chosen or _is_set_apart(removed.get(action)):
            continue
        removed.pop(action, None)
        why = f"the unknown rest of {service} does not fit by names: the service stays as today"
        spot = BlindSpot("does-not-fit", action, why, "split the role, or decide about its services")
        for resource, conditions, excluded in places_of(statements):
            grant = Grant(action, resource, conditions, excluded)
            keeps.setdefault(grant, Keep(grant, "unknown", why, spot))
    left = tuple(keeps[grant] for grant in sorted(set(maximal(keeps))))
    return replace(kept, keeps=left, removed=removed)


def _is_set_apart(removal: Removal | None) -> bool:
    return removal is not None and removal.rule == "set-apart"
