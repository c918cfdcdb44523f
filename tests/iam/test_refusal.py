"""Whether policies refuse every name that a request without a whole name may stand for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from policygen.iam.arn import resource_matches
from policygen.iam.document import Policy, parse_policy
from policygen.iam.evaluate import Decision, Evaluator
from policygen.iam.remainder import Constraint, NameSet, may_remain
from policygen.iam.request import AccessRequest, Context
from tests.judges.iam_simulate.cases import document, guardrails_of, policy_of
from tests.support.effort import bounded

ACCOUNT, OTHER = "111122223333", "444455556666"
SECRETS = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:"
GET = "secretsmanager:GetSecretValue"


def allow(actions: Any, resources: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources} | more


def deny(actions: Any, resources: Any = "*", **more: Any) -> dict[str, Any]:
    return allow(actions, resources, **more) | {"Effect": "Deny"}


def but(names: Any, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": GET, "NotResource": names} | more


def refusal(
    *statements: dict[str, Any],
    resource: str = f"{SECRETS}db-??????",
    context: Context = (),
    boundary: Policy | None = None,
    scps: Any = (),
    rcps: Any = (),
) -> Decision | None:
    evaluator = Evaluator(
        [policy_of(list(statements))], boundary, guardrails=guardrails_of(scps, rcps), account=ACCOUNT
    )
    return evaluator.refusal(AccessRequest(GET, resource, "secret", context, wild=True))


EVERYTHING = document([allow("*")])
NOT_THESE = document([allow("*"), deny("secretsmanager:*")])


@pytest.mark.parametrize(
    ("statements", "layer"),
    [
        ([allow(GET, f"{SECRETS}db-AbCdEf"), deny("secretsmanager:Get*")], "the identity policies"),
        ([allow(GET), deny(GET, f"{SECRETS}db-*")], "the identity policies"),
        ([allow(GET, f"{SECRETS}db-AbCdEf"), deny(GET, f"{SECRETS}db-AbCdEf")], "the identity policies"),
        ([allow(GET), deny(GET, [f"{SECRETS}db-a*", f"{SECRETS}db-?????*"])], "the identity policies"),
        ([allow(GET), but(f"{SECRETS}api-*", "Deny")], "the identity policies"),
        ([but(f"{SECRETS}api-*"), but(f"{SECRETS}api-*", "Deny")], "the identity policies"),
        ([allow(GET), {"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"}], "the identity policies"),
    ],
)
def test_a_deny_of_every_name_refuses_the_pattern(statements: list[dict[str, Any]], layer: str) -> None:
    found = refusal(*statements)
    assert found is not None
    assert (found.outcome, found.layer) == ("EXPLICIT_DENY", layer)


def test_each_bound_refuses_what_it_refuses_whole() -> None:
    whole = allow(GET, f"{SECRETS}db-AbCdEf")
    only_s3 = policy_of([allow("s3:*")])
    for found, outcome, layer in (
        (refusal(whole, boundary=only_s3), "IMPLICIT_DENY", "the permissions boundary"),
        (refusal(whole, scps=[[NOT_THESE]]), "EXPLICIT_DENY", "a service control policy"),
        (
            refusal(whole, scps=[[EVERYTHING], [document([allow("s3:*")])]]),
            "IMPLICIT_DENY",
            "a service control policy",
        ),
        (
            refusal(whole, rcps=[document([deny("secretsmanager:Get*", Principal="*")])]),
            "EXPLICIT_DENY",
            "a resource control policy",
        ),
        (refusal(allow("s3:*")), "IMPLICIT_DENY", "the identity policies"),
    ):
        assert found is not None
        assert (found.outcome, found.layer, found.certain) == (outcome, layer, True)


def test_a_name_that_identity_policies_and_boundary_do_not_share_is_refused() -> None:
    boundary = policy_of([allow(GET, f"{SECRETS}db-b*")])
    assert refusal(allow(GET, f"{SECRETS}db-a*"), boundary=boundary) is not None
    assert refusal(allow(GET, f"{SECRETS}db-*"), boundary=boundary) is None


@pytest.mark.parametrize(
    ("identity", "boundary", "organization", "shared"),
    [
        ("${aws:username}-db*", "*-a", "*-b", None),
        ("*-a", "db-${aws:username}-*", "api-*", None),
        ("*-a", "db-${aws:username}-*", "db-*", "db-x-a"),
        ("${aws:username}-db*", "*-a", "a*", "a-db-a"),
        ("${*}-db*", "*-a", "a*", None),
    ],
)
def test_a_name_that_no_value_of_a_variable_lets_all_of_them_share_is_refused(
    identity: str, boundary: str, organization: str, shared: str | None
) -> None:
    found = refusal(
        allow(GET, SECRETS + identity),
        boundary=policy_of([allow(GET, SECRETS + boundary)]),
        scps=[[document([allow(GET, SECRETS + organization)])]],
        resource=f"{SECRETS}*",
    )
    assert (found is None) is (shared is not None)
    for pattern in (identity, boundary, organization) if shared else ():
        assert resource_matches(SECRETS + pattern.replace("${aws:username}", "*"), SECRETS + str(shared))


def test_a_boundary_that_leaves_services_out_refuses_their_calls() -> None:
    boundary = parse_policy(
        document([{"Effect": "Allow", "NotAction": ["secretsmanager:*", "iam:*"], "Resource": "*"}])
    )
    found = refusal(allow(GET), boundary=boundary)
    assert found is not None
    assert found.layer == "the permissions boundary"


def test_a_boundary_of_another_partition_refuses_every_name() -> None:
    boundary = policy_of([allow("*", "arn:aws-cn:*:*:*:*")])
    assert refusal(allow(GET), boundary=boundary) is not None
    assert refusal(allow(GET), boundary=policy_of([allow("*", "arn:aws*:*:*:*:*")])) is None


@pytest.mark.parametrize(
    "statements",
    [
        [allow(GET), deny(GET, f"{SECRETS}db-a*")],
        [allow(GET), deny(GET, f"{SECRETS}db-?????")],
        [allow(GET), deny(GET, f"{SECRETS}db-AbCdEf")],
        [allow(GET), deny(GET, Condition={"StringEquals": {"aws:PrincipalTag/team": "red"}})],
        [allow(GET), deny(GET, f"{SECRETS}${{aws:PrincipalTag/team}}*")],
        [allow(GET), but(f"{SECRETS}db-A*", "Deny")],
        [allow(GET), but(f"{SECRETS}${{aws:PrincipalTag/team}}*", "Deny")],
        [but(f"{SECRETS}db-A*")],
        [but(f"{SECRETS}${{aws:PrincipalTag/team}}*")],
        [allow(GET, f"{SECRETS}db-a*"), allow(GET, f"{SECRETS}db-b*"), deny(GET, f"{SECRETS}db-a*")],
        [allow(GET, Condition={"StringEquals": {"aws:PrincipalTag/team": "red"}})],
    ],
)
def test_where_one_name_may_be_allowed_the_pattern_is_not_refused(statements: list[dict[str, Any]]) -> None:
    assert refusal(*statements) is None


def test_conditions_that_the_record_decides_count() -> None:
    only = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
    here: Context = (("aws:RequestedRegion", ("eu-west-1",)),)
    there: Context = (("aws:RequestedRegion", ("us-east-1",)),)
    assert refusal(allow(GET), deny(GET, Condition=only), context=here) is not None
    assert refusal(allow(GET), deny(GET, Condition=only), context=there) is None
    assert refusal(allow(GET, Condition=only), context=there) is not None
    team: Context = (("aws:PrincipalTag/team", ("db",)),)
    assert refusal(allow(GET), deny(GET, f"{SECRETS}${{aws:PrincipalTag/team}}-*"), context=team) is not None


def test_a_resource_control_policy_does_not_refuse_what_may_belong_to_another_account() -> None:
    rcps = [document([deny("*", Principal="*")])]
    assert refusal(allow(GET), rcps=rcps) is not None
    assert refusal(allow(GET), rcps=rcps, resource=SECRETS.replace(ACCOUNT, OTHER) + "*") is None
    assert refusal(allow(GET), rcps=rcps, resource=SECRETS.replace(ACCOUNT, "*") + "*") is None
    assert refusal(allow(GET), rcps=rcps, resource="*") is None


def test_the_owner_of_a_bucket_is_known_from_the_record() -> None:
    rcps = guardrails_of([], [document([deny("s3:*", Principal="*")])])
    evaluator = Evaluator([policy_of([allow("s3:*")])], guardrails=rcps, account=ACCOUNT)

    def outcome(owner: str) -> str:
        context: Context = (("aws:ResourceAccount", (owner,)),) if owner else ()
        return evaluator.evaluate(AccessRequest("s3:GetObject", "arn:aws:s3:::b/k", context=context)).outcome

    assert [outcome(owner) for owner in ("", ACCOUNT, OTHER)] == ["EXPLICIT_DENY", "EXPLICIT_DENY", "ALLOWED"]


def test_a_named_request_is_refused_as_it_is_decided() -> None:
    evaluator = Evaluator([policy_of([allow(GET), deny(GET, f"{SECRETS}db-a*")])])
    named = AccessRequest(GET, f"{SECRETS}db-abcdef", "secret")
    assert evaluator.refusal(named) == evaluator.evaluate(named)
    assert evaluator.refusal(named._replace(resource=f"{SECRETS}db-bcdefg")) is None


def test_a_deny_that_applies_wherever_the_allow_does_refuses() -> None:
    red = {"StringEquals": {"aws:PrincipalTag/team": "red"}}
    reds = {"StringLike": {"aws:PrincipalTag/team": "r*"}}
    blue = {"StringEquals": {"aws:PrincipalTag/team": "blue"}}
    named = AccessRequest(GET, f"{SECRETS}db-AbCdEf", "secret")
    for condition, refused in ((red, True), (reds, True), (blue, False)):
        statements = [allow(GET, Condition=red), deny("secretsmanager:*", Condition=condition)]
        assert (refusal(*statements) is not None) is refused
        decision = Evaluator([policy_of(statements)]).evaluate(named)
        assert (decision.outcome == "EXPLICIT_DENY") is refused
        assert decision.certain is refused
    # Another statement may have allowed it, and a part of the names may be left.
    statements = [allow(GET, Condition=red), allow(GET, Condition=blue), deny(GET, Condition=red)]
    assert refusal(*statements) is None
    assert Evaluator([policy_of(statements)]).evaluate(named).outcome == "ALLOWED"
    assert refusal(allow(GET, Condition=red), deny(GET, f"{SECRETS}db-a*", Condition=red)) is None
    assert refusal(allow(GET, Condition=red), but(f"{SECRETS}api-*", "Deny", Condition=reds)) is not None
    assert refusal(allow(GET, Condition=red), but(f"{SECRETS}db-*", "Deny", Condition=reds)) is None
    scp = [[document([allow("*"), deny(GET, Condition=reds)])]]
    assert refusal(allow(GET, Condition=red), scps=scp) is not None


# --- By search ---------------------------------------------------------------------------------------

NAMES = [f"arn:aws:s3:::{text}" for text in ("a", "b", "ab", "ba", "aa", "bb", "aab", "abb", "bab")]
VARIABLE = "${aws:username}"
patterns = st.text(alphabet="ab?*$", min_size=1, max_size=4).map(
    lambda text: f"arn:aws:s3:::{text.replace('$', VARIABLE)}"
)
few = st.lists(patterns, max_size=3).map(tuple)
sets = st.builds(NameSet, few, st.booleans(), few, st.lists(few, max_size=2).map(tuple))
constraints = st.builds(Constraint, st.none() | st.lists(sets, max_size=3).map(tuple), few)


@bounded(500)
@example(  # some value of the variable lets the name be in each set
    pattern="arn:aws:s3:::*",
    every=[Constraint(inside=(NameSet((f"arn:aws:s3:::{one}",)),)) for one in (f"a{VARIABLE}*", "*b", "?a*")],
)
@given(pattern=patterns, every=st.lists(constraints, max_size=3))
def test_where_nothing_remains_no_name_meets_the_constraints(pattern: str, every: list[Constraint]) -> None:
    def matches(name: str, listed: Iterable[str]) -> bool:
        """Whether a pattern matches the name without a value of the variable."""
        return any(resource_matches(one, name) for one in listed)

    def may_match(name: str, listed: Iterable[str]) -> bool:
        """Whether a pattern matches the name with some value of the variable."""
        return matches(name, (one.replace(VARIABLE, "*") for one in listed))

    def is_in(name: str, names: NameSet) -> bool:
        may_be = not matches(name, names.patterns) if names.negated else may_match(name, names.patterns)
        return (
            may_be and not matches(name, names.outside) and all(may_match(name, one) for one in names.within)
        )

    def meets(name: str, constraint: Constraint) -> bool:
        inside = constraint.inside is None or any(is_in(name, names) for names in constraint.inside)
        return inside and not matches(name, constraint.outside)

    left = [n for n in NAMES if may_match(n, [pattern]) and all(meets(n, one) for one in every)]
    if left:
        assert may_remain(pattern, every), left
