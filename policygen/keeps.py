"""What stays without evidence, each with its reason: the platform's needs, and what nobody can know.

The Lambda platform writes logs with the function's role, and CloudTrail never shows it (3.6). A permission
that the evidence could not have shown is kept as today's policies have it: "not seen" is not "not used".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from policygen import arn
from policygen.access import AccessRequest, RoleKey
from policygen.account.model import Function
from policygen.catalog import reference
from policygen.catalog.visibility import hidden_pass_role
from policygen.coverage import BlindSpot, Coverage
from policygen.policy.document import Statement
from policygen.policy.grants import Grant

_LOGGING = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")


@dataclass(frozen=True, slots=True)
class Keep:
    """A grant without evidence. ``platform``: configuration asks for it; ``unknown``: cannot tell."""

    grant: Grant
    kind: Literal["platform", "unknown"]
    why: str
    blind_spot: BlindSpot | None = None


def functions_of(role: RoleKey, functions: Iterable[Function]) -> list[Function]:
    """The functions that run with a role."""
    return [function for function in functions if function.role_arn == role.arn]


def platform_keeps(functions: Sequence[Function], used: Iterable[AccessRequest]) -> list[Keep]:
    """What Lambda itself does with a function's role: its log group.

    Args:
        functions: those that run with the role.
        used: observed requests; a log group in which the role made a stream is written to as well.
    """
    groups: dict[str, str] = {}
    for function in functions:
        place = arn.parse(function.arn)
        if place and function.log_group:
            where = f"arn:{place.partition}:logs:{place.region}:{place.account}"
            group = f"{where}:log-group:{arn.escape(function.log_group)}:*"
            groups[group] = f"Lambda writes the logs of {function.name}; CloudTrail never shows it"
    keeps = [
        Keep(Grant(action, group), "platform", why) for group, why in groups.items() for action in _LOGGING
    ]
    for request in used:
        if (
            request.action == "logs:CreateLogStream"
            and ":log-stream:" in request.resource
            and not request.wild
        ):
            group = arn.escape(request.resource.split(":log-stream:")[0]) + ":*"
            if group not in groups:
                groups[group] = "it made log streams there; writing to them is never in CloudTrail"
                keeps.append(Keep(Grant("logs:PutLogEvents", group), "platform", groups[group]))
    return keeps


def unknown_keeps(
    today: dict[str, list[Statement]],
    coverage: Coverage,
    settled: frozenset[str],
    used: Iterable[AccessRequest],
) -> list[Keep]:
    """Permissions of today that the evidence cannot speak about, as today's statements grant them.

    Args:
        today: action -> the Allow statements that grant it.
        coverage: what the logs could have shown.
        settled: actions whose need is known from configuration, so that they are not kept whole.
        used: observed requests.
    """
    passing = sorted({request.action for request in used} & hidden_pass_role())
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
        if blind:
            keeps += [
                Keep(grant, "unknown", blind.why, blind) for s in statements for grant in _as_today(action, s)
            ]
    return keeps


def _as_today(action: str, statement: Statement) -> list[Grant]:
    if statement.not_resources:
        return [Grant(action, "*", statement.conditions, statement.resources)]
    return [Grant(action, resource, statement.conditions) for resource in statement.resources]
