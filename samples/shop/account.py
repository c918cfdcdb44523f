"""The production account on the last day: roles and their policies, functions, the trail.

The shape is policygen's account snapshot. Its parts are the outputs of GetAccountAuthorizationDetails, ListFunctions,
ListEventSourceMappings, ListFunctionEventInvokeConfigs, DescribeTrails, GetTrailStatus, GetEventSelectors,
GetServiceLastAccessedDetails, lists of what exists and, for the organisation, DescribePolicy.
"""

from __future__ import annotations

import json
from typing import Any

from shop import cast, inventory, last_accessed, platform
from shop.cast import PRODUCTION
from shop.documents import AWS_MANAGED, allow, aws_arn, customer_arn, document
from shop.roles import roles

Json = dict[str, Any]


def snapshot() -> Json:
    """Return the snapshot of production."""
    return frame(
        PRODUCTION,
        roles(),
        users=[_user()],
        policies=_customer_policies() + [aws_policy(name) for name in sorted(AWS_MANAGED)],
        functions=platform.functions(),
        mappings=platform.event_source_mappings(),
        invoke_configs=platform.event_invoke_configs(),
        found=inventory.of_production(),
    )


def frame(
    account: str,
    roles: list[Json],
    *,
    users: list[Json],
    policies: list[Json],
    functions: list[Json],
    mappings: list[Json],
    invoke_configs: list[Json],
    found: list[tuple[str, str]],
) -> Json:
    """Return the snapshot of an account, with what the accounts of the shop have in common."""
    return {
        "policygen_snapshot": 1,
        "generated_at": "2026-11-24T22:45:00Z",
        "account_id": account,
        "partition": "aws",
        "authorization": {
            "UserDetailList": users,
            "GroupDetailList": [],
            "RoleDetailList": roles,
            "Policies": policies,
        },
        "functions": functions,
        "function_versions": [],
        "event_source_mappings": mappings,
        "event_invoke_configs": invoke_configs,
        "trails": [platform.trail()],
        "resources": inventory.resources(found),
        "last_accessed": last_accessed.reports(roles, policies),
        "organization": _organization(),
    }


def _organization() -> Json:
    """Return the organisation's policies for an account: of the root, the workloads' unit and the account."""
    full = {"Id": "p-FullAWSAccess", "Name": "FullAWSAccess", "Content": _content(allow("*"))}
    guard = document(
        {
            "Sid": "KeepTheTrail",
            "Effect": "Deny",
            "Action": ["cloudtrail:DeleteTrail", "cloudtrail:StopLogging", "organizations:LeaveOrganization"],
            "Resource": "*",
        }
    )
    guardrail = {"Id": "p-2k8r5t1x", "Name": "guardrail", "Content": json.dumps(guard)}
    every = {
        "Id": "p-RCPFullAWSAccess",
        "Name": "RCPFullAWSAccess",
        "Content": _content(allow("*", Principal="*")),
    }
    return {
        "management_account": cast.MANAGEMENT,
        "scps": [[full], [guardrail, full], [full]],
        "rcps": [[every], [every], [every]],
    }


def _content(statement: Json) -> str:
    """Return a document as Organizations returns it: as text."""
    return json.dumps(document(statement))


def _user() -> Json:
    return {
        "Path": "/",
        "UserName": cast.USER_NAME,
        "UserId": cast.USER_ID,
        "Arn": f"arn:aws:iam::{PRODUCTION}:user/{cast.USER_NAME}",
        "CreateDate": "2022-09-01T08:00:00Z",
        "GroupList": [],
        "AttachedManagedPolicies": [
            {"PolicyName": "AmazonS3FullAccess", "PolicyArn": aws_arn("AmazonS3FullAccess")}
        ],
        "Tags": [],
    }


def _customer_policies() -> list[Json]:
    boundary = document(
        allow(["athena:*", "glue:Get*", "glue:BatchGet*", "logs:*", "s3:*", "ses:Send*"]),
        {"Effect": "Deny", "Action": "s3:Delete*", "Resource": "*"},
    )
    export = document(allow("s3:PutObject", "arn:aws:s3:::shop-exports-old/*"))
    return [
        _policy(
            customer_arn("legacy-export-2023"),
            "ANPAQ3EGRD5ZJ7WX4K2LM",
            "/",
            "2023-03-01T07:00:00Z",
            "v4",
            export,
        ),
        _policy(
            customer_arn("reports-boundary"),
            "ANPAQ3EGRD5ZU1CB8N6TR",
            "/",
            cast.TIGHTENED.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "v2",
            boundary,
        ),
    ]


def aws_policy(name: str) -> Json:
    """Return an AWS managed policy. The id is invented: AWS's own is not public and not needed."""
    facts = AWS_MANAGED[name]
    identifier = f"ANPAI{name.upper().replace('_', '')[:16]:X<16}"
    return _policy(
        aws_arn(name),
        identifier,
        facts["Path"],
        facts["UpdateDate"],
        facts["DefaultVersionId"],
        facts["Document"],
    )


def _policy(arn: str, identifier: str, path: str, updated: str, version: str, document: Json) -> Json:
    return {
        "PolicyName": arn.rpartition("/")[2],
        "PolicyId": identifier,
        "Arn": arn,
        "Path": path,
        "DefaultVersionId": version,
        "IsAttachable": True,
        "UpdateDate": updated,
        "PolicyVersionList": [
            {"Document": document, "VersionId": version, "IsDefaultVersion": True, "CreateDate": updated}
        ],
    }
