"""CloudTrail records as a trail delivers them: the callers, and the shape of each service's record.

Field names and their order follow the CloudTrail record contents reference; the shapes of DynamoDB's
requestParameters follow the examples of the DynamoDB developer guide, "Logging operations by using CloudTrail".
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import quote

from shop.cast import GLOBAL_REGION, PRODUCTION, REGION, Role, function_arn, table_arn

Record = dict[str, Any]

LAMBDA_AGENT = (
    "Boto3/1.40.55 md/Botocore#1.40.55 ua/2.1 os/linux#5.10.240 lang/python#3.13.7 "
    "exec-env/AWS_Lambda_python3.13"
)
SCOPED_SINCE = "2026-10-20T00:00:00Z"
"""Sessions that began earlier have no inScopeOf block, so that the trail has both kinds of record."""

_CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_VERSIONS = {
    "logs": "1.08",
    "signin": "1.08",
    "ssm": "1.08",
    "ec2": "1.10",
    "ecr": "1.10",
    "iam": "1.10",
    "states": "1.08",
}


def stamp(when: datetime) -> str:
    """Return a time in the format of records, to the second."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def letters(rng: Random, count: int, alphabet: str = _CAPITALS) -> str:
    """Return `count` random characters, as in access key ids."""
    return "".join(rng.choice(alphabet) for _ in range(count))


def uid(rng: Random) -> str:
    """Return a random UUID, the same on every run."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller of AWS: identity, address and user agent.

    `account` is the account that gets the record.
    """

    rng: Random
    identity: Mapping[str, Any]
    ip: str
    agent: str
    account: str = PRODUCTION
    endpoint: str = ""

    def via(self, service: str) -> Caller:
        """Return the same principal with calls made by a service: a forward access session."""
        name = service if service == "AWS Internal" else f"{service}.amazonaws.com"
        return replace(self, identity={**self.identity, "invokedBy": name}, ip=name, agent=name, endpoint="")

    def call(
        self,
        when: datetime,
        service: str,
        name: str,
        params: Mapping[str, Any] | None = None,
        *,
        response: Mapping[str, Any] | None = None,
        resources: Sequence[Mapping[str, str]] = (),
        error: tuple[str, str] | None = None,
        region: str = REGION,
        data: bool = False,
        read: bool = False,
        extra: Mapping[str, Any] | None = None,
    ) -> Record:
        """Return the record of one API call.

        Args:
            service: the first label of the eventSource.
            error: errorCode and errorMessage of a call that failed.
            data: a data event, not a management event.
            extra: further top-level fields, as `addendum`.
        """
        record: Record = {
            "eventVersion": _VERSIONS.get(service, "1.11"),
            "userIdentity": self.identity,
            "eventTime": stamp(when),
            "eventSource": f"{service}.amazonaws.com",
            "eventName": name,
            "awsRegion": region,
            "sourceIPAddress": self.ip,
            "userAgent": f"[{self.agent}]" if service == "s3" and "/" in self.agent else self.agent,
        }
        if error:
            record |= {"errorCode": error[0], "errorMessage": error[1]}
        record |= {
            "requestParameters": params,
            "responseElements": response,
            "requestID": self._request_id(service),
        }
        record |= {"eventID": uid(self.rng), "readOnly": read}
        if resources:
            record["resources"] = list(resources)
        record |= {"eventType": "AwsApiCall", "managementEvent": not data, "recipientAccountId": self.account}
        if self.endpoint:
            record |= {"vpcEndpointId": self.endpoint, "vpcEndpointAccountId": self.account}
        record |= {"eventCategory": "Data" if data else "Management"}
        if "/" in self.agent:  # a service that calls for someone has a DNS name here, and no TLS details
            record["tlsDetails"] = _tls(service, region)
        return record | dict(extra or {})

    def _request_id(self, service: str) -> str:
        if service == "s3":
            return letters(self.rng, 16)
        return letters(self.rng, 52) if service == "dynamodb" else uid(self.rng)


def _tls(service: str, region: str) -> dict[str, str]:
    host = f"{'email' if service == 'ses' else service}.{region}.amazonaws.com"
    if service == "iam" or (service == "sts" and region == GLOBAL_REGION):
        host = f"{service}.amazonaws.com"
    return {
        "tlsVersion": "TLSv1.3",
        "cipherSuite": "TLS_AES_128_GCM_SHA256",
        "clientProvidedHostHeader": host,
    }


def session(
    rng: Random,
    role: Role,
    name: str,
    created: datetime,
    ip: str,
    agent: str,
    function: str = "",
    **more: Any,
) -> Caller:
    """Return a session of a role.

    Args:
        function: name of the Lambda function with the credentials, "" for another session.
        more: further fields of the sessionContext, or an accessKeyId.
    """
    identity: dict[str, Any] = {
        "type": "AssumedRole",
        "principalId": f"{role.id}:{name}",
        "arn": f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{name}",
        "accountId": role.account,
        "accessKeyId": more.pop("accessKeyId", None) or f"ASIA{letters(rng, 16)}",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": role.id,
                "arn": role.arn,
                "accountId": role.account,
                "userName": role.name,
            },
            "webIdFederationData": {},
            "attributes": {"creationDate": stamp(created), "mfaAuthenticated": "false"},
            **more,
        },
    }
    if function and stamp(created) >= SCOPED_SINCE:
        identity["inScopeOf"] = {
            "issuerType": "AWS::Lambda::Function",
            "credentialsIssuedTo": function_arn(function, role.account),
        }
    return Caller(rng, identity, ip, agent, role.account)


def service(rng: Random, name: str, account: str = PRODUCTION) -> Caller:
    """Return an AWS service that calls for itself."""
    host = f"{name}.amazonaws.com"
    return Caller(rng, {"type": "AWSService", "invokedBy": host}, host, host, account)


def lambda_session(
    rng: Random, role: Role, function: str, created: datetime, ip: str
) -> tuple[Caller, Record]:
    """Return the session of a function after a cold start, and the record of Lambda that assumes the role."""
    caller = session(rng, role, function, created, ip, LAMBDA_AGENT, function)
    assumed = service(rng, "lambda", role.account).call(
        created,
        "sts",
        "AssumeRole",
        {"roleArn": role.arn, "roleSessionName": function},
        response=credentials(role, function, caller.identity["accessKeyId"], created),
        resources=[{"accountId": role.account, "type": "AWS::IAM::Role", "ARN": role.arn}],
        read=True,
        extra={"sharedEventID": uid(rng)},
    )
    return caller, assumed


def credentials(role: Role, name: str, key: str, created: datetime) -> dict[str, Any]:
    """Return the responseElements of an AssumeRole call."""
    expiration = (created + timedelta(hours=12)).strftime("%b %d, %Y, %I:%M:%S %p")
    return {
        "credentials": {
            "accessKeyId": key,
            "sessionToken": "HIDDEN_DUE_TO_SECURITY_REASONS",
            "expiration": expiration,
        },
        "assumedRoleUser": {
            "assumedRoleId": f"{role.id}:{name}",
            "arn": f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{name}",
        },
    }


def s3(
    caller: Caller,
    when: datetime,
    name: str,
    bucket: str,
    key: str | None = None,
    params: Mapping[str, str] | None = None,
    *,
    read: bool = False,
    error: tuple[str, str] | None = None,
) -> Record:
    """Return an S3 data event on an object, or on a bucket if `key` is None; `params` are more requestParameters."""
    host = f"{bucket}.s3.{REGION}.amazonaws.com"
    request = (
        {"bucketName": bucket, "Host": host} | ({} if key is None else {"key": key}) | dict(params or {})
    )
    resources = [] if key is None else [{"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{bucket}/{key}"}]
    resources.append({"accountId": PRODUCTION, "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}"})
    transfer = {
        "SignatureVersion": "SigV4",
        "CipherSuite": "TLS_AES_128_GCM_SHA256",
        "bytesTransferredIn": 0 if read else caller.rng.randrange(900, 90_000),
        "AuthenticationMethod": "AuthHeader",
        "bytesTransferredOut": caller.rng.randrange(900, 90_000) if read and not error else 0,
    }
    return caller.call(
        when,
        "s3",
        name,
        request,
        resources=resources,
        error=error,
        data=True,
        read=read,
        extra={"additionalEventData": transfer},
    )


def copy_object(caller: Caller, when: datetime, bucket: str, source: str, target: str) -> Record:
    """Return an S3 CopyObject inside one bucket; the source is URL-encoded in a header."""
    return s3(caller, when, "CopyObject", bucket, target, {"x-amz-copy-source": f"{bucket}/{quote(source)}"})


def dynamodb(
    caller: Caller, when: datetime, name: str, tables: Iterable[str], params: Mapping[str, Any], **more: Any
) -> Record:
    """Return a DynamoDB data event on tables of the caller's account."""
    resources = [
        {"accountId": caller.account, "type": "AWS::DynamoDB::Table", "ARN": table_arn(table, caller.account)}
        for table in tables
    ]
    read = name in {"GetItem", "Query", "Scan", "BatchGetItem"}
    extra = {"apiVersion": "2012-08-10"}
    return caller.call(
        when, "dynamodb", name, params, resources=resources, data=True, read=read, extra=extra, **more
    )


def kms(caller: Caller, when: datetime, name: str, key: str, context: Mapping[str, str]) -> Record:
    """Return a KMS call that another service makes for the caller. The parameters of Decrypt do not have the key."""
    params: dict[str, Any] = {"encryptionContext": context}
    if name == "GenerateDataKey":
        params |= {"keyId": key, "keySpec": "AES_256"}
    else:
        params["encryptionAlgorithm"] = "SYMMETRIC_DEFAULT"
    resources = [{"accountId": PRODUCTION, "type": "AWS::KMS::Key", "ARN": key}]
    return caller.call(when, "kms", name, params, resources=resources, read=True)


def log_stream(caller: Caller, when: datetime, function: str) -> Record:
    """Return the first call of Lambda in a new environment, with the function's role."""
    stream = f"{when:%Y/%m/%d}/[$LATEST]{caller.rng.getrandbits(128):032x}"
    platform = replace(caller, agent="awslambda-worker/1.0 rust/1.89.0 linux", endpoint="")
    return platform.call(
        when, "logs", "CreateLogStream", {"logGroupName": f"/aws/lambda/{function}", "logStreamName": stream}
    )
