"""Count groups of calls in plain Python, with only gzip and json: ``python reference.py LOGS [ROLE_ARN]``.

It shares no code with policygen, so that the two can check each other. Records with the same eventID count once. Only
calls of roles count. Another account's copy of a call counts if the caller's own record was not delivered.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

IDENTIFYING = """
bucketName key tableName functionName queueUrl topicArn targetGroupArn name path secretId roleArn logGroupName
logStreamName keyId encryptionContext cluster services tasks repositoryName stateMachineArn stackName databaseName
workGroup instancesSet filterSet alarmNamePrefix resourceArn
""".split()
"""The requestParameters that identify what a call touched. All baselines use these, unchanged."""

Role = tuple[str, str]
"""Account and role id."""


@dataclass
class Reduced:
    """Counts of the records that were read."""

    records: int = 0
    roles: Counter[Role] = field(default_factory=Counter)
    groups: dict[tuple[Any, ...], list[Any]] = field(default_factory=dict)
    """Role, source, name, region, error, calling service, day, parameters, ARNs -> count, first and last time."""


def reduce(logs: Path, wanted: str = "") -> Reduced:
    """Count the calls of all roles, or of the role with the ARN `wanted`."""
    counted = Reduced()
    seen: set[str] = set()
    own_shared: set[str] = set()
    foreign: list[dict[str, Any]] = []
    for file in sorted(logs.rglob("*.json.gz")):
        for record in json.loads(gzip.decompress(file.read_bytes()))["Records"]:
            counted.records += 1
            if record["eventID"] in seen:
                continue
            seen.add(record["eventID"])
            if record["eventType"] != "AwsApiCall":
                continue
            who = record["userIdentity"]
            if who.get("type") == "AWSAccount" and who["principalId"].startswith("AROA"):
                foreign.append(record)
            elif who.get("type") == "AssumedRole":
                issuer = who["sessionContext"]["sessionIssuer"]
                if "sharedEventID" in record:
                    own_shared.add(record["sharedEventID"])
                if not wanted or issuer["arn"] == wanted:
                    add(counted, (issuer["accountId"], issuer["principalId"]), record)
    known = set(counted.roles)
    for record in foreign:
        who = record["userIdentity"]
        role = (who["accountId"], who["principalId"].split(":")[0])
        if record["sharedEventID"] not in own_shared and (not wanted or role in known):
            add(counted, role, record)
    return counted


def add(counted: Reduced, role: Role, record: dict[str, Any]) -> None:
    """Add one record of a role."""
    counted.roles[role] += 1
    time = record["eventTime"]
    params = record["requestParameters"] or {}
    key = (
        *role,
        record["eventSource"],
        record["eventName"],
        record["awsRegion"],
        record.get("errorCode", ""),
        record["userIdentity"].get("invokedBy", ""),
        time[:10],
        json.dumps({name: params[name] for name in IDENTIFYING if name in params}),
        arns(record.get("resources") or ()),
    )
    old = counted.groups.get(key)
    if old is None:
        counted.groups[key] = [1, time, time]
    else:
        old[0] += 1
        old[1] = min(old[1], time)
        old[2] = max(old[2], time)


def arns(resources: Iterable[dict[str, str]]) -> tuple[str, ...]:
    """Return the ARNs of a record's resources."""
    return tuple(entry.get("ARN", "") for entry in resources)


def main() -> None:
    """Count the groups and print the totals."""
    counted = reduce(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
    events = counted.roles.total()
    print(json.dumps({"records": counted.records, "events": events, "groups": len(counted.groups)}))


if __name__ == "__main__":
    main()
