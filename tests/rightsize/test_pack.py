"""Statements and documents: they grant what the grants grant, and fit IAM."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policygen.errors import GateError
from policygen.iam.document import Policy, Statement
from policygen.iam.grants import Grant
from policygen.rightsize.assess.proof import grants_in
from policygen.rightsize.generate.pack import (
    INLINE_LIMIT,
    MANAGED_LIMIT,
    name_statements,
    pack,
    statements_of,
)

TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/"


def documents(grants: list[Grant]) -> tuple[Policy, ...]:
    return pack(name_statements(statements_of(grants)), "policygen")


def tables(count: int) -> list[Grant]:
    return [Grant("dynamodb:GetItem", f"{TABLE}table-with-a-long-name-{i:04d}") for i in range(count)]


def test_a_small_policy_is_one_document() -> None:
    (policy,) = documents(tables(3))
    assert policy.name == "policygen"
    assert policy.size <= INLINE_LIMIT


def test_a_large_policy_is_split_into_managed_ones_and_no_arn_is_lost() -> None:
    grants = tables(300)
    policies = documents(grants)
    assert len(policies) > 1
    assert all(policy.size <= MANAGED_LIMIT for policy in policies)
    assert set(grants_in(policies)) == set(grants)
    assert [policy.name for policy in policies] == [f"policygen-{i}" for i in range(1, len(policies) + 1)]


def test_what_fits_no_twenty_policies_is_an_error_and_not_a_shorter_policy() -> None:
    with pytest.raises(GateError) as caught:
        documents(tables(2000))
    assert caught.value.code == "PG-E402"


def test_a_deny_that_cannot_be_cut_is_an_error() -> None:
    deny = Statement(
        "Deny", ("s3:*",), tuple(f"arn:aws:s3:::bucket-{i}/*" for i in range(500)), not_resources=True
    )
    with pytest.raises(GateError) as caught:
        pack([deny], "policygen")
    assert caught.value.code == "PG-E402"


def test_actions_without_a_resource_stand_apart_from_arns() -> None:
    (policy,) = documents([Grant("s3:ListAllMyBuckets", "*"), Grant("s3:ListBucket", "arn:aws:s3:::b")])
    assert [s.resources for s in policy.statements] == [("*",), ("arn:aws:s3:::b",)]


def test_resources_with_the_same_actions_share_a_statement() -> None:
    pairs = [Grant(f"dynamodb:{verb}", f"{TABLE}{name}") for verb in ("GetItem", "PutItem") for name in "ab"]
    (policy,) = documents(pairs)
    (statement,) = policy.statements
    assert statement.actions == ("dynamodb:GetItem", "dynamodb:PutItem")
    assert statement.resources == (f"{TABLE}a", f"{TABLE}b")


def test_sids_say_service_and_resource_and_a_carried_sid_stays() -> None:
    carried = Statement("Deny", ("*",), ("*",), sid="MustUseTls")
    named = name_statements([*statements_of([Grant("dynamodb:GetItem", f"{TABLE}orders")]), carried])
    assert [s.sid for s in named] == ["DynamoDBOrders", "MustUseTls"]


NAMES = st.text(alphabet="abcxyz-._/*?$ é", min_size=1, max_size=12)
GRANTS = st.lists(
    st.builds(
        Grant,
        st.sampled_from(["s3:GetObject", "s3:PutObject", "sqs:SendMessage", "sns:Publish"]),
        NAMES.map(lambda name: f"arn:aws:s3:::bucket/{name}") | st.just("*"),
        st.sampled_from([(), (("Bool", (("aws:SecureTransport", ("true",)),)),)]),
        st.just(()),
        st.just(()),
    ),
    min_size=1,
    max_size=30,
)


@given(GRANTS)
def test_documents_say_exactly_the_grants_with_unique_valid_sids(grants: list[Grant]) -> None:
    policies = documents(grants)
    assert set(grants_in(policies)) == set(grants)
    for policy in policies:
        sids = [statement.sid for statement in policy.statements]
        assert len(sids) == len(set(sids))
        assert all(re.fullmatch("[A-Za-z0-9]+", sid) for sid in sids)
    assert documents(list(reversed(grants))) == policies


def test_managed_policies_have_names_of_their_own_in_the_account() -> None:
    statements = name_statements(statements_of(tables(200)))
    names = [policy.name for policy in pack(statements, "policygen", "policygen-orders")]
    assert names == [f"policygen-orders-{i}" for i in range(1, len(names) + 1)]
    assert len(names) > 1
    (alone,) = pack(name_statements(statements_of(tables(3))), "policygen", "policygen-orders")
    assert alone.name == "policygen"
