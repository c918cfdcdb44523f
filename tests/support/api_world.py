"""An API that is called: its snapshot, the entries of its access logs, and a judge of the tests' own.

The judge follows tables A and B of the API Gateway Developer Guide (apigateway-authorization-flow) and shares no code
with policygen: it reads policies by `policy_judge`.
"""

from __future__ import annotations

import json
import re
from calendar import timegm
from datetime import date, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from policygen.account.model import Account
from policygen.account.snapshot import to_account
from policygen.evidence.observe import ObserveOptions
from policygen.rightsize.api.entries.collect import read_api_usage
from policygen.rightsize.api.entries.reader import StageRef
from policygen.rightsize.api.question import World
from policygen.rightsize.api.suggest import ApiSuggestion, suggest_api
from policygen.rightsize.principals.options import PrincipalOptions
from tests.support.policy_judge import holds, like, listed, named

OWNER, PARTNER, STRANGER = "111122223333", "444455556666", "777788889999"
API = "p0q1r2s3t4"
PLACE = f"arn:aws:execute-api:eu-west-1:{OWNER}:{API}"
LAST_DAY = date(2026, 11, 24)
DAYS = [(LAST_DAY - timedelta(days=29 - n)).isoformat() for n in range(30)]
KINDS = {
    "IAM": "AWS_IAM",
    "TOKEN": "CUSTOM",
    "POOL": "COGNITO_USER_POOLS",
    "KEY": "NONE",
    "OPEN": "NONE",
    "JWT": "JWT",
}
FIELDS = {
    "id": "extendedRequestId", "time": "requestTimeEpoch", "verb": "httpMethod", "template": "resourcePath",
    "path": "path", "status": "status", "error": "error.responseType", "arn": "identity.userArn",
    "caller": "identity.caller", "account": "identity.accountId", "org": "identity.principalOrgId",
    "ip": "identity.sourceIp", "vpce": "identity.vpceId", "vpc": "identity.vpcId", "key": "identity.apiKeyId",
    "route": "routeKey", "stage": "stage", "api": "apiId",
}  # fmt: skip
"""Name in an entry -> variable of the format."""
_VARIABLE = re.compile(r"\$context\.([\w.]*\w)")
ENDPOINTS = {"vpce-0aaa0aaa": "vpc-0aaa", "vpce-0bbb0bbb": "vpc-0bbb", "vpce-0ccc0ccc": "vpc-0ccc"}


# ---- the accounts --------------------------------------------------------------------------------------


def log_format(leave_out: str = "") -> str:
    """Return a stage's format without some fields."""
    names = [name for name in FIELDS if name not in leave_out.split()]
    return json.dumps({name: f"$context.{FIELDS[name]}" for name in names})


def who(name: str) -> tuple[str, str]:
    """Return the ARN and unique id of ``444455556666:role/team/caller``; without an account, of the owner's."""
    account, _, rest = name.rpartition(":")
    account = account or OWNER
    digest = sha256(name.encode()).hexdigest().upper()[:17]
    return f"arn:aws:iam::{account}:{rest}", f"{'AROA' if rest.startswith('role/') else 'AIDA'}{digest}"


def snapshot(case: dict[str, Any], account: str) -> dict[str, Any]:
    """Return the snapshot of an account of a case."""
    people = {
        name: own for name, own in case.get("people", {}).items() if who(name)[0].split(":")[4] == account
    }
    own = account == OWNER
    rest = own and case.get("protocol", "REST") == "REST"
    return {
        "policygen_snapshot": 1,
        "generated_at": "2026-11-24T22:00:00Z",
        "account_id": account,
        "partition": "aws",
        "authorization": {
            "RoleDetailList": [_person(name, policy) for name, policy in people.items() if "role/" in name],
            "UserDetailList": [_person(name, policy) for name, policy in people.items() if "user/" in name],
        },
        "rest_apis": [_rest(case)] if rest else [],
        "http_apis": [_http(case)] if own and not rest else [],
        "vpc_endpoints": [_endpoint(one) for one in ENDPOINTS] if own else [],
        "usage_plans": case.get("plans", []) if own else [],
        "api_keys": case.get("keys", []) if own else [],
        "custom_domains": case.get("domains", []) if own else [],
    }


def _person(name: str, policy: list[dict[str, Any]]) -> dict[str, Any]:
    arn, id_ = who(name)
    path, _, last = arn.partition(":role" if ":role/" in arn else ":user")[2].rpartition("/")
    documents = [{"PolicyName": "today", "PolicyDocument": {"Version": "2012-10-17", "Statement": policy}}]
    kind = "Role" if ":role/" in arn else "User"
    return {
        "Path": f"{path}/",
        f"{kind}Name": last,
        f"{kind}Id": id_,
        "Arn": arn,
        "CreateDate": "2024-01-01T00:00:00+00:00",
        f"{kind}PolicyList": documents if policy else [],
        "AttachedManagedPolicies": [],
        **({"AssumeRolePolicyDocument": {}} if kind == "Role" else {"GroupList": []}),
    }


def _stages(case: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the stages of a case: with a full format, one ``without`` some fields, or (``none``) no log."""
    found = []
    for name, own in case.get("stages", {"prod": None}).items():
        described = own or {}
        log = {} if "none" in described else {"format": log_format(described.get("without", ""))}
        found.append((name, {**log, "caches": described.get("caches", False)}))
    return found


def _rest(case: dict[str, Any]) -> dict[str, Any]:
    private = case.get("private", False)
    described: dict[str, Any] = {
        "id": API, "name": "orders", "endpointConfiguration": {"types": ["PRIVATE" if private else "REGIONAL"]},
        "disableExecuteApiEndpoint": case.get("no_default_endpoint", False),
    }  # fmt: skip
    if case.get("policy") is not None:
        text = json.dumps({"Version": "2012-10-17", "Statement": case["policy"]})
        described["policy"] = json.dumps(text)[1:-1].replace("/", "\\/")
    resources: dict[str, dict[str, Any]] = {}
    for name, kind in case["methods"].items():
        verb, path = name.split(" ")
        method = {"authorizationType": KINDS[kind], "apiKeyRequired": kind == "KEY"}
        resources.setdefault(path, {})[verb] = method | ({"authorizerId": "auth1"} if kind == "TOKEN" else {})
    return {
        "region": "eu-west-1",
        "RestApi": described,
        "Resources": [{"path": path, "resourceMethods": methods} for path, methods in resources.items()],
        "Stages": [
            {
                "stageName": name,
                "cacheClusterEnabled": own.get("caches", False),
                **({"accessLogSettings": {"format": own["format"]}} if "format" in own else {}),
            }
            for name, own in _stages(case)
        ],
        "Authorizers": [
            {
                "id": "auth1",
                "type": "TOKEN",
                "name": "tokens",
                "authorizerResultTtlInSeconds": case.get("ttl", 0),
            }
        ],
    }


def _http(case: dict[str, Any]) -> dict[str, Any]:
    return {
        "region": "eu-west-1",
        "Api": {"ApiId": API, "Name": "orders", "ProtocolType": case["protocol"]},
        "Routes": [
            {"RouteKey": name, "AuthorizationType": KINDS[kind]} for name, kind in case["methods"].items()
        ],
        "Authorizers": [],
        "Stages": [
            {
                "StageName": name,
                **({"AccessLogSettings": {"Format": own["format"]}} if "format" in own else {}),
            }
            for name, own in _stages(case)
        ],
    }


def _endpoint(name: str) -> dict[str, Any]:
    everything = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}
    return {
        "VpcEndpointId": name, "VpcId": ENDPOINTS[name], "OwnerId": OWNER, "PolicyDocument": json.dumps(everything),
    }  # fmt: skip


def accounts_of(case: dict[str, Any]) -> dict[str, Account]:
    """Return the accounts of a case: the API's, and the partner's unless the case does not know it."""
    known = [OWNER, *(case.get("known", [PARTNER]))]
    return {account: to_account(snapshot(case, account)) for account in known}


# ---- entries -------------------------------------------------------------------------------------------


def lines(case: dict[str, Any]) -> list[str]:
    """Return the entries of a case, each once a day: ``{"by", "call": "prod GET /pets/7", "from", "days", …}``."""
    found = []
    formats = {name: own.get("format", "") for name, own in _stages(case)}
    for number, entry in enumerate(case["log"]):
        for day in DAYS[entry.get("start", 0) :][: entry.get("days", 30)]:
            values = _values(case, entry, number, day)
            found.append(_VARIABLE.sub(partial(_value, values), formats[values["stage"]]))
    return found


def _value(values: dict[str, Any], found: re.Match[str]) -> str:
    return str(values.get(found[1]) or "-")


def _values(case: dict[str, Any], entry: dict[str, Any], number: int, day: str) -> dict[str, Any]:
    stage, _, call = entry["call"].partition(" ")
    verb, path = call.split(" ") if " " in call else ("", call)
    arn, id_ = who(entry["by"]) if entry.get("by") else ("", "")
    account = arn.split(":")[4] if arn else ""
    if ":role/" in arn:
        arn = f"arn:aws:sts::{account}:assumed-role/{arn.rpartition('/')[2]}/s1"
        id_ = f"{entry.get('id', id_)}:s1"
    moment = timegm(date.fromisoformat(day).timetuple()) + 36_000 + number
    route = route_of(case, verb, path)
    values = {
        "extendedRequestId": f"X{number:04}{day.replace('-', '')}=", "requestTimeEpoch": moment * 1000,
        "stage": stage, "apiId": API, "httpMethod": verb, "path": path, "status": entry.get("status", 200),
        "resourcePath": route.split(" ")[-1], "routeKey": route, "error.responseType": entry.get("error"),
        "identity.userArn": arn, "identity.caller": id_, "identity.accountId": account,
        "identity.principalOrgId": entry.get("org"), "identity.sourceIp": entry.get("from", "203.0.113.7"),
        "identity.vpceId": entry.get("endpoint"), "identity.vpcId": ENDPOINTS.get(entry.get("endpoint", "")),
        "identity.apiKeyId": entry.get("key"),
    }  # fmt: skip
    if case.get("protocol", "REST") == "REST":
        values["path"] = f"/{stage}{path}"
    else:
        values["resourcePath"] = ""
    return values


def suggestion_of(case: dict[str, Any], folder: Path) -> ApiSuggestion:
    """Return what policygen suggests for a case."""
    (folder / "access.log").write_text("\n".join(lines(case)) + "\n")
    return suggestion_from([folder / "access.log"], case)


def suggestion_from(logs: list[Path], case: dict[str, Any]) -> ApiSuggestion:
    """Return what policygen suggests for a case whose log is in files or folders."""
    world = World(accounts_of(case))
    api = world.api(API)
    assert api
    options = ObserveOptions(days=30, until=DAYS[-1])
    usage = read_api_usage([str(one) for one in logs], world, [StageRef(api)], options)
    given = {name: case[name] for name in ("require", "keep", "max_blocks") if name in case}
    return suggest_api(usage, api, world, PrincipalOptions(**given))


# ---- a judge of its own ----------------------------------------------------------------------------------


def route_of(case: dict[str, Any], verb: str, path: str) -> str:
    """Return the name of the method that answers; "" for none."""
    if not verb:
        return path if path in case["methods"] else ""
    found = []
    for name in case["methods"]:
        own, _, template = name.rpartition(" ")
        as_regex = "".join(
            "(.+)" if part.endswith("+}") else "([^/]+)" if part.startswith("{") else re.escape(part)
            for part in re.split(r"(\{[^}]*\})", template)
        )
        if own in {verb, "ANY"} and re.fullmatch(as_regex, path):
            pieces = [("+}" in piece) + ("{" in piece) for piece in template.split("/")]
            found.append((pieces, own == "ANY", name))
    return min(found)[2] if found else "$default" if "$default" in case["methods"] else ""


def may_call(
    case: dict[str, Any],
    by: str,
    call: str,
    context: dict[str, str],
    policy: list[dict[str, Any]] | None,
    own: dict[str, list[dict[str, Any]]],
) -> bool:
    """Return whether a caller may call ``prod GET /pets/7``; an authorizer, where one is asked, lets it pass.

    Args:
        case: the world.
        by: who calls, as in `who`; "" for nobody.
        call: stage, verb and path.
        context: condition keys; `endpoint` is a VPC endpoint.
        policy: statements of the resource policy; None for none.
        own: statements of each caller's policy.
    """
    stage, _, rest = call.partition(" ")
    verb, path = rest.split(" ") if " " in rest else ("", rest)
    kind = case["methods"].get(route_of(case, verb, path))
    if kind is None:
        return False
    arn, id_ = who(by) if by and kind == "IAM" else ("", "")
    account = arn.split(":")[4] if arn else ""
    facts = {key.lower(): value for key, value in context.items() if key != "endpoint"}
    if endpoint := context.get("endpoint"):
        facts |= {"aws:sourcevpce": endpoint, "aws:sourcevpc": ENDPOINTS.get(endpoint, "vpc-zz")}
    if arn:
        user_id = f"{id_}:s1" if ":role/" in arn else id_
        facts |= {"aws:principalarn": arn, "aws:principalaccount": account, "aws:userid": user_id}
    names = {arn, id_, account, f"arn:aws:iam::{account}:root"} if arn else set()
    resource = f"{PLACE}/{stage}/{verb}/{path.lstrip('/')}" if verb else f"{PLACE}/{stage}/{path}"
    said = None if policy is None else _says(policy, facts, resource, names)
    if case.get("private") and policy is None:
        return False
    if said is False:
        return False
    if kind in {"OPEN", "KEY", "POOL", "JWT"}:
        return policy is None or said is True
    if kind == "TOKEN":
        return True
    if not arn:
        return False
    mine = _says(own.get(by, []), facts, resource, None)
    if mine is False:
        return False
    if account == OWNER:
        allows = [one for one in policy or () if one["Effect"] == "Allow"]  # no Deny was about the caller
        direct = _says(allows, facts, resource, names - {account, f"arn:aws:iam::{account}:root"})
        return bool(mine or direct)
    return bool(mine and said)


def _says(
    statements: list[dict[str, Any]], facts: dict[str, Any], resource: str, names: set[str] | None
) -> bool | None:
    """Return True for an Allow, False for a Deny, None for neither; `names` is None where no principal is named."""
    verdict: bool | None = None
    for one in statements:
        if names is not None and not named(one, "AWS", names):
            continue
        actions = listed(one["NotAction"] if "NotAction" in one else one["Action"])
        if any(like(action.lower(), "execute-api:invoke") for action in actions) == ("NotAction" in one):
            continue
        written = listed(one["NotResource"] if "NotResource" in one else one["Resource"])
        patterns = [re.sub("^execute-api:/", f"{PLACE}/", own) for own in written]
        if any(like(pattern, resource) for pattern in patterns) == ("NotResource" in one):
            continue
        block = one.get("Condition", {})
        if all(
            holds(operator, key, listed(v), facts)
            for operator, keys in block.items()
            for key, v in keys.items()
        ):
            if one["Effect"] == "Deny":
                return False
            verdict = True
    return verdict
