"""The samples are what samples/README.md says they are, and samples/make.py makes them again."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from policygen.account.snapshot import load_snapshot
from tests.support import ROOT

SAMPLES = ROOT / "samples"
Record = dict[str, Any]

# What every record has, whatever it records (1.1.4).
MANDATORY = {
    *(
        "eventTime",
        "eventVersion",
        "userIdentity",
        "eventSource",
        "eventName",
        "awsRegion",
        "sourceIPAddress",
    ),
    *("requestParameters", "responseElements", "eventID", "eventType", "eventCategory"),
}


def log_files() -> list[Path]:
    return sorted(path for path in SAMPLES.glob("trail/AWSLogs/*/*/CloudTrail/**/*.json.gz"))


def read(path: Path) -> Any:
    return json.loads(gzip.decompress(path.read_bytes()))


RECORDS: list[Record] = [record for path in log_files() for record in read(path)["Records"]]


def role_id(record: Record) -> str:
    return str(
        record["userIdentity"].get("sessionContext", {}).get("sessionIssuer", {}).get("principalId", "")
    )


def role_name(record: Record) -> str:
    return str(record["userIdentity"].get("sessionContext", {}).get("sessionIssuer", {}).get("userName", ""))


def key(record: Record) -> str:
    return str((record["requestParameters"] or {}).get("key", ""))


def of(role: str, name: str, **fields: str) -> Callable[[Record], bool]:
    """Matches calls of a role; `fields` are top-level fields of the record."""
    return lambda record: (
        role_name(record) == role
        and record["eventName"] == name
        and all(record.get(field) == value for field, value in fields.items())
    )


def generated(target: Path) -> dict[str, bytes]:
    subprocess.run([sys.executable, "-B", SAMPLES / "make.py", target], check=True)
    return tree(target)


def tree(root: Path) -> dict[str, bytes]:
    files = [
        *root.glob("trail/**/*.gz"),
        root / "account.json",
        root / "staging.json",
        *root.glob("api/**/*.*"),
    ]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def test_the_generator_makes_the_committed_files_again(tmp_path: Path) -> None:
    fresh, committed = generated(tmp_path), tree(SAMPLES)
    assert fresh.keys() == committed.keys()
    for path, data in fresh.items():
        same = data == committed[path]
        if "ng" in zlib.ZLIB_RUNTIME_VERSION:  # zlib-ng squeezes the same text into other bytes
            same = gzip.decompress(data) == gzip.decompress(committed[path]) if path.endswith(".gz") else same
        assert same, path


def test_two_runs_give_the_same_bytes_and_the_second_writes_nothing(tmp_path: Path) -> None:
    first = generated(tmp_path / "one")
    assert generated(tmp_path / "two") == first
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "one").rglob("*.gz")}
    generated(tmp_path / "one")
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "one").rglob("*.gz")}


def test_a_damaged_file_is_written_again(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "trail", tmp_path / "trail")
    victim = next(tmp_path.rglob("*_CloudTrail_eu-west-1_20261115T*.json.gz"))
    right = gzip.decompress(victim.read_bytes())
    victim.write_bytes(b"no longer a log")
    generated(tmp_path)
    assert gzip.decompress(victim.read_bytes()) == right


def test_the_samples_are_small() -> None:
    files = tree(SAMPLES)
    assert sum(map(len, files.values())) < 1_600_000
    assert len(files) < 200
    assert 5_500 < len({record["eventID"] for record in RECORDS}) < 9_000


def test_every_record_has_the_mandatory_fields() -> None:
    lacking = {
        record["eventID"]: MANDATORY - record.keys() for record in RECORDS if MANDATORY - record.keys()
    }
    assert not lacking


def test_every_data_event_names_what_it_touched_and_its_account() -> None:
    data = [record for record in RECORDS if record["eventCategory"] == "Data"]
    assert data
    assert all(record["resources"] and record["managementEvent"] is False for record in data)


def test_files_are_named_by_account_region_and_day_of_delivery() -> None:
    for path in log_files():
        account, kind, region, published, suffix = path.name.removesuffix(".json.gz").split("_")
        assert (kind, len(suffix)) == ("CloudTrail", 16)
        assert path.parent.parts[-6:] == (
            account,
            kind,
            region,
            published[:4],
            published[4:6],
            published[6:8],
        )
        records = read(path)["Records"]
        assert {(record["recipientAccountId"], record["awsRegion"]) for record in records} == {
            (account, region)
        }
        assert all(
            record["eventTime"].translate(str.maketrans("", "", "-:")) < published for record in records
        )


def test_the_trail_is_45_days_without_an_empty_day() -> None:
    times = sorted(record["eventTime"] for record in RECORDS)
    assert times[0] >= "2026-10-10T22:40:00Z"
    assert times[-1] < "2026-11-24T22:40:00Z"
    assert len({time[:10] for time in times}) == 46  # parts of two days and 44 whole ones


ONCE, FEW, MANY = range(1, 2), range(1, 6), range(6, 10_000)
# What a reader may trip over: a sentence, how often it is there, and how to see it.
TRAPS: dict[str, tuple[range, Callable[[Record], bool]]] = {
    "a query of an index names it only in the parameters": (
        MANY,
        lambda r: of("orders-api", "Query")(r) and r["requestParameters"].get("indexName") == "by-customer",
    ),
    "a transaction is three actions on two tables": (
        MANY,
        lambda r: (
            of("orders-api", "TransactWriteItems")(r)
            and {item["operation"] for item in r["requestParameters"]["requestItems"]}
            == {"Put", "Update", "ConditionCheck"}
        ),
    ),
    "one batch reads two tables": (
        MANY,
        lambda r: r["eventName"] == "BatchGetItem" and len(r["resources"]) == 2,
    ),
    "a condition that failed was authorised": (
        FEW,
        of("orders-api", "UpdateItem", errorCode="ConditionalCheckFailedException"),
    ),
    "a missing object means that the bucket may be listed": (
        MANY,
        of("orders-api", "GetObject", errorCode="NoSuchKey"),
    ),
    "a version of an object is another action": (
        MANY,
        lambda r: of("orders-api", "GetObject")(r) and "versionId" in r["requestParameters"],
    ),
    "a copy reads its source, named only in a header": (
        MANY,
        lambda r: (
            of("orders-api", "CopyObject")(r) and "/incoming/" in r["requestParameters"]["x-amz-copy-source"]
        ),
    ),
    "a key has a star": (range(2, 99), lambda r: "*" in key(r)),
    "a key has a question mark": (range(2, 99), lambda r: "?" in key(r)),
    "a key looks like a policy variable": (range(2, 99), lambda r: "${aws:username}" in key(r)),
    "keys hold dates": (MANY, lambda r: key(r).startswith("invoices/2026/11/")),
    "S3 calls KMS for the role and hides itself": (
        MANY,
        lambda r: (
            r["userIdentity"].get("invokedBy") == "AWS Internal" and r["eventName"] == "GenerateDataKey"
        ),
    ),
    "S3 calls KMS for the role by its name": (
        MANY,
        lambda r: (
            r["userIdentity"].get("invokedBy") == "s3.amazonaws.com"
            and "aws:s3:arn" in r["requestParameters"].get("encryptionContext", {})
        ),
    ),
    "a secret is read by its ARN": (MANY, of("orders-api", "GetSecretValue")),
    "a parameter has an ARN without a type": (
        MANY,
        lambda r: of("orders-api", "GetParameter")(r) and "type" not in r["resources"][0],
    ),
    "a probe meets an explicit deny": (
        ONCE,
        lambda r: of("orders-api", "DeleteBucket")(r) and "with an explicit deny" in r["errorMessage"],
    ),
    "a probe is not allowed": (
        ONCE,
        lambda r: (
            of("orders-api", "ListUsers", awsRegion="us-east-1")(r)
            and "no identity-based policy" in r["errorMessage"]
        ),
    ),
    "a user agent carries a terminal sequence and markup": (
        FEW,
        lambda r: "\x1b" in r["userAgent"] and "<img" in r["userAgent"],
    ),
    "one call was throttled": (
        ONCE,
        of("orders-api", "GetParameter", errorCode="ThrottlingException"),
    ),
    "one call had an expired token": (
        ONCE,
        of("orders-api", "GetBucketPolicy", errorCode="ExpiredToken"),
    ),
    "the thief lists buckets": (
        ONCE,
        of("orders-api", "ListBuckets", sourceIPAddress="198.51.100.77"),
    ),
    "the thief scans customers": (ONCE, of("orders-api", "Scan", sourceIPAddress="198.51.100.77")),
    "the thief reads the configuration": (
        range(1, 3),
        lambda r: (
            of("orders-api", "GetObject", sourceIPAddress="198.51.100.77")(r) and key(r).startswith("config/")
        ),
    ),
    "the predecessor of stock-sync deletes": (
        MANY,
        lambda r: of("stock-sync", "DeleteItem")(r) and r["eventTime"] < "2026-10-30T09:12:04Z",
    ),
    "stock-sync writes to Kinesis": (MANY, of("stock-sync", "PutRecords", eventCategory="Data")),
    "stock-sync goes through a VPC endpoint": (
        MANY,
        of("stock-sync", "Scan", vpcEndpointId="vpce-0a1b2c3d4e5f60718"),
    ),
    "staging has a stock-sync too": (FEW, of("stock-sync", "Scan", recipientAccountId="444455556666")),
    "reports are made on the first of the month": (
        range(3, 4),
        lambda r: of("report-monthly", "StartQueryExecution")(r) and r["eventTime"][8:10] == "01",
    ),
    "Athena asks Glue with the role's permissions": (
        FEW,
        lambda r: (
            of("report-monthly", "GetTable")(r) and r["userIdentity"]["invokedBy"] == "athena.amazonaws.com"
        ),
    ),
    "a mail is a data event": (ONCE, of("report-monthly", "SendEmail", eventCategory="Data")),
    "a service without resource types": (MANY, of("image-resizer", "DetectLabels")),
    "a function invokes another": (MANY, of("image-resizer", "Invoke", eventCategory="Data")),
    "two functions share a role": (
        MANY,
        lambda r: (
            role_name(r) == "image-resizer"
            and r["userIdentity"]
            .get("inScopeOf", {})
            .get("credentialsIssuedTo", "")
            .endswith(":thumbnail-index")
        ),
    ),
    "a bucket policy allows what no identity policy does": (
        MANY,
        lambda r: (
            of("image-resizer", "GetObject")(r)
            and r["requestParameters"]["bucketName"] == "shop-partner-drop"
        ),
    ),
    "the pipeline signs in by GitHub": (MANY, lambda r: r["userIdentity"].get("type") == "WebIdentityUser"),
    "a function is made with a role that must be passed": (
        ONCE,
        lambda r: (
            of("deploy-ci", "CreateFunction20150331")(r)
            and r["requestParameters"]["role"].endswith(":role/image-resizer")
        ),
    ),
    "CloudFormation calls for the pipeline": (
        FEW,
        lambda r: (
            role_name(r) == "deploy-ci"
            and r["userIdentity"].get("invokedBy") == "cloudformation.amazonaws.com"
        ),
    ),
    "an action of API Gateway is an HTTP verb": (MANY, of("deploy-ci", "PutMethod")),
    "a global service is logged in us-east-1": (
        MANY,
        of("deploy-ci", "CreateInvalidation", awsRegion="us-east-1"),
    ),
    "a user has the name of a role": (
        MANY,
        lambda r: (
            r["userIdentity"].get("type") == "IAMUser" and r["userIdentity"]["userName"] == "orders-api"
        ),
    ),
    "Lambda assumes the roles": (
        MANY,
        lambda r: (
            r["userIdentity"].get("invokedBy") == "lambda.amazonaws.com" and r["eventName"] == "AssumeRole"
        ),
    ),
    "a service event has an identity without a type": (
        FEW,
        lambda r: r["eventType"] == "AwsServiceEvent" and "type" not in r["userIdentity"],
    ),
    "somebody signs in to the console": (ONCE, lambda r: r["eventType"] == "AwsConsoleSignIn"),
    "a service-linked role calls": (MANY, lambda r: role_name(r).startswith("AWSServiceRoleFor")),
    "an instance calls with its role": (
        MANY,
        lambda r: r["userIdentity"].get("sessionContext", {}).get("ec2RoleDelivery") == "2.0",
    ),
    "a record was delivered late": (ONCE, lambda r: "addendum" in r),
    "older sessions do not say their function": (
        MANY,
        lambda r: of("orders-api", "PutItem")(r) and "inScopeOf" not in r["userIdentity"],
    ),
    "newer sessions say their function": (
        MANY,
        lambda r: of("orders-api", "PutItem")(r) and "inScopeOf" in r["userIdentity"],
    ),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_trap(trap: str) -> None:
    times, there = TRAPS[trap]
    unique = {record["eventID"]: record for record in RECORDS}
    assert sum(map(there, unique.values())) in times


def test_versions_of_records_are_mixed_within_a_file() -> None:
    assert {record["eventVersion"] for record in RECORDS} == {"1.08", "1.10", "1.11"}
    assert any(len({record["eventVersion"] for record in read(path)["Records"]}) == 3 for path in log_files())


def test_records_of_a_file_are_not_sorted_by_time() -> None:
    times = [[record["eventTime"] for record in read(path)["Records"]] for path in log_files()]
    assert any(file != sorted(file) for file in times)


def test_some_files_were_delivered_twice() -> None:
    contents = Counter(gzip.decompress(path.read_bytes()) for path in log_files())
    assert sorted(contents.values())[-3:] == [1, 2, 2]
    copies = Counter(record["eventID"] for record in RECORDS)
    assert set(copies.values()) == {1, 2}


def test_a_session_in_another_account_is_two_records_with_one_shared_id() -> None:
    copies: dict[str, list[Record]] = {}
    for record in RECORDS:
        if record["eventName"] == "AssumeRole" and record["userIdentity"]["type"] != "AWSService":
            copies.setdefault(record["sharedEventID"], []).append(record)
    assert len(copies) == 5
    for pair in copies.values():
        caller, target = sorted(pair, key=lambda record: record["recipientAccountId"])
        assert (caller["userIdentity"]["type"], target["userIdentity"]["type"]) == (
            "AssumedRole",
            "AWSAccount",
        )
        assert caller["userIdentity"]["principalId"] == target["userIdentity"]["principalId"]
        assert caller["eventID"] != target["eventID"]


def test_the_name_stock_sync_has_had_three_roles() -> None:
    ids = {role_id(record) for record in RECORDS if role_name(record) == "stock-sync"}
    assert len(ids) == 3
    account = load_snapshot(SAMPLES / "account.json")
    (today,) = [role for role in account.roles if role.name == "stock-sync"]
    assert today.key.role_id in ids
    assert today.create_date == "2026-10-30T09:12:04Z"


def test_legacy_export_was_denied_everything() -> None:
    outcomes = {record.get("errorCode") for record in RECORDS if role_name(record) == "legacy-export"}
    assert outcomes == {"AccessDenied"}


def test_audit_reader_is_in_the_account_and_not_in_the_log() -> None:
    account = load_snapshot(SAMPLES / "account.json")
    assert "audit-reader" in {role.name for role in account.roles}
    assert "audit-reader" not in {role_name(record) for record in RECORDS}


def test_what_is_off_in_the_trail_is_not_in_the_log() -> None:
    sources = {record["eventSource"] for record in RECORDS}
    assert not sources & {"sqs.amazonaws.com", "sns.amazonaws.com", "xray.amazonaws.com"}


def test_the_digest_vouches_for_the_last_file() -> None:
    (digest,) = SAMPLES.glob("trail/**/CloudTrail-Digest/**/*.json.gz")
    (entry,) = read(digest)["logFiles"]
    text = gzip.decompress((SAMPLES / "trail" / entry["s3Object"]).read_bytes())
    assert hashlib.sha256(text).hexdigest() == entry["hashValue"]


def test_the_insight_is_no_call() -> None:
    (path,) = SAMPLES.glob("trail/**/CloudTrail-Insight/**/*.json.gz")
    (record,) = read(path)["Records"]
    assert record["eventCategory"] == "Insight"
    assert "userIdentity" not in record


def test_the_snapshot_is_an_account_with_all_that_the_story_needs() -> None:
    account = load_snapshot(SAMPLES / "account.json")
    roles = {role.name: role for role in account.roles}
    assert account.account_id == "111122223333"
    assert not account.errors
    assert not any(role.missing for role in roles.values())
    assert roles["report-monthly"].boundary is not None
    assert roles["orders-api"].key.arn == "arn:aws:iam::111122223333:role/service-role/orders-api"
    functions = {function.name: function for function in account.functions or ()}
    assert functions["orders-api"].tracing
    assert functions["stock-sync"].vpc
    assert functions["image-resizer"].role_arn == functions["thumbnail-index"].role_arn
    assert len(account.mappings or ()) == 1
    assert [one.on_failure.rpartition(":")[2] for one in account.invoke_configs or ()] == [
        "stock-sync-failures"
    ]
    assert [len(trail.advanced or ()) for trail in account.trails or ()] == [6]


def test_iam_knows_of_services_that_the_trail_does_not_show() -> None:
    account = load_snapshot(SAMPLES / "account.json")
    (orders,) = [role for role in account.roles if role.name == "orders-api"]
    report = account.last_accessed_of(orders)
    assert report is not None
    seen = set()
    for path in SAMPLES.glob("trail/**/CloudTrail/**/*.json.gz"):
        for record in read(path)["Records"]:
            issuer = record.get("userIdentity", {}).get("sessionContext", {}).get("sessionIssuer", {})
            if issuer.get("principalId") == orders.key.role_id:
                service = record["eventSource"].partition(".")[0]
                seen.add(service)
                # What the trail has, IAM has: nothing is used before it was seen in the log.
                assert report.services[service].last >= record["eventTime"], service
    used = {service for service, use in report.services.items() if use.last >= "2026-10-26"}
    assert used - seen == {"sns", "sqs", "xray"}
    assert {service for service, use in report.services.items() if "" < use.last < "2026-10-26"} == {
        "cloudwatch"
    }
    assert (report.services["iam"].actions or {})["ListUsers"]


def test_the_organisation_limits_production_at_three_levels() -> None:
    account = load_snapshot(SAMPLES / "account.json")
    assert account.management is False
    assert [len(level) for level in account.scps or ()] == [1, 2, 1]
    assert [len(level) for level in account.rcps or ()] == [1, 1, 1]


def test_todays_statements_have_a_condition_a_deny_and_a_not_action() -> None:
    content = json.loads((SAMPLES / "account.json").read_text("utf-8"))["authorization"]
    details = {detail["RoleName"]: detail for detail in content["RoleDetailList"]}
    inline = details["orders-api"]["RolePolicyList"][0]["PolicyDocument"]["Statement"]
    assert [statement["Action"] for statement in inline if statement["Effect"] == "Deny"] == [
        "s3:DeleteBucket"
    ]
    assert [statement["Action"] for statement in inline if "Condition" in statement] == ["ssm:Get*"]
    policies = {
        policy["PolicyName"]: policy["PolicyVersionList"][0]["Document"] for policy in content["Policies"]
    }
    attached = [entry["PolicyName"] for entry in details["deploy-ci"]["AttachedManagedPolicies"]]
    assert [
        any("NotAction" in statement for statement in policies[name]["Statement"]) for name in attached
    ] == [True]
