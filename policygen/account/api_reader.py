"""Read from AWS who may call APIs and take roles: API Gateway, endpoints, session lengths, the organization's id.

What may hold a secret stays out: values of keys, variables of stages, and what an integration sends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from policygen.account.aws_reader import AccountReader, list_all, sorted_unique
from policygen.account.snapshot_schema import Json

_SECRET = frozenset(
    {"value", "variables", "StageVariables", "methodIntegration", "methodResponses", "ResponseMetadata"}
)


def read_callers(reader: AccountReader, regions: Iterable[str]) -> Json:
    """Return the snapshot's parts about callers; each is None where AWS does not show it.

    Args:
        reader: of the account.
        regions: where APIs are looked for.
    """
    regions = tuple(regions)

    def listed(operation: str, what: str, read: Callable[[Any], list[Json]]) -> list[Json] | None:
        return reader.in_regions(regions, operation, what, read)

    return {
        "rest_apis": listed("apigateway:GetRestApis", "REST APIs", _rest_apis),
        "http_apis": listed("apigatewayv2:GetApis", "HTTP APIs", _http_apis),
        "usage_plans": listed("apigateway:GetUsagePlans", "usage plans", _usage_plans),
        "api_keys": listed("apigateway:GetApiKeys", "API keys", _keys),
        "custom_domains": listed("apigatewayv2:GetDomainNames", "custom domains", _domains),
        "vpc_endpoints": sorted_unique(
            listed("ec2:DescribeVpcEndpoints", "VPC endpoints", _endpoints), "VpcEndpointId"
        ),
        "role_settings": reader.attempt("iam:ListRoles", "", partial(_role_settings, reader)),
    }


def organization_id(reader: AccountReader) -> Json | None:
    """Return the part ``organization`` with what every member may know of it; None where refused."""

    def read() -> Json:
        client = reader.aws.client("organizations")
        try:
            found = client.describe_organization()["Organization"]
        except client.exceptions.AWSOrganizationsNotInUseException:
            return {"id": "", "management_account": ""}
        return {"id": found["Id"], "management_account": found["MasterAccountId"]}

    return reader.attempt("organizations:DescribeOrganization", "", read)


def _role_settings(reader: AccountReader) -> Json:
    reader.on_message("reading how long sessions of roles may be")
    roles = list_all(reader.aws.client("iam"), "list_roles", "Roles")
    return {
        role["Arn"]: {"MaxSessionDuration": role["MaxSessionDuration"]}
        for role in sorted(roles, key=lambda role: str(role["Arn"]))
        if "MaxSessionDuration" in role
    }


def _rest_apis(client: Any) -> list[Json]:
    def entry(api: Json) -> Json:
        one = {"restApiId": api["id"]}
        return {
            "RestApi": api,
            "Resources": list_all(client, "get_resources", "items", embed=["methods"], **one),
            "Stages": client.get_stages(**one).get("item", []),
            "Authorizers": list_all(client, "get_authorizers", "items", **one),
        }

    return list(_entries(client, list_all(client, "get_rest_apis", "items"), entry))


def _http_apis(client: Any) -> list[Json]:
    def entry(api: Json) -> Json:
        one = {"ApiId": api["ApiId"]}
        return {
            "Api": api,
            "Routes": list_all(client, "get_routes", "Items", **one),
            "Stages": list_all(client, "get_stages", "Items", **one),
            "Authorizers": list_all(client, "get_authorizers", "Items", **one),
        }

    return list(_entries(client, list_all(client, "get_apis", "Items"), entry))


def _entries(client: Any, apis: Iterable[Json], entry: Callable[[Json], Json]) -> Iterator[Json]:
    """Yield what is read of each API, without those that are deleted meanwhile."""
    region = client.meta.region_name
    for api in sorted(apis, key=lambda api: str(api.get("id") or api.get("ApiId"))):
        try:
            yield {"region": region} | _without_secrets(entry(api))
        except client.exceptions.NotFoundException:
            continue


def _usage_plans(client: Any) -> list[Json]:
    plans = list_all(client, "get_usage_plans", "items")
    return [
        _without_secrets(
            plan | {"keys": list_all(client, "get_usage_plan_keys", "items", usagePlanId=plan["id"])}
        )
        for plan in sorted(plans, key=lambda plan: str(plan["id"]))
    ]


def _keys(client: Any) -> list[Json]:
    keys = list_all(client, "get_api_keys", "items")
    return [_without_secrets(key) for key in sorted(keys, key=lambda key: str(key["id"]))]


def _domains(client: Any) -> list[Json]:
    found = []
    for domain in list_all(client, "get_domain_names", "Items"):
        mappings: list[Json] = []
        more: dict[str, str] = {}
        while True:
            page = client.get_api_mappings(DomainName=domain["DomainName"], **more)
            mappings += page.get("Items", [])
            if not page.get("NextToken"):
                break
            more = {"NextToken": page["NextToken"]}
        found.append({"DomainName": domain, "Mappings": mappings})
    return found


def _endpoints(client: Any) -> list[Json]:
    found = list_all(client, "describe_vpc_endpoints", "VpcEndpoints")
    return [one for one in found if str(one["ServiceName"]).endswith(".execute-api")]


def _without_secrets(value: Any) -> Any:
    match value:
        case dict():
            return {key: _without_secrets(one) for key, one in value.items() if key not in _SECRET}
        case list():
            return [_without_secrets(one) for one in value]
        case _:
            return value
