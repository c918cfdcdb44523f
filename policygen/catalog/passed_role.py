"""Whose role a call passes."""

from __future__ import annotations

from policygen.catalog.call import Call, MappedRequest
from policygen.iam.arn import parse

_OTHERS_ROLE = "no role of another account can be passed"


def of_own_account(mapped: MappedRequest, call: Call) -> MappedRequest:
    """Return a request; only as a hint if it passes a role of another account, which IAM lets nobody do.

    Services take such a role by a role of this account, or by its own trust policy:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
    """
    request, origin = mapped
    if request.action != "iam:PassRole" or not call.account:
        return mapped
    role = parse(request.resource)
    if role is None or role.account == call.account or not role.account.isdigit():
        return mapped
    return MappedRequest(request._replace(grade="hint"), origin._replace(note=_OTHERS_ROLE))
