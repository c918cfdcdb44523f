"""The most frequent calls of a trail, in the shapes that CloudTrail records.

The shapes follow the examples on the services' pages about logging with CloudTrail, and real records. Object keys and
item keys differ from call to call, as they do in real logs.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from .operations import HIDDEN, Operation, Place, variants


class Call(NamedTuple):
    """A call: service, operation and parameters."""

    label: str
    """The eventSource without AWS's domain."""
    name: str
    action: str
    params: Mapping[str, Any] | None
    read: bool = True
    resources: Sequence[Mapping[str, str]] = ()
    response: Mapping[str, Any] | None = None
    data: bool = False
    extra: Mapping[str, Any] | None = None
    """additionalEventData."""
    version: str = ""
    """apiVersion."""
    via: str = ""
    """The service that makes the call with the caller's credentials: a forward access session (1.5)."""


Maker = Callable[[Random, Place], Call]

NOUNS = ("orders", "customers", "carts", "stock", "prices", "events", "audit", "sessions")


def hex_uuid(rng: Random) -> str:
    """Return a random UUID."""
    text = f"{rng.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def arn(service: str, at: Place, rest: str) -> str:
    """Return an ARN in an account and region."""
    return f"arn:aws:{service}:{at.region}:{at.account}:{rest}"


def _owned(at: Place, kind: str, name: str) -> dict[str, str]:
    return {"accountId": at.account, "type": kind, "ARN": name}


def from_model(one: Operation) -> Maker:
    """Return a function that makes calls of a rare operation."""

    def make(rng: Random, at: Place) -> Call:
        params, response = rng.choice(variants(one, at))
        return Call(one.label, one.event, one.action, params, one.read, response=response)

    return make


# ---- data events ----------------------------------------------------------------------------------------


def _s3(rng: Random, at: Place, name: str, more: Mapping[str, str], *, read: bool) -> Call:
    bucket = f"{at.app}-{rng.choice(('in', 'out', 'lake'))}-{at.account[-4:]}-{at.region}"
    day = f"2026/11/{rng.randrange(1, 31):02d}"
    key = f"{rng.choice(('invoices', 'raw', 'exports'))}/{day}/part-{rng.randrange(10**7):07d}.json.gz"
    params = {"bucketName": bucket, "Host": f"{bucket}.s3.{at.region}.amazonaws.com", "key": key, **more}
    resources = [
        {"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{bucket}/{key}"},
        _owned(at, "AWS::S3::Bucket", f"arn:aws:s3:::{bucket}"),
    ]
    sent = rng.randrange(400, 900_000)
    extra = {
        "SignatureVersion": "SigV4",
        "CipherSuite": "TLS_AES_128_GCM_SHA256",
        "bytesTransferredIn": 0 if read else sent,
        "AuthenticationMethod": "AuthHeader",
        "x-amz-id-2": b64encode(rng.randbytes(56)).decode(),
        "bytesTransferredOut": sent if read else 0,
    }
    answer = None if read else {"x-amz-server-side-encryption": "aws:kms"}
    return Call("s3", name, f"s3:{name}", params, read, resources, answer, data=True, extra=extra)


def s3_get(rng: Random, at: Place) -> Call:
    return _s3(rng, at, "GetObject", {}, read=True)


def s3_head(rng: Random, at: Place) -> Call:
    return _s3(rng, at, "HeadObject", {}, read=True)


def s3_put(rng: Random, at: Place) -> Call:
    return _s3(rng, at, "PutObject", {"x-amz-server-side-encryption": "aws:kms"}, read=False)


def _dynamodb(rng: Random, at: Place, name: str, more: Mapping[str, Any], *, read: bool) -> Call:
    table = f"{at.app}-{rng.choice(NOUNS[:4])}"
    resources = [_owned(at, "AWS::DynamoDB::Table", arn("dynamodb", at, f"table/{table}"))]
    params = {"tableName": table, **more}
    action = f"dynamodb:{name}"
    return Call("dynamodb", name, action, params, read, resources, data=True, version="2012-08-10")


def dynamodb_get(rng: Random, at: Place) -> Call:
    key = {"id": f"o-{rng.randrange(10**8):08d}"}
    return _dynamodb(rng, at, "GetItem", {"key": key, "consistentRead": False}, read=True)


def dynamodb_put(rng: Random, at: Place) -> Call:
    key = {"id": f"o-{rng.randrange(10**8):08d}"}
    return _dynamodb(rng, at, "PutItem", {"key": key, "items": ["id", "total", "lines"]}, read=False)


def dynamodb_query(rng: Random, at: Place) -> Call:
    asked = {"keyConditionExpression": "customerId = :c", "indexName": "by-customer", "limit": 25}
    return _dynamodb(rng, at, "Query", asked, read=True)


def lambda_invoke(rng: Random, at: Place) -> Call:
    name = arn("lambda", at, f"function:{at.app}-{rng.choice(NOUNS[:3])}")
    extra = {"customerEniId": "", "functionVersion": f"{name}:$LATEST"}
    params = {"functionName": name, "invocationType": "RequestResponse"}
    resources = [_owned(at, "AWS::Lambda::Function", name)]
    return Call("lambda", "Invoke", "lambda:InvokeFunction", params, False, resources, data=True, extra=extra)


def sqs_send(rng: Random, at: Place) -> Call:
    queue = f"{at.app}-{rng.choice(NOUNS[:3])}-queue"
    params = {
        "queueUrl": f"https://sqs.{at.region}.amazonaws.com/{at.account}/{queue}",
        "messageBody": HIDDEN,
        "delaySeconds": 0,
    }
    resources = [_owned(at, "AWS::SQS::Queue", arn("sqs", at, queue))]
    answer = {"messageId": hex_uuid(rng), "mD5OfMessageBody": f"{rng.getrandbits(128):032x}"}
    return Call("sqs", "SendMessage", "sqs:SendMessage", params, False, resources, answer, data=True)


def sns_publish(rng: Random, at: Place) -> Call:
    topic = arn("sns", at, f"{at.app}-{rng.choice(NOUNS[:3])}")
    resources = [_owned(at, "AWS::SNS::Topic", topic)]
    answer = {"messageId": hex_uuid(rng)}
    params = {"topicArn": topic, "message": HIDDEN, "subject": HIDDEN}
    return Call("sns", "Publish", "sns:Publish", params, False, resources, answer, data=True)


# ---- management events ----------------------------------------------------------------------------------


def _kms(rng: Random, at: Place, name: str, context: Mapping[str, str], via: str) -> Call:
    key = arn("kms", at, f"key/{sum(at.app.encode()):08x}-0000-4000-8000-{at.account}")
    params: dict[str, Any] = {"encryptionContext": context}
    params |= {"encryptionAlgorithm": "SYMMETRIC_DEFAULT"} if name == "Decrypt" else {"keySpec": "AES_256"}
    if name != "Decrypt":
        params["keyId"] = key
    extra = {"keyMaterialId": f"{rng.getrandbits(256):064x}"}
    resources = [_owned(at, "AWS::KMS::Key", key)]
    return Call("kms", name, f"kms:{name}", params, True, resources, extra=extra, via=via)


def kms_decrypt_secret(rng: Random, at: Place) -> Call:
    secret = arn("secretsmanager", at, f"secret:{at.app}/db-AbCdEf")
    return _kms(rng, at, "Decrypt", {"SecretARN": secret, "SecretVersionId": "v1"}, "secretsmanager")


def kms_decrypt_object(rng: Random, at: Place) -> Call:
    bucket = f"arn:aws:s3:::{at.app}-lake-{at.account[-4:]}-{at.region}"
    return _kms(rng, at, "Decrypt", {"aws:s3:arn": bucket}, "s3")


def kms_data_key(rng: Random, at: Place) -> Call:
    return _kms(rng, at, "GenerateDataKey", {"app": at.app}, "")


def ssm_parameter(rng: Random, at: Place) -> Call:
    name = f"/{at.app}/{rng.choice(NOUNS)}/url"
    resources = [{"accountId": at.account, "ARN": arn("ssm", at, f"parameter{name}")}]  # no type (1.9.1)
    params = {"name": name, "withDecryption": True}
    return Call("ssm", "GetParameter", "ssm:GetParameter", params, True, resources)


def ssm_parameters(rng: Random, at: Place) -> Call:
    params = {"path": f"/{at.app}/", "recursive": True, "withDecryption": rng.random() < 0.5}
    return Call("ssm", "GetParametersByPath", "ssm:GetParametersByPath", params)


def secret(rng: Random, at: Place) -> Call:
    name = f"{at.app}/{rng.choice(('db', 'api'))}"
    params = {"secretId": name, "versionStage": "AWSCURRENT"}
    return Call("secretsmanager", "GetSecretValue", "secretsmanager:GetSecretValue", params)


def log_stream(rng: Random, at: Place) -> Call:
    stream = f"2026/11/{rng.randrange(1, 31):02d}/[$LATEST]{rng.getrandbits(128):032x}"
    params = {"logGroupName": f"/aws/lambda/{at.app}-{rng.choice(NOUNS[:3])}", "logStreamName": stream}
    return Call("logs", "CreateLogStream", "logs:CreateLogStream", params, read=False)


def log_streams(rng: Random, at: Place) -> Call:
    params = {"logGroupName": f"/ecs/{at.app}-{rng.choice(NOUNS[:3])}", "limit": 50, "descending": True}
    return Call("logs", "DescribeLogStreams", "logs:DescribeLogStreams", params)


def caller_identity(rng: Random, at: Place) -> Call:  # noqa: ARG001
    return Call("sts", "GetCallerIdentity", "sts:GetCallerIdentity", None)


def assume_role(rng: Random, at: Place) -> Call:
    role = f"arn:aws:iam::{at.account}:role/{at.app}-{rng.choice(('deploy', 'read', 'batch'))}"
    return assumption(rng, role, f"AROA{sum(role.encode()):017d}", "job")


def assumption(rng: Random, role: str, role_id: str, session: str) -> Call:
    """Return an AssumeRole call with its response."""
    account, name = role.split(":")[4], role.rsplit("/", 1)[-1]
    answer = {
        "credentials": {
            "accessKeyId": f"ASIA{rng.getrandbits(64):016X}",
            "sessionToken": b64encode(rng.randbytes(420)).decode(),
            "expiration": "Nov 24, 2026, 11:05:31 PM",
        },
        "assumedRoleUser": {
            "assumedRoleId": f"{role_id}:{session}",
            "arn": f"arn:aws:sts::{account}:assumed-role/{name}/{session}",
        },
    }
    params = {"roleArn": role, "roleSessionName": session, "durationSeconds": 3600}
    resources = [{"accountId": account, "type": "AWS::IAM::Role", "ARN": role}]
    return Call("sts", "AssumeRole", "sts:AssumeRole", params, True, resources, answer)


def ec2_describe(rng: Random, at: Place) -> Call:
    name, params = rng.choice(
        (
            ("DescribeInstances", {"instancesSet": {}, "filterSet": _filter(at)}),
            ("DescribeSubnets", {"subnetSet": {}, "filterSet": _filter(at)}),
            ("DescribeVolumes", {"maxResults": 500, "volumeSet": {}, "filterSet": {}}),
            ("DescribeSecurityGroups", {"securityGroupSet": {}, "securityGroupIdSet": {}, "filterSet": {}}),
            ("DescribeNetworkInterfaces", {"networkInterfaceIdSet": {}, "filterSet": _filter(at)}),
        )
    )
    return Call("ec2", name, f"ec2:{name}", params)


def _filter(at: Place) -> dict[str, Any]:
    return {"items": [{"name": "tag:app", "valueSet": {"items": [{"value": at.app}]}}]}


def ecs_tasks(rng: Random, at: Place) -> Call:
    task = arn("ecs", at, f"task/{at.app}/{rng.getrandbits(128):032x}")
    return Call("ecs", "DescribeTasks", "ecs:DescribeTasks", {"cluster": at.app, "tasks": [task]})


def ecs_services(rng: Random, at: Place) -> Call:
    params = {"cluster": at.app, "services": [f"{at.app}-{rng.choice(NOUNS[:3])}"]}
    return Call("ecs", "DescribeServices", "ecs:DescribeServices", params)


def ecr_token(rng: Random, at: Place) -> Call:  # noqa: ARG001
    return Call("ecr", "GetAuthorizationToken", "ecr:GetAuthorizationToken", {})


def ecr_image(rng: Random, at: Place) -> Call:
    repository = f"{at.app}-{rng.choice(NOUNS[:3])}"
    params = {
        "repositoryName": repository,
        "registryId": at.account,
        "imageIds": [{"imageTag": f"v{rng.randrange(40)}"}],
        "acceptedMediaTypes": ["application/vnd.oci.image.manifest.v1+json"],
    }
    resources = [{"accountId": at.account, "ARN": arn("ecr", at, f"repository/{repository}")}]
    return Call("ecr", "BatchGetImage", "ecr:BatchGetImage", params, True, resources)


def states_start(rng: Random, at: Place) -> Call:
    machine = arn("states", at, f"stateMachine:{at.app}-{rng.choice(NOUNS[:2])}")
    run = hex_uuid(rng)
    answer = {
        "executionArn": machine.replace("stateMachine", "execution") + f":{run}",
        "startDate": "Nov 24, 2026, 9:05:31 AM",
    }
    params = {"stateMachineArn": machine, "name": run, "input": HIDDEN}
    return Call("states", "StartExecution", "states:StartExecution", params, False, response=answer)


def athena_start(rng: Random, at: Place) -> Call:
    params = {
        "queryString": HIDDEN,
        "clientRequestToken": hex_uuid(rng),
        "queryExecutionContext": {"database": f"{at.app}_lake"},
        "workGroup": f"{at.app}-reports",
    }
    answer = {"queryExecutionId": hex_uuid(rng)}
    return Call("athena", "StartQueryExecution", "athena:StartQueryExecution", params, False, response=answer)


def glue_table(rng: Random, at: Place) -> Call:
    params = {"databaseName": f"{at.app}_lake", "name": rng.choice(NOUNS)}
    return Call("glue", "GetTable", "glue:GetTable", params)


def stacks(rng: Random, at: Place) -> Call:
    params = {"stackName": f"{at.app}-{rng.choice(('network', 'service', 'data'))}"}
    return Call("cloudformation", "DescribeStacks", "cloudformation:DescribeStacks", params)


def alarms(rng: Random, at: Place) -> Call:
    params = {"alarmNamePrefix": f"{at.app}-", "maxRecords": rng.choice((50, 100))}
    return Call("monitoring", "DescribeAlarms", "cloudwatch:DescribeAlarms", params)


def function(rng: Random, at: Place) -> Call:
    params = {"functionName": f"{at.app}-{rng.choice(NOUNS[:3])}"}
    return Call("lambda", "GetFunction20150331v2", "lambda:GetFunction", params)


def targets(rng: Random, at: Place) -> Call:
    name = f"targetgroup/{at.app}/{sum(at.app.encode()):016x}"
    params = {"targetGroupArn": arn("elasticloadbalancing", at, name), "include": []}
    action = "elasticloadbalancing:DescribeTargetHealth"
    return Call("elasticloadbalancing", "DescribeTargetHealth", action, params if rng.random() < 0.9 else {})


MANAGEMENT: dict[str, tuple[tuple[Maker, int], ...]] = {
    "lambda": (
        *((log_stream, 8), (ssm_parameter, 10), (ssm_parameters, 5), (secret, 10), (kms_decrypt_secret, 10)),
        *((kms_decrypt_object, 12), (kms_data_key, 6), (states_start, 8), (assume_role, 2)),
    ),
    "ecs": (
        *((ecr_token, 5), (ecr_image, 5), (log_streams, 5), (secret, 10), (kms_decrypt_secret, 10)),
        *(
            (ssm_parameters, 8),
            (kms_decrypt_object, 10),
            (athena_start, 4),
            (glue_table, 12),
            (log_stream, 6),
        ),
    ),
    "ec2": (
        *((ec2_describe, 30), (ssm_parameter, 10), (targets, 5), (alarms, 4), (caller_identity, 4)),
        *((kms_data_key, 8), (secret, 4), (assume_role, 3)),
    ),
    "ci": (
        *((caller_identity, 10), (stacks, 20), (ecr_token, 8), (ecr_image, 6), (ecs_services, 20)),
        *((ecs_tasks, 15), (function, 10), (assume_role, 8), (ssm_parameter, 10)),
    ),
    "human": (
        (ec2_describe, 25),
        (stacks, 8),
        (alarms, 15),
        (function, 8),
        (log_streams, 8),
        (ecs_services, 8),
    ),
    "scanner": ((ec2_describe, 8), (function, 3), (stacks, 3), (caller_identity, 2)),
}
"""By kind of role: management calls and their weights."""

DATA: tuple[tuple[Maker, int], ...] = (
    *((s3_get, 34), (s3_put, 14), (s3_head, 6), (dynamodb_get, 16), (dynamodb_query, 8), (dynamodb_put, 8)),
    *((lambda_invoke, 8), (sqs_send, 4), (sns_publish, 2)),
)
