"""The account on the last day: roles and their policies, functions, the trail.

The shape is policygen's account snapshot. Its parts are the outputs of GetAccountAuthorizationDetails, ListFunctions,
ListEventSourceMappings, ListFunctionEventInvokeConfigs, DescribeTrails, GetTrailStatus, GetEventSelectors,
GetServiceLastAccessedDetails, lists of what exists and, for the organisation, DescribePolicy.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shop import cast, inventory, last_accessed, platform
from shop.cast import PRODUCTION, REGION, Role

Json = dict[str, Any]

AWS_MANAGED: Json = json.loads((Path(__file__).parent / "aws_managed.json").read_text("utf-8"))
"""Default versions of the AWS managed policies in use, by name."""


def snapshot() -> Json:
    """Return the whole snapshot."""
    roles = _roles()
    policies = _customer_policies() + [_aws_policy(name) for name in sorted(AWS_MANAGED)]
    return {
        "policygen_snapshot": 1,
        "generated_at": "2026-11-24T22:45:00Z",
        "account_id": PRODUCTION,
        "partition": "aws",
        "authorization": {
            "UserDetailList": [_user()],
            "GroupDetailList": [],
            "RoleDetailList": roles,
            "Policies": policies,
        },
        "functions": platform.functions(),
        "function_versions": [],
        "event_source_mappings": platform.event_source_mappings(),
        "event_invoke_configs": platform.event_invoke_configs(),
        "trails": [platform.trail()],
        "resources": inventory.resources(),
        "last_accessed": last_accessed.reports(roles, policies),
        "organization": _organization(),
    }


def _organization() -> Json:
    """Return the organisation's policies for production: of the root, the workloads' unit and the account."""
    full = {"Id": "p-FullAWSAccess", "Name": "FullAWSAccess", "Content": _content(_allow("*"))}
    guard = _document(
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
        "Content": _content(_allow("*", Principal="*")),
    }
    return {
        "management_account": cast.MANAGEMENT,
        "scps": [[full], [guardrail, full], [full]],
        "rcps": [[every], [every], [every]],
    }


def _content(statement: Json) -> str:
    """Return a document as Organizations returns it: as text."""
    return json.dumps(_document(statement))


def _allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> Json:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def _document(*statements: Json) -> Json:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _trusted_by(service: str) -> Json:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return _document(statement)


def _role(
    role: Role,
    created: str,
    trust: Json,
    *,
    managed: tuple[str, ...] = (),
    customer: tuple[str, ...] = (),
    inline: dict[str, Json] | None = None,
    boundary: str = "",
    used: str = "",
    tags: dict[str, str] | None = None,
) -> Json:
    attached = [_aws_arn(name) for name in managed] + [_customer_arn(name) for name in customer]
    detail: Json = {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": role.arn,
        "CreateDate": created,
        "AssumeRolePolicyDocument": trust,
        "InstanceProfileList": [],
        "RolePolicyList": [
            {"PolicyName": name, "PolicyDocument": text} for name, text in (inline or {}).items()
        ],
        "AttachedManagedPolicies": [
            {"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in attached
        ],
        "Tags": [{"Key": key, "Value": value} for key, value in (tags or {}).items()],
        "RoleLastUsed": {"LastUsedDate": used, "Region": REGION} if used else {},
    }
    if boundary:
        detail["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
            "PermissionsBoundaryArn": _customer_arn(boundary),
        }
    return detail


def _roles() -> list[Json]:
    function = _trusted_by("lambda")
    return [
        _role(
            cast.ORDERS_API,
            "2024-02-12T10:04:51Z",
            function,
            managed=(
                "AWSLambdaBasicExecutionRole",
                "AmazonDynamoDBFullAccess_v2",
                "AmazonS3FullAccess",
                "AmazonSQSFullAccess",
                "AWSXRayDaemonWriteAccess",
            ),
            inline={"orders-api-inline": _orders_api_inline()},
            used="2026-11-24T22:36:00Z",
            tags={"team": "orders", "env": "prod"},
        ),
        _role(
            cast.STOCK_SYNC,
            cast.RECREATED.strftime("%Y-%m-%dT%H:%M:%SZ"),
            function,
            managed=("AWSLambdaVPCAccessExecutionRole", "AmazonKinesisFullAccess"),
            inline={
                "stock": _document(
                    _allow("dynamodb:*", [cast.table_arn("stock"), f"{cast.table_arn('stock')}/index/*"]),
                    _allow(["s3:Get*", "s3:List*"], "arn:aws:s3:::shop-*"),
                    _allow("sqs:SendMessage", f"arn:aws:sqs:{REGION}:{PRODUCTION}:*"),
                )
            },
            used="2026-11-24T22:07:00Z",
            tags={"team": "stock", "env": "prod"},
        ),
        _role(
            cast.REPORT_MONTHLY,
            "2025-01-20T08:30:00Z",
            function,
            managed=("AWSLambdaBasicExecutionRole",),
            inline={
                "reports": _document(
                    _allow(["athena:*", "glue:*", "s3:*", "secretsmanager:GetSecretValue", "ses:*"])
                )
            },
            boundary="reports-boundary",
            used="2026-11-01T05:02:00Z",
            tags={"team": "finance", "env": "prod"},
        ),
        _role(
            cast.IMAGE_RESIZER,
            "2024-06-03T13:15:09Z",
            function,
            managed=("AWSLambdaBasicExecutionRole", "AmazonRekognitionFullAccess"),
            inline={
                "images": _document(
                    _allow(
                        "s3:*", [f"arn:aws:s3:::{cast.IMAGES_BUCKET}", f"arn:aws:s3:::{cast.IMAGES_BUCKET}/*"]
                    ),
                    _allow("lambda:InvokeFunction"),
                    _allow("dynamodb:*", f"arn:aws:dynamodb:{REGION}:{PRODUCTION}:table/image-*"),
                )
            },
            used="2026-11-24T20:40:00Z",
        ),
        *_storefront(function),
        _role(
            cast.DEPLOY_CI,
            "2024-02-12T09:58:20Z",
            _trusted_by_github(),
            managed=("PowerUserAccess",),
            inline={"pass-role": _document(_allow(["iam:GetRole", "iam:PassRole"]))},
            used="2026-11-24T15:12:00Z",
        ),
        _role(cast.LEGACY_EXPORT, "2023-03-01T07:00:00Z", function, customer=("legacy-export-2023",)),
        _role(
            cast.AUDIT_READER,
            "2025-05-05T12:00:00Z",
            _trusted_by_auditor(),
            managed=("IAMReadOnlyAccess", "AWSCloudTrail_ReadOnlyAccess"),
        ),
        _role(
            cast.BASTION,
            "2024-03-15T16:20:00Z",
            _trusted_by("ec2"),
            managed=("AmazonSSMManagedInstanceCore",),
            used="2026-11-20T09:00:00Z",
        ),
        _role(
            cast.SCALING,
            "2024-02-12T11:00:00Z",
            _trusted_by("dynamodb.application-autoscaling"),
            inline={
                "scaling": _document(
                    _allow(["dynamodb:DescribeTable", "dynamodb:UpdateTable", "cloudwatch:PutMetricAlarm"])
                )
            },
            used="2026-11-24T19:00:00Z",
        ),
        _role(
            cast.ADMIN,
            "2024-01-08T09:00:00Z",
            _trusted_by_saml(),
            managed=("AdministratorAccess",),
            used="2026-10-30T09:20:00Z",
        ),
    ]


def _storefront(function: Json) -> list[Json]:
    """Return the roles of the small functions: each may do far more than its one job."""
    basic = ("AWSLambdaBasicExecutionRole",)
    return [
        _role(
            cast.PAYMENTS_WEBHOOK,
            "2025-09-02T08:11:40Z",
            function,
            managed=(*basic, "AmazonDynamoDBFullAccess_v2"),
            inline={"secrets": _document(_allow("secretsmanager:*"))},
            used="2026-11-24T13:35:00Z",
            tags={"team": "payments", "env": "prod"},
        ),
        _role(
            cast.CATALOG_SEARCH,
            "2024-09-17T14:02:10Z",
            function,
            managed=(*basic, "AmazonS3FullAccess"),
            inline={"catalog": _document(_allow("dynamodb:*", f"{cast.table_arn('catalog')}*"))},
            used="2026-11-24T13:40:00Z",
            tags={"team": "catalog", "env": "prod"},
        ),
        _role(
            cast.NEWSLETTER,
            "2025-02-06T10:40:00Z",
            function,
            managed=basic,
            inline={
                "mail": _document(_allow("ses:*"), _allow("dynamodb:*", cast.table_arn("subscribers"))),
            },
            used="2026-11-19T08:05:00Z",
            tags={"team": "marketing", "env": "prod"},
        ),
        _role(
            cast.CART_CLEANUP,
            "2024-11-28T11:25:31Z",
            function,
            managed=basic,
            inline={
                "carts": _document(
                    _allow("dynamodb:*", [cast.table_arn("carts"), f"{cast.table_arn('carts')}/index/*"])
                )
            },
            used="2026-11-24T02:30:00Z",
            tags={"team": "orders", "env": "prod"},
        ),
    ]


def _orders_api_inline() -> Json:
    return _document(
        _allow("iam:PassRole", Sid="PassAnyRole"),
        _allow(["kms:*", "secretsmanager:*", "states:*"], Sid="Platform"),
        _allow("sns:Publish", f"arn:aws:sns:{REGION}:{PRODUCTION}:*", Sid="Notify"),
        _allow(
            "ssm:Get*", Sid="ParametersInRegion", Condition={"StringEquals": {"aws:RequestedRegion": REGION}}
        ),
        _allow("sts:AssumeRole", cast.FULFILMENT.arn, Sid="WriteShipments"),
        {"Sid": "KeepBuckets", "Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"},
    )


def _trusted_by_github() -> Json:
    issuer = "token.actions.githubusercontent.com"
    return _document(
        {
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:aws:iam::{PRODUCTION}:oidc-provider/{issuer}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{issuer}:aud": "sts.amazonaws.com",
                    f"{issuer}:sub": "repo:acme-shop/platform:ref:refs/heads/main",
                }
            },
        }
    )


def _trusted_by_auditor() -> Json:
    return _document(
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{cast.MANAGEMENT}:root"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": "shop-audit"}},
        }
    )


def _trusted_by_saml() -> Json:
    return _document(
        {
            "Effect": "Allow",
            "Principal": {
                "Federated": f"arn:aws:iam::{PRODUCTION}:saml-provider/AWSSSO_5e1f0a9b8c7d6e3f_DO_NOT_DELETE"
            },
            "Action": ["sts:AssumeRoleWithSAML", "sts:TagSession"],
            "Condition": {"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}},
        }
    )


def _user() -> Json:
    return {
        "Path": "/",
        "UserName": cast.USER_NAME,
        "UserId": cast.USER_ID,
        "Arn": f"arn:aws:iam::{PRODUCTION}:user/{cast.USER_NAME}",
        "CreateDate": "2022-09-01T08:00:00Z",
        "GroupList": [],
        "AttachedManagedPolicies": [
            {"PolicyName": "AmazonS3FullAccess", "PolicyArn": _aws_arn("AmazonS3FullAccess")}
        ],
        "Tags": [],
    }


def _customer_arn(name: str) -> str:
    return f"arn:aws:iam::{PRODUCTION}:policy/{name}"


def _aws_arn(name: str) -> str:
    return f"arn:aws:iam::aws:policy{AWS_MANAGED[name]['Path']}{name}"


def _customer_policies() -> list[Json]:
    boundary = _document(
        _allow(["athena:*", "glue:Get*", "glue:BatchGet*", "logs:*", "s3:*", "ses:Send*"]),
        {"Effect": "Deny", "Action": "s3:Delete*", "Resource": "*"},
    )
    export = _document(_allow("s3:PutObject", "arn:aws:s3:::shop-exports-old/*"))
    return [
        _policy(
            _customer_arn("legacy-export-2023"),
            "ANPAQ3EGRD5ZJ7WX4K2LM",
            "/",
            "2023-03-01T07:00:00Z",
            "v4",
            export,
        ),
        _policy(
            _customer_arn("reports-boundary"),
            "ANPAQ3EGRD5ZU1CB8N6TR",
            "/",
            cast.TIGHTENED.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "v2",
            boundary,
        ),
    ]


def _aws_policy(name: str) -> Json:
    """Return an AWS managed policy. The id is invented: AWS's own is not public and not needed."""
    facts = AWS_MANAGED[name]
    identifier = f"ANPAI{name.upper().replace('_', '')[:16]:X<16}"
    return _policy(
        _aws_arn(name),
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
