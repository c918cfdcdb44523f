"""Reads the account from AWS: read-only, and with as few permissions as the task needs.

A snapshot needs IAM and tries Lambda and CloudTrail: what these refuse becomes an entry of its
``errors``. One role alone needs IAM only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from policygen.account.errors import error_code, is_aws_error, is_denied
from policygen.account.model import Account, no_role
from policygen.account.session import Aws
from policygen.account.snapshot import VERSION, to_account
from policygen.account.wire import Json
from policygen.arn import parse
from policygen.text import clean

if TYPE_CHECKING:
    from boto3 import Session

ROLE_ACTIONS = (
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
)
"""The IAM actions that `read_role` needs."""

SNAPSHOT_ACTIONS = (
    "cloudtrail:DescribeTrails",
    "cloudtrail:GetEventSelectors",
    "cloudtrail:GetTrailStatus",
    "iam:GetAccountAuthorizationDetails",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
    "lambda:ListEventSourceMappings",
    "lambda:ListFunctions",
)
"""The IAM actions that `take_snapshot` uses. Only ``iam:GetAccountAuthorizationDetails`` is indispensable."""

# Not refusals, but as little an answer: an organisation's trail whose home is out of sight, a policy
# that was deleted while the account was read.
_GONE = frozenset({"TrailNotFoundException", "NoSuchEntity"})

Say = Callable[[str], None]
"""Takes one line of progress."""

T = TypeVar("T")


def _silent(_: str) -> None:
    """Says nothing."""


def take_snapshot(
    session: Session, regions: Iterable[str] = (), *, now: datetime | None = None, say: Say = _silent
) -> Json:
    """The account as a snapshot object, for `snapshot.to_json` and `snapshot.to_account`.

    The variables of functions are left out: they are often secrets, and nothing here needs them.

    Args:
        session: whose credentials are used, see `session.open_session`.
        regions: where to look for functions and trails; by default the session's region.
        now: the time to put into the snapshot; by default the clock's.
        say: called with a line before each part.

    Raises:
        AwsError: no credentials, no region, no network, or IAM refuses (PG-E110).
    """
    aws = Aws.identify(session)
    wanted = tuple(dict.fromkeys(regions)) or aws.regions()
    reader = _Reader(aws, say)
    authorization = reader.authorization()
    functions = reader.each(wanted, "lambda", "functions", _functions)
    mappings = reader.each(wanted, "lambda", "event source mappings", _mappings)
    trails = _ordered(reader.each(wanted, "cloudtrail", "trails", _trails), "TrailARN")
    return _plain(
        {
            "policygen_snapshot": VERSION,
            "generated_at": now or datetime.now(UTC),
            "account_id": aws.account,
            "partition": aws.partition,
            "regions": list(wanted),
            "authorization": authorization,
            "functions": _ordered(functions, "FunctionArn"),
            "event_source_mappings": _ordered(mappings, "UUID"),
            "trails": trails if trails is None else [reader.trail(trail) for trail in trails],
            "errors": reader.errors,
        }
    )


def read_role(
    name_or_arn: str, session: Session, *, now: datetime | None = None, say: Say = _silent
) -> Account:
    """An account that holds one role: its inline and managed policies, boundary, trust and tags.

    Functions and trails are unknown (None). A policy document that AWS refuses is an error here, not a
    gap: without it nothing can be said about the role.

    Args:
        name_or_arn: role name, with or without its path, or the ARN of the role or of a session.
        session: whose credentials are used, see `session.open_session`.
        now: when the account is read; by default the clock's time.
        say: called with a line of progress.

    Raises:
        NothingFoundError: the account has no such role (PG-E310).
        AwsError: no credentials, no network, or IAM refuses (PG-E110).
    """
    aws = Aws.identify(session)
    name = _role_name(name_or_arn, aws.account)
    say(f"reading role {clean(name)}")
    iam = aws.client("iam")
    with aws.asking("iam"):
        try:
            role = iam.get_role(RoleName=name)["Role"]
        except iam.exceptions.NoSuchEntityException as error:
            raise no_role(name_or_arn, aws.account, []) from error
        inline = [
            iam.get_role_policy(RoleName=name, PolicyName=policy)
            for policy in _pages(iam, "list_role_policies", "PolicyNames", RoleName=name)
        ]
        attached = _pages(iam, "list_attached_role_policies", "AttachedPolicies", RoleName=name)
        detail = role | {"RolePolicyList": inline, "AttachedManagedPolicies": attached}
        policies = [_managed_policy(iam, arn) for arn in _referenced([detail])]
    snapshot = {
        "policygen_snapshot": VERSION,
        "generated_at": now or datetime.now(UTC),
        "account_id": aws.account,
        "partition": aws.partition,
        "authorization": {"RoleDetailList": [detail], "Policies": policies},
    }
    account = to_account(_plain(snapshot), f"account {aws.account}")
    account.role(name_or_arn)  # IAM found the name; a path that the user wrote must be the role's own
    return account


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the parts of a snapshot, and notes what AWS refused in the snapshot's own form."""

    aws: Aws
    say: Say
    errors: list[Json] = field(default_factory=list)

    def authorization(self) -> Json:
        """All roles and policies, with the documents that AWS's own summary leaves out."""
        self.say(f"reading roles and policies of account {self.aws.account}")
        iam = self.aws.client("iam")
        with self.aws.asking("iam"):
            pages = iam.get_paginator("get_account_authorization_details").paginate(
                Filter=["Role", "LocalManagedPolicy", "AWSManagedPolicy"]
            )
            merged = pages.build_full_result()
        known = {policy["Arn"] for policy in merged.get("Policies", ())}
        absent = [arn for arn in _referenced(merged.get("RoleDetailList", [])) if arn not in known]
        added = [self.attempt("iam", "", partial(_managed_policy, iam, arn)) for arn in absent]
        merged["Policies"] = [*merged.get("Policies", ()), *(policy for policy in added if policy)]
        lists = ("RoleDetailList", "Policies", "UserDetailList", "GroupDetailList")
        return {key: _ordered(merged.get(key, []), "Arn") for key in lists}

    def each(
        self, regions: Iterable[str], service: str, what: str, read: Callable[[Any], list[Json]]
    ) -> list[Json] | None:
        """The rows of all regions; None where every region refused."""
        found: list[Json] | None = None
        for region in regions:
            self.say(f"reading {what} in {region}")
            rows = self.attempt(service, region, partial(read, self.aws.client(service, region)))
            if rows is not None:
                found = [*(found or ()), *rows]
        return found

    def trail(self, trail: Json) -> Json:
        """A trail with its status and selectors, asked where it lives; null where refused."""
        arn, region = trail["TrailARN"], trail["HomeRegion"]
        client = self.aws.client("cloudtrail", region)
        status = self.attempt("cloudtrail", region, lambda: client.get_trail_status(Name=arn))
        selectors = (
            self.attempt("cloudtrail", region, lambda: client.get_event_selectors(TrailName=arn)) or {}
        )
        return {
            "Trail": trail,
            "Status": status,
            "EventSelectors": selectors.get("EventSelectors"),
            "AdvancedEventSelectors": selectors.get("AdvancedEventSelectors"),
        }

    def attempt(self, service: str, region: str, read: Callable[[], T]) -> T | None:
        """What `read` gives, or None and a note where AWS refuses; any other failure is an `AwsError`."""
        with self.aws.asking(service):
            try:
                return read()
            except Exception as error:
                if not is_aws_error(error) or not (is_denied(error) or error_code(error) in _GONE):
                    raise
                note = {
                    "operation": f"{service}:{getattr(error, 'operation_name', '')}",
                    "code": error_code(error),
                    "message": clean(str(error), 1024),
                    "region": region,
                }
        self.errors.append(note)
        self.say(f"AWS refuses {note['operation']} {region}".rstrip())
        return None


def _functions(client: Any) -> list[Json]:
    rows = _pages(client, "list_functions", "Functions")
    return [{key: value for key, value in row.items() if key != "Environment"} for row in rows]


def _mappings(client: Any) -> list[Json]:
    return _pages(client, "list_event_source_mappings", "EventSourceMappings")


def _trails(client: Any) -> list[Json]:
    # Shadow trails: those of other regions and of the organisation that log this region too (3.4.1).
    rows: list[Json] = client.describe_trails(includeShadowTrails=True)["trailList"]
    return rows


def _pages(client: Any, operation: str, key: str, **arguments: str) -> list[Any]:
    rows: list[Any] = client.get_paginator(operation).paginate(**arguments).build_full_result().get(key, [])
    return rows


def _managed_policy(client: Any, arn: str) -> Json:
    """A managed policy in the form of GetAccountAuthorizationDetails, with its default version only."""
    policy = client.get_policy(PolicyArn=arn)["Policy"]
    answer = client.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])
    return {**policy, "PolicyVersionList": [answer["PolicyVersion"]]}


def _referenced(roles: Iterable[Json]) -> list[str]:
    """ARNs of the managed policies that roles have as permission or as boundary, each once."""
    arns: dict[str, None] = {}
    for role in roles:
        arns |= dict.fromkeys(entry["PolicyArn"] for entry in role.get("AttachedManagedPolicies", ()))
        if boundary := role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"):
            arns[boundary] = None
    return sorted(arns)


def _role_name(name_or_arn: str, account: str) -> str:
    """The name to ask IAM for, which knows no paths and no ARNs."""
    text = name_or_arn.strip()
    arn = parse(text)
    if arn is not None and arn.account != account:
        hint = f"that ARN is of account {clean(arn.account)}: use a --profile of it"
        raise no_role(text, account, [], (hint,))
    if arn is not None and arn.service == "sts":
        return arn.resource.split("/")[1]
    return text.rpartition("/")[2]


def _ordered(rows: list[Json] | None, key: str) -> list[Json] | None:
    """Rows sorted by what identifies them, each once: a trail of many regions is seen in each."""
    if rows is None:
        return None
    return [row for _, row in sorted({row[key]: row for row in rows}.items())]


def _plain(answer: Json) -> Json:
    """An answer of boto3 as JSON: times in ISO 8601 UTC, without the metadata of the response."""
    return {key: _plain_value(value) for key, value in answer.items() if key != "ResponseMetadata"}


def _plain_value(value: Any) -> Any:
    match value:
        case dict():
            return _plain(value)
        case list():
            return [_plain_value(item) for item in value]
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        case _:
            return value
