"""What AWS's own services do with a role, from configuration and not from logs (3.6).

Lambda writes logs with the function's role, and CloudTrail never shows the writing; records of failures are delivered
only after failures. These are needs, not grants: `retain` cuts them to what the current policies grant.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from msgspec.structs import replace

from policygen.account.model import EventSourceMapping, Function, InvokeConfig, Role, unqualified
from policygen.evidence.coverage.blind_spot import BlindSpot
from policygen.iam import arn
from policygen.iam.arn import Arn
from policygen.iam.conditions import Truth, context_facts, evaluate_entry
from policygen.iam.grants import Grant
from policygen.iam.request import AccessRequest
from policygen.rightsize.keep.event_sources import destination_needs, features, needs, poller_needs
from policygen.rightsize.keep.model import Keep
from policygen.rightsize.keep.service_roles import needs_of_services

SOURCE_FUNCTION = "lambda:SourceFunctionArn"

_HOME = "us-east-1"
_LAMBDA = "lambda.amazonaws.com"
_EDGE = "edgelambda.amazonaws.com"
_HOSTS = frozenset({"ec2.amazonaws.com", "ssm.amazonaws.com"})
_TASKS = "ecs-tasks.amazonaws.com"
_SNAPSHOT = "policygen snapshot"
_OBJECT_LAMBDA = "AmazonS3ObjectLambdaExecutionRolePolicy"

# Layers of AWS that write to log groups of their own, by the layer's name: the group's name.
_LAYERS = {
    "LambdaInsightsExtension": "/aws/lambda-insights",
    "AWSOpenTelemetryDistro": "/aws/application-signals/data",
}


def platform_keeps(
    functions: Sequence[Function],
    mappings: Iterable[EventSourceMapping],
    used: Iterable[AccessRequest],
    *,
    invoke_configs: Iterable[InvokeConfig] = (),
    role: Role | None = None,
    visible: Collection[str] = (),
) -> list[Keep]:
    """Return what AWS's own services need of a role, each grant once (3.6).

    Args:
        functions: the functions that run with the role, including published versions.
        mappings: event source mappings of the account.
        used: observed requests; a role also writes to a log group in which it created a stream.
        invoke_configs: destinations of asynchronous calls in the account.
        role: the role; its trust policy shows Lambda@Edge, and agents on instances and in containers.
        visible: actions whose use the logs would have shown.
    """
    used, mappings, invoke_configs = list(used), list(mappings), list(invoke_configs)
    keeps: list[Keep] = []
    for function in functions:
        keeps += _function_needs(function, used)
        for mapping in mappings:
            if unqualified(mapping.function_arn) == function.unqualified:
                keeps += poller_needs(function, mapping, used)
        for config in invoke_configs:
            if unqualified(config.function_arn) == function.unqualified:
                keeps += _asynchronous_needs(function, config, used)
    if role is not None:
        keeps += _edge_needs(role, functions)
        keeps += _object_lambda_needs(role)
        keeps += agent_keeps(role, used, visible)
        keeps += needs_of_services(role, used, visible)
    keeps += _stream_needs(used, {keep.grant.resource for keep in keeps})
    return list({keep.grant: keep for keep in reversed(keeps)}.values())[::-1]


def _function_needs(function: Function, used: Sequence[AccessRequest]) -> Iterator[Keep]:
    name, place = function.name, arn.parse(function.arn)
    if place is None:
        return
    if function.log_group:
        why = f"Lambda writes the logs of {name}, making the group if missing; CloudTrail never shows PutLogEvents"
        yield from needs("logging", _group(place, arn.escape(function.log_group)), why)
    if function.vpc:
        yield from needs("vpc", "*", f"Lambda connects {name} to its VPC, rarely within a window")
    if function.tracing:
        yield from needs("tracing", "*", f"Lambda sends the traces of {name}")
    if function.kms_key:
        key = arn.escape(function.kms_key)
        yield from needs("key", key, f"Lambda decrypts the environment of {name}")
    if function.dead_letter:
        why = f"dead letters of {name}, only after failures"
        yield from destination_needs(function.dead_letter, used, why)
    for entry in function.file_systems:
        yield from _mount_needs(entry, name)
    for layer in function.layers:
        for title, group in _LAYERS.items():
            if f":layer:{title}" in layer:
                why = f"the layer {title} of {name} writes logs of its own"
                yield from needs("insights", _group(place, group), why)
    if function.durable:
        executions = arn.escape(function.unqualified) + ":*"
        yield from needs("durable", executions, f"{name} is durable: it saves and reads its progress")
    if function.durable_key:
        key = arn.escape(function.durable_key)
        yield from needs("durable-key", key, f"the key of the durable executions of {name}")


def _mount_needs(access_point: str, name: str) -> Iterator[Keep]:
    """Yield the needs for a file system that a function mounts; the access point's ARN may not name the file system."""
    place = arn.parse(access_point)
    if place is None:
        return
    why = f"{name} mounts a file system; CloudTrail never shows it"
    where = f"arn:{place.partition}:{place.service}:{place.region}:{place.account}"
    if place.service == "s3files":
        system = place.resource.split("/access-point/")[0]
        yield from needs("s3files", arn.escape(f"{where}:{system}"), why)
    elif place.service == "elasticfilesystem":
        yield from needs("efs", f"{where}:file-system/*", why)


def _asynchronous_needs(
    function: Function, config: InvokeConfig, used: Sequence[AccessRequest]
) -> Iterator[Keep]:
    if config.on_success:
        why = f"records of asynchronous calls of {function.name} that succeeded"
        yield from destination_needs(config.on_success, used, why)
    if config.on_failure:
        why = f"records of asynchronous calls of {function.name} that failed, only after failures"
        yield from destination_needs(config.on_failure, used, why)


def _edge_needs(role: Role, functions: Sequence[Function]) -> Iterator[Keep]:
    """Yield needs of replicas: they write logs in their own region, to groups named after us-east-1."""
    place = arn.parse(role.key.arn)
    if _EDGE not in role.trusted_services or place is None:
        return
    # Only functions of us-east-1 can be replicated; where none is known, any name is possible.
    names = sorted({arn.escape(function.name) for function in functions if function.region == _HOME})
    for name in names or ["*"]:
        group = f"arn:{place.partition}:logs:*:{place.account}:log-group:/aws/lambda/{_HOME}.{name}:*"
        yield from needs("edge", group, "Lambda@Edge writes logs in whatever region it runs")


def _object_lambda_needs(role: Role) -> Iterator[Keep]:
    """Yield needs of S3 Object Lambda, which only AWS's managed policy shows, not the function's configuration."""
    if any(policy.arn.rpartition("/")[2] == _OBJECT_LAMBDA for policy in role.attached):
        why = "the role has AWS's policy for S3 Object Lambda: it answers requests for objects"
        yield from needs("object-lambda", "*", why)


_AGENTS = frozenset({"agent", "exec"})


def needs_if_configured(
    role: Role, used: Iterable[AccessRequest], granted: Collection[str], visible: Collection[str]
) -> list[Keep]:
    """Return what Lambda may need of a role by a configuration that is not known; what was seen needs no keep.

    What the logs could not have shown is not among it: that stays unverified for its own reason.

    Args:
        role: the role; needs arise only if it trusts Lambda.
        used: observed requests.
        granted: actions of today's policies.
        visible: those of them whose use the logs would have shown.
    """
    if _LAMBDA not in role.trusted_services:
        return []
    seen = {request.action for request in used}
    why = "Lambda may need it at times, and the snapshot does not have the configuration of all functions"
    return [
        Keep(
            Grant(action, "*"),
            "unknown",
            why,
            BlindSpot(
                "configuration-unknown", action, why, f"make a new one: {_SNAPSHOT}", row.source, _SNAPSHOT
            ),
            name,
        )
        for name, row in features().items()
        if name not in _AGENTS and row.may_work(granted)
        for action in row.actions
        if action in visible and action not in seen
    ]


def agent_keeps(role: Role, used: Iterable[AccessRequest], visible: Collection[str] = ()) -> list[Keep]:
    """Return what the SSM agent of an instance, or ECS Exec in a container, needs of its role.

    The agent reports every few minutes, so there is no agent where reports would have been seen and were not. Where the
    logs cannot show reports, the permissions are kept as unknown.

    Args:
        role: the role; needs arise only if it trusts EC2, ECS tasks or Systems Manager.
        used: observed requests.
        visible: actions whose use the logs would have shown.
    """
    trusted = set(role.trusted_services)
    feature = "agent" if trusted & _HOSTS else "exec" if _TASKS in trusted else ""
    if not feature:
        return []
    who = "the SSM agent of the instance" if feature == "agent" else "ECS Exec in the container"
    heartbeat = "ssm:UpdateInstanceInformation" if feature == "agent" else "ssmmessages:CreateControlChannel"
    seen = any(r.action == heartbeat or r.action.startswith("ssmmessages:") for r in used)
    if seen:
        return list(needs(feature, "*", f"{who} was seen at work; its messages are never in CloudTrail"))
    if heartbeat in visible:
        return []
    why = f"whether {who} runs is not in the logs that were read"
    return [
        Keep(
            keep.grant,
            "unknown",
            why,
            BlindSpot(
                "agent-unseen",
                keep.grant.action,
                why,
                "drop it if nobody manages these instances with Systems Manager",
                features()[feature].source,
            ),
            feature,
        )
        for keep in needs(feature, "*", why)
    ]


def _stream_needs(used: Iterable[AccessRequest], groups: set[str]) -> Iterator[Keep]:
    """Yield the writing to groups in which streams were made; unverified, to groups that were made or searched.

    Who writes to a stream that was there before need not make one: it looks for it, or tries to make its group.
    """
    named = [
        (request.action, arn.escape(request.resource.split(":log-stream:")[0]) + ":*")
        for request in used
        if request.action in _ABOUT_STREAMS and ":log-stream:" in request.resource and not request.wild
    ]
    for action, group in sorted(named, key=lambda one: one[0] != "logs:CreateLogStream"):
        if group in groups:
            continue
        groups.add(group)
        why = f"it {_ABOUT_STREAMS[action]}; writing to them is never in CloudTrail"
        grant, spot = Grant("logs:PutLogEvents", group), None
        if action != "logs:CreateLogStream":
            spot = BlindSpot("never-logged", grant.action, why, "keep it, or drop it by hand", _LOGGED)
        yield Keep(grant, "unknown" if spot else "platform", why, spot)


_ABOUT_STREAMS = {
    "logs:CreateLogStream": "made log streams there",
    "logs:CreateLogGroup": "made the log group, or tried to, as who writes to its streams does",
    "logs:DescribeLogStreams": "looked for log streams there, as who writes to them does",
}
_LOGGED = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/logging_cw_api_calls_cwl.html"


def warned(keep: Keep) -> Keep:
    """Add a note to a platform keep whose conditions need a key that AWS's own call does not have (3.6.1).

    The condition comes from a current statement and stays, because the new policy is never wider. But the call for
    which the permission is kept is denied, today already.
    """
    feature = features().get(keep.feature)
    if feature is None or feature.caller == "present" or not _asks_for_function(keep.grant):
        return keep
    fact = "lacks" if feature.caller == "absent" else "may lack"
    note = (
        f"today's statement asks for {SOURCE_FUNCTION}, which AWS's own call {fact}: "
        f"{'it is' if feature.caller == 'absent' else 'it may be'} denied, today already"
    )
    return replace(keep, note=note)


def _asks_for_function(grant: Grant) -> bool:
    """Return whether a request without ``lambda:SourceFunctionArn`` fails a condition of the grant on that key."""
    absent = context_facts((), absent=(SOURCE_FUNCTION,))
    return any(
        evaluate_entry(operator, key, values, absent) is Truth.FALSE
        for operator, keys in grant.conditions
        for key, values in keys
        if key.lower() == SOURCE_FUNCTION.lower()
    )


def _group(place: Arn, name: str) -> str:
    return f"arn:{place.partition}:logs:{place.region}:{place.account}:log-group:{name}:*"
