"""The APIs of API Gateway as values, and what decides who may call them: endpoints, domains, keys, usage plans.

Sources: the API references of API Gateway (GetRestApis, GetResources, GetStages, GetAuthorizers, GetUsagePlans,
GetApiKeys, GetDomainNames), of API Gateway V2 (GetApis, GetRoutes, GetStages) and of EC2 (DescribeVpcEndpoints).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from policygen.iam.resource_policy import ResourcePolicy

Authorization = Literal["NONE", "AWS_IAM", "CUSTOM", "COGNITO_USER_POOLS", "JWT"]
"""What a method asks of its callers, in AWS's words. A key alone is no authorization."""

Protocol = Literal["REST", "HTTP", "WEBSOCKET"]


class Method(msgspec.Struct, frozen=True):
    """A method of a REST API, or a route.

    `verb` is ``ANY`` for all, and "" for the routes of a WebSocket API and ``$default``; `path` is the template,
    ``/pets/{petId}``, or the route's key, ``$connect``.
    """

    verb: str
    path: str
    authorization: Authorization
    authorizer: str = ""
    """Its id; "" for none."""
    needs_key: bool = False

    @property
    def is_overruled(self) -> bool:
        """Whether an Allow of a resource policy may let in whom it would leave out (apigateway-authorization-flow)."""
        return self.authorization in {"AWS_IAM", "CUSTOM"}

    @property
    def name(self) -> str:
        """What people call it: ``GET /pets/{petId}``, or ``$connect``."""
        return f"{self.verb} {self.path}" if self.verb else self.path


class Stage(msgspec.Struct, frozen=True):
    """A stage; `log_format` is "" where it has no access log."""

    name: str
    log_format: str = ""
    log_destination: str = ""
    """ARN of the log group or Firehose stream; "" for none."""
    caches: bool = False
    """Whether answers are cached, so that callers may ask to invalidate them."""


class Authorizer(msgspec.Struct, frozen=True):
    """An authorizer; `ttl` is for how many seconds its answer is used again, 0 for not."""

    id: str
    kind: str
    """``TOKEN``, ``REQUEST``, ``COGNITO_USER_POOLS`` or ``JWT``."""
    ttl: int = 0
    name: str = ""


class Api(msgspec.Struct, frozen=True):
    """One API of an account and region."""

    id: str
    name: str
    protocol: Protocol
    region: str
    account: str
    partition: str
    methods: tuple[Method, ...]
    stages: tuple[Stage, ...]
    authorizers: tuple[Authorizer, ...] = ()
    private: bool = False
    endpoint_type: str = ""
    """``regional``, ``edge``, ``private``; "" for an API that is not REST."""
    policy: ResourcePolicy | None = None
    """Its resource policy; only REST APIs have one."""
    default_endpoint: bool = True
    """Whether it answers at its execute-api address."""

    @property
    def arn(self) -> str:
        """The beginning of the ARNs of its methods, without ``/`` at the end."""
        return f"arn:{self.partition}:execute-api:{self.region}:{self.account}:{self.id}"

    @property
    def title(self) -> str:
        """What it is called where roles are called by their names: ``API orders (a1b2c3d4e5)``."""
        return f"API {self.name} ({self.id})" if self.name else f"API {self.id}"

    def stage(self, name: str) -> Stage | None:
        """Return a stage by its name."""
        return next((one for one in self.stages if one.name == name), None)


class UsagePlan(msgspec.Struct, frozen=True):
    """A usage plan: which keys may call which stages, and how often."""

    id: str
    name: str
    stages: tuple[tuple[str, str], ...]
    """Ids of APIs with names of their stages."""
    keys: tuple[str, ...]
    throttled: bool
    limited: bool
    """Whether it has a quota."""


class ApiKey(msgspec.Struct, frozen=True):
    """An API key, without its value."""

    id: str
    name: str
    enabled: bool
    stages: tuple[str, ...] = ()
    """Those that name it without a usage plan, ``API/STAGE``."""


class Domain(msgspec.Struct, frozen=True):
    """A custom domain with what its paths lead to: (base path, API, stage); the base path is "" for the root."""

    name: str
    mappings: tuple[tuple[str, str, str], ...]
    mutual_tls: bool = False


class Endpoint(msgspec.Struct, frozen=True):
    """A VPC endpoint for execute-api; a policy that was not read is None."""

    id: str
    vpc: str
    owner: str
    policy: ResourcePolicy | None


class Gateway(msgspec.Struct, frozen=True):
    """All that was read of API Gateway in an account. A part is None where it was not read."""

    apis: tuple[Api, ...] | None = None
    usage_plans: tuple[UsagePlan, ...] | None = None
    keys: tuple[ApiKey, ...] | None = None
    domains: tuple[Domain, ...] | None = None
    endpoints: tuple[Endpoint, ...] | None = None
