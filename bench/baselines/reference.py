"""The reduction in the plainest Python: ``python reference.py LOGS [ROLE_ARN]``, with gzip and json alone.

It shares no code with policygen, so that the two can be held against each other. A record counts once by its
eventID; only what a role did counts; another account's copy counts where the caller's own record was not delivered.
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
"""The requestParameters that say what a call touched; every pass takes them as they are."""

Role = tuple[str, str]
"""Account and role id."""


@dataclass
class Reduced:
    """What was read, added up."""

    records: int = 0
    roles: Counter[Role] = field(default_factory=Counter)
    groups: dict[tuple[Any, ...], list[Any]] = field(default_factory=dict)
    """Role, source, name, region, error, service between, day, parameters, ARNs -> count, first, last."""


def reduce(logs: Path, wanted: str = "") -> Reduced:
    """Adds up what all roles did, or the one whose ARN is `wanted`."""
    made = Reduced()
    seen: set[str] = set()
    own_shared: set[str] = set()
    foreign: list[dict[str, Any]] = []
    for file in sorted(logs.rglob("*.json.gz")):
        for record in json.loads(gzip.decompress(file.read_bytes()))["Records"]:
            made.records += 1
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
                    add(made, (issuer["accountId"], issuer["principalId"]), record)
    known = set(made.roles)
    for record in foreign:
        who = record["userIdentity"]
        role = (who["accountId"], who["principalId"].split(":")[0])
        if record["sharedEventID"] not in own_shared and (not wanted or role in known):
            add(made, role, record)
    return made


def add(made: Reduced, role: Role, record: dict[str, Any]) -> None:
    """Adds one record of a role."""
    made.roles[role] += 1
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
    old = made.groups.get(key)
    if old is None:
        made.groups[key] = [1, time, time]
    else:
        old[0] += 1
        old[1] = min(old[1], time)
        old[2] = max(old[2], time)


def arns(resources: Iterable[dict[str, str]]) -> tuple[str, ...]:
    """The ARNs of a record's resources."""
    return tuple(one.get("ARN", "") for one in resources)


def main() -> None:
    """Reduces, and prints what there was."""
    made = reduce(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
    events = made.roles.total()
    print(json.dumps({"records": made.records, "events": events, "groups": len(made.groups)}))


if __name__ == "__main__":
    main()
