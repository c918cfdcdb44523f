"""The policies of an API and of its callers: who may go on calling, and who may not. The cases are data.

They follow the API Gateway Developer Guide: apigateway-authorization-flow, apigateway-resource-policies,
apigateway-private-apis, api-gateway-control-access-using-iam-policies-to-invoke-api and set-up-logging.
"""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from policygen.errors import PolicygenError
from policygen.gate.judge.principals import principal_source
from policygen.gate.judge.resource import check_resource
from policygen.report.data.api import api_json
from policygen.report.terminal.api import api_screen
from policygen.rightsize.api.question import World
from tests.support import ROOT
from tests.support.api_world import ENDPOINTS, STRANGER, accounts_of, may_call, suggestion_of, who

CASES = json.loads((ROOT / "tests/cases/api/cases.json").read_text())


def statements(document: Any) -> list[dict[str, Any]]:
    """Return the statements of a document, as JSON has them."""
    return list(json.loads(document.to_json())["Statement"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_an_api(case: dict[str, Any], tmp_path: Path) -> None:
    if error := case.get("error"):
        with pytest.raises(PolicygenError) as raised:
            suggestion_of(case, tmp_path)
        assert raised.value.code == error
        return
    found = suggestion_of(case, tmp_path)
    today, people = case.get("policy"), case.get("people", {})
    new = statements(found.policy) if found.policy else today
    assert (found.policy is None) == case.get("null", False), found.why
    for by, call, *context in case.get("allow", ()):
        asked = (by, call, context[0] if context else {})
        assert may_call(case, *asked, today, people), ("the case is wrong", asked)
        assert may_call(case, *asked, new, people), asked
    for by, call, *context in case.get("deny", ()):
        assert not may_call(case, by, call, context[0] if context else {}, new, people), (by, call, context)
    for by, call in case.get("allow_policy", ()):
        anything = {by: [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        assert may_call(case, by, call, {}, new, anything), (by, call)
    _nothing_is_wider(case, found, new)
    _passes_its_gate(case, found)
    _claims_hold(case, found, new)


def _passes_its_gate(case: dict[str, Any], found: Any) -> None:
    if policy := found.policy:
        source = principal_source("p.json", policy.to_json(2), policy)
        said = check_resource(source, policy, found.api, World(accounts_of(case)), found)
        assert [(one.rule.id, one.subject, one.message) for one in said if one.against] == []


def _nothing_is_wider(case: dict[str, Any], found: Any, new: list[dict[str, Any]] | None) -> None:
    today, people = case.get("policy"), case.get("people", {})
    own = {
        name: statements(one.policy) if one.policy and who(name)[0] == one.party.name else people[name]
        for name in people
        for one in [next((c for c in found.callers if c.party.name == who(name)[0]), None)]
        if one
    }
    contexts = [{}, {"endpoint": "vpce-0ccc0ccc"}]
    contexts += [{key: value} for key, value in _contexts(case)]
    calls = {call for _, call, *_ in (*case.get("allow", ()), *case.get("deny", ()))}
    calls |= {entry["call"] for entry in case["log"]} | {
        "dev GET /items",
        "prod GET /items/zz",
        "zz GET /items",
    }
    for by, call, context in product([*list(people)[:9], "", f"{STRANGER}:role/x"], sorted(calls), contexts):
        if may_call(case, by, call, context, new, {**people, **own}):
            assert may_call(case, by, call, context, today, people), (by, call, context)


def _contexts(case: dict[str, Any]) -> list[tuple[str, str]]:
    values = {
        ("aws:SourceIp", "192.0.2.250"),
        ("aws:SourceIp", "2001:db8:ffff::1"),
        ("aws:PrincipalOrgID", "o-zz"),
    }
    for entry in case["log"]:
        values.add(("aws:SourceIp", entry.get("from") or "203.0.113.7"))
        values |= {("endpoint", entry["endpoint"])} if "endpoint" in entry else set()
    return sorted(values)


def _claims_hold(case: dict[str, Any], found: Any, new: list[dict[str, Any]] | None) -> None:
    assert all(one.held for one in found.promises)
    assert [one.name for one in found.promises] == [
        "sufficient", "nothing spare", "accounted for", "never wider", "honest",
    ]  # fmt: skip
    text = json.dumps(new)
    assert all(word in text for word in case.get("written", ()))
    rules = {(one.rule, one.where) for one in found.findings}
    assert {tuple(one) for one in case.get("findings", ())} <= rules
    assert not {tuple(one) for one in case.get("no_findings", ())} & rules
    assert set(case.get("blind", ())) <= {one.id for one in found.blind_spots}
    assert {name for _, name in found.not_required} == set(case.get("not_required", ()))
    assert case.get("says", "") in " ".join(one.why for one in found.blind_spots)
    assert len(found.policy.to_json() if found.policy else "") <= 8192
    if "blocks" in case:
        assert len(new[0]["Condition"]["IpAddress"]["aws:SourceIp"]) <= case["blocks"]
    if "all_blocks" in case:
        listed = [one["Condition"]["IpAddress"]["aws:SourceIp"] for one in new]
        assert sum(map(len, listed)) <= case["all_blocks"]
    assert all(len(line) <= 80 for line in api_screen(found).splitlines() if " " in line.strip())
    said = json.loads(api_json(found))
    assert {"resource_policy", "callers", "findings", "usage", "blind_spots"} <= set(said)
    _callers_hold(case, {one["principal"]: one["policy"] for one in said["callers"]})


def _callers_hold(case: dict[str, Any], policies: dict[str, Any]) -> None:
    for name, claim in case.get("callers", {}).items():
        own = {name: policies[who(name)[0]]["Statement"]}
        for kind, asked in claim.items():
            for one in asked:
                call, context = (one, {}) if isinstance(one, str) else one
                everybody = [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]
                policy = everybody if name.startswith("4444") else [] if "policy" in case else None
                answer = may_call({**case, "private": False}, name, call, context, policy, own)
                assert answer == (kind == "allow"), (name, call, context, own)
    for name in case.get("no_policy", ()):
        assert policies[who(name)[0]] is None
    for name, word in case.get("written_caller", {}).items():
        assert word in json.dumps(policies[who(name)[0]])
    called = {who(entry["by"])[0].rpartition("/")[2] for entry in case["log"] if entry.get("by")}
    assert {arn.rpartition("/")[2] for arn in policies} <= called


def test_a_statement_whose_methods_do_not_fit_stays_as_it_is_and_others_are_narrowed(tmp_path: Path) -> None:
    many = [f"/{'long-' * 70}{number}" for number in range(22)]
    anything = [{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "arn:aws:execute-api:*:*:*"}]
    one, other = "444455556666:role/team/caller", "444455556666:role/other"
    wide = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}
    case: dict[str, Any] = {
        "methods": {f"GET {path}": "IAM" for path in [*many, "/items"]},
        "people": {one: anything, other: anything},
        "policy": [
            {**wide, "Principal": {"AWS": who(one)[0]}},
            {**wide, "Principal": {"AWS": who(other)[0]}},
        ],
        "log": [{"by": one, "call": f"prod GET {path}"} for path in many]
        + [{"by": other, "call": "prod GET /items"}],
    }
    found = suggestion_of(case, tmp_path)
    assert found.policy
    assert found.policy.size <= 8192
    new = statements(found.policy)
    for by, path, allowed in [
        *((one, path, True) for path in many),
        (other, "/items", True),
        (other, many[0], False),
    ]:
        assert may_call(case, by, f"prod GET {path}", {}, new, case["people"]) is allowed
    alone = suggestion_of({**case, "policy": case["policy"][:1], "log": case["log"][:-1]}, tmp_path)
    assert (alone.policy, alone.why) == (None, "its methods do not fit into a resource policy")


def test_the_endpoints_of_the_cases_are_known() -> None:
    named = {entry["endpoint"] for case in CASES for entry in case.get("log", ()) if "endpoint" in entry}
    assert named
    assert named <= set(ENDPOINTS)
