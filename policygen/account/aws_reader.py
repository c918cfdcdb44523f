"""Read the parts of an account from AWS, and record in the snapshot's own form what AWS refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import msgspec

from policygen.account.aws_errors import error_code
from policygen.account.aws_session import Aws
from policygen.account.organization import no_organization, read_organization
from policygen.account.report_reader import ReportOptions, ReportReader
from policygen.account.resource_reader import ResourceReader, resource_lists
from policygen.account.snapshot_schema import Json
from policygen.errors import AwsError
from policygen.iam.arn import parse
from policygen.text import pluralize, sanitize

# The fields that decide what the platform needs (3.6): a published version that equals its function in them adds none.
_PLATFORM_FIELDS = (
    "Role", "LoggingConfig", "TracingConfig", "VpcConfig", "KMSKeyArn", "DeadLetterConfig", "Layers",
    "FileSystemConfigs", "DurableConfig",
)  # fmt: skip

_LATEST = "$LATEST"

MessageSink = Callable[[str], None]
"""Receives one line of progress."""

T = TypeVar("T")


class AccountReader(msgspec.Struct, frozen=True):
    """Reads one account; `reports` says how IAM's last-accessed reports are read."""

    aws: Aws
    on_message: MessageSink
    reports: ReportOptions = msgspec.field(default_factory=ReportOptions)
    errors: list[Json] = msgspec.field(default_factory=list)

    def authorization(self) -> Json:
        """Return all roles and policies, with the policy documents that AWS leaves out of its summary."""
        self.on_message(f"reading roles and policies of account {self.aws.account}")
        iam = self.aws.client("iam")
        with self.aws.translating_errors("iam"):
            pages = iam.get_paginator("get_account_authorization_details").paginate(
                Filter=["Role", "User", "Group", "LocalManagedPolicy", "AWSManagedPolicy"]
            )
            merged = pages.build_full_result()
        known = {policy["Arn"] for policy in merged.get("Policies", ())}
        absent = [arn for arn in referenced_policies(merged.get("RoleDetailList", [])) if arn not in known]
        added = [self.attempt("iam:GetPolicy", "", partial(managed_policy, iam, arn)) for arn in absent]
        merged["Policies"] = [*merged.get("Policies", ()), *(policy for policy in added if policy)]
        # Of users and groups the names with their paths, and nothing of their policies.
        for kind in ("UserDetailList", "GroupDetailList"):
            merged[kind] = [{"Arn": one["Arn"]} for one in merged.get(kind, ())]
        lists = ("RoleDetailList", "Policies", "UserDetailList", "GroupDetailList")
        return {key: sorted_unique(merged.get(key, []), "Arn") for key in lists}

    def functions(self, regions: Iterable[str]) -> tuple[list[Json] | None, list[Json] | None]:
        """Return functions, and their published versions that need something else; None where refused."""
        rows = self.in_regions(regions, "lambda:ListFunctions", "functions", _functions)
        if rows is None:
            return None, None
        latest = {row["FunctionName"]: row for row in rows if row.get("Version", _LATEST) == _LATEST}
        versions = [
            row
            for row in rows
            if row.get("Version", _LATEST) != _LATEST
            and any(row.get(key) != latest.get(row["FunctionName"], {}).get(key) for key in _PLATFORM_FIELDS)
        ]
        own = [
            {**row, "FunctionArn": row["FunctionArn"].removesuffix(":" + _LATEST)} for row in latest.values()
        ]
        return sorted_unique(own, "FunctionArn"), sorted_unique(versions, "FunctionArn")

    def mappings(self, regions: Iterable[str]) -> list[Json] | None:
        """Return the event source mappings of Lambda; None where refused."""
        operation = "lambda:ListEventSourceMappings"
        return sorted_unique(self.in_regions(regions, operation, "event source mappings", _mappings), "UUID")

    def invoke_configs(self, regions: Iterable[str], functions: list[Json] | None) -> list[Json] | None:
        """Return the destinations of asynchronous calls; None where refused, or where functions are unknown."""
        if functions is None:
            return None
        names = [row["FunctionArn"] for row in functions]
        operation = "lambda:ListFunctionEventInvokeConfigs"
        rows = self.in_regions(regions, operation, "destinations", partial(_invoke_configs, names))
        return sorted_unique(rows, "FunctionArn")

    def trails(self, regions: Iterable[str]) -> list[Json] | None:
        """Return trails with their status and selectors; None where refused."""
        rows = self.in_regions(regions, "cloudtrail:DescribeTrails", "trails", list_trails)
        rows = sorted_unique(rows, "TrailARN")
        return None if rows is None else [self.trail(row) for row in rows]

    def trail(self, trail: Json) -> Json:
        """Return a trail with its status and selectors, read in its home region; null where refused."""
        arn, region = trail["TrailARN"], trail["HomeRegion"]

        def status() -> Json:
            answer: Json = self.aws.client("cloudtrail", region).get_trail_status(Name=arn)
            return answer

        def selectors() -> Json:
            answer: Json = self.aws.client("cloudtrail", region).get_event_selectors(TrailName=arn)
            return answer

        state = self.attempt("cloudtrail:GetTrailStatus", region, status)
        events = self.attempt("cloudtrail:GetEventSelectors", region, selectors) or {}
        return {
            "Trail": trail,
            "Status": state,
            "EventSelectors": events.get("EventSelectors"),
            "AdvancedEventSelectors": events.get("AdvancedEventSelectors"),
        }

    def last_accessed(self, roles: Mapping[str, str]) -> dict[str, Json] | None:
        """Return IAM's reports by role ARN; None where there is no report. Errors are recorded, and stop nothing.

        Args:
            roles: role ARN -> role id.
        """
        self.on_message(f"reading what IAM says {pluralize(len(roles), 'role')} used last")
        account, journal = self.aws.account, self.reports.journal
        found = journal.load(account, roles) if journal else {}
        if found:
            self.on_message(f"going on after {pluralize(len(found), 'report')} of a run that was interrupted")

        def keep(role: str, report: Json) -> None:
            found[role] = plain_response(report)
            if journal:
                journal.add(account, role, roles[role], found[role])

        reader = ReportReader(self.aws.client("iam"), self.reports, keep)
        reader.read([role for role in sorted(roles) if role not in found], len(found))
        for one in reader.refused.values():
            more = f" and {pluralize(len(one.roles) - 1, 'more role')}" if len(one.roles) > 1 else ""
            self.note_refusal(one.operation, "", one.code, f"{one.roles[0]}{more}: {one.message}")
        return dict(sorted(found.items())) or None

    def resources(self, regions: Sequence[str]) -> Json | None:
        """Return what exists in the account, in every enabled region; None where nothing is shown.

        Args:
            regions: where to look if AWS does not show which regions are enabled.
        """
        enabled = self.attempt("ec2:DescribeRegions", "", self._enabled_regions)
        read = enabled or list(regions)
        if not read:
            return None
        lists = resource_lists()
        types, places = pluralize(len(lists), "type"), pluralize(len(read), "region")
        self.on_message(f"reading what exists: {types} of resources in {places}")
        session = self.aws.session

        def offered(service: str) -> list[str]:
            return list(session.get_available_regions(service, partition_name=self.aws.partition))

        reader = ResourceReader(self.aws.partition, self.aws.account, self.aws.client, offered)
        found, unknown = reader.read(lists, read, every=enabled is not None)
        for one in unknown:
            more = f" and {pluralize(len(one.types) - 1, 'more type')}" if len(one.types) > 1 else ""
            where = f" in {_few(one.regions)}" if any(one.regions) else ""
            what = f"{one.types[0]}{more}{where}: not known to be complete: {one.message}"
            self.note_refusal(one.action, "", one.code, what)
        return found if found["complete"] or found["items"] else None

    def _enabled_regions(self) -> list[str]:
        rows = self.aws.client("ec2").describe_regions()["Regions"]
        return sorted(row["RegionName"] for row in rows)

    def organization(self) -> Json | None:
        """Return the organisation's policies that limit this account; None where refused."""
        self.on_message("reading the organisation's policies")

        def read() -> Json:
            return _organization(self.aws.client("organizations"), self.aws.account)

        return self.attempt("organizations:DescribeOrganization", "", read)

    def in_regions(
        self, regions: Iterable[str], operation: str, what: str, read: Callable[[Any], list[Json]]
    ) -> list[Json] | None:
        """Return the rows of all regions; None where no region answered."""
        collected: list[Json] | None = None
        service = operation.partition(":")[0]
        for region in regions:
            self.on_message(f"reading {what} in {region}")

            def read_region(region: str = region) -> list[Json]:
                return read(self.aws.client(service, region))

            rows = self.attempt(operation, region, read_region)
            if rows is not None:
                collected = [*(collected or ()), *rows]
        return collected

    def attempt(self, operation: str, region: str, read: Callable[[], T]) -> T | None:
        """Return the result of `read`, or note the failure and return None, however it failed.

        What is read like this is optional: a refusal, an endpoint that does not answer or an answer of another shape
        makes it unknown, and stops nothing else.

        Args:
            operation: what is asked, ``lambda:ListFunctions``; the error may name another of the same service.
            region: where, "" for a global service.
            read: makes the calls.
        """
        try:
            return read()
        except Exception as error:  # each way to fail has its own class: botocore's, a parser's, ours
            if isinstance(error, AwsError) and isinstance(error.__cause__, Exception):
                error = error.__cause__
            named = getattr(error, "operation_name", "")
            service = operation.partition(":")[0]
            self.note_refusal(
                f"{service}:{named}" if named else operation,
                region,
                error_code(error) or type(error).__name__,
                " ".join(str(error).split()),
            )
        return None

    def note_refusal(self, operation: str, region: str, code: str, message: str) -> None:
        """Note what AWS did not show, in the snapshot's form."""
        self.errors.append(
            {"operation": operation, "code": code, "message": sanitize(message, 1024), "region": region}
        )
        where = f" in {region}" if region else ""
        self.on_message(
            f"warning: AWS does not show {operation}{where} ({sanitize(code)}): unknown from here on"
        )


def _few(regions: Sequence[str]) -> str:
    """Return the first regions, and how many more there are."""
    more = len(regions) - 3
    return ", ".join(regions[:3]) + (f" and {pluralize(more, 'more region')}" if more > 0 else "")


def _functions(client: Any) -> list[Json]:
    # All versions, for the same permission: a published version keeps the role that it was published with (3.6.2).
    rows = list_all(client, "list_functions", "Functions", FunctionVersion="ALL")
    return [{key: value for key, value in row.items() if key != "Environment"} for row in rows]


def _mappings(client: Any) -> list[Json]:
    return list_all(client, "list_event_source_mappings", "EventSourceMappings")


def _invoke_configs(functions: Iterable[str], client: Any) -> list[Json]:
    rows = []
    for function in functions:
        arn = parse(function)
        if arn is not None and arn.region == client.meta.region_name:
            try:
                rows += list_all(
                    client,
                    "list_function_event_invoke_configs",
                    "FunctionEventInvokeConfigs",
                    FunctionName=function,
                )
            except client.exceptions.ResourceNotFoundException:
                continue  # deleted after it was listed
    return rows


def list_trails(client: Any) -> list[Json]:
    """Return the trails that log a client's region."""
    # Shadow trails: those of other regions and of the organisation that also log this region (3.4.1).
    rows: list[Json] = client.describe_trails(includeShadowTrails=True)["trailList"]
    return rows


def _organization(client: Any, account: str) -> Json:
    try:
        return read_organization(client, account)
    except client.exceptions.AWSOrganizationsNotInUseException:
        return no_organization()


def list_all(client: Any, operation: str, key: str, **arguments: Any) -> list[Any]:
    """Return the rows of all pages of a list operation."""
    rows: list[Any] = client.get_paginator(operation).paginate(**arguments).build_full_result().get(key, [])
    return rows


def managed_policy(client: Any, arn: str) -> Json:
    """Return a managed policy in the form of GetAccountAuthorizationDetails, with its default version only."""
    policy = client.get_policy(PolicyArn=arn)["Policy"]
    answer = client.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])
    return {**policy, "PolicyVersionList": [answer["PolicyVersion"]]}


def referenced_policies(roles: Iterable[Json]) -> list[str]:
    """Return the ARNs of roles' managed policies and boundaries, sorted, each once."""
    arns: dict[str, None] = {}
    for role in roles:
        arns |= dict.fromkeys(entry["PolicyArn"] for entry in role.get("AttachedManagedPolicies", ()))
        if boundary := role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"):
            arns[boundary] = None
    return sorted(arns)


def sorted_unique(rows: list[Json] | None, key: str) -> list[Json] | None:
    """Return rows sorted by their key, each once: a trail of many regions is visible in each."""
    if rows is None:
        return None
    return [row for _, row in sorted({row[key]: row for row in rows}.items())]


def plain_response(answer: Json) -> Json:
    """Return boto3's answer as JSON: times in ISO 8601 UTC, without the metadata of the response."""
    return {key: _plain_value(value) for key, value in answer.items() if key != "ResponseMetadata"}


def _plain_value(value: Any) -> Any:
    match value:
        case dict():
            return plain_response(value)
        case list():
            return [_plain_value(item) for item in value]
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        case _:
            return value
