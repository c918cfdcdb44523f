"""Roles that nobody can edit where they are: those of AWS's services, and those of IAM Identity Center (1.3.10)."""

from __future__ import annotations

import re
from typing import NamedTuple

from policygen.account.model import SERVICE_LINKED, SSO_MANAGED
from policygen.errors import GateError
from policygen.iam.request import RoleKey
from policygen.text import escape_controls

_SSO_NAME = re.compile(r"AWSReservedSSO_(?P<set>.+)_[0-9a-f]{16}")


class FixedRole(NamedTuple):
    """Why a role cannot be edited, and what to edit instead."""

    reason: str
    instead: str


def fixed_role(name: str, arn: str) -> FixedRole | None:
    """Return why a role cannot be edited; None where it can.

    The path in its ARN tells. Where no ARN is known, the name does, which AWS reserves by custom.

    Args:
        name: the role's name.
        arn: its ARN; "" where it is not known.
    """
    path = arn.partition(":role")[2]
    if path.startswith(SERVICE_LINKED) or (not arn and name.startswith("AWSServiceRoleFor")):
        service = path.removeprefix(SERVICE_LINKED).partition("/")[0] if path else ""
        return FixedRole(
            "service-linked: IAM lets nobody edit it; its service owns it",
            f"AWS sets its permissions: see the guide of {escape_controls(service) or 'its service'}, "
            "or narrow the roles that call it",
        )
    if path.startswith(SSO_MANAGED) or (not arn and name.startswith("AWSReservedSSO_")):
        match = _SSO_NAME.fullmatch(name)
        which = f"the permission set {escape_controls(match['set'])}" if match else "its permission set"
        return FixedRole(
            "made by IAM Identity Center: change the permission set, not the role",
            f"edit {which} in IAM Identity Center, which writes the role again; "
            "aws sso-admin list-instances names the instance",
        )
    return None


def refuse_fixed(role: RoleKey) -> None:
    """Raise an error for a role whose policies nobody can edit: a policy for it could not be applied.

    Raises:
        GateError: PG-E481.
    """
    if fixed := fixed_role(role.name, role.arn):
        raise GateError(
            f"{escape_controls(role.name)} cannot be edited: {fixed.reason}",
            fixed.instead,
            code="PG-E481",
        )
