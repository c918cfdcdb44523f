"""Short forms of events: one line becomes a whole CloudTrail record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

ACCOUNT = "123456789012"
ROLE = "orders"
ROLE_ID = "AROA00000000000000001"

_NAMES = {
    "error": "errorCode",
    "message": "errorMessage",
    "vpce": "vpcEndpointId",
    "shared": "sharedEventID",
}
_DATA = {"dynamodb", "s3", "lambda", "sqs", "sns"}


def record(event: Mapping[str, Any], number: int = 0) -> dict[str, Any]:
    """A CloudTrail record from a short form.

    Keys of the short form: source (label), name, params, response, resources (ARNs), error, message, time, role,
    role_id, account, session, via, region, type, id, agent, category, vpce, recipient, identity (whole userIdentity),
    function (that the credentials were issued to), presigned, console, reads, typed (of its resources), on (see
    `spread`).
    """
    role, account = event.get("role", ROLE), event.get("account", ACCOUNT)
    role_id = event.get("role_id", ROLE_ID if role == ROLE else "AROA" + digest(role + account, 17))
    session = event.get("session", role)
    path = event.get("path", "/")
    identity = event.get("identity") or {
        "type": "AssumedRole",
        "principalId": f"{role_id}:{session}",
        "arn": f"arn:aws:sts::{account}:assumed-role/{role}/{session}",
        "accountId": account,
        "accessKeyId": "ASIA" + digest(session, 16),
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": role_id,
                "arn": f"arn:aws:iam::{account}:role{path}{role}",
                "accountId": account,
                "userName": role,
            },
            "webIdFederationData": {},
            "attributes": {"creationDate": "2026-11-03T08:00:00Z", "mfaAuthenticated": "false"},
        },
    }
    if "function" in event:
        issued = f"arn:aws:lambda:us-east-1:{account}:function:{event['function']}"
        scope = {"issuerType": "AWS::Lambda::Function", "credentialsIssuedTo": issued}
        identity = {**identity, "inScopeOf": scope}
    if "via" in event:
        identity = {**identity, "invokedBy": event["via"]}
    data = event["source"] in _DATA
    made: dict[str, Any] = {
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": event.get("time", f"2026-11-03T08:{number // 60 % 60:02}:{number % 60:02}Z"),
        "eventSource": f"{event['source']}.amazonaws.com",
        "eventName": event["name"],
        "awsRegion": event.get("region", "us-east-1"),
        "sourceIPAddress": event.get("via", event.get("address", "203.0.113.10")),
        "userAgent": event.get("agent", "Boto3/1.40.0 exec-env/AWS_Lambda_python3.13"),
        "requestParameters": event.get("params"),
        "responseElements": event.get("response"),
        "requestID": digest(f"request{number}", 32),
        "eventID": event.get(
            "id", f"{number:08d}-0000-4000-8000-{digest(json.dumps(event, sort_keys=True), 12)}"
        ),
        "readOnly": event.get("reads", False),
        "eventType": event.get("type", "AwsApiCall"),
        "managementEvent": not data,
        "recipientAccountId": event.get("recipient", account),
        "eventCategory": event.get("category", "Data" if data else "Management"),
    }
    if event.get("presigned"):
        made["additionalEventData"] = {"AuthenticationMethod": "QueryString", "SignatureVersion": "SigV4"}
    if "resources" in event:
        made["resources"] = [
            {"ARN": arn, "accountId": account, "type": event.get("typed", "")} for arn in event["resources"]
        ]
    if event.get("console"):
        made["sessionCredentialFromConsole"] = "true"
    for key, name in _NAMES.items():
        if key in event:
            made[name] = event[key]
    return made


def _text(event: Mapping[str, Any]) -> str:
    return json.dumps(event, sort_keys=True)


def digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length].upper()


def spread(events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Events with ``on: [first day, last day, times a day]`` as one event each; the others as they are."""
    found: list[Mapping[str, Any]] = []
    for event in events:
        if "on" not in event:
            found.append(event)
            continue
        first, last, times = event["on"]
        start, plain = date.fromisoformat(first), {key: value for key, value in event.items() if key != "on"}
        for day in range((date.fromisoformat(last) - start).days + 1):
            moment = (start + timedelta(days=day)).isoformat()
            found += [plain | {"time": f"{moment}T09:{minute:02}:00Z"} for minute in range(times)]
    return found


def crowd(events: Sequence[Mapping[str, Any]], days: int = 30) -> list[Mapping[str, Any]]:
    """The events, and on every day of their window those of somebody else: what a whole trail would hold as well."""
    times = [record(event, i)["eventTime"] for i, event in enumerate(spread(events))]
    last = date.fromisoformat(max(times)[:10])
    others = []
    for day in ((last - timedelta(days=n)).isoformat() for n in range(days)):
        for i, (source, name, reads) in enumerate(_CROWD):
            data = source in _DATA
            others.append(
                {
                    "source": source,
                    "name": name,
                    "role": "crowd",
                    "time": f"{day}T00:00:0{i}Z",
                    "reads": reads,
                    **({"typed": "AWS::S3::Object", "resources": ["arn:aws:s3:::crowd/a"]} if data else {}),
                }
            )
    return [*events, *others]


_CROWD = [("ec2", "DescribeInstances", True), ("ec2", "StopInstances", False), ("s3", "GetObject", True)]


def write_logs(folder: Path, events: Sequence[Mapping[str, Any]], name: str = "log.json") -> Path:
    """A log file with the records of short forms."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(json.dumps({"Records": [record(event, i) for i, event in enumerate(spread(events))]}))
    return path
