"""The roles of the production account on the last day, with their trust and their policies."""

from __future__ import annotations

from typing import Any

from shop import cast
from shop.cast import PRODUCTION, REGION, Role
from shop.documents import allow, aws_arn, customer_arn, document

Json = dict[str, Any]


def trusted_by(service: str) -> Json:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return document(statement)


def role_detail(
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
    attached = [aws_arn(name) for name in managed] + [customer_arn(name) for name in customer]
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
            "PermissionsBoundaryArn": customer_arn(boundary),
        }
    return detail


def roles() -> list[Json]:
    """Return the RoleDetailList of the account."""
    function = trusted_by("lambda")
    return [
        role_detail(
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
        role_detail(
            cast.STOCK_SYNC,
            cast.RECREATED.strftime("%Y-%m-%dT%H:%M:%SZ"),
            function,
            managed=("AWSLambdaVPCAccessExecutionRole", "AmazonKinesisFullAccess"),
            inline={
                "stock": document(
                    allow("dynamodb:*", [cast.table_arn("stock"), f"{cast.table_arn('stock')}/index/*"]),
                    allow(["s3:Get*", "s3:List*"], "arn:aws:s3:::shop-*"),
                    allow("sqs:SendMessage", f"arn:aws:sqs:{REGION}:{PRODUCTION}:*"),
                )
            },
            used="2026-11-24T22:07:00Z",
            tags={"team": "stock", "env": "prod"},
        ),
        role_detail(
            cast.REPORT_MONTHLY,
            "2025-01-20T08:30:00Z",
            function,
            managed=("AWSLambdaBasicExecutionRole",),
            inline={
                "reports": document(
                    allow(["athena:*", "glue:*", "s3:*", "secretsmanager:GetSecretValue", "ses:*"])
                )
            },
            boundary="reports-boundary",
            used="2026-11-01T05:02:00Z",
            tags={"team": "finance", "env": "prod"},
        ),
        role_detail(
            cast.IMAGE_RESIZER,
            "2024-06-03T13:15:09Z",
            function,
            managed=("AWSLambdaBasicExecutionRole", "AmazonRekognitionFullAccess"),
            inline={
                "images": document(
                    allow(
                        "s3:*", [f"arn:aws:s3:::{cast.IMAGES_BUCKET}", f"arn:aws:s3:::{cast.IMAGES_BUCKET}/*"]
                    ),
                    allow("lambda:InvokeFunction"),
                    allow("dynamodb:*", f"arn:aws:dynamodb:{REGION}:{PRODUCTION}:table/image-*"),
                )
            },
            used="2026-11-24T20:40:00Z",
        ),
        *_storefront(function),
        role_detail(
            cast.DEPLOY_CI,
            "2024-02-12T09:58:20Z",
            _trusted_by_github(),
            managed=("PowerUserAccess",),
            inline={"pass-role": document(allow(["iam:GetRole", "iam:PassRole"]))},
            used="2026-11-24T15:12:00Z",
        ),
        role_detail(cast.LEGACY_EXPORT, "2023-03-01T07:00:00Z", function, customer=("legacy-export-2023",)),
        role_detail(
            cast.AUDIT_READER,
            "2025-05-05T12:00:00Z",
            _trusted_by_auditor(),
            managed=("IAMReadOnlyAccess", "AWSCloudTrail_ReadOnlyAccess"),
        ),
        role_detail(
            cast.BASTION,
            "2024-03-15T16:20:00Z",
            trusted_by("ec2"),
            managed=("AmazonSSMManagedInstanceCore",),
            used="2026-11-20T09:00:00Z",
        ),
        role_detail(
            cast.SCALING,
            "2024-02-12T11:00:00Z",
            trusted_by("dynamodb.application-autoscaling"),
            inline={
                "scaling": document(
                    allow(["dynamodb:DescribeTable", "dynamodb:UpdateTable", "cloudwatch:PutMetricAlarm"])
                )
            },
            used="2026-11-24T19:00:00Z",
        ),
        role_detail(
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
        role_detail(
            cast.PAYMENTS_WEBHOOK,
            "2025-09-02T08:11:40Z",
            function,
            managed=(*basic, "AmazonDynamoDBFullAccess_v2"),
            inline={"secrets": document(allow("secretsmanager:*"))},
            used="2026-11-24T13:35:00Z",
            tags={"team": "payments", "env": "prod"},
        ),
        role_detail(
            cast.CATALOG_SEARCH,
            "2024-09-17T14:02:10Z",
            function,
            managed=(*basic, "AmazonS3FullAccess"),
            inline={"catalog": document(allow("dynamodb:*", f"{cast.table_arn('catalog')}*"))},
            used="2026-11-24T13:40:00Z",
            tags={"team": "catalog", "env": "prod"},
        ),
        role_detail(
            cast.NEWSLETTER,
            "2025-02-06T10:40:00Z",
            function,
            managed=basic,
            inline={
                "mail": document(allow("ses:*"), allow("dynamodb:*", cast.table_arn("subscribers"))),
            },
            used="2026-11-19T08:05:00Z",
            tags={"team": "marketing", "env": "prod"},
        ),
        role_detail(
            cast.CART_CLEANUP,
            "2024-11-28T11:25:31Z",
            function,
            managed=basic,
            inline={
                "carts": document(
                    allow("dynamodb:*", [cast.table_arn("carts"), f"{cast.table_arn('carts')}/index/*"])
                )
            },
            used="2026-11-24T02:30:00Z",
            tags={"team": "orders", "env": "prod"},
        ),
    ]


def _orders_api_inline() -> Json:
    return document(
        allow("iam:PassRole", Sid="PassAnyRole"),
        allow(["kms:*", "secretsmanager:*", "states:*"], Sid="Platform"),
        allow("sns:Publish", f"arn:aws:sns:{REGION}:{PRODUCTION}:*", Sid="Notify"),
        allow(
            "ssm:Get*", Sid="ParametersInRegion", Condition={"StringEquals": {"aws:RequestedRegion": REGION}}
        ),
        allow("sts:AssumeRole", cast.FULFILMENT.arn, Sid="WriteShipments"),
        {"Sid": "KeepBuckets", "Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"},
    )


def _trusted_by_github() -> Json:
    issuer = "token.actions.githubusercontent.com"
    return document(
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
    return document(
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{cast.MANAGEMENT}:root"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": "shop-audit"}},
        }
    )


def _trusted_by_saml() -> Json:
    return document(
        {
            "Effect": "Allow",
            "Principal": {
                "Federated": f"arn:aws:iam::{PRODUCTION}:saml-provider/AWSSSO_5e1f0a9b8c7d6e3f_DO_NOT_DELETE"
            },
            "Action": ["sts:AssumeRoleWithSAML", "sts:TagSession"],
            "Condition": {"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}},
        }
    )
