"""Records as CloudTrail writes them: all fields in their order (1.1.4), errors with AWS's messages (1.11)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

from .calls import Call, hex_uuid
from .roles import Role

Record = dict[str, Any]

ERRORS = 0.05
"""Share of calls that fail."""
DENIED = 0.45
"""Share of the failed calls that are denied."""

_SDK = "md/Botocore#1.40.55 ua/2.1 os/linux#5.10.240 md/arch#x86_64 lang/python#3.13.7"
_AGENTS = {
    "lambda": f"Boto3/1.40.55 {_SDK} exec-env/AWS_Lambda_python3.13 Botocore/1.40.55",
    "ecs": "aws-sdk-java/2.31.7 md/io#sync ua/2.1 os/Linux#5.10.240 lang/java#21.0.4 exec-env/AWS_ECS_FARGATE",
    "ec2": f"Boto3/1.38.2 {_SDK} cfg/retry-mode#standard Botocore/1.38.2",
    "ci": "APN/1.0 HashiCorp/1.0 Terraform/1.13.3 aws-sdk-go-v2/1.38.3 os/linux lang/go#1.24.6",
    "human": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/141.0.0.0 Safari/537.36",
    "scanner": f"Boto3/1.34.108 {_SDK} exec-env/AWS_ECS_FARGATE cfg/retry-mode#adaptive Botocore/1.34.108",
}
_OTHER_ERRORS = {
    "s3": (
        ("NoSuchKey", "The specified key does not exist."),
        ("SlowDown", "Please reduce your request rate."),
    ),
    "dynamodb": (
        ("ConditionalCheckFailedException", "The conditional request failed"),
        ("ProvisionedThroughputExceededException", "Rate of requests exceeds the allowed throughput."),
    ),
    "ec2": (
        ("Client.RequestLimitExceeded", "Request limit exceeded."),
        ("Client.InvalidInstanceID.NotFound", "The instance ID does not exist"),
        ("Client.DryRunOperation", "Request would have succeeded, but DryRun flag is set."),
    ),
    "": (
        ("ThrottlingException", "Rate exceeded"),
        ("ResourceNotFoundException", "The requested resource was not found."),
        ("ValidationException", "1 validation error detected: Value failed to satisfy constraint"),
    ),
}


class Caller(NamedTuple):
    """The caller of a record: identity, address, user agent, and the account that records the call."""

    identity: Mapping[str, Any]
    address: str
    agent: str
    account: str
    """recipientAccountId."""
    endpoint: str = ""
    """vpcEndpointId."""


@lru_cache(maxsize=4096)
def stamp(when: datetime) -> str:
    """Return a time in the format of records."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def session(rng: Random, role: Role, region: str, when: datetime) -> Caller:
    """Return a session of a role that is up to some hours old."""
    name = _session_name(rng, role)
    identity: dict[str, Any] = {
        "type": "AssumedRole",
        "principalId": f"{role.id}:{name}",
        "arn": f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{name}",
        "accountId": role.account,
        "accessKeyId": f"ASIA{rng.getrandbits(64):016X}",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": role.id,
                "arn": role.arn,
                "accountId": role.account,
                "userName": role.name,
            },
            "webIdFederationData": {},
            "attributes": {
                "creationDate": stamp(when - timedelta(seconds=rng.randrange(60, 20_000))),
                "mfaAuthenticated": "false",
            },
        },
    }
    if role.kind == "ec2":
        identity["sessionContext"]["ec2RoleDelivery"] = "2.0"
    if role.kind == "lambda":
        identity["inScopeOf"] = {
            "issuerType": "AWS::Lambda::Function",
            "credentialsIssuedTo": f"arn:aws:lambda:{region}:{role.account}:function:{name}",
        }
    outside = role.kind in {"lambda", "human", "ci"}
    network = (54, 170) if outside else (10, 20)
    address = f"{network[0]}.{network[1]}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
    endpoint = "" if outside or rng.random() < 0.5 else f"vpce-{rng.getrandbits(68):017x}"
    return Caller(identity, address, _AGENTS[role.kind], role.account, endpoint)


def _session_name(rng: Random, role: Role) -> str:
    if role.kind == "human":
        return f"{rng.choice(('ana', 'ben', 'chris', 'dana', 'eli'))}@example.com"
    if role.kind == "ec2":
        return f"i-{rng.getrandbits(68):017x}"
    if role.kind == "ecs":
        return f"{rng.getrandbits(128):032x}"
    return {"ci": "GitHubActions", "scanner": "inventory"}.get(role.kind, role.name[:60])


def record(
    rng: Random,
    caller: Caller,
    call: Call,
    region: str,
    when: datetime,
    more: Mapping[str, Any] | None = None,
) -> Record:
    """Return the record of a call. Some calls fail.

    Args:
        more: fields that replace or extend the usual ones.
    """
    source = f"{call.label}.amazonaws.com"
    error = _error(rng, caller, call) if rng.random() < ERRORS else None
    identity, address, agent = caller.identity, caller.address, caller.agent
    if call.via:  # 1.5.3: address and agent are the service's name
        address = agent = f"{call.via}.amazonaws.com"
        identity = {**identity, "invokedBy": agent}
    made: Record = {
        "eventVersion": "1.11" if rng.random() < 0.8 else "1.10",  # one file mixes them (1.1.2)
        "userIdentity": identity,
        "eventTime": stamp(when),
        "eventSource": source,
        "eventName": call.name,
        "awsRegion": region,
        "sourceIPAddress": address,
        "userAgent": f"[{agent}]" if call.label == "s3" and "/" in agent else agent,
    }
    if error:
        made["errorCode"], made["errorMessage"] = error
    made["requestParameters"] = call.params
    made["responseElements"] = None if error else call.response
    if call.extra:
        made["additionalEventData"] = call.extra
    made["requestID"] = f"{rng.getrandbits(64):016X}" if call.label == "s3" else hex_uuid(rng)
    made["eventID"] = hex_uuid(rng)
    made["readOnly"] = call.read
    if call.resources:
        made["resources"] = call.resources
    made["eventType"] = "AwsApiCall"
    if call.version:
        made["apiVersion"] = call.version
    made["managementEvent"] = not call.data
    made["recipientAccountId"] = caller.account
    if caller.endpoint and not call.via:
        made["vpcEndpointId"], made["vpcEndpointAccountId"] = caller.endpoint, caller.account
    made["eventCategory"] = "Data" if call.data else "Management"
    if "/" in agent:
        made["tlsDetails"] = {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": f"{call.label}.{region}.amazonaws.com",
        }
    if "Mozilla" in agent:
        made["sessionCredentialFromConsole"] = "true"
    return {**made, **more} if more else made


def _error(rng: Random, caller: Caller, call: Call) -> tuple[str, str]:
    if rng.random() < DENIED:
        return _denial(rng, caller, call)
    return rng.choice(_OTHER_ERRORS.get(call.label, _OTHER_ERRORS[""]))


def _denial(rng: Random, caller: Caller, call: Call) -> tuple[str, str]:
    """Return an AccessDenied error with a message in AWS's grammar (1.11)."""
    who = caller.identity.get("arn", "")
    on = f" on resource: {call.resources[0]['ARN']}" if call.resources else ""
    said = f"User: {who} is not authorized to perform: {call.action}{on}"
    why = rng.choice(
        (
            f"because no identity-based policy allows the {call.action} action",
            f"because no resource-based policy allows the {call.action} action",
            f"because no permissions boundary allows the {call.action} action",
            "with an explicit deny in a service control policy",
        )
    )
    if call.label == "ec2":
        blob = f"{rng.getrandbits(800):0200x}"
        message = f"You are not authorized to perform this operation. {said} {why}."
        return "Client.UnauthorizedOperation", f"{message} Encoded authorization failure message: {blob}"
    return rng.choice(("AccessDenied", "AccessDenied", "AccessDeniedException")), f"{said} {why}"
