from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from policygen.iam import arn
from policygen.iam.document import Policy, Statement, conditions_of
from policygen.iam.evaluate import Evaluator, evaluate, grant_contained
from policygen.iam.request import AccessRequest
from tests.judges.iam_simulate.cases import Case, load, policy_of

CASES = load()
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def test_there_are_cases_and_no_two_share_a_name() -> None:
    assert len(CASES) >= 120
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_golden_case_is_decided_as_expected(case: Case) -> None:
    decision = case.decide()
    expected = {"certain": True, "unknown_keys": []} | case.data["expected"]
    got = {
        "outcome": decision.outcome,
        "certain": decision.certain,
        "unknown_keys": list(decision.unknown_keys),
    }
    if "layer" in expected:
        got["layer"] = decision.layer
    assert got == expected, decision.reason
    assert (decision.statement is None) == (decision.outcome == "IMPLICIT_DENY")


def test_every_kind_of_expectation_is_among_the_cases() -> None:
    kinds = {(c.data["expected"]["outcome"], c.data["expected"].get("certain", True)) for c in CASES}
    assert kinds >= {
        ("ALLOWED", True),
        ("ALLOWED", False),
        ("EXPLICIT_DENY", True),
        ("EXPLICIT_DENY", False),
        ("IMPLICIT_DENY", True),
    }


def test_an_evaluator_gives_the_same_answers_as_single_evaluations() -> None:
    statements = [s for c in CASES if c.topic in ("actions", "resources") for s in c.data["statements"]]
    policy = policy_of(statements)
    requests = [
        AccessRequest(c.data["request"]["action"], c.data["request"]["resource"])
        for c in CASES
        if c.topic in ("actions", "resources")
    ]
    evaluator = Evaluator([policy])
    assert [evaluator.evaluate(r) for r in requests] == [evaluate(r, [policy]) for r in requests]


def test_the_reason_names_whose_word_it_was() -> None:
    request = AccessRequest("s3:GetObject", "arn:aws:s3:::b/a")
    mine, none = policy_of([EVERYTHING]), policy_of([])
    deny = Policy((Statement("Deny", ("*",), ("*",)),))
    control = replace(deny, kind="resource control")
    said = {
        "boundary": evaluate(request, [mine], none).reason,
        "boundary denies": evaluate(request, [mine], deny).reason,
        "scp": evaluate(request, [mine], guardrails=[[none]]).reason,
        "rcp denies": evaluate(request, [mine], guardrails=[[control]]).reason,
        "named": evaluate(request, [mine], guardrails=[[replace(deny, name="Regions")]]).reason,
    }
    assert said == {
        "boundary": "no statement of the permissions boundary allows it",
        "boundary denies": "statement #1 of the permissions boundary denies it",
        "scp": "no statement of a service control policy allows it",
        "rcp denies": "statement #1 of a resource control policy denies it",
        "named": "statement #1 of Regions denies it",
    }


def test_the_decision_names_the_statement_and_its_policy() -> None:
    allow = Statement("Allow", ("s3:GetObject",), ("arn:aws:s3:::b/*",), sid="Read")
    deny = Statement("Deny", ("s3:*",), ("arn:aws:s3:::b/secret",))
    policies = [Policy((allow,), name="app"), Policy((deny,), name="guard")]
    allowed = evaluate(AccessRequest("s3:GetObject", "arn:aws:s3:::b/a"), policies)
    denied = evaluate(AccessRequest("s3:GetObject", "arn:aws:s3:::b/secret"), policies)
    missing = evaluate(AccessRequest("s3:PutObject", "arn:aws:s3:::b/a"), policies)
    assert (allowed.statement, allowed.policy, allowed.reason) == (
        allow,
        "app",
        "statement Read of app allows it",
    )
    assert (denied.statement, denied.policy, denied.reason) == (
        deny,
        "guard",
        "statement #1 of guard denies it",
    )
    assert (missing.statement, missing.reason) == (None, "no statement of the identity policies allows it")


def test_the_reason_is_one_printable_line_whatever_a_policy_is_called() -> None:
    policy = Policy((Statement("Allow", ("*",), ("*",), sid="a\nb\x1b[2J"),), name="x\r\ny")
    assert evaluate(AccessRequest("s3:GetObject", "arn:aws:s3:::b/k"), [policy]).reason.isprintable()


# action, resource pattern, conditions of the grant, statement, contained?
VPCE = conditions_of({"StringEquals": {"aws:SourceVpce": ["vpce-1"]}})
GRANTS = [
    ("the same grant", "s3:GetObject", "arn:aws:s3:::b/k", (), {}, True),
    (
        "a narrower resource",
        "s3:GetObject",
        "arn:aws:s3:::b/in/*",
        (),
        {"Resource": "arn:aws:s3:::b/*"},
        True,
    ),
    ("a wider resource", "s3:GetObject", "arn:aws:s3:::b/*", (), {"Resource": "arn:aws:s3:::b/in/*"}, False),
    ("a narrower action", "s3:GetObject", "arn:aws:s3:::b/k", (), {"Action": "s3:Get*"}, True),
    ("an action pattern within another", "s3:GetObj*", "arn:aws:s3:::b/k", (), {"Action": "s3:Get*"}, True),
    ("a wider action", "s3:*", "arn:aws:s3:::b/k", (), {"Action": "s3:Get*"}, False),
    ("outside NotAction", "s3:GetObject", "arn:aws:s3:::b/k", (), {"NotAction": "iam:*"}, True),
    ("inside NotAction", "iam:PassRole", "*", (), {"NotAction": "iam:*", "Resource": "*"}, False),
    ("partly inside NotAction", "*", "*", (), {"NotAction": "iam:*", "Resource": "*"}, False),
    (
        "outside NotResource",
        "s3:GetObject",
        "arn:aws:s3:::b/*",
        (),
        {"NotResource": "arn:aws:s3:::c/*"},
        True,
    ),
    (
        "partly inside NotResource",
        "s3:GetObject",
        "arn:aws:s3:::*",
        (),
        {"NotResource": "arn:aws:s3:::c/*"},
        False,
    ),
    ("no resource, within NotResource", "s3:GetObject", "*", (), {"NotResource": "arn:aws:s3:::c/*"}, False),
    ("a condition where none is asked", "s3:GetObject", "arn:aws:s3:::b/k", VPCE, {}, True),
    ("no condition where one is asked", "s3:GetObject", "arn:aws:s3:::b/k", (), {"conditions": VPCE}, False),
    ("the condition that is asked", "s3:GetObject", "arn:aws:s3:::b/k", VPCE, {"conditions": VPCE}, True),
    ("a deny", "s3:GetObject", "arn:aws:s3:::b/k", (), {"effect": "Deny"}, False),
    (
        "the same variable",
        "s3:GetObject",
        "arn:aws:s3:::${x}/*",
        (),
        {"Resource": "arn:aws:s3:::${x}/*"},
        True,
    ),
    (
        "a name where a variable stands",
        "s3:GetObject",
        "arn:aws:s3:::b/k",
        (),
        {"Resource": "arn:aws:s3:::${x}/*"},
        False,
    ),
    (
        "a variable within a wildcard",
        "s3:GetObject",
        "arn:aws:s3:::b/${x}",
        (),
        {"Resource": "arn:aws:s3:::b/*"},
        True,
    ),
]


@pytest.mark.parametrize(
    ("name", "action", "resource", "conditions", "given_", "expected"), GRANTS, ids=[g[0] for g in GRANTS]
)
def test_a_grant_is_contained_in_one_statement_or_not(
    name, action, resource, conditions, given_, expected
) -> None:
    statement = Statement(
        given_.get("effect", "Allow"),
        (given_.get("NotAction") or given_.get("Action", "s3:GetObject"),),
        (given_.get("NotResource") or given_.get("Resource", "arn:aws:s3:::b/k"),),
        not_actions="NotAction" in given_,
        not_resources="NotResource" in given_,
        conditions=given_.get("conditions", ()),
    )
    assert grant_contained(action, resource, conditions, statement) is expected


# --- Properties over small names: everything that can go wrong is reachable with few letters ---

names = st.text(alphabet="ab/", max_size=3).map(lambda text: f"arn:aws:s3:::{text}")
patterns = st.text(alphabet="ab/*?", max_size=3).map(lambda text: f"arn:aws:s3:::{text}")
statements = st.builds(
    Statement,
    effect=st.sampled_from(["Allow", "Deny"]),
    actions=st.lists(st.sampled_from(["s3:Get*", "s3:GetObject", "s3:Put*", "*"]), max_size=2).map(tuple),
    resources=st.lists(patterns | st.just("*"), max_size=2).map(tuple),
    not_actions=st.booleans(),
    not_resources=st.booleans(),
    conditions=st.sampled_from([(), VPCE]),
)
policies = st.lists(statements, max_size=4).map(lambda found: Policy(tuple(found)))
GET = "s3:GetObject"
SMALL_NAMES = [
    "arn:aws:s3:::" + "".join(letters)
    for letters in [(), *((a,) for a in "ab/"), *((a, b) for a in "ab/" for b in "ab/")]
]


@given(policies, patterns)
def test_what_is_allowed_for_a_pattern_is_allowed_for_each_of_its_names(policy: Policy, pattern: str) -> None:
    whole = evaluate(AccessRequest(GET, pattern, wild=True), [policy], complete=True)
    each = [
        evaluate(AccessRequest(GET, n), [policy], complete=True).outcome
        for n in SMALL_NAMES
        if arn.resource_matches(pattern, n)
    ]
    if whole.outcome == "ALLOWED":
        assert set(each) <= {"ALLOWED"}
    if whole.outcome == "EXPLICIT_DENY" and whole.certain:
        assert set(each) <= {"EXPLICIT_DENY"}


@given(policies, names, st.sampled_from([(), ("vpce-1",), ("vpce-2",)]))
def test_a_certain_decision_holds_whatever_the_hidden_keys_are(
    policy: Policy, name: str, vpce: tuple[str, ...]
) -> None:
    seen = evaluate(AccessRequest(GET, name), [policy])
    whole = evaluate(AccessRequest(GET, name, context=(("aws:SourceVpce", vpce),)), [policy], complete=True)
    if seen.certain and seen.outcome == "ALLOWED":
        assert whole.outcome == "ALLOWED"
    if seen.certain and seen.outcome == "EXPLICIT_DENY":
        # Where a Deny holds whenever the only Allow does, a key may switch off both: then nothing allows.
        assert whole.outcome != "ALLOWED"
    if seen.outcome == "IMPLICIT_DENY":
        assert whole.outcome != "ALLOWED"
    assert seen.certain or seen.unknown_keys == ("aws:SourceVpce",)


@given(policies, policies, names)
def test_a_boundary_never_allows_more(policy: Policy, boundary: Policy, name: str) -> None:
    request = AccessRequest(GET, name)
    within = evaluate(request, [policy], boundary, complete=True).outcome
    alone = evaluate(request, [policy], complete=True).outcome
    assert within != "ALLOWED" or alone == "ALLOWED"


@given(policies)
def test_the_order_of_statements_does_not_change_the_outcome(policy: Policy) -> None:
    backwards = Policy(tuple(reversed(policy.statements)))
    for name in SMALL_NAMES:
        request = AccessRequest(GET, name)
        one, other = evaluate(request, [policy]), evaluate(request, [backwards])
        assert (one.outcome, one.certain, one.unknown_keys) == (
            other.outcome,
            other.certain,
            other.unknown_keys,
        )


@given(st.text(alphabet="a*?${}/:ä世", max_size=8))
def test_a_name_written_into_a_policy_allows_that_name(name: str) -> None:
    resource = f"arn:aws:s3:::b/{name}"
    policy = policy_of([{"Effect": "Allow", "Action": GET, "Resource": arn.escape(resource)}])
    again = policy_of(json.loads(policy.to_json())["Statement"])
    assert evaluate(AccessRequest(GET, resource), [again], complete=True).outcome == "ALLOWED"
