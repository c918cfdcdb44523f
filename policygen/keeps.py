"""What stays without evidence, each with its reason; here, what nobody can know.

A permission that the evidence could not have shown is kept as today's policies have it: "not seen" is not "not
used". What AWS itself needs of a role is in `platform`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from policygen.access import AccessRequest
from policygen.catalog import reference
from policygen.catalog.visibility import hidden_pass_role
from policygen.coverage import BlindSpot, Coverage
from policygen.policy.document import Statement
from policygen.policy.grants import Grant


@dataclass(frozen=True, slots=True)
class Keep:
    """A grant without evidence. ``platform``: configuration asks for it; ``unknown``: cannot tell."""

    grant: Grant
    kind: Literal["platform", "unknown"]
    why: str
    blind_spot: BlindSpot | None = None
    feature: str = ""
    """The row of platform.toml that asks for it; "" for what no platform asks for."""
    note: str = ""
    """A warning to show beside it, "" for none."""


def unknown_keeps(
    today: dict[str, list[Statement]],
    coverage: Coverage,
    settled: frozenset[str],
    used: Collection[AccessRequest],
    unmapped: Collection[str] = (),
) -> list[Keep]:
    """Permissions of today that the evidence cannot speak about, as today's statements grant them.

    Args:
        today: action -> the Allow statements that grant it.
        coverage: what the logs could have shown.
        settled: actions whose need is known from configuration, so that they are not kept whole.
        used: observed requests.
        unmapped: IAM prefixes of services of which a call could not be mapped.
    """
    passing = sorted({request.action for request in used} & hidden_pass_role())
    creating = {service_of(r.action) for r in used if _CREATES.match(r.action.split(":", 1)[1])}
    keeps = []
    for action, statements in today.items():
        if action in settled:
            continue
        known = reference.action(action)
        blind = coverage.blind_spot(action, reads_only=known is not None and not known.writes)
        if action == "iam:PassRole" and passing:
            blind = BlindSpot(
                "role-passed-by-name",
                action,
                f"{passing[0]} may pass a role that its record does not name",
                "keep it",
            )
        service = service_of(action)
        if blind is None and service in unmapped:
            blind = BlindSpot(
                "unmapped-call", action, f"a call of {service} could not be mapped", "map it, or decide"
            )
        if blind is None and service in creating and known and "Tagging" in known.access_level:
            blind = BlindSpot(
                "tags-on-create", action, "a call that creates may have carried tags", "decide by hand"
            )
        if blind is None and known is None:
            blind = BlindSpot(
                "no-event-known", action, "IAM's data does not know this action", "decide by hand"
            )
        if blind:
            keeps += [
                Keep(grant, "unknown", blind.why, blind) for s in statements for grant in _as_today(action, s)
            ]
    return keeps


_CREATES = re.compile(r"(Create|Run|Register|Allocate|Request|Copy|Restore|Import)[A-Z]")


def service_of(action: str) -> str:
    """An action's service prefix."""
    return action.split(":", 1)[0].lower()


def _as_today(action: str, statement: Statement) -> list[Grant]:
    if statement.not_resources:
        return [Grant(action, "*", statement.conditions, statement.resources)]
    return [Grant(action, resource, statement.conditions) for resource in statement.resources]
