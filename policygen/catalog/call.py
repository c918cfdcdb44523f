"""A call, and the access requests that it maps to, each with its provenance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from policygen.catalog.knowledge import NOTHING_KNOWN, Knowledge
from policygen.iam.request import AccessRequest


class NamePattern(str):
    """A value of a call that stands for many names: an IAM pattern, where other values are literal text."""

    __slots__ = ()


class ResourceEntry(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One entry of a record's `resources`: CloudFormation type, ARN, and the owner's account; "" where absent."""

    type: str
    arn: str
    account: str


class Call(msgspec.Struct, frozen=True):
    """One distinct API call of an account and region, with the parameters that identify the resources it touched."""

    source: str
    """eventSource, ``s3.amazonaws.com``."""
    name: str
    """eventName as logged, ``GetFunction20150331v2``."""
    region: str
    account: str
    """The account of the caller, 12 digits."""
    partition: str = "aws"
    params: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """requestParameters, all of them or only the identifying ones."""
    resources: tuple[ResourceEntry, ...] = ()
    error: str = ""
    """errorCode without ``Client.``/``Server.``; "" for success."""
    via: str = ""
    """userIdentity.invokedBy: the service that made the call with the role's credentials (1.5)."""
    vpce: str = ""
    """vpcEndpointId."""
    knowledge: Knowledge = NOTHING_KNOWN
    """What other records and the account tell of the names in this one."""


class Provenance(NamedTuple):
    """Why a call maps to a request: the rule that gave the action, and the step that gave the ARN."""

    rule: str
    """``event GetSecretValue`` for a rule of a service file, or the name of a general step."""
    note: str = ""
    file: str = ""
    """Service file of the rule; "" for a general step."""
    need: int = -1
    """Number of the need in the rule; those of `also` come last. -1 for a general step."""
    resource_type: str = ""
    """Resource type; "" for none."""
    step: str = ""
    """The step that gave the ARN: a template of the service file, or the name of a general step."""

    def __str__(self) -> str:
        rule = f"{self.rule}: {self.note}" if self.note else self.rule
        return f"{rule}; {self.resource_type}: {self.step}" if self.resource_type else f"{rule}; {self.step}"


class MappedRequest(NamedTuple):
    """An access request and its origin."""

    request: AccessRequest
    origin: Provenance

    @property
    def why(self) -> str:
        """The origin in words."""
        return str(self.origin)
