"""Saved plans: where they go, how one is found by its role's name, and what is never replaced in silence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.command import READ, SUGGEST, run
from tests.support.records import write_logs

OWN = ".cache/policygen/plans/orders.json"


@pytest.fixture
def world(tmp_path: Path) -> Path:
    write_logs(tmp_path / "logs", [READ])
    write_logs(tmp_path / "later", [READ | {"time": "2026-11-09T00:00:00Z"}])
    return tmp_path


def test_a_suggestion_leaves_nothing_in_the_folder_and_is_printed_again_by_name(world: Path) -> None:
    before = {path.name for path in world.iterdir()}
    made = run(world, "suggest", "orders", "-l", "logs")
    assert made.code == 0
    assert {path.name for path in world.iterdir()} - before == {".cache"}
    assert (world / OWN).stat().st_mode & 0o777 == 0o600
    assert (world / OWN).parent.stat().st_mode & 0o777 == 0o700
    assert made.stderr.endswith("Plan saved; to print it: policygen report orders\n")
    assert run(world, "report", "orders").stdout == made.stdout
    assert run(world, "report", "arn:aws:iam::123456789012:role/orders").stdout == made.stdout
    other = run(world, "report", "arn:aws:iam::210987654321:role/orders")
    assert (other.stdout, other.code) == ("", 4)
    assert "is of account 123456789012, not of arn:aws:iam::210987654321:role/orders" in other.stderr


def test_a_folder_gets_the_plan_where_it_is_asked_for(world: Path) -> None:
    for how, more in (("option", ("--plans", "option")), ("variable", ())):
        env = {} if more else {"POLICYGEN_PLANS": how}
        made = run(world, *SUGGEST, "logs", *more, **env)
        assert f"Plan saved: {how}/orders.json\n" in made.stderr
        assert (world / how / "orders.json").stat().st_mode & 0o777 == 0o600
        assert run(world, "report", "orders", *more, **env).stdout == made.stdout
        assert run(world, "report", f"{how}/orders.json").stdout == made.stdout
    (world / OWN).unlink()
    assert run(world, "report", "orders").code == 4
    assert run(world, "report", "orders", "--plans", "option").code == 0


def test_no_plan_keeps_none(world: Path) -> None:
    made = run(world, *SUGGEST, "logs", "--no-plan", "--plans", "plans")
    assert made.code == 0
    assert "Plan saved" not in made.stderr
    assert not (world / OWN).exists()
    assert not (world / "plans").exists()


def test_the_plan_of_another_window_is_replaced_aloud(world: Path) -> None:
    asked = ("--plans", "plans", "-q", "-f", "policy")
    assert run(world, *SUGGEST, "logs", *asked).stderr == ""
    assert run(world, *SUGGEST, "logs", *asked).stderr == ""
    assert run(world, *SUGGEST, "later", *asked).stderr == (
        "warning: plans/orders.json held the plan of 2026-10-05 to 2026-11-03 in account 123456789012, "
        "and is replaced\n"
    )
    assert json.loads((world / "plans/orders.json").read_text())["window"]["end"] == "2026-11-09T00:00:00Z"


def test_a_plan_with_other_decisions_says_which_it_replaces(world: Path) -> None:
    def saved(*words: str) -> str:
        return run(world, "suggest", "orders", "-l", "logs", *words).stderr.splitlines()[-1]

    assert saved() == "Plan saved; to print it: policygen report orders"
    assert saved("--accept", "interactive-agent").startswith(
        "Plan saved, in place of the one made without these options; "
    )
    assert saved().startswith("Plan saved, in place of the one made with --accept interactive-agent; ")
    assert saved() == "Plan saved; to print it: policygen report orders"
    assert saved("--days", "20").startswith("Plan saved, in place of the one made without these options; ")
    assert saved("--jobs", "1").startswith("Plan saved, in place of the one made with --days 20; ")
    assert saved() == "Plan saved; to print it: policygen report orders"


def test_a_quiet_export_prints_no_screen_and_a_format_that_is_asked_for(world: Path) -> None:
    for words in ((*SUGGEST, "logs"), ("report", "orders")):
        export = ("-q", "--export", "orders.tf")
        assert run(world, *words, *export) == ("", "", 0)
        assert (world / "orders.tf").read_text().startswith("#")
        assert run(world, *words, *export, "-f", "policy").stdout.startswith("{")
        assert run(world, *words, "-q").stdout.startswith("orders")
        (world / "orders.tf").unlink()


def test_formats_have_short_names(world: Path) -> None:
    run(world, *SUGGEST, "logs", "-q")
    for short, long in (("tf", "terraform"), ("cfn", "cloudformation")):
        assert run(world, "report", "orders", "-f", short) == run(world, "report", "orders", "-f", long)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("ordres",), "  hint: did you mean orders?\n  hint: policygen report orders\n"),
        (("payments",), "  hint: there are plans for: orders\n  hint: policygen report --help\n"),
        (("payments", "--plans", "none"), "in 'none' for role 'payments'"),
    ],
)  # fmt: skip
def test_a_role_without_a_plan_is_told_what_there_is(words: tuple[str, ...], says: str, world: Path) -> None:
    run(world, *SUGGEST, "logs", "-q")
    done = run(world, "report", *words)
    assert (done.stdout, done.code) == ("", 4)
    assert says in done.stderr
