"""The pipeline: GitHub Actions deploys the functions with the role deploy-ci."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from random import Random
from typing import Any

from shop import cast
from shop.cast import GLOBAL_REGION, PRODUCTION, REGION
from shop.functions import later, midnights, moments
from shop.others import CLI_AGENT
from shop.record import Caller, Record, credentials, session, uid


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
            if (midnight.month, midnight.day) == (11, 10):
                yield _throttled(caller, later(when, 75))
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
        if place == 0:
            # The name alone: that orders-api has the path /service-role/ is told by other records and the account.
            yield caller.call(
                later(when, 1), "iam", "GetRole", {"roleName": name}, region=GLOBAL_REGION, read=True
            )
        update = {"functionName": name, "imageUri": image, "publish": False, "dryRun": False}
        made = {"functionName": name, "functionArn": cast.function_arn(name), "version": "$LATEST"}
        yield caller.call(
            later(when, 4 * place + 1), "lambda", "UpdateFunctionCode20150331v2", update, response=made
        )


def _throttled(caller: Caller, when: datetime) -> Record:
    """A call too many: CloudTrail has no parameters of it."""
    error = ("ThrottlingException", "Rate exceeded")
    return caller.call(when, "lambda", "GetFunction20150331v2", error=error, read=True)


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
