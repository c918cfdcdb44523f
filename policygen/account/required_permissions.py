"""The permissions that policygen itself needs, by command. All are read-only, but queries write their results.

``policygen permissions`` prints them as a policy. `resource` is a pattern with ``{partition}`` and ``{account}`` to
fill in; it is ``*`` where IAM supports no narrower one, or where the names are not known before reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from policygen.account.resource_reader import list_actions


class RequiredPermission(NamedTuple):
    """One action that a command needs, and why.

    Without an `optional` permission the command continues, and reports what it does not know.
    """

    action: str
    resource: str
    why: str
    optional: bool = False


_ROLE = "arn:{partition}:iam::{account}:role/*"
# AWS's own managed policies belong to the account "aws".
_POLICY = "arn:{partition}:iam::*:policy/*"
_TRAIL = "arn:{partition}:cloudtrail:*:*:trail/*"

_ROLE_NEEDS = (
    RequiredPermission("iam:GetRole", _ROLE, "the role: its id, trust policy and boundary"),
    RequiredPermission("iam:ListRolePolicies", _ROLE, "which inline policies it has"),
    RequiredPermission("iam:GetRolePolicy", _ROLE, "their documents"),
    RequiredPermission("iam:ListAttachedRolePolicies", _ROLE, "which managed policies it has"),
    RequiredPermission("iam:GetPolicy", _POLICY, "the default version of each, and of the boundary"),
    RequiredPermission("iam:GetPolicyVersion", _POLICY, "their documents"),
)

_LAST_ACCESSED_NEEDS = (
    RequiredPermission(
        "iam:GenerateServiceLastAccessedDetails", _ROLE, "IAM's own record of what the role used last", True
    ),
    RequiredPermission("iam:GetServiceLastAccessedDetails", "*", "its report", True),
)

_TRAIL_NEEDS = (
    RequiredPermission("cloudtrail:DescribeTrails", "*", "which trails log this account", True),
    RequiredPermission("cloudtrail:GetTrailStatus", _TRAIL, "whether they log, and since when", True),
    RequiredPermission("cloudtrail:GetEventSelectors", _TRAIL, "which events they log", True),
)

_ACCOUNT_NEEDS = (
    RequiredPermission("iam:GetAccountAuthorizationDetails", "*", "all roles and policies"),
    RequiredPermission("iam:GetPolicy", _POLICY, "managed policies that this leaves out", True),
    RequiredPermission("iam:GetPolicyVersion", _POLICY, "their documents", True),
    RequiredPermission(
        "lambda:ListFunctions", "*", "functions and their versions: what Lambda needs of a role", True
    ),
    RequiredPermission(
        "lambda:ListEventSourceMappings", "*", "queues and streams that Lambda polls with a role", True
    ),
    RequiredPermission(
        "lambda:ListFunctionEventInvokeConfigs",
        "arn:{partition}:lambda:*:{account}:function:*",
        "where the records of asynchronous calls go",
        True,
    ),
    *_TRAIL_NEEDS,
)

_RESOURCE_NEEDS = (
    RequiredPermission("ec2:DescribeRegions", "*", "which regions the account has enabled", True),
    *(
        RequiredPermission(action, one.resource, f"which {', '.join(one.types)} there are", True)
        for action, one in list_actions().items()
    ),
)

_CALLER_NEEDS = (
    RequiredPermission("iam:ListRoles", "*", "how long sessions of each role may be", True),
    RequiredPermission(
        "apigateway:GET",
        "arn:{partition}:apigateway:*::/*",
        "APIs: methods, stages, authorizers, usage plans, keys without values, custom domains",
        True,
    ),
    RequiredPermission("ec2:DescribeVpcEndpoints", "*", "endpoints of private APIs", True),
    RequiredPermission(
        "organizations:DescribeOrganization", "*", "the organization's id, and which account manages it", True
    ),
)


def _with(
    first: tuple[RequiredPermission, ...], then: tuple[RequiredPermission, ...]
) -> tuple[RequiredPermission, ...]:
    """Return both; an action that both have, as the second has it, which is wider."""
    named = {need.action for need in then}
    return (*(need for need in first if need.action not in named), *then)


_ORGANIZATION_NEEDS = (
    RequiredPermission("organizations:ListRoots", "*", "which kinds of policies are enabled", True),
    RequiredPermission("organizations:ListParents", "*", "the units that the account is in", True),
    RequiredPermission(
        "organizations:ListPoliciesForTarget", "*", "the policies attached to each of them", True
    ),
    RequiredPermission("organizations:DescribePolicy", "*", "their documents", True),
)

# The names of buckets and keys are not known before a trail is read.
_BUCKET_NEEDS = (
    RequiredPermission(
        "s3:ListBucket", "arn:{partition}:s3:::*", "which log files a bucket has for the window"
    ),
    RequiredPermission("s3:GetObject", "arn:{partition}:s3:::*/*", "the log files"),
    RequiredPermission(
        "kms:Decrypt", "arn:{partition}:kms:*:*:key/*", "log files that are encrypted with a key", True
    ),
)

_AUTO_NEEDS = (
    RequiredPermission(
        "cloudtrail:DescribeTrails", "*", "which trails log this account, and to which buckets"
    ),
    *_TRAIL_NEEDS[1:],
    *_BUCKET_NEEDS,
)

# In addition to what reading the log files needs. Buckets and prefixes are not known before.
_DIGEST_NEEDS = (
    RequiredPermission(
        "cloudtrail:ListPublicKeys", "*", "the keys that digests are signed with, region by region"
    ),
    RequiredPermission(
        "s3:ListBucket", "arn:{partition}:s3:::*", "which digests a bucket has for the window"
    ),
    RequiredPermission("s3:GetObject", "arn:{partition}:s3:::*/AWSLogs/*/CloudTrail-Digest/*", "the digests"),
    RequiredPermission(
        "kms:Decrypt", "arn:{partition}:kms:*:*:key/*", "digests that are encrypted with a key", True
    ),
)

_LOOKUP_NEEDS = (
    RequiredPermission(
        "cloudtrail:LookupEvents", "*", "the management events of the last 90 days, region by region"
    ),
    RequiredPermission("ec2:DescribeRegions", "*", "which regions the account has enabled", True),
)

_LOGS_NEEDS = (
    RequiredPermission(
        "logs:DescribeLogGroups", "*", "since when the log group exists, and how long it keeps events"
    ),
    RequiredPermission(
        "logs:FilterLogEvents",
        "arn:{partition}:logs:*:{account}:log-group:*",
        "the events that the trail delivered to it",
    ),
)

_ATHENA_NEEDS = (
    RequiredPermission("athena:GetTableMetadata", "*", "which columns and partitions the table has"),
    RequiredPermission(
        "athena:StartQueryExecution", "arn:{partition}:athena:*:{account}:workgroup/*", "the two queries"
    ),
    RequiredPermission(
        "athena:GetQueryExecution", "arn:{partition}:athena:*:{account}:workgroup/*", "whether they are done"
    ),
    RequiredPermission(
        "athena:GetQueryResults", "arn:{partition}:athena:*:{account}:workgroup/*", "what they found"
    ),
    RequiredPermission(
        "athena:GetWorkGroup", "arn:{partition}:athena:*:{account}:workgroup/*", "where results go", True
    ),
    RequiredPermission(
        "athena:StopQueryExecution", "arn:{partition}:athena:*:{account}:workgroup/*", "to stop one", True
    ),
    RequiredPermission("glue:GetDatabase", "*", "Athena's catalog"),
    RequiredPermission("glue:GetTable", "*", "Athena's catalog"),
    RequiredPermission("glue:GetPartitions", "*", "Athena's catalog"),
    *_BUCKET_NEEDS,
    RequiredPermission("s3:GetBucketLocation", "arn:{partition}:s3:::*", "the place of the results"),
    RequiredPermission(
        "s3:PutObject", "arn:{partition}:s3:::*/*", "the results, which Athena writes where you say"
    ),
)

_STORE = "arn:{partition}:cloudtrail:*:{account}:eventdatastore/*"

_LAKE_NEEDS = (
    RequiredPermission(
        "cloudtrail:GetEventDataStore", _STORE, "which events the store holds, and since when"
    ),
    RequiredPermission(
        "cloudtrail:StartQuery", _STORE, "the three queries, or four of an organization's store"
    ),
    RequiredPermission("cloudtrail:DescribeQuery", _STORE, "whether they are done, and what they read"),
    RequiredPermission("cloudtrail:GetQueryResults", _STORE, "what they found"),
    RequiredPermission("cloudtrail:CancelQuery", _STORE, "to stop one", True),
    RequiredPermission(
        "kms:Decrypt", "arn:{partition}:kms:*:*:key/*", "a store that is encrypted with a key", True
    ),
    RequiredPermission(
        "kms:GenerateDataKey", "arn:{partition}:kms:*:*:key/*", "its results, which are encrypted too", True
    ),
)

SOURCE_NEEDS: Mapping[str, tuple[RequiredPermission, ...]] = {
    "--logs s3://BUCKET": _BUCKET_NEEDS,
    "--logs auto": _AUTO_NEEDS,
    "--verify-digests": _DIGEST_NEEDS,
    "--logs lookup:": _LOOKUP_NEEDS,
    "--logs logs:GROUP": _LOGS_NEEDS,
    "--logs athena:DATABASE.TABLE": _ATHENA_NEEDS,
    "--logs lake:ARN": _LAKE_NEEDS,
}
"""Option that says where logs are read -> what that needs, of every command that reads logs."""


class ReadingOptions(NamedTuple):
    """What the command line of a command says about AWS."""

    logs: tuple[str, ...] = ()
    """Log sources as the user writes them."""
    live: bool = False
    snapshot: bool = False
    """Whether a snapshot is given."""
    verify_digests: bool = False
    last_accessed: bool = True
    inventory: bool = True
    organization: bool = False

    @property
    def switches(self) -> str:
        """The options that change how the account is read, each after a space; "" where none does."""
        return "".join(
            f" --{name}"
            for name, given in (
                ("no-last-accessed", not self.last_accessed),
                ("no-inventory", not self.inventory),
                ("organization", self.organization),
            )
            if given
        )


EVERYTHING = ReadingOptions()
"""The options of a command line that names none."""

READS_LOGS = ("backtest", "batch", "check", "doctor", "explain", "probation", "roles", "suggest", "trust")
"""The commands that read logs, and the account with ``--live``; ``trust`` has no ``--live``."""

_OF_ONE_ROLE = {"backtest", "check", "explain", "probation", "suggest"}
_READS_REPORTS = {*_OF_ONE_ROLE, "batch", "snapshot"}
_READS_RESOURCES = {*_READS_REPORTS, "roles"}


def account_needs(command: str, options: ReadingOptions = EVERYTHING) -> tuple[RequiredPermission, ...]:
    """Return what a command needs to read the account: ``snapshot``, or one of `READS_LOGS` with ``--live``.

    Each action is there once. () for a command that does not read the account.
    """
    if command == "trust":
        return ()
    needs: tuple[RequiredPermission, ...] = _ACCOUNT_NEEDS
    if options.last_accessed and command in _READS_REPORTS:
        needs += _LAST_ACCESSED_NEEDS
    if options.inventory and command in _READS_RESOURCES:
        needs += _RESOURCE_NEEDS
    if command in _OF_ONE_ROLE:
        # The role alone is required; the rest is what a snapshot has, and the policy is the same only with it.
        more = [need for need in needs if need.action not in {own.action for own in _ROLE_NEEDS}]
        return (*_ROLE_NEEDS, *(need._replace(optional=True) for need in more))
    if command == "snapshot":
        needs = _with(needs, _CALLER_NEEDS)
    return needs + (_ORGANIZATION_NEEDS if options.organization else ())


_LEAST = ReadingOptions(last_accessed=False, inventory=False)
_SNAPSHOTS = {
    f"snapshot{one.switches}": account_needs("snapshot", one)
    for one in (EVERYTHING, _LEAST, ReadingOptions(organization=True))
}

NEEDS: Mapping[str, tuple[RequiredPermission, ...]] = {
    **{f"suggest {option}": needs for option, needs in SOURCE_NEEDS.items()},
    "suggest --live": account_needs("suggest"),
    "batch --live": account_needs("batch"),
    **_SNAPSHOTS,
    "doctor --live": account_needs("doctor"),
}
"""Command, or log source -> what it needs. Each calls ``sts:GetCallerIdentity``, which needs no permission."""


def permissions_for(command: str, options: ReadingOptions) -> dict[str, tuple[RequiredPermission, ...]]:
    """Return what a command needs, by option: of all sources where nothing says what it reads; {} for files alone.

    Args:
        command: ``snapshot`` or one of `READS_LOGS`.
        options: what its command line says.
    """
    if command == "snapshot":
        one = {f"snapshot{options.switches}": account_needs("snapshot", options)}
        return one if options.switches else dict(_SNAPSHOTS)
    live = (
        {f"{command} --live{options.switches}": needs} if (needs := account_needs(command, options)) else {}
    )
    if not (options.logs or options.live or options.snapshot or options.verify_digests):
        return {f"{command} {option}": needs for option, needs in SOURCE_NEEDS.items()} | live
    logs = options.logs or (("auto",) if options.snapshot else ())
    found = {f"{command} --logs {spec}": needs for spec in logs if (needs := _source_needs(spec))}
    if options.verify_digests:
        buckets = [one for one in options.logs if one.startswith("s3://")]
        digests = [need for spec in buckets for need in _in_bucket(_DIGEST_NEEDS, spec.split("/")[2], "*")]
        found[f"{command} --verify-digests"] = tuple(dict.fromkeys(digests)) or _DIGEST_NEEDS
    return found | (live if options.live else {})


def _source_needs(spec: str) -> tuple[RequiredPermission, ...]:
    """Return what one log source needs, on the bucket, group or store that it names; () for files."""
    scheme, _, rest = spec.partition(":")
    options = {
        option.removeprefix("--logs ").partition(":")[0]: needs for option, needs in SOURCE_NEEDS.items()
    }
    needs = options.get(scheme, ())
    if scheme == "s3":
        bucket, _, prefix = rest.lstrip("/").partition("/")
        return _in_bucket(needs, bucket, prefix)
    if scheme == "logs":
        name = rest.partition("@")[0]
        return _at(needs, "log-group:*", f"log-group:{name}:*")
    return _at(needs, _STORE, rest) if rest.startswith("arn:") else needs


def _in_bucket(
    needs: tuple[RequiredPermission, ...], bucket: str, prefix: str = ""
) -> tuple[RequiredPermission, ...]:
    keys = _at(needs, ":::*/", f":::{bucket}/{prefix}")
    return tuple(
        need._replace(resource=need.resource.replace(":::*", f":::{bucket}"))
        if need.resource.endswith(":::*")
        else need
        for need in keys
    )


def _at(needs: tuple[RequiredPermission, ...], pattern: str, place: str) -> tuple[RequiredPermission, ...]:
    """Return the needs with a place in the room of a pattern; braces are doubled, for `resource` is filled in later."""
    written = place.replace("{", "{{").replace("}", "}}")
    return tuple(need._replace(resource=need.resource.replace(pattern, written)) for need in needs)


def actions(needs: tuple[RequiredPermission, ...]) -> tuple[str, ...]:
    """Return the IAM actions of permissions, sorted, each once."""
    return tuple(sorted({need.action for need in needs}))


ROLE_ACTIONS = actions(_ROLE_NEEDS)
"""What one role alone needs."""

SNAPSHOT_ACTIONS = actions(account_needs("snapshot"))
"""What a snapshot uses. Only ``iam:GetAccountAuthorizationDetails`` is required."""
