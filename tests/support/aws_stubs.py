"""Sessions of AWS that answer from a list, and the errors that AWS answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import boto3
import botocore.exceptions
import pytest
from botocore.stub import Stubber

from policygen.errors import PolicygenError
from tests.support import ROOT

CASES = ROOT / "tests" / "cases" / "account"
NOW = datetime(2026, 11, 24, 22, 31, tzinfo=UTC)
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
LISTING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}],
}
CEILING = "arn:aws:iam::123456789012:policy/ceiling"


def cases(name: str) -> pytest.MarkDecorator:
    rows = json.loads((CASES / name).read_text(encoding="utf-8"))
    return pytest.mark.parametrize("case", [pytest.param(row, id=row["name"]) for row in rows])


def told(error: PolicygenError) -> str:
    return "\n".join((error.message, *error.hints, error.code))


# --- The errors of botocore ----------------------------------------------------------------------


def client_error(code: str, message: str, operation: str = "GetRole") -> botocore.exceptions.ClientError:
    return botocore.exceptions.ClientError({"Error": {"Code": code, "Message": message}}, operation)


# --- The live account ----------------------------------------------------------------------------


class Stubbed:
    """A session of stubbed clients, whose answers are checked against AWS's own model."""

    region_name, profile_name = "eu-west-1", "prod"

    def __init__(self, answers: dict[str, list[tuple[str, dict[str, Any] | str]]]) -> None:
        self.asked: list[tuple[str, str]] = []
        self.sent: dict[str, Any] = {}
        make: Any = boto3.client
        self.clients = {service: make(service, region_name="eu-west-1") for service in answers}
        for service, rows in answers.items():
            stub = Stubber(self.clients[service])
            for operation, answer in rows:
                if isinstance(answer, str):
                    stub.add_client_error(operation, answer, "no")
                else:
                    stub.add_response(operation, answer)
            stub.activate()
            self.clients[service].meta.events.register("provide-client-params.*", self.note)

    def note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.sent[model.name] = params

    def client(self, service: str, region_name: str, **_: Any) -> Any:
        self.asked.append((service, region_name))
        return self.clients[service]


IDENTITY = (
    "get_caller_identity",
    {
        "Account": "123456789012",
        "Arn": "arn:aws-cn:sts::123456789012:assumed-role/reader/me",
        "UserId": "AROA:me",
    },
)


def detail(**more: Any) -> dict[str, Any]:
    return {
        "RoleName": "role-name",
        "RoleId": "AROA0123456789012345",
        "Arn": "arn:aws-cn:iam::123456789012:role/role-name",
        "Path": "/",
        "CreateDate": datetime(2026, 1, 1, tzinfo=UTC),
        # AWS lists both, though they be empty.
        "RolePolicyList": [],
        "AttachedManagedPolicies": [],
        **more,
    }


def reports(*answers: dict[str, Any] | str) -> list[tuple[str, Any]]:
    start = ("generate_service_last_accessed_details", {"JobId": "j" * 36})
    return [start, *(("get_service_last_accessed_details", answer) for answer in answers)]


def role_answers() -> list[tuple[str, Any]]:
    role = detail() | {"AssumeRolePolicyDocument": json.dumps(TRUST)}
    return [("get_account_authorization_details", {"RoleDetailList": [role], "IsTruncated": False})]


NO_FUNCTIONS: dict[str, list[tuple[str, Any]]] = {
    "lambda": [("list_functions", {}), ("list_event_source_mappings", {})],
    "cloudtrail": [("describe_trails", {"trailList": []})],
}
"""The answers of an account without functions and trails."""


def policy(name: str, kind: str, content: str) -> list[tuple[str, Any]]:
    summary = {"Id": name, "Name": name, "Type": kind}
    return [
        ("list_policies_for_target", {"Policies": [summary]}),
        ("describe_policy", {"Policy": {"PolicySummary": summary, "Content": content}}),
    ]
