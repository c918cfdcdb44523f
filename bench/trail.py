"""A deterministic trail of any size: many roles, many services, realistic records, files of uneven length.

    python bench/trail.py FOLDER [EVENTS]

The hot role, `checkout`, makes a quarter of all events; object keys and item keys differ from call to call, as
they do in life, so that most of its S3 calls are distinct.
"""

from __future__ import annotations

import gzip
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

ACCOUNT = "111122223333"
REGION = "eu-west-1"
HOT = "checkout"
END = datetime(2026, 11, 24, 23, 59, tzinfo=UTC)
DAYS = 30
AGENT = "Boto3/1.40.0 md/Botocore#1.40.0 ua/2.1 os/linux#5.10 lang/python#3.13 exec-env/AWS_Lambda_python3.13"


def _params(random: Random, kind: str) -> tuple[str, str, dict[str, Any], list[dict[str, str]]]:
    number = random.randrange(10**9)
    day = (END - timedelta(days=random.randrange(DAYS))).date()
    if kind == "s3":
        bucket = f"shop-data-{random.randrange(6)}"
        key = f"invoices/{day:%Y/%m/%d}/inv-{number:09d}.pdf"
        name = random.choice(["GetObject", "GetObject", "PutObject"])
        params = {"bucketName": bucket, "Host": f"{bucket}.s3.{REGION}.amazonaws.com", "key": key}
        owner = {"accountId": ACCOUNT, "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}"}
        return "s3", name, params, [{"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{bucket}/{key}"}, owner]
    if kind == "dynamodb":
        table = f"table-{random.randrange(12)}"
        name = random.choice(["GetItem", "PutItem", "UpdateItem", "Query"])
        arn = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}"
        return (
            "dynamodb",
            name,
            {"tableName": table, "key": {"id": str(number)}},
            [{"accountId": ACCOUNT, "type": "AWS::DynamoDB::Table", "ARN": arn}],
        )
    if kind == "kms":
        arn = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{random.randrange(4):08x}-0000-4000-8000-000000000000"
        context = {"aws:s3:arn": f"arn:aws:s3:::shop-data-1/{number}"}
        return (
            "kms",
            "Decrypt",
            {"encryptionAlgorithm": "SYMMETRIC_DEFAULT", "encryptionContext": context},
            [{"accountId": ACCOUNT, "type": "AWS::KMS::Key", "ARN": arn}],
        )
    if kind == "ssm":
        return "ssm", "GetParameter", {"name": f"/shop/{random.randrange(40)}", "withDecryption": True}, []
    if kind == "sts":
        arn = f"arn:aws:iam::{ACCOUNT}:role/job-{random.randrange(20)}"
        return (
            "sts",
            "AssumeRole",
            {"roleArn": arn, "roleSessionName": "s"},
            [{"ARN": arn, "type": "AWS::IAM::Role"}],
        )
    name = random.choice(["DescribeInstances", "DescribeSubnets", "DescribeVolumes"])
    return (
        "ec2",
        name,
        {"filterSet": {"items": [{"name": "vpc-id", "valueSet": {"items": [{"value": "vpc-1"}]}}]}},
        [],
    )


def record(random: Random, number: int, total: int, roles: list[str]) -> dict[str, Any]:
    """One record; the whole trail is spread evenly over the days."""
    role = HOT if random.random() < 0.25 else random.choice(roles)
    role_id = f"AROA{abs(hash_text(role)):017d}"[:21]
    source, name, params, resources = _params(
        random, random.choices(["s3", "dynamodb", "kms", "ssm", "sts", "ec2"], [30, 30, 15, 8, 5, 12])[0]
    )
    time = END - timedelta(days=DAYS) + timedelta(seconds=DAYS * 86400 * number / total)
    made: dict[str, Any] = {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": f"{role_id}:{role}",
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{role}",
            "accountId": ACCOUNT,
            "accessKeyId": f"ASIA{random.randrange(10**15):016d}",
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": role_id,
                    "arn": f"arn:aws:iam::{ACCOUNT}:role/service-role/{role}",
                    "accountId": ACCOUNT,
                    "userName": role,
                },
                "attributes": {"creationDate": f"{time:%Y-%m-%dT%H:00:00Z}", "mfaAuthenticated": "false"},
            },
            "inScopeOf": {
                "issuerType": "AWS::Lambda::Function",
                "credentialsIssuedTo": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{role}",
            },
        },
        "eventTime": f"{time:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": f"{source}.amazonaws.com",
        "eventName": name,
        "awsRegion": REGION,
        "sourceIPAddress": f"10.0.{random.randrange(256)}.{random.randrange(256)}",
        "userAgent": AGENT,
        "requestParameters": params,
        "responseElements": None,
        "additionalEventData": {"SignatureVersion": "SigV4", "CipherSuite": "TLS_AES_128_GCM_SHA256"},
        "requestID": f"{random.getrandbits(128):032x}",
        "eventID": f"{random.getrandbits(64):016x}-{number:012x}",
        "readOnly": True,
        "resources": resources,
        "eventType": "AwsApiCall",
        "managementEvent": source not in {"s3", "dynamodb"},
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Data" if source in {"s3", "dynamodb"} else "Management",
        "tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256"},
    }
    if random.random() < 0.03:
        made["errorCode"], made["errorMessage"] = "AccessDenied", "User is not authorized"
    return made


def hash_text(text: str) -> int:
    """A number for a name, the same in every process."""
    return int.from_bytes(text.encode()[:8].ljust(8, b"\0"), "big")


def write(folder: Path, events: int) -> None:
    """Writes the trail; files hold 10 to 1,000 records."""
    random = Random(20261124)
    roles = [f"fn-{i:03d}" for i in range(200)]
    number = 0
    while number < events:
        size = min(events - number, random.choice([10, 60, 150, 300, 600, 1000]))
        records = [record(random, number + i, events, roles) for i in range(size)]
        day = records[0]["eventTime"][:10].replace("-", "/")
        place = folder / "AWSLogs" / ACCOUNT / "CloudTrail" / REGION / day
        place.mkdir(parents=True, exist_ok=True)
        data = json.dumps({"Records": records}, separators=(",", ":")).encode()
        name = f"{ACCOUNT}_CloudTrail_{REGION}_{day.replace('/', '')}T0000Z_{number:016d}.json.gz"
        (place / name).write_bytes(gzip.compress(data, 6, mtime=0))
        number += size


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200_000)
