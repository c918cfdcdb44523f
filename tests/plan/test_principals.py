"""Plans of trust policies and of APIs: what is read back is what was saved, in every format and for the gate."""

from __future__ import annotations

import json
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from policygen.errors import PolicygenError, UsageError
from policygen.gate.findings import Finding
from policygen.gate.judge.principals import principal_source
from policygen.gate.judge.resource import check_resource
from policygen.gate.judge.trust import check_trust
from policygen.iam.resource_policy import ResourcePolicy, parse_resource_policy
from policygen.plan import api as plan_api
from policygen.plan.api import ApiPlan, api_suggestion_of
from policygen.plan.io import SCHEMA_VERSION, plan_document, read_plan
from policygen.plan.trust import TrustPlan, trust_suggestion_of
from policygen.report.formats import API_FORMATS, TRUST_FORMATS, render_api, render_trust
from policygen.version import VERSION
from tests.report.test_api_formats import GIVEN as APIS
from tests.report.test_api_formats import three_callers
from tests.report.test_trust_formats import GIVEN as TRUSTS
from tests.report.test_trust_formats import HOSTILE, OF_FUNCTION, hostile
from tests.support import api_world, trust_world
from tests.support.api_world import OWNER, PARTNER


def outputs(render: Any, formats: Any, suggestion: Any) -> dict[str, str]:
    found = {}
    for name in formats:
        try:
            found[name] = render(name, suggestion)
        except PolicygenError as error:
            found[name] = error.code
    return found


def policies(*given: ResourcePolicy | None) -> list[ResourcePolicy]:
    """Return policies to check: those given, and each without one of its statements."""
    whole = [one for one in given if one]
    parts = (
        msgspec.structs.replace(one, statements=(*one.statements[:n], *one.statements[n + 1 :]))
        for one in whole
        for n in range(len(one.statements))
    )
    return list(chain(whole, parts))


def schema(name: str) -> Any:
    return json.loads((files("policygen.plan") / f"{name}.schema.json").read_text("utf-8"))


def read(text: str) -> dict[str, Any]:
    return plan_document(text.encode("utf-8", "backslashreplace"), "p.json")


@pytest.mark.parametrize(
    "case", [*TRUSTS[::6], OF_FUNCTION, hostile(*HOSTILE)], ids=lambda case: case.get("name", "hostile")
)
def test_a_trust_policy_is_read_back(case: dict[str, Any], tmp_path: Path) -> None:
    found = trust_world.suggestion_of(case, tmp_path)
    text = render_trust("json", found)
    again = trust_suggestion_of(read(text), "p.json")
    assert outputs(render_trust, TRUST_FORMATS, again) == outputs(render_trust, TRUST_FORMATS, found)
    for policy in policies(found.today, found.policy):
        source = principal_source("t.json", policy.to_json(2), policy)
        assert said(check_trust(source, policy, again)) == said(check_trust(source, policy, found))
    assert not list(Draft202012Validator(schema("trust")).iter_errors(json.loads(text)))


@pytest.mark.parametrize(
    "case", [*APIS[::4], three_callers(*HOSTILE)], ids=lambda case: case.get("name", "hostile")
)
def test_an_api_is_read_back(case: dict[str, Any], tmp_path: Path) -> None:
    found = api_world.suggestion_of(case, tmp_path)
    text = render_api("json", found)
    again = api_suggestion_of(read(text), "p.json")
    assert outputs(render_api, API_FORMATS, again) == outputs(render_api, API_FORMATS, found)
    for policy in policies(found.policy, found.api.policy, of_office(found.api.policy)):
        source = principal_source("p.json", policy.to_json(2), policy)
        first = check_resource(source, policy, found.api, found.world, found)
        assert said(check_resource(source, policy, again.api, again.world, again)) == said(first)
    assert not list(Draft202012Validator(schema("api")).iter_errors(json.loads(text)))


def of_office(policy: ResourcePolicy | None) -> ResourcePolicy | None:
    """Return a policy that asks for addresses, which that of today may not do."""
    if policy is None:
        return None
    office = (("IpAddress", (("aws:SourceIp", ("203.0.113.0/26",)),)),)
    return msgspec.structs.replace(
        policy,
        statements=tuple(
            msgspec.structs.replace(one, statement=msgspec.structs.replace(one.statement, conditions=office))
            for one in policy.statements
        ),
    )


def said(findings: tuple[Finding, ...]) -> list[tuple[str, str, str, bool]]:
    return [(one.rule.id, one.subject, one.message, one.against) for one in findings]


@pytest.mark.parametrize(("name", "plan"), [("trust", TrustPlan), ("api", ApiPlan)])
def test_the_schema_is_that_of_the_plan(name: str, plan: Any) -> None:
    made = json.loads(json.dumps(msgspec.json.schema(plan)))
    assert schema(name) == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"policygen {'trust plan' if name == 'trust' else 'API plan'}",
        **made,
    }


def test_what_is_no_such_plan(tmp_path: Path) -> None:
    text = render_trust("json", trust_world.suggestion_of(OF_FUNCTION, tmp_path))
    with pytest.raises(UsageError) as role:
        read_plan(text.encode(), "p.json")
    assert role.value.code == "PG-E270"
    assert "kind 'trust'" in role.value.message
    whole = read(text)
    assert (whole["schema_version"], whole["policygen"]) == (SCHEMA_VERSION, VERSION)
    packed = whole["suggestion"]
    for broken in (
        {},
        {"suggestion": {}},
        {"suggestion": "x"},
        {"suggestion": packed[:-40]},
        {"suggestion": ""},
    ):
        with pytest.raises(UsageError) as unread:
            trust_suggestion_of({"policygen": "0.9", **broken}, "p.json")
        assert unread.value.code == "PG-E245"
        assert "policygen 0.9 made it" in unread.value.message
    for data in (b"{", b"[]", b"{}", b'{"schema_version": 9}'):
        with pytest.raises(UsageError) as none:
            plan_document(data, "p.json")
        assert none.value.code == "PG-E270"


def test_a_plan_whose_policy_somebody_edited_is_refused(tmp_path: Path) -> None:
    anybody = {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}
    wide = {"Version": "2012-10-17", "Statement": [anybody]}
    trust = read(render_trust("json", trust_world.suggestion_of(OF_FUNCTION, tmp_path)))
    api = read(render_api("json", api_world.suggestion_of(three_callers(), tmp_path)))
    trust_suggestion_of(trust, "p.json")
    api_suggestion_of(api, "p.json")
    edited: list[tuple[Any, dict[str, Any], str]] = [
        (trust_suggestion_of, trust | {"policy": wide}, "policy"),
        (api_suggestion_of, api | {"resource_policy": wide}, "resource_policy"),
        (api_suggestion_of, api | {"callers": []}, "callers"),
    ]
    for back, plan, field in edited:
        with pytest.raises(UsageError) as refused:
            back(plan, "p.json")
        assert refused.value.code == "PG-E245"
        assert f"was edited: {field} is not what was proved" in refused.value.message


def test_a_plan_has_the_callers_of_the_api_and_no_other_role(tmp_path: Path) -> None:
    case = three_callers()
    case["people"] |= {"role/idle": [], f"{PARTNER}:user/idle": []}
    text = render_api("json", api_world.suggestion_of(case, tmp_path))
    world = api_suggestion_of(read(text), "p.json").world
    assert [role.name for role in world.accounts[OWNER].roles] == ["caller"]
    assert [user.arn for user in world.accounts[PARTNER].users] == []


def test_a_plan_lists_the_most_frequent_of_many_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_api, "_LISTED", 3)
    case = {
        "methods": {"GET /open": "OPEN"},
        "log": [{"call": "prod GET /open", "from": f"192.0.2.{n}", "days": n} for n in range(1, 8)],
    }
    found = api_world.suggestion_of(case, tmp_path)
    plan = read(render_api("json", found))
    assert [(one["address"], one["count"]) for one in plan["usage"]] == [
        ("192.0.2.7", 7), ("192.0.2.6", 6), ("192.0.2.5", 5), ("", 1 + 2 + 3 + 4),
    ]  # fmt: skip
    assert plan["usage_cut"]
    again = api_suggestion_of(plan, "p.json")
    assert render_api("json", again) == render_api("json", found)
    assert "over 3 addresses" in render_api("text", again)
    office = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*"}
    block = office | {"Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/29"}}}
    policy = parse_resource_policy({"Version": "2012-10-17", "Statement": [block]})
    source = principal_source("p.json", policy.to_json(2), policy)
    for suggestion, rules in ((found, []), (again, ["PG201"])):  # what is not known is not let in
        told = check_resource(source, policy, suggestion.api, suggestion.world, suggestion)
        assert [one.rule.id for one in told if one.against] == rules
