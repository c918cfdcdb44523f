"""A library's APIs with access logs, and entries in every kind of format: what a stage would have written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from policygen.account.snapshot import to_account
from policygen.rightsize.api.entries.reader import EntryReader, StageRef
from policygen.rightsize.api.question import World

OWNER, PARTNER = "123456789012", "210987654321"
REST, HTTP, SOCKET, PRIVATE = "k3x9q2m7c1", "h8w2e4r6t1", "w5s7d9f1g3", "p4r1v8t2a6"
LENDER, LENDER_ID = f"arn:aws:iam::{OWNER}:role/services/lender", "AROALENDER00000000001"
LIBRARIAN = (
    f"arn:aws:iam::{OWNER}:role/aws-reserved/sso.amazonaws.com/eu-north-1/AWSReservedSSO_Librarian_12ab"
)
ADA, ADA_ID = f"arn:aws:iam::{OWNER}:user/people/ada", "AIDAADA00000000000001"
BRANCH, BRANCH_ID = f"arn:aws:iam::{PARTNER}:role/branch", "AROABRANCH00000000001"

_ALL = {
    "id": "extendedRequestId", "request": "requestId", "time": "requestTime", "ip": "identity.sourceIp",
    "caller": "identity.caller", "arn": "identity.userArn", "verb": "httpMethod", "template": "resourcePath",
    "path": "path", "status": "status", "kind": "error.responseType", "asked": "authorize.status",
    "back": "integration.status", "authorizer": "authorizer.principalId", "sub": "authorizer.claims.sub",
    "key": "identity.apiKeyId", "endpoint": "identity.vpceId", "vpc": "identity.vpcId",
    "base": "customDomain.basePathMatched", "domain": "domainName", "org": "identity.principalOrgId",
    "api": "apiId", "stage": "stage", "agent": "identity.userAgent",
}  # fmt: skip
_CONSOLE = {
    "requestId": "requestId", "extendedRequestId": "extendedRequestId", "ip": "identity.sourceIp",
    "caller": "identity.caller", "user": "identity.user", "requestTime": "requestTime", "httpMethod": "httpMethod",
    "resourcePath": "resourcePath", "status": "status", "protocol": "protocol", "responseLength": "responseLength",
}  # fmt: skip


def _json(names: Mapping[str, str]) -> str:
    return json.dumps({key: f"$context.{name}" for key, name in names.items()})


FORMATS = {
    "all": _json(_ALL),
    "console": _json(_CONSOLE),
    "common": "$context.identity.sourceIp $context.identity.caller $context.identity.user [$context.requestTime] "
    '"$context.httpMethod $context.resourcePath $context.protocol" $context.status $context.responseLength '
    "$context.requestId $context.extendedRequestId",
    "combined": '$context.identity.sourceIp $context.identity.caller [$context.requestTime] "$context.httpMethod '
    '$context.path" $context.status "$context.identity.userAgent" $context.requestId',
    "csv": ",".join(f"$context.{name}" for name in _CONSOLE.values()),
    "xml": '<request id="$context.requestId"><who>$context.identity.caller</who><verb>$context.httpMethod</verb>'
    "<path>$context.path</path><status>$context.status</status><from>$context.identity.sourceIp</from></request>",
    "named": "requestId: $context.requestId, ip: $context.identity.sourceIp, caller: $context.identity.caller, "
    "method: $context.httpMethod, path: $context.resourcePath, status: $context.status",
    "nested": '{"http":{"verb":"$context.httpMethod","path":"$context.path","status":$context.status},'
    '"id":"$context.extendedRequestId","who":{"arn":"$context.identity.userArn"},"size":$context.responseLength}',
    "misnamed": '{"status":"$context.httpMethod","httpMethod":"$context.status","caller":"$context.resourcePath",'
    '"resourcePath":"$context.identity.caller","id":"$context.extendedRequestId"}',
    "agent first": '{"agent":"$context.identity.userAgent","id":"$context.extendedRequestId",'
    '"verb":"$context.httpMethod","path":"$context.path","arn":"$context.identity.userArn","status":"$context.status"}',
    "agent last": '{"id":"$context.extendedRequestId","verb":"$context.httpMethod","path":"$context.path",'
    '"arn":"$context.identity.userArn","status":"$context.status","agent":"$context.identity.userAgent"}',
    "agent among words": "$context.requestId $context.identity.userAgent $context.identity.userArn "
    "$context.httpMethod $context.path $context.status",
    "unsure": '{"id":"$context.requestId","caller":"$context.identity.caller","verb":"$context.httpMethod",'
    '"path":"$context.path","status":"$context.status"}',
    "explained": '{"id":"$context.extendedRequestId","arn":"$context.identity.userArn","verb":"$context.httpMethod",'
    '"path":"$context.path","status":$context.status,"why":$context.error.messageString}',
    "no caller": '{"id":"$context.requestId","verb":"$context.httpMethod","path":"$context.path",'
    '"status":"$context.status"}',
    "route": '{"id":"$context.requestId","arn":"$context.identity.userArn","verb":"$context.httpMethod",'
    '"route":"$context.routeKey","path":"$context.path","status":"$context.status","api":"$context.apiId",'
    '"sub":"$context.authorizer.claims.sub","stage":"$context.stage","back":"$context.integration.status"}',
    "socket": '{"id":"$context.requestId","arn":"$context.identity.userArn","event":"$context.eventType",'
    '"route":"$context.routeKey","status":"$context.status","api":"$context.apiId"}',
}
"""Formats in words."""

SIGNED = {
    "requestId": "c1c1c1c1-0000-4000-8000-000000000001",
    "extendedRequestId": "Xq1-bLIBRARYone=",
    "requestTime": "03/Nov/2026:08:15:42 +0000",
    "identity.sourceIp": "198.51.100.23",
    "identity.caller": f"{LENDER_ID}:desk",
    "identity.user": f"{LENDER_ID}:desk",
    "identity.userArn": f"arn:aws:sts::{OWNER}:assumed-role/lender/desk",
    "httpMethod": "GET",
    "resourcePath": "/books",
    "path": "/live/books",
    "protocol": "HTTP/1.1",
    "status": "200",
    "responseLength": "12",
    "authorize.status": "200",
    "integration.status": "200",
    "apiId": REST,
    "stage": "live",
    "identity.userAgent": "lending/1.0",
}
"""A request that a role signed; a variable that is not here is logged as nothing."""
UNSIGNED = {
    **SIGNED,
    "identity.caller": "-",
    "identity.user": "-",
    "identity.userArn": "-",
    "resourcePath": "/catalog",
    "path": "/live/catalog",
}
"""A request that nobody signed."""


def entry(log_format: str, values: Mapping[str, str]) -> str:
    """Return what a stage writes."""
    pieces = log_format.split("$context.")
    text = pieces[0]
    for piece in pieces[1:]:
        name = max((one for one in _KNOWN if piece.startswith(one)), key=len)
        text += values.get(name, "-") + piece.removeprefix(name)
    return text


_KNOWN = frozenset({*_ALL.values(), *_CONSOLE.values(), "routeKey", "eventType", "error.messageString"})


def _role(arn: str, unique_id: str) -> dict[str, Any]:
    name = arn.rpartition("/")[2]
    return {"RoleName": name, "Arn": arn, "RoleId": unique_id, "AssumeRolePolicyDocument": {}}


def _rest(api: str, log_format: str, endpoint: str = "REGIONAL") -> dict[str, Any]:
    methods = {
        "/": {"GET": "AWS_IAM"},
        "/books": {"GET": "AWS_IAM", "POST": "AWS_IAM", "OPTIONS": "NONE"},
        "/books/{isbn}": {"GET": "AWS_IAM"},
        "/shelf/{place+}": {"ANY": "AWS_IAM"},
        "/catalog": {"GET": "NONE"},
        "/loans": {"GET": "CUSTOM"},
        "/members": {"GET": "COGNITO_USER_POOLS"},
    }
    return {
        "region": "eu-north-1",
        "RestApi": {"id": api, "name": f"library-{endpoint}", "endpointConfiguration": {"types": [endpoint]}},
        "Resources": [
            {
                "path": path,
                "resourceMethods": {verb: {"authorizationType": kind} for verb, kind in verbs.items()},
            }
            for path, verbs in methods.items()
        ],
        "Stages": [{"stageName": "live", "accessLogSettings": {"format": log_format} if log_format else {}}],
        "Authorizers": [],
    }


def _http(api: str, protocol: str, log_format: str, stage: str, **routes: str) -> dict[str, Any]:
    return {
        "region": "eu-north-1",
        "Api": {"ApiId": api, "Name": protocol, "ProtocolType": protocol},
        "Routes": [
            {"RouteId": f"r{n}", "RouteKey": key.replace("__", " "), "AuthorizationType": kind}
            for n, (key, kind) in enumerate(routes.items())
        ],
        "Stages": [{"StageName": stage, "AccessLogSettings": {"Format": log_format, "DestinationArn": ""}}],
        "Authorizers": [],
    }


def snapshots(log_format: str, *, partner: bool = True) -> list[dict[str, Any]]:
    """Return the snapshots of the library's account, and of the partner's."""
    routes = {"GET__/books/{isbn}": "AWS_IAM", "GET__/news": "JWT", "$default": "AWS_IAM"}
    own = {
        "policygen_snapshot": 1,
        "account_id": OWNER,
        "authorization": {
            "RoleDetailList": [_role(LENDER, LENDER_ID), _role(LIBRARIAN, "AROALIBRARIAN00000001")],
            "UserDetailList": [{"UserName": "ada", "UserId": ADA_ID, "Arn": ADA, "Path": "/people/"}],
        },
        "rest_apis": [_rest(REST, log_format), _rest(PRIVATE, "", "PRIVATE")],
        "http_apis": [
            _http(HTTP, "HTTP", FORMATS["route"], "$default", **routes),
            _http(SOCKET, "WEBSOCKET", FORMATS["socket"], "live", **{"$connect": "AWS_IAM", "ask": "NONE"}),
        ],
        "custom_domains": [
            {
                "DomainName": {"domainName": "books.example.org"},
                "Mappings": [{"basePath": "v2", "restApiId": REST, "stage": "live"}],
            }
        ],
    }
    other = {
        "policygen_snapshot": 1,
        "account_id": PARTNER,
        "authorization": {"RoleDetailList": [_role(BRANCH, BRANCH_ID)]},
    }
    return [own, other] if partner else [own]


def world(log_format: str, *, partner: bool = True) -> World:
    """Return the accounts of the snapshots."""
    found = [to_account(one) for one in snapshots(log_format, partner=partner)]
    return World({one.account_id: one for one in found})


def reader(log_format: str, only: str = "") -> EntryReader:
    """Return a reader of the entries of the library's REST API, or of the API with an id."""
    known = world(log_format)
    api = known.api(only) if only else None
    return EntryReader(known, [StageRef(api)] if api else [])
