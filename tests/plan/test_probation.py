"""A probation denies what is unverified and nothing else, ends by itself, and is read by what was asked for since."""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from policygen.account.model import LastAccessed, ServiceUse
from policygen.errors import GateError, NothingFoundError, UsageError
from policygen.iam.document import Policy, Statement
from policygen.iam.evaluate import Evaluator
from policygen.iam.request import AccessRequest
from policygen.plan.build import plan_from_analysis
from policygen.plan.model import Plan
from policygen.plan.model_evidence import PlanInformationalRequest, PlanNotAllowed
from policygen.plan.probation import of_question, on_probation, probation_of
from policygen.plan.probation_outcome import SeenSince, outcomes, toml_lines
from policygen.rightsize.decisions.load import parse_decisions
from policygen.rightsize.generate.pack import MANAGED_LIMIT
from tests.support import command
from tests.support.accounts import ALL_DATA_EVENTS, snapshot
from tests.support.golden import Case, run
from tests.support.wide_accounts import random_case

UNTIL = "2026-12-31T00:00:00Z"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:jobs"
PARAMETER = "arn:aws:ssm:us-east-1:123456789012:parameter/a"
CASE: Case = {
    "name": "a queue whose data events are off",
    "events": [
        {
            "source": "ssm",
            "name": "GetParameter",
            "params": {"name": "/a"},
            "reads": True,
            "on": ["2026-11-01", "2026-11-30", 1],
        }
    ],
    "today": {
        "policies": [
            {
                "Statement": [
                    {"Effect": "Allow", "Action": ["sqs:*"], "Resource": QUEUE},
                    {"Effect": "Allow", "Action": ["ssm:*", "rds-db:connect", "dynamodb:*"], "Resource": "*"},
                ]
            }
        ],
        "trails": "management",
    },
}


def plan_of(case: Case, folder: Path) -> Plan:
    return plan_from_analysis(run(case, folder))


def outcome(policies: tuple[Policy, ...], request: AccessRequest, form: str, today: str) -> str:
    """What AWS answers to a request of a role that may do everything else."""
    everything = Policy((Statement("Allow", ("*",), ("*",)),))
    asked = request._replace(context=(("aws:CurrentTime", (today,)),))
    if form == "boundary":
        return Evaluator([everything], policies[0], complete=True).evaluate(asked).outcome
    return Evaluator([everything, *policies], complete=True).evaluate(asked).outcome


@pytest.mark.parametrize("form", ["boundary", "deny"])
def test_unverified_permissions_are_denied_for_some_days_and_needed_ones_never(
    form: Any, tmp_path: Path
) -> None:
    plan = plan_of(CASE, tmp_path)
    made = probation_of(plan, UNTIL, form)
    assert made.form == form
    assert all(policy.size <= MANAGED_LIMIT for policy in made.policies)
    for keep in made.denied:
        request = AccessRequest(keep.action, QUEUE if keep.action.startswith("sqs:") else "*")
        assert outcome(made.policies, request, form, "2026-12-30T23:59:59Z") == "EXPLICIT_DENY", keep.action
        assert outcome(made.policies, request, form, UNTIL) == "ALLOWED", keep.action
    assert {"sqs:SendMessage", "rds-db:connect"} <= {keep.action for keep in made.denied}
    seen = AccessRequest("ssm:GetParameter", PARAMETER)
    assert outcome(made.policies, seen, form, "2026-12-01T00:00:00Z") == "ALLOWED"
    # What today's policies do not grant may come from a policy of the resource: no pattern matches it.
    assert (
        outcome(made.policies, AccessRequest("s3:GetObject", "*"), form, "2026-12-01T00:00:00Z") == "ALLOWED"
    )


@pytest.mark.parametrize("seed", ["0", "4", "7"])
def test_a_probation_of_an_administrator_fits_and_denies_nothing_needed(seed: str, tmp_path: Path) -> None:
    plan = plan_of(random_case(seed), tmp_path)
    made = probation_of(plan, UNTIL)
    assert all(policy.size <= MANAGED_LIMIT for policy in made.policies)
    bounds = json.dumps([policy.to_dict() for policy in made.policies])
    assert "DateLessThan" in bounds
    for one in plan.evidence.requests:
        request = AccessRequest(one.action, one.resource)
        bounded = made.boundary and outcome(made.policies, request, made.form, UNTIL) != "ALLOWED"
        during = outcome(made.policies, request, made.form, "2026-12-01T00:00:00Z")
        assert bounded or during == "ALLOWED", one.action


def test_a_probation_of_one_question_denies_what_it_asks_and_no_other(tmp_path: Path) -> None:
    plan = plan_of(CASE, tmp_path)
    whole = {keep.action for keep in probation_of(plan, UNTIL).denied}
    asked = [one for one in plan.questions if set(one.actions) & whole]
    assert len(asked) > 1
    for one in asked:
        made = probation_of(of_question(plan, one.topics[0]), UNTIL)
        denied = {keep.action for keep in made.denied}
        assert denied == whole & set(one.actions)
        for action in whole:
            request = AccessRequest(action, QUEUE if action.startswith("sqs:") else "*")
            said = outcome(made.policies, request, made.form, "2026-12-01T00:00:00Z")
            assert said == ("EXPLICIT_DENY" if action in denied else "ALLOWED"), action
    with pytest.raises(UsageError) as caught:
        of_question(plan, "protocol:nothing")
    assert caught.value.code == "PG-E372"


def test_the_command_beside_a_question_is_about_it_alone(tmp_path: Path) -> None:
    plan = plan_of(CASE, tmp_path)
    commands = [(one, shlex.split(one.command)) for one in plan.questions if "probation" in one.command]
    assert commands
    for one, words in commands:
        assert words[-2] == "--question"
        assert words[-1] in one.topics


def test_a_boundary_of_today_stays_inside_the_new_one(tmp_path: Path) -> None:
    boundary = {"Statement": [{"Effect": "Allow", "Action": ["sqs:*", "ssm:*"], "Resource": "*"}]}
    plan = plan_of(CASE | {"today": CASE["today"] | {"boundary": boundary}}, tmp_path)
    made = probation_of(plan, UNTIL)
    assert made.boundary
    assert (
        outcome(made.policies, AccessRequest("ec2:RunInstances", "*"), "boundary", UNTIL) == "IMPLICIT_DENY"
    )
    assert outcome(made.policies, AccessRequest("sqs:SendMessage", QUEUE), "boundary", UNTIL) == "ALLOWED"


def test_what_iam_saw_used_is_left_out(tmp_path: Path) -> None:
    attempted = {"sqs": "2026-11-20T00:00:00Z", "ssm": "2026-11-30T09:00:00Z", "dynamodb": None}
    plan = plan_of(CASE | {"today": CASE["today"] | {"last_accessed": attempted}}, tmp_path)
    made = probation_of(plan, UNTIL)
    assert "sqs:SendMessage" in made.left_out
    assert "sqs:SendMessage" not in {keep.action for keep in made.denied}


SEEN = {"count": 3, "first": "2026-11-02T08:00:00Z", "last": "2026-11-28T08:00:00Z"}
SEND = {"action": "sqs:SendMessage", "resource": QUEUE}
SPOKEN_FOR: dict[str, Any] = {
    "needs": ("sqs:SendMessage",),
    "missing": (msgspec.convert(SEEN | SEND | {"cause": "x"}, PlanNotAllowed),),
    "asides": (msgspec.convert(SEEN | SEND | {"grade": "hint", "allowed": True}, PlanInformationalRequest),),
}


@pytest.mark.parametrize("part", SPOKEN_FOR)
def test_what_any_part_of_the_plan_speaks_for_is_left_out(part: str, tmp_path: Path) -> None:
    plan = plan_of(CASE, tmp_path)
    assert "sqs:SendMessage" in {keep.action for keep in on_probation(plan)[0]}
    denied, left_out = on_probation(msgspec.structs.replace(plan, **{part: SPOKEN_FOR[part]}))
    assert "sqs:SendMessage" not in {keep.action for keep in denied}
    assert left_out["sqs:SendMessage"].startswith("it is needed on ")


def test_a_role_without_unverified_permissions_has_no_probation(tmp_path: Path) -> None:
    plan = plan_of(CASE | {"options": {"unverified": "drop"}}, tmp_path)
    with pytest.raises(NothingFoundError) as caught:
        probation_of(plan, UNTIL)
    assert caught.value.code == "PG-E371"


def test_a_boundary_that_does_not_fit_is_refused_where_it_was_asked_for(tmp_path: Path) -> None:
    statements = [
        {
            "Effect": "Allow",
            "Action": ["sqs:*"],
            "Resource": f"arn:aws:sqs:us-east-1:123456789012:queue-{i:04}",
        }
        for i in range(60)
    ]
    today = CASE["today"] | {
        "boundary": {"Statement": [*statements, {"Effect": "Allow", "Action": ["*"], "Resource": "*"}]}
    }
    plan = plan_of(CASE | {"today": today}, tmp_path)
    with pytest.raises(GateError) as caught:
        probation_of(plan, UNTIL, "boundary")
    assert caught.value.code == "PG-E370"
    assert probation_of(plan, UNTIL).form == "deny"


# --- What was asked for -----------------------------------------------------------------------------

SINCE, MADE, DURING = "2026-12-01", "2026-12-31T12:00:00Z", "2026-12-05T00:00:00Z"
REPORTS: list[tuple[str, dict[str, Any], str, str]] = [
    ("no attempt at the service", {"sqs": ServiceUse("2026-11-20T00:00:00Z")}, "sqs:SendMessage", "silent"),
    ("a service of which nothing else is granted", {"sqs": ServiceUse(DURING)}, "sqs:SendMessage", "asked"),
    (
        "an attempt at a tracked action",
        {"dynamodb": ServiceUse(DURING, "", {"GetItem": DURING})},
        "dynamodb:GetItem",
        "asked",
    ),
    (
        "an attempt that another action explains",
        {"dynamodb": ServiceUse(DURING, "", {"CreateTable": DURING})},
        "dynamodb:GetItem",
        "unknown",
    ),
    ("a protocol", {"rds-db": ServiceUse("")}, "rds-db:connect", "unknown"),
    ("a service without a record", {}, "sqs:SendMessage", "unknown"),
]


@pytest.mark.parametrize(
    ("use", "action", "answer"), [one[1:] for one in REPORTS], ids=[one[0] for one in REPORTS]
)
def test_iams_report_tells_what_was_asked_for(use: Any, action: str, answer: str, tmp_path: Path) -> None:
    plan = plan_of(CASE, tmp_path)
    denied, _ = on_probation(plan)
    found = outcomes(plan, denied, SeenSince(SINCE, LastAccessed(MADE, use)))
    assert {one.answer for one in found if one.keep.action == action} == {answer}


def answers_of(plan: Plan, seen: SeenSince, action: str = "sqs:SendMessage") -> set[str]:
    """What a probation of a plan says of an action."""
    return {one.answer for one in outcomes(plan, on_probation(plan)[0], seen) if one.keep.action == action}


def test_silence_says_nothing_of_a_region_that_iam_does_not_track(tmp_path: Path) -> None:
    plan = plan_of(CASE | {"today": CASE["today"] | {"policies": [EVERY_QUEUE]}}, tmp_path)
    silent = SeenSince(SINCE, LastAccessed(MADE, {"sqs": ServiceUse("")}))
    assert answers_of(plan, silent) == {"silent"}
    evidence = msgspec.structs.replace(plan.evidence, regions=("mx-central-1", "us-east-1"))
    assert answers_of(msgspec.structs.replace(plan, evidence=evidence), silent) == {"unknown"}


def test_an_attempt_at_a_service_may_be_for_what_is_needed_of_it(tmp_path: Path) -> None:
    plan = plan_of(CASE, tmp_path)
    tried = SeenSince(SINCE, LastAccessed(MADE, {"sqs": ServiceUse(DURING)}))
    assert answers_of(plan, tried) == {"asked"}
    listed = msgspec.convert(SEEN | SEND | {"action": "sqs:ListQueues", "cause": "x"}, PlanNotAllowed)
    assert answers_of(msgspec.structs.replace(plan, missing=(listed,)), tried) == {"unknown"}


def test_a_trail_that_logs_an_action_tells_as_well_as_the_report(tmp_path: Path) -> None:
    plan = plan_of(CASE, tmp_path)
    assert answers_of(plan, SeenSince(SINCE, visible={"sqs:sendmessage"})) == {"silent"}
    called = {"sqs:sendmessage": "2026-12-02"}
    assert answers_of(plan, SeenSince(SINCE, asked=called, visible={"sqs:sendmessage"})) == {"asked"}
    assert answers_of(plan, SeenSince(SINCE)) == {"unknown"}


EVERY_QUEUE = {"Statement": [{"Effect": "Allow", "Action": ["ssm:*", "sqs:*"], "Resource": "*"}]}


def test_the_lines_are_decisions_that_policygen_reads(tmp_path: Path) -> None:
    plan = plan_of(CASE, tmp_path)
    denied, _ = on_probation(plan)
    seen = SeenSince(
        SINCE,
        LastAccessed(MADE, {"sqs": ServiceUse(""), "dynamodb": ServiceUse("")}),
        {"dynamodb:getitem": "2026-12-03"},
    )
    found = outcomes(plan, denied, seen)
    text = "\n".join(toml_lines("orders", found, SINCE))
    decisions = parse_decisions(text)
    kinds = {(rule.kind, rule.action) for rule in decisions.rules}
    assert ("keep", "dynamodb:GetItem") in kinds
    assert ("drop", "sqs:SendMessage") in kinds
    assert "# rds-db:connect: neither IAM's report nor a trail shows it" in text
    assert tomllib.loads(text)
    old = outcomes(plan, denied, SeenSince(SINCE, LastAccessed(SINCE, {"sqs": ServiceUse("")})))
    assert {one.answer for one in old} == {"unknown"}


def saved(folder: Path) -> Path:
    """The plan of the case as a file; its logs are in the folder."""
    plan = folder / ".cache" / "policygen" / "plans" / "orders.json"
    plan.parent.mkdir(parents=True)
    (folder / "log").mkdir()
    plan.write_text(json.dumps(plan_from_analysis(run(CASE, folder / "log")).document), "utf-8")
    return plan


def test_the_command_prints_the_document_and_the_steps(tmp_path: Path) -> None:
    saved(tmp_path)
    printed = command.run(tmp_path, "probation", "orders", "--days", "7")
    assert printed.code == 0, printed.stderr
    document = json.loads(printed.stdout)
    (deny,) = [one for one in document["Statement"] if one["Effect"] == "Deny"]
    (until,) = deny["Condition"]["DateLessThan"]["aws:CurrentTime"]
    today = datetime.now(UTC).date()
    assert today + timedelta(days=6) < date.fromisoformat(until[:10]) <= today + timedelta(days=9)
    for words in (
        "put-role-permissions-boundary",
        "delete-role-permissions-boundary",
        "protocols",
        "four hours",
    ):
        assert words in printed.stderr


def test_the_command_reads_what_was_asked_for(tmp_path: Path) -> None:
    plan = saved(tmp_path)
    # The report of the snapshot is of 2026-11-03.
    told = snapshot(
        CASE["today"] | {"last_accessed": {"sqs": None, "dynamodb": "2026-10-20T00:00:00Z"}, "trails": []}
    )
    (tmp_path / "later.json").write_text(json.dumps(told), "utf-8")
    read = ("probation", plan, "--read", "--since", "2026-10-15", "-s", "later.json")
    printed = command.run(tmp_path, *read)
    assert printed.code == 0, printed.stderr
    kinds = {(rule.kind, rule.action) for rule in parse_decisions(printed.stdout).rules}
    assert {("drop", "sqs:SendMessage"), ("keep", "dynamodb:GetItem")} <= kinds
    assert "were not and can go" in printed.stderr
    with_logs = command.run(tmp_path, *read, "-l", "log", "--no-cache", "-j", "1")
    assert with_logs.code == 0, with_logs.stderr
    assert ("drop", "sqs:SendMessage") in {
        (rule.kind, rule.action) for rule in parse_decisions(with_logs.stdout).rules
    }


def day(ago: int) -> str:
    """A day before today: the command counts from today."""
    return (datetime.now(UTC).date() - timedelta(days=ago)).isoformat()


GET: dict[str, Any] = {"source": "ssm", "name": "GetParameter", "params": {"name": "/a"}, "reads": True}
RECEIVE: dict[str, Any] = {
    "source": "sqs",
    "name": "ReceiveMessage",
    "params": {"queueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/jobs"},
    "data": True,
}


def read_logs(
    folder: Path, since: int, *, last: int = 0, more: Sequence[Any] = (), regions: Sequence[str] = ()
) -> set[str]:
    """The actions that can go by logs of the last days, of an account whose trail logs data events by now."""
    plan, logs = saved(folder), folder / "later"
    logs.mkdir()
    document = json.loads(plan.read_text("utf-8"))
    document["evidence"]["regions"] += regions
    plan.write_text(json.dumps(document), "utf-8")
    found = [one | {"on": [day(25), day(last), 1]} for one in (GET, RECEIVE)]
    run({"name": "", "today": CASE["today"], "events": [*found, *more]}, logs)
    told = snapshot(CASE["today"] | {"trails": ALL_DATA_EVENTS})
    (folder / "later.json").write_text(json.dumps(told), "utf-8")
    options = ("--since", day(since), "-s", "later.json", "-l", "later", "--no-cache", "-j", "1")
    printed = command.run(folder, "probation", plan, "--read", *options)
    assert printed.code == 0, printed.stderr
    return {rule.action for rule in parse_decisions(printed.stdout).rules if rule.kind == "drop"}


def test_what_the_logs_of_a_probation_would_have_shown_can_go(tmp_path: Path) -> None:
    assert "sqs:SendMessage" in read_logs(tmp_path, 20)


def test_logs_that_end_with_the_first_day_tell_nothing(tmp_path: Path) -> None:
    assert read_logs(tmp_path, 3, last=3) == set()


def test_what_a_call_may_have_been_that_nothing_maps_cannot_go(tmp_path: Path) -> None:
    unmapped = {"source": "sqs", "name": "Juggle", "on": [day(9), day(9), 1]}
    assert "sqs:SendMessage" not in read_logs(tmp_path, 20, more=[unmapped])


def test_logs_that_leave_out_a_region_of_the_role_tell_nothing(tmp_path: Path) -> None:
    assert read_logs(tmp_path, 20, regions=["eu-west-1"]) == set()


@pytest.mark.parametrize(
    "wrong",
    [
        ("--as", "wall"),
        ("--read",),
        ("--read", "--since", "yesterday"),
        ("--read", "--since", "2099-01-01"),
        ("--read", "--since", "0001-01-01"),
    ],
)
def test_a_wrong_option_is_refused(wrong: tuple[str, ...], tmp_path: Path) -> None:
    saved(tmp_path)
    refused = command.run(tmp_path, "probation", "orders", *wrong)
    assert refused.code == 2
    assert "PG-E372" in refused.stderr


def test_a_number_of_days_that_no_calendar_has_is_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    assert command.run(tmp_path, "probation", "orders", "--days", "3000000").code == 2
