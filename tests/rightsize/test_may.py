"""Who may invoke a method, and whose word decides. The cases are data.

They follow the API Gateway Developer Guide: apigateway-authorization-flow, apigateway-resource-policies-examples,
apigateway-resource-policies-aws-condition-keys, apigateway-vpc-endpoint-policies, api-gateway-lambda-authorizer-output
and api-gateway-control-access-using-iam-policies-to-invoke-api.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from policygen.account.model import Account
from policygen.account.snapshot import to_account
from policygen.rightsize.api.decision import decide
from policygen.rightsize.api.invocations import from_object
from policygen.rightsize.api.question import World
from tests.support import ROOT

OWNER = "111122223333"
CASES = json.loads((ROOT / "tests/cases/may/cases.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_an_invocation(case: dict[str, Any]) -> None:
    world = World(accounts_of(case))
    api, asked = from_object({"api": "a1b2c3d4e5", **case["request"]}, world)
    found = decide(world, api, asked)
    assert {"outcome": found.outcome, "certain": found.certain, "layer": found.layer} == case["expect"]


def accounts_of(case: dict[str, Any]) -> dict[str, Account]:
    """Return the API's account and those of its callers."""
    callers = {arn.split(":")[4] for arn in case["callers"]}
    return {number: to_account(_snapshot(number, case)) for number in sorted({OWNER, *callers} - {""})}


def _snapshot(number: str, case: dict[str, Any]) -> dict[str, Any]:
    own = {arn: rules for arn, rules in case["callers"].items() if arn.split(":")[4] == number}
    parts = _gateway(case) if number == OWNER else {}
    if organization := case.get("organizations", {}).get(number):
        parts["organization"] = {"id": organization}
    roles = [_entity(arn, rules, "Role") for arn, rules in own.items() if ":role/" in arn]
    users = [_entity(arn, rules, "User") for arn, rules in own.items() if ":user/" in arn]
    anything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    boundary = f"arn:aws:iam::{number}:policy/boundary"
    version = {"VersionId": "v1", "IsDefaultVersion": True, "Document": anything}
    policy = {
        "PolicyName": "boundary",
        "Arn": boundary,
        "DefaultVersionId": "v1",
        "PolicyVersionList": [version],
    }
    for one in [*roles, *users]:
        if one["Arn"] in case.get("bounded", ()):
            one["PermissionsBoundary"] = {
                "PermissionsBoundaryType": "Policy",
                "PermissionsBoundaryArn": boundary,
            }
    authorization = {"RoleDetailList": roles, "UserDetailList": users, "Policies": [policy]}
    return {"policygen_snapshot": 1, "account_id": number, "authorization": authorization, **parts}


def _entity(arn: str, rules: list[Any], kind: str) -> dict[str, Any]:
    document = {"Version": "2012-10-17", "Statement": rules}
    policies = [{"PolicyName": "p", "PolicyDocument": document}] if rules else []
    found = {f"{kind}Name": arn.rpartition("/")[2], f"{kind}Id": f"{kind}ID", "Arn": arn}
    found |= {f"{kind}PolicyList": policies, "AttachedManagedPolicies": []}
    return found | ({"AssumeRolePolicyDocument": {}} if kind == "Role" else {})


def _gateway(case: dict[str, Any]) -> dict[str, Any]:
    methods: dict[str, dict[str, Any]] = {}
    for name, kind in case["methods"].items():
        verb, path = name.split()
        methods.setdefault(path, {})[verb] = {"authorizationType": kind}
    described: dict[str, Any] = {"id": "a1b2c3d4e5", "name": "shop"}
    described["endpointConfiguration"] = {"types": [case.get("type", "REGIONAL")]}
    if case["policy"] is not None:
        described["policy"] = {"Version": "2012-10-17", "Statement": case["policy"]}
    resources = [{"path": path, "resourceMethods": found} for path, found in methods.items()]
    endpoints = [
        {
            "VpcEndpointId": name,
            "VpcId": "vpc-1",
            "PolicyDocument": {"Version": "2012-10-17", "Statement": rules},
        }
        for name, rules in case.get("endpoints", {}).items()
    ]
    api = {
        "region": "eu-west-1",
        "RestApi": described,
        "Resources": resources,
        "Stages": [],
        "Authorizers": [],
    }
    return {"rest_apis": [api], "vpc_endpoints": endpoints}
