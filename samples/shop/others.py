"""Other callers in the log: people, services, a thief, and the staging account."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from shop import cast
from shop.cast import GLOBAL_REGION, ORDERS_BUCKET, PRODUCTION, REGION, STAGING
from shop.functions import denied, invoke, later, midnights, moments
from shop.record import (
    LAMBDA_AGENT,
    Caller,
    Record,
    credentials,
    dynamodb,
    lambda_session,
    letters,
    log_stream,
    s3,
    service,
    session,
    uid,
)

CLI_AGENT = (
    "aws-cli/2.31.6 md/awscrt#0.27.6 ua/2.1 os/linux#6.8.0 md/arch#x86_64 lang/python#3.13.7 md/installer#exe"
)
HOSTILE_AGENT = "Boto3/1.40.55 \x1b]0;all is well\x07 <img src=x onerror=alert(1)> | `id`"
THIEF_ADDRESS = "198.51.100.77"


def at(text: str) -> datetime:
    """Parse a time such as "2026-11-18 02:41"."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def thief() -> Iterator[Record]:
    """A thief uses credentials of orders-api: the session name is that of the function, all else is not.

    First the function itself makes calls that it may not make. Then the credentials are used elsewhere.
    """
    rng = Random("thief")
    when = at("2026-11-18 02:41")
    caller, assumed = lambda_session(rng, cast.ORDERS_API, "orders-api", when, "54.170.77.12")
    yield assumed
    yield log_stream(caller, when, "orders-api")
    yield from _denied_probes(replace(caller, agent=HOSTILE_AGENT), later(when, 20))
    outside = replace(caller, ip=THIEF_ADDRESS, agent=CLI_AGENT)
    when = at("2026-11-18 02:55")
    yield outside.call(when, "sts", "GetCallerIdentity", read=True)
    host = {"Host": f"s3.{REGION}.amazonaws.com"}
    yield outside.call(later(when, 11), "s3", "ListBuckets", host, read=True)
    for place, key in enumerate(("config/prod.env", "config/payment-keys.json")):
        yield s3(outside, later(when, 40 + place), "GetObject", ORDERS_BUCKET, key, read=True)
    yield dynamodb(outside, later(when, 95), "Scan", ["customers"], {"tableName": "customers"})
    policy = {"bucketName": ORDERS_BUCKET, "Host": f"{ORDERS_BUCKET}.s3.{REGION}.amazonaws.com", "policy": ""}
    expired = ("ExpiredToken", "The provided token has expired.")
    yield outside.call(at("2026-11-18 15:02"), "s3", "GetBucketPolicy", policy, error=expired, read=True)


def _denied_probes(caller: Caller, when: datetime) -> Iterator[Record]:
    bucket = f"arn:aws:s3:::{ORDERS_BUCKET}"
    params = {"bucketName": ORDERS_BUCKET, "Host": f"{ORDERS_BUCKET}.s3.{REGION}.amazonaws.com"}
    resources = [{"accountId": PRODUCTION, "type": "AWS::S3::Bucket", "ARN": bucket}]
    error = denied(caller, "s3:DeleteBucket", f'"{bucket}"', explicit=True)
    yield caller.call(when, "s3", "DeleteBucket", params, resources=resources, error=error)
    error = denied(caller, "iam:ListUsers", f"arn:aws:iam::{PRODUCTION}:user/")
    yield caller.call(later(when, 3), "iam", "ListUsers", error=error, region=GLOBAL_REGION, read=True)


def cross_account() -> Iterator[Record]:
    """orders-api assumes a role of staging: two records with one shared id, then calls of the other role."""
    rng = Random("cross-account")
    for day in ("2026-10-14", "2026-10-23", "2026-11-02", "2026-11-11", "2026-11-20"):
        when = at(f"{day} 10:31")
        caller, assumed = lambda_session(rng, cast.ORDERS_API, "orders-api", when, "54.170.90.31")
        yield assumed
        role, key = cast.FULFILMENT, f"ASIA{letters(rng, 16)}"
        when = later(when, 2)
        details: dict[str, Any] = {
            "params": {"roleArn": role.arn, "roleSessionName": "orders-api", "durationSeconds": 900},
            "response": credentials(role, "orders-api", key, when),
            "resources": [{"accountId": STAGING, "type": "AWS::IAM::Role", "ARN": role.arn}],
            "read": True,
            "extra": {"sharedEventID": uid(rng)},
        }
        yield caller.call(when, "sts", "AssumeRole", **details)
        stranger = {
            "type": "AWSAccount",
            "principalId": caller.identity["principalId"],
            "accountId": PRODUCTION,
        }
        yield replace(caller, identity=stranger, account=STAGING).call(when, "sts", "AssumeRole", **details)
        writer = session(rng, role, "orders-api", when, caller.ip, LAMBDA_AGENT, accessKeyId=key)
        item = {
            "tableName": "shipments",
            "key": {"shipmentId": f"s-{day}"},
            "item": ["shipmentId", "orderId"],
        }
        yield dynamodb(writer, later(when), "PutItem", ["shipments"], item)


def staging() -> Iterator[Record]:
    """A role of staging with the name of a role in production."""
    rng = Random("staging")
    for day in ("2026-10-14", "2026-10-23", "2026-11-02", "2026-11-11", "2026-11-20"):
        when = at(f"{day} 11:07")
        caller, assumed = lambda_session(rng, cast.STOCK_SYNC_STAGING, "stock-sync", when, "54.170.101.8")
        yield assumed
        yield log_stream(caller, later(when), "stock-sync")
        yield dynamodb(caller, later(when, 2), "Scan", ["stock"], {"tableName": "stock", "limit": 500})


def people() -> Iterator[Record]:
    """An administrator who creates stock-sync again, and an IAM user with the name of a role."""
    rng = Random("people")
    start = cast.RECREATED - timedelta(minutes=6)
    admin = session(
        rng,
        cast.ADMIN,
        "ana@shop.example",
        start,
        "203.0.113.61",
        "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
    )
    login = admin.call(
        start, "signin", "ConsoleLogin", response={"ConsoleLogin": "Success"}, region=GLOBAL_REGION
    )
    yield login | {
        "eventType": "AwsConsoleSignIn",
        "additionalEventData": {
            "LoginTo": "https://console.aws.amazon.com/console/home",
            "MobileVersion": "No",
            "MFAUsed": "No",
        },
    }
    name = {"roleName": cast.STOCK_SYNC.name}
    basic = {"policyArn": "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"}
    old, new = cast.RECREATED - timedelta(minutes=2), cast.RECREATED
    made = {
        "role": {
            "roleName": "stock-sync",
            "roleId": cast.STOCK_SYNC.id,
            "arn": cast.STOCK_SYNC.arn,
            "path": cast.STOCK_SYNC.path,
        }
    }
    steps: list[tuple[datetime, str, dict[str, Any], dict[str, Any] | None]] = [
        (old, "DetachRolePolicy", name | basic, None),
        (later(old, 2), "DeleteRolePolicy", name | {"policyName": "stock"}, None),
        (later(old, 4), "DeleteRole", name, None),
        (new, "CreateRole", name | {"path": "/service-role/", "assumeRolePolicyDocument": "{}"}, made),
        (later(new, 3), "AttachRolePolicy", name | basic, None),
        (later(new, 5), "PutRolePolicy", name | {"policyName": "stock", "policyDocument": "{}"}, None),
    ]
    for when, action, params, response in steps:
        yield admin.call(when, "iam", action, params, response=response, region=GLOBAL_REGION)
    # The version in force from now on allows report-monthly no secret, which it read on the first of the month.
    boundary = {
        "policyArn": f"arn:aws:iam::{PRODUCTION}:policy/reports-boundary",
        "policyDocument": "{}",
        "setAsDefault": True,
    }
    yield admin.call(cast.TIGHTENED, "iam", "CreatePolicyVersion", boundary, region=GLOBAL_REGION)
    identity = {
        "type": "IAMUser",
        "principalId": cast.USER_ID,
        "arn": f"arn:aws:iam::{PRODUCTION}:user/{cast.USER_NAME}",
        "accountId": PRODUCTION,
        "accessKeyId": "AKIAQ3EGRD5ZLT4N7WXC",
        "userName": cast.USER_NAME,
    }
    user = Caller(rng, identity, "203.0.113.9", CLI_AGENT)
    for midnight in midnights():
        for when in moments(rng, midnight, int(midnight.weekday() == 6), 18, 20):
            yield s3(user, when, "DeleteObject", ORDERS_BUCKET, f"exports/{when:%Y-%m-%d}.zip")
            yield user.call(later(when, 4), "iam", "ListAccessKeys", region=GLOBAL_REGION, read=True)


def machinery() -> Iterator[Record]:
    """Calls of AWS itself in the account: triggers, scaling, key rotation, an agent on a bastion host."""
    rng = Random("machinery")
    for midnight in midnights():
        for when in moments(rng, midnight, 3, 7, 21):
            yield invoke(service(rng, "apigateway"), when, "orders-api") | {"sharedEventID": uid(rng)}
        for when in moments(rng, midnight, 1, 8, 20):
            yield invoke(service(rng, "s3"), when, "image-resizer") | {"sharedEventID": uid(rng)}
            scaling = session(rng, cast.SCALING, "AutoScaling-ManageAlarms", when, "", "")
            scaling = scaling.via("dynamodb.application-autoscaling")
            table = [
                {"accountId": PRODUCTION, "type": "AWS::DynamoDB::Table", "ARN": cast.table_arn("stock")}
            ]
            yield scaling.call(
                when, "dynamodb", "DescribeTable", {"tableName": "stock"}, resources=table, read=True
            )
        if midnight.weekday() == 4:
            for when in moments(rng, midnight, 1):
                instance = "i-0a1b2c3d4e5f60718"
                agent = session(
                    rng,
                    cast.BASTION,
                    instance,
                    when,
                    "10.20.4.11",
                    "aws-sdk-go/1.55.5 (go1.24.6; linux; amd64) amazon-ssm-agent/",
                    ec2RoleDelivery="2.0",
                )
                yield agent.call(
                    later(when),
                    "ssm",
                    "UpdateInstanceInformation",
                    {"instanceId": instance, "agentStatus": "Active"},
                )
    yield _service_event(
        rng, at("2026-10-22 04:10"), "kms", "RotateKey", "AWS Internal", {"keyId": cast.DATA_KEY}
    )
    yield _service_event(
        rng,
        at("2026-11-09 01:30"),
        "secretsmanager",
        "RotationStarted",
        "secretsmanager.amazonaws.com",
        {"secretId": cast.SECRET},
    )


def _service_event(
    rng: Random, when: datetime, source: str, name: str, invoker: str, details: dict[str, str]
) -> Record:
    """An event of a service's own action. It is not a call, so its identity has no type (1.2.2)."""
    happened = Caller(rng, {"accountId": PRODUCTION, "invokedBy": invoker}, invoker, invoker).call(
        when, source, name
    )
    return happened | {"eventType": "AwsServiceEvent", "serviceEventDetails": details}
