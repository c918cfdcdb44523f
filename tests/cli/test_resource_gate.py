"""policygen check --kind resource: what fails the resource policy of an API, with its access logs and without.

Expectations follow the API Gateway Developer Guide: apigateway-authorization-flow (tables A and B).
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as Xml
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_api import ANYTHING, CALLER, CASE, OTHER, PARTNERS, arguments
from tests.support.api_world import API, OWNER, PARTNER, PLACE, who
from tests.support.command import run

ARN, OTHERS, ROOT = who(CALLER)[0], who(OTHER)[0], f"arn:aws:iam::{PARTNER}:root"
OWN, USER = "role/orders", f"arn:aws:iam::{OWNER}:user/x"
DENY = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "execute-api:Invoke",
    "Resource": "execute-api:/*/POST/items",
}
OPEN = {"methods": {"GET /open": "OPEN", "GET /items": "IAM"}, "people": CASE["people"]}
EVERYBODY = {
    "Effect": "Allow",
    "Principal": "*",
    "Action": "execute-api:Invoke",
    "Resource": "execute-api:/*/GET/open",
}
OF_OWN = {
    "methods": {"GET /items": "IAM", "POST /items": "IAM"},
    "people": {OWN: ANYTHING},
    "log": [{"by": OWN, "call": "prod GET /items"}],
}


def allow(principal: Any, *resources: str, **condition: Any) -> dict[str, Any]:
    found = {"Effect": "Allow", "Principal": principal, "Action": "execute-api:Invoke"}
    found["Resource"] = [f"execute-api:/{one}" for one in resources]
    return found | ({"Condition": condition} if condition else {})


def words(folder: Path, case: dict[str, Any], policy: list[dict[str, Any]], *more: str) -> list[str]:
    """Write a policy and a case; return the command that checks it."""
    (folder / "p.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": policy}, indent=1))
    return ["check", "p.json", "--kind", "resource", "--api", "orders", *arguments(folder, case)[2:], *more]


def gate(folder: Path, case: dict[str, Any], policy: list[dict[str, Any]], *more: str) -> dict[str, Any]:
    done = run(folder, *words(folder, case, policy, "-f", "json", *more))
    said: dict[str, Any] = json.loads(done.stdout)
    return said | {"code": done.code}


def rules(said: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["rule"], one["subject"]) for one in said["findings"] if one["against"]]


SUGGESTED = allow({"AWS": ARN}, "prod/GET/items")
BOTH = [{"by": CALLER, "call": "prod GET /items"}, {"by": OTHER, "call": "prod POST /items"}]
FROM_OFFICE = allow({"AWS": ROOT}, "*", IpAddress={"aws:SourceIp": "203.0.113.0/24"})
ANY_ACCOUNT = [("PG603", "api"), ("PG612", "GET /items"), ("PG612", "POST /items")]
CASES: dict[str, tuple[dict[str, Any], list[Any], list[tuple[str, str]]]] = {
    "what is suggested": (CASE, [SUGGESTED], []),
    "a caller is left out": ({**CASE, "log": BOTH}, [SUGGESTED], [("PG201", OTHERS)]),
    "a method is left out": (
        {**CASE, "log": [*CASE["log"], {"by": CALLER, "call": "prod POST /items"}]},
        [SUGGESTED],
        [("PG201", ARN)],
    ),
    "one path of a template is left in": (
        {**CASE, "methods": {"GET /items/{id}": "IAM"}, "log": [{"by": CALLER, "call": "prod GET /items/7"}]},
        [allow({"AWS": ARN}, "prod/GET/items/7")],
        [("PG201", ARN)],
    ),
    "somebody new": (
        {**CASE, "policy": [SUGGESTED]},
        [allow({"AWS": [ARN, OTHERS]}, "prod/GET/items")],
        [("PG105", OTHERS)],
    ),
    "a condition of today is gone": ({**CASE, "policy": [FROM_OFFICE]}, [SUGGESTED], [("PG105", ARN)]),
    "an address that did not come": (
        {**CASE, "policy": [FROM_OFFICE]},
        [allow({"AWS": ARN}, "prod/GET/items", IpAddress={"aws:SourceIp": "203.0.113.64/26"})],
        [("PG201", ARN)],
    ),
    "a Deny of today is gone": ({**CASE, "policy": [PARTNERS, DENY]}, [SUGGESTED], [("PG105", "*")]),
    "an account stays, and its role came": (CASE, [PARTNERS], [("PG102", ROOT)]),
    "a principal that did not call": (
        {**CASE, "policy": [allow({"AWS": [ARN, OTHERS]}, "prod/GET/items")]},
        [allow({"AWS": [ARN, OTHERS]}, "prod/GET/items")],
        [("PG101", OTHERS)],
    ),
    "a method that the caller did not call": (
        CASE,
        [allow({"AWS": ARN}, "prod/GET/items", "prod/POST/items")],
        [("PG101", ARN)],
    ),
    "an open method is left out": (
        {**OPEN, "policy": [EVERYBODY, PARTNERS], "log": [{"call": "prod GET /open"}, *CASE["log"]]},
        [SUGGESTED],
        [("PG201", "anybody")],
    ),
    "an open method stays open": (
        {**OPEN, "policy": [EVERYBODY, PARTNERS], "log": [{"call": "prod GET /open"}, *CASE["log"]]},
        [SUGGESTED, allow("*", "prod/GET/open")],
        [],
    ),
    "a first policy leaves out where calls come from": (
        {**OPEN, "log": [{"call": "prod GET /open"}]},
        [allow("*", "*/GET/open", IpAddress={"aws:SourceIp": "198.51.100.0/24"})],
        [("PG201", "anybody")],
    ),
    "a first policy leaves in where calls come from": (
        {**OPEN, "log": [{"call": "prod GET /open"}]},
        [allow("*", "*/GET/open", IpAddress={"aws:SourceIp": "203.0.113.0/24"})],
        [],
    ),
    "a first policy opens a guarded method": (
        {**OPEN, "log": [{"call": "prod GET /open"}]},
        [allow("*", "*", IpAddress={"aws:SourceIp": "203.0.113.0/24"})],
        [("PG105", "*"), ("PG612", "GET /items")],
    ),
    "a first policy lets a partner in": (
        OF_OWN,
        [allow({"AWS": ROOT}, "prod/GET/items")],
        [("PG105", ROOT)],
    ),
    "a first policy names the own account": (OF_OWN, [allow({"AWS": f"arn:aws:iam::{OWNER}:root"}, "*")], []),
    "a first policy denies a caller of the own account": (
        OF_OWN,
        [allow({"AWS": f"arn:aws:iam::{OWNER}:root"}, "*"), {**DENY, "Resource": "execute-api:/prod/GET/*"}],
        [("PG201", who(OWN)[0])],
    ),
    "the path of a caller's role that no log has": (
        {**CASE, "known": []},
        [allow({"AWS": ARN}, "prod/GET/items")],
        [],
    ),
}  # fmt: skip


def without(found: list[str], *named: str) -> list[str]:
    """Return words without the options whose values have one of some names in them."""
    pairs = zip(found, [*found[1:], ""], strict=True)
    return [
        one
        for one, after in pairs
        if not any(name in one or (one in {"-l", "-s"} and name in after) for name in named)
    ]


@pytest.mark.parametrize("name", CASES)
def test_what_is_against_a_resource_policy(name: str, tmp_path: Path) -> None:
    case, policy, expected = CASES[name]
    given = words(tmp_path, case, policy, "-f", "json")
    done = run(tmp_path, *(without(given, PARTNER) if "known" in case else given))
    said = json.loads(done.stdout)
    assert rules(said) == expected, said["findings"]
    assert done.code == (1 if expected else 0)


@pytest.mark.parametrize(
    ("case", "policy", "expected"),
    [
        (CASE, [PARTNERS], []),
        (CASE, [PARTNERS, allow({"AWS": USER}, "*")], [("PG105", USER)]),
        ({**CASE, "policy": [PARTNERS, DENY]}, [PARTNERS], [("PG105", "*")]),
        ({**OPEN, "policy": [EVERYBODY]}, [EVERYBODY], [("PG601", "GET /open")]),
        ({**OPEN, "methods": {"GET /open": "KEY"}, "policy": [EVERYBODY]}, [EVERYBODY], [("PG602", "GET /open")]),
        ({**CASE, "policy": [allow("*", "*")]}, [allow("*", "*")], ANY_ACCOUNT),
        ({**CASE, "private": True}, [PARTNERS], [("PG608", "api")]),
        ({**CASE, "private": True}, [allow({"AWS": ROOT}, "*", StringEquals={"aws:SourceVpce": "vpce-0aaa0aaa"})], []),
    ],
)  # fmt: skip
def test_without_logs_it_is_compared_with_today(
    case: dict[str, Any], policy: list[Any], expected: list[tuple[str, str]], tmp_path: Path
) -> None:
    done = run(tmp_path, *without(words(tmp_path, {**case, "log": []}, policy, "-f", "json"), "access.log"))
    said = json.loads(done.stdout)
    assert rules(said) == expected
    assert (said["days"], said["last"], done.code) == (0, "", 1 if expected else 0)


def test_what_the_suggestion_keeps_and_what_logs_cannot_show_fails_no_level(tmp_path: Path) -> None:
    case = {**CASE, "stages": {"prod": None, "dev": {"none": 1}}}
    policy = [SUGGESTED, allow({"AWS": ROOT}, "dev/*")]
    said = gate(tmp_path, case, policy, "--fail-on", "note")
    assert (rules(said), said["code"]) == ([], 0)
    assert [(one["rule"], one["subject"]) for one in said["findings"]] == [("PG301", "dev")]
    wide = gate(tmp_path, case, [PARTNERS])
    (found,) = [one for one in wide["findings"] if one["against"]]
    assert (found["rule"], found["message"].startswith(f"{ARN} came, and with less than")) == ("PG102", True)


def test_a_finding_stands_at_the_line_of_its_resource_and_names_the_api(tmp_path: Path) -> None:
    said = gate(tmp_path, CASE, [allow({"AWS": ARN}, "prod/GET/items", "prod/POST/items")])
    assert (said["role"], said["account"]) == (f"API orders ({API})", OWNER)
    (found,) = said["findings"]
    assert "POST/items" in (tmp_path / "p.json").read_text().splitlines()[found["line"] - 1]
    assert found["resource"] == f"execute-api:Invoke on {PLACE}/prod/POST/items"


def test_every_format_of_the_gate_and_a_baseline(tmp_path: Path) -> None:
    given = words(tmp_path, CASE, [PARTNERS])
    for name in ("text", "markdown", "sarif", "junit", "github"):
        shown = run(tmp_path, *given, "-f", name)
        assert (shown.code, "PG102" in shown.stdout) == (1, True)
    assert Xml.fromstring(run(tmp_path, *given, "-f", "junit").stdout)[0].get("failures") == "1"
    assert run(tmp_path, *given, "--write-baseline", "b.json").code == 0
    assert run(tmp_path, *given, "--baseline", "b.json").code == 0


@pytest.mark.parametrize(
    ("more", "error"),
    [
        (["--api", "orders", "--kind", "trust", "-r", "x"], "PG-E248"),
        (["--kind", "resource"], "PG-E248"),
        (["--api", "orders"], "PG-E248"),
        (["--api", "orders", "--kind", "resource", "-r", "x"], "PG-E248"),
        (["p.json", "--api", "orders", "--kind", "resource"], "PG-E248"),
        (["--api", "orders", "--kind", "resource", "--all"], "PG-E248"),
        (["--api", "parcels", "--kind", "resource"], "PG-E381"),
    ],
)
def test_what_cannot_be_checked(more: list[str], error: str, tmp_path: Path) -> None:
    given = words(tmp_path, CASE, [PARTNERS])[6:]
    done = run(tmp_path, "check", "p.json", *more, *(given if "--all" not in more else given[4:]))
    assert (done.code, done.stdout) == (4 if error == "PG-E381" else 2, "")
    assert error in done.stderr


def test_an_http_api_has_no_such_policy_and_nobody_called_is_no_pass(tmp_path: Path) -> None:
    http = {"protocol": "HTTP", "methods": {"GET /items": "IAM"}, "log": CASE["log"]}
    done = run(tmp_path, *words(tmp_path, http, [PARTNERS]))
    assert (done.code, "only REST APIs have one" in done.stderr) == (2, True)
    denied = {**CASE, "log": [{**CASE["log"][0], "status": 403, "error": "ACCESS_DENIED"}]}
    nobody = run(tmp_path, *words(tmp_path, denied, [PARTNERS]))
    assert (nobody.code, nobody.stdout, "PG-E387" in nobody.stderr) == (4, "", True)
