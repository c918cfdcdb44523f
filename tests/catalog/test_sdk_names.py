"""Services have other names in SDKs and tracers than in CloudTrail; an unknown one is unknown."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from policygen.catalog.build.sdk_services import collect_names
from policygen.catalog.sdk_names import FILE, operation_key, source_of_service


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("DynamoDB", "dynamodb"),
        ("DynamoDb", "dynamodb"),
        ("AmazonDynamoDBv2", "dynamodb"),
        ("dynamodb", "dynamodb"),
        ("DynamoDB Streams", "streams.dynamodb"),
        ("Amazon S3", "s3"),
        ("S3Client", "s3"),
        ("SFN", "states"),
        ("stepfunctions", "states"),
        ("AWSStepFunctions", "states"),
        ("Secrets Manager", "secretsmanager"),
        ("secretsmanager", "secretsmanager"),
        ("CloudWatch", "monitoring"),
        ("CloudWatch Logs", "logs"),
        ("EventBridge", "events"),
        ("AWSSimpleSystemsManagement", "ssm"),
        ("AmazonSimpleWorkflow", "swf"),
        ("Bedrock Runtime", "bedrock-runtime"),
        ("rds-data", "rds-data"),
    ],
)
def test_a_service_is_known_by_all_its_names(name: str, source: str) -> None:
    assert source_of_service(name) == f"{source}.amazonaws.com"


@pytest.mark.parametrize("name", ["", "amazon", "Blockbuster", "s4", "dynamo"])
def test_an_unknown_service_is_unknown(name: str) -> None:
    assert source_of_service(name) == ""


def test_the_table_is_that_of_the_installed_botocore() -> None:
    written = json.loads((files("policygen.catalog") / "data" / FILE).read_text("utf-8"))
    assert collect_names() == written


def test_operations_are_alike_in_all_spellings() -> None:
    assert {operation_key(name) for name in ("GetItem", "get_item", "getItem", "get-item")} == {"getitem"}
