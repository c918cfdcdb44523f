"""What is offered to be pasted is whole: commands, options and tables, in each output."""

from __future__ import annotations

import html
import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from policygen.iam.arn import action_matches
from policygen.plan.build import plan_from_analysis
from policygen.report.markdown.comment import render as render_comment
from policygen.report.terminal.doctor import broken_json
from policygen.report.wording import drop_options
from policygen.rightsize.question_rules import rule_text
from tests.report.test_answer_screen import KNOWN
from tests.support.command import run_in_root
from tests.support.samples import sample

FILES = ("--logs", "samples/trail", "--snapshot", "samples/account.json")


def test_doctor_breaks_its_command_so_that_a_shell_takes_it_as_one() -> None:
    asked = ("doctor", "-r", "orders-api", *FILES)
    text = run_in_root(*asked).stdout
    whole = json.loads(run_in_root(*asked, "-f", "json").stdout)["command"]
    assert max(map(len, text.splitlines())) <= 80
    pasted = text[text.index("  aws cloudtrail") :].replace("\\\n", "")
    *words, selectors = shlex.split(pasted)
    expected = shlex.split(whole, comments=True)
    assert words == expected[:-1]
    assert json.loads(selectors) == json.loads(expected[-1])
    assert f"  # {whole.partition('  # ')[2]}\n  aws " in text


@pytest.mark.parametrize("width", [20, 40, 78])
def test_json_is_broken_after_a_comma_and_never_in_a_string(width: int) -> None:
    text = json.dumps([{"Name": 'a, "b", c' * 3, "Equals": ["x,y", "z"]}] * 4, separators=(",", ":"))
    lines = broken_json(text, width)
    assert "".join(lines) == text
    assert all(line.endswith(",") for line in lines[:-1])
    assert json.loads("\n".join(lines)) == json.loads(text)


@KNOWN
def test_no_offered_drop_matches_what_is_needed_but_for_the_action_that_it_is_about(role: str) -> None:
    plan = plan_from_analysis(sample(role, today=True))
    needed = {action for action, why in plan.support.items() if why != "unverified"}
    for one in plan.questions:
        asked = {action.lower() for action in one.actions}
        for pattern in one.drop_patterns:
            assert {action for action in needed if action_matches(pattern, action)} <= asked & plan.broader


def test_what_is_offered_to_be_dropped_spares_what_is_needed_without_a_word() -> None:
    details = run_in_root("suggest", "orders-api", *FILES, "--details", "--no-plan").stdout
    offered = re.findall(r"^ {5}drop {6}((?:.*\\\n)*.*)$", details, re.M)
    assert any("sqs:ReceiveMessag?" in one for one in offered)
    words = [word for one in offered for word in shlex.split(one.replace("\\\n", ""))]
    after = run_in_root("suggest", "orders-api", *FILES, "--no-plan", *words)
    assert after.code == 0
    assert "Dropped" in after.stdout
    assert "Not dropped" not in after.stdout


def test_what_a_question_does_not_offer_to_drop_is_named_with_why() -> None:
    text = " ".join(run_in_root("suggest", "orders-api", *FILES, "--details", "--no-plan").stdout.split())
    offered = (
        "drop --drop xray:GetSamplingTargets stays cloudwatch:DescribeAlarms, sns:Publish: IAM saw an attempt"
    )
    assert offered in text


@pytest.mark.parametrize("format_", ["text", "html", "markdown", "aws-cli"])
def test_a_command_that_reads_logs_has_the_options_that_were_given(format_: str) -> None:
    made = run_in_root("suggest", "orders-api", *FILES, "--no-plan", "-f", format_).stdout
    text = html.unescape(made).replace("\\\n", "")
    found = re.findall(r"policygen (?:doctor|explain|suggest) (?:\S+ )?-r .*?(?=[<`\n])", text)
    assert found or format_ == "aws-cli"
    for one in found:
        assert {*FILES} <= {*shlex.split(one)}


@pytest.mark.parametrize("reason", ["short", 'a "quoted" one ' * 9, "x" * 100, "a\\b " * 40])
def test_a_reason_of_any_length_is_whole(reason: str) -> None:
    text = rule_text("drop", ["orders"], ["sqs:SendMessage"], reason.strip())
    assert tomllib.loads(text)["drop"][0]["reason"] == f"TICKET: {reason.strip()}"
    assert max(map(len, text.splitlines())) <= 72 or "x" * 100 in text


@KNOWN
def test_nothing_that_is_pasted_is_cut(role: str) -> None:
    plan = plan_from_analysis(sample(role, today=True))
    rules = [rule for one in plan.questions for rule in (one.drop, one.keep)]
    assert not [rule for rule in rules if "..." in rule or "…" in rule]
    spans = re.findall(r"`((?:policygen|aws|--drop) [^`]*)`", render_comment(plan))
    assert not [span for span in spans if "…" in span or "put-event-selectors" in span]
    assert {drop_options(one) for one in plan.questions if drop_options(one)} <= {*spans}


def test_explain_fits_eighty_columns_but_for_what_is_pasted() -> None:
    text = run_in_root("explain", "states:StartSyncExecution", "-r", "orders-api", *FILES).stdout
    assert [line for line in text.splitlines() if len(line) > 80] == []


def test_the_details_name_the_command_that_has_every_action() -> None:
    details = run_in_root("suggest", "orders-api", *FILES, "--details", "--no-plan").stdout
    (command,) = re.findall(r"^Every action by name: (policygen (?:.*\\\n)*.*)$", details, re.M)
    rows = run_in_root(*shlex.split(command.replace("\\\n", ""))[1:], "--no-plan").stdout
    assert "dynamodb:DeleteTable" not in details
    assert "dynamodb:DeleteTable" in rows


def test_explain_says_of_an_unverified_action_how_to_drop_and_how_to_keep_it() -> None:
    for role, action, asked in (
        ("image-resizer", "dynamodb:GetRecords", True),
        ("orders-api", "sns:Publish", False),
    ):
        text = run_in_root("explain", action, "-r", role, *FILES).stdout
        assert ("does that code use it?" in text) is asked
        for option in (f"--drop {action}", f"--keep {action}"):
            assert option in text
            assert run_in_root("suggest", role, *FILES, "--no-plan", *option.split()).code == 0


def test_explain_needs_no_saved_plan(tmp_path: Path) -> None:
    done = run_in_root("explain", "sns:Publish", "-r", "orders-api", *FILES, HOME=str(tmp_path))
    assert (done.code, "error" in done.stderr) == (0, False)
    assert "unverified, kept as today" in done.stdout
