"""What AWS's answers look like, as far as the snapshot is read: the typed shape of its JSON.

Members that are not named are skipped, members that AWS leaves out have a default: shapes only grow.
Sources: the API references of IAM (GetAccountAuthorizationDetails), Lambda (ListFunctions,
ListEventSourceMappings) and CloudTrail (DescribeTrails, GetTrailStatus, GetEventSelectors).
"""

from __future__ import annotations

from typing import Any

import msgspec

Json = dict[str, Any]
"""A JSON object that is kept as it is."""


class Wire(msgspec.Struct, frozen=True, rename="pascal"):
    """A structure of an AWS answer; members that are not named here are skipped."""


class Inline(Wire, frozen=True):
    """One inline policy of a role."""

    policy_name: str
    policy_document: Json | str


class Attachment(Wire, frozen=True):
    """A managed policy attached to a role."""

    policy_arn: str


class Boundary(Wire, frozen=True):
    """A role's PermissionsBoundary."""

    permissions_boundary_arn: str = ""


class Tag(Wire, frozen=True):
    """One tag."""

    key: str
    value: str = ""


class LastUsed(Wire, frozen=True):
    """A role's RoleLastUsed; no date where IAM saw no use."""

    last_used_date: str | None = None


class RoleDetail(Wire, frozen=True):
    """One entry of RoleDetailList."""

    role_name: str
    arn: str
    role_id: str = ""
    path: str = "/"
    create_date: str = ""
    assume_role_policy_document: Json | str = {}
    role_policy_list: list[Inline] = []
    attached_managed_policies: list[Attachment] = []
    permissions_boundary: Boundary | None = None
    tags: list[Tag] = []
    role_last_used: LastUsed | None = None


class Version(Wire, frozen=True):
    """One version of a managed policy."""

    document: Json | str | None = None
    is_default_version: bool = False


class ManagedPolicy(Wire, frozen=True):
    """One entry of Policies."""

    arn: str
    policy_version_list: list[Version] = []


class Authorization(Wire, frozen=True):
    """The output of GetAccountAuthorizationDetails, one page or all."""

    role_detail_list: list[RoleDetail]
    policies: list[ManagedPolicy] = []
    is_truncated: bool = False
    marker: str | None = None
    next_token: str | None = None


class LogGroup(Wire, frozen=True):
    """LoggingConfig of a function."""

    log_group: str | None = None


class Tracing(Wire, frozen=True):
    """TracingConfig of a function."""

    mode: str | None = None


class Vpc(Wire, frozen=True):
    """VpcConfig of a function; no subnets after a function left its VPC."""

    subnet_ids: list[str] | None = None


class DeadLetter(Wire, frozen=True):
    """DeadLetterConfig of a function."""

    target_arn: str | None = None


class FunctionConfiguration(Wire, frozen=True):
    """One function of ListFunctions or GetFunctionConfiguration."""

    function_name: str
    function_arn: str
    role: str
    logging_config: LogGroup | None = None
    tracing_config: Tracing | None = None
    vpc_config: Vpc | None = None
    kms_key: str | None = msgspec.field(default=None, name="KMSKeyArn")
    dead_letter_config: DeadLetter | None = None


class MappingConfiguration(Wire, frozen=True):
    """One entry of ListEventSourceMappings."""

    function_arn: str
    uuid: str = msgspec.field(name="UUID")
    event_source_arn: str | None = None


class TrailDescription(Wire, frozen=True):
    """One entry of DescribeTrails."""

    name: str
    arn: str = msgspec.field(name="TrailARN")
    home_region: str
    is_multi_region_trail: bool = False
    is_organization_trail: bool = False
    include_global_service_events: bool = False
    s3_bucket_name: str | None = None
    s3_key_prefix: str | None = None


class TrailStatus(Wire, frozen=True):
    """The output of GetTrailStatus."""

    is_logging: bool | None = None
    start_logging_time: str | None = None
    stop_logging_time: str | None = None
    latest_delivery_error: str | None = None


class TrailEntry(Wire, frozen=True):
    """One trail of the snapshot: three answers of CloudTrail side by side."""

    trail: TrailDescription
    status: TrailStatus | None = None
    event_selectors: list[Json] | None = None
    advanced_event_selectors: list[Json] | None = None


class Error(msgspec.Struct, frozen=True):
    """One part that AWS refused."""

    operation: str
    code: str = ""
    message: str = ""
    region: str = ""


class Snapshot(msgspec.Struct, frozen=True):
    """The file's own frame; null where a part is unknown."""

    policygen_snapshot: int
    authorization: Json
    generated_at: str = ""
    account_id: str = ""
    partition: str = ""
    regions: list[str] | None = None
    functions: list[Json] | None = None
    event_source_mappings: list[Json] | None = None
    trails: list[Json] | None = None
    errors: list[Error] = []
