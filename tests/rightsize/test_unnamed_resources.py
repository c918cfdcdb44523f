"""Calls whose record names no whole resource: allowed today, in part, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from policygen.account.current import CurrentAccess
from policygen.errors import NothingFoundError
from policygen.iam.document import Policy
from policygen.iam.evaluate import Evaluator
from policygen.iam.grants import Grant
from policygen.iam.request import AccessRequest
from policygen.rightsize.generate.intersect import cut_to_policies
from policygen.rightsize.suggest import suggest
from policygen.rightsize.suggestion import Suggestion
from tests.judges.iam_simulate.cases import document, guardrails_of, policy_of
from tests.judges.iam_simulate.pairs import ACCOUNT, coverage, usage_of_requests

GROUPS = f"arn:aws:athena:eu-west-1:{ACCOUNT}:workgroup/"
ACTION = "athena:GetQueryResults"
QUERY = AccessRequest(ACTION, f"{GROUPS}*", "workgroup", wild=True)
OTHER_CALL = AccessRequest("sqs:SendMessage", f"arn:aws:sqs:eu-west-1:{ACCOUNT}:orders", "queue")
QUEUES = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}


def allow(actions: Any, resources: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources} | more


def deny(actions: Any, resources: Any = "*", **more: Any) -> dict[str, Any]:
    return allow(actions, resources, **more) | {"Effect": "Deny"}


def suggestion(
    *statements: dict[str, Any],
    boundary: Policy | None = None,
    scps: Any = (),
    rcps: Any = (),
    requests: tuple[AccessRequest, ...] = (QUERY, OTHER_CALL),
) -> Suggestion:
    today = CurrentAccess(
        (policy_of([*statements, QUEUES]),),
        boundary,
        guardrails=tuple(map(tuple, guardrails_of(scps, rcps))),
        account=ACCOUNT,
    )
    return suggest(usage_of_requests(list(requests)), coverage(data_events=True), today)


def granted(made: Suggestion) -> list[tuple[str, ...]]:
    return sorted(grant.excluded or (grant.resource,) for grant in made.grants if grant.action == ACTION)


def tick(made: Suggestion) -> str:
    (check,) = (one for one in made.proof.checks if one.promise == "sufficient")
    assert check.held
    return check.finding


ANALYTICS = f"{GROUPS}analytics"
ONLY = document([allow("sqs:*")])


@pytest.mark.parametrize(
    ("statements", "bounds", "cause"),
    [
        ([allow(ACTION, ANALYTICS), deny("athena:Get*")], {}, "a Deny of today"),
        ([allow(ACTION), deny("athena:Get*")], {}, "a Deny of today"),
        ([allow(ACTION, ANALYTICS), deny(ACTION, ANALYTICS)], {}, "a Deny of today"),
        ([allow(ACTION), deny(ACTION, f"{GROUPS}*")], {}, "a Deny of today"),
        ([allow(ACTION, ANALYTICS)], {"boundary": policy_of([QUEUES])}, "the permissions boundary of today"),
        ([allow(ACTION)], {"boundary": policy_of([QUEUES])}, "the permissions boundary of today"),
        ([allow(ACTION)], {"scps": [[ONLY]]}, "a service control policy of today"),
        (
            [allow(ACTION)],
            {"scps": [[document([allow("*"), deny("athena:*")])]]},
            "a Deny of a service control policy",
        ),
        (
            [allow(ACTION)],
            {"rcps": [document([deny("athena:*", Principal="*")])]},
            "a Deny of a resource control policy",
        ),
        ([allow("athena:Start*")], {}, "the policies changed after the call"),
    ],
)
def test_a_call_that_today_refuses_whatever_it_touched_is_not_allowed_today(
    statements: list[dict[str, Any]], bounds: dict[str, Any], cause: str
) -> None:
    made = suggestion(*statements, **bounds)
    assert [(one.request, one.cause.startswith(cause)) for one in made.missing] == [(QUERY, True)]
    assert granted(made) == []
    assert tick(made) == (
        "every permission that the calls asked for is allowed: 1, asked for 1 time; "
        "1 more, asked for 1 time, not allowed today and not granted"
    )
    with pytest.raises(NothingFoundError) as failed:
        suggestion(*statements, requests=(QUERY,), **bounds)
    assert failed.value.code == "PG-E304"


def test_a_call_is_not_allowed_today_where_no_value_of_a_variable_leaves_a_name() -> None:
    own = f"{GROUPS}${{aws:username}}-*"
    ends = policy_of([allow("athena:*", f"{GROUPS}*-a"), QUEUES])
    for ending, refused in (("b", True), ("?", False)):
        level = [[document([allow("athena:*", f"{GROUPS}*-{ending}"), QUEUES])]]
        made = suggestion(allow(ACTION, own), boundary=ends, scps=level)
        assert [one.request for one in made.missing] == ([QUERY] if refused else [])
        assert granted(made) == ([] if refused else [(own,)])


def test_a_pattern_that_a_deny_covers_in_part_stays_and_the_tick_says_what_is_proved() -> None:
    made = suggestion(allow(ACTION), deny(ACTION, ANALYTICS))
    assert granted(made) == [(f"{GROUPS}*",)]
    assert made.missing == ()
    assert tick(made).endswith("; 1 by the part of a pattern that no current Deny or bound refuses")
    new = Evaluator(made.policies)
    assert new.evaluate(AccessRequest(ACTION, ANALYTICS)).outcome == "EXPLICIT_DENY"


def test_a_pattern_that_a_boundary_allows_in_part_stays() -> None:
    made = suggestion(allow(ACTION), boundary=policy_of([allow("athena:*", f"{GROUPS}a*"), QUEUES]))
    assert granted(made) == [(f"{GROUPS}*",)]
    assert tick(made).endswith("; 1 by the part of a pattern that no current Deny or bound refuses")


def test_a_part_that_is_refused_whole_is_not_granted() -> None:
    made = suggestion(allow(ACTION, [ANALYTICS, f"{GROUPS}reports"]), deny(ACTION, ANALYTICS))
    assert granted(made) == [(f"{GROUPS}reports",)]
    assert made.missing == ()


def test_each_statement_that_may_have_allowed_the_call_stays() -> None:
    all_but = {"Effect": "Allow", "Action": ACTION, "NotResource": f"{GROUPS}secret"}
    made = suggestion(allow(ACTION, ANALYTICS), all_but)
    assert granted(made) == [(ANALYTICS,), (f"{GROUPS}secret",)]
    new = Evaluator(made.policies)
    assert new.evaluate(AccessRequest(ACTION, f"{GROUPS}reports")).outcome == "ALLOWED"
    by_tag = allow(ACTION, [f"{GROUPS}${{aws:PrincipalTag/team}}", ANALYTICS])
    made = suggestion(by_tag)
    assert granted(made) == [(f"{GROUPS}${{aws:PrincipalTag/team}}",), (ANALYTICS,)]


def test_a_statement_without_conditions_stays_beside_a_wider_one_with_them() -> None:
    only = {"StringEquals": {"aws:PrincipalTag/team": "red"}}
    made = suggestion(allow(ACTION, f"{GROUPS}*", Condition=only), allow(ACTION, ANALYTICS))
    assert granted(made) == [(f"{GROUPS}*",), (ANALYTICS,)]
    new = Evaluator(made.policies, complete=True)
    assert new.evaluate(AccessRequest(ACTION, ANALYTICS)).outcome == "ALLOWED"


def test_a_grant_under_conditions_that_the_record_rules_out_proves_no_call() -> None:
    secure = {"Bool": {"aws:SecureTransport": "true"}}
    all_but = {"Effect": "Allow", "Action": ACTION, "NotResource": f"{GROUPS}reports"}
    insecure = QUERY._replace(resource=f"{GROUPS}r*", context=(("aws:SecureTransport", ("false",)),))
    safe = QUERY._replace(context=(("aws:SecureTransport", ("true",)),))
    made = suggestion(allow(ACTION, Condition=secure), all_but, requests=(safe, insecure, OTHER_CALL))
    assert granted(made) == [(f"{GROUPS}*",), (f"{GROUPS}reports",)]
    assert list(made.written) == [safe, OTHER_CALL]
    assert made.missing == ()
    assert tick(made) == "every permission that the calls asked for is allowed: 2, asked for 2 times"
    named = insecure._replace(wild=False)
    new = Evaluator(made.policies, complete=True)
    answers = [
        new.evaluate(named._replace(resource=f"{GROUPS}{name}")).outcome for name in ("red", "reports")
    ]
    assert answers == ["ALLOWED", "IMPLICIT_DENY"]


def test_a_pattern_under_alike_conditions_in_two_statements_stays() -> None:
    only = {"StringEquals": {"aws:PrincipalTag/team": "red"}}
    halves = [allow(ACTION, f"{GROUPS}{end}", Condition=only) for end in ("a*", "b*")]
    assert granted(suggestion(*halves)) == [(f"{GROUPS}a*",), (f"{GROUPS}b*",)]


def test_a_pattern_whose_cut_is_given_up_stays_as_today_writes_it() -> None:
    one = f"{GROUPS}*a*b*c*d*e*f*"
    asked = QUERY._replace(resource=f"{GROUPS}*u*v*w*x*y*z*")
    made = suggestion(allow(ACTION, one), requests=(asked, OTHER_CALL))
    assert granted(made) == [(one,)]
    assert made.missing == ()


def test_what_the_platform_needs_is_cut_to_the_parts_that_today_allows() -> None:
    logs = f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:/aws/lambda/orders:"
    need = Grant("logs:PutLogEvents", f"{logs}*")
    part = policy_of([allow("logs:*", f"{logs}log-stream:2026*")])
    assert cut_to_policies(need, [part]) == [need._replace(resource=f"{logs}log-stream:2026*")]
    by_tag = "arn:aws:logs:*:*:log-group:/aws/lambda/${aws:PrincipalTag/app}:*"
    assert cut_to_policies(need, [policy_of([allow("logs:*", by_tag)])]) == [need._replace(resource=by_tag)]
    everything = Grant("ec2:CreateNetworkInterface", "*")
    types = [f"arn:aws:ec2:*:*:{name}/*" for name in ("network-interface", "subnet")]
    assert cut_to_policies(everything, [policy_of([allow("ec2:*", types)])]) == [
        everything._replace(resource=one) for one in types
    ]
    assert cut_to_policies(need, [policy_of([allow("logs:*")])]) == [need]
