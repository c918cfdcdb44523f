"""All other callers in the log: the pipeline, people, services, a thief, and the staging account."""

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


def deploy_ci() -> Iterator[Record]:
    """GitHub Actions deploys on Tuesdays and Thursdays. On 20 October it creates a new function and a stack."""
    rng = Random("deploy-ci")
    for midnight in midnights():
        if midnight.weekday() not in (1, 3):
            continue
        for when in moments(rng, midnight, 1, 9, 16):
            caller, signed_in = _from_github(rng, when)
            yield signed_in
            yield caller.call(later(when), "sts", "GetCallerIdentity", read=True)
            yield from _push_image(caller, later(when, 5))
            yield from _look_at_network(caller, later(when, 20))
            if (midnight.month, midnight.day) == (10, 20):
                yield from _new_function(caller, later(when, 30))
            yield from _update_code(caller, later(when, 60))
            yield from _update_api(caller, later(when, 90))
            batch = {
                "distributionId": "E2QWRUHEXAMPLE",
                "invalidationBatch": {"paths": {"quantity": 1, "items": ["/*"]}},
            }
            yield caller.call(
                later(when, 99), "cloudfront", "CreateInvalidation", batch, region=GLOBAL_REGION
            )


def _from_github(rng: Random, when: datetime) -> tuple[Caller, Record]:
    subject = "repo:acme-shop/platform:ref:refs/heads/main"
    provider = f"arn:aws:iam::{PRODUCTION}:oidc-provider/token.actions.githubusercontent.com"
    role, name, ip = cast.DEPLOY_CI, "GitHubActions", f"203.0.113.{rng.randrange(10, 250)}"
    caller = session(rng, role, name, when, ip, CLI_AGENT)
    identity = {
        "type": "WebIdentityUser",
        "principalId": f"{provider}:sts.amazonaws.com:{subject}",
        "userName": subject,
        "identityProvider": provider,
    }
    stranger = Caller(
        rng, identity, ip, "aws-sdk-js/3.896.0 ua/2.1 os/linux#6.8.0 lang/js md/nodejs#20.19.5 api/sts"
    )
    record = stranger.call(
        when,
        "sts",
        "AssumeRoleWithWebIdentity",
        {"roleArn": role.arn, "roleSessionName": name, "durationSeconds": 3600},
        response={
            **credentials(role, name, caller.identity["accessKeyId"], when),
            "subjectFromWebIdentityToken": subject,
            "provider": provider,
            "audience": "sts.amazonaws.com",
        },
        resources=[{"accountId": PRODUCTION, "type": "AWS::IAM::Role", "ARN": role.arn}],
        region=GLOBAL_REGION,
        read=True,
    )
    return caller, record


def _push_image(caller: Caller, when: datetime) -> Iterator[Record]:
    repository = {"registryId": PRODUCTION, "repositoryName": "shop/functions"}
    owner = [{"accountId": PRODUCTION, "ARN": f"arn:aws:ecr:{REGION}:{PRODUCTION}:repository/shop/functions"}]
    digest = f"sha256:{caller.rng.getrandbits(256):064x}"
    upload = uid(caller.rng)
    yield caller.call(when, "ecr", "GetAuthorizationToken", read=True)
    steps: list[tuple[str, dict[str, Any]]] = [
        ("BatchCheckLayerAvailability", {"layerDigests": [digest]}),
        ("InitiateLayerUpload", {}),
        ("UploadLayerPart", {"uploadId": upload, "partFirstByte": 0, "partLastByte": 1048575}),
        ("CompleteLayerUpload", {"uploadId": upload, "layerDigests": [digest]}),
        ("PutImage", {"imageTag": f"{when:%Y%m%d}"}),
    ]
    for place, (name, params) in enumerate(steps):
        read = name == "BatchCheckLayerAvailability"
        yield caller.call(
            later(when, place + 1), "ecr", name, repository | params, resources=owner, read=read
        )


def _look_at_network(caller: Caller, when: datetime) -> Iterator[Record]:
    for name, key in (
        ("DescribeVpcs", "vpcSet"),
        ("DescribeSubnets", "subnetSet"),
        ("DescribeSecurityGroups", "securityGroupSet"),
    ):
        yield caller.call(when, "ec2", name, {key: {}, "filterSet": {}}, read=True)


def _new_function(caller: Caller, when: datetime) -> Iterator[Record]:
    """A new function. PassRole is never an event (1.9.5): only the role in CreateFunction's parameters shows it."""
    name, role = "thumbnail-index", cast.IMAGE_RESIZER.arn
    create = {
        "functionName": name,
        "role": role,
        "packageType": "Image",
        "code": {"imageUri": f"{PRODUCTION}.dkr.ecr.{REGION}.amazonaws.com/shop/functions:20261020"},
        "timeout": 30,
        "memorySize": 512,
        "publish": False,
    }
    made = {
        "functionName": name,
        "functionArn": cast.function_arn(name),
        "role": role,
        "state": "Pending",
        "version": "$LATEST",
    }
    yield caller.call(when, "lambda", "CreateFunction20150331", create, response=made)
    stack = f"arn:aws:cloudformation:{REGION}:{PRODUCTION}:stack/shop-images/{uid(caller.rng)}"
    template = {
        "stackName": "shop-images",
        "templateURL": f"https://shop-artifacts-{PRODUCTION}.s3.{REGION}.amazonaws.com/images.yaml",
    }
    yield caller.call(later(when, 2), "cloudformation", "CreateStack", template, response={"stackId": stack})
    for_caller = caller.via("cloudformation")
    table = {
        "tableName": "image-index",
        "billingMode": "PAY_PER_REQUEST",
        "attributeDefinitions": [{"attributeName": "image", "attributeType": "S"}],
        "keySchema": [{"attributeName": "image", "keyType": "HASH"}],
    }
    resources = [
        {"accountId": PRODUCTION, "type": "AWS::DynamoDB::Table", "ARN": cast.table_arn("image-index")}
    ]
    yield for_caller.call(later(when, 5), "dynamodb", "CreateTable", table, resources=resources)
    yield for_caller.call(later(when, 6), "logs", "CreateLogGroup", {"logGroupName": f"/aws/lambda/{name}"})
    yield for_caller.call(
        later(when, 6),
        "logs",
        "PutRetentionPolicy",
        {"logGroupName": f"/aws/lambda/{name}", "retentionInDays": 30},
    )
    yield caller.call(
        later(when, 20), "cloudformation", "DescribeStacks", {"stackName": "shop-images"}, read=True
    )


def _update_code(caller: Caller, when: datetime) -> Iterator[Record]:
    image = f"{PRODUCTION}.dkr.ecr.{REGION}.amazonaws.com/shop/functions:{when:%Y%m%d}"
    for place, name in enumerate(("orders-api", "stock-sync", "image-resizer")):
        yield caller.call(
            later(when, 4 * place), "lambda", "GetFunction20150331v2", {"functionName": name}, read=True
        )
        update = {"functionName": name, "imageUri": image, "publish": False, "dryRun": False}
        made = {"functionName": name, "functionArn": cast.function_arn(name), "version": "$LATEST"}
        yield caller.call(
            later(when, 4 * place + 1), "lambda", "UpdateFunctionCode20150331v2", update, response=made
        )


def _update_api(caller: Caller, when: datetime) -> Iterator[Record]:
    method = {"restApiId": cast.REST_API, "resourceId": "r9m2x1", "httpMethod": "POST"}
    yield caller.call(
        when, "apigateway", "PutMethod", {**method, "putMethodInput": {"authorizationType": "AWS_IAM"}}
    )
    function = cast.function_arn("orders-api")
    integration = {
        "type": "AWS_PROXY",
        "httpMethod": "POST",
        "uri": f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}/invocations",
    }
    yield caller.call(
        later(when), "apigateway", "PutIntegration", {**method, "putIntegrationInput": integration}
    )
    deployment = {"restApiId": cast.REST_API, "createDeploymentInput": {"stageName": "prod"}}
    yield caller.call(later(when, 2), "apigateway", "CreateDeployment", deployment)


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
