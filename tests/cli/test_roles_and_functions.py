"""`policygen roles`, and functions in place of their roles: by the snapshot, or by the logs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.command import READ, Done, run, run_in_root
from tests.support.records import ACCOUNT, write_logs

LOGS, KNOWN = ("-l", "samples/trail"), ("-s", "samples/account.json")
ARN = "arn:aws:lambda:eu-west-1:111122223333:function"


def test_roles_lists_those_of_the_logs_and_of_the_account() -> None:
    done = run_in_root("roles", *LOGS, *KNOWN)
    lines = done.stdout.splitlines()
    assert (done.stderr, done.code) == ("", 0)
    assert lines[0] == "account 111122223333 · 30 days, 2026-10-26 to 2026-11-24"
    assert [line.split()[0] for line in lines[3:6]] == ["orders-api", "stock-sync", "image-resizer"]
    assert "2026-11-24  image-resizer, …" in lines[5]
    assert max(map(len, lines)) <= 80
    rows = json.loads(run_in_root("roles", *LOGS, *KNOWN, "-f", "json").stdout)
    called = sum(row["events"] > 0 for row in rows)
    assert lines[-1] == f"{len(rows)} roles, {called} with calls in these days"
    assert "audit-reader" in [row["name"] for row in rows if not row["events"]]
    assert {row["account"] for row in rows} == {"111122223333", "444455556666"}
    alone = json.loads(run_in_root("roles", *LOGS, "-f", "json").stdout)
    assert {row["name"]: row["events"] for row in alone}["orders-api"] == rows[0]["events"]


def test_roles_counts_the_calls_of_the_window() -> None:
    rows = {
        days: {
            row["arn"] + row["role_id"]: row
            for row in json.loads(run_in_root("roles", *LOGS, *KNOWN, "-d", days, "-f", "json").stdout)
        }
        for days in ("7", "46")
    }
    for name, row in rows["7"].items():
        assert row["events"] <= rows["46"][name]["events"]
        assert row["denied"] <= row["events"]
        assert (row["last_call"] >= "2026-11-18") is bool(row["events"])
    assert sum(row["events"] for row in rows["7"].values()) < sum(
        row["events"] for row in rows["46"].values()
    )
    legacy = next(row for row in rows["7"].values() if row["name"] == "legacy-export")
    assert legacy["denied"] == legacy["events"] > 0


def test_roles_of_one_name_have_a_row_each() -> None:
    lines = run_in_root("roles", *LOGS, *KNOWN, "-d", "46").stdout.splitlines()
    twins = [line.split("  ")[0] for line in lines if line.startswith("stock-sync")]
    assert (
        len(twins) == len(set(twins)) == 3
    )  # the role, a deleted one of its name, and one of another account
    assert "stock-sync (444455556666)" in twins


def test_roles_of_a_window_without_events_is_an_error() -> None:
    done = run_in_root("roles", *LOGS, "--until", "2020-01-01")
    assert (done.stdout, done.code) == ("", 4)
    assert "no event of any caller from 2019-12-03 to 2020-01-01" in done.stderr


@pytest.mark.parametrize("asked", ["thumbnail-index", f"{ARN}:thumbnail-index", f"{ARN}:thumbnail-index:7"])
@pytest.mark.parametrize("known", [KNOWN, ()])
def test_a_function_does_in_place_of_its_role(asked: str, known: Sequence[str]) -> None:
    done = run_in_root("suggest", asked, *LOGS, *known, "-q", "-f", "json")
    assert done.code == 0, done.stderr
    role = "arn:aws:iam::111122223333:role/image-resizer"
    assert done.stderr.splitlines()[0] == f"function {asked} runs as role {role}"
    assert json.loads(done.stdout)["role"]["arn"] == role


def test_other_commands_take_a_function_too() -> None:
    for words in (("explain", "s3:GetObject", "-r", "thumbnail-index"), ("doctor", "thumbnail-index")):
        assert run_in_root(*words, *LOGS, *KNOWN, "-q").code == 0


def test_a_role_comes_before_a_function_of_its_name() -> None:
    done = run_in_root("suggest", "image-resizer", *LOGS, *KNOWN, "-q", "-f", "policy")
    assert (done.stderr, done.code) == ("", 0)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((f"{ARN}:nope", *KNOWN), f"no function '{ARN}:nope' in account 111122223333  PG-E313, exit 4"),
        ((f"{ARN}:nope",), f"no call of function '{ARN}:nope' in the logs  PG-E313, exit 4"),
        (("nope", *KNOWN), "no role named 'nope' in account 111122223333  PG-E310, exit 4"),
        (("nope",), "no call by a role named 'nope' in the logs  PG-E310, exit 4"),
    ],
)
def test_what_is_neither_is_said(words: Sequence[str], says: str) -> None:
    done = run_in_root("suggest", *words, *LOGS, "-q")
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {says}\n")
    assert "  hint: policygen roles " in done.stderr


OTHER = "arn:aws:iam::999999999999:role/orders-api"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        # A window without any event says nothing of any role, whatever IAM's report says.
        (("orders-api", *KNOWN, "--until", "2020-01-01"), "PG-E301", "no event of anyone in these days"),
        (("orders-api", "--until", "2020-01-01"), "PG-E301", "no event of anyone in these days"),
        (("audit-reader", *KNOWN), "PG-E301", "account 111122223333 has the role, the logs do not"),
        (("audit-reader", *KNOWN), "PG-E301", "IAM saw no attempt either, until 2026-11-24"),
        (("fulfilment-writer", *KNOWN), "PG-E310", "the logs have it in account 444455556666"),
        ((OTHER, *KNOWN), "PG-E310", "it is a role of account 999999999999"),
        ((OTHER,), "PG-E310", "the logs have a role of that name in account 111122223333"),
    ],
)
def test_a_role_without_calls_is_told_from_one_that_does_not_exist(
    words: Sequence[str], code: str, says: str
) -> None:
    done = run_in_root("suggest", *words, *LOGS, "-q", "--no-plan")
    assert (done.stdout, done.code) == ("", 4)
    assert f"  {code}, exit 4\n" in done.stderr.splitlines(keepends=True)[0]
    assert says in done.stderr
    assert "did you mean" not in done.stderr
    assert f"suggest {OTHER.replace('999999999999', '111122223333')}" not in done.stderr


def test_the_account_of_the_snapshot_decides_between_roles_of_one_name() -> None:
    done = run_in_root("suggest", "stock-sync", *LOGS, *KNOWN, "-q", "--no-plan", "-f", "json")
    assert (done.stderr, done.code) == ("", 0)
    assert json.loads(done.stdout)["role"]["account"] == "111122223333"
    alone = run_in_root("suggest", "stock-sync", *LOGS, "-q", "--no-plan")
    assert (alone.code, "PG-E204" in alone.stderr) == (2, True)


def test_a_function_of_several_roles_is_a_question(tmp_path: Path) -> None:
    agent = "Boto3/1.40 exec-env/AWS_Lambda_python3.13"
    records = [READ | {"role": role, "session": "worker", "agent": agent} for role in ("old", "new")]
    write_logs(tmp_path / "logs", records)
    done = run(tmp_path, "suggest", "worker", "-l", "logs")
    roles = [f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("new", "old")]
    assert done == Done(
        "",
        "error: function 'worker' runs as 2 roles  PG-E239, exit 2\n"
        f"  hint: give one of them: {', '.join(roles)}\n"
        f"  hint: policygen suggest {roles[0]} -l logs\n",
        2,
    )


def test_roles_reads_a_snapshot_of_each_account() -> None:
    both = (*KNOWN, "-s", "samples/staging.json")
    rows = json.loads(run_in_root("roles", *LOGS, *both, "-f", "json").stdout)
    alone = json.loads(run_in_root("roles", *LOGS, *KNOWN, "-f", "json").stdout)
    own = lambda found: [row for row in found if row["account"] == "111122223333"]  # noqa: E731
    assert own(rows) == own(alone)
    assert ["orders-api"] in [row["functions"] for row in rows]
    twice = run_in_root("roles", *LOGS, *KNOWN, *KNOWN)
    assert (twice.code, "PG-E285" in twice.stderr) == (2, True)
