"""What a baseline accepts: the same and all that grants less, and never more."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from policygen.account.snapshot import to_account
from policygen.evidence.observe import collect_evidence
from policygen.gate.accepted import Accepted, Point
from policygen.gate.baseline import baseline_text, parse_baseline
from policygen.gate.findings import Finding
from policygen.gate.judge.check import check
from policygen.gate.judge.from_logs import check_basis
from policygen.gate.scope import read_scope, scopes
from policygen.gate.sources import PolicySource
from policygen.iam import arn
from policygen.iam.compare import compare_policies
from policygen.iam.document import Policy, Statement, parse_policy
from policygen.rightsize.basis import CheckBasis
from policygen.rightsize.decisions.load import parse_decisions
from tests.support.accounts import ALL_DATA_EVENTS, snapshot
from tests.support.effort import bounded
from tests.support.records import ROLE, crowd, write_logs

TOPIC = "arn:aws:sns:eu-west-1:123456789012:"
IN_EU = '[["StringLike", [["aws:RequestedRegion", ["eu-*"]]]]]'
IN_IRELAND = '[["StringEquals", [["aws:RequestedRegion", ["eu-west-1"]]]]]'
DENY = '{"Effect": "Deny", "Action": ["sns:Publish"], "Resource": ["*"]}'
PUBLISH = ("PG101", "sns:publish")

# What is accepted, and what is not more than that.
LESS: dict[str, tuple[list[Point], Point]] = {
    "a name of a star": ([(*PUBLISH, "*")], (*PUBLISH, f"{TOPIC}a")),
    "a name of a pattern": ([(*PUBLISH, f"{TOPIC}*")], (*PUBLISH, f"{TOPIC}a")),
    "a condition": ([(*PUBLISH, "*")], (*PUBLISH, f"* if {IN_EU}")),
    "a condition that implies the accepted one": (
        [(*PUBLISH, f"* if {IN_EU}")],
        (*PUBLISH, f"{TOPIC}a if {IN_IRELAND}"),
    ),
    "all but one of a star": ([(*PUBLISH, "*")], (*PUBLISH, f"all but {TOPIC}a")),
    "all but two of all but one": (
        [(*PUBLISH, f"all but {TOPIC}a")],
        (*PUBLISH, f"all but {TOPIC}a, {TOPIC}b"),
    ),
    "a name that is not left out": ([(*PUBLISH, f"all but {TOPIC}a")], (*PUBLISH, f"{TOPIC}b")),
    "another reason on less": ([("PG102", "sns:publish", "*")], (*PUBLISH, f"{TOPIC}a")),
    "a note on more": ([("PG301", "sns:publish", "*")], ("PG102", "sns:publish", f"{TOPIC}*")),
    "a risk on less": ([("PG107", "pe-53 sns:publish", "*")], ("PG107", "pe-53 sns:publish", f"{TOPIC}a")),
    "an action of a pattern": ([("PG105", "sns:*", "*")], ("PG105", "sns:publish", f"{TOPIC}a")),
    "one Deny more": ([("PG105", "sns:*", "*")], ("PG105", "sns:*", f"* but {DENY}")),
}
MORE: dict[str, tuple[list[Point], Point]] = {
    "all others than the name": ([(*PUBLISH, f"{TOPIC}a")], (*PUBLISH, f"{TOPIC}b")),
    "the exception itself": ([(*PUBLISH, f"all but {TOPIC}a")], (*PUBLISH, f"{TOPIC}a")),
    "some of the exception": ([(*PUBLISH, f"all but {TOPIC}a")], (*PUBLISH, f"{TOPIC}*")),
    "a wider condition": ([(*PUBLISH, f"* if {IN_IRELAND}")], (*PUBLISH, f"* if {IN_EU}")),
    "no condition": ([(*PUBLISH, f"* if {IN_IRELAND}")], (*PUBLISH, f"{TOPIC}a")),
    "another action": ([(*PUBLISH, "*")], ("PG101", "sns:subscribe", f"{TOPIC}a")),
    "another risk": ([("PG107", "pe-53 sns:publish", "*")], ("PG107", "pe-54 sns:publish", "*")),
    "suspicious calls": ([(*PUBLISH, "*")], ("PG103", "sns:publish", "*")),
    "what today's policies do not have": ([(*PUBLISH, "*")], ("PG105", "sns:publish", f"{TOPIC}a")),
    "a call that would be denied": ([("PG201", "sns:publish", "*")], ("PG201", "sns:publish", f"{TOPIC}a")),
    "without the Deny": ([("PG105", "sns:*", f"* but {DENY}")], ("PG105", "sns:*", "*")),
    "a name that reads like a condition": (
        [(*PUBLISH, f"{TOPIC}a")],
        (*PUBLISH, *scopes([f"{TOPIC}a if {IN_EU}"], (), ())),
    ),
    "a name that reads like two exceptions": (
        [(*PUBLISH, f"all but {TOPIC}a")],
        (*PUBLISH, *scopes((), [f"{TOPIC}a, {TOPIC}b"], ())),
    ),
}


@pytest.mark.parametrize("name", LESS)
def test_less_than_accepted_is_accepted(name: str) -> None:
    accepted, found = LESS[name]
    assert found in Accepted(accepted)


@pytest.mark.parametrize("name", MORE)
def test_more_than_accepted_is_not_accepted(name: str) -> None:
    accepted, found = MORE[name]
    assert found not in Accepted(accepted)


def test_what_is_accepted_in_two_parts_is_accepted_together() -> None:
    halves = Accepted([(*PUBLISH, f"all but {TOPIC}*"), (*PUBLISH, f"{TOPIC}*")])
    assert (*PUBLISH, "*") in halves


# --- Policies that are less than another one, by the project's own comparison ----------------------

BUCKETS = ("*", "arn:aws:s3:::logs*", "arn:aws:s3:::logs-a/*", "arn:aws:s3:::other/*")
QUEUES = ("*", "arn:aws:sqs:us-east-1:123456789012:*", "arn:aws:sqs:us-east-1:123456789012:a")
ROLES = ("*", "arn:aws:iam::123456789012:role/*", "arn:aws:iam::123456789012:role/x")
ON = {
    **dict.fromkeys(("s3:GetObject", "s3:PutObject", "s3:Get*", "s3:PutBucketPolicy"), BUCKETS),
    **dict.fromkeys(("sqs:SendMessage", "sqs:*"), QUEUES),
    **dict.fromkeys(("iam:PassRole", "iam:CreatePolicyVersion"), ROLES),
    **dict.fromkeys(("lambda:CreateFunction", "lambda:InvokeFunction", "ec2:StartInstances"), ("*",)),
}
CONDITIONS: tuple[Any, ...] = (
    (),
    (("StringLike", (("aws:RequestedRegion", ("eu-*",)),)),),
    (("StringEquals", (("aws:RequestedRegion", ("eu-west-1",)),)),),
)


@st.composite
def statements(draw: st.DrawFn) -> Statement:
    action = draw(st.sampled_from(sorted(ON)))
    return Statement(
        "Allow", (action,), (draw(st.sampled_from(ON[action])),), conditions=draw(st.sampled_from(CONDITIONS))
    )


policies = st.lists(statements(), min_size=1, max_size=4).map(lambda found: Policy(tuple(found)))


@st.composite
def narrowed(draw: st.DrawFn, policy: Policy) -> Policy:
    """A policy with statements that have fewer actions, on less, or under more conditions."""
    kept = []
    for one in policy.statements:
        action = draw(st.sampled_from([a for a in ON if arn.action_contains(one.actions[0], a)]))
        resource = draw(st.sampled_from([one.resources[0], *ON.get(action, ())]))
        kept.append(Statement("Allow", (action,), (resource,), conditions=draw(st.sampled_from(CONDITIONS))))
    return Policy(tuple(draw(st.permutations(kept))))


@cache
def basis() -> CheckBasis:
    today = parse_policy(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": ["s3:*", "iam:PassRole"], "Resource": "*"},
                {"Effect": "Allow", "Action": "sqs:*", "Resource": QUEUES[1]},
            ],
        }
    )
    account = to_account(snapshot({"policies": [today.to_dict()], "trails": ALL_DATA_EVENTS}))
    events = [
        {"source": "s3", "name": "GetObject", "params": {"bucketName": "logs-a", "key": "k"}},
        {"source": "ec2", "name": "StartInstances", "params": {}},
    ]
    with TemporaryDirectory() as folder:
        seen = collect_evidence([write_logs(Path(folder), crowd(events))], ROLE, account=account)
    return check_basis(seen, parse_decisions(""))


def found_in(policy: Policy) -> tuple[Finding, ...]:
    return check([PolicySource("p.json", "", policy)], basis())


GRANTED = {"PG101", "PG102", "PG105", "PG107", "PG301", "PG401"}
WHOSE = ("r", "")


def unaccepted(baseline_of: Policy, policy: Policy) -> tuple[list[Finding], list[Finding]]:
    """The findings about what a policy grants: those that a baseline of another one accepts, and the others."""
    baseline = parse_baseline(baseline_text({WHOSE: found_in(baseline_of)}), "b")
    found = [one for one in found_in(policy) if one.rule.id in GRANTED and one.against]
    new = baseline.against(WHOSE, found).new
    return [one for one in found if one not in new], list(new)


@bounded(150)
@given(st.data())
def test_a_baseline_accepts_every_grant_of_a_policy_that_is_contained_in_its_own(data: st.DataObject) -> None:
    policy = data.draw(policies)
    less = data.draw(narrowed(policy))
    compared = compare_policies([policy], [less])
    assume(not compared.gained and not compared.unsure)
    _, new = unaccepted(policy, less)
    assert new == []


@bounded(150)
@given(policies, policies)
def test_a_baseline_accepts_nothing_that_its_own_policy_does_not_grant(policy: Policy, other: Policy) -> None:
    known, _ = unaccepted(policy, other)
    for rule, subject, where in (point for one in known for point in one.points):
        scope = read_scope(where)
        if scope is None:
            assert (rule, subject, where) in {point for one in found_in(policy) for point in one.points}
            continue
        granted = Statement(
            "Allow",
            (subject.split(" ")[-1],),
            scope.excluded or (scope.resource,),
            False,
            bool(scope.excluded),
            scope.conditions,
        )
        assert compare_policies([policy], [Policy((granted,))]).gained == ()


def test_the_baseline_begins_with_what_is_worst_and_leaves_out_what_the_suggestion_has() -> None:
    found = found_in(Policy((Statement("Allow", ("iam:*", "lambda:*"), ("*",)),)))
    rows = json.loads(baseline_text({WHOSE: found}))["accepted"]
    levels = [row["level"] for row in rows]
    assert levels == sorted(levels, key=["error", "warning", "note"].index)
    assert {"error", "warning"} <= set(levels)
    needed = [replace(one, against=False) for one in found]
    assert json.loads(baseline_text({WHOSE: needed}))["accepted"] == []


def test_what_a_change_newly_accepts_is_listed_worst_first_without_what_is_less() -> None:
    rows = {
        "PG301": ("sqs:listqueues", "*"),
        "PG101": ("sns:publish", f"{TOPIC}a"),
        "PG102": ("sqs:sendmessage", "*"),
        "PG107": ("pe-53 iam:passrole", "*"),
    }
    text = [
        {"role": "r", "rule": rule, "where": where, "subjects": [subject]}
        for rule, (subject, where) in rows.items()
    ]
    own = parse_baseline(json.dumps({"policygen_baseline": 1, "accepted": text}), "own")
    older = {"role": "r", "rule": "PG101", "where": "*", "subjects": ["sns:Publish"]}
    before = parse_baseline(json.dumps({"policygen_baseline": 1, "accepted": [older]}), "before")
    both = own.since(before)
    assert both.newly_of(WHOSE) == [
        "PG107 pe-53 iam:PassRole on * (1)",
        "PG102 sqs:SendMessage on * (1)",
        "1 note",
    ]
    assert both.accepted[WHOSE] == {("PG101", "sns:publish", f"{TOPIC}a")}
