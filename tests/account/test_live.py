"""A suggestion against a role as AWS has it, with moto in the place of AWS."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from moto import mock_aws
from moto.cloudtrail.models import cloudtrail_backends
from typer.testing import CliRunner

from policygen.account.live import read_role
from policygen.account.snapshot import load_snapshot
from policygen.cli.app import program
from policygen.rightsize.analysis import analyse
from tests.support.aws_stubs import client_error
from tests.support.records import crowd, record, write_logs

ACCOUNT = "123456789012"
TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/carts"


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield boto3.Session()


def test_the_role_of_the_account_bounds_the_suggestion(session: boto3.Session, tmp_path: Path) -> None:
    iam = session.client("iam")
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = iam.create_role(RoleName="orders", AssumeRolePolicyDocument=trust, Path="/service-role/")["Role"]
    allow = {"Effect": "Allow", "Action": ["dynamodb:GetItem", "iam:ListUsers"], "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_role_policy(RoleName="orders", PolicyName="wide", PolicyDocument=document)
    event = {
        "source": "dynamodb",
        "name": "GetItem",
        "params": {"tableName": "carts"},
        "resources": [TABLE],
        "role_id": role["RoleId"],
        "path": "/service-role/",
    }
    logs = write_logs(tmp_path, crowd([event, event | {"name": "PutItem"}]))
    made = analyse([logs], "orders", account=read_role("orders", session)).suggestion
    # The account has no trail: nothing that is not in the logs is known to be unused.
    assert {(g.action, g.resource) for g in made.grants} == {
        ("dynamodb:GetItem", "*"),
        ("iam:ListUsers", "*"),
    }
    assert [one.request.action for one in made.missing] == ["dynamodb:PutItem"]
    assert [c.action for c in made.changes if c.kind == "removed"] == []
    assert made.role.arn == role["Arn"]


# --- the command line ----------------------------------------------------------------------------

MADE = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
REPORT = [
    {"ServiceName": "DynamoDB", "ServiceNamespace": "dynamodb", "LastAuthenticated": MADE},
    {"ServiceName": "IAM", "ServiceNamespace": "iam", "LastAuthenticated": datetime(2026, 11, 2, tzinfo=UTC)},
    {"ServiceName": "SQS", "ServiceNamespace": "sqs"},
]


@pytest.fixture
def asked(session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operations asked of AWS; IAM's last-accessed reports, which moto does not have, are answered here."""
    whole, names = BaseClient._make_api_call, []  # type: ignore[attr-defined]

    def answer(client: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
        names.append(f"{client.meta.service_model.service_name}:{operation}")
        if operation == "GenerateServiceLastAccessedDetails":
            return {"JobId": arguments["Arn"]}
        if operation == "GetServiceLastAccessedDetails":
            dates = {"JobCreationDate": MADE, "JobCompletionDate": MADE}
            return {"JobStatus": "COMPLETED", "ServicesLastAccessed": REPORT, "IsTruncated": False} | dates
        return whole(client, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", answer)
    return names


def an_account(session: boto3.Session) -> str:
    """A role with an inline and a managed policy, and a trail; gives the role's id."""
    iam = session.client("iam")
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = iam.create_role(RoleName="orders", AssumeRolePolicyDocument=trust)["Role"]

    def allow(*actions: str) -> str:
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    iam.put_role_policy(
        RoleName="orders",
        PolicyName="wide",
        PolicyDocument=allow("dynamodb:GetItem", "iam:ListUsers", "ec2:DescribeInstances"),
    )
    managed = iam.create_policy(PolicyName="queues", PolicyDocument=allow("sqs:SendMessage"))["Policy"]
    iam.attach_role_policy(RoleName="orders", PolicyArn=managed["Arn"])
    session.client("s3").create_bucket(Bucket="acme-trail")
    session.client("cloudtrail").create_trail(Name="main", S3BucketName="acme-trail", IsMultiRegionTrail=True)
    session.client("cloudtrail").start_logging(Name="main")
    return str(role["RoleId"])


def logging_since(session: boto3.Session, name: str, day: datetime) -> None:
    """Let a trail of the mock log management events, as AWS's do, since a day; it knows none but the clock's."""
    session.client("cloudtrail").put_event_selectors(
        TrailName=name, EventSelectors=[{"ReadWriteType": "All", "IncludeManagementEvents": True}]
    )
    cloudtrail_backends[ACCOUNT]["us-east-1"].trails[name].status.started = day


def policygen(*args: str | Path) -> str:
    """What a command prints on stdout; nothing on stderr, exit 0."""
    done = CliRunner().invoke(program(), [*map(str, args), "-q"], catch_exceptions=False)
    assert (done.stderr, done.exit_code) == ("", 0)
    return done.stdout


def logs_of(role_id: str, folder: Path) -> Path:
    event = {"source": "dynamodb", "name": "GetItem", "params": {"tableName": "carts"}, "resources": [TABLE]}
    return write_logs(folder, crowd([event | {"role_id": role_id}]))


READS = ("Get", "List", "Describe", "Generate")


def test_suggest_live_asks_iam_what_was_used_last_and_only_reads(
    session: boto3.Session, asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    logs = logs_of(an_account(session), tmp_path)
    logging_since(session, "main", datetime(2026, 9, 1, tzinfo=UTC))
    asked.clear()
    made = json.loads(
        policygen("suggest", "-r", "orders", "-l", logs, "--live", "--no-inventory", "-f", "json")
    )
    changes = {one["action"]: (one["kind"], one["why"]) for one in made["changes"]}
    assert changes["iam:ListUsers"] == (
        "unknown",
        "IAM saw an attempt at iam on 2026-11-02, and no event of it was read",
    )
    assert changes["ec2:DescribeInstances"] == ("removed", "visible, 0 calls")
    # The role was made after the window: that IAM saw no attempt says nothing of it.
    assert changes["sqs:SendMessage"][0] == "unknown"
    assert "iam:GetServiceLastAccessedDetails" in asked
    assert [one for one in asked if not one.split(":")[1].startswith(READS)] == []


def a_function_that_polls(session: boto3.Session) -> None:
    """What decides the policy beside the role: its function, a queue that Lambda polls for it, data events."""
    role = session.client("iam").get_role(RoleName="orders")["Role"]["Arn"]
    session.client("sqs").create_queue(QueueName="orders")
    session.client("lambda").create_function(
        FunctionName="orders", Runtime="python3.12", Role=role, Handler="a.b", Code={"ZipFile": b"x"}
    )
    session.client("lambda").create_event_source_mapping(
        EventSourceArn=f"arn:aws:sqs:us-east-1:{ACCOUNT}:orders", FunctionName="orders"
    )
    tables = [{"Type": "AWS::DynamoDB::Table", "Values": ["arn:aws:dynamodb"]}]
    session.client("cloudtrail").put_event_selectors(
        TrailName="main",
        EventSelectors=[
            {"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": tables},
        ],
    )
    document = {"Effect": "Allow", "Action": ["sqs:*", "logs:*"], "Resource": "*"}
    session.client("iam").put_role_policy(
        RoleName="orders",
        PolicyName="platform",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [document]}),
    )


@pytest.mark.parametrize("refused", [False, True], ids=["", "where the account is not shown"])
def test_live_reading_gives_the_policy_that_a_snapshot_gives(
    session: boto3.Session,
    asked: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    refused: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    logs = logs_of(an_account(session), tmp_path)
    a_function_that_polls(session)
    policygen("snapshot", "--no-inventory", "--region", "us-east-1")
    command = ("suggest", "-r", "orders", "-l", logs, "--no-plan", "-f", "policy")
    known = policygen(*command, "-s", "account.json")
    if refused:
        whole = BaseClient._make_api_call  # type: ignore[attr-defined]

        def refuse(client: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
            if operation == "GetAccountAuthorizationDetails":
                raise client_error("AccessDenied", "no", operation)
            return whole(client, operation, arguments)

        monkeypatch.setattr(BaseClient, "_make_api_call", refuse)
    assert policygen(*command, "--live", "--no-inventory") == known
    actions = {name for one in json.loads(known)["Statement"] for name in one["Action"]}
    # What only the function and what polls for it tell.
    assert actions >= {"sqs:ReceiveMessage", "sqs:DeleteMessage", "logs:PutLogEvents"}


def test_batch_live_reads_the_account_at_once_and_only_reads(
    session: boto3.Session, asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    logs = logs_of(an_account(session), tmp_path)
    asked.clear()
    screen = policygen("batch", "-l", logs, "--live", "--no-inventory", "--out", tmp_path / "out", "-j", "1")
    assert "1 role · 30 days" in screen
    plan = json.loads((tmp_path / "out" / "plans" / "orders.json").read_text("utf-8"))
    assert {one["action"] for one in plan["changes"]} >= {"dynamodb:GetItem", "ec2:DescribeInstances"}
    assert plan["coverage"]["trails"] == ["main"]
    assert asked.count("iam:GetAccountAuthorizationDetails") >= 1
    assert asked.count("iam:GenerateServiceLastAccessedDetails") == 1
    assert [one for one in asked if not one.split(":")[1].startswith(READS)] == []


def test_batch_live_asks_for_the_reports_of_the_roles_that_are_selected(
    session: boto3.Session, asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    logs = logs_of(an_account(session), tmp_path)
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    for name in ("billing", "crawler"):
        session.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    command = ("batch", "-l", logs, "--live", "--no-inventory", "--out", tmp_path / "out", "-j", "1")
    for options, reports in ((("--name", "orders"), 1), ((), 3), (("--no-last-accessed",), 0)):
        asked.clear()
        policygen(*command, *options)
        assert asked.count("iam:GenerateServiceLastAccessedDetails") == reports


def test_a_snapshot_with_everything_bounds_a_suggestion_without_aws(
    session: boto3.Session, asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    logs = logs_of(an_account(session), tmp_path)
    session.client("organizations").create_organization(FeatureSet="ALL")
    asked.clear()
    policygen("snapshot", "--no-inventory", "--organization", "--region", "us-east-1")
    assert [one for one in asked if not one.split(":")[1].startswith(READS)] == []
    account = load_snapshot("account.json")
    role = account.role("orders")
    last = account.last_accessed_of(role)
    assert last is not None
    assert {name: use.last[:10] for name, use in last.services.items()} == {
        "dynamodb": "2026-11-03",
        "iam": "2026-11-02",
        "sqs": "",
    }
    assert account.scps_of(role) == ()  # the account manages its organisation: nothing limits it
    asked.clear()
    made = json.loads(policygen("suggest", "-r", "orders", "-l", logs, "-s", "account.json", "-f", "json"))
    assert asked == []
    kinds = {one["action"]: one["kind"] for one in made["changes"]}
    del kinds["ec2:DescribeInstances"]  # the trail began today by the clock, before the window or after it
    # The trail logs no data events: of other tables than the one that was read nothing is known.
    assert kinds == {"dynamodb:GetItem": "unknown", "iam:ListUsers": "unknown", "sqs:SendMessage": "unknown"}


def deliver(session: boto3.Session, bucket: str, records: list[dict[str, Any]]) -> None:
    """Puts records where a trail puts them, a file for each day."""
    s3 = session.client("s3")
    by_day: dict[str, list[dict[str, Any]]] = {}
    for one in records:
        by_day.setdefault(one["eventTime"][:10], []).append(one)
    for day, members in by_day.items():
        stamp = day.replace("-", "")
        name = f"{ACCOUNT}_CloudTrail_us-east-1_{stamp}T0905Z_0123456789abcdef.json.gz"
        key = f"AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/{day.replace('-', '/')}/{name}"
        s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(json.dumps({"Records": members}).encode()))


def test_from_credentials_to_a_policy_with_no_other_word(
    session: boto3.Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        "policygen.logs.sources.s3.fetch.find_spec", lambda _: None
    )  # moto plays AWS for boto3 alone
    monkeypatch.setenv("POLICYGEN_CACHE", str(tmp_path))
    # moto makes no reports of what was used last.
    monkeypatch.setattr(
        "policygen.account.live.read_role",
        lambda name, aws, on_message, **_: read_role(name, aws, on_message=on_message),
    )
    iam, today = session.client("iam"), datetime.now(UTC)
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = iam.create_role(RoleName="orders", AssumeRolePolicyDocument=trust)["Role"]
    allow = {"Effect": "Allow", "Action": ["iam:ListUsers", "iam:ListRoles"], "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_role_policy(RoleName="orders", PolicyName="wide", PolicyDocument=document)
    session.client("s3").create_bucket(Bucket="trail-logs")
    trails = session.client("cloudtrail")
    trails.create_trail(Name="all", S3BucketName="trail-logs", IsMultiRegionTrail=True)
    trails.start_logging(Name="all")
    logging_since(session, "all", today - timedelta(days=90))
    event = {
        "source": "iam",
        "name": "ListUsers",
        "role_id": role["RoleId"],
        "time": (today - timedelta(days=1)).strftime("%Y-%m-%dT08:00:00Z"),
    }
    deliver(session, "trail-logs", [record(one, i) for i, one in enumerate(crowd([event]))])
    command = ["suggest", "--role", "orders", "--days", "30", "--no-inventory"]
    made = CliRunner().invoke(program(), command)
    assert made.exit_code == 0, made.output
    assert "iam:ListUsers" in made.stdout
    assert "trail all" in made.stderr
    policy = json.loads(CliRunner().invoke(program(), [*command, "-f", "policy"]).stdout)
    assert [one["Action"] for one in policy["Statement"]] == [["iam:ListUsers"]]
    assert list(tmp_path.glob("calls/*/*"))  # what came over the network is not fetched again
