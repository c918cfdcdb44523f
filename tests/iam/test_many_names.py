"""Thousands of names in requests and statements: each is compared with the few that may be about it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policygen.iam import arn
from policygen.iam.document import Policy, Statement
from policygen.iam.evaluate import evaluate
from policygen.iam.grants import Grant, not_contained
from policygen.iam.request import AccessRequest
from policygen.iam.rules import StatementIndex
from policygen.rightsize.generate import intersect
from tests.support.effort import bounded

TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/"
resources = st.sampled_from(
    [
        *(
            f"{TABLE}{name}"
            for name in ("a", "b", "ab", "a*", "*", "?", "${*}", "${aws:PrincipalTag/x}", "${$}a")
        ),
        "*",
        "arn:aws:dynamodb:*:*:table/a",
        "arn:aws:dynamodb",
    ]
)
statements = st.builds(
    Statement,
    st.sampled_from(["Allow", "Deny"]),
    st.just(("dynamodb:GetItem",)),
    st.lists(resources, min_size=1, max_size=4, unique=True).map(tuple),
    not_resources=st.booleans(),
    sid=st.sampled_from("abc"),
)


@bounded(300)
@given(one=statements, pattern=resources)
def test_a_statement_answers_as_if_each_resource_was_compared(one: Statement, pattern: str) -> None:
    some = any(arn.overlaps(listed, pattern) for listed in one.resources)
    whole = any(arn.contains(listed, pattern) for listed in one.resources)
    assert one.resource_overlaps(pattern) is (not whole if one.not_resources else some)
    assert one.resource_contains(pattern) is (not some if one.not_resources else whole)


@bounded(300)
@given(every=st.lists(statements, max_size=6), pattern=resources)
def test_an_index_leaves_out_only_statements_that_are_about_other_names(
    every: list[Statement], pattern: str
) -> None:
    about = StatementIndex(every).about(pattern)
    left_out = [one for one in every if all(one is not other for other in about)]
    assert not any(one.resource_overlaps(pattern) for one in left_out)
    assert list(about) == [one for one in every if any(one is other for other in about)]


@bounded(300)
@given(every=st.lists(statements, min_size=1, max_size=6), name=st.sampled_from("ab*c"))
def test_many_statements_decide_as_one_after_the_other(every: list[Statement], name: str) -> None:
    request = AccessRequest("dynamodb:GetItem", f"{TABLE}{name}", "table")
    outcomes = {evaluate(request, [Policy((one,))]).outcome for one in every}
    together = evaluate(request, [Policy(tuple(every))]).outcome
    expected = next(
        one
        for one in ("EXPLICIT_DENY", "ALLOWED", "IMPLICIT_DENY")
        if one in outcomes or one == "IMPLICIT_DENY"
    )
    assert together == expected


def test_the_work_grows_with_the_names_and_not_with_their_square(monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0
    for name in ("overlaps", "contains", "intersect"):
        original = getattr(arn, name)

        def counted(a: str, b: str, original=original):
            nonlocal count
            count += 1
            return original(a, b)

        monkeypatch.setattr(arn, name, counted)
    names = [f"{TABLE}t{n}" for n in range(1_000)]
    today = Policy(
        tuple(
            Statement("Allow", ("dynamodb:GetItem",), tuple(names[n::100]), sid=f"S{n}") for n in range(100)
        )
    )
    requests = {
        Grant("dynamodb:GetItem", name): [AccessRequest("dynamodb:GetItem", name, "table")] for name in names
    }
    found = intersect.intersect_with_policies(requests, [today])
    assert found.grants == list(requests)
    assert not_contained(found.grants, today.statements) == []
    assert count < 20 * len(names)
