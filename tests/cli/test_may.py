"""policygen may: who may invoke a method of an API, and whose word decides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import run

OWNER, PARTNER = "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{OWNER}:role/orders"
GUEST = f"arn:aws:iam::{PARTNER}:role/guest"
API = "a1b2c3d4e5"
METHODS = f"arn:aws:execute-api:eu-west-1:{OWNER}:{API}"


def role(arn: str, *resources: str, effect: str = "Allow") -> dict[str, Any]:
    """Return an entry of RoleDetailList with a policy on resources of execute-api."""
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": list(resources)}
    policies = [{"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}]
    return {
        "RoleName": arn.rpartition("/")[2],
        "Arn": arn,
        "RoleId": "AROAEXAMPLE",
        "AssumeRolePolicyDocument": {},
        "RolePolicyList": policies if resources else [],
        "AttachedManagedPolicies": [],
    }


def snapshot(account: str, *roles: dict[str, Any], **parts: Any) -> dict[str, Any]:
    """Return a snapshot of an account."""
    return {
        "policygen_snapshot": 1,
        "account_id": account,
        "authorization": {"RoleDetailList": list(roles)},
        **parts,
    }


def api(
    policy: list[dict[str, Any]] | None = None, endpoint: str = "REGIONAL", **methods: str
) -> dict[str, Any]:
    """Return a REST API: ``GET_pets="AWS_IAM"`` is a method; the policy comes escaped, as AWS gives it."""
    resources = [
        {"path": f"/{path}", "resourceMethods": {verb: {"authorizationType": kind}}}
        for (verb, _, path), kind in ((name.partition("_"), kind) for name, kind in methods.items())
    ]
    described: dict[str, Any] = {"id": API, "name": "shop", "endpointConfiguration": {"types": [endpoint]}}
    if policy is not None:
        text = json.dumps({"Version": "2012-10-17", "Statement": policy})
        described["policy"] = json.dumps(text)[1:-1].replace("/", "\\/")
    return {
        "region": "eu-west-1",
        "RestApi": described,
        "Resources": resources,
        "Stages": [],
        "Authorizers": [],
    }


def allow(principal: Any, resource: str = f"{METHODS}/*", **condition: Any) -> dict[str, Any]:
    """Return a statement of a resource policy."""
    statement = {
        "Effect": "Allow",
        "Principal": principal,
        "Action": "execute-api:Invoke",
        "Resource": resource,
    }
    return statement | ({"Condition": condition} if condition else {})


def ask(tmp_path: Path, request: str, *snapshots: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a sentence."""
    words = ["may", request, "-f", "jsonl"]
    for number, one in enumerate(snapshots):
        (tmp_path / f"{number}.json").write_text(json.dumps(one))
        words += ["-s", f"{number}.json"]
    done = run(tmp_path, *words)
    assert (done.code, done.stderr) == (0, "")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize(
    ("who", "methods", "policy", "roles", "outcome", "layer"),
    [
        (ROLE, "AWS_IAM", None, [role(ROLE, f"{METHODS}/prod/GET/pets")], "ALLOWED", "identity"),
        (ROLE, "AWS_IAM", None, [role(ROLE, f"{METHODS}/prod/POST/pets")], "IMPLICIT_DENY", "identity"),
        (ROLE, "AWS_IAM", [allow({"AWS": ROLE})], [role(ROLE)], "ALLOWED", "resource policy"),
        (
            ROLE,
            "AWS_IAM",
            [allow({"AWS": ROLE})],
            [role(ROLE, "*", effect="Deny")],
            "EXPLICIT_DENY",
            "identity",
        ),
        (ROLE, "AWS_IAM", [allow({"AWS": OWNER})], [role(ROLE)], "IMPLICIT_DENY", "identity"),
        (
            ROLE,
            "AWS_IAM",
            [allow("*", "execute-api:/prod/GET/pets")],
            [role(ROLE)],
            "ALLOWED",
            "resource policy",
        ),
        ("anybody", "AWS_IAM", [allow("*")], [], "IMPLICIT_DENY", "method"),
        ("anybody", "NONE", None, [], "ALLOWED", "method"),
        ("anybody", "NONE", [allow({"AWS": ROLE})], [], "IMPLICIT_DENY", "resource policy"),
    ],
)
def test_one_account(
    who: str, methods: str, policy: Any, roles: list[Any], outcome: str, layer: str, tmp_path: Path
) -> None:
    own = snapshot(OWNER, *roles, rest_apis=[api(policy, GET_pets=methods)])
    answer = ask(tmp_path, f"{who} GET {API}/prod/pets", own)
    assert (answer["outcome"], answer["certain"], answer["layer"]) == (outcome, True, layer)


@pytest.mark.parametrize(
    ("policy", "guest", "outcome"),
    [
        ([allow({"AWS": GUEST})], role(GUEST, "*"), "ALLOWED"),
        ([allow({"AWS": PARTNER})], role(GUEST, "*"), "ALLOWED"),
        ([allow({"AWS": GUEST})], role(GUEST), "IMPLICIT_DENY"),
        (None, role(GUEST, "*"), "IMPLICIT_DENY"),
    ],
)
def test_another_account_needs_both_sides(policy: Any, guest: Any, outcome: str, tmp_path: Path) -> None:
    own = snapshot(OWNER, rest_apis=[api(policy, GET_pets="AWS_IAM")])
    answer = ask(tmp_path, f"{GUEST} GET {API}/prod/pets", own, snapshot(PARTNER, guest))
    assert (answer["outcome"], answer["certain"]) == (outcome, True)


def test_what_no_snapshot_tells_is_said_and_lets_nobody_in(tmp_path: Path) -> None:
    own = snapshot(OWNER, rest_apis=[api([allow({"AWS": GUEST})], GET_pets="AWS_IAM")])
    answer = ask(tmp_path, f"{GUEST} GET {API}/prod/pets", own)
    assert (answer["outcome"], answer["certain"]) == ("EXPLICIT_DENY", False)
    assert answer["unknown"] == [f"the policies of {GUEST}"]


@pytest.mark.parametrize(
    ("parts", "assumed"),
    [
        ({}, [f"no service control policy of account {OWNER} denies it"]),
        ({"organization": {"scps": []}}, []),
    ],
    ids=["an organization that was not read", "no policies of an organization"],
)
def test_what_an_allow_takes_for_granted_is_said(parts: Any, assumed: list[str], tmp_path: Path) -> None:
    own = snapshot(OWNER, role(ROLE, "*"), rest_apis=[api(None, GET_pets="AWS_IAM")], **parts)
    answer = ask(tmp_path, f"{ROLE} GET {API}/prod/pets", own)
    assert (answer["outcome"], answer["assumed"]) == ("ALLOWED", assumed)


def test_an_address_that_is_not_told_leaves_it_open(tmp_path: Path) -> None:
    block = {"aws:SourceIp": ["192.0.2.0/24"]}
    own = snapshot(OWNER, rest_apis=[api([allow("*", IpAddress=block)], GET_pets="NONE")])
    answer = ask(tmp_path, f"anybody GET {API}/prod/pets", own)
    assert (answer["outcome"], answer["certain"], answer["unknown"]) == (
        "IMPLICIT_DENY",
        False,
        ["aws:SourceIp"],
    )


def test_a_private_api_without_a_policy_lets_nobody_in(tmp_path: Path) -> None:
    own = snapshot(OWNER, rest_apis=[api(None, "PRIVATE", GET_pets="NONE")])
    assert ask(tmp_path, f"anybody GET {API}/prod/pets", own)["layer"] == "resource policy"


def test_the_more_specific_path_answers(tmp_path: Path) -> None:
    described = api(None, GET_pets="NONE")
    described["Resources"].append(
        {"path": "/{rest+}", "resourceMethods": {"ANY": {"authorizationType": "AWS_IAM"}}}
    )
    own = snapshot(OWNER, rest_apis=[described])
    assert ask(tmp_path, "anybody GET shop/prod/pets", own)["outcome"] == "ALLOWED"
    assert ask(tmp_path, "anybody GET shop/prod/pets/7", own)["outcome"] == "IMPLICIT_DENY"


def test_the_name_of_a_role_that_one_account_has_is_enough(tmp_path: Path) -> None:
    api_of = api(None, GET_pets="AWS_IAM")
    own = snapshot(OWNER, role(ROLE, f"{METHODS}/*"), rest_apis=[api_of])
    guest = snapshot(PARTNER, role(GUEST))
    by_arn = ask(tmp_path, f"{ROLE} GET shop/prod/pets", own, guest)
    by_name = ask(tmp_path, "orders GET shop/prod/pets", own, guest)
    assert by_name | {"id": ""} == by_arn | {"id": ""}
    assert by_name["outcome"] == "ALLOWED"
    assert ask(tmp_path, "guest GET shop/prod/pets", own, guest)["outcome"] != "ALLOWED"
    twin = snapshot(PARTNER, role(f"arn:aws:iam::{PARTNER}:role/orders"))
    for name, content in (("one.json", own), ("two.json", twin)):
        (tmp_path / name).write_text(json.dumps(content))
    done = run(tmp_path, "may", "orders GET shop/prod/pets", "-s", "one.json", "-s", "two.json")
    assert (done.code, done.stdout) == (2, "")
    assert "several accounts have a role 'orders'" in done.stderr


@pytest.mark.parametrize(
    ("words", "says", "code"),
    [
        (["may", "anybody GET shop"], "not a request: 'anybody GET shop'  PG-E382", 2),
        (
            ["may", "me GET shop/prod/pets"],
            "no role of the snapshots, and not the ARN of a role",
            2,
        ),
        (["may", "anybody GET shpo/prod/pets"], "no API 'shpo' in the snapshots  PG-E381", 4),
        (["may", "none.jsonl"], "cannot read 'none.jsonl'", 2),
        (["may", "bad.jsonl"], "line 2 of 'bad.jsonl' is not a JSON object", 2),
    ],
)
def test_wrong_usage(words: list[str], says: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(snapshot(OWNER, rest_apis=[api(None, GET_pets="NONE")])))
    (tmp_path / "bad.jsonl").write_text(
        json.dumps({"api": API, "stage": "prod", "method": "GET", "path": "/pets"}) + "\nnot json\n"
    )
    done = run(tmp_path, *words, "-s", "a.json")
    assert done.code == code
    assert says in done.stderr
    assert done.stdout == ""


def test_a_snapshot_without_apis_does_not_say_that_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(snapshot(OWNER)))
    done = run(tmp_path, "may", "anybody GET shop/prod/pets", "-s", "a.json")
    assert (done.code, "does not say which APIs there are" in done.stderr) == (4, True)


def test_a_stage_that_there_is_not_answers_nobody(tmp_path: Path) -> None:
    described = api(GET_pets="NONE") | {"Stages": [{"stageName": "prod"}]}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(snapshot(OWNER, rest_apis=[described])))
    asked = "".join(
        json.dumps({"id": f"{stage}\u2028", "api": API, "stage": stage, "method": "GET", "path": "/pets"})
        + "\n"
        for stage in ("prod", "test")
    )
    (tmp_path / "asked.jsonl").write_text(asked.replace("\\u2028", "\u2028"), "utf-8")  # it ends no line
    made = run(tmp_path, "may", "asked.jsonl", "-s", str(path), "-f", "jsonl")
    assert made.code == 0, made.stderr
    answers = [json.loads(line) for line in made.stdout.splitlines()]
    assert [(one["outcome"], one["certain"]) for one in answers] == [
        ("ALLOWED", True),
        ("IMPLICIT_DENY", True),
    ]
    assert answers[1]["reason"] == "the API has no stage test"


def test_an_empty_text_is_no_request(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(snapshot(OWNER, rest_apis=[api(GET_pets="NONE")])))
    made = run(tmp_path, "may", "", "-s", str(path))
    assert (made.code, made.stdout) == (2, "")
    assert "not a request: ''  PG-E382" in made.stderr


@pytest.mark.parametrize("field", ["region", "id"])
@pytest.mark.parametrize("text", ["*", "eu-west-1:*", "${aws:username}", "", "eu-west-1\n"])
def test_what_stands_in_an_arn_has_no_wildcard(tmp_path: Path, field: str, text: str) -> None:
    described = api(GET_pets="NONE")
    (described if field == "region" else described["RestApi"])[field] = text
    path = tmp_path / "a.json"
    path.write_text(json.dumps(snapshot(OWNER, rest_apis=[described])))
    made = run(tmp_path, "may", f"anybody GET {API}/prod/pets", "-s", str(path))
    assert (made.code, made.stdout) == (2, "")
    assert "is not an account snapshot" in made.stderr
    assert f".{field}`" in made.stderr
