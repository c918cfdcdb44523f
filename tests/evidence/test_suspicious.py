"""Suspicious calls, one by one: what each asked for, how it ended, and that every output says so."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import policygen
from policygen.logs.events.outcome import Outcome, result_of
from policygen.plan.build import plan_from_analysis
from policygen.plan.build_evidence import SUSPICIOUS_CALLS
from policygen.plan.io import parse_plan
from policygen.plan.model import Plan
from policygen.report.data.explanation import explanation_dict
from policygen.report.formats import render
from policygen.report.suspects import suspects_by_sign
from policygen.report.terminal.explain import render_explanation_text
from policygen.rightsize.analysis import analyse
from policygen.rightsize.explain import explain
from tests.support.command import run_in_root
from tests.support.records import ROLE, crowd, write_logs
from tests.support.samples import sample

ORDERS = "orders-api"
FILES = ("-l", "samples/trail", "-s", "samples/account.json", "-q")
RESULTS = {
    "ListUsers": {"denied": 1},
    "DeleteBucket": {"denied": 1},
    "GetBucketPolicy": {"expired": 1},
    "Scan": {"succeeded": 1},
    "GetObject": {"succeeded": 2},
    "ListBuckets": {"succeeded": 1},
    "GetCallerIdentity": {"succeeded": 1},
}


def plan() -> Plan:
    return plan_from_analysis(sample(ORDERS, today=True))


def without_results() -> Plan:
    """A plan of an older version, which does not tell how the calls ended."""
    document = json.loads(json.dumps(plan().document))
    for one in document["suspects"]:
        del one["results"], one["calls"]
    return parse_plan(document)


@pytest.mark.parametrize(
    ("outcome", "error", "result"),
    [
        (Outcome.USED, "", "succeeded"),
        (Outcome.USED, "NoSuchKey", "failed"),
        (Outcome.WEAK, "ThrottlingException", "failed"),
        (Outcome.DENIED, "AccessDenied", "denied"),
        (Outcome.UNAUTHENTICATED, "ExpiredTokenException", "expired"),
        (Outcome.UNAUTHENTICATED, "InvalidClientTokenId", "refused"),
    ],
)
def test_a_word_says_how_a_call_ended(outcome: Outcome, error: str, result: str) -> None:
    assert result_of(outcome, error) == result


def test_a_plan_tells_how_each_suspicious_call_ended_and_what_it_asked_for() -> None:
    found = {one.event.partition(" ")[2]: one for one in plan().suspects}
    assert {name: one.results for name, one in found.items()} == RESULTS
    assert all(sum(call.count for call in one.calls) == one.count for one in found.values())
    (call,) = found["DeleteBucket"].calls
    assert (call.action, call.result, call.error) == ("s3:DeleteBucket", "denied", "AccessDenied")
    assert call.resource == "arn:aws:s3:::shop-orders-111122223333"
    assert call.addresses == ("54.170.77.12",)
    assert len(call.event_ids) == 1
    (nothing,) = found["GetCallerIdentity"].calls
    assert (nothing.action, nothing.result) == ("", "succeeded")


def test_a_plan_lists_no_more_calls_of_a_kind_than_a_person_can_read(tmp_path: Any) -> None:
    events = crowd([{"source": "s3", "name": "GetObject", "params": {"bucketName": "b", "key": "k"}}])
    stolen = [
        {
            "source": "s3",
            "name": "PutObject",
            "function": "f",
            "params": {"bucketName": "b", "key": f"k{i}"},
            "agent": "aws-cli/2.31.6",
        }
        for i in range(SUSPICIOUS_CALLS + 5)
    ]
    made = analyse([write_logs(tmp_path, [*events, *stolen])], ROLE)
    (one,) = plan_from_analysis(made).suspects
    assert one.count == SUSPICIOUS_CALLS + 5 == sum(one.results.values())
    assert len(one.calls) == SUSPICIOUS_CALLS
    assert "and 5 more calls" in render("text", plan_from_analysis(made), show_all=True)


def test_the_screens_the_page_and_the_comment_say_what_was_denied() -> None:
    short, all_of_it = render("text", plan()), render("text", plan(), show_all=True)
    assert "denied: iam:ListUsers, s3:DeleteBucket" in short
    assert "by hand; 1 expired token, 5 succeeded: dynamodb:Scan" in short
    unbroken = " ".join(all_of_it.split())
    assert "s3:DeleteBucket on shop-orders-111122223333: denied (AccessDenied), from 54.170.77.12" in unbroken
    assert "expired (ExpiredToken)" in unbroken
    assert "denied (AccessDenied)" in render("html", plan())
    assert "`iam.amazonaws.com ListUsers`: 1 call (denied)" in render("markdown", plan())


def test_a_plan_of_an_older_version_says_nothing_of_results() -> None:
    old = without_results()
    for form in ("text", "markdown", "html"):
        assert "ListUsers" in render(form, old)
    assert "denied: iam:ListUsers" not in render("text", old)
    assert all(group.acceptable for group in suspects_by_sign(old))


def test_no_kind_is_offered_for_acceptance_of_which_every_call_was_denied() -> None:
    for show_all in (False, True):
        screen = render("text", plan(), show_all=show_all)
        assert "--accept interactive-agent" in screen
        assert "--accept foreign-agent" not in screen
    page = render("html", plan())
    assert "--accept interactive-agent" in page
    assert "--accept foreign-agent" not in page


REPORT = '[[reported]]\nrole = "orders-api"\nuntil = {until}\nreason = "stolen <b> session, SEC-118"\n'


def reported(folder: Path, until: str, form: str, *more: str) -> str:
    (folder / "policygen.toml").write_text(REPORT.format(until=until))
    decided = ("--decisions", str(folder / "policygen.toml"), "--no-plan", "-f", form)
    return run_in_root("suggest", ORDERS, *FILES, *decided, *more).stdout


def test_calls_that_were_reported_are_left_out_and_told_and_are_no_reason_to_wait(tmp_path: Path) -> None:
    short, full = (reported(tmp_path, "2026-11-18", "text", *more) for more in ((), ("--details",)))
    assert "✔ SAFE TO APPLY" in short
    assert "= Reported     8 calls on Nov 18, left out of the policy: stolen <b> session," in short
    assert "--accept" not in short
    assert "Suspicious (6 calls): left out of the policy; reported: stolen <b> session, SEC-118" in " ".join(
        full.split()
    )
    assert "reported: stolen `<b>` session" in reported(tmp_path, "2026-11-18", "markdown")
    assert "reported: stolen &lt;b&gt; session, SEC-118" in reported(tmp_path, "2026-11-18", "html")
    after = json.loads(reported(tmp_path, "2026-11-18", "json"))
    assert after["policies"] == plan().document["policies"]


def test_calls_after_the_last_day_of_a_report_are_suspicious_again(tmp_path: Path) -> None:
    short = reported(tmp_path, "2026-11-17", "text")
    assert "! LOOK FIRST     8 suspicious calls" in short
    assert "Reported" not in short
    findings = json.loads(reported(tmp_path, "2026-11-17", "json"))["suspects"]
    assert {one["reported"] for one in findings} == {""}


def test_a_report_that_tells_of_nothing_is_named_and_one_of_days_to_come_is_refused(tmp_path: Path) -> None:
    short = reported(tmp_path, "2026-11-17", "text")
    assert "No effect    1 decision did nothing" in short
    assert "reported[0]" in short
    (tmp_path / "policygen.toml").write_text(REPORT.format(until="2999-01-01"))
    done = run_in_root(
        "suggest", ORDERS, *FILES, "--decisions", str(tmp_path / "policygen.toml"), "--no-plan"
    )
    assert (done.code, done.stdout) == (2, "")
    assert "reported[0].until 2999-01-01 is yet to come  PG-E362" in done.stderr


def test_the_details_have_the_table_that_reports_the_calls(tmp_path: Path) -> None:
    details = run_in_root("suggest", ORDERS, *FILES, "--no-plan", "--details").stdout
    tables = re.findall(r"^ {8}\[\[reported\]\]\n(?: {8}.*\n){4}", details, re.M)
    assert len(tables) == 1
    (tmp_path / "policygen.toml").write_text("".join(tables).replace("TICKET: not ours", "SEC-118: not ours"))
    done = run_in_root(
        "suggest", ORDERS, *FILES, "--decisions", str(tmp_path / "policygen.toml"), "--no-plan"
    )
    assert "✔ SAFE TO APPLY" in done.stdout


def test_code_names_the_calls_that_somebody_accepted() -> None:
    accepted = ("--accept", "interactive-agent", "--no-plan", "-f", "terraform")
    head = run_in_root("suggest", ORDERS, *FILES, *accepted).stdout.split("\n\n")[0]
    unbroken = " ".join(line.removeprefix("#").strip() for line in head.splitlines())
    assert "6 suspicious calls count as the workload's, as asked (--accept): " in unbroken
    assert "GetObject, ListBuckets, Scan" in unbroken


def test_code_says_of_whom_nothing_would_be_denied(tmp_path: Path) -> None:
    head = reported(tmp_path, "2026-11-18", "terraform").split("\n\n")[0]
    unbroken = " ".join(line.removeprefix("#").strip() for line in head.splitlines())
    assert "yes: nothing that the workload did on 30 days would be denied" in unbroken
    assert "8 reported calls left out" in unbroken


def test_accepted_calls_that_were_denied_are_never_said_to_be_in_the_policy() -> None:
    made = run_in_root("suggest", ORDERS, *FILES, "--accept", "foreign-agent", "--no-plan").stdout
    (line,) = [line for line in made.splitlines() if " Accepted " in line]
    assert "2 suspicious calls, 2 not authorised by AWS: not added" in line
    both = run_in_root(
        "suggest", ORDERS, *FILES, "--accept", "foreign-agent", "--accept", "interactive-agent", "--no-plan"
    ).stdout
    assert (
        "8 suspicious calls, 4 in the policy, 1 without a known permission, "
        "3 not authorised by AWS: not added" in " ".join(both.split())
    )


def test_records_that_may_tell_of_an_incident_are_explained() -> None:
    unbroken = " ".join(render("text", plan(), show_all=True).split())
    assert "1 passed over: insight: CloudTrail found an unusual rate of calls or errors" in unbroken


# --- explain ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "result"),
    [
        ("iam:ListUsers", "denied (AccessDenied) from 54.170.77.12"),
        ("s3:GetBucketPolicy", "expired (ExpiredToken) from 198.51.100.77"),
        ("dynamodb:Scan", "succeeded from 198.51.100.77"),
    ],
)
def test_explain_lists_suspicious_calls_with_their_event_ids(action: str, result: str) -> None:
    found = explain(sample(ORDERS, today=True).suggestion, action)
    short = " ".join(render_explanation_text(found).split())
    assert "suspicious 1 call" in short
    assert result in short
    (call,) = explanation_dict(found)["suspicious"]
    listed = " ".join(render_explanation_text(found, show_events=True).split())
    assert f"1 suspicious call {call['event']}: {result} {call['event_ids'][0]}" in listed


def test_explain_lists_denied_calls_of_the_workload(tmp_path: Any) -> None:
    denied = {
        "source": "s3",
        "name": "PutObject",
        "params": {"bucketName": "b", "key": "k"},
        "error": "AccessDenied",
    }
    made = analyse([write_logs(tmp_path, crowd([{"source": "sqs", "name": "ListQueues"}, denied]))], ROLE)
    found = explain(made.suggestion, "s3:PutObject")
    (call,) = explanation_dict(found)["denied_calls"]
    assert call["result"] == "denied"
    assert call["event_ids"][0] in render_explanation_text(found, show_events=True)
    assert found.suspicious == []


def test_explain_counts_the_calls_that_asked_and_each_resource_once() -> None:
    """Decrypt tells which object was read: the same calls again, which must not be added to those of GetObject."""
    suggestion = sample(ORDERS, today=True).suggestion
    found = explain(suggestion, "s3:GetObject")
    frame = policygen.requests_frame(suggestion)
    assert found.use.evidence
    assert found.use.evidence.count == frame[frame.action == "s3:GetObject"].n.sum()
    assert found.use.implied
    names = [one["resource"] for one in explanation_dict(found)["resources"]]
    assert len(names) == len(set(names))
    assert "not counted" in render_explanation_text(found)


# --- Frames ----------------------------------------------------------------------------------------


def test_a_frame_has_what_the_frame_of_calls_leaves_out() -> None:
    suggestion = sample(ORDERS, today=True).suggestion
    frame = policygen.suspicious_frame(suggestion)
    by_name = Counter[tuple[str, str]]()
    for row in frame.to_dict("records"):
        by_name[row["event_name"], row["result"]] += row["n"]
    assert by_name == {(name, result): n for name, one in RESULTS.items() for result, n in one.items()}
    assert set(frame.addresses.map(tuple)) == {("54.170.77.12",), ("198.51.100.77",)}
    assert not frame.accepted.any()
    assert str(frame["first"].dtype).startswith("datetime64")
    calls = policygen.calls_frame(suggestion)
    assert not set(calls.event_name) & {"ListUsers", "Scan"}


def test_what_is_shown_and_not_left_out_is_in_two_frames(tmp_path: Path) -> None:
    work = {"source": "dynamodb", "name": "GetItem", "params": {"tableName": "prices"}, "function": ROLE}
    scan = {**work, "name": "Scan", "time": "2026-11-18T10:41:00Z"}
    log = policygen.load(
        write_logs(tmp_path, [{**work, "on": ["2026-10-01", "2026-11-20", 2]}, scan]), ROLE, days=51
    )
    assert log.suspects[["event_name", "sign", "accepted"]].to_numpy().tolist() == [
        ["Scan", "after-quiet", False]
    ]
    assert "Scan" in set(log.calls["event_name"])
    assert "dynamodb:Scan" in set(log.requests["action"])


@pytest.mark.parametrize("of_function", [True, False])
def test_only_credentials_of_functions_tasks_and_instances_are_judged(
    tmp_path: Path, of_function: bool
) -> None:
    """Of a role that people use, a command line from anywhere has no row."""
    issued = {"function": "prices"} if of_function else {"session": "dana", "agent": "Boto3/1.40.0"}
    work = {"source": "dynamodb", "name": "GetItem", "params": {"tableName": "prices"}, **issued}
    odd = {
        **work,
        "agent": "aws-cli/2.31.6 md/prompt#off",
        "address": "198.51.100.9",
        "time": "2026-11-19T02:00:00Z",
    }
    log = policygen.load(write_logs(tmp_path, [{**work, "on": ["2026-11-01", "2026-11-20", 1]}, odd]), ROLE)
    assert log.suspects["sign"].tolist() == (["interactive-agent"] if of_function else [])
