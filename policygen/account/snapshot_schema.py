"""The typed shape of the snapshot's JSON: AWS's answers, as far as they are used.

Members that are not named are skipped, and members that AWS may leave out have a default, so that shapes only grow.
Sources: the API references of IAM (GetAccountAuthorizationDetails, GetServiceLastAccessedDetails), Lambda
(ListFunctions, ListEventSourceMappings, ListFunctionEventInvokeConfigs), CloudTrail (DescribeTrails, GetTrailStatus,
GetEventSelectors) and Organizations (DescribePolicy).
"""

from __future__ import annotations

from typing import Any

import msgspec

Json = dict[str, Any]
"""A JSON object that is not converted."""


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


class Entity(Wire, frozen=True):
    """A user or a group, or a role of an instance profile."""

    arn: str = ""


class InstanceProfile(Wire, frozen=True):
    """An instance profile of a role."""

    arn: str = ""
    roles: list[Entity] = []


class RoleDetail(Wire, frozen=True):
    """One entry of RoleDetailList."""

    role_name: str
    arn: str
    role_id: str = ""
    path: str = "/"
    create_date: str = ""
    assume_role_policy_document: Json | str = {}
    instance_profile_list: list[InstanceProfile] = []
    role_policy_list: list[Inline] | msgspec.UnsetType = msgspec.UNSET
    attached_managed_policies: list[Attachment] | msgspec.UnsetType = msgspec.UNSET
    permissions_boundary: Boundary | None = None
    tags: list[Tag] = []
    role_last_used: LastUsed | None = None


class UserDetail(Wire, frozen=True):
    """One entry of UserDetailList."""

    arn: str = ""
    user_id: str = ""
    user_policy_list: list[Inline] | msgspec.UnsetType = msgspec.UNSET
    attached_managed_policies: list[Attachment] | msgspec.UnsetType = msgspec.UNSET
    group_list: list[str] = []
    permissions_boundary: Boundary | None = None
    tags: list[Tag] = []


class GroupDetail(Wire, frozen=True):
    """One entry of GroupDetailList."""

    arn: str = ""
    group_name: str = ""
    group_policy_list: list[Inline] = []
    attached_managed_policies: list[Attachment] = []


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
    user_detail_list: list[UserDetail] = []
    group_detail_list: list[GroupDetail] = []
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


class Layer(Wire, frozen=True):
    """One of a function's Layers."""

    arn: str = ""


class FileSystem(Wire, frozen=True):
    """One of a function's FileSystemConfigs: an access point of EFS or of S3 Files."""

    arn: str


class Durable(Wire, frozen=True):
    """DurableConfig of a function."""

    kms_key: str | None = msgspec.field(default=None, name="KMSKeyArn")


class FunctionConfiguration(Wire, frozen=True):
    """One function or version of ListFunctions or GetFunctionConfiguration."""

    function_name: str
    function_arn: str
    role: str
    logging_config: LogGroup | None = None
    tracing_config: Tracing | None = None
    vpc_config: Vpc | None = None
    kms_key: str | None = msgspec.field(default=None, name="KMSKeyArn")
    dead_letter_config: DeadLetter | None = None
    layers: list[Layer] | None = None
    file_system_configs: list[FileSystem] | None = None
    durable_config: Durable | None = None


class Destination(Wire, frozen=True):
    """OnSuccess or OnFailure of a DestinationConfig."""

    destination: str | None = None


class Destinations(Wire, frozen=True):
    """DestinationConfig of a mapping or of a function's asynchronous calls."""

    on_success: Destination | None = None
    on_failure: Destination | None = None


class SourceAccess(Wire, frozen=True):
    """One of SourceAccessConfigurations, or of a schema registry's AccessConfigs."""

    type: str = ""
    uri: str = msgspec.field(default="", name="URI")


class Registry(Wire, frozen=True):
    """SchemaRegistryConfig of a Kafka mapping."""

    uri: str | None = msgspec.field(default=None, name="SchemaRegistryURI")
    access_configs: list[SourceAccess] | None = None


class Kafka(Wire, frozen=True):
    """AmazonManagedKafkaEventSourceConfig or SelfManagedKafkaEventSourceConfig of a mapping."""

    consumer_group_id: str | None = None
    schema_registry_config: Registry | None = None


class MappingConfiguration(Wire, frozen=True):
    """One entry of ListEventSourceMappings."""

    function_arn: str
    uuid: str = msgspec.field(name="UUID")
    event_source_arn: str | None = None
    state: str | None = None
    kms_key: str | None = msgspec.field(default=None, name="KMSKeyArn")
    destination_config: Destinations | None = None
    source_access_configurations: list[SourceAccess] | None = None
    topics: list[str] | None = None
    amazon_managed_kafka_event_source_config: Kafka | None = None
    self_managed_kafka_event_source_config: Kafka | None = None


class InvokeConfiguration(Wire, frozen=True):
    """One entry of ListFunctionEventInvokeConfigs."""

    function_arn: str
    destination_config: Destinations | None = None


class TrackedAction(Wire, frozen=True):
    """One entry of TrackedActionsLastAccessed; no time where IAM saw no attempt."""

    action_name: str
    last_accessed_time: str | None = None
    last_accessed_region: str | None = None


class AccessedService(Wire, frozen=True):
    """One entry of ServicesLastAccessed; no time where IAM saw no attempt."""

    service_namespace: str
    last_authenticated: str | None = None
    last_authenticated_region: str | None = None
    tracked_actions_last_accessed: list[TrackedAction] | None = None


class AccessReport(Wire, frozen=True):
    """The output of GetServiceLastAccessedDetails, all pages in one."""

    services_last_accessed: list[AccessedService]
    job_status: str = "COMPLETED"
    job_creation_date: str = ""
    job_completion_date: str = ""
    is_truncated: bool = False


class OrganizationPolicy(Wire, frozen=True):
    """A policy of an organisation: the name and the Content of DescribePolicy."""

    content: Json | str
    name: str = ""


class Organization(msgspec.Struct, frozen=True):
    """The policies that limit the account; null where they could not be read, [] where there are none."""

    id: str | None = None
    management_account: str | None = None
    scps: list[list[OrganizationPolicy]] | None = None
    rcps: list[list[OrganizationPolicy]] | None = None


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


class RoleSettings(Wire, frozen=True):
    """What GetRole says of a role besides GetAccountAuthorizationDetails."""

    max_session_duration: int | None = None


class Error(msgspec.Struct, frozen=True):
    """One part that AWS refused."""

    operation: str
    code: str = ""
    message: str = ""
    region: str = ""


class Snapshot(msgspec.Struct, frozen=True):
    """The top level of the file; null where a part is unknown."""

    policygen_snapshot: int
    authorization: Json
    generated_at: str = ""
    account_id: str = ""
    partition: str = ""
    regions: list[str] | None = None
    functions: list[Json] | None = None
    event_source_mappings: list[Json] | None = None
    trails: list[Json] | None = None
    event_invoke_configs: list[Json] | None = None
    function_versions: list[Json] | None = None
    last_accessed: dict[str, Json] | None = None
    organization: Json | None = None
    resources: Json | None = None
    rest_apis: list[Json] | None = None
    http_apis: list[Json] | None = None
    usage_plans: list[Json] | None = None
    api_keys: list[Json] | None = None
    custom_domains: list[Json] | None = None
    vpc_endpoints: list[Json] | None = None
    role_settings: dict[str, RoleSettings] | None = None
    errors: list[Error] = []
