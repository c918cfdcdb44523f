"""Grants that are looked up are those that a comparison of all with all finds."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from policygen.iam import arn
from policygen.iam.arn import is_name
from policygen.iam.conditions import Truth, context_facts, evaluate_conditions
from policygen.iam.document import Conditions, Statement
from policygen.iam.grants import Grant, GrantIndex, inside_statements, maximal, not_contained
from policygen.iam.request import AccessRequest

_A, _B = "arn:aws:s3:::carts", "arn:aws:s3:::carts/2026"
PLACES = (
    "*",
    "arn:aws:s3:::*",
    _A,
    f"{_A}*",
    f"{_A}/*",
    _B,
    "arn:aws:s3:::c?rts",
    f"{_A}/${{*}}",
    f"{_A}/${{aws:username}}",
)
ACTIONS = (
    "s3:GetObject", "S3:getobject", "s3:Get*", "s3:G*", "s3:?etObject", "s3:*Object", "s3:*", "*", "s3:PutObject",
    "sqs:SendMessage",
)  # fmt: skip
CONDITIONS: tuple[Conditions, ...] = ((), (("StringEquals", (("s3:prefix", ("2026/",)),)),))

conditions = st.sampled_from(CONDITIONS)
grants = st.builds(Grant, st.sampled_from(ACTIONS), st.sampled_from(PLACES), conditions) | st.builds(
    Grant, st.sampled_from(ACTIONS), st.just("*"), conditions, st.sampled_from([(_A,), (_A, f"{_A}/*")])
)
grant_lists = st.lists(grants, max_size=14)
requests = st.builds(
    AccessRequest,
    st.sampled_from(["s3:GetObject", "s3:PutObject", "sqs:SendMessage"]),
    st.sampled_from(["*", _A, _B, f"{_A}/*"]),
    context=st.sampled_from([(), (("s3:prefix", ("2026/",)),), (("s3:prefix", ("2025/",)),)]),
    # The name of an object may end with a star.
    wild=st.booleans(),
).map(lambda one: one._replace(wild=one.wild and one.resource.endswith("/*")))


def truth(grant: Grant, request: AccessRequest) -> Truth:
    return (
        evaluate_conditions(grant.conditions, context_facts(request.context))
        if grant.conditions
        else Truth.TRUE
    )


@given(written=grant_lists, request=requests)
@example(
    written=[Grant("s3:GetObject", _A, one) for one in CONDITIONS],
    request=AccessRequest("s3:GetObject", _A, context=(("s3:prefix", ("2025/",)),)),
)
def test_the_grants_of_a_request_are_those_that_cover_it_under_conditions_that_may_hold(
    written: list[Grant], request: AccessRequest
) -> None:
    covering = {grant: truth(grant, request) for grant in written if grant.covers(request)}
    assert GrantIndex(written).covering(request) == {
        grant: held for grant, held in covering.items() if held is not Truth.FALSE
    }


@given(written=grant_lists, one=grants)
def test_what_holds_a_grant_and_what_it_holds_are_found(written: list[Grant], one: Grant) -> None:
    index = GrantIndex(written)
    assert set(index.containing(one)) == {other for other in written if one.inside(other)}
    # A pattern of actions is inside no grant of a single action.
    assert set(index.contained_in(one)) == {other for other in written if other.inside(one)}


def plainly_widest(written: Sequence[Grant]) -> list[Grant]:
    """Every grant against every other of the same action."""
    return [
        grant
        for grant in sorted(set(written))
        if not any(
            grant.inside(other) and (not other.inside(grant) or other < grant)
            for other in set(written) - {grant}
            if other.action.lower() == grant.action.lower()
        )
    ]


@given(written=grant_lists)
def test_the_widest_grants_are_in_no_other_of_their_action(written: list[Grant]) -> None:
    assert maximal(written) == plainly_widest(written)


statements = st.builds(
    Statement,
    st.sampled_from(["Allow", "Allow", "Deny"]),
    st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=3).map(tuple),
    st.lists(st.sampled_from(PLACES), min_size=1, max_size=3).map(tuple),
    st.booleans(),
    st.booleans(),
    conditions,
)


@given(written=grant_lists, today=st.lists(statements, max_size=4))
def test_outside_are_the_grants_that_are_not_inside(written: list[Grant], today: list[Statement]) -> None:
    assert not_contained(written, today) == [one for one in written if not inside_statements(one, today)]


@given(
    pattern=st.text("arn:s3*?${}/x", max_size=14).map(lambda text: f"arn:aws:{text}"),
    name=st.sampled_from(PLACES),
)
def test_a_name_is_the_one_thing_that_its_pattern_matches(pattern: str, name: str) -> None:
    for text in (pattern, name):
        if is_name(text):
            assert arn.unescape(text) == text
            assert arn.resource_glob(text).literal == text
