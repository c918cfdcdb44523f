"""Short forms for tests: an event in a line becomes a whole record, a role a snapshot."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from policygen.plan.build import plan_from_analysis
from policygen.report import formats
from policygen.rightsize.analysis import Analysis

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
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

    Keys of the short form: source (label), name, params, resources (ARNs), error, message, time, role, role_id,
    account, session, via, region, type, id, agent, category, vpce, recipient, identity (whole userIdentity), function
    (that the credentials were issued to), presigned, reads, typed (of its
    resources), on (see `spread`).
    """
    role, account = event.get("role", ROLE), event.get("account", ACCOUNT)
    role_id = event.get("role_id", ROLE_ID if role == ROLE else "AROA" + _digest(role + account, 17))
    session = event.get("session", role)
    path = event.get("path", "/")
    identity = event.get("identity") or {
        "type": "AssumedRole",
        "principalId": f"{role_id}:{session}",
        "arn": f"arn:aws:sts::{account}:assumed-role/{role}/{session}",
        "accountId": account,
        "accessKeyId": "ASIA" + _digest(session, 16),
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
        "responseElements": None,
        "requestID": _digest(f"request{number}", 32),
        "eventID": event.get(
            "id", f"{number:08d}-0000-4000-8000-{_digest(json.dumps(event, sort_keys=True), 12)}"
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
    for key, name in _NAMES.items():
        if key in event:
            made[name] = event[key]
    return made


def _text(event: Mapping[str, Any]) -> str:
    return json.dumps(event, sort_keys=True)


def _digest(text: str, length: int) -> str:
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


def snapshot(role: Mapping[str, Any]) -> dict[str, Any]:
    """An account snapshot with one role.

    Keys: name, role_id, policies (list of documents), attached ({arn: document}), boundary (document),
    functions, trails, account, trusting ({name: service principals} of other roles), created (of the role),
    last_accessed ({service: time, or [time, {action: time}]}; null for no attempt), organization.
    """
    account, name = role.get("account", ACCOUNT), role.get("name", ROLE)
    attached = dict(role.get("attached", {}))
    boundary_arn = f"arn:aws:iam::{account}:policy/boundary"
    detail: dict[str, Any] = {
        "Path": "/",
        "RoleName": name,
        "RoleId": role.get("role_id", ROLE_ID),
        "Arn": f"arn:aws:iam::{account}:role/{name}",
        "CreateDate": role.get("created", "2025-01-01T00:00:00Z"),
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []},
        "RolePolicyList": [
            {"PolicyName": f"inline{i}", "PolicyDocument": document}
            for i, document in enumerate(role.get("policies", []))
        ],
        "AttachedManagedPolicies": [
            {"PolicyName": arn.rsplit("/", 1)[-1], "PolicyArn": arn} for arn in attached
        ],
        "InstanceProfileList": [],
        "Tags": [],
    }
    others = [
        detail
        | {
            "RoleName": other,
            "RoleId": _digest(other, 21).upper(),
            "Arn": f"arn:aws:iam::{account}:role/{other}",
            "RolePolicyList": [],
            "AttachedManagedPolicies": [],
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}
                ],
            },
        }
        for other, services in role.get("trusting", {}).items()
    ]
    documents = {arn: document for arn, document in attached.items() if document}
    if "boundary" in role:
        detail["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "Policy",
            "PermissionsBoundaryArn": boundary_arn,
        }
        documents[boundary_arn] = role["boundary"]
    found: dict[str, Any] = {
        "policygen_snapshot": 1,
        "generated_at": "2026-11-24T22:45:00Z",
        "account_id": account,
        "partition": "aws",
        "authorization": {
            "RoleDetailList": [detail, *others],
            "Policies": [
                {
                    "PolicyName": arn.rsplit("/", 1)[-1],
                    "Arn": arn,
                    "PolicyVersionList": [
                        {"VersionId": "v1", "IsDefaultVersion": True, "Document": document}
                    ],
                }
                for arn, document in documents.items()
            ],
            "UserDetailList": [],
            "GroupDetailList": [],
        },
        "errors": [],
    }
    for key in ("functions", "event_source_mappings", "trails", "organization"):
        if key in role:
            found[key] = role[key]
    if "last_accessed" in role:
        found["last_accessed"] = {detail["Arn"]: _report(role["last_accessed"])}
    return found


def _report(services: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of GetServiceLastAccessedDetails with granularity ACTION_LEVEL."""
    rows = []
    for service, said in services.items():
        when, actions = said if isinstance(said, list) else (said, {})
        row: dict[str, Any] = {"ServiceNamespace": service, "ServiceName": service}
        if when:
            row |= {"LastAuthenticated": when, "LastAuthenticatedRegion": "us-east-1"}
        if actions:
            row["TrackedActionsLastAccessed"] = [
                {"ActionName": name} | ({"LastAccessedTime": at} if at else {})
                for name, at in actions.items()
            ]
        rows.append(row)
    return {
        "JobStatus": "COMPLETED",
        "JobCreationDate": "2026-11-03T12:00:00Z",
        "JobCompletionDate": "2026-11-03T12:00:00Z",
        "ServicesLastAccessed": rows,
    }


def _data_selector(kind: str) -> dict[str, Any]:
    return {
        "FieldSelectors": [
            {"Field": "eventCategory", "Equals": ["Data"]},
            {"Field": "resources.type", "Equals": [kind]},
        ]
    }


_ALL_TYPES = (
    "AWS::S3::Object",
    "AWS::DynamoDB::Table",
    "AWS::DynamoDB::Stream",
    "AWS::Lambda::Function",
    "AWS::SQS::Queue",
    "AWS::SNS::Topic",
)


def trail(short: Mapping[str, Any]) -> dict[str, Any]:
    """A trail of the snapshot.

    Keys: name, data (types that are logged whole), on ({type: ARN prefixes}, by basic selectors), logging,
    started and stopped (times of its status), region (it is of this region only), advanced (selectors as they are).
    """
    name = short.get("name", "all")
    selectors: dict[str, Any] = {
        "AdvancedEventSelectors": short.get("advanced")
        or [
            {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]},
            *map(_data_selector, short.get("data", ())),
        ]
    }
    if "on" in short:
        resources = [{"Type": kind, "Values": arns} for kind, arns in short["on"].items()]
        management = {"ReadWriteType": "All", "IncludeManagementEvents": True}
        selectors = {"EventSelectors": [management | {"DataResources": resources}]}
    logging = short.get("logging", True)
    times = {"StartLoggingTime": short.get("started"), "StopLoggingTime": short.get("stopped")}
    return {
        "Trail": {
            "Name": name,
            "TrailARN": f"arn:aws:cloudtrail:{short.get('region', 'us-east-1')}:{ACCOUNT}:trail/{name}",
            "HomeRegion": short.get("region", "us-east-1"),
            "IsMultiRegionTrail": "region" not in short,
            "IncludeGlobalServiceEvents": True,
            "S3BucketName": "logs",
        },
        # None: GetTrailStatus was refused.
        "Status": {"IsLogging": logging} | {k: v for k, v in times.items() if v}
        if logging is not None
        else None,
        **selectors,
    }


ALL_DATA_EVENTS = [trail({"data": _ALL_TYPES})]


def trails_of(short: str | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The trails of a snapshot: "all" data events of the usual types, "management" events only, or short forms."""
    if isinstance(short, str):
        return {"all": ALL_DATA_EVENTS, "management": [trail({"name": "main"})]}[short]
    return [trail(one) for one in short]


def rendered(name: str, analysis: Analysis, **options: bool) -> str:
    """What an analysis looks like in a format."""
    return formats.render(name, plan_from_analysis(analysis), **options)
