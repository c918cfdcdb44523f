"""Uses that the logs show before the window: they are no evidence of the window, and known all the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from policygen.evidence.coverage.blind_spot import BlindSpot
from policygen.evidence.usage import Usage
from policygen.iam import arn
from policygen.iam.grants import Grant, GrantIndex
from policygen.rightsize.generate.generalise import Mode, generalise
from policygen.rightsize.keep.model import Keep

SeenBefore = Mapping[str, Sequence[tuple[str, str]]]
"""Action -> the patterns of what it was used on before the window, each with the last day."""


def seen_before(usage: Usage | None, granted: Iterable[Grant] = (), mode: Mode = "pattern") -> SeenBefore:
    """Return what a role did before the window, without what some grants allow already.

    Args:
        usage: the requests that the role made then; None for none.
        granted: grants for what was seen in the window; their conditions do not count.
        mode: how to write names: by the declared rules. With ``exact``, which asks for the window's names alone, only
            actions come back that nothing in the window used.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    if usage is None:
        return found
    granted = [grant._replace(conditions=()) for grant in granted]
    index = GrantIndex(granted)
    used = {grant.action for grant in granted} if mode == "exact" else set()
    left = [
        request
        for request, written in generalise(usage.requests, "exact").items()
        if request.action not in used and not any(index.containing(Grant(request.action, written.pattern)))
    ]
    for request, written in generalise(left).items():
        day = usage.requests[request].last[:10]
        found.setdefault(request.action, []).append((written.pattern, day))
    return found


def keeps_seen_before(seen: SeenBefore, within: Grant) -> list[Keep]:
    """Return what stays of a grant of today because the logs show its use before the window."""
    return [
        Keep(within._replace(resource=pattern), "earlier", why, _spot(within.action, why))
        for pattern, day in seen.get(within.action, ())
        if arn.contains(within.resource, pattern)
        and not any(arn.overlaps(excluded, pattern) for excluded in within.excluded)
        for why in (f"the logs show a call on {day}, before the window",)
    ]


def _spot(action: str, why: str) -> BlindSpot:
    return BlindSpot(
        "seen-before-window", action, why, "keep it, or let the window hold that day: more --days"
    )
