"""A decision takes nothing that the role needs unless it names it, and then everything says so."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from policygen.plan.build import plan_from_analysis
from policygen.rightsize.analysis import Analysis
from tests.support.accounts import snapshot, trails_of
from tests.support.command import Done, run, run_in_root
from tests.support.golden import Case, Golden, rendered
from tests.support.golden import run as analysed
from tests.support.records import ACCOUNT, ROLE, crowd, write_logs

QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:orders"
FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:orders"
TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/carts"
POLLS = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
"""What Lambda needs to poll a queue (3.6)."""

READ = {"source": "dynamodb", "name": "GetItem", "params": {"tableName": "carts"}, "resources": [TABLE]}
TODAY: dict[str, Any] = {
    "policies": [
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": ["dynamodb:GetItem", "sqs:*"], "Resource": "*"}],
        }
    ],
    "trails": "management",
    "functions": [
        {"FunctionName": "orders", "FunctionArn": FUNCTION, "Role": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"}
    ],
    "event_source_mappings": [{"UUID": "u", "EventSourceArn": QUEUE, "FunctionArn": FUNCTION}],
}


def dropping(*drop: str, folder: Path, **more: Any) -> Analysis:
    return analysed({"events": [READ], "today": TODAY, "drop": list(drop), "expect": {}, **more}, folder)


def allowed(analysis: Analysis) -> set[str]:
    return {grant.action for grant in analysis.suggestion.grants}


def test_a_pattern_takes_nothing_with_which_lambda_polls_its_queue(tmp_path: Path) -> None:
    made = dropping("sqs:*", folder=tmp_path)
    assert allowed(made) == {"dynamodb:GetItem", *POLLS}
    assert made.suggestion.proof.held
    assert made.suggestion.decided.losses == ()
    spared = {one.action: one.sentence for one in made.suggestion.decided.spared}
    assert set(spared) == POLLS
    assert spared["sqs:ReceiveMessage"] == (
        "--drop sqs:* does not drop sqs:ReceiveMessage: Lambda polls a queue for orders"
    )


def test_a_pattern_of_the_file_takes_none_of_it_either(tmp_path: Path) -> None:
    rule = ["[[drop]]", 'action = "sqs:*"', 'reason = "no queues here"']
    made = dropping(folder=tmp_path, decisions=rule)
    assert allowed(made) >= POLLS
    assert made.suggestion.proof.held


@pytest.mark.parametrize("where", ["the command line", "the file"])
def test_the_very_name_takes_it_and_everything_says_so(where: str, tmp_path: Path) -> None:
    rule = ["[[drop]]", 'action = "sqs:ReceiveMessage"', 'reason = "the queue goes"']
    made = (
        dropping("sqs:ReceiveMessage", folder=tmp_path)
        if where == "the command line"
        else dropping(folder=tmp_path, decisions=rule)
    )
    assert "sqs:ReceiveMessage" not in allowed(made)
    assert allowed(made) >= POLLS - {"sqs:ReceiveMessage"}
    (broken,) = [check for check in made.suggestion.proof.checks if not check.held]
    assert broken.promise == "sufficient"
    assert broken.counter_examples == (
        f"sqs:ReceiveMessage on {QUEUE}: Lambda polls a queue for orders; it will be denied",
    )
    strength = made.suggestion.strength
    assert strength is not None
    assert strength.reasons[0].id == "losses"
    said = {
        "text": "✘ Will fail    1 needed permission",
        "markdown": "Dropped although needed",
        "html": "dropped by a decision",
    }
    for name in ("text", "markdown", "html"):
        page = rendered(name, made)
        assert "✘" in page, name
        assert said[name] in page, name
    (change,) = [one for one in made.suggestion.changes if one.action == "sqs:ReceiveMessage"]
    assert (change.kind, change.why[:23]) == ("removed", "needed, and dropped by ")


def test_what_a_policy_variable_hides_from_names_is_no_less_seen(tmp_path: Path) -> None:
    own = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/${{aws:PrincipalTag/team}}"
    statement = {"Effect": "Allow", "Action": ["dynamodb:*"], "Resource": own}
    today = TODAY | {"policies": [{"Version": "2012-10-17", "Statement": [statement]}]}
    made = dropping("dynamodb:*", folder=tmp_path, today=today)
    assert "dynamodb:GetItem" in allowed(made)
    assert made.suggestion.proof.held


def test_with_nothing_known_of_the_account_the_rule_is_the_same(tmp_path: Path) -> None:
    stream = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/app:log-stream:a"
    params = {"logGroupName": "/app", "logStreamName": "a"}
    event = {"source": "logs", "name": "CreateLogStream", "params": params, "resources": [stream]}
    case: Case = {"events": [READ, event], "expect": {}}
    spared = analysed(case | {"drop": ["logs:Put*"]}, tmp_path / "pattern").suggestion
    assert "logs:PutLogEvents" in {grant.action for grant in spared.grants}
    assert [one.action for one in spared.decided.spared] == ["logs:PutLogEvents"]
    named = analysed(case | {"drop": ["logs:PutLogEvents"]}, tmp_path / "name").suggestion
    assert "logs:PutLogEvents" not in {grant.action for grant in named.grants}
    assert not named.proof.held
    assert named.decided.unused == ()


# --- The command line ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("drops")
    write_logs(at / "logs", crowd([READ]))
    (at / "account.json").write_text(json.dumps(snapshot(TODAY | {"trails": trails_of("management")})))
    return at


def suggest(world: Path, *more: str) -> Done:
    known = ("-l", "logs", "-s", "account.json", "--no-plan", "-q", "-f", "policy")
    return run(world, "suggest", "-r", ROLE, *known, *more)


@pytest.mark.parametrize("action", ["sqs:ReceiveMessage", "SQS:receivemessage"])
def test_a_loss_ends_with_exit_1_after_the_policy_was_written(world: Path, action: str) -> None:
    done = suggest(world, "--drop", action)
    assert done.code == 1
    assert "error: 1 needed permission dropped: calls of the role will fail  PG-E480, exit 1" in done.stderr
    assert f"--drop {action} drops sqs:ReceiveMessage on {QUEUE}" in done.stderr
    assert "--although-used" in done.stderr
    assert "sqs:ReceiveMessage" not in done.stdout
    assert "sqs:DeleteMessage" in done.stdout


def test_whoever_wants_the_loss_gets_a_warning_and_exit_0(world: Path) -> None:
    done = suggest(world, "--drop", "sqs:ReceiveMessage", "--although-used")
    assert done.code == 0
    assert done.stderr.startswith("warning: 1 needed permission dropped")
    assert done.stdout == suggest(world, "--drop", "sqs:ReceiveMessage").stdout


def test_a_pattern_loses_nothing_and_ends_well(world: Path) -> None:
    done = suggest(world, "--drop", "sqs:*")
    assert (done.code, done.stderr) == (0, "")
    assert all(action in done.stdout for action in POLLS)


def test_what_was_seen_is_a_loss_like_any_other(world: Path) -> None:
    done = suggest(world, "--drop", "dynamodb:GetItem", "--add-observed")
    assert (done.code, "PG-E304" in done.stderr) == (4, True)  # nothing else was seen
    assert "drop all that orders was seen to use" in done.stderr


def test_a_batch_with_a_loss_ends_with_exit_1_and_whole_files(world: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    known = ("batch", "-l", "logs", "-s", "account.json", "-o", out, "-q", "-j", 1)
    done = run(world, *known, "--drop", "sqs:ReceiveMessage")
    assert done.code == 1
    assert "PG-E480" in done.stderr
    (row,) = [one for one in json.loads((out / "batch.json").read_text())["rows"] if one["role"] == ROLE]
    assert row["losses"] == 1
    assert "1 needed permission dropped" in row["reason"]
    assert run(world, *known, "--drop", "sqs:ReceiveMessage", "--although-used").code == 0
    assert run(world, *known, "--drop", "sqs:*").code == 0


# --- What is offered ------------------------------------------------------------------------------

_OFFER = re.compile(r"--drop ('[^']+'|[\w-]+:[\w*?]+)")


def offers(analysis: Analysis) -> set[str]:
    """Every value of --drop that an output shows."""
    plan = plan_from_analysis(analysis)
    texts = [
        rendered("text", analysis),
        rendered("text", analysis, show_all=True),
        rendered("markdown", analysis),
    ]
    texts += [f"--drop {shlex.quote(name)}" for one in plan.questions for name in one.drop_patterns]
    texts += [one.sentence for one in analysis.suggestion.decided.spared]
    # The screen breaks its lines between words.
    found = {match for text in texts for match in _OFFER.findall(re.sub(r"\s+", " ", text))}
    return {shlex.split(one)[0] for one in found}


def test_no_drop_that_an_output_offers_takes_what_the_role_needs(golden: Golden, tmp_path: Path) -> None:
    case, analysis = golden
    if case.get("drop") or case.get("keep") or "decisions" in case or "slow" in case:
        return
    before = analysis.suggestion
    needed = {grant for grant, requests in before.grants.items() if requests}
    needed |= {keep.grant for keep in before.keeps if keep.kind == "platform"}
    for number, offer in enumerate(sorted(offers(analysis))):
        after = analysed(case | {"drop": [offer]}, tmp_path / str(number)).suggestion
        assert after.decided.losses == (), offer
        assert after.proof.held, offer
        kept = {(grant.action, grant.resource) for grant in after.grants}
        lost = [grant for grant in needed if grant.action not in {action for action, _ in kept}]
        assert lost == [], offer


def test_the_offer_of_a_service_names_no_action_that_was_also_seen(tmp_path: Path) -> None:
    today = {
        "policies": [
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"}],
            }
        ],
        "trails": "management",
    }
    made = analysed({"events": [READ], "today": today, "expect": {}}, tmp_path)
    plan = plan_from_analysis(made)
    # Seen on one table and unverified on all others: its own name would take both.
    assert [change.kind for change in plan.changes] == ["unknown"]
    assert [one.drop_patterns for one in plan.questions] == [("dynamodb:GetIte?",)]
    assert "--drop dynamodb:GetItem" not in rendered("text", made, show_all=True)


def test_the_samples_offer_nothing_that_loses_anything() -> None:
    known = ("-l", "samples/trail", "-s", "samples/account.json", "--days", "30", "--no-plan", "-q")
    screen = run_in_root("suggest", "-r", "orders-api", *known, "--details").stdout
    found = set(_OFFER.findall(re.sub(r"\s+", " ", screen)))
    assert found
    for offer in found:
        done = run_in_root("suggest", "-r", "orders-api", *known, "--drop", shlex.split(offer)[0])
        assert (done.code, done.stderr) == (0, "")


def test_a_file_of_decisions_that_applies_is_named(world: Path, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "policygen.toml").write_text('[[keep]]\naction = "sqs:*"\nreason = "the queue"\n')
    known = ("suggest", "-r", ROLE, "-l", world / "logs", "-s", world / "account.json", "--no-plan", "-q")
    done = run(folder, *known)
    assert (done.code, done.stderr) == (0, "decisions of policygen.toml apply: 1 [[keep]] table\n")
    assert "Note    decisions of policygen.toml apply: 1 [[keep]] table" in done.stdout
    (folder / "policygen.toml").rename(folder / "other.toml")
    assert run(folder, *known).stderr == ""
    named = run(folder, *known, "--decisions", "other.toml")
    assert (named.stderr, "decisions of other.toml apply" in named.stdout) == ("", True)
