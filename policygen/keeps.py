"""What stays without evidence, each with its reason: the platform's needs, and what nobody can know.

The Lambda platform writes logs with the function's role, and CloudTrail never shows it (3.6). A permission
that the evidence could not have shown is kept as today's policies have it: "not seen" is not "not used".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from policygen import arn
from policygen.access import AccessRequest, RoleKey
from policygen.account.model import EventSourceMapping, Function
from policygen.catalog import reference
from policygen.catalog.visibility import hidden_pass_role
from policygen.coverage import BlindSpot, Coverage
from policygen.policy.document import Statement
from policygen.policy.grants import Grant

# The actions of AWS's managed policies for Lambda (3.6).
_LOGGING = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
_TRACING = ("xray:PutTraceSegments", "xray:PutTelemetryRecords")
_VPC = (
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "ec2:DescribeSecurityGroups",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)
_POLLERS = {
    "sqs": ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
    "kinesis": (
        "kinesis:DescribeStream",
        "kinesis:DescribeStreamSummary",
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:ListShards",
        "kinesis:ListStreams",
        "kinesis:SubscribeToShard",
    ),
    "dynamodb": (
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
    ),
    "kafka": ("kafka:DescribeCluster", "kafka:DescribeClusterV2", "kafka:GetBootstrapBrokers"),
}


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


def platform_keeps(
    functions: Sequence[Function], mappings: Iterable[EventSourceMapping], used: Iterable[AccessRequest]
) -> list[Keep]:
    """What Lambda itself does with a function's role, from its configuration (3.6).

    Args:
        functions: those that run with the role.
        mappings: event source mappings of the account.
        used: observed requests; a log group in which the role made a stream is written to as well.
    """
    keeps: list[Keep] = []
    for function in functions:
        keeps += _function_keeps(function)
        names = (function.arn, f"{function.arn}:")
        for mapping in mappings:
            if mapping.function_arn == names[0] or mapping.function_arn.startswith(names[1]):
                keeps += _poller_keeps(function, mapping)
    groups = {keep.grant.resource for keep in keeps}
    for request in used:
        if (
            request.action == "logs:CreateLogStream"
            and ":log-stream:" in request.resource
            and not request.wild
        ):
            group = arn.escape(request.resource.split(":log-stream:")[0]) + ":*"
            if group not in groups:
                groups.add(group)
                why = "it made log streams there; writing to them is never in CloudTrail"
                keeps.append(Keep(Grant("logs:PutLogEvents", group), "platform", why))
    return keeps


def _function_keeps(function: Function) -> Iterator[Keep]:
    place = arn.parse(function.arn)
    if place and function.log_group:
        where = f"arn:{place.partition}:logs:{place.region}:{place.account}"
        group = f"{where}:log-group:{arn.escape(function.log_group)}:*"
        yield from _platform(
            _LOGGING, group, f"Lambda writes the logs of {function.name}; CloudTrail never shows it"
        )
    if function.vpc:
        yield from _platform(_VPC, "*", f"Lambda connects {function.name} to its VPC, rarely within a window")
    if function.tracing:
        yield from _platform(_TRACING, "*", f"Lambda sends the traces of {function.name}")
    if function.kms_key:
        key = arn.escape(function.kms_key)
        yield from _platform(("kms:Decrypt",), key, f"Lambda decrypts the environment of {function.name}")
    if function.dead_letter:
        action = "sns:Publish" if ":sns:" in function.dead_letter else "sqs:SendMessage"
        target = arn.escape(function.dead_letter)
        yield from _platform((action,), target, f"dead letters of {function.name}, only after failures")


def _poller_keeps(function: Function, mapping: EventSourceMapping) -> Iterator[Keep]:
    source = arn.parse(mapping.source_arn)
    actions = _POLLERS.get(source.service, ()) if source else ()
    if source and source.service == "kafka":
        actions += _VPC
    why = f"Lambda polls {source.service if source else ''} for {function.name}"
    for action in actions:
        known = reference.action(action)
        resource = arn.escape(mapping.source_arn) if known and known.types and action not in _VPC else "*"
        yield from _platform((action,), resource, why)


def _platform(actions: Iterable[str], resource: str, why: str) -> Iterator[Keep]:
    for action in actions:
        yield Keep(Grant(action, resource), "platform", why)


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
