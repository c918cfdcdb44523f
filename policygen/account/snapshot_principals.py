"""Roles and users of the snapshot, with the documents of their policies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from urllib.parse import unquote

import msgspec

from policygen.account.model import AttachedPolicy, Role
from policygen.account.snapshot_schema import (
    Attachment,
    Authorization,
    Inline,
    Json,
    ManagedPolicy,
    RoleDetail,
    UserDetail,
)
from policygen.account.snapshot_shape import MAKE_ONE, wrong_shape
from policygen.account.users import User
from policygen.errors import UsageError
from policygen.iam.arn import parse
from policygen.iam.document import Policy, parse_policy
from policygen.iam.request import RoleKey
from policygen.text import escape_controls, sanitize

Documents = Callable[[str], Policy | None]
"""ARN of a managed policy -> its document; None where the file does not have it."""


def roles_of(authorization: Authorization, name: str) -> tuple[Role, ...]:
    """Return the roles of a snapshot, sorted by ARN.

    Raises:
        UsageError: PG-E213, a role or policy stands in it twice and differs; PG-E210, a policy that IAM would not
            accept.
    """
    roles = {role.arn: role for role in authorization.role_detail_list}
    managed = {policy.arn: policy for policy in authorization.policies}
    for kind, known, listed in (
        ("role", roles, authorization.role_detail_list),
        ("policy", managed, authorization.policies),
    ):
        if changed := [one.arn for one in listed if known[one.arn] != one]:
            raise wrong_shape(name, f"the {kind} {changed[0]} stands in it twice, with different content")

    document = _documents(authorization, name)
    details = sorted(roles.values(), key=lambda role: role.arn)
    return tuple(_role(detail, document, name) for detail in details)


def _documents(authorization: Authorization, name: str) -> Documents:
    managed = {policy.arn: policy for policy in authorization.policies}

    @cache
    def document(arn: str) -> Policy | None:
        return _managed(managed[arn], name) if arn in managed else None

    return document


_POLICY_LISTS = ("RolePolicyList", "AttachedManagedPolicies")


def _role(detail: RoleDetail, document: Callable[[str], Policy | None], name: str) -> Role:
    arn = parse(detail.arn)
    boundary_arn = detail.permissions_boundary.permissions_boundary_arn if detail.permissions_boundary else ""
    last_used = detail.role_last_used.last_used_date if detail.role_last_used else None
    inline, attached = detail.role_policy_list, detail.attached_managed_policies
    # AWS lists both, though they be empty: without one, the file does not say what the role may do.
    unknown = [
        key for key, rows in zip(_POLICY_LISTS, (inline, attached), strict=True) if rows is msgspec.UNSET
    ]
    owner = f"{name}: role {escape_controls(detail.role_name)}"
    return Role(
        key=RoleKey(arn.account if arn else "", detail.role_id, detail.arn, detail.role_name),
        path=detail.path,
        create_date=sanitize(detail.create_date),
        policies=tuple(
            _policy(one.policy_document, one.policy_name, owner)
            for one in ([] if isinstance(inline, msgspec.UnsetType) else inline)
        ),
        attached=(
            *(
                AttachedPolicy(one.policy_arn, document(one.policy_arn))
                for one in ([] if isinstance(attached, msgspec.UnsetType) else attached)
            ),
            *(AttachedPolicy(key, None) for key in unknown),
        ),
        boundary=document(boundary_arn),
        boundary_arn=boundary_arn,
        trust=_trust(detail.assume_role_policy_document, owner),
        tags={tag.key: tag.value for tag in detail.tags},
        last_used=sanitize(last_used or ""),
    )


def users_of(authorization: Authorization, name: str) -> tuple[User, ...]:
    """Return the users of a snapshot, sorted by ARN; policies of their groups are among theirs.

    Raises:
        UsageError: PG-E210, a policy that IAM would not accept.
    """
    document = _documents(authorization, name)
    groups = {one.group_name: one for one in authorization.group_detail_list}

    def user(detail: UserDetail) -> User:
        owner = f"{name}: user {escape_controls(detail.arn)}"
        inline, attached = detail.user_policy_list, detail.attached_managed_policies
        own = [] if isinstance(inline, msgspec.UnsetType) else inline
        managed = [] if isinstance(attached, msgspec.UnsetType) else attached
        missing = [f"UserPolicyList of {detail.arn}"] if isinstance(inline, msgspec.UnsetType) else []
        for group in detail.group_list:
            known = groups.get(group)
            if known is None:
                missing.append(f"group {group}")
                continue
            own, managed = [*own, *known.group_policy_list], [*managed, *known.attached_managed_policies]
        policies, unread = _policies_of(own, managed, document, owner)
        boundary = detail.permissions_boundary.permissions_boundary_arn if detail.permissions_boundary else ""
        limit = document(boundary) if boundary else None
        missing += [*unread, *([boundary] if boundary and limit is None else [])]
        tags = {tag.key: tag.value for tag in detail.tags}
        return User(detail.arn, detail.user_id, policies, tuple(missing), limit, tags)

    return tuple(user(one) for one in sorted(authorization.user_detail_list, key=lambda one: one.arn))


def _policies_of(
    inline: Iterable[Inline], attached: Iterable[Attachment], document: Documents, owner: str
) -> tuple[tuple[Policy, ...], list[str]]:
    """Return the documents of policies, and the ARNs of those that were not read."""
    managed = {one.policy_arn: document(one.policy_arn) for one in attached}
    policies = [_policy(one.policy_document, one.policy_name, owner) for one in inline]
    policies += [policy for policy in managed.values() if policy is not None]
    return tuple(policies), [arn for arn, policy in managed.items() if policy is None]


def instance_profiles_of(authorization: Authorization) -> dict[str, tuple[str, ...]]:
    """Return the roles of each instance profile, by ARNs. A profile is listed with every role in it."""
    roles: dict[str, set[str]] = {}
    for detail in authorization.role_detail_list:
        for profile in detail.instance_profile_list:
            members = [one.arn for one in profile.roles if one.arn] or [detail.arn]
            roles.setdefault(profile.arn, set()).update(members)
    return {arn: tuple(sorted(members)) for arn, members in sorted(roles.items())}


def _managed(policy: ManagedPolicy, name: str) -> Policy | None:
    versions = [version for version in policy.policy_version_list if version.is_default_version]
    if len(versions) != 1 or versions[0].document is None:
        return None
    return _policy(
        versions[0].document, policy.arn.rpartition("/")[2], f"{name}: policy {escape_controls(policy.arn)}"
    )


def _policy(document: Json | str, policy_name: str, owner: str) -> Policy:
    try:
        return parse_policy(document, name=policy_name)
    except UsageError as error:
        raise UsageError(f"{owner}: {error.message}", *error.hints, code=error.code) from error


def _trust(document: Json | str, owner: str) -> Json:
    """Return the trust policy as an object; the raw API gives it as URL-encoded JSON."""
    if not isinstance(document, str):
        return document
    try:
        return msgspec.json.decode(unquote(document), type=Json)
    except (msgspec.DecodeError, RecursionError) as error:
        problem = f"AssumeRolePolicyDocument is no JSON object: {error}"
        raise UsageError(f"{owner}: {problem}", MAKE_ONE, code="PG-E213") from error
