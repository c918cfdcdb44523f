"""Help: every option in a panel and with a word for its value, nothing cut, examples that fit a line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from policygen.cli.app import COMMANDS, program
from policygen.cli.help import PANELS
from tests.support.command import run, run_in_root

TAKEN = {"Roles", "Probation", "Options"}
"""Panels of options that only one command has."""


def test_the_program_lists_each_command_with_its_whole_summary() -> None:
    shown = run_in_root("--help").stdout
    assert max(map(len, shown.splitlines())) <= 80
    for name, command in get_command(program()).commands.items():  # type: ignore[attr-defined]
        summary = command.help.split("\n\n")[0]
        assert re.search(rf"^  {name} +{re.escape(summary)}$", shown, re.M), name
    assert [panel for panel in dict.fromkeys(COMMANDS.values()) if f"\n{panel}:\n" not in shown] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_is_whole_and_names_every_value(name: str) -> None:
    shown = run_in_root(name, "--help").stdout
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if line.endswith("...") and not line.startswith("Usage:")]
    assert not re.search(r"<\w", shown)  # <str>, <list[Path]>: the words of a programmer
    panels = [line[:-1] for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert panels[0] == "Examples"
    assert set(panels[1:]) <= {*PANELS, *TAKEN}
    examples = shown.split("Examples:\n")[1].split("\n\n")[0].splitlines()
    assert all(line.startswith(f"  policygen {name}") for line in examples)


def test_options_that_go_together_stand_together() -> None:
    shown = run_in_root("suggest", "--help").stdout
    panels = dict(re.findall(r"^(\w+):\n(.*?)(?:\n\n|\Z)", shown, re.M | re.S))
    assert list(panels) == ["Examples", *PANELS, "Options"]
    where = {
        "Input": "--logs --snapshot --role --traces",
        "Window": "--days --until",
        "AWS": "--live --profile --region",
    }
    where |= {
        "Decisions": "--keep --drop --unverified --accept",
        "Output": "--format --export --plans --quiet",
    }
    for panel, names in (where | {"Performance": "--jobs --max-scan --no-cache"}).items():
        assert [name for name in names.split() if f"{name} " not in panels[panel]] == []
    assert panels["Options"].split() == ["-h,", "--help", "Show", "this", "message", "and", "exit."]


def test_shells_complete_roles_with_a_plan_and_formats(tmp_path: Path) -> None:
    (tmp_path / ".cache/policygen/plans").mkdir(parents=True)
    for role in ("orders-api", "orders-export", "payments"):
        (tmp_path / f".cache/policygen/plans/{role}.json").write_text("{}")

    def completed(words: str, at: int) -> list[str]:
        asked = {"_POLICYGEN_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(at)}
        return run(tmp_path, **asked).stdout.split()

    assert completed("policygen report ord", 2) == ["orders-api", "orders-export"]
    assert completed("policygen suggest -r pay", 3) == ["payments"]
    assert completed("policygen suggest x -f terra", 4) == ["terraform", "terraform-data"]
