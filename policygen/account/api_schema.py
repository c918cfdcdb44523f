"""The typed shape of the snapshot's fields about API Gateway: AWS's answers, as far as they are used.

API Gateway spells its members in camel case, API Gateway V2 and EC2 in Pascal case. Sources: as in `apis`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from policygen.account.snapshot_schema import Json, Wire

ArnPart = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9-]+\Z")]
"""What stands in the ARN of an API: its region and its id. A wildcard in it would be one of every policy."""


class Camel(msgspec.Struct, frozen=True, rename="camel"):
    """A structure of an answer of API Gateway; members that are not named here are skipped."""


class AccessLog(Camel, frozen=True):
    """accessLogSettings of a stage of a REST API."""

    format: str | None = None
    destination_arn: str | None = None


class RestStageItem(Camel, frozen=True):
    """One item of GetStages."""

    stage_name: str
    access_log_settings: AccessLog | None = None
    cache_cluster_enabled: bool | None = None
    method_settings: dict[str, Json] | None = None


class RestMethod(Camel, frozen=True):
    """One method of a resource."""

    authorization_type: str | None = None
    authorizer_id: str | None = None
    api_key_required: bool = False


class RestResource(Camel, frozen=True):
    """One item of GetResources with its methods."""

    path: str
    resource_methods: dict[str, RestMethod] | None = None


class RestAuthorizer(Camel, frozen=True):
    """One item of GetAuthorizers."""

    id: str
    type: str = ""
    name: str = ""
    authorizer_result_ttl_in_seconds: int | None = None


class EndpointConfiguration(Camel, frozen=True):
    """endpointConfiguration of a REST API."""

    types: list[str] = []


class RestApi(Camel, frozen=True):
    """One item of GetRestApis."""

    id: ArnPart
    name: str = ""
    policy: Json | str | None = None
    endpoint_configuration: EndpointConfiguration = EndpointConfiguration()
    disable_execute_api_endpoint: bool = False


class RestApiEntry(Wire, frozen=True):
    """One REST API of the snapshot: four answers side by side."""

    region: ArnPart = msgspec.field(name="region")
    rest_api: RestApi
    resources: list[RestResource] = msgspec.field(default_factory=list)
    stages: list[RestStageItem] = msgspec.field(default_factory=list)
    authorizers: list[RestAuthorizer] = msgspec.field(default_factory=list)


class HttpAccessLog(Wire, frozen=True):
    """AccessLogSettings of a stage of an HTTP or WebSocket API."""

    format: str | None = None
    destination_arn: str | None = None


class HttpStageItem(Wire, frozen=True):
    """One item of GetStages of API Gateway V2."""

    stage_name: str
    access_log_settings: HttpAccessLog | None = None


class HttpRoute(Wire, frozen=True):
    """One item of GetRoutes."""

    route_key: str
    authorization_type: str | None = None
    authorizer_id: str | None = None
    api_key_required: bool = False


class HttpAuthorizer(Wire, frozen=True):
    """One item of GetAuthorizers of API Gateway V2."""

    authorizer_id: str
    authorizer_type: str = ""
    name: str = ""
    authorizer_result_ttl_in_seconds: int | None = None


class HttpApi(Wire, frozen=True):
    """One item of GetApis."""

    api_id: ArnPart
    name: str = ""
    protocol_type: str = "HTTP"
    disable_execute_api_endpoint: bool = False


class HttpApiEntry(Wire, frozen=True):
    """One HTTP or WebSocket API of the snapshot."""

    region: ArnPart = msgspec.field(name="region")
    api: HttpApi
    routes: list[HttpRoute] = msgspec.field(default_factory=list)
    stages: list[HttpStageItem] = msgspec.field(default_factory=list)
    authorizers: list[HttpAuthorizer] = msgspec.field(default_factory=list)


class PlanStage(Camel, frozen=True):
    """One of apiStages of a usage plan."""

    api_id: str = ""
    stage: str = ""


class PlanKey(Camel, frozen=True):
    """One item of GetUsagePlanKeys; its value is never read."""

    id: str


class UsagePlanItem(Camel, frozen=True):
    """One item of GetUsagePlans with its keys."""

    id: str
    name: str = ""
    api_stages: list[PlanStage] = []
    keys: list[PlanKey] = []
    throttle: Json | None = None
    quota: Json | None = None


class ApiKeyItem(Camel, frozen=True):
    """One item of GetApiKeys, without its value."""

    id: str
    name: str = ""
    enabled: bool = True
    stage_keys: list[str] = []


class DomainEntry(Wire, frozen=True):
    """A custom domain with its mappings, of either API; the two spell their members differently."""

    domain_name: Json
    mappings: list[Json] = msgspec.field(default_factory=list)


class VpcEndpointItem(Wire, frozen=True):
    """One item of DescribeVpcEndpoints."""

    vpc_endpoint_id: str
    vpc_id: str = ""
    owner_id: str = ""
    policy_document: Json | str | None = None
