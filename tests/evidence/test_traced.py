"""A call that traces show is a use, of the role whose program made it, within the window; silence proves nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from policygen.account.snapshot import to_account
from policygen.api.suggest import suggest_role
from policygen.logs.traces.read import read_traces
from policygen.plan.build import plan_from_analysis
from policygen.plan.model import Plan
from policygen.report.data.explanation import render_explanation_json
from policygen.report.terminal.explain import render_explanation_text
from policygen.rightsize.analysis import Analysis, analyse
from policygen.rightsize.explain import explain
from tests.support.accounts import snapshot, trails_of
from tests.support.command import run
from tests.support.golden import rendered
from tests.support.options import analysis_options
from tests.support.records import ACCOUNT, ROLE, crowd, write_logs

FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:checkout"
CARTS = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/carts"
TODAY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["dynamodb:GetItem", "dynamodb:PutItem", "sqs:SendMessage", "ssm:GetParameter"],
            "Resource": "*",
        }
    ],
}
LOGGED = {"source": "ssm", "name": "GetParameter", "params": {"name": "/app/key"}, "reads": True}


def call(service: str = "DynamoDB", operation: str = "GetItem", **more: Any) -> dict[str, Any]:
    """A segment of X-Ray with one call of the function, on 3 November."""
    day, aws = more.pop("day", 3), more.pop("aws", {"table_name": "carts"})
    start = 1793692800 + (day - 3) * 86400  # 2026-11-03T08:00:00Z
    inside = {"id": "1", "name": service, "namespace": "aws", "start_time": start}
    inside |= {"aws": {"operation": operation, "region": "us-east-1"} | aws} | more.pop("inside", {})
    segment = {
        "id": "2",
        "trace_id": "1-5759e988",
        "name": "checkout",
        "start_time": start,
        "resource_arn": FUNCTION,
    }
    return segment | {"subsegments": [inside]} | more


def account(**more: Any) -> dict[str, Any]:
    function = {
        "FunctionName": "checkout",
        "FunctionArn": FUNCTION,
        "Role": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}",
    }
    return snapshot(
        {
            "policies": [TODAY],
            "trails": trails_of("management"),
            "trust": ["lambda.amazonaws.com"],
            "functions": [function],
        }
        | more
    )


def suggested(folder: Path, traced: Sequence[dict[str, Any]], *, spec: str = "", **more: Any) -> Analysis:
    """The suggestion for the role of the function, which the log shows reading one parameter."""
    path = folder / "traces.jsonl"
    path.write_text("\n".join(map(json.dumps, traced)) or '{"Traces": []}', "utf-8")
    traces = read_traces([spec.format(path) or str(path)])
    log = write_logs(folder / "logs", crowd([LOGGED]))
    options = analysis_options(days=30, traces=traces, until=more.pop("until", ""))
    return analyse([log], ROLE, account=to_account(account(**more)), **options)


def plan(analysis: Analysis) -> Plan:
    return plan_from_analysis(analysis)


def in_traces(analysis: Analysis, action: str) -> int:
    """What the JSON says of an action's calls in traces."""
    requests = plan(analysis).document["evidence"]["requests"]
    return sum(one.get("in_traces", 0) for one in requests if one["action"] == action)


def kinds(analysis: Analysis) -> dict[str, str]:
    return {keep.grant.action: keep.kind for keep in analysis.suggestion.keeps}


def test_a_traced_call_is_a_use_and_what_else_it_is_used_on_stays_as_today(tmp_path: Path) -> None:
    found = suggested(tmp_path, [call()])
    seen = {one.action: one for one in plan(found).evidence.granted}["dynamodb:GetItem"]
    assert (seen.resource, in_traces(found, seen.action), seen.event_ids) == (CARTS, 1, ("trace 1-5759e988",))
    assert seen.events == ("dynamodb.amazonaws.com GetItem, seen in a trace",)
    assert kinds(found) == {
        "dynamodb:GetItem": "traced",
        "dynamodb:PutItem": "unknown",
        "sqs:SendMessage": "unknown",
    }
    keep = next(one for one in plan(found).keeps if one.action == "dynamodb:GetItem")
    assert (keep.resource, keep.why.partition(";")[0]) == ("*", f"seen in a trace on {CARTS}")


def test_screen_and_explanation_say_that_a_trace_shows_it(tmp_path: Path) -> None:
    found = suggested(tmp_path, [call()])
    assert "seen in a trace" in rendered("text", found, show_all=True)
    assert "traces show 1 call of it in the window" in rendered("text", found)
    told = explain(found.suggestion, "dynamodb:GetItem")
    assert told.verdict == "kept"
    assert list(told.use.events) == ["dynamodb.amazonaws.com GetItem, seen in a trace"]
    assert told.keeps[0].why.startswith("seen in a trace")
    said = render_explanation_text(told)
    assert "in traces  1 call on table/carts" in said
    assert "log data events" not in said, "there is nothing left to find out"
    assert json.loads(render_explanation_json(told))["in_traces"][0]["count"] == 1


def test_a_traced_call_that_names_nothing_keeps_the_resources_of_today(tmp_path: Path) -> None:
    found = suggested(tmp_path, [call("SQS", "SendMessage", aws={})])
    keep = next(one for one in found.suggestion.keeps if one.grant.action == "sqs:SendMessage")
    assert (keep.kind, keep.grant.resource) == ("traced", "*")
    assert "which names no resource" in keep.why


def test_a_traced_call_that_today_does_not_allow_is_missing_and_nothing_is_granted_for_it(
    tmp_path: Path,
) -> None:
    found = suggested(
        tmp_path, [call("SNS", "Publish", aws={"topic_arn": f"arn:aws:sns:us-east-1:{ACCOUNT}:x"})]
    )
    assert [one.request.action for one in found.suggestion.missing] == ["sns:Publish"]
    assert not [grant for grant in found.suggestion.grants if grant.action == "sns:Publish"]


def test_a_refused_call_is_no_need(tmp_path: Path) -> None:
    refused = {"error": True, "http": {"response": {"status": 403}}}
    found = suggested(tmp_path, [call(inside=refused)])
    assert kinds(found)["dynamodb:GetItem"] == "unknown"
    assert [one.action for one in found.suggestion.usage.denied] == ["dynamodb:GetItem"]


def test_calls_outside_the_window_prove_nothing_and_are_counted(tmp_path: Path) -> None:
    found = suggested(tmp_path, [call(day=-120), call("SQS", "SendMessage", aws={})])
    assert kinds(found)["dynamodb:GetItem"] == "unknown"
    assert "traces show 1 call of it in the window, 1 outside it are left out" in plan(found).notes
    assert plan(found).document["traces"]["outside_window"] == 1


def test_a_window_that_ends_within_a_day_ends_there_for_traces_too(tmp_path: Path) -> None:
    before, after = "2026-11-03T08:00:10Z", "2026-11-03T08:00:20Z"
    late = call() | {"start_time": 0}
    late["subsegments"][0]["start_time"] += 15
    assert kinds(suggested(tmp_path, [late], until=before))["dynamodb:GetItem"] == "unknown"
    assert kinds(suggested(tmp_path, [late], until=after))["dynamodb:GetItem"] == "traced"


@pytest.mark.parametrize(
    "stranger",
    [
        {"resource_arn": FUNCTION + "-beta", "name": "checkout"},
        {"resource_arn": "", "name": "somebody"},
        {"aws": {"account_id": "999900001111"}},
    ],
)
def test_calls_that_nothing_gives_to_the_role_are_not_guessed_to_be_its_own(
    tmp_path: Path, stranger: dict[str, Any]
) -> None:
    found = suggested(tmp_path, [call() | stranger])
    assert kinds(found)["dynamodb:GetItem"] == "unknown"
    report = plan(found).document["traces"]
    assert [one["calls"] for one in report["of_no_role"]] == [1]
    assert found.observed.traces
    assert any("nothing tells which role made them" in one for one in found.observed.traces.sentences())


def test_a_name_counts_only_where_one_role_has_it(tmp_path: Path) -> None:
    named = call() | {"resource_arn": "", "name": "checkout"}
    assert kinds(suggested(tmp_path, [named]))["dynamodb:GetItem"] == "traced"
    twin = {
        "FunctionName": "checkout",
        "FunctionArn": FUNCTION.replace("us-east-1", "eu-west-1"),
        "Role": f"arn:aws:iam::{ACCOUNT}:role/other",
    }
    functions = [*account()["functions"], twin]
    found = suggested(tmp_path, [named], functions=functions, beside={"other": "/"})
    assert kinds(found)["dynamodb:GetItem"] == "unknown"


def test_a_person_may_say_whose_calls_a_file_holds(tmp_path: Path) -> None:
    nobody = {
        "Type": "ApiCall",
        "Service": "DynamoDB",
        "Api": "GetItem",
        "Region": "us-east-1",
        "Timestamp": 1793692800000,
    }
    assert kinds(suggested(tmp_path, [nobody]))["dynamodb:GetItem"] == "unknown"
    assert kinds(suggested(tmp_path, [nobody], spec=f"{ROLE}={{}}"))["dynamodb:GetItem"] == "traced"
    undated = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["dynamodb:GetItem"], "Resource": "*"}],
    }
    found = suggested(tmp_path, [undated], spec=f"{ROLE}={{}}")
    assert kinds(found)["dynamodb:GetItem"] == "traced"
    seen = next(one for one in plan(found).evidence.observed if one.action == "dynamodb:GetItem")
    assert (seen.first[:10], seen.last[:10], seen.days) == (
        found.suggestion.usage.window.start,
        "2026-11-03",
        0,
    )


def test_a_trace_without_names_does_not_widen_what_the_log_shows_by_name(tmp_path: Path) -> None:
    found = suggested(tmp_path, [call("SSM", "GetParameter", aws={})])
    granted = [grant.resource for grant in found.suggestion.grants if grant.action == "ssm:GetParameter"]
    assert granted == [f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/app/key"]
    seen = next(one for one in plan(found).evidence.observed if one.action == "ssm:GetParameter")
    assert in_traces(found, seen.action) == 0


def test_what_the_log_should_hold_and_only_a_trace_shows_stays(tmp_path: Path) -> None:
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["dynamodb:DescribeTable", "ssm:GetParameter"], "Resource": "*"}
        ],
    }
    without = suggested(tmp_path, [], policies=[policy])
    assert not [one for one in without.suggestion.grants if one.action == "dynamodb:DescribeTable"]
    found = suggested(tmp_path, [call(operation="DescribeTable")], policies=[policy])
    assert kinds(found) == {"dynamodb:DescribeTable": "traced"}
    assert "the logs should hold it and do not" in found.suggestion.keeps[0].why


def test_a_role_of_which_only_traces_show_calls_gets_a_policy(tmp_path: Path) -> None:
    log = write_logs(tmp_path / "logs", crowd([LOGGED | {"role": "another"}]))
    (tmp_path / "account.json").write_text(json.dumps(account()), "utf-8")
    (tmp_path / "traces.json").write_text(json.dumps(call()) + json.dumps(call(day=2)), "utf-8")
    given = ("-l", str(log.parent), "-s", "account.json", "--days", "30", "-q")
    assert run(tmp_path, "suggest", "-r", ROLE, *given, "--no-plan").code != 0
    done = run(
        tmp_path, "suggest", "-r", ROLE, *given, "--no-plan", "--traces", "traces.json", "-f", "policy"
    )
    assert done.code == 0, done.stderr
    assert "dynamodb:GetItem" in done.stdout
    done = run(tmp_path, "batch", *given, "--no-cache", "-j", "1", "--traces", "traces.json", "-o", "out")
    assert done.code == 0, done.stderr
    made = json.loads((tmp_path / "out" / "plans" / f"{ROLE}.json").read_text("utf-8"))
    assert [one["action"] for one in made["evidence"]["requests"]] == ["dynamodb:GetItem"]
    assert (made["evidence"]["count"], made["strength"]["days_active"]) == (0, 2), "seen at work on two days"


def test_commands_say_what_of_the_traces_counts_for_nobody(tmp_path: Path) -> None:
    log = write_logs(tmp_path / "logs", crowd([LOGGED]))
    (tmp_path / "account.json").write_text(json.dumps(account()), "utf-8")
    (tmp_path / "traces.json").write_text(
        json.dumps(call() | {"resource_arn": "", "name": "somebody"}), "utf-8"
    )
    given = ("-r", ROLE, "-l", str(log.parent), "-s", "account.json", "--traces", "traces.json")
    done = run(tmp_path, "explain", "dynamodb:GetItem", *given)
    assert (
        "1 call not counted, because nothing tells which role made them: somebody; --traces ROLE=PATH"
        in done.stderr
    )
    (tmp_path / "policy.json").write_text(json.dumps(TODAY), "utf-8")
    done = run(tmp_path, "check", "policy.json", *given[:-1], "nowhere.json")
    assert (done.code, "PG-E265" in done.stderr) == (2, True)


def test_the_python_api_takes_traces_and_code_as_the_command_line_does(tmp_path: Path) -> None:
    log = write_logs(tmp_path / "logs", crowd([LOGGED | {"session": "checkout"}]))
    (tmp_path / "traces.json").write_text(json.dumps(call()), "utf-8")
    analysis = {
        "function": FUNCTION,
        "complete": True,
        "calls": [{"Service": "sqs", "Operation": "SendMessage"}],
    }
    (tmp_path / "code.json").write_text(json.dumps(analysis), "utf-8")
    world = account() | {"event_source_mappings": [], "event_invoke_configs": []}
    found = suggest_role(
        ROLE, log, snapshot=to_account(world), traces=tmp_path / "traces.json", code=[tmp_path / "code.json"]
    )
    assert {keep.grant.action: keep.kind for keep in found.keeps} == {
        "dynamodb:GetItem": "traced",
        "sqs:SendMessage": "unknown",
    }
