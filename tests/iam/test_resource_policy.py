"""Policies that name principals: reading, evaluation, containment."""

from __future__ import annotations

from typing import Any

import pytest

from policygen.errors import UsageError
from policygen.iam.conditions import ContextFacts, context_facts
from policygen.iam.party import NOBODY, Party, party_facts
from policygen.iam.request import AccessRequest
from policygen.iam.resource_policy import (
    ResourcePolicy,
    ResourcePolicyEvaluator,
    not_inside,
    parse_resource_policy,
)

ROLE = Party("AWS", "arn:aws:iam::111122223333:role/app/orders", "s1", "AROAEXAMPLE0000000001")
USER = Party("AWS", "arn:aws:iam::111122223333:user/ana", unique_id="AIDAEXAMPLE0000000001")
STRANGER = Party("AWS", "arn:aws:iam::444455556666:role/partner", "s1")
SERVICE = Party("Service", "lambda.amazonaws.com")
ASSUME = AccessRequest("sts:AssumeRole", "*")


def trust(*statements: dict[str, Any]) -> dict[str, Any]:
    """Return a trust policy; Effect and Action are filled in."""
    filled = [{"Effect": "Allow", "Action": "sts:AssumeRole", **one} for one in statements]
    return {"Version": "2012-10-17", "Statement": filled}


def decide(document: dict[str, Any], party: Party, **context: str) -> tuple[str, bool, str]:
    """Return outcome, certainty and naming of a decision about assuming a role; only given keys are known."""
    facts = party_facts(party)
    given = context_facts(tuple((key.replace("__", ":"), (value,)) for key, value in context.items()))
    merged = ContextFacts({**facts.values, **given.values})
    evaluator = ResourcePolicyEvaluator(parse_resource_policy(document, kind="trust"))
    decision = evaluator.decide(ASSUME, party, merged)
    return decision.best, decision.certain, decision.naming


@pytest.mark.parametrize(
    ("principal", "party", "outcome", "naming"),
    [
        ({"AWS": "111122223333"}, ROLE, "ALLOWED", "account"),
        ({"AWS": "arn:aws:iam::111122223333:root"}, USER, "ALLOWED", "account"),
        ({"AWS": "111122223333"}, STRANGER, "IMPLICIT_DENY", ""),
        ({"AWS": ROLE.name}, ROLE, "ALLOWED", "direct"),
        ({"AWS": "arn:aws:iam::111122223333:role/orders"}, ROLE, "IMPLICIT_DENY", ""),
        ({"AWS": ["111122223333", ROLE.name]}, ROLE, "ALLOWED", "direct"),
        ({"AWS": "arn:aws:sts::111122223333:assumed-role/orders/s1"}, ROLE, "ALLOWED", "direct"),
        ({"AWS": "arn:aws:sts::111122223333:assumed-role/orders/s2"}, ROLE, "IMPLICIT_DENY", ""),
        ({"AWS": "AROAEXAMPLE0000000001"}, ROLE, "ALLOWED", "direct"),
        ({"AWS": "AROAEXAMPLE0000000002"}, ROLE, "IMPLICIT_DENY", ""),
        ({"Service": "lambda.amazonaws.com"}, SERVICE, "ALLOWED", "direct"),
        ({"Service": "lambda.amazonaws.com"}, ROLE, "IMPLICIT_DENY", ""),
        ({"Federated": "arn:aws:iam::111122223333:saml-provider/idp"}, ROLE, "IMPLICIT_DENY", ""),
        ("*", NOBODY, "ALLOWED", "direct"),
        ({"AWS": "*"}, STRANGER, "ALLOWED", "direct"),
        ({"AWS": "111122223333"}, NOBODY, "IMPLICIT_DENY", ""),
    ],
    ids=str,
)
def test_what_a_principal_names(principal: Any, party: Party, outcome: str, naming: str) -> None:
    assert decide(trust({"Principal": principal}), party) == (outcome, True, naming)


def test_a_unique_id_may_be_that_of_a_role_whose_id_is_not_known() -> None:
    document = trust({"Principal": {"AWS": "AROAEXAMPLE0000000002"}})
    assert decide(document, STRANGER) == ("ALLOWED", False, "direct")


def test_a_session_may_be_that_of_a_role_whose_session_is_not_known() -> None:
    document = trust({"Principal": {"AWS": "arn:aws:sts::111122223333:assumed-role/orders/s2"}})
    assert decide(document, ROLE._replace(session=""))[:2] == ("ALLOWED", False)


def test_an_undecided_deny_leaves_an_allow_uncertain() -> None:
    document = trust(
        {"Principal": {"AWS": "111122223333"}},
        {"Effect": "Deny", "Principal": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}},
    )
    assert decide(document, ROLE) == ("ALLOWED", False, "account")
    assert decide(document, ROLE, aws__MultiFactorAuthPresent="true")[:2] == ("ALLOWED", True)
    assert decide(document, ROLE, aws__MultiFactorAuthPresent="false")[:2] == ("EXPLICIT_DENY", True)


def test_not_principal_denies_all_others() -> None:
    document = trust(
        {"Principal": "*"}, {"Effect": "Deny", "NotPrincipal": {"AWS": ["111122223333", ROLE.name]}}
    )
    assert decide(document, ROLE)[0] == "ALLOWED"
    assert decide(document, STRANGER)[0] == "EXPLICIT_DENY"


def test_conditions_read_who_asks() -> None:
    document = trust(
        {"Principal": "*", "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/app/*"}}}
    )
    assert decide(document, ROLE)[:2] == ("ALLOWED", True)
    assert decide(document, STRANGER)[0] == "IMPLICIT_DENY"
    assert decide(document, NOBODY)[0] == "IMPLICIT_DENY"


def test_a_trust_policy_is_written_as_it_was_read() -> None:
    document = trust(
        {
            "Sid": "A",
            "Principal": {"AWS": "111122223333", "Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"]},
        },
        {"Effect": "Deny", "Principal": "*", "Action": "sts:TagSession"},
    )
    written = parse_resource_policy(document, kind="trust").to_dict()
    assert parse_resource_policy(written, kind="trust") == parse_resource_policy(document, kind="trust")
    assert "Resource" not in str(written)
    assert written["Statement"][0]["Principal"] == document["Statement"][0]["Principal"]


@pytest.mark.parametrize(
    "statement",
    [
        {"Principal": None},
        {"Principal": {"AWS": [7]}},
        {"Principal": {"Everyone": "*"}},
        {"Principal": "*", "NotPrincipal": "*"},
        {},
    ],
    ids=str,
)
def test_an_element_that_is_no_principal_is_refused_with_its_path(statement: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"Statement\[0\]") as error:
        parse_resource_policy(trust(statement), kind="trust")
    assert error.value.code == "PG-E210"


@pytest.mark.parametrize(
    ("today", "proposed", "inside"),
    [
        ({"Principal": {"AWS": "111122223333"}}, {"Principal": {"AWS": ROLE.name}}, True),
        (
            {"Principal": {"AWS": "111122223333"}},
            {"Principal": {"AWS": "arn:aws:iam::111122223333:root"}},
            True,
        ),
        ({"Principal": {"AWS": "111122223333"}}, {"Principal": {"AWS": STRANGER.name}}, False),
        ({"Principal": {"AWS": ROLE.name}}, {"Principal": {"AWS": "111122223333"}}, False),
        ({"Principal": "*"}, {"Principal": {"AWS": STRANGER.name}}, True),
        ({"Principal": {"AWS": STRANGER.name}}, {"Principal": "*"}, False),
        (
            {"Principal": "*", "Condition": {"StringLike": {"sts:ExternalId": "a*"}}},
            {"Principal": {"AWS": ROLE.name}, "Condition": {"StringEquals": {"sts:ExternalId": "ab"}}},
            True,
        ),
        (
            {"Principal": "*", "Condition": {"StringLike": {"sts:ExternalId": "a*"}}},
            {"Principal": {"AWS": ROLE.name}},
            False,
        ),
        ({"Principal": "*", "Action": "sts:*"}, {"Principal": "*"}, True),
        ({"Principal": "*"}, {"Principal": "*", "Action": ["sts:AssumeRole", "sts:TagSession"]}, False),
    ],
    ids=str,
)
def test_what_lies_inside_today(today: dict[str, Any], proposed: dict[str, Any], inside: bool) -> None:
    before = parse_resource_policy(trust(today), kind="trust")
    after = parse_resource_policy(trust(proposed), kind="trust")
    assert (not_inside(after, before) == []) is inside


def test_a_deny_of_today_must_stay() -> None:
    deny = {"Effect": "Deny", "Principal": "*", "Condition": {"Null": {"aws:TokenIssueTime": "true"}}}
    before = parse_resource_policy(trust({"Principal": {"AWS": "111122223333"}}, deny), kind="trust")
    after = parse_resource_policy(trust({"Principal": {"AWS": ROLE.name}}), kind="trust")
    assert len(not_inside(after, before)) == 1


INVALIDATE = "execute-api:InvalidateCache"


@pytest.mark.parametrize(
    ("today", "proposed", "inside"),
    [
        ({"NotAction": INVALIDATE}, {"NotAction": INVALIDATE, "Resource": "execute-api:/dev/*"}, True),
        ({"NotAction": INVALIDATE}, {"NotAction": "execute-api:I*"}, True),
        ({"NotAction": "execute-api:I*"}, {"NotAction": INVALIDATE}, False),
        ({"NotAction": [INVALIDATE, "sts:*"]}, {"NotAction": INVALIDATE}, False),
        ({"Action": "*"}, {"NotAction": INVALIDATE}, True),
        ({"Action": "execute-api:*"}, {"NotAction": INVALIDATE}, False),
        ({"NotAction": INVALIDATE, "Resource": "execute-api:/dev/*"}, {"NotAction": INVALIDATE}, False),
        ({"NotAction": INVALIDATE}, {"NotAction": INVALIDATE, "NotResource": "execute-api:/dev/*"}, False),
        ({"NotResource": "execute-api:/*/a"}, {"NotResource": "execute-api:/*/a"}, True),
        ({"NotResource": "execute-api:/*/a"}, {"NotResource": "execute-api:/*/b"}, False),
    ],
    ids=str,
)
def test_what_an_excluding_statement_lets_in(
    today: dict[str, Any], proposed: dict[str, Any], inside: bool
) -> None:
    def policy(one: dict[str, Any]) -> ResourcePolicy:
        filled = {"Effect": "Allow", "Principal": "*", **one}
        filled |= {} if {"Action", "NotAction"} & one.keys() else {"Action": "execute-api:Invoke"}
        filled |= {} if {"Resource", "NotResource"} & one.keys() else {"Resource": "*"}
        return parse_resource_policy({"Version": "2012-10-17", "Statement": [filled]})

    assert (not_inside(policy(proposed), policy(today)) == []) is inside
