"""Write the trail of one role that makes up names by the million: object keys, session names, encryption contexts.

    python -m bench.corpora.names FOLDER KIND [EVENTS]

KIND is one of those below. Each event has a name of its own. It writes FOLDER/AWSLogs and prints the role's ARN. There
are thirty days of one region, in files of five thousand records; the bytes depend on the arguments alone.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

ACCOUNT, REGION, ROLE = "111122223333", "eu-west-1", "tenant-files"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
DAYS, IN_FILE = 30, 5_000
BEGIN = datetime(2026, 10, 1, tzinfo=UTC)

Fields = dict[str, Any]


def word(number: int) -> str:
    """Return a word of letters, another one for each number."""
    letters = ""
    while True:
        number, digit = divmod(number, 20)
        letters = "bcdfghjklmnpqrstvwxz"[digit] + "aeiou"[digit % 5] + letters
        if not number:
            return letters


def _object(key: str) -> Fields:
    bucket = "shop-tenants"
    return {
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "eventCategory": "Data",
        "managementEvent": False,
        "requestParameters": {
            "bucketName": bucket,
            "Host": f"{bucket}.s3.{REGION}.amazonaws.com",
            "key": key,
        },
        "resources": [
            {"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{bucket}/{key}"},
            {"accountId": ACCOUNT, "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}"},
        ],
    }


def _management(source: str, name: str, params: Fields) -> Fields:
    return {"eventSource": f"{source}.amazonaws.com", "eventName": name, "requestParameters": params}


def _session(number: int) -> Fields:
    role = f"arn:aws:iam::{ACCOUNT}:role/tenant-reader"
    return _management("sts", "AssumeRole", {"roleArn": role, "roleSessionName": f"tenant-{word(number)}"})


def _context(number: int) -> Fields:
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1b2c3d4e-0000-4000-8000-1b2c3d4e5f60"
    params = {"keyId": key, "encryptionContext": {"tenant": word(number), "app": "shop"}}
    return _management("kms", "Decrypt", params) | {
        "resources": [{"accountId": ACCOUNT, "type": "AWS::KMS::Key", "ARN": key}]
    }


KINDS: Mapping[str, Callable[[int], Fields]] = {
    "digits": lambda number: _object(f"tenants/{number:08d}.json"),
    "words": lambda number: _object(f"tenants/{word(number)}.json"),
    "folders": lambda number: _object(f"tenants/{word(number)}/profile.json"),
    "numbered-folders": lambda number: _object(f"tenants/t-{number:08d}/profile.json"),
    "sessions": _session,
    "contexts": _context,
    "tables": lambda number: _management("dynamodb", "DescribeTable", {"tableName": f"t-{word(number)}"}),
}
"""What an event is about -> the fields of the event with a number."""


def record(kind: str, number: int, events: int) -> Fields:
    """Return the record with a number, of so many."""
    when = BEGIN + timedelta(seconds=int(DAYS * 86_400 * number / events))
    session = {
        "sessionIssuer": {
            "type": "Role",
            "principalId": "AROAEXAMPLETENANTFILE",
            "arn": ROLE_ARN,
            "accountId": ACCOUNT,
            "userName": ROLE,
        },
        "attributes": {"creationDate": f"{when:%Y-%m-%d}T00:00:00Z", "mfaAuthenticated": "false"},
    }
    return {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAEXAMPLETENANTFILE:tenant-files",
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE}/tenant-files",
            "accountId": ACCOUNT,
            "sessionContext": session,
        },
        "eventTime": f"{when:%Y-%m-%dT%H:%M:%SZ}",
        "awsRegion": REGION,
        "sourceIPAddress": "10.0.3.17",
        "userAgent": "aws-sdk-java/2.25.11 Linux/6.1 exec-env/AWS_ECS_FARGATE",
        "readOnly": True,
        "eventID": f"{number:08x}-0000-4000-8000-{number:012x}",
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
        **KINDS[kind](number),
    }


def write(folder: Path, kind: str, events: int) -> Iterator[Path]:
    """Write the files below a folder, and yield their paths."""
    encode = msgspec.json.Encoder().encode
    for begin in range(0, events, IN_FILE):
        numbers = range(begin, min(begin + IN_FILE, events))
        records = [record(kind, number, events) for number in numbers]
        when = BEGIN + timedelta(seconds=int(DAYS * 86_400 * numbers[-1] / events) + 300)
        place = folder / f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/{when:%Y/%m/%d}"
        place.mkdir(parents=True, exist_ok=True)
        path = place / f"{ACCOUNT}_CloudTrail_{REGION}_{when:%Y%m%dT%H%MZ}_{begin:016d}.json.gz"
        path.write_bytes(gzip.compress(encode({"Records": records}), 6, mtime=0))
        yield path


def main() -> None:
    """Write the corpus that the command line describes."""
    parser = argparse.ArgumentParser(description="Writes a trail of invented names.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("events", type=int, nargs="?", default=500_000)
    options = parser.parse_args()
    for _ in write(options.folder, options.kind, options.events):
        pass
    print(ROLE_ARN)


if __name__ == "__main__":
    main()
