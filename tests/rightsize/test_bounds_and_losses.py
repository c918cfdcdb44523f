"""Today's access within its bounds: what is barred, what is lost in the meet, and what lies in several statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from policygen.account.current import CurrentAccess
from policygen.iam.actions import actions_matching, effective_actions
from policygen.iam.document import Policy, allow_statements, conditions_of, parse_policy
from policygen.iam.grants import Grant, inside_statements
from policygen.iam.request import AccessRequest
from policygen.rightsize.current_access import split_by_current_access
from policygen.rightsize.generate.intersect import NarrowedGrant, intersect_with_policies
from policygen.rightsize.generate.wildcards import Patterns, Spares
from policygen.rightsize.suggest import suggest
from tests.judges.iam_simulate.cases import document, policy_of
from tests.judges.iam_simulate.pairs import coverage, usage_of_requests


def allow(actions: Any, resources: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources} | more


def deny(actions: Any, resources: Any = "*", **more: Any) -> dict[str, Any]:
    return allow(actions, resources, **more) | {"Effect": "Deny"}


def scp(*statements: dict[str, Any]) -> Policy:
    return parse_policy(document(list(statements)), "scp", "service control")


KEY = "arn:aws:s3:::shop/in/a"
SHOP = "arn:aws:s3:::shop/*"


# --- What is barred ------------------------------------------------------------------------------


def barred(*statements: dict[str, Any], boundary: Policy | None = None, levels: Any = ()) -> dict[str, str]:
    return effective_actions([policy_of(list(statements))], boundary, levels).blocked


def test_a_boundary_bars_what_none_of_its_statements_can_allow() -> None:
    found = barred(allow(["sqs:SendMessage", "sqs:PurgeQueue"]), boundary=policy_of([allow("sqs:Send*")]))
    assert found == {"sqs:PurgeQueue": "the permissions boundary"}


def test_a_boundary_bars_by_resource() -> None:
    boundary = policy_of([allow("s3:*", "arn:aws:s3:::store/*")])
    assert barred(allow("s3:GetObject", SHOP), boundary=boundary) == {
        "s3:GetObject": "the permissions boundary"
    }
    assert barred(allow("s3:GetObject"), boundary=boundary) == {}


def test_all_actions_of_all_services_are_all_actions_in_every_kind_of_policy() -> None:
    """As ``*:*``, which says the same as ``*``."""
    assert policy_of([allow("*:*")]) == policy_of([allow("**")]) == policy_of([allow("*")])
    assert barred(allow("sqs:SendMessage"), boundary=policy_of([allow("*:*")])) == {}
    assert barred(allow("sqs:SendMessage"), levels=[[scp(allow("*:*"))]]) == {}
    assert barred(allow("sqs:SendMessage"), levels=[[scp(allow("*"), deny("*:*"))]]) == {
        "sqs:SendMessage": "a service control policy"
    }
    assert "sqs:SendMessage" in actions_matching("*:SendM*")
    assert {one.split(":")[1][:5] for one in actions_matching("*:SendM*")} == {"SendM"}


def test_a_boundary_under_a_condition_may_allow() -> None:
    boundary = policy_of([allow("*", Condition={"Bool": {"aws:SecureTransport": "true"}})])
    assert barred(allow("s3:GetObject", SHOP), boundary=boundary) == {}


def test_an_unconditional_deny_of_a_level_bars_and_a_conditional_one_does_not() -> None:
    full = scp(allow("*"))
    name = "a service control policy"
    assert barred(allow("s3:GetObject", SHOP), levels=[[full, scp(deny("s3:*"))]]) == {"s3:GetObject": name}
    only = {"StringNotEquals": {"aws:RequestedRegion": "us-east-1"}}
    assert barred(allow("s3:GetObject", SHOP), levels=[[full, scp(deny("s3:*", Condition=only))]]) == {}
    assert (
        barred(allow("s3:GetObject", SHOP), levels=[[full, scp(deny("s3:*", "arn:aws:s3:::store/*"))]]) == {}
    )


def test_an_action_that_iam_s_data_does_not_know_is_asked_by_pattern() -> None:
    levels = [[scp(allow("newservice:*"))]]
    assert barred(allow(["newservice:Do", "s3:GetObject"]), levels=levels) == {
        "s3:GetObject": "a service control policy"
    }


def test_what_is_allowed_keeps_the_statements_that_the_bounds_reach() -> None:
    mine = policy_of([allow("s3:GetObject", SHOP), allow("s3:GetObject", "arn:aws:s3:::store/*")])
    found = effective_actions([mine], policy_of([allow("s3:*", "arn:aws:s3:::store/*")])).allowed
    assert [s.resources for s in found["s3:GetObject"]] == [("arn:aws:s3:::store/*",)]


def test_what_a_bound_bars_is_not_kept_as_unknowable() -> None:
    today = CurrentAccess(
        (policy_of([allow(["sqs:ReceiveMessage", "sqs:SendMessage", "s3:GetObject"])]),),
        policy_of([allow(["sqs:ReceiveMessage", "s3:*"])]),
    )
    seen = AccessRequest("s3:GetObject", KEY, "object")
    made = suggest(usage_of_requests([seen]), coverage(data_events=False), today)
    assert {keep.grant.action for keep in made.keeps} == {"sqs:ReceiveMessage", "s3:GetObject"}
    assert made.barred == {"sqs:SendMessage": "the permissions boundary"}
    assert "sqs:SendMessage" not in {grant.action for grant in made.grants}


def test_what_a_level_of_the_organization_refuses_now_is_missing_with_its_cause() -> None:
    today = CurrentAccess((policy_of([allow("s3:*")]),), guardrails=((scp(allow("sqs:*")),),))
    seen = AccessRequest("s3:GetObject", KEY, "object")
    allowed, missing = split_by_current_access(usage_of_requests([seen]).requests, today)
    assert not allowed
    assert [one.cause for one in missing] == [
        "a service control policy of today forbids it: it changed after the call"
    ]


def test_a_bound_is_the_cause_also_where_the_identity_policies_allow_nothing() -> None:
    today = CurrentAccess((policy_of([allow("sqs:*")]),), policy_of([allow("sqs:*")]))
    seen = [AccessRequest("s3:GetObject", KEY, "object"), AccessRequest("rds:StartDBInstance", "*")]
    _, missing = split_by_current_access(usage_of_requests(seen).requests, today)
    forbidden = "the permissions boundary of today forbids it: it changed after the call"
    assert {one.request.action: one.cause for one in missing} == {
        "s3:GetObject": f"{forbidden}, or a resource policy names the session",
        "rds:StartDBInstance": forbidden,
    }


# --- What is lost in the meet ----------------------------------------------------------------------


def met(grant: Grant, requests: Sequence[AccessRequest], *statements: dict[str, Any]) -> Any:
    return intersect_with_policies({grant: requests}, [policy_of(list(statements))])


def test_a_pattern_that_today_allows_whole_loses_nothing() -> None:
    grant, seen = Grant("s3:GetObject", "arn:aws:s3:::shop/in/*"), AccessRequest("s3:GetObject", KEY)
    assert met(grant, [seen], allow("s3:*", SHOP)) == ([grant], ())


def test_a_pattern_that_is_cut_to_today_s_statement_is_a_named_loss() -> None:
    grant, seen = Grant("s3:GetObject", SHOP), AccessRequest("s3:GetObject", KEY)
    grants, losses = met(grant, [seen], allow("s3:*", "arn:aws:s3:::shop/in/*", Sid="In"))
    assert grants == [Grant("s3:GetObject", "arn:aws:s3:::shop/in/*")]
    why = "cut to arn:aws:s3:::shop/in/*: today's statement allows no more of it"
    assert losses == (NarrowedGrant("s3:GetObject", SHOP, "In", why),)


def test_conditions_that_one_entry_cannot_say_are_a_named_loss() -> None:
    # Some tag must be like each pattern; one entry can only say that one is like both.
    own = conditions_of({"ForAnyValue:StringLike": {"aws:TagKeys": ["team*"]}})
    theirs = {"ForAnyValue:StringLike": {"aws:TagKeys": ["*red"]}}
    grant = Grant("s3:GetObject", SHOP, own)
    seen = AccessRequest("s3:GetObject", KEY, context=(("aws:TagKeys", ("teamred",)),))
    grants, losses = met(grant, [seen], allow("s3:GetObject", SHOP, Condition=theirs, Sid="Red"))
    assert [one.conditions for one in grants] == [
        conditions_of({"ForAnyValue:StringLike": {"aws:TagKeys": ["team*red"]}})
    ]
    assert [(loss.sid, "cannot be said in one entry" in loss.why) for loss in losses] == [("Red", True)]


def test_a_grant_in_two_statements_together_is_taken_whole() -> None:
    grant, seen = Grant("s3:GetObject", SHOP), AccessRequest("s3:GetObject", KEY)
    halves = [allow("s3:Get*", "arn:aws:s3:::shop/?*"), allow("s3:*", "arn:aws:s3:::shop/")]
    assert met(grant, [seen], *halves) == ([grant], ())
    only = {"Bool": {"aws:SecureTransport": "true"}}
    under = met(grant, [seen], *(half | {"Condition": only} for half in halves))
    assert under == (
        [grant._replace(conditions=conditions_of({"Bool": {"aws:SecureTransport": ["true"]}}))],
        (),
    )


# --- What lies in several statements ---------------------------------------------------------------


def inside(grant: Grant, *statements: dict[str, Any]) -> bool:
    return inside_statements(grant, allow_statements([policy_of(list(statements))]))


def test_actions_and_resources_may_be_split_over_statements() -> None:
    everything = Grant("s3:GetO*", SHOP)
    assert inside(everything, allow("s3:GetO?*", SHOP), allow("s3:GetO", SHOP))
    assert not inside(everything, allow("s3:GetOb*", SHOP), allow("s3:GetO", SHOP))
    # Each half of the actions on another half of the names leaves two quarters out.
    assert not inside(
        everything, allow("s3:GetO?*", "arn:aws:s3:::shop/?*"), allow("s3:GetO", "arn:aws:s3:::shop/")
    )


def test_what_a_not_resource_leaves_out_another_statement_may_allow() -> None:
    but = {"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::shop/secret/*"}
    assert inside(Grant("s3:GetObject", SHOP), but, allow("s3:Get*", "arn:aws:s3:::*/secret/*"))
    assert not inside(Grant("s3:GetObject", SHOP), but)


def test_everything_but_some_lies_in_everything() -> None:
    grant = Grant("s3:GetObject", "*", (), ("arn:aws:s3:::shop/*",))
    but = {"Effect": "Allow", "Action": "s3:*"}
    assert inside(grant, allow("s3:*"))
    assert inside(grant, but | {"NotResource": "arn:aws:s3:::shop/secret/*"})
    assert not inside(grant, but | {"NotResource": "arn:aws:s3:::store/*"})
    assert not inside(grant, allow("s3:*", "arn:aws:s3:::*"))


# --- Kept actions by few patterns ------------------------------------------------------------------


def kept(pattern: str, *less: str) -> list[Grant]:
    return [Grant(action, "*") for action in actions_matching(pattern) if action not in less]


def written(grants: list[Grant], *statements: dict[str, Any]) -> list[str]:
    today = allow_statements([policy_of(list(statements))])
    return [grant.action for grant in Patterns(grants, grants, today).written()]


def test_today_s_own_pattern_is_written_where_all_that_it_matches_is_kept() -> None:
    assert written(kept("sqs:*"), allow("sqs:*")) == ["sqs:*"]
    assert written(kept("sqs:List*"), allow("sqs:List*")) == ["sqs:List*"]


def test_a_pattern_with_one_action_that_is_not_kept_is_not_written() -> None:
    found = written(kept("sqs:*", "sqs:SendMessage"), allow("sqs:*"))
    assert "sqs:*" not in found
    assert "sqs:List*" in found  # inside today's pattern, and wholly kept
    assert not [pattern for pattern in found if pattern in ("sqs:Send*", "sqs:SendMessage")]


def test_patterns_inside_not_action_reach_no_action_that_it_names() -> None:
    statement = {"Effect": "Allow", "NotAction": ["sqs:ListQueueTags", "s3:*"], "Resource": "*"}
    names = kept("sqs:*", "sqs:ListQueueTags") + kept("sns:*")
    found = written(names, statement)
    assert "sns:*" in found
    assert "sqs:*" not in found
    assert "sqs:List*" not in found


def test_a_pattern_is_written_only_where_today_grants_it() -> None:
    here = [grant._replace(resource=SHOP) for grant in kept("s3:List*")]
    assert written(here, allow("s3:List*")) == ["s3:List*"]
    assert written(here, allow("s3:List*", SHOP)) == ["s3:List*"]
    assert written(here, allow("s3:List*", "arn:aws:s3:::store/*")) == sorted(one.action for one in here)
    names = sorted(one.action for one in here)
    assert (
        written(here, allow("s3:List*") | {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}) == names
    )


def test_a_pattern_ends_with_a_word_and_stands_for_several_names() -> None:
    found = written(kept("s3:GetBucket*") + kept("s3:PutObject"), allow("s3:*"))
    assert found == ["s3:GetBucket*", "s3:PutObject"]


def test_nearly_everything_is_written_as_everything_but_the_rest() -> None:
    statement = {"Effect": "Allow", "NotAction": ["iam:*", "sts:AssumeRole"], "Resource": "*"}
    grants = kept("*", "sqs:SendMessage", "sts:AssumeRole")
    grants = [grant for grant in grants if not grant.action.startswith("iam:")]
    today = allow_statements([policy_of([statement])])
    (found,) = Patterns(grants, grants, today).written(by_exception=True)
    assert found.unless == ("iam:*", "sqs:SendMessage", "sts:AssumeRole")
    assert inside(found, statement)
    assert not inside(found, statement | {"NotAction": ["iam:*", "sts:*"]})
    assert not inside(found, allow("s3:*"), allow("sqs:*"))
    assert found.inside(Grant("*", "*"))
    assert not Grant("sqs:*", "*").inside(found)
    assert Grant("sns:*", "*").inside(found)


def test_at_a_price_a_pattern_matches_what_could_go_but_never_what_is_barred() -> None:
    grants = kept("sqs:*", "sqs:SendMessage", "sqs:PurgeQueue")
    today = allow_statements([policy_of([allow("sqs:*")])])
    patterns = Patterns(grants, grants, today)
    assert [one.action for one in patterns.written(Spares(0))] == ["sqs:*"]
    spare = patterns.spare(patterns.written(Spares(0)))
    assert {one.action for one in spare} == {"sqs:SendMessage", "sqs:PurgeQueue"}
    barred = patterns.written(Spares(0, frozenset({"sqs:purgequeue"})))
    assert {one.action for one in patterns.spare(barred)} <= {"sqs:SendMessage"}
    assert "sqs:*" not in {one.action for one in barred}
