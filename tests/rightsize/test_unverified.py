"""What a person chose to do with unverified permissions: keep, drop or split."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from policygen.errors import NothingFoundError, UsageError
from policygen.iam.document import Policy
from policygen.iam.evaluate import evaluate
from policygen.iam.request import AccessRequest
from policygen.plan.build import plan_from_analysis
from policygen.report.formats import FORMATS, render
from policygen.rightsize.analysis import Analysis
from policygen.rightsize.decisions.load import parse_decisions
from tests.support import command
from tests.support.accounts import snapshot, trails_of
from tests.support.golden import Case, run
from tests.support.records import crowd, write_logs

QUEUE = "arn:aws:sqs:us-east-1:123456789012:jobs"
PARAMETER = "arn:aws:ssm:us-east-1:123456789012:parameter/a"
STATEMENTS = [
    {"Effect": "Allow", "Action": ["sqs:*"], "Resource": QUEUE},
    {"Effect": "Allow", "Action": ["ssm:*"], "Resource": "*"},
    {"Effect": "Deny", "Action": ["ssm:DeleteParameter"], "Resource": "*"},
]
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
    "today": {"policies": [{"Statement": STATEMENTS}], "trails": "management"},
}
SEND = AccessRequest("sqs:SendMessage", QUEUE)
READ = AccessRequest("ssm:GetParameter", PARAMETER)
CODE = ("terraform", "terraform-data", "cloudformation", "sam", "cdk-ts", "cdk-py", "serverless")


def made(tmp_path: Path, mode: str, **more: object) -> Analysis:
    return run(CASE | {"options": {"unverified": mode}} | more, tmp_path)


def allows(policies: tuple[Policy, ...], request: AccessRequest) -> bool:
    return evaluate(request, policies).outcome == "ALLOWED"


def test_unverified_permissions_are_kept_unless_a_person_chose_otherwise(tmp_path: Path) -> None:
    found = run(CASE, tmp_path).suggestion
    assert found.unverified.mode == "keep"
    assert found.unverified.apart_note == ""
    assert allows(found.policies, SEND)


def test_drop_grants_what_was_seen_and_says_what_it_dropped(tmp_path: Path) -> None:
    analysis = made(tmp_path, "drop")
    found = analysis.suggestion
    assert not allows(found.policies, SEND)
    assert allows(found.policies, READ)
    assert found.proof.held
    assert "sqs:SendMessage" in {keep.grant.action for keep in found.unverified.dropped}
    assert not [keep for keep in found.keeps if keep.kind == "unknown"]
    why = next(change.why for change in found.changes if change.action == "sqs:SendMessage")
    assert why.startswith("dropped as unverified by your choice")


def test_a_policy_without_what_is_unverified_is_no_better_than_look_first(tmp_path: Path) -> None:
    strength = made(tmp_path, "drop").suggestion.strength
    assert strength is not None
    assert strength.verdict == "review"
    assert "unverified-dropped" in {reason.id for reason in strength.reasons}


def test_rules_that_drop_what_is_unverified_are_counted_like_the_choice(tmp_path: Path) -> None:
    plain = run(CASE, tmp_path).suggestion.strength
    strength = run({**CASE, "drop": ["sqs:SendMessage"]}, tmp_path).suggestion.strength
    assert plain is not None
    assert strength is not None
    assert "unverified-dropped" not in {reason.id for reason in plain.reasons}
    assert strength.verdict in {"review", "wait"}
    assert "1 unverified permission dropped, and nobody wrote why" in [
        one.sentence for one in strength.reasons
    ]


RULE = """
[[drop]]
role = "orders"
action = "sqs:SendMessage"
reason = "OPS-12: the queue has another sender"
"""


def test_a_drop_with_a_written_reason_is_a_decision_and_holds_nothing_up(tmp_path: Path) -> None:
    plain = run(CASE, tmp_path).suggestion.strength
    analysis = run({**CASE, "decisions": RULE.splitlines()}, tmp_path)
    strength = analysis.suggestion.strength
    assert plain is not None
    assert strength is not None
    assert strength.verdict == plain.verdict
    assert "unverified-dropped" not in {reason.id for reason in strength.reasons}
    assert not allows(analysis.suggestion.policies, SEND)
    for show_all in (False, True):
        text = " ".join(render("text", plan_from_analysis(analysis), show_all=show_all).split())
        assert "OPS-12: the queue has another sender" in text
        assert "drop[0]" in text


@pytest.mark.parametrize(
    ("reports", "spoken_for"),
    [({}, False), ({"sqs": "2026-11-02T10:00:00Z"}, True)],
)
def test_a_drop_of_what_something_speaks_for_is_looked_at_first(
    reports: dict[str, str], spoken_for: bool, tmp_path: Path
) -> None:
    current = CASE["today"] | ({"last_accessed": reports} if reports else {})
    analysis = run({**CASE, "today": current, "decisions": RULE.splitlines()}, tmp_path)
    strength = analysis.suggestion.strength
    assert strength is not None
    assert ("unverified-dropped" in {reason.id for reason in strength.reasons}) is spoken_for
    (one,) = plan_from_analysis(analysis).decisions.ruled_out
    assert one.settled is not spoken_for
    assert ("IAM saw" in one.sign) is spoken_for


def test_the_table_that_settles_a_drop_settles_it(tmp_path: Path) -> None:
    analysis = run({**CASE, "drop": ["sqs:SendMessage"]}, tmp_path / "flag")
    text = render("text", plan_from_analysis(analysis))
    lines = [line.strip() for line in text.splitlines()]
    at = lines.index("[[drop]]")
    table = "\n".join(lines[at : at + 4]).replace("TICKET", "SHOP-118")
    strength = run({**CASE, "decisions": table.splitlines()}, tmp_path / "file").suggestion.strength
    assert strength is not None
    assert "unverified-dropped" not in {reason.id for reason in strength.reasons}


@pytest.mark.parametrize("name", [*CODE, "text", "html", "markdown", "json", "csv", "sarif", "junit"])
def test_every_format_says_that_unverified_permissions_were_dropped(name: str, tmp_path: Path) -> None:
    analysis = made(tmp_path, "drop")
    number = len({keep.grant.action for keep in analysis.suggestion.unverified.dropped})
    text = render(name, plan_from_analysis(analysis))
    if name in ("json", "csv", "sarif", "junit"):
        assert "dropped as unverified by your choice" in text
    else:
        assert f"{number} unverified permissions dropped" in " ".join(text.split())


def test_split_writes_policies_that_suffice_without_the_unverified_ones(tmp_path: Path) -> None:
    found = made(tmp_path, "split").suggestion
    apart = tuple(policy for policy in found.policies if policy.name in found.unverified.policies)
    needed = tuple(policy for policy in found.policies if policy not in apart)
    assert [policy.name for policy in needed] == ["policygen-orders"]
    assert [policy.name for policy in apart] == ["policygen-orders-unverified"]
    assert allows(needed, READ)
    assert not allows(needed, SEND)
    assert allows(apart, SEND)
    assert found.proof.held
    # The Denies of today stay when the unverified part is detached.
    assert [s.effect for policy in apart for s in policy.statements].count("Deny") == 0
    assert [s.effect for policy in needed for s in policy.statements].count("Deny") == 1


POLLED = {
    "UUID": "5f0b1c7e-2d3a-4b8c-9e6f-7a1d2c3b4e5f",
    "EventSourceArn": QUEUE,
    "FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:orders",
    "State": "Enabled",
}
FUNCTION = {
    "FunctionName": "orders",
    "FunctionArn": POLLED["FunctionArn"],
    "Role": "arn:aws:iam::123456789012:role/orders",
}


@pytest.mark.parametrize("mode", ["keep", "drop", "split"])
def test_what_lambda_needs_to_poll_a_queue_stays_where_more_of_it_was_unverified(
    mode: str, tmp_path: Path
) -> None:
    everywhere = [{"Effect": "Allow", "Action": ["sqs:*", "ssm:*"], "Resource": "*"}]
    today = CASE["today"] | {
        "policies": [{"Statement": everywhere}],
        "trust": ["lambda.amazonaws.com"],
        "functions": [FUNCTION],
        "event_source_mappings": [POLLED],
    }
    found = made(tmp_path, mode, today=today).suggestion
    needed = tuple(policy for policy in found.policies if policy.name not in found.unverified.policies)
    for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"):
        assert allows(needed, AccessRequest(f"sqs:{action}", QUEUE)), action
        assert allows(needed, AccessRequest(f"sqs:{action}", f"{QUEUE}-2")) is (mode == "keep"), action
    assert found.proof.held


@pytest.mark.parametrize("name", CODE)
def test_each_file_says_which_policy_is_unverified(name: str, tmp_path: Path) -> None:
    text = render(name, plan_from_analysis(made(tmp_path, "split")))
    head = text[: text.index("policygen-orders-unverified") + 200]
    assert "Needed: policygen-orders." in head
    assert "detach what nothing needed for a month" in head


def test_what_iam_saw_the_role_ask_for_is_not_dropped(tmp_path: Path) -> None:
    attempted = {"ssm": ["2026-09-01T00:00:00Z", {"PutParameter": "2026-09-01T00:00:00Z"}], "sqs": None}
    today = CASE["today"] | {"last_accessed": attempted}
    found = made(tmp_path, "drop", today=today).suggestion
    assert "ssm:PutParameter" in {keep.grant.action for keep in found.keeps}
    assert allows(found.policies, AccessRequest("ssm:PutParameter", PARAMETER))


def test_policygen_toml_chooses_and_the_option_overrides_it(tmp_path: Path) -> None:
    lines = ['unverified = "drop"']
    assert run(CASE | {"decisions": lines}, tmp_path / "a").suggestion.unverified.mode == "drop"
    assert made(tmp_path / "b", "keep", decisions=lines).suggestion.unverified.mode == "keep"
    with pytest.raises(UsageError, match="unverified is 'some'"):
        parse_decisions('unverified = "some"')


def test_the_formats_are_those_that_there_are() -> None:
    assert set(CODE) < set(FORMATS)


def test_a_role_of_which_everything_is_unverified_is_not_given_an_empty_policy(tmp_path: Path) -> None:
    attempted = {"sqs": "2026-11-20T00:00:00Z", "ssm": None}
    today = CASE["today"] | {"last_accessed": attempted}
    others = [CASE["events"][0] | {"role": "others"}]
    kept = made(tmp_path / "keep", "keep", today=today, events=others).suggestion
    assert kept.policies
    assert not kept.written
    with pytest.raises(NothingFoundError) as caught:
        made(tmp_path / "drop", "drop", today=today, events=others)
    assert caught.value.code == "PG-E303"
    apart = made(tmp_path / "split", "split", today=today, events=others).suggestion
    assert [policy.name for policy in apart.policies] == list(apart.unverified.policies)
    assert apart.proof.held


def account_of(folder: Path) -> None:
    """The case's logs and snapshot in a folder."""
    write_logs(folder / "log", crowd(CASE["events"]))
    told = CASE["today"] | {"trails": trails_of("management")}
    (folder / "account.json").write_text(json.dumps(snapshot(told)), "utf-8")


@pytest.mark.parametrize("mode", ["drop", "split"])
def test_a_batch_does_the_same_for_every_role(mode: str, tmp_path: Path) -> None:
    account_of(tmp_path)
    read = ("-l", "log", "-s", "account.json", "--no-cache", "-j", "1", "-q")
    done = command.run(tmp_path, "batch", *read, "-o", "out", "--unverified", mode)
    assert done.code == 0, done.stderr
    (file,) = (tmp_path / "out" / "plans").glob("*.json")
    plan = json.loads(file.read_text("utf-8"))
    assert plan["unverified"]["mode"] == mode
    assert plan["unverified"]["permissions"] > 0
    assert plan["strength"]["verdict"] == "review"
    names = [policy["name"] for policy in plan["policies"]]
    assert ("policygen-orders-unverified" in names) == (mode == "split")


def test_a_choice_that_there_is_not_is_refused(tmp_path: Path) -> None:
    account_of(tmp_path)
    done = command.run(tmp_path, "suggest", "-r", "orders", "-l", "log", "--unverified", "some")
    assert done.code == 2
    assert "PG-E215" in done.stderr


def test_what_alone_explains_an_attempt_is_not_dropped_and_the_others_are_named(tmp_path: Path) -> None:
    statements = [
        {
            "Effect": "Allow",
            "Action": ["sns:Publish", "sqs:SendMessage", "sqs:ReceiveMessage"],
            "Resource": "*",
        },
        STATEMENTS[1],
    ]
    attempted = {"sns": "2026-11-20T00:00:00Z", "sqs": "2026-11-20T00:00:00Z", "ssm": None}
    today = CASE["today"] | {"policies": [{"Statement": statements}], "last_accessed": attempted}
    found = made(tmp_path, "drop", today=today).suggestion
    assert allows(found.policies, AccessRequest("sns:Publish", "arn:aws:sns:us-east-1:123456789012:t"))
    assert not allows(found.policies, SEND)
    assert len({keep.grant.action for keep in found.unverified.dropped} & found.unverified.tried) == 2
