"""Short forms of accounts: a role in a few keys becomes a whole snapshot, a trail its selectors and status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.records import ACCOUNT, ROLE, ROLE_ID, digest


def snapshot(role: Mapping[str, Any]) -> dict[str, Any]:
    """An account snapshot with one role.

    Keys: name, role_id, policies (list of documents), attached ({arn: document}), boundary (document),
    functions, trails, account, trust (service principals that may assume it),
    trusting ({name: service principals} of other roles), beside ({name: path} of other roles), profiles ({instance
    profile: its role, of `beside`}), users and groups (ARNs), created (of the role),
    last_accessed ({service: time, or [time, {action: time}]}; null for no attempt), organization.
    """
    account, name = role.get("account", ACCOUNT), role.get("name", ROLE)
    attached = dict(role.get("attached", {}))
    boundary_arn = f"arn:aws:iam::{account}:policy/boundary"
    detail: dict[str, Any] = {
        "Path": "/",
        "RoleName": name,
        "RoleId": role.get("role_id", ROLE_ID),
        "Arn": f"arn:aws:iam::{account}:role/{name}",
        "CreateDate": role.get("created", "2025-01-01T00:00:00Z"),
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
                for service in role.get("trust", ())
            ],
        },
        "RolePolicyList": [
            {"PolicyName": f"inline{i}", "PolicyDocument": document}
            for i, document in enumerate(role.get("policies", []))
        ],
        "AttachedManagedPolicies": [
            {"PolicyName": arn.rsplit("/", 1)[-1], "PolicyArn": arn} for arn in attached
        ],
        "InstanceProfileList": [],
        "Tags": [],
    }
    others = [
        detail
        | {
            "RoleName": other,
            "RoleId": digest(other, 21).upper(),
            "Arn": f"arn:aws:iam::{account}:role/{other}",
            "RolePolicyList": [],
            "AttachedManagedPolicies": [],
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}
                ],
            },
        }
        for other, services in role.get("trusting", {}).items()
    ]
    others += [
        _beside(account, one, path, role.get("profiles", {})) for one, path in role.get("beside", {}).items()
    ]
    documents = {arn: document for arn, document in attached.items() if document}
    if "boundary" in role:
        detail["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "Policy",
            "PermissionsBoundaryArn": boundary_arn,
        }
        documents[boundary_arn] = role["boundary"]
    found: dict[str, Any] = {
        "policygen_snapshot": 1,
        "generated_at": "2026-11-24T22:45:00Z",
        "account_id": account,
        "partition": "aws",
        "authorization": {
            "RoleDetailList": [detail, *others],
            "Policies": [
                {
                    "PolicyName": arn.rsplit("/", 1)[-1],
                    "Arn": arn,
                    "PolicyVersionList": [
                        {"VersionId": "v1", "IsDefaultVersion": True, "Document": document}
                    ],
                }
                for arn, document in documents.items()
            ],
            "UserDetailList": [{"Arn": arn} for arn in role.get("users", ())],
            "GroupDetailList": [{"Arn": arn} for arn in role.get("groups", ())],
        },
        "errors": [],
    }
    for key in ("functions", "event_source_mappings", "trails", "organization"):
        if key in role:
            found[key] = role[key]
    if "last_accessed" in role:
        found["last_accessed"] = {detail["Arn"]: _report(role["last_accessed"])}
    return found


def _beside(account: str, name: str, path: str, profiles: Mapping[str, str]) -> dict[str, Any]:
    """Another role, with the instance profiles that it is in."""
    arn = f"arn:aws:iam::{account}:role{path}{name}"
    return {
        "Path": path,
        "RoleName": name,
        "RoleId": digest(name, 21).upper(),
        "Arn": arn,
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []},
        "InstanceProfileList": [
            {"Arn": f"arn:aws:iam::{account}:instance-profile/{profile}", "Roles": [{"Arn": arn}]}
            for profile, member in profiles.items()
            if member == name
        ],
        "RolePolicyList": [],
        "AttachedManagedPolicies": [],
        "Tags": [],
    }


def _report(services: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of GetServiceLastAccessedDetails with granularity ACTION_LEVEL."""
    rows = []
    for service, said in services.items():
        when, actions = said if isinstance(said, list) else (said, {})
        row: dict[str, Any] = {"ServiceNamespace": service, "ServiceName": service}
        if when:
            row |= {"LastAuthenticated": when, "LastAuthenticatedRegion": "us-east-1"}
        if actions:
            row["TrackedActionsLastAccessed"] = [
                {"ActionName": name} | ({"LastAccessedTime": at} if at else {})
                for name, at in actions.items()
            ]
        rows.append(row)
    return {
        "JobStatus": "COMPLETED",
        "JobCreationDate": "2026-11-03T12:00:00Z",
        "JobCompletionDate": "2026-11-03T12:00:00Z",
        "ServicesLastAccessed": rows,
    }


def _data_selector(kind: str) -> dict[str, Any]:
    return {
        "FieldSelectors": [
            {"Field": "eventCategory", "Equals": ["Data"]},
            {"Field": "resources.type", "Equals": [kind]},
        ]
    }


_ALL_TYPES = (
    "AWS::S3::Object",
    "AWS::DynamoDB::Table",
    "AWS::DynamoDB::Stream",
    "AWS::Lambda::Function",
    "AWS::SQS::Queue",
    "AWS::SNS::Topic",
)


def trail(short: Mapping[str, Any]) -> dict[str, Any]:
    """A trail of the snapshot.

    Keys: name, data (types that are logged whole), on ({type: ARN prefixes}, by basic selectors), logging,
    started and stopped (times of its status), region (it is of this region only), advanced (selectors as they are).
    """
    name = short.get("name", "all")
    selectors: dict[str, Any] = {
        "AdvancedEventSelectors": short.get("advanced")
        or [
            {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]},
            *map(_data_selector, short.get("data", ())),
        ]
    }
    if "on" in short:
        resources = [{"Type": kind, "Values": arns} for kind, arns in short["on"].items()]
        management = {"ReadWriteType": "All", "IncludeManagementEvents": True}
        selectors = {"EventSelectors": [management | {"DataResources": resources}]}
    logging = short.get("logging", True)
    times = {"StartLoggingTime": short.get("started"), "StopLoggingTime": short.get("stopped")}
    return {
        "Trail": {
            "Name": name,
            "TrailARN": f"arn:aws:cloudtrail:{short.get('region', 'us-east-1')}:{ACCOUNT}:trail/{name}",
            "HomeRegion": short.get("region", "us-east-1"),
            "IsMultiRegionTrail": "region" not in short,
            "IncludeGlobalServiceEvents": True,
            "S3BucketName": "logs",
        },
        # None: GetTrailStatus was refused.
        "Status": {"IsLogging": logging} | {k: v for k, v in times.items() if v}
        if logging is not None
        else None,
        **selectors,
    }


ALL_DATA_EVENTS = [trail({"data": _ALL_TYPES})]


def trails_of(short: str | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The trails of a snapshot: "all" data events of the usual types, "management" events only, or short forms."""
    if isinstance(short, str):
        return {"all": ALL_DATA_EVENTS, "management": [trail({"name": "main"})]}[short]
    return [trail(one) for one in short]
