"""The screen of `suggest`: one screen long, its numbers add up, its commands run, and it fits every terminal."""

from __future__ import annotations

import itertools
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from policygen.cli.app import program
from policygen.evidence.anomalies import ANOMALY_RULES
from policygen.plan.build import plan_from_analysis
from policygen.plan.model import Plan
from policygen.plan.model_evidence import PlanUser
from policygen.report.commands import DOCTOR, EXPLAIN
from policygen.report.notices.suspicious import SIGNS
from policygen.report.terminal.colour import coloured
from policygen.report.terminal.layout import NARROWEST, WIDEST
from policygen.report.terminal.screen import render
from policygen.report.terminal.verdict import COUNTED
from policygen.report.wording import DO
from tests.support import ROOT
from tests.support.command import run, run_in_root
from tests.support.golden import rendered
from tests.support.samples import EVERY_SAMPLE, ROLES, SAMPLES, WIDTH, sample, too_wide

LINES = 50
KNOWN = pytest.mark.parametrize("role", [role for role, known in ROLES.items() if known])
WIDTHS = pytest.mark.parametrize("width", [NARROWEST, WIDTH, WIDEST])
FILES = ("-l", "samples/trail", "-s", "samples/account.json", "-q", "--no-plan")
LOGS = ("--days", "30", "--logs", "samples/trail", "--snapshot", "samples/account.json")


def screen(role: str, today: bool = True, width: int = WIDTH) -> str:
    return rendered("text", sample(role, today), width=width)


def plan(role: str) -> Plan:
    return plan_from_analysis(sample(role, today=True))


def numbers(pattern: str, text: str) -> list[int]:
    """The numbers in the groups of the only place where a pattern is."""
    (found,) = re.findall(pattern, text)
    return [int(one.replace(",", "")) for one in ([found] if isinstance(found, str) else found) if one]


def rows(text: str) -> list[tuple[int, int, int, int]]:
    """The table of services: actions today, actions needed, unverified ones, calls."""
    table = text.split("\nServices ")[1].split("\n    ~ ", maxsplit=1)[0].splitlines()[1:]
    found = [
        re.fullmatch(r"  [~=+?-] .+? +([\d,]+) +([\d,]+) +(?:\+([\d,]+)  )?.*?(?: ([\d,]+) .{7})?", line)
        for line in table
    ]
    assert all(found), table
    return [
        tuple(int((number or "0").replace(",", "")) for number in one.groups())  # type: ignore[misc]
        for one in found
        if one
    ]


# --- Length --------------------------------------------------------------------------------------------


@EVERY_SAMPLE
def test_the_answer_fits_on_one_screen(role: str, today: bool) -> None:
    assert len(screen(role, today).splitlines()) <= LINES


@EVERY_SAMPLE
def test_nothing_is_said_twice(role: str, today: bool) -> None:
    lines = [line.strip() for line in screen(role, today).splitlines() if len(line.strip()) > 12]
    assert [line for line in lines if lines.count(line) > 1] == []


@KNOWN
def test_the_details_have_every_service_and_every_action_that_stays(role: str) -> None:
    words = set(rendered("text", sample(role, today=True), show_all=True).split())
    made = plan(role)
    assert {one.service for one in made.changes if one.kind != "missing"} <= words
    kept = {one.action.partition(":")[2] for one in made.changes if one.proposed}
    assert kept <= words
    asked = {action.rstrip(",") for question in made.questions for action in question.actions}
    assert asked <= words


# --- Numbers -------------------------------------------------------------------------------------------


@KNOWN
def test_the_numbers_add_up(role: str) -> None:
    text, made = screen(role, width=WIDEST), plan(role)
    today, needed, unverified, total = numbers(
        r"  ([\d,]+) actions today → ([\d,]+) needed \+ ([\d,]+) unverified = ([\d,]+)", text
    )
    assert needed + unverified == total == made.actions_proposed
    (calls,) = numbers(r"^.* · ([\d,]+) calls\n", text)
    assert [sum(column) for column in zip(*rows(text), strict=True)] == [
        today,
        needed,
        unverified,
        calls,
    ]
    parts = re.findall(r"✔ accounted for: (.*) = ([\d,]+)", text)
    terms = {word: int(number) for number, word in (one.split() for one in parts[0][0].split(" + "))}
    assert sum(terms.values()) == int(parts[0][1].replace(",", "")) == total
    assert terms.pop("unverified") == unverified
    assert sum(terms.values()) == needed


@EVERY_SAMPLE
def test_needed_actions_that_reach_further_are_counted_beside_the_sum(role: str, today: bool) -> None:
    text, made = screen(role, today), plan_from_analysis(sample(role, today))
    tight, kept = made.tightness, {one.action.lower() for one in made.keeps if one.kind == "unknown"}
    assert tight.needed + tight.unverified == made.actions_proposed
    assert tight.unverified + tight.broader == len(kept)
    assert kept & {request.action.lower() for request in made.evidence.granted} <= made.broader
    told = re.findall(r"  of the ([\d,]+) needed, ([\d,]+) also unverified on more resources", text)
    assert told == ([(f"{tight.needed:,}", f"{tight.broader:,}")] if tight.broader else [])


@pytest.mark.parametrize(
    ("days", "says"),
    [
        ("400", "✔ PROVED         no call of the workload on 46 of 400 days, those with events,"),
        ("1", "Suspicious   8 calls on Nov 18, before the window, left out of the policy"),
        ("1", "the window shows the role for 1 day, 14 are needed"),
    ],
)
def test_what_is_proved_is_said_of_the_days_that_have_events(days: str, says: str, shop: Path) -> None:
    done = run(shop, "suggest", "orders-api", *LOGS[2:], "--days", days, "-q", "--no-plan")
    assert (done.stderr, done.code) == ("", 0)
    assert says in done.stdout


@KNOWN
def test_the_unverified_and_the_risks_add_up(role: str) -> None:
    text = screen(role, width=WIDEST)
    (unverified,) = numbers(r"\d \? Unverified   ([\d,]+) actions? kept as today", text)
    causes = re.findall(r"^ {7}([ \d]\d) [a-z][a-zA-Z ]{0,13} (.*)$", text, re.M)
    assert sum(int(number) for number, _ in causes) == unverified
    for number, services in causes:
        named = re.findall(r"[a-z\d-]+:[A-Z]", services)
        assert sum(map(int, re.findall(r" (\d+)(?:,|$| \()", services))) + len(named) == int(number)
    closed, left, risks = *numbers(r"Risk    (\d+) closed.* · (\d+) left", text), plan(role).risks
    assert (closed, left) == (len(risks.removed), len(risks.left))


@KNOWN
def test_a_percentage_says_what_the_actions_say(role: str) -> None:
    today, needed, unverified = numbers(
        r"([\d,]+) actions today → ([\d,]+) needed \+ ([\d,]+) un", screen(role)
    )
    kept, best = re.findall(r"−([\d.]+) %, up to −([\d.]+) %\n", screen(role))[0]
    for share, after in ((kept, needed + unverified), (best, needed)):
        assert abs(float(share) - 100 * (1 - after / today)) <= (0.05 if "." in share else 0.5)
        assert float(share) < 100


# --- Terminals -----------------------------------------------------------------------------------------


@WIDTHS
@EVERY_SAMPLE
def test_the_screen_fits_the_terminal(role: str, today: bool, width: int) -> None:
    text = screen(role, today, width)
    assert too_wide(text, width) == []
    assert [line for line in text.splitlines() if line != line.rstrip()] == []


@WIDTHS
@KNOWN
def test_the_details_fit_the_terminal_but_for_rules_to_paste(role: str, width: int) -> None:
    text = rendered("text", sample(role, today=True), show_all=True, width=width)
    assert [
        line for line in too_wide(text, width) if not line.startswith(("       ", "Role      arn:"))
    ] == []


@WIDTHS
def test_numbers_are_whole_at_every_width(width: int) -> None:
    assert rows(screen("orders-api")) == rows(screen("orders-api", width=WIDEST))
    columns: list[tuple[int, ...]] = [row[:3] for row in rows(screen("orders-api"))]
    assert _narrow(width) == columns


def _narrow(width: int) -> list[tuple[int, ...]]:
    table = screen("orders-api", width=width).split("\nServices ")[1].split("\n    ~ ")[0].splitlines()[1:]
    found = [re.match(r"  [~=+?-] .+? +([\d,]+) +([\d,]+) +(?:\+([\d,]+))?", line) for line in table]
    return [tuple(int((n or "0").replace(",", "")) for n in one.groups()) for one in found if one]


@EVERY_SAMPLE
def test_colour_adds_nothing_but_colour(role: str, today: bool) -> None:
    plain = screen(role, today)
    painted = coloured(plain)
    assert re.sub(r"\x1b\[[\d;]*m", "", painted) == plain
    assert painted.count("\x1b[0m") * 2 == painted.count("\x1b[") > 20


@pytest.mark.parametrize(
    "line",
    [
        "       --keep 's3:PutObject,s3:PutObjectTagging on arn:aws:s3:::b/archive/*'",
        "                   states:StartSyncExecution -r orders-api \\",
        "                   --logs samples/trail --days 30 \\",
        "        why      policygen explain dynamodb:GetRecords -r image-resizer \\",
    ],
)
def test_a_command_has_one_colour_to_its_end(line: str) -> None:
    painted = coloured(line)
    assert painted.count("\x1b[36m") == 1
    assert painted.endswith("\x1b[0m")


@pytest.mark.parametrize(
    ("options", "variables", "expected"),
    [
        ((), {}, False),
        ((), {"FORCE_COLOR": "1"}, True),
        ((), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
        (("--color", "never"), {"FORCE_COLOR": "1"}, False),
        (("--color", "always"), {"PYTHONIOENCODING": "ascii"}, True),
    ],
)
def test_colour_is_for_whoever_wants_it(
    options: tuple[str, ...], variables: dict[str, str], expected: bool, shop: Path
) -> None:
    done = run(shop, "report", "orders-api", *options, **variables)
    assert done.code == 0
    assert ("\x1b[" in done.stdout) is expected
    assert done.stdout.isascii() is ("PYTHONIOENCODING" in variables)


def test_no_other_format_is_coloured(shop: Path) -> None:
    for name in ("policy", "markdown", "terraform"):
        assert "\x1b" not in run(shop, "report", "orders-api", "-f", name, "--color", "always").stdout


# --- Commands ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the samples in it, in which a plan of the main role was made."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "samples").symlink_to(SAMPLES)
    assert run(folder, "suggest", "orders-api", *LOGS, "-q").code == 0
    return folder


def next_commands(text: str) -> list[list[str]]:
    """The commands below "Next", each as a shell splits it."""
    lines = text[text.index("\nNext ") + 1 :].replace("\\\n", " ").splitlines()[:-1]
    return [shlex.split(line[line.index("policygen ") :]) for line in lines]


@KNOWN
def test_every_next_command_runs_as_it_is_pasted(role: str, shop: Path) -> None:
    for options in ((), ("--no-plan",)):
        done = run(shop, "suggest", "-r", role, *LOGS, "-q", *options)
        assert done.code == 0
        commands = next_commands(done.stdout)
        assert [words[-1] for words in commands if words[1] != "explain"] == (
            ["terraform", "--details"]
            if options
            else ["terraform", f"{role.rpartition('/')[2]}.sh", "--details"]
        )
        assert len(done.stdout.splitlines()) <= LINES
        for words in commands:
            made = run(shop, *itertools.takewhile(lambda word: word != ">", words[1:]), "-q")
            assert (made.code, made.stderr) == (0, ""), words
            assert made.stdout


def test_every_command_of_the_details_runs(shop: Path) -> None:
    for role, expected in (("orders-api", "doctor"), ("bastion", "probation")):
        done = run(shop, "suggest", "-r", role, *LOGS, "-q", "--details")
        lines = re.findall(r"^ {15}(policygen .*)$", done.stdout.replace("\\\n", " "), re.M)
        assert {line.split()[1] for line in lines} == {expected}
        for line in set(lines):
            made = run(shop, *shlex.split(line)[1:])
            assert made.code == 0, (line, made.stderr)


def test_explain_names_each_object_once_and_each_event_s_own_rule(shop: Path) -> None:
    text = run(shop, "explain", "s3:GetObject", "-r", "orders-api", *LOGS, "-q").stdout
    names = re.findall(r"^ (?: on)? +\d+  (shop-orders\S+)$", text, re.M)
    assert len(names) == len(set(names)) > 3
    assert text.count("map: event GetObject;") == text.count("map: event CopyObject;") == 1
    assert "matches:" not in text


def test_explain_leaves_the_long_command_to_doctor_and_says_whose_trail_it_changes(shop: Path) -> None:
    text = run(shop, "explain", "sqs:ReceiveMessage", "-r", "orders-api", *LOGS, "-q").stdout
    command = re.search(r"^ {13}(policygen doctor -r orders-api .*)$", text.replace("\\\n", " "), re.M)
    assert command
    assert run(shop, *shlex.split(command[1])[1:], "-q").code == 0
    assert "prints the command, to run in account" in " ".join(text.split())
    assert "in account 999988887777" in " ".join(text.split())
    assert "put-event-selectors" not in text
    assert "on order-events: Lambda polls a queue for orders-api" in text


def test_a_role_is_asked_for_as_it_was_given(shop: Path) -> None:
    """A name that two accounts have would not do."""
    arn = next(role for role in ROLES if role.startswith("arn:"))
    done = run(shop, "suggest", arn, *LOGS, "-q")
    explain = next(words for words in next_commands(done.stdout) if words[1] == "explain")
    assert explain[3:5] == ["-r", arn]


def test_every_option_that_is_offered_is_taken(shop: Path) -> None:
    text = screen("orders-api")
    offers = re.findall(r"^ {7}(?:If legitimate: |) *(--.*)$", text, re.M)
    assert len(offers) == 3
    for offer in offers:
        done = run(shop, "suggest", "orders-api", *LOGS, "-q", "--no-plan", *shlex.split(offer))
        assert done.code == 0
        assert offer.strip() not in done.stdout.split("\nNext ")[0]


def test_what_a_drop_would_do_is_said_before_it_is_offered(shop: Path) -> None:
    gone, narrower, tried, stay = numbers(
        r"If dropped +(\d+) go, (\d+) needed ones narrow \((\d+) maybe used\); (\d+) stay To settle it",
        " ".join(screen("orders-api").split()),
    )
    (unverified,) = numbers(r"Unverified   (\d+) actions kept", screen("orders-api"))
    assert gone + stay == unverified
    done = run(shop, "suggest", "orders-api", *LOGS, "-q", "--no-plan", "--unverified", "drop", "-f", "json")
    made = json.loads(done.stdout)
    dropped = {one["action"] for one in made["unverified"]["dropped"]}
    kept = {grant["action"] for grant in made["grants"]}
    assert (gone, narrower, stay) == (
        len(dropped - kept),
        len(dropped & kept),
        made["tightness"]["unverified"],
    )
    assert tried == len(dropped & {*made["unverified"]["tried"]})
    done = run(shop, "suggest", "orders-api", *LOGS, "-q", "--no-plan", "--unverified", "drop")
    after = " ".join(done.stdout.split())
    assert f"{gone + narrower} dropped permissions" in after
    assert f"{gone + narrower} unverified permissions dropped: {gone} go, {narrower} narrow" in after
    (maybe,) = re.findall(r"maybe used +(.*?): IAM saw the role try", after)
    assert sum(map(int, re.findall(r"\d+", maybe))) == tried
    assert after.count("dropped permissions") == after.count("permissions dropped") == 1
    assert "dropped" not in done.stderr


@pytest.mark.parametrize("choice", [(), ("--unverified", "drop")], ids=["kept", "dropped"])
def test_a_drop_with_a_reason_in_the_file_leaves_the_answer_as_it_was(
    choice: tuple[str, ...], tmp_path: Path
) -> None:
    bare = run_in_root("suggest", "image-resizer", *FILES, *choice).stdout
    assert "LOOK FIRST" in bare if choice else "SAFE TO APPLY" in bare
    table = "\n".join(re.findall(r"^ {9}(\[\[drop\]\]|(?:role|action|reason) = .*)$", bare, re.M))
    rules = tmp_path / "decided.toml"
    rules.write_text(table.replace("TICKET: why nothing needs them", "OPS-7: nobody reads the stream"))
    text = run_in_root("suggest", "image-resizer", *FILES, "--decisions", str(rules)).stdout
    assert "SAFE TO APPLY" in text
    assert "drop[0]         dynamodb:GetRecords, dynamodb:GetShardIterator: OPS-7:" in text


def test_what_may_be_in_use_says_what_settles_it() -> None:
    for options in (("--unverified", "drop"), ("--drop", "sqs:SendMessage")):
        text = " ".join(run_in_root("suggest", "orders-api", *FILES, *options).stdout.split())
        assert "maybe used" in text
        assert "To settle that: no reason does: read the logs of that time, or keep it" in text
    assert "or keep it: --keep sqs:SendMessage" in text


def test_a_folder_whose_new_names_will_be_denied_is_named_with_what_widens_it(shop: Path) -> None:
    text = screen("orders-api")
    assert "names unlike 20??-??-??.csv +3 will be denied; to allow any:" in text
    options = shlex.split(" ".join(re.findall(r"^ {7}(--keep '.* on .*')$", text, re.M)))
    done = run(shop, "suggest", "orders-api", *LOGS, "-q", "--no-plan", *options, "-f", "policy")
    bucket = "arn:aws:s3:::shop-orders-111122223333"
    allowed = {
        (action, resource)
        for statement in json.loads(done.stdout)["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
        if resource.startswith(bucket)
    }
    wide = {(action, name) for action, name in allowed if name.startswith((f"{bucket}/arc", f"{bucket}/inc"))}
    assert wide == {
        ("s3:PutObject", f"{bucket}/archive/*"),
        ("s3:PutObjectTagging", f"{bucket}/archive/*"),
        ("s3:GetObject", f"{bucket}/incoming/*"),
        ("s3:GetObjectTagging", f"{bucket}/incoming/*"),
    }
    # Of the invoices a pattern was learned that takes new names.
    assert "invoices/: only" not in text


def test_a_rule_that_drops_what_iam_may_have_seen_says_so() -> None:
    text = run_in_root("suggest", "orders-api", *FILES, "--drop", "sns:Publish", "--drop", "states:*").stdout
    notice = text[text.index(" Dropped ") :]
    assert "5 unverified permissions dropped: 5 go" in notice
    assert "sns:Publish: IAM saw the role try it, or its service" in " ".join(notice.split())
    assert "states 4" in notice


def test_a_role_that_may_no_longer_list_a_bucket_is_told_of_missing_keys() -> None:
    gone = " ".join(screen("image-resizer").split())
    assert (
        "s3:ListBucket goes: S3 will answer 403, not 404, for keys that do not exist; no call seen asked for one"
        in gone
    )
    assert "--keep s3:ListBucket" in gone
    kept = run_in_root("suggest", "image-resizer", *FILES, "--keep", "s3:ListBucket").stdout
    assert "Missing keys" not in kept
    assert "Missing keys" not in screen("orders-api")  # it lists the bucket, and goes on doing so


def test_a_function_that_older_records_name_by_its_session_is_counted_once() -> None:
    text = run_in_root("suggest", "image-resizer", *FILES, "--days", "45").stdout
    assert "= Shared 2 functions use this role: image-resizer, thumbnail-index; nothing to do" in " ".join(
        text.split()
    )


def test_a_reason_without_a_notice_says_what_to_do() -> None:
    text = (ROOT / "docs/reference/reasons.md").read_text("utf-8").partition("## Yes")[0]
    ids = re.findall(r"^### `(.+)`$", text, re.M)
    assert len(ids) > 15
    with_command = {"policies-unknown", "no-report"}
    assert {*ids} - {*COUNTED} - with_command == {*DO}
    text = run_in_root("suggest", "report-monthly", *FILES, "--days", "30").stdout
    assert "a monthly run is due on 2026-12-01: run this again after its next run" in " ".join(text.split())


def test_calls_of_a_deleted_role_say_what_they_count() -> None:
    assert "1,209 calls of a deleted role of this name left out (of all days read)" in screen("stock-sync")


def test_one_service_that_goes_has_its_name() -> None:
    assert re.search(r"^  - secretsmanager +0 +0 +nothing stays", screen("report-monthly"), re.M)


def test_the_marks_of_the_services_have_a_legend() -> None:
    for role in ("orders-api", "image-resizer"):
        assert screen(role).count("    ~ narrowed  = as today  ? unverified  - removed  + new\n") == 1


def test_what_was_accepted_is_said_beside_the_answer(shop: Path) -> None:
    options = ("--accept", "interactive-agent", "--accept", "foreign-agent")
    text = run(shop, "suggest", "orders-api", *LOGS, "-q", "--no-plan", *options).stdout
    head = text.split("\nServices ")[0]
    assert "8 suspicious calls by your --accept: " in head
    assert "interactive-agent" in head
    assert "foreign-agent" in head


@pytest.mark.parametrize(("name", "options"), [("doctor", DOCTOR), ("explain", EXPLAIN)])
def test_a_command_gets_what_it_takes_of_what_was_given(name: str, options: frozenset[str]) -> None:
    commands = get_command(program()).commands  # type: ignore[attr-defined]
    own, ours = ({opt for one in commands[of].params for opt in _words(one)} for of in (name, "suggest"))
    assert options <= own & ours
    left = {
        "--role",
        "--format",
        "--details",
        "--color",
        "--quiet",
        "--max-scan",
        "--jobs",
        "--dask",
        "--no-cache",
    }
    assert (own & ours) - options <= left | {"--last-accessed", "--inventory"}


def _words(option: Any) -> list[str]:
    """The words that the options of a command line begin with, long ones."""
    return [word for word in (*option.opts[:1], *option.secondary_opts[:1]) if word.startswith("--")]


def test_every_sign_has_a_few_words() -> None:
    assert set(SIGNS) == set(ANOMALY_RULES)


def test_two_functions_of_the_same_name_are_told_apart() -> None:
    made = plan("orders-api")
    names = [f"arn:aws:lambda:{region}:111122223333:function:same" for region in ("eu-west-1", "us-east-1")]
    made.users = tuple(PlanUser(name, ()) for name in names)
    text = render(made, width=WIDEST)
    assert "2 functions use this role" in text
    assert all(name in text for name in names)


def test_the_details_list_every_risk_that_is_closed_with_its_actions() -> None:
    shown = rendered("text", sample("deploy-ci", True), width=WIDEST, show_all=True)
    section = shown.partition("\nRisk (")[2]
    removed = {one.rule: one for one in plan("deploy-ci").risks.removed}
    assert len(removed) > 20
    words = " ".join(section.split())
    for one in removed.values():
        assert f"{one.rule} {one.title}: {', '.join(one.actions)}" in words, one.rule
    order = [removed[rule].family for rule in re.findall(r"(?m)^      ([A-Z]{2}-\d+) ", section)]
    assert order == sorted(order, key=["escalation", "exfiltration", "exposure"].index)
    assert len(order) == len(removed)


def test_the_details_give_one_reason_once_for_all_services_that_it_is_about() -> None:
    shown = rendered("text", sample("deploy-ci", True), show_all=True)
    gone = re.split(r"(?m)^  - \d+ services ", shown)[1].partition("\n\n")[0]
    assert gone.count("no attempt at") == 1
    lines = re.findall(
        r"(?m)^ +(?:drop)? *([\d,]+) actions in (\d+) services: IAM saw no attempt at them", gone
    )
    assert [int(services) > 100 for _, services in lines] == [True]
    assert len(re.findall(r"\shealthlake\s", gone)) == 2  # among the services, and with the reason
