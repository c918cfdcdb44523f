"""Who may call APIs and take roles, as AWS tells it: APIs, keys, domains, endpoints, session lengths."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from policygen.account.live import take_snapshot
from policygen.account.required_permissions import NEEDS, actions
from policygen.account.snapshot import snapshot_to_json, to_account
from tests.account.test_aws_reader import Refusing, recorded
from tests.support.aws_stubs import NOW

_STATEMENT = {
    "Effect": "Allow",
    "Principal": "*",
    "Action": "execute-api:Invoke",
    "Resource": "execute-api:/*",
}
POLICY = json.dumps(json.dumps({"Version": "2012-10-17", "Statement": [_STATEMENT]})).replace("/", "\\/")[
    1:-1
]
METHODS = {
    "GET": {
        "httpMethod": "GET",
        "authorizationType": "AWS_IAM",
        "apiKeyRequired": True,
        "methodIntegration": {"type": "HTTP", "requestParameters": {"a": "'a-secret'"}},
    }
}
REST: dict[str, Any] = {
    "GetRestApis": {
        "items": [{"id": "z9", "name": "orders", "policy": POLICY}, {"id": "a1", "name": "gone"}]
    },
    "GetResources": {"items": [{"id": "r", "path": "/pets/{id}", "resourceMethods": METHODS}]},
    "GetStages": {"item": [{"stageName": "prod", "variables": {"token": "a-secret"}}]},
    "GetAuthorizers": {"items": []},
    "GetUsagePlans": {
        "items": [{"id": "p1", "name": "gold", "apiStages": [{"apiId": "z9", "stage": "prod"}]}]
    },
    "GetUsagePlanKeys": {"items": [{"id": "k1", "type": "API_KEY", "value": "a-secret", "name": "mobile"}]},
    "GetApiKeys": {"items": [{"id": "k1", "name": "mobile", "enabled": True, "value": "a-secret"}]},
}
HTTP: dict[str, Any] = {
    "GetApis": {"Items": [{"ApiId": "h1", "Name": "web", "ProtocolType": "HTTP"}]},
    "GetRoutes": {"Items": [{"RouteKey": "GET /x", "AuthorizationType": "JWT", "AuthorizerId": "j1"}]},
    "GetStages": {"Items": [{"StageName": "$default", "StageVariables": {"token": "a-secret"}}]},
    "GetAuthorizers": {"Items": [{"AuthorizerId": "j1", "AuthorizerType": "JWT", "Name": "people"}]},
    "GetDomainNames": {"Items": [{"DomainName": "api.example.com"}]},
}


def with_apis(session: Any) -> Any:
    """Let a session of moto answer for API Gateway, which moto is not installed with."""

    def answer(given: Any) -> Callable[..., Any]:
        def handler(params: dict[str, Any], **_: Any) -> Any:
            if "a1/" in params["url_path"]:
                raise not_found(session)
            found = given(params) if callable(given) else given
            return SimpleNamespace(status_code=200, headers={}), json.loads(json.dumps(found))

        return handler

    def mappings(params: dict[str, Any]) -> dict[str, Any]:
        mapped = {"ApiId": "z9", "Stage": "prod", "ApiMappingKey": "v1"}
        if params["query_string"].get("nextToken"):
            return {"Items": [{**mapped, "ApiId": "h1", "ApiMappingKey": "v2"}]}
        return {"Items": [mapped], "NextToken": "more"}

    for service, answers in (("api-gateway", REST), ("apigatewayv2", {**HTTP, "GetApiMappings": mappings})):
        for operation, given in answers.items():
            session.events.register(f"before-call.{service}.{operation}", answer(given))
    return session


def not_found(session: Any) -> Exception:
    kind = session.client("apigateway").exceptions.NotFoundException
    answer = {"Error": {"Code": "NotFoundException", "Message": "Invalid API id"}}
    error: Exception = kind(answer, "GetResources")
    return error


@pytest.fixture
def served(account: Any) -> Any:
    """The account with APIs, an endpoint and a role of twelve hours."""
    ec2 = account.client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    for service in ("execute-api", "sqs"):
        ec2.create_vpc_endpoint(
            VpcId=vpc, ServiceName=f"com.amazonaws.eu-west-1.{service}", VpcEndpointType="Interface"
        )
    account.client("iam").update_role(RoleName="orders-fn", MaxSessionDuration=43200)
    account.client("organizations").create_organization(FeatureSet="ALL")
    return with_apis(account)


def taken(session: Any, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        snapshot_to_json(take_snapshot(session, now=NOW, callers=True, **more))
    )
    return found


def test_who_may_call_apis_and_for_how_long_roles_last_is_read(served: Any) -> None:
    snapshot = taken(served)
    # Neither values of keys, nor variables of stages, nor what an integration sends.
    assert "a-secret" not in json.dumps(snapshot)
    read = to_account(snapshot)
    gateway = read.gateway
    assert [(one.id, one.protocol, one.region) for one in gateway.apis or ()] == [
        ("z9", "REST", "eu-west-1"),
        ("h1", "HTTP", "eu-west-1"),
    ]
    rest, http = gateway.apis or ()
    assert [(one.name, one.authorization, one.needs_key) for one in rest.methods] == [
        ("GET /pets/{id}", "AWS_IAM", True)
    ]
    assert rest.policy is not None
    assert [(one.name, one.authorizer) for one in http.methods] == [("GET /x", "j1")]
    assert [(one.id, one.keys, one.stages) for one in gateway.usage_plans or ()] == [
        ("p1", ("k1",), (("z9", "prod"),))
    ]
    assert [one.id for one in gateway.keys or ()] == ["k1"]
    assert [one.mappings for one in gateway.domains or ()] == [(("v1", "z9", "prod"), ("v2", "h1", "prod"))]
    assert len(gateway.endpoints or ()) == 1
    limits = read.session_limits or {}
    assert limits["arn:aws:iam::123456789012:role/service-role/orders-fn"] == 43200
    assert set(limits.values()) == {3600, 43200}
    assert read.organization_id.startswith("o-")
    assert (read.scps, read.errors) == (None, ())


def test_without_the_question_about_callers_nothing_of_them_is_asked(served: Any) -> None:
    calls = recorded(served)
    snapshot = take_snapshot(served, now=NOW)
    assert "rest_apis" not in snapshot
    assert not [one for one in calls if one.startswith(("apigateway", "organizations", "iam:ListRoles"))]


def test_every_permission_about_callers_is_declared_and_used(served: Any) -> None:
    calls = recorded(served)
    snapshot = taken(served)
    # What is answered here, before the call goes out, is not recorded: all of it is apigateway:GET.
    assert snapshot["rest_apis"]
    used = {*calls, "apigateway:GET"} - {"sts:GetCallerIdentity"}
    declared = set(actions(NEEDS["snapshot --no-last-accessed --no-inventory"]))
    assert used <= declared
    assert declared - used <= {"iam:GetPolicy", "iam:GetPolicyVersion"}


LISTED = {
    "apigateway:GetRestApis": "rest_apis",
    "apigatewayv2:GetApis": "http_apis",
    "apigateway:GetUsagePlans": "usage_plans",
    "apigateway:GetApiKeys": "api_keys",
    "apigatewayv2:GetDomainNames": "custom_domains",
    "ec2:DescribeVpcEndpoints": "vpc_endpoints",
    "iam:ListRoles": "role_settings",
    "organizations:DescribeOrganization": "organization",
}
WITHIN = {
    "apigateway:GetResources": "rest_apis",
    "apigateway:GetUsagePlanKeys": "usage_plans",
    "apigatewayv2:GetApiMappings": "custom_domains",
}


@pytest.mark.parametrize(
    ("refused", "code"), [(LISTED, "AccessDeniedException"), (WITHIN, "ThrottlingException")]
)
def test_what_aws_denies_or_throttles_is_unknown_and_named(
    served: Any, refused: dict[str, str], code: str
) -> None:
    said: list[str] = []
    session: Any = Refusing(served, dict.fromkeys(refused, code))
    snapshot = taken(session, on_message=said.append)
    assert {part for part in LISTED.values() if snapshot[part] is None} == set(refused.values())
    assert {(one["operation"], one["code"]) for one in snapshot["errors"]} == {(one, code) for one in refused}
    assert all(any(one in line for line in said) for one in refused)
    assert to_account(snapshot).roles


def test_an_account_without_an_organization_has_none(account: Any) -> None:
    snapshot = taken(with_apis(account))
    assert snapshot["organization"] == {"id": "", "management_account": ""}
    assert to_account(snapshot).organization_id == ""


def test_an_answer_of_another_shape_is_unknown(served: Any) -> None:
    def odd(**_: Any) -> Any:
        return SimpleNamespace(status_code=200, headers={}), {"items": [{"id": 7, "name": []}]}

    served.events.register_first("before-call.api-gateway.GetApiKeys", odd)
    snapshot = taken(served)
    assert snapshot["api_keys"] is None
    assert [one["operation"] for one in snapshot["errors"]] == ["apigateway:GetApiKeys"]
