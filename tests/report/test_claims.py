"""What the screen, the details and the code say of the same plan: none may say what another shows to be untrue."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from policygen.plan.build import plan_from_analysis
from policygen.report.notices.unverified import CAUSES
from policygen.report.terminal.screen import render
from tests.support import ROOT
from tests.support.command import run
from tests.support.samples import SAMPLES, sample

LOGS = ("--days", "30", "--logs", "samples/trail", "--snapshot", "samples/account.json", "-q")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the samples in it."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "samples").symlink_to(SAMPLES)
    return folder


def on_one_line(text: str) -> str:
    return " ".join(text.split())


def told(shop: Path, *words: str) -> str:
    """What a command prints, on one line."""
    done = run(shop, *words)
    assert done.code == 0, done.stderr
    return " ".join(done.stdout.split())


def test_a_deny_that_is_kept_is_told_beside_the_promise_that_nothing_is_wider(
    shop: Path, tmp_path: Path
) -> None:
    account = json.loads((SAMPLES / "account.json").read_text("utf-8"))
    (role,) = [
        one for one in account["authorization"]["RoleDetailList"] if one["RoleName"] == "image-resizer"
    ]
    guard = {"Effect": "Deny", "Action": "dynamodb:GetRecords", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [guard]}
    role["RolePolicyList"].append({"PolicyName": "guard", "PolicyDocument": document})
    guarded = tmp_path / "account.json"
    guarded.write_text(json.dumps(account), "utf-8")
    words = ("suggest", "image-resizer", "--logs", "samples/trail", "--days", "30", "-q", "--no-plan")
    screen = told(shop, *words, "--snapshot", str(guarded))
    assert "✔ never wider than today (1 Deny kept)" in screen
    assert "1 action kept as today" in screen
    assert "could use it: no trigger" in screen
    assert "If it does not, 1 goes by this in policygen.toml" in screen
    assert "Deny kept" not in told(shop, *words, "--snapshot", "samples/account.json")


# --- Calls that today's policies do not allow ----------------------------------------------------------


def test_calls_that_today_s_policies_lack_are_left_out_of_the_claim_everywhere(shop: Path) -> None:
    screen = told(shop, "suggest", "image-resizer", *LOGS)
    assert "no call of the workload in 30 days that today's policies allow would be denied" in screen
    assert (
        "today's policies of the role lack 1 action used on 2 resources: "
        "not added, so these calls go on as they do today" in screen
    )
    for month in ("10", "11"):
        assert f"arn:aws:s3:::shop-partner-drop/logos/2026-{month}/brand.png" in screen
    assert "To grant them: --add-observed" in screen
    code = told(shop, "report", "image-resizer", "-q", "-f", "terraform")
    assert "every call of the role on 30 days that today's policies allow stays allowed" in code


def test_what_is_added_beyond_today_s_policies_is_named_everywhere(shop: Path) -> None:
    screen = told(shop, "suggest", "image-resizer", *LOGS, "--add-observed")
    assert "2 permissions beyond today's policies, as you asked" in screen
    assert "✔ never wider than today, but for 2 added" in screen
    seen = [f"shop-partner-drop/logos/2026-{month}/brand.png" for month in ("10", "11")]
    added = [f"s3:GetObject on arn:aws:s3:::{name}" for name in seen]
    code = told(shop, "report", "image-resizer", "-q", "-f", "terraform").replace("# ", "")
    for name, grant in zip(seen, added, strict=True):
        assert f"s3:GetObject on {name}" in screen
        assert grant in code
    made = json.loads(run(shop, "report", "image-resizer", "-q", "-f", "json").stdout)
    assert [f"{one['action']} on {one['resource']}" for one in made["added"]] == added
    written = {one["written_as"] for one in made["evidence"]["requests"] if "partner-drop" in one["resource"]}
    assert written == {f"arn:aws:s3:::{name}" for name in seen}
    details = told(shop, "report", "image-resizer", "-q", "--details")
    assert f"+ s3:GetObject on {seen[0]} and {seen[1]} why observed" in details


def test_beyond_today_s_policies_patterns_are_granted_to_who_asks_for_them(shop: Path) -> None:
    for words in (("--resources", "pattern"), ("--open", "s3:object")):
        done = run(
            shop, "suggest", "image-resizer", *LOGS, "--no-plan", "--add-observed", *words, "-f", "json"
        )
        (added,) = json.loads(done.stdout)["added"]
        assert added["resource"].endswith("*")


# --- Without today's policies ----------------------------------------------------------------------------

LOGS_ALONE = ("--days", "30", "--logs", "samples/trail", "--no-plan")


def test_without_today_s_policies_the_claim_is_of_this_policy_alone(shop: Path) -> None:
    done = run(shop, "suggest", "report-monthly", *LOGS_ALONE, "--export", "page.html", "--export", "note.md")
    assert "✔ PROVED this policy alone denies no call of the workload in 30 days " in on_one_line(done.stdout)
    assert "warning" not in done.stderr  # the screen says it
    for name in ("page.html", "note.md"):
        text = on_one_line((shop / name).read_text("utf-8"))
        assert "this policy alone allows every permission that the calls asked for" in text.replace(
            "This", "this"
        )
        assert "that the calls asked for is allowed" not in text


def test_without_today_s_policies_a_warning_says_so_beside_every_other_format(shop: Path) -> None:
    told_once = "warning: today's policies are not known: only this policy alone is proved"
    made = run(shop, "suggest", "report-monthly", *LOGS_ALONE[:-1], "-f", "policy")
    assert made.stderr.count(told_once) == 1
    for form in ("json", "csv", "terraform"):
        assert run(shop, "report", "report-monthly", "-f", form).stderr.count(told_once) == 1
    assert run(shop, "report", "report-monthly", "-f", "policy", "-q").stderr == ""
    assert told_once not in run(shop, "suggest", "report-monthly", *LOGS[:-1], "-f", "policy").stderr


# --- Marks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["orders-api", "image-resizer", "bastion"])
def test_only_what_stays_as_it_is_has_the_mark_for_it(role: str, shop: Path) -> None:
    made = plan_from_analysis(sample(role, True))
    as_today = dict.fromkeys({one.service for one in made.changes}, True)
    for one in made.changes:
        as_today[one.service] &= one.now == one.proposed
    table = render(made).split("\nServices ")[1].split("\n\n")[0]
    for mark, names in re.findall(r"^  ([~=]) ([a-z0-9-]+(?:, [a-z0-9-]+)*)", table, re.M):
        assert (mark == "=") is all(as_today[name] for name in names.split(", ")), names
    details = render(made, show_all=True).split("\nChanges  ")[1]
    for mark, place in re.findall(r"^  ([=~]) \S+  \d+ actions? (kept as today|narrowed)", details, re.M):
        assert (mark == "=") is (place == "kept as today")
    assert "~ narrowed" in details


# --- Numbers -------------------------------------------------------------------------------------------


def test_the_questions_add_up_to_their_title_and_to_the_screen(shop: Path) -> None:
    made = plan_from_analysis(sample("orders-api", True))
    details = " ".join(render(made, show_all=True).split())
    found = re.findall(r"Questions \((\d+)\): (\d+) unverified and (\d+) needed, unverified on more", details)
    (asked, unverified, needed) = map(int, found[0])
    assert (asked, unverified, needed) == (len(made.questions), made.tightness.unverified, 2)
    assert sum(len(one.actions) for one in made.questions) == unverified + needed
    assert "reads and writes of sqs: 4 actions, 2 of them needed, and unverified on more resources" in details
    assert "? sqs 4 actions kept as today, 2 of them needed, and unverified on more resources" in details


def test_why_the_logs_cannot_tell_does_not_depend_on_other_decisions(shop: Path) -> None:
    seen = "5 seen by IAM cloudwatch 3 (last Aug 2), sqs 2 (last Nov 24)"
    dropped = told(shop, "suggest", "orders-api", *LOGS, "--drop", "states:*")
    assert f"{seen} 4 not logged dynamodb 2, sns 1, xray 1" in dropped
    screen = told(shop, "suggest", "orders-api", *LOGS)
    assert f"8 not logged states 4, dynamodb 2, sns 1, xray 1 {seen}" in screen
    details = told(shop, "report", "orders-api", "-q", "--details")
    assert "? cloudwatch 3 actions kept as today keep" in details
    assert "why IAM saw an attempt at sqs last on 2026-11-24 22:38, after the window" in details
    assert "last on 2026-08-02, before the window" in details


def test_every_blind_spot_has_a_few_words_or_is_about_the_logs() -> None:
    headings = re.findall(r"^## ([a-z, -]+)$", (ROOT / "docs/concepts/blind-spots.md").read_text(), re.M)
    spots = {one for heading in headings for one in heading.split(", ")}
    about_logs = {
        "caller-excluded", "trail-unknown", "reads-not-logged", "writes-not-logged", "source-excluded",
        "region-not-logged", "window-not-covered", "incomplete", "region-not-read", "trail-not-read",
    }  # fmt: skip
    of_principals = {
        "caller-unknown", "kept", "stage-not-logged", "caller-not-logged", "method-not-logged", "time-not-logged",
        "stage-not-read", "stage-too-short", "path-unknown", "caller-deleted", "entries-unread",
    }  # fmt: skip
    needed = {"seen-before-window"}
    assert spots - about_logs - of_principals - needed == {*CAUSES} - {""}
    assert all(len(words) <= 13 for words in CAUSES.values())


# --- Suspicious calls ----------------------------------------------------------------------------------


def test_suspicious_calls_say_what_succeeded_on_what_and_whether_the_policy_grants_it(shop: Path) -> None:
    screen = told(shop, "suggest", "orders-api", *LOGS, "--no-plan")
    reached = "dynamodb:Scan table/customers; s3:GetObject config/payment-keys.json, config/prod.env; 2 more"
    assert f"by hand; 1 expired token, 5 succeeded: {reached}; the new policy grants none" in screen
    assert "not the runtime; denied: iam:ListUsers, s3:DeleteBucket" in screen
    assert "If not yours: tell security, revoke sessions, rotate secrets, apply" in screen
    kept = told(shop, "suggest", "orders-api", *LOGS, "--no-plan", "--keep", "dynamodb:Scan")
    assert "; the new policy may grant dynamodb:Scan 54" in kept


# --- Decisions -----------------------------------------------------------------------------------------


def test_a_drop_that_drops_is_not_said_to_do_nothing(shop: Path) -> None:
    text = told(shop, "suggest", "orders-api", *LOGS, "--drop", "dynamodb:*", "--drop", "states:*")
    assert "did nothing" not in text
    assert "7 needed actions that a decision matches" in text
    line = "--drop dynamodb:* does not drop dynamodb:BatchGetItem, dynamodb:ConditionCheckItem, dynamodb:GetItem +3"
    assert f"{line}: it was seen in use" in text
    assert "--drop states:* does not drop states:StartExecution: it was seen in use" in text
    details = told(shop, "report", "orders-api", "-q", "--details")
    part = details.split("Needed actions that a decision matches")[1].split("Suspicious (")[0]
    assert part.count("dynamodb:BatchGetItem") == 1
    assert "Decisions that did nothing" not in details


# --- What a plan was made with, and the commands that go on from it --------------------------------------


def test_a_plan_of_a_what_if_says_what_it_was_made_with(shop: Path) -> None:
    told(shop, "suggest", "orders-api", *LOGS, "--drop", "states:*", "--resources", "exact")
    done = run(shop, "report", "orders-api", "-f", "terraform")
    assert "of samples/trail, made with --resources exact --drop 'states:*'\n" in done.stderr
    assert "\n# Made with --resources exact --drop 'states:*'\n" in done.stdout
    told(shop, "suggest", "orders-api", *LOGS)
    done = run(shop, "report", "orders-api", "-f", "terraform")
    assert done.stderr.endswith("of samples/trail\n")
    assert "Made with" not in done.stdout


def test_explain_without_logs_names_those_of_the_saved_plan(shop: Path) -> None:
    told(shop, "suggest", "orders-api", *LOGS, "--keep", "s3:DeleteObject")
    done = run(shop, "explain", "s3:PutObject", "-r", "orders-api")
    assert done.code == 5
    (hint,) = re.findall(r"hint: what the saved plan read: policygen (.*)", done.stderr)
    again = run(shop, *shlex.split(hint))
    assert again.code == 0
    assert again.stdout.startswith("s3:PutObject for orders-api: kept")
    assert "--keep s3:DeleteObject" in hint
    assert "what the saved plan read" not in run(shop, "explain", "s3:PutObject", "-r", "nobody").stderr


def test_signs_of_iam_and_numbers_of_rules_are_explained_where_they_stand() -> None:
    made = plan_from_analysis(sample("orders-api", True))
    details = render(made, show_all=True)
    assert details.count("to drop, in policygen.toml (a ? spares what is needed of that action):") == sum(
        "?" in one.drop for one in made.questions
    )
    assert "${*}, ${?} and ${$} stand for the characters *, ? and $ themselves" in details
    assert "Risk (1 left; the rules: docs/concepts/risk.md)\n" in details
    assert "| EX-21 |" in (ROOT / "docs/concepts/risk.md").read_text()


# --- The next command ----------------------------------------------------------------------------------


def next_why(shop: Path, screen: str) -> str:
    """What the command prints that a screen gives for why an action stays or goes."""
    command = re.search(r"^        why +(policygen explain (?:.*\\\n)*.*)$", screen, re.M)
    assert command, screen
    done = run(shop, *shlex.split(command[1].replace("\\\n", " "))[1:], "-q")
    assert done.code == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("words", [("--unverified", "drop"), ("--drop", "dynamodb:Get*")])
def test_the_next_command_explains_what_a_decision_dropped_as_the_plan_does(
    words: tuple[str, ...], shop: Path
) -> None:
    screen = run(shop, "suggest", "image-resizer", *LOGS, "--no-plan", *words).stdout
    assert "dynamodb:GetRecords for image-resizer: removed" in next_why(shop, screen)


def test_the_next_command_explains_what_was_added_as_added(shop: Path) -> None:
    screen = run(
        shop, "suggest", "image-resizer", *LOGS, "--no-plan", "--add-observed", "--unverified", "drop"
    ).stdout
    assert "--add-observed" in screen.split("        why ")[1].split("        details")[0]
    explained = told(shop, "explain", "s3:GetObject", "-r", "image-resizer", *LOGS, "--add-observed")
    assert "not added" not in explained
    assert "written by rule: beyond today's policies: as seen" in explained


def test_explain_says_that_the_saved_plan_rests_on_other_decisions(shop: Path) -> None:
    loud = LOGS[:-1]
    assert run(shop, "suggest", "image-resizer", *loud, "--unverified", "drop").code == 0
    asked = ("explain", "dynamodb:GetRecords", "-r", "image-resizer", *loud)
    other = " ".join(run(shop, *asked).stderr.split())
    assert (
        "the saved plan of image-resizer was made with --unverified drop: this explains another one" in other
    )
    assert "saved plan" not in run(shop, *asked, "--unverified", "drop").stderr
    assert "made with --unverified drop" not in run(shop, *asked, "--unverified", "drop").stderr
    assert run(shop, "suggest", "image-resizer", *LOGS).code == 0
    assert "was made without --keep s3:Get*" in " ".join(
        run(shop, *asked, "--keep", "s3:Get*").stderr.replace("'", "").split()
    )
