"""An account of moto with one of everything."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.support.aws_stubs import CEILING, LISTING, TRUST


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
    with mock_aws():
        yield boto3.Session("testing", "testing", "testing", region_name="eu-west-1")


@pytest.fixture
def account(aws: Any) -> Any:
    """An account with one role that has every kind of policy, its function, and a trail."""
    iam, lambda_, s3 = aws.client("iam"), aws.client("lambda"), aws.client("s3")
    trust = json.dumps(TRUST)
    own, shared, _ = (
        iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(LISTING))["Policy"]["Arn"]
        for name in ("own", "shared", "ceiling")
    )
    iam.create_role(
        RoleName="orders-fn",
        Path="/service-role/",
        AssumeRolePolicyDocument=trust,
        PermissionsBoundary=CEILING,
    )
    iam.put_role_policy(RoleName="orders-fn", PolicyName="inline", PolicyDocument=json.dumps(LISTING))
    for arn in (own, shared):
        iam.attach_role_policy(RoleName="orders-fn", PolicyArn=arn)
    for number in range(3):
        iam.create_role(RoleName=f"other-{number:03}", AssumeRolePolicyDocument=trust)
    role = iam.get_role(RoleName="orders-fn")["Role"]["Arn"]
    aws.client("sqs").create_queue(QueueName="orders")
    lambda_.create_function(
        FunctionName="orders",
        Runtime="python3.12",
        Role=role,
        Handler="a.b",
        Code={"ZipFile": b"x"},
        Environment={"Variables": {"TOKEN": "a-secret"}},
    )
    lambda_.create_event_source_mapping(
        EventSourceArn="arn:aws:sqs:eu-west-1:123456789012:orders", FunctionName="orders"
    )
    s3.create_bucket(Bucket="trail", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    cloudtrail = aws.client("cloudtrail")
    cloudtrail.create_trail(Name="all", S3BucketName="trail", IsMultiRegionTrail=True)
    cloudtrail.start_logging(Name="all")
    return aws
