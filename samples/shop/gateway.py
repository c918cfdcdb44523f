"""The orders API: who calls it in the last 30 days by its access log, and the accounts that take part in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any

from shop import cast
from shop.cast import Role
from shop.documents import allow, document
from shop.roles import role_detail, trusted_by

Json = dict[str, Any]

API = "s7h0pord3r"
CARRIER, FORMER = "777788889999", "888899990000"
PARCEL_DESK = Role("parcel-desk", "AROAQ3EGRD5ZC8R4PDK7M", "/carriers/", CARRIER)
GROUP = "/aws/apigateway/orders-prod"
METHODS = {
    ("/orders", "GET"): "AWS_IAM",
    ("/orders", "POST"): "AWS_IAM",
    ("/orders/{id}", "GET"): "AWS_IAM",
    ("/orders/{id}", "DELETE"): "AWS_IAM",
    ("/labels", "GET"): "NONE",
    ("/health", "GET"): "NONE",
}
_FIELDS = {
    "id": "extendedRequestId",
    "time": "requestTimeEpoch",
    "stage": "stage",
    "method": "httpMethod",
    "template": "resourcePath",
    "path": "path",
    "status": "status",
    "error": "error.responseType",
    "arn": "identity.userArn",
    "caller": "identity.caller",
    "ip": "identity.sourceIp",
    "key": "identity.apiKeyId",
}


def snapshots() -> dict[str, Json]:
    """Return the snapshots of the API's account and of its caller's, by their files."""
    return {"api/account.json": _own(), "api/carrier.json": _frame(CARRIER, [_parcel_desk()])}


def _frame(account: str, roles: list[Json], **parts: Any) -> Json:
    return {
        "policygen_snapshot": 1,
        "generated_at": "2026-11-24T22:45:00Z",
        "account_id": account,
        "partition": "aws",
        "authorization": {
            "UserDetailList": [],
            "GroupDetailList": [],
            "RoleDetailList": roles,
            "Policies": [],
        },
        **parts,
    }


def _own() -> Json:
    caller = role_detail(
        cast.PAYMENTS_WEBHOOK,
        "2024-06-03T12:40:18Z",
        trusted_by("lambda"),
        inline={"api": document(allow("execute-api:Invoke", "arn:aws:execute-api:*:*:*"))},
    )
    plan = {"id": "g0ld01", "name": "gold", "apiStages": [{"apiId": API, "stage": "prod"}], "keys": []}
    return _frame(
        cast.PRODUCTION,
        [caller],
        rest_apis=[_api()],
        http_apis=[],
        vpc_endpoints=[],
        usage_plans=[plan],
        api_keys=[],
        custom_domains=[],
    )


def _parcel_desk() -> Json:
    return role_detail(
        PARCEL_DESK,
        "2025-02-10T09:12:44Z",
        trusted_by("ecs-tasks"),
        inline={
            "orders": document(allow("execute-api:Invoke", f"arn:aws:execute-api:*:{cast.PRODUCTION}:*"))
        },
    )


def _api() -> Json:
    partners = [f"arn:aws:iam::{account}:root" for account in (CARRIER, FORMER)]
    policy = document(
        {"Effect": "Allow", "Principal": {"AWS": partners}, **_invoke("*")},
        {"Effect": "Allow", "Principal": "*", **_invoke("*/GET/health")},
        {"Effect": "Allow", "Principal": "*", **_invoke("*/GET/labels")},
    )
    paths = dict.fromkeys(path for path, _ in METHODS)
    return {
        "region": cast.REGION,
        "RestApi": {
            "id": API,
            "name": "orders",
            "endpointConfiguration": {"types": ["REGIONAL"]},
            "policy": json.dumps(json.dumps(policy))[1:-1].replace("/", "\\/"),
        },
        "Resources": [
            {
                "path": path,
                "resourceMethods": {
                    verb: {"authorizationType": kind} for (of, verb), kind in METHODS.items() if of == path
                },
            }
            for path in paths
        ],
        "Stages": [
            {
                "stageName": "prod",
                "accessLogSettings": {
                    "format": json.dumps({name: f"$context.{value}" for name, value in _FIELDS.items()}),
                    "destinationArn": f"arn:aws:logs:{cast.REGION}:{cast.PRODUCTION}:log-group:{GROUP}",
                },
            },
            {"stageName": "dev"},
        ],
        "Authorizers": [],
    }


def _invoke(what: str) -> Json:
    return {"Action": "execute-api:Invoke", "Resource": f"execute-api:/{what}"}


# ---- the access log ------------------------------------------------------------------------------------


def access_log() -> str:
    """Return the access log of the production stage."""
    rng = Random("orders access log")
    first = cast.END - timedelta(days=29)
    rows = []
    for day in range(30):
        noon = (first + timedelta(days=day)).replace(hour=12, minute=0, second=0)
        for number, values in enumerate(_of_day(rng)):
            when = noon + timedelta(minutes=37 * number + rng.randrange(30))
            if when < cast.END:
                rows.append((int(when.timestamp()) * 1000, values))
    return "".join(
        _line(number, time, values) for number, (time, values) in enumerate(sorted(rows, key=_time))
    )


def _time(row: tuple[int, Json]) -> int:
    return row[0]


def _of_day(rng: Random) -> Iterator[Json]:
    """Yield the requests of a day."""
    desk, webhook = _signed(PARCEL_DESK), _signed(cast.PAYMENTS_WEBHOOK)
    number = rng.randrange(10_000, 90_000)
    yield {**desk, **_call("GET", "/orders", "/orders"), "ip": f"203.0.113.{rng.randrange(8, 16)}"}
    for order in (number, number + 1):
        place = f"203.0.113.{rng.randrange(8, 16)}"
        yield {**desk, **_call("GET", "/orders/{id}", f"/orders/{order}"), "ip": place}
    yield {**webhook, **_call("POST", "/orders", "/orders"), "ip": "198.51.100.20"}
    if rng.randrange(6) == 0:
        refused = {"status": 403, "error": "ACCESS_DENIED"}
        yield {
            **webhook,
            **_call("DELETE", "/orders/{id}", f"/orders/{number}"),
            "ip": "198.51.100.20",
            **refused,
        }
    for _ in range(3):
        yield {**_call("GET", "/health", "/health"), "ip": f"192.0.2.{rng.randrange(1, 255)}"}


def _signed(role: Role) -> Json:
    return {
        "arn": f"arn:aws:sts::{role.arn.split(':')[4]}:assumed-role/{role.name}/{role.name}",
        "caller": f"{role.id}:{role.name}",
    }


def _call(verb: str, template: str, path: str) -> Json:
    return {"method": verb, "template": template, "path": f"/prod{path}", "status": 200}


def _line(number: int, time: int, values: Json) -> str:
    row = {"id": f"Q{number:06}AAjoEXAMPLE=", "time": time, "stage": "prod", **values}
    return json.dumps({name: str(row.get(name, "-")) for name in _FIELDS}) + "\n"
