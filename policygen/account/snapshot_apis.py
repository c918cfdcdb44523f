"""The fields of the snapshot about API Gateway, from AWS's answers to the values of `apis`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, cast, get_args

from msgspec.structs import replace

from policygen.account.api_schema import (
    ApiKeyItem,
    DomainEntry,
    HttpApiEntry,
    HttpStageItem,
    RestApiEntry,
    RestStageItem,
    UsagePlanItem,
    VpcEndpointItem,
)
from policygen.account.apis import (
    Api,
    ApiKey,
    Authorization,
    Authorizer,
    Domain,
    Endpoint,
    Gateway,
    Method,
    Protocol,
    Stage,
    UsagePlan,
)
from policygen.account.snapshot_schema import Json, Snapshot
from policygen.errors import UsageError
from policygen.iam.resource_policy import ResourcePolicy, parse_resource_policy
from policygen.text import escape_controls, sanitize

Convert = Callable[[object, type[Any], str], Any]
"""Reads a value as a shape; the last argument is its place in the file."""

_PRIVATE = "PRIVATE"
_SHORT = "execute-api:"
_ROOT_PATH = "(none)"
"""The base path of a mapping at the root of a custom domain (GetBasePathMappings)."""


def gateway_of(frame: Snapshot, account: str, partition: str, name: str, convert: Convert) -> Gateway:
    """Return what a snapshot says of API Gateway.

    Args:
        frame: the snapshot.
        account: the owner.
        partition: of the account.
        name: of the file, for messages.
        convert: reads a value as a shape, and raises PG-E213.

    Raises:
        UsageError: PG-E213, another shape; PG-E210, a policy that AWS would not accept.
    """

    def rows(part: list[Json] | None, at: str, shape: type[Any]) -> list[Any] | None:
        if part is None:
            return None
        return [convert(row, shape, f"$.{at}[{number}]") for number, row in enumerate(part)]

    rest = rows(frame.rest_apis, "rest_apis", RestApiEntry)
    http = rows(frame.http_apis, "http_apis", HttpApiEntry)
    apis: tuple[Api, ...] | None = None
    if rest is not None or http is not None:
        apis = (
            *(_rest_api(one, account, partition, name) for one in rest or ()),
            *(_http_api(one, account, partition) for one in http or ()),
        )
    endpoints = rows(frame.vpc_endpoints, "vpc_endpoints", VpcEndpointItem)
    return Gateway(
        apis,
        _each(_usage_plan, rows(frame.usage_plans, "usage_plans", UsagePlanItem)),
        _each(_key, rows(frame.api_keys, "api_keys", ApiKeyItem)),
        _each(_domain, rows(frame.custom_domains, "custom_domains", DomainEntry)),
        _each(lambda one: _endpoint(one, name), endpoints),
    )


def _each(make: Callable[[Any], Any], found: Sequence[Any] | None) -> tuple[Any, ...] | None:
    return None if found is None else tuple(map(make, found))


def _rest_api(entry: RestApiEntry, account: str, partition: str, name: str) -> Api:
    api = entry.rest_api
    kinds = api.endpoint_configuration.types
    methods = [
        Method(
            verb,
            resource.path,
            _authorization(method.authorization_type),
            method.authorizer_id or "",
            method.api_key_required,
        )
        for resource in entry.resources
        for verb, method in sorted((resource.resource_methods or {}).items())
    ]
    policy = api_policy(api.policy, f"{name}: policy of API {escape_controls(api.id)}")
    return Api(
        api.id,
        sanitize(api.name, 256),
        "REST",
        entry.region,
        account,
        partition,
        tuple(methods),
        tuple(map(_rest_stage, entry.stages)),
        tuple(
            Authorizer(one.id, one.type, one.authorizer_result_ttl_in_seconds or 0, sanitize(one.name))
            for one in entry.authorizers
        ),
        kinds == [_PRIVATE],
        kinds[0].lower() if kinds else "",
        policy and spelt_out(policy, f"arn:{partition}:execute-api:{entry.region}:{account}:{api.id}"),
        not api.disable_execute_api_endpoint,
    )


def _rest_stage(stage: RestStageItem) -> Stage:
    log = stage.access_log_settings
    cached = any(one.get("cachingEnabled") for one in (stage.method_settings or {}).values())
    return Stage(
        stage.stage_name,
        (log and log.format) or "",
        (log and log.destination_arn) or "",
        bool(stage.cache_cluster_enabled) or cached,
    )


def _http_api(entry: HttpApiEntry, account: str, partition: str) -> Api:
    api = entry.api
    protocol = cast("Protocol", api.protocol_type)
    methods = []
    for route in entry.routes:
        verb, _, path = route.route_key.rpartition(" ")
        methods.append(
            Method(
                verb,
                path,
                _authorization(route.authorization_type),
                route.authorizer_id or "",
                route.api_key_required,
            )
        )
    return Api(
        api.api_id,
        sanitize(api.name, 256),
        protocol,
        entry.region,
        account,
        partition,
        tuple(methods),
        tuple(map(_http_stage, entry.stages)),
        tuple(
            Authorizer(
                one.authorizer_id,
                one.authorizer_type,
                one.authorizer_result_ttl_in_seconds or 0,
                sanitize(one.name),
            )
            for one in entry.authorizers
        ),
        default_endpoint=not api.disable_execute_api_endpoint,
    )


def _http_stage(stage: HttpStageItem) -> Stage:
    log = stage.access_log_settings
    return Stage(stage.stage_name, (log and log.format) or "", (log and log.destination_arn) or "")


def _authorization(text: str | None) -> Authorization:
    """Return what a method asks of its callers; a kind that nobody knows is asked of an authorizer."""
    known = text or "NONE"
    return cast("Authorization", known) if known in get_args(Authorization) else "CUSTOM"


def api_policy(document: Json | str | None, owner: str) -> ResourcePolicy | None:
    """Return the resource policy of an API, whose text comes with its quotes and slashes escaped once more.

    Raises:
        UsageError: PG-E210, AWS would not accept it.
    """
    if not document:
        return None
    if isinstance(document, str) and not _is_json(document):
        document = document.replace("\\/", "/")
        with suppress(ValueError):  # the parser says what is wrong with it
            document = str(json.loads(f'"{document}"'))
    return _parsed(document, owner)


def spelt_out(policy: ResourcePolicy, arn: str) -> ResourcePolicy:
    """Return a policy with whole ARNs in place of ``execute-api:/stage/GET/pets``, which means the API itself.

    Args:
        policy: the resource policy of an API.
        arn: the beginning of the ARNs of its methods, without ``/`` at the end.
    """

    def whole(resource: str) -> str:
        return arn + resource.removeprefix(_SHORT) if resource.startswith(f"{_SHORT}/") else resource

    return replace(
        policy,
        statements=tuple(
            replace(
                one,
                statement=replace(one.statement, resources=tuple(map(whole, one.statement.resources))),
            )
            for one in policy.statements
        ),
    )


def _parsed(document: Json | str, owner: str) -> ResourcePolicy:
    try:
        return parse_resource_policy(document, owner)
    except UsageError as error:
        raise UsageError(f"{owner}: {error.message}", *error.hints, code=error.code) from error


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _usage_plan(plan: UsagePlanItem) -> UsagePlan:
    return UsagePlan(
        plan.id,
        sanitize(plan.name),
        tuple((stage.api_id, stage.stage) for stage in plan.api_stages),
        tuple(key.id for key in plan.keys),
        bool(plan.throttle),
        bool(plan.quota),
    )


def _key(key: ApiKeyItem) -> ApiKey:
    return ApiKey(key.id, sanitize(key.name), key.enabled, tuple(key.stage_keys))


def _domain(entry: DomainEntry) -> Domain:
    def mapped(row: Json) -> tuple[str, str, str]:
        base = row.get("basePath", row.get("ApiMappingKey")) or ""
        api, stage = row.get("restApiId", row.get("ApiId")), row.get("stage", row.get("Stage"))
        return ("" if base == _ROOT_PATH else str(base), str(api or ""), str(stage or ""))

    domain = entry.domain_name
    name = domain.get("domainName", domain.get("DomainName")) or ""
    tls = domain.get("mutualTlsAuthentication", domain.get("MutualTlsAuthentication"))
    return Domain(str(name), tuple(map(mapped, entry.mappings)), bool(tls))


def _endpoint(item: VpcEndpointItem, name: str) -> Endpoint:
    document = item.policy_document
    owner = f"{name}: policy of VPC endpoint {escape_controls(item.vpc_endpoint_id)}"
    return Endpoint(
        item.vpc_endpoint_id, item.vpc_id, item.owner_id, _parsed(document, owner) if document else None
    )


def api_names(apis: Iterable[Api]) -> list[str]:
    """Return ids with names of APIs, for messages."""
    return [f"{one.id} ({one.name})" if one.name else one.id for one in apis]
