"""The account snapshot: one JSON file with what AWS says about roles, functions and trails.

docs/reference/snapshot.md names its fields. Fields are only ever added: in a file without a field, that part is
unknown.

Two kinds of files can be read: the snapshot that `live.take_snapshot` makes, and the output of ``aws iam
get-account-authorization-details``, which has no functions and trails. Either may be gzipped. Keys and policy documents
are AWS's own; `snapshot_schema` names only the fields that are used.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import msgspec

from policygen.account.inventory import Resources, inventory_of
from policygen.account.last_accessed import parse_report, tracked_actions
from policygen.account.model import (
    Account,
    AttachedPolicy,
    LastAccessed,
    Refusal,
    Role,
    Trail,
)
from policygen.account.organization import levels_of
from policygen.account.snapshot_functions import function_of, invoke_config_of, mapping_of
from policygen.account.snapshot_schema import (
    AccessReport,
    Authorization,
    Error,
    FunctionConfiguration,
    InvokeConfiguration,
    Json,
    ManagedPolicy,
    MappingConfiguration,
    Organization,
    RoleDetail,
    Snapshot,
    TrailEntry,
)
from policygen.errors import UsageError
from policygen.iam.arn import is_role, parse
from policygen.iam.document import Policy, parse_policy
from policygen.iam.request import RoleKey
from policygen.text import escape_controls, sanitize

VERSION = 1
"""The value of ``policygen_snapshot`` in files that this release reads and writes."""

_MAKE_ONE = "make one: policygen snapshot, or: aws iam get-account-authorization-details > account.json"

T = TypeVar("T")


def load_snapshot(path: str | Path) -> Account:
    """Read the account from a snapshot file, or from the output of ``get-account-authorization-details``.

    Raises:
        UsageError: the file does not exist (PG-E211), is not JSON (PG-E212), has another shape (PG-E213), has a policy
            that IAM would not accept (PG-E210), a resource control policy for some principals only (PG-E350), or a
            last-accessed time that is not a time (PG-E341).
    """
    file = Path(path)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot read {escape_controls(str(file))}: {error.strerror or error}", _MAKE_ONE, code="PG-E211"
        ) from error
    name = escape_controls(str(file))
    return to_account(_decode(data, name), name)


def to_account(content: object, name: str = "snapshot") -> Account:
    """Return the account that a decoded snapshot describes.

    Args:
        content: the decoded JSON object.
        name: what to call it in errors.

    Raises:
        UsageError: as `load_snapshot`.
    """
    if not isinstance(content, dict):
        raise _wrong_shape(name, "Expected `object` - at `$`")
    if "policygen_snapshot" not in content:
        if "RoleDetailList" not in content:
            raise _wrong_shape(name, "Object missing `policygen_snapshot` or `RoleDetailList` - at `$`")
        content, base = {"policygen_snapshot": VERSION, "authorization": content}, "$"
    else:
        base = "$.authorization"
    frame = _convert(content, Snapshot, name, "$")
    if frame.policygen_snapshot != VERSION:
        raise _wrong_shape(
            name, f"version {frame.policygen_snapshot} is not {VERSION} - at `$.policygen_snapshot`"
        )
    authorization = _convert(frame.authorization, Authorization, name, base)
    partition, account = _owner(frame, authorization, name, base)
    organization = _convert(frame.organization or {}, Organization, name, "$.organization")
    manager = organization.management_account
    reports = _reports(frame.last_accessed, name)
    return Account(
        account_id=account,
        partition=partition,
        roles=_roles(authorization, name),
        functions=_convert_rows(frame.functions, "$.functions", FunctionConfiguration, function_of, name),
        mappings=_convert_rows(
            frame.event_source_mappings, "$.event_source_mappings", MappingConfiguration, mapping_of, name
        ),
        trails=_convert_rows(frame.trails, "$.trails", TrailEntry, _trail, name),
        regions=None if frame.regions is None else tuple(frame.regions),
        generated_at=sanitize(frame.generated_at),
        errors=(*_truncation(authorization), *map(_refusal, frame.errors)),
        invoke_configs=_convert_rows(
            frame.event_invoke_configs, "$.event_invoke_configs", InvokeConfiguration, invoke_config_of, name
        ),
        versions=_convert_rows(
            frame.function_versions, "$.function_versions", FunctionConfiguration, function_of, name
        ),
        last_accessed=reports,
        tracked_actions=tracked_actions((reports or {}).values()),
        scps=levels_of(organization.scps, f"{name}: service control policy"),
        rcps=levels_of(organization.rcps, f"{name}: resource control policy", resource=True),
        management=None if manager is None else manager == account,
        entities=tuple(
            sorted({one.arn for one in (*authorization.user_detail_list, *authorization.group_detail_list)})
        ),
        instance_profiles=_instance_profiles(authorization),
        resources=None
        if frame.resources is None
        else inventory_of(_convert(frame.resources, Resources, name, "$.resources")),
    )


def snapshot_to_json(snapshot: Mapping[str, Any]) -> str:
    """Return the text of a snapshot file: UTF-8, indented, in the object's order; it ends with a newline."""
    return json.dumps(snapshot, indent=2, ensure_ascii=False) + "\n"


def _decode(data: bytes, name: str) -> object:
    try:
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
        # PowerShell's ">" writes UTF-16, and Windows editors write a byte order mark.
        encoding = json.detect_encoding(data)
        if encoding != "utf-8":
            data = data.decode(encoding).encode()
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError, OSError, EOFError, zlib.error) as error:
        reason = str(error)
        where = "" if re.search(r"byte \d|position \d", reason) else f" (byte {len(data)}, the end)"
        raise UsageError(f"{name} is not JSON: {reason}{where}", _MAKE_ONE, code="PG-E212") from error


def _convert(value: object, shape: type[T], name: str, at: str) -> T:
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        text = str(error)
        problem, _, path = text.partition(" - at `$")
        raise _wrong_shape(name, f"{problem} - at `{at}{path.removesuffix('`')}`") from error


def _convert_rows(
    rows: list[Json] | None, at: str, shape: type[T], make: Callable[[T, Json], Any], name: str
) -> tuple[Any, ...] | None:
    """Read each row as `shape` and convert it to a value; None, which means unknown, stays None."""
    if rows is None:
        return None
    return tuple(make(_convert(row, shape, name, f"{at}[{place}]"), row) for place, row in enumerate(rows))


def _wrong_shape(name: str, problem: str) -> UsageError:
    hints = (_MAKE_ONE, "a folder or file of CloudTrail logs goes to --logs")
    return UsageError(f"{name} is not an account snapshot: {sanitize(problem, 400)}", *hints, code="PG-E213")


def _owner(frame: Snapshot, authorization: Authorization, name: str, base: str) -> tuple[str, str]:
    """Return the partition and the account id; without the snapshot's own fields they come from the ARNs."""
    owners = set()
    for place, role in enumerate(authorization.role_detail_list):
        arn = parse(role.arn) if is_role(role.arn) else None
        if arn is None:
            raise _wrong_shape(
                name, f"{role.arn!r} is not a role ARN - at `{base}.RoleDetailList[{place}].Arn`"
            )
        owners.add((arn.partition, arn.account))
    if frame.account_id:
        owners.add((frame.partition or "aws", frame.account_id))
    if len(owners) > 1:
        accounts = ", ".join(sorted(sanitize(account) for _, account in owners))
        raise _wrong_shape(name, f"roles of more than one account: {accounts} - at `{base}.RoleDetailList`")
    return next(iter(owners), ("aws", ""))


def _roles(authorization: Authorization, name: str) -> tuple[Role, ...]:
    roles = {role.arn: role for role in authorization.role_detail_list}
    managed = {policy.arn: policy for policy in authorization.policies}
    for kind, known, listed in (
        ("role", roles, authorization.role_detail_list),
        ("policy", managed, authorization.policies),
    ):
        if changed := [one.arn for one in listed if known[one.arn] != one]:
            raise _wrong_shape(name, f"the {kind} {changed[0]} stands in it twice, with different content")

    @cache
    def document(arn: str) -> Policy | None:
        return _managed(managed[arn], name) if arn in managed else None

    details = sorted(roles.values(), key=lambda role: role.arn)
    return tuple(_role(detail, document, name) for detail in details)


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


def _instance_profiles(authorization: Authorization) -> dict[str, tuple[str, ...]]:
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
        raise UsageError(f"{owner}: {problem}", _MAKE_ONE, code="PG-E213") from error


def _reports(rows: Mapping[str, Json] | None, name: str) -> Mapping[str, LastAccessed] | None:
    """Return last-accessed reports by role ARN, without those that are unfinished or incomplete."""
    if rows is None:
        return None
    at = "$.last_accessed"
    reports = {role: _convert(row, AccessReport, name, f"{at}[...]") for role, row in rows.items()}
    return {
        role: parse_report(report, f"{name}: last accessed by {escape_controls(role)}")
        for role, report in reports.items()
        if report.job_status == "COMPLETED" and not report.is_truncated
    }


def _trail(wire: TrailEntry, raw: Json) -> Trail:
    trail, status = wire.trail, wire.status
    # AWS returns one kind of selectors and leaves the other out; if both are missing, none was read.
    unread = wire.event_selectors is None and wire.advanced_event_selectors is None
    return Trail(
        name=trail.name,
        arn=trail.arn,
        home_region=trail.home_region,
        multi_region=trail.is_multi_region_trail,
        organization=trail.is_organization_trail,
        global_events=trail.include_global_service_events,
        bucket=trail.s3_bucket_name or "",
        prefix=trail.s3_key_prefix or "",
        logging=status.is_logging if status else None,
        started=sanitize((status and status.start_logging_time) or ""),
        stopped=sanitize((status and status.stop_logging_time) or ""),
        delivery_error=sanitize((status and status.latest_delivery_error) or ""),
        selectors=None if unread else tuple(wire.event_selectors or ()),
        advanced=None if unread else tuple(wire.advanced_event_selectors or ()),
        raw=raw,
    )


def _refusal(error: Error) -> Refusal:
    return Refusal(
        sanitize(error.operation), sanitize(error.code), sanitize(error.message, 1024), sanitize(error.region)
    )


def _truncation(authorization: Authorization) -> tuple[Refusal, ...]:
    """Return a refusal if the answer has only one page: the next pages are unknown, not empty."""
    if not (authorization.is_truncated or authorization.marker or authorization.next_token):
        return ()
    message = "the file holds one page of several of get-account-authorization-details"
    return (Refusal("iam:GetAccountAuthorizationDetails", "Truncated", message),)
