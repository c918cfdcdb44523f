"""The regions in which IAM tracks last access (3.5): elsewhere, IAM's silence says nothing.

IAM tracks the regions of a table. A role that works in another region leaves no trace in the report, so "no attempt"
counts only for permissions that cannot have been used there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from functools import lru_cache

from policygen.evidence.coverage.event_set import GLOBAL
from policygen.evidence.coverage.last_accessed import last_accessed_facts
from policygen.iam.document import Statement

ANY_REGION = "regions that no trail logs"
"""Stands for regions of which nothing is known, in the place of a region's name."""


@lru_cache(maxsize=4096)
def is_tracked_region(region: str, since: str = "9999") -> bool:
    """Return whether IAM tracks attempts in a region, from a day on at the latest.

    Args:
        region: a name; or a pattern, which is tracked where a tracked region matches.
        since: ISO 8601 date.
    """
    known: dict[str, str] = last_accessed_facts()["regions"]["since"]
    return any(begun <= since and fnmatchcase(name, region.lower()) for name, begun in known.items())


def regions_of_statements(statements: Iterable[Statement]) -> frozenset[str]:
    """Return the regions that statements name, in ARNs and in conditions on the requested region; patterns as well."""
    found: set[str] = set()
    for statement in statements:
        found |= {region_of(resource) for resource in statement.resources}
        for _, keys in statement.conditions:
            for key, values in keys:
                found |= set(values) if key.lower() == "aws:requestedregion" else set()
    return frozenset(found - {"", "*"})


def untracked_region(
    action: str, resource: str, worked_in: Collection[str], leader: str, since: str = "9999"
) -> str:
    """Return a region in which the use of a permission would not be in IAM's report; "" where there is none.

    Args:
        action: ``service:Name``.
        resource: the permission's Resource pattern.
        worked_in: the regions in which the role may have worked.
        leader: the region of the partition's global services.
        since: from when IAM must have looked (ISO 8601 date).
    """
    place = region_of(resource)
    regions: Iterable[str]
    if action.partition(":")[0].lower() in GLOBAL:
        regions = (leader,)
    elif place and not set(place) & set("*?$"):
        regions = (place,)
    elif place in ("", "*") or "$" in place:
        regions = sorted(worked_in)
    else:
        regions = (place, *(one for one in sorted(worked_in) if fnmatchcase(one, place)))
    return next((one for one in regions if not is_tracked_region(one, since)), "")


def region_of(resource: str) -> str:
    """Return the region of an ARN or a pattern of ARNs; "" where it has none."""
    pieces = resource.split(":", 5)
    return pieces[3] if len(pieces) == 6 else ""
