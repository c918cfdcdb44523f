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
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from policygen.account.inventory import Resources, inventory_of
from policygen.account.last_accessed import parse_report, tracked_actions
from policygen.account.model import (
    Account,
    LastAccessed,
    Refusal,
    Trail,
)
from policygen.account.organization import levels_of
from policygen.account.snapshot_apis import gateway_of
from policygen.account.snapshot_functions import function_of, invoke_config_of, mapping_of
from policygen.account.snapshot_principals import instance_profiles_of, roles_of, users_of
from policygen.account.snapshot_schema import (
    AccessReport,
    Authorization,
    Error,
    FunctionConfiguration,
    InvokeConfiguration,
    Json,
    MappingConfiguration,
    Organization,
    Snapshot,
    TrailEntry,
)
from policygen.account.snapshot_shape import MAKE_ONE, convert, wrong_shape
from policygen.errors import UsageError
from policygen.files import looked_in
from policygen.iam.arn import is_role, parse
from policygen.text import escape_controls, sanitize

VERSION = 1
"""The value of ``policygen_snapshot`` in files that this release reads and writes."""

T = TypeVar("T")


def load_snapshot(path: str | Path) -> Account:
    """Read the account from a snapshot file, or from the output of ``get-account-authorization-details``.

    Args:
        path: the file.

    Raises:
        UsageError: the file does not exist (PG-E211), is not JSON (PG-E212), has another shape (PG-E213), has a policy
            that IAM would not accept (PG-E210), a resource control policy for some principals only (PG-E350), or a
            last-accessed time that is not a time (PG-E341).

    Example:
        >>> import policygen as pg
        >>> account = pg.load_snapshot("samples/account.json")
        >>> account.account_id, len(account.roles)
        ('111122223333', 14)
    """
    file = Path(path)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot read {escape_controls(str(file))}: {error.strerror or error}",
            *(looked_in(file) if isinstance(error, FileNotFoundError) else ()),
            MAKE_ONE,
            code="PG-E211",
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
        raise wrong_shape(name, "Expected `object` - at `$`")
    if "policygen_snapshot" not in content:
        if "RoleDetailList" not in content:
            raise wrong_shape(name, "Object missing `policygen_snapshot` or `RoleDetailList` - at `$`")
        content, base = {"policygen_snapshot": VERSION, "authorization": content}, "$"
    else:
        base = "$.authorization"
    frame = convert(content, Snapshot, name, "$")
    if frame.policygen_snapshot != VERSION:
        raise wrong_shape(
            name, f"version {frame.policygen_snapshot} is not {VERSION} - at `$.policygen_snapshot`"
        )
    authorization = convert(frame.authorization, Authorization, name, base)
    partition, account = _owner(frame, authorization, name, base)
    organization = convert(frame.organization or {}, Organization, name, "$.organization")
    manager = organization.management_account
    reports = _reports(frame.last_accessed, name)
    return Account(
        account_id=account,
        partition=partition,
        roles=roles_of(authorization, name),
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
            sorted(
                {
                    *(one.arn for one in authorization.user_detail_list),
                    *(one.arn for one in authorization.group_detail_list),
                }
            )
        ),
        instance_profiles=instance_profiles_of(authorization),
        users=users_of(authorization, name),
        gateway=gateway_of(
            frame, account, partition, name, lambda row, shape, at: convert(row, shape, name, at)
        ),
        session_limits=None
        if frame.role_settings is None
        else {
            arn: one.max_session_duration
            for arn, one in frame.role_settings.items()
            if one.max_session_duration
        },
        organization_id=organization.id or "",
        resources=None
        if frame.resources is None
        else inventory_of(convert(frame.resources, Resources, name, "$.resources")),
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
        raise UsageError(f"{name} is not JSON: {reason}{where}", MAKE_ONE, code="PG-E212") from error


def _convert_rows(
    rows: list[Json] | None, at: str, shape: type[T], make: Callable[[T, Json], Any], name: str
) -> tuple[Any, ...] | None:
    """Read each row as `shape` and convert it to a value; None, which means unknown, stays None."""
    if rows is None:
        return None
    return tuple(make(convert(row, shape, name, f"{at}[{place}]"), row) for place, row in enumerate(rows))


def _owner(frame: Snapshot, authorization: Authorization, name: str, base: str) -> tuple[str, str]:
    """Return the partition and the account id; without the snapshot's own fields they come from the ARNs."""
    owners = set()
    for place, role in enumerate(authorization.role_detail_list):
        arn = parse(role.arn) if is_role(role.arn) else None
        if arn is None:
            raise wrong_shape(
                name, f"{role.arn!r} is not a role ARN - at `{base}.RoleDetailList[{place}].Arn`"
            )
        owners.add((arn.partition, arn.account))
    if frame.account_id:
        owners.add((frame.partition or "aws", frame.account_id))
    if len(owners) > 1:
        accounts = ", ".join(sorted(sanitize(account) for _, account in owners))
        raise wrong_shape(name, f"roles of more than one account: {accounts} - at `{base}.RoleDetailList`")
    return next(iter(owners), ("aws", ""))


def _reports(rows: Mapping[str, Json] | None, name: str) -> Mapping[str, LastAccessed] | None:
    """Return last-accessed reports by role ARN, without those that are unfinished or incomplete."""
    if rows is None:
        return None
    at = "$.last_accessed"
    reports = {role: convert(row, AccessReport, name, f"{at}[...]") for role, row in rows.items()}
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
