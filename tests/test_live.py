"""A suggestion against a role as AWS has it, with moto in the place of AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from policygen.account.live import read_role
from policygen.analysis import analyse
from tests.support import write_logs

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
    logs = write_logs(tmp_path, [event, event | {"name": "PutItem"}])
    made = analyse([logs], "orders", account=read_role("orders", session)).suggestion
    # Functions and trails are not read with one role: what only data events would show stays as it is.
    assert {(g.action, g.resource) for g in made.grants} == {("dynamodb:GetItem", "*")}
    assert [keep.blind_spot.id for keep in made.keeps if keep.blind_spot] == ["trail-unknown"]
    assert [one.request.action for one in made.missing] == ["dynamodb:PutItem"]
    assert [c.action for c in made.changes if c.kind == "removed"] == ["iam:ListUsers"]
    assert made.role.arn == role["Arn"]
