"""Boundaries and control policies that speak about the role's own ARN, account or kind: what they say is certain."""

from __future__ import annotations

from typing import Any

import pytest

from policygen.account.current import CurrentAccess, current_access
from policygen.account.snapshot import to_account
from policygen.iam.request import AccessRequest
from tests.support.accounts import snapshot
from tests.support.records import ACCOUNT, ROLE

QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:orders"
ASKED = AccessRequest("sqs:SendMessage", QUEUE)
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
MINE = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
SESSIONS = f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE}/*"


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def current(**more: Any) -> CurrentAccess:
    account = to_account(snapshot({"policies": [document(EVERYTHING)], **more}))
    return current_access(account.roles[0], account)


def limited(condition: dict[str, Any], **more: Any) -> CurrentAccess:
    deny = EVERYTHING | {"Effect": "Deny", "Condition": condition}
    scps = [
        [{"Name": "full", "Content": document(EVERYTHING)}, {"Name": "exempt", "Content": document(deny)}]
    ]
    return current(
        organization={"management_account": "210987654321", "scps": scps, "rcps": []} | more.pop("org", {}),
        **more,
    )


@pytest.mark.parametrize(
    ("condition", "barred"),
    [
        ({"ArnNotLike": {"aws:PrincipalARN": ["arn:*:iam::*:role/admin"]}}, True),
        ({"ArnNotLike": {"aws:PrincipalARN": ["arn:*:iam::*:role/admin", MINE]}}, False),
        ({"StringNotLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/ord*"}}, False),
        ({"ArnLike": {"aws:PrincipalArn": SESSIONS}}, False),
        ({"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}, True),
        ({"StringEquals": {"aws:PrincipalType": "User"}}, False),
        ({"Null": {"aws:username": "true"}}, True),
        ({"Null": {"aws:username": "false"}}, False),
        ({"Bool": {"aws:PrincipalIsAWSService": "true"}}, False),
        ({"BoolIfExists": {"aws:PrincipalIsAWSService": "false"}}, True),
    ],
    ids=str,
)
def test_what_a_control_policy_says_of_this_role_is_certain(condition: dict[str, Any], barred: bool) -> None:
    access = limited(condition)
    decision = access.evaluator().evaluate(ASKED)
    assert (decision.outcome, decision.certain) == ("EXPLICIT_DENY" if barred else "ALLOWED", True)
    effective = access.effective_actions()
    assert ("sqs:SendMessage" in effective.blocked, "sqs:SendMessage" in effective.allowed) == (
        barred,
        not barred,
    )


def test_a_condition_on_another_key_beside_it_is_still_asked() -> None:
    region = {"StringNotEquals": {"aws:RequestedRegion": ["eu-west-1"]}}
    decision = (
        limited({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/admin"}} | region)
        .evaluator()
        .evaluate(ASKED)
    )
    assert (decision.outcome, decision.unknown_keys) == ("ALLOWED", ("aws:RequestedRegion",))
    there = AccessRequest("sqs:SendMessage", QUEUE, context=(("aws:RequestedRegion", ("us-east-1",)),))
    assert limited(region).evaluator().evaluate(there).outcome == "EXPLICIT_DENY"


def test_a_statement_keeps_its_number_beside_one_that_is_about_others() -> None:
    others = EVERYTHING | {"Effect": "Deny", "Condition": {"StringEquals": {"aws:PrincipalType": "User"}}}
    bound = document(EVERYTHING, others, EVERYTHING | {"Effect": "Deny", "Action": "sqs:*"})
    decision = current(boundary=bound).evaluator().evaluate(ASKED)
    assert decision.reason == "statement #3 of boundary denies it"


def test_a_resource_with_the_role_s_account_is_that_account_s() -> None:
    resource = "arn:aws:sqs:*:${aws:PrincipalAccount}:*"
    decision = current(boundary=document(EVERYTHING | {"Resource": resource})).evaluator().evaluate(ASKED)
    assert (decision.outcome, decision.certain) == ("ALLOWED", True)
    named = document(EVERYTHING | {"Resource": "arn:aws:sqs:*:*:${aws:username}-*"})
    assert current(boundary=named).evaluator().evaluate(ASKED).outcome == "IMPLICIT_DENY"


def test_a_tag_of_the_role_may_come_from_the_session_and_is_asked() -> None:
    decision = limited({"StringEquals": {"aws:PrincipalTag/team": "shop"}}).evaluator().evaluate(ASKED)
    assert (decision.outcome, decision.unknown_keys) == ("ALLOWED", ("aws:PrincipalTag/team",))
