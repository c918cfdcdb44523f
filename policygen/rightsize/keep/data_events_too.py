"""What stays for calls that are data events, where most calls for the action are management events.

`bedrock:InvokeModel` is asked for by Converse, which every trail shows, and by a stream in both directions, which only
a trail with data events of models shows. That no Converse was seen says nothing of the latter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from policygen.catalog.visibility import Visibility, data_events_too
from policygen.evidence.coverage.coverage import Coverage
from policygen.iam.arn import contains, overlaps
from policygen.iam.document import Statement
from policygen.iam.grants import Grant
from policygen.rightsize.keep.model import Keep, Place, places_of


def keeps_for_data_events(
    current_actions: Mapping[str, Sequence[Statement]], coverage: Coverage, partition: str
) -> Iterator[Keep]:
    """Yield what calls of other kinds may ask for, on what they touch, where the logs could not show them; unverified.

    Args:
        current_actions: action -> the current Allow statements that grant it.
        coverage: what the logs could have shown.
        partition: that of the role.
    """
    for action, statements in current_actions.items():
        part = data_events_too(action)
        if part is None:
            continue
        logged = Visibility("data", part.data_types, reference=part.reference)
        spot = coverage.observed(action, logged).blind_spot
        if spot is None:
            continue
        touched = [one.replace("{partition}", partition) for one in part.resources]
        why = f"{part.why}: {spot.why}"
        for place in places_of(statements):
            for piece in dict.fromkeys(_part(place, one) for one in touched):
                if piece is not None:
                    yield Keep(Grant(action, *piece), "unknown", why, spot)


def _part(place: Place, touched: str) -> Place | None:
    """Return the part of a place that may be touched, the whole where it cannot be cut; None where none of it is."""
    resource, conditions, excluded = place
    if not _meet(resource, touched):
        return None
    if not contains(resource, touched) or any(overlaps(one, touched) for one in excluded):
        return place
    return touched, conditions, ()


def _meet(one: str, other: str) -> bool:
    """Return whether two patterns may name the same: where both have all parts of an ARN, part by part."""
    parts = one.split(":", 5), other.split(":", 5)
    if min(map(len, parts)) < 6:
        return overlaps(one, other)
    return all(overlaps(a, b) for a, b in zip(*parts, strict=True))
