from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.iam.aws_managed_policies import aws_managed_policies_data

from policygen.iam import reference
from policygen.iam.document import Policy, parse_policy
from policygen.iam.evaluate import Evaluator
from policygen.iam.request import AccessRequest
from policygen.rightsize.assess.risk import Risk, compare_risks, risks, rules
from tests.support import ROOT

CASES = json.loads((ROOT / "tests/cases/risk/policies.json").read_text())
MANAGED = json.loads(aws_managed_policies_data)


def policy(statements: Any) -> Policy:
    return parse_policy({"Version": "2012-10-17", "Statement": statements})


def managed(name: str) -> Policy:
    return parse_policy(MANAGED[name]["Document"], name)


def found(*policies: Policy, **limits: Any) -> list[str]:
    return [risk.rule for risk in risks(policies, **limits)]


# --- The rules are data ---


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.id)
def test_a_rule_names_actions_that_exist_and_where_it_comes_from(rule) -> None:
    for action in rule.actions:
        known = reference.action(action)
        assert known is not None, action
        assert known.name == action
    assert rule.actions
    assert re.fullmatch(
        r"https://(docs\.aws\.amazon\.com|pathfinding\.cloud|rhinosecuritylabs\.com)/\S+", rule.source
    )
    assert rule.title[:1].islower()
    assert not rule.title.endswith(".")


def test_ids_are_unique_in_order_and_tell_the_family() -> None:
    ids = [rule.id for rule in rules()]
    prefix = {"escalation": "PE", "exfiltration": "EX", "exposure": "RE"}
    assert len(set(ids)) == len(ids)
    for start in prefix.values():
        numbers = [one for one in ids if one.startswith(start)]
        assert numbers == sorted(numbers)
    assert all(re.fullmatch(rf"{prefix[rule.family]}-\d\d", rule.id) for rule in rules())


def test_a_rule_that_passes_roles_names_services_as_principals() -> None:
    services = {service for rule in rules() for service in rule.pass_to}
    assert services
    assert all(re.fullmatch(r"[a-z0-9.-]+\.amazonaws\.com", service) for service in services)


def test_the_page_lists_every_rule() -> None:
    page = (ROOT / "docs/concepts/risk.md").read_text()
    missing = [rule.id for rule in rules() if f"| {rule.id} | {rule.title} | <{rule.source}> |" not in page]
    assert not missing
    assert len(re.findall(r"^\| (PE|EX|RE)-\d\d ", page, re.M)) == len(rules())


# --- What they find ---


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_case(case: dict[str, Any]) -> None:
    holding = risks(
        [policy(case["policy"])],
        policy(case["boundary"]) if "boundary" in case else None,
        [[policy(one) for one in level] for level in case.get("guardrails", ())],
        case.get("account", ""),
    )
    assert [risk.rule for risk in holding] == case["holds"]
    if "actions" in case:
        assert list(holding[0].actions) == case["actions"]
    if "resources" in case:
        assert list(holding[0].resources) == case["resources"]


def test_the_administrator_holds_every_rule() -> None:
    assert found(managed("AdministratorAccess")) == [rule.id for rule in rules()]


def test_who_may_read_everything_escalates_nowhere_and_exposes_nothing() -> None:
    holding = risks([managed("ReadOnlyAccess")])
    assert {risk.family for risk in holding} == {"exfiltration"}
    assert risks([managed("SecurityAudit")]) == ()


def test_the_policy_of_a_plain_function_holds_no_rule() -> None:
    assert found(managed("AWSLambdaBasicExecutionRole")) == []


@pytest.mark.parametrize("name", ["IAMFullAccess", "PowerUserAccess"])
def test_the_boundary_that_forbids_all_closes_all(name: str) -> None:
    assert found(managed(name))
    assert found(managed(name), boundary=policy([])) == []


def test_two_policies_together_hold_what_neither_does() -> None:
    one, other = (
        policy([{"Effect": "Allow", "Action": action, "Resource": "*"}])
        for action in ("iam:PassRole", "ec2:RunInstances")
    )
    assert (found(one), found(other), found(one, other)) == ([], [], ["PE-18"])


def test_what_is_gone_and_what_is_left() -> None:
    before = risks([managed("AmazonS3FullAccess")])
    after = risks(
        [policy([{"Effect": "Allow", "Action": "s3:PutBucketPolicy", "Resource": "arn:aws:s3:::app"}])]
    )
    removed, remaining = compare_risks(before, after)
    assert [risk.rule for risk in remaining] == ["RE-01"]
    assert [risk.rule for risk in removed] == [risk.rule for risk in before if risk.rule != "RE-01"]
    assert compare_risks(before, ()) == (before, ())


# --- In general ---

ACTIONS = [
    "iam:PassRole",
    "iam:*",
    "lambda:CreateFunction",
    "lambda:*",
    "s3:GetObject",
    "s3:Get*",
    "sts:AssumeRole",
    "*",
]
RESOURCES = [
    "*",
    "arn:aws:iam::123456789012:role/*",
    "arn:aws:iam::*:role/app",
    "arn:aws:s3:::*",
    "arn:aws:s3:::app/*",
]
STATEMENTS = st.builds(
    lambda effect, actions, resources, negated: {
        "Effect": effect,
        "NotAction" if negated == 1 else "Action": actions,
        "NotResource" if negated == 2 else "Resource": resources,
    },
    st.sampled_from(["Allow", "Allow", "Deny"]),
    st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=3),
    st.lists(st.sampled_from(RESOURCES), min_size=1, max_size=2),
    st.integers(0, 4),
)
POLICIES = st.lists(STATEMENTS, max_size=4).map(policy)


def reached(risk: Risk) -> list[AccessRequest]:
    """Names of each of a risk's patterns, with what a wildcard may stand for."""
    names = ["arn:aws:iam::123456789012:role/app", "arn:aws:iam::123456789012:role/x", "arn:aws:s3:::a/k"]
    names += ["arn:aws:s3:::b/k", "arn:aws:lambda:us-east-1:123456789012:function:f", "*"]
    return [AccessRequest(action, name) for action in risk.actions for name in names]


@settings(deadline=None)
@given(POLICIES, POLICIES)
def test_a_boundary_never_adds_a_risk(one: Policy, boundary: Policy) -> None:
    assert set(found(one, boundary=boundary)) <= set(found(one))


@settings(deadline=None)
@given(POLICIES, POLICIES)
def test_another_policy_without_a_deny_never_takes_a_risk_away(one: Policy, other: Policy) -> None:
    allows = Policy(tuple(s for s in other.statements if s.effect == "Allow"))
    assert set(found(one)) <= set(found(one, allows))


@settings(deadline=None)
@given(POLICIES, POLICIES)
def test_a_risk_with_one_action_is_something_that_the_evaluator_allows(one: Policy, boundary: Policy) -> None:
    evaluator = Evaluator([one], boundary)
    for risk in risks([one], boundary):
        if risk.rule in {"EX-01", "PE-14"}:
            assert any(evaluator.evaluate(request).outcome == "ALLOWED" for request in reached(risk)), risk
