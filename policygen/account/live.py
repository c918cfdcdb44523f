"""Read the account from AWS: read-only, and with as few permissions as the task needs (`required_permissions`).

A snapshot needs IAM and tries Lambda and CloudTrail; what they do not answer is recorded in its ``errors``. One role is
read as a snapshot has it, so that both give the same policy; where the whole account is not shown, the role alone is
required. Last-accessed reports and the organisation's policies are read if the caller says so; where AWS does not show
them, they are unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from policygen.account.api_reader import organization_id, read_callers
from policygen.account.aws_reader import (
    AccountReader,
    MessageSink,
    list_all,
    managed_policy,
    plain_response,
    referenced_policies,
)
from policygen.account.aws_session import Aws
from policygen.account.model import Account
from policygen.account.report_reader import ReportOptions
from policygen.account.required_permissions import ROLE_ACTIONS, SNAPSHOT_ACTIONS
from policygen.account.role_errors import role_not_found
from policygen.account.snapshot import VERSION, to_account
from policygen.account.snapshot_schema import Json
from policygen.iam.arn import parse
from policygen.text import sanitize

if TYPE_CHECKING:
    from boto3 import Session

__all__ = ["ROLE_ACTIONS", "SNAPSHOT_ACTIONS", "MessageSink", "read_role", "take_snapshot"]


def _silent(_: str) -> None:
    """Do nothing."""


def take_snapshot(
    session: Session,
    regions: Iterable[str] = (),
    *,
    now: datetime | None = None,
    on_message: MessageSink = _silent,
    last_accessed: bool | Iterable[str] | Callable[[Account], Iterable[str]] = False,
    resources: bool = False,
    callers: bool = False,
    organization: bool = False,
    reports: ReportOptions | None = None,
) -> Json:
    """Read the account as a snapshot object, for `snapshot_to_json` and `snapshot.to_account`.

    The variables of functions are left out: they are often secrets, and nothing here needs them.

    Args:
        session: whose credentials are used, see `aws_session.open_session`.
        regions: where to look for functions and trails; by default the session's region.
        now: the time to put into the snapshot; by default the clock's.
        on_message: called with a line before each part.
        last_accessed: whether to read last-accessed reports, of all roles or of the roles with these names; or a
            function that names them, given the account with its roles alone.
        resources: whether to read what exists in every region.
        callers: whether to read who may call APIs, how long sessions may be, and the organisation's id.
        organization: whether to read the organisation's policies, which its management account and a delegated
            administrator may.
        reports: how last-accessed reports are read.

    Raises:
        NothingFoundError: `last_accessed` has a name that no role has (PG-E310).
        AwsError: no credentials, no region, no network, or IAM refuses (PG-E110).
    """
    aws = Aws.identify(session)
    wanted = tuple(dict.fromkeys(regions)) or aws.regions()
    reader = AccountReader(aws, on_message, reports or ReportOptions())
    authorization = reader.authorization()
    frame = _frame(aws, authorization, now)
    snapshot = frame | _parts(reader, wanted)
    if last_accessed:
        asked = last_accessed(to_account(plain_response(frame))) if callable(last_accessed) else last_accessed
        snapshot["last_accessed"] = reader.last_accessed(_wanted_roles(asked, authorization, aws.account))
    if resources:
        snapshot["resources"] = reader.attempt("ec2:DescribeRegions", "", partial(reader.resources, wanted))
    if callers:
        snapshot |= read_callers(reader, wanted)
    if organization:
        snapshot["organization"] = reader.organization()
    elif callers:
        snapshot["organization"] = organization_id(reader)
    return _readable(snapshot, reader)


def _frame(aws: Aws, authorization: Json, now: datetime | None) -> Json:
    """Return the snapshot with its roles and policies, and no other part yet."""
    return {
        "policygen_snapshot": VERSION,
        "generated_at": now or datetime.now(UTC),
        "account_id": aws.account,
        "partition": aws.partition,
        "regions": None,
        "authorization": authorization,
    }


def _parts(reader: AccountReader, regions: tuple[str, ...]) -> Json:
    """Return what is read region by region: functions, what polls for them, and trails. All of it is optional."""
    functions, versions = reader.attempt("lambda:ListFunctions", "", lambda: reader.functions(regions)) or (
        None,
        None,
    )
    return {
        "regions": list(regions) or None,
        "functions": functions,
        "function_versions": versions,
        "event_source_mappings": reader.attempt(
            "lambda:ListEventSourceMappings", "", lambda: reader.mappings(regions)
        ),
        "event_invoke_configs": reader.attempt(
            "lambda:ListFunctionEventInvokeConfigs", "", lambda: reader.invoke_configs(regions, functions)
        ),
        "trails": reader.attempt("cloudtrail:DescribeTrails", "", lambda: reader.trails(regions)),
    }


_OPTIONAL: Mapping[str, str] = {
    "functions": "lambda:ListFunctions",
    "function_versions": "lambda:ListFunctions",
    "event_source_mappings": "lambda:ListEventSourceMappings",
    "event_invoke_configs": "lambda:ListFunctionEventInvokeConfigs",
    "trails": "cloudtrail:DescribeTrails",
    "last_accessed": "iam:GetServiceLastAccessedDetails",
    "resources": "ec2:DescribeRegions",
    "organization": "organizations:DescribePolicy",
    "rest_apis": "apigateway:GetRestApis",
    "http_apis": "apigatewayv2:GetApis",
    "usage_plans": "apigateway:GetUsagePlans",
    "api_keys": "apigateway:GetApiKeys",
    "custom_domains": "apigatewayv2:GetDomainNames",
    "vpc_endpoints": "ec2:DescribeVpcEndpoints",
    "role_settings": "iam:ListRoles",
}
"""Part of the snapshot that it can do without -> what was asked for it."""


def _readable(snapshot: Json, reader: AccountReader) -> Json:
    """Return the snapshot as JSON, where each optional part can be read; one that cannot is unknown, and is noted."""
    plain = plain_response(snapshot)
    empty = {"policygen_snapshot": VERSION, "authorization": {"RoleDetailList": []}}
    for part, operation in _OPTIONAL.items():
        # A shape that AWS never had before is no reason to give up on the role.
        read = partial(to_account, empty | {part: plain.get(part)})
        if plain.get(part) is not None and reader.attempt(operation, "", read) is None:
            plain[part] = None
    return plain | {"errors": list(reader.errors)}


def read_role(
    name_or_arn: str,
    session: Session,
    *,
    now: datetime | None = None,
    on_message: MessageSink = _silent,
    last_accessed: bool = False,
    resources: bool = False,
    organization: bool = False,
    reports: ReportOptions | None = None,
) -> Account:
    """Read the account for one role, as a snapshot has it: policies, functions, what polls for them, trails.

    Where AWS does not show the whole account, the role alone is read. A policy document of it that AWS refuses is then
    an error, not a gap: without it nothing can be said about the role. All else is optional; what AWS does not show is
    unknown and recorded in `Account.errors`.

    Args:
        name_or_arn: role name, with or without its path, or the ARN of the role or of a session.
        session: whose credentials are used, see `aws_session.open_session`.
        now: when the account is read; by default the clock's time.
        on_message: called with a line of progress.
        last_accessed: whether to read the role's last-accessed report.
        organization: whether to read the organisation's policies.
        reports: how last-accessed reports are read.

    Raises:
        NothingFoundError: the account has no such role (PG-E310).
        AwsError: no credentials, no network, or IAM refuses (PG-E110).
    """
    aws = Aws.identify(session)
    name = _role_name(name_or_arn, aws.account)
    reader = AccountReader(aws, on_message, reports or ReportOptions())
    whole = reader.attempt("iam:GetAccountAuthorizationDetails", "", reader.authorization)
    authorization = _role_alone(reader, name, name_or_arn) if whole is None else whole
    names = {role["RoleName"].casefold(): role for role in authorization["RoleDetailList"]}
    if name.casefold() not in names:
        raise role_not_found(
            name_or_arn, aws.account, [role["RoleName"] for role in authorization["RoleDetailList"]]
        )
    regions = _regions(reader)
    snapshot = _frame(aws, authorization, now) | _parts(reader, regions)
    if resources:
        snapshot["resources"] = reader.attempt("ec2:DescribeRegions", "", partial(reader.resources, regions))
    if last_accessed:
        snapshot["last_accessed"] = reader.last_accessed(_role_ids([names[name.casefold()]]))
    if organization:
        snapshot["organization"] = reader.organization()
    account = to_account(_readable(snapshot, reader), f"account {aws.account}")
    account.role(name_or_arn)  # IAM found the name; a path that the user wrote must be the role's own
    return account


def _regions(reader: AccountReader) -> tuple[str, ...]:
    """Return the session's region; none where it has none, because IAM needs none."""
    return reader.attempt("lambda:ListFunctions", "", reader.aws.regions) or ()


def _role_alone(reader: AccountReader, name: str, asked: str) -> Json:
    """Return the roles and policies of an account as far as one role needs them.

    Raises:
        NothingFoundError: the account has no such role (PG-E310).
        AwsError: IAM refuses (PG-E110).
    """
    reader.on_message(f"reading role {sanitize(name)}")
    iam = reader.aws.client("iam")
    with reader.aws.translating_errors("iam"):
        try:
            role = iam.get_role(RoleName=name)["Role"]
        except iam.exceptions.NoSuchEntityException as error:
            raise role_not_found(asked, reader.aws.account, []) from error
        inline = [
            iam.get_role_policy(RoleName=name, PolicyName=policy)
            for policy in list_all(iam, "list_role_policies", "PolicyNames", RoleName=name)
        ]
        attached = list_all(iam, "list_attached_role_policies", "AttachedPolicies", RoleName=name)
        detail = role | {"RolePolicyList": inline, "AttachedManagedPolicies": attached}
        policies = [managed_policy(iam, arn) for arn in referenced_policies([detail])]
    return {"RoleDetailList": [detail], "Policies": policies}


def _wanted_roles(asked: bool | Iterable[str], authorization: Json, account: str) -> dict[str, str]:
    """Return ARN -> id of all roles, or of the named roles."""
    roles = {role["RoleName"]: role for role in authorization["RoleDetailList"]}
    if isinstance(asked, bool):
        return _role_ids(roles.values())
    names = {name: _role_name(name, account) for name in asked}
    for wanted, name in names.items():
        if name not in roles:
            raise role_not_found(wanted, account, sorted(roles))
    return _role_ids(roles[name] for name in set(names.values()))


def _role_ids(roles: Iterable[Json]) -> dict[str, str]:
    return {role["Arn"]: role["RoleId"] for role in roles}


def _role_name(name_or_arn: str, account: str) -> str:
    """Return the name for IAM, which accepts neither a path nor an ARN."""
    text = name_or_arn.strip()
    arn = parse(text)
    if arn is not None and arn.account != account:
        hint = f"that ARN is of account {sanitize(arn.account)}: use a --profile of it"
        raise role_not_found(text, account, [], (hint,))
    if arn is not None and arn.service == "sts":
        return arn.resource.split("/")[1]
    return text.rpartition("/")[2]
