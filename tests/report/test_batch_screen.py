"""The screen of a batch: what can be done first, in lines that fit, with numbers that add up."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from policygen.plan.batch_table import (
    VERDICT_MEANINGS,
    BatchChange,
    BatchQuestion,
    BatchRow,
    BatchSince,
    BatchTable,
    Verdict,
)
from policygen.report.terminal.batch import render_batch
from tests.support.command import Done, run_in_root
from tests.support.samples import SAMPLES

ACCOUNT = "111122223333"
ROWS = [
    BatchRow(role=f"{verdict}-{n}", account=ACCOUNT, verdict=verdict, reason="so", actions_now=1000 * n)
    for verdict in VERDICT_MEANINGS
    for n in (3, 1, 2)
]


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The screen of a batch of the samples."""
    return batch(tmp_path_factory.mktemp("batch") / "out dir").stdout


def batch(out: Path, *arguments: object) -> Done:
    read = ("--logs", SAMPLES / "trail", "--snapshot", SAMPLES / "account.json", "-q", "-j", 1)
    return run_in_root("batch", *read, "--out", out, *arguments)


def table_of(made: Iterable[BatchRow], **more: Any) -> BatchTable:
    values = {
        "schema_version": 1, "policygen": "0", "iam_data": "0", "start": "2026-10-26", "end": "2026-11-24", "days": 30,
        "accounts": (ACCOUNT,), "records": 10**9, "files": 10**6, "incomplete": (), "rows": tuple(made),
    }  # fmt: skip
    return BatchTable(**values | more)


def about(what: str, *roles: str) -> BatchQuestion:
    return BatchQuestion(
        id=what, asks=f"{what}: {len(roles)} roles", why="", roles=roles, actions=("s3:GetObject",),
        riskiest=(), answer="", command="", keep="", drop="",
    )  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 160])
@pytest.mark.parametrize("show_all", [False, True])
def test_the_screen_keeps_to_its_width_whatever_the_names(width: int, show_all: bool) -> None:
    long = BatchRow(
        role="x" * 64,
        account=ACCOUNT,
        verdict="review",
        reason="y" * 500,
        questions=12,
        actions_now=99_999,
        trust="narrower",
        trust_reason="z" * 90,
        trust_findings=("PG701",),
    )
    found = table_of((long, *ROWS), accounts=(), incomplete=("z" * 200,), questions=(about("w" * 300, "x"),))
    screen = render_batch(found, "out", show_all=show_all, width=width)
    assert [line for line in screen.splitlines() if len(line) > width] == []
    assert "99,999" in screen or width == 60


def test_what_can_be_done_first_stands_first_and_what_closes_most_risk_before_the_rest() -> None:
    def one(role: str, verdict: Verdict, escalations: int, removed: int) -> BatchRow:
        return BatchRow(
            role=role, account=ACCOUNT, verdict=verdict, reason=f"{role} is odd", needed=1, actions_now=removed + 1,
            actions_proposed=1, escalations_closed=escalations,
        )  # fmt: skip

    made = [
        one("hard", "review", 90, 9000),
        one("wide", "ready", 0, 5000),
        one("waits", "wait", 1, 1),
        one("escalates", "ready", 3, 10),
        one("small", "ready", 0, 10),
        one("idle", "unused", 0, 0),
    ]
    screen = render_batch(table_of(made), "out")
    heads = re.findall(r"^(Do first|Look first|Not yet|Unused) \((\d)\)", screen, re.M)
    assert heads == [("Do first", "3"), ("Look first", "1"), ("Not yet", "1")]
    order = ["escalates", "wide", "small", "hard", "hard is odd", "waits", "waits is odd"]
    places = [screen.index(f"\n{name} " if "is odd" not in name else f"    {name}\n") for name in order]
    assert places == sorted(places)
    assert "wide is odd" not in screen
    assert "1 more role: --details" in screen
    assert "\nUnused (1)" in render_batch(table_of(made), "out", show_all=True)


def test_of_the_roles_to_look_at_those_with_least_to_look_at_stand_first() -> None:
    def one(role: str, *reasons: str, escalations: int = 0) -> BatchRow:
        return BatchRow(
            role=role, account=ACCOUNT, verdict="review", reason="so", reasons=reasons, actions_now=9,
            actions_proposed=1, escalations_closed=escalations,
        )  # fmt: skip

    made = [
        one("two", "replay", "open-names", escalations=90),
        one("error", escalations=5),
        one("none", "gaps", "no-report"),
        one("more", "weak", "gaps", escalations=7),
        one("fewer", "replay", "gaps", "no-report", escalations=6),
    ]
    screen = render_batch(table_of(made), "out", show_all=True)
    cells = [line.split() for line in screen.splitlines() if re.match(r"\w+ +0 +9 ", line)]
    assert [(role, *reasons) for role, _, _, _, _, _, *reasons in cells] == [
        ("none",), ("more", "1"), ("fewer", "1"), ("error", "1"), ("two", "2")
    ]  # fmt: skip


def test_the_trust_policies_that_leave_most_open_are_named_first() -> None:
    def one(role: str, *findings: str, changes: int = 1, **more: Any) -> BatchRow:
        values = {"trust": "narrower", "trust_reason": f"{changes} removed", "trust_policy": role} | more
        return BatchRow(
            role=role, account=ACCOUNT, verdict="ready", reason="so", trust_findings=findings,
            trust_changes=changes, **values,
        )  # fmt: skip

    made = [
        one("quiet", changes=9),
        one("foreign", "PG703"),
        one("anybody", "PG701", "PG704"),
        one("tokens", "PG702"),
        one("same", "PG701", trust="unchanged", trust_policy=""),
        one("idle", trust="unseen", trust_policy=""),
    ]
    lines = render_batch(table_of(made), "out").splitlines()
    at = lines.index("Who may assume them? A smaller trust policy is enough for 4 of 5 roles that")
    assert lines[at + 1 : at + 6] == [
        "  somebody assumed",
        "  anybody (PG701, PG704): 1 removed",
        "  tokens (PG702): 1 removed",
        "  foreign (PG703): 1 removed",
        "  and 1 more",
    ]
    assert any(line.endswith("policies/, trust/") for line in lines)
    assert "Who may assume" not in render_batch(table_of(ROWS), "out")


def test_the_totals_of_the_screen_add_up_to_its_head(screen: str, tmp_path: Path) -> None:
    (roles,) = re.findall(r" · (\d+) roles · ", screen)
    totals = re.findall(r"^  [a-z ]{11}(\d+) roles? ", screen, re.M)
    assert sum(map(int, totals)) == int(roles)
    groups = dict(re.findall(r"^([A-Z][a-z ]+) \((\d+)\) +days", screen, re.M))
    assert int(groups["Do first"]) == int(totals[0])
    (unverified,) = re.findall(r"about (\d+) unverified permissions", screen)
    full = batch(tmp_path / "out", "--details").stdout
    columns = re.findall(r"^\S+ +\d+ +[\d,]+ +\d+ +(\d+) ", full, re.M)
    assert sum(map(int, columns)) == int(unverified)


def test_questions_are_a_line_each_and_counted_where_they_are_left_out() -> None:
    asked = tuple(about(f"reads of s{n}", *"abc"[: 1 + n % 3]) for n in range(9))
    screen = render_batch(table_of(ROWS, questions=asked), "out")
    lines = screen[screen.index("Questions (9)") :].splitlines()
    assert lines[1:6] == [f"  {1 + n % 3} {'roles' if n % 3 else 'role '}  reads of s{n}" for n in range(5)]
    assert lines[6] == "  4 more questions: out/index.html"
    assert "more question" not in render_batch(table_of(ROWS, questions=asked), "out", show_all=True)


def test_the_commands_of_the_screen_run_as_they_stand(screen: str) -> None:
    commands = [
        line.strip() for line in screen[screen.index("\nNext\n") :].splitlines() if "policygen" in line
    ]
    assert len(commands) == 3
    assert shlex.split(commands[2])[2].endswith("out dir")
    for command in commands:
        done = run_in_root(*shlex.split(command)[1:])
        assert (done.code, "deploy-ci" in done.stdout) == (0, True)


def test_the_screen_says_on_how_many_days_a_role_called_and_which_owners_nobody_knows() -> None:
    made = [
        BatchRow(
            role=role, account=ACCOUNT, verdict="ready", reason="so", days=days, questions=1, owner=owner
        )
        for role, days, owner in (("steady", 30, "warehouse"), ("rare", 3, ""))
    ]
    shown = render_batch(table_of(made, questions=(about("reads of sqs", "steady", "rare"),)), "out")
    head, *rows = [line.split() for line in shown.partition("Do first")[2].splitlines()[:3]]
    assert head[1:3] == ["days", "today"]
    assert sorted((row[0], row[1]) for row in rows) == [("rare", "3"), ("steady", "30")]
    assert "questions.csv names no owner of 1 of 2 roles" in shown


def test_the_screen_says_with_which_batch_it_compares() -> None:
    change = BatchChange(role="steady", account=ACCOUNT, before="review", after="ready", why="so")
    since = BatchSince(start="2026-10-19", end="2026-11-17", roles=39, unverified=1, changes=(change,))
    shown = render_batch(table_of(ROWS, since=since), "out")
    assert "Compared with the last batch that differed, of 39 roles to 2026-11-17 (1)" in shown
