"""Wrong usages: each says what is wrong with the value, and ends with a command that can be pasted, and that runs."""

from __future__ import annotations

import gzip
import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT
from tests.support.accounts import snapshot
from tests.support.command import READ, command, environment, run
from tests.support.records import ACCOUNT, write_logs

CASES: list[dict[str, Any]] = json.loads((ROOT / "tests/cases/usage/wrong.json").read_text("utf-8"))
"""words: the command line; exit: its code; error: the first line; next: the last hint.

First stand those that need the plan of the world: the hints of others replace it.
"""

WIDE = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["dynamodb:*", "sqs:*"], "Resource": "*"}],
}
SPARE = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with logs and files of every kind of mishap, and a plan of one role."""
    at = tmp_path_factory.mktemp("usage")
    (at / ".git").mkdir()
    log = write_logs(at / "logs", [READ, READ | {"role": "payments"}])
    write_logs(at / "two", [READ, READ | {"account": "210987654321"}])
    write_logs(at / "old", [READ | {"time": "2026-01-03T00:00:00Z"}, READ | {"role": "other"}])
    write_logs(at / "damaged", [READ])
    (at / "damaged" / "b.json.gz").write_bytes(gzip.compress(log.read_bytes(), mtime=0)[:200])
    for folder in ("empty", "notes"):
        (at / folder).mkdir()
    (at / "notes" / "readme.txt").write_text("not a log")
    (at / "account.json").write_text(json.dumps(snapshot({"account": ACCOUNT, "policies": [WIDE]})))
    (at / "list.json").write_text("[]")
    (at / "cut.json").write_bytes(log.read_bytes()[:400])
    (at / "policy.json").write_text(json.dumps(SPARE))
    (at / "typo.toml").write_text('[[kep]]\naction = "s3:GetObject"\n')
    assert run(at, "suggest", "orders", "-l", "logs", "-s", "account.json", "-q").code == 0
    return at


def test_there_are_enough() -> None:
    assert len(CASES) >= 80
    assert len({case["words"] for case in CASES}) == len(CASES)
    assert len({case["words"].split()[0] for case in CASES}) >= 15


@pytest.mark.parametrize("case", CASES, ids=[case["words"] for case in CASES])
def test_a_wrong_usage_says_what_and_what_next(case: dict[str, Any], world: Path) -> None:
    done = run(world, *shlex.split(case["words"]))
    lines = done.stderr.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert (done.stdout, done.code, errors) == ("", case["exit"], [f"error: {case['error']}"])
    assert lines[-1] == f"  hint: {case['next']}"
    assert re.fullmatch(r".+  PG-[EW]\d{3}, exit [1-5]", errors[0])
    assert "…" not in done.stderr
    assert run(world, *shlex.split(case["next"])[1:]).code == 0


def test_a_command_that_completes_commands_is_an_option(world: Path) -> None:
    done = run(world, "completion")
    assert done.code == 2
    assert done.stderr.splitlines()[-2:] == [
        "  hint: did you mean --install-completion?",
        "  hint: policygen --install-completion",  # which would change the shell of whoever runs this test
    ]


def test_a_path_that_is_not_there_says_where_it_was_looked_for(world: Path) -> None:
    for words in (("-l", "trails"), ("-l", "logs", "-s", "nothing.json")):
        done = run(world / "notes", "suggest", "orders", *words)
        assert done.code == 2
        assert f"  hint: looked in {world / 'notes'}" in done.stderr.splitlines()
    assert "looked in" not in run(world, "suggest", "orders", "-l", "/nowhere").stderr


def test_the_last_part_of_an_arn_names_the_role(world: Path) -> None:
    asked = ("-l", "logs", "-s", "account.json", "-q", "-f", "policy")
    plain = run(world, "suggest", "orders", *asked)
    assert run(world, "suggest", "role/orders", *asked) == plain
    assert run(world, "report", "role/orders", "-q", "-f", "policy") == plain


def test_a_role_that_the_logs_have_and_the_snapshot_lacks_is_not_sent_to_the_same_account(
    world: Path,
) -> None:
    done = run(world, "suggest", "payments", "-l", "logs", "-s", "account.json")
    assert (done.stdout, done.code) == ("", 4)
    assert f"in account {ACCOUNT}: give" not in done.stderr
    assert "the logs have calls of it: make a newer snapshot" in done.stderr


@pytest.mark.parametrize(
    "words", [("suggest", "-r", "x", "-l", "logs"), ("check", "--all"), ("config",)], ids=" ".join
)
def test_a_folder_that_is_gone_is_wrong_usage_and_no_bug(words: tuple[str, ...], tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f'rmdir "$PWD" && exec {shlex.join(command(*words))}'
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=gone,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        "error: the current folder cannot be read: no such file or directory  PG-E209, exit 2\n"
    )
    assert "cd to a folder that is there" in done.stderr
