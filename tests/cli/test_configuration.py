"""Configuration: which file counts, what it sets, in which order, and that everything is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.main import get_command

from policygen.cli.app import program
from policygen.cli.completion import complete_sign
from policygen.configuration import SETTINGS
from policygen.evidence.anomalies import ANOMALY_RULES
from tests.support import ROOT
from tests.support.command import READ, run
from tests.support.records import write_logs

QUIET = ("suggest", "orders", "-q", "-f", "json")


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A repository with logs of 40 days, and a folder in it."""
    times = ("2026-10-01T00:00:00Z", "2026-11-03T00:00:00Z")
    write_logs(tmp_path / "logs", [READ | {"time": time} for time in times])
    (tmp_path / ".git").mkdir()
    (tmp_path / "src" / "deep").mkdir(parents=True)
    return tmp_path


def days(folder: Path, *more: object, **variables: str) -> int:
    done = run(folder, *QUIET, *more, **variables)
    assert done.code == 0, done.stderr
    return int(json.loads(done.stdout)["window"]["days"])


def test_an_option_comes_before_the_environment_before_the_file_before_the_default(world: Path) -> None:
    (world / "policygen.toml").write_text('logs = "logs"\n')
    assert days(world) == 30
    (world / "policygen.toml").write_text('logs = "logs"\ndays = 40\n')
    assert days(world) == 40
    assert days(world, POLICYGEN_DAYS="50") == 50
    assert days(world, "--days", 60, POLICYGEN_DAYS="50") == 60


def test_what_the_file_decides_is_said_even_to_whoever_wants_no_progress(world: Path) -> None:
    (world / "policygen.toml").write_text('logs = ["logs"]\ndays = 40\n')
    assert run(world, *QUIET).stderr == "settings of policygen.toml apply: logs logs, days 40\n"
    assert run(world, *QUIET, "-d", 50).stderr == "settings of policygen.toml apply: logs logs\n"
    (world / "policygen.toml").write_text('unverified = "drop"\n')
    assert run(world, *QUIET, "-l", "logs").stderr == "decisions of policygen.toml apply: unverified drop\n"
    assert run(world, "services").stderr == ""  # it has none of these options


def test_config_refuses_a_variable_that_no_command_takes(world: Path) -> None:
    done = run(world, "config", POLICYGEN_DAYS="seven")
    assert (done.stdout, done.code) == ("", 2)
    assert "POLICYGEN_DAYS is 'seven', and must be a whole number  PG-E238" in done.stderr
    assert run(world, "config", POLICYGEN_DAYS="7").code == 0
    done = run(world, "config", POLICYGEN_ALL_ACCOUNTS="maybe")
    assert "POLICYGEN_ALL_ACCOUNTS is 'maybe', and must be true or false  PG-E238" in done.stderr
    assert run(world, "config", POLICYGEN_ALL_ACCOUNTS="no").code == 0


def test_accept_completes_the_kinds_of_suspicious_calls() -> None:
    assert complete_sign("interactive") == ["interactive-agent"]
    assert complete_sign("") == list(ANOMALY_RULES)


def test_the_nearest_file_counts_up_to_the_root_of_the_repository(world: Path) -> None:
    deep = world / "src" / "deep"
    (world.parent / "policygen.toml").write_text("days = 3\n")  # above the repository
    assert days(deep, "-l", "../../logs") == 30
    (world / "pyproject.toml").write_text('[tool.policygen]\nlogs = "logs"\ndays = 41\n')
    assert days(deep) == 41
    assert "settings of ../../pyproject.toml apply: logs ../../logs, days 41\n" in run(deep, *QUIET).stderr
    (world / "src" / "policygen.toml").write_text("days = 42\n")
    assert days(deep, "-l", "../../logs") == 42  # the farther one is not merged
    (world / ".git").rmdir()
    assert days(deep, "-l", "../../logs") == 30  # outside of a repository only the folder itself
    (world.parent / "policygen.toml").unlink()


def test_the_folder_of_plans_is_configured_for_all_commands(world: Path) -> None:
    (world / "policygen.toml").write_text('logs = "logs"\nplans = "saved"\nformat = "terraform"\n')
    made = run(world, "suggest", "orders", "-q")
    assert made.stdout.startswith("#")
    assert (world / "saved" / "orders.json").exists()
    assert run(world / "src", "report", "orders", "-q").stdout == made.stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("dayz = 3", "error: policygen.toml: dayz is not a key; there are: keep, drop"),
        ("dayz = 3", "  hint: did you mean days?\n"),
        ('days = "3"', "error: policygen.toml: days is '3', and must be a whole number  PG-E238, exit 2\n"),
        ("days = true", "error: policygen.toml: days is True, and must be a whole number  PG-E238"),
        ("logs = [1]", "error: policygen.toml: logs is [1], and must be a text or a list of texts  PG-E238"),
        ("all_accounts = 1", "error: policygen.toml: all_accounts is 1, and must be true or false  PG-E238"),
        ("plans = ''", "error: policygen.toml: plans is '', and must be a text  PG-E238"),
        ("days =", "error: policygen.toml is not TOML: "),
    ],
)
def test_a_wrong_file_stops_every_command_that_it_is_about(text: str, says: str, world: Path) -> None:
    (world / "policygen.toml").write_text(text)
    for words in (QUIET, ("config",), ("report", "orders")):
        done = run(world, *words)
        assert (done.stdout, done.code) == ("", 2)
        assert says in done.stderr
    assert run(world, "suggest", "--help").code == 0


def test_config_prints_each_value_with_its_origin(world: Path) -> None:
    (world / "policygen.toml").write_text(
        'logs = ["logs", "s3://trail"]\ndays = 40\n[[protect]]\nrole = "x"\nreason = "y"\n'
    )
    shown = run(world / "src", "config", POLICYGEN_DAYS="50")
    rows = [line.split("  ") for line in shown.stdout.splitlines()]
    values = {
        row[0].split()[0]: (row[0].split(maxsplit=1)[-1], row[-1].strip()) for row in rows if len(row) > 1
    }
    assert values["days"][1] == "POLICYGEN_DAYS"
    assert "logs         ../logs s3://trail" in shown.stdout
    assert values["format"][1] == "default"
    assert shown.stdout.endswith(
        "\nread: ../policygen.toml\ndecisions of ../policygen.toml apply: 1 protection\n"
    )
    document = json.loads(run(world / "src", "config", "-f", "json", POLICYGEN_DAYS="50").stdout)
    assert document["settings"]["days"] == {"value": "50", "from": "POLICYGEN_DAYS"}
    assert document["settings"]["logs"] == {"value": "../logs s3://trail", "from": "../policygen.toml"}
    assert set(document["settings"]) == set(SETTINGS)
    assert document["roles"] == []


def test_config_prints_the_roles_of_the_file(world: Path) -> None:
    tables = '[[role]]\nname = "b"\npolicy = "b.json"\n[[role]]\nname = "a"\npolicy = "a.json"\n'
    (world / "policygen.toml").write_text(tables)
    assert run(world, "config").stdout.endswith("\nread: policygen.toml\nroles: b, a\n")
    assert json.loads(run(world, "config", "-f", "json").stdout)["roles"] == ["b", "a"]


def test_whose_logs_are_read_is_configured_and_said(tmp_path: Path) -> None:
    """The sample's logs have a copy of a call in the log of another account."""
    role, logs = "orders-api", ["-l", ROOT / "samples" / "trail", "-s", ROOT / "samples" / "account.json"]
    words = ("suggest", role, *logs, "-f", "json", "--no-plan")
    own = run(tmp_path, *words, POLICYGEN_ALL_ACCOUNTS="false")
    unknown = run(tmp_path, "suggest", role, *logs[:2], "--own-account", "--no-plan")
    assert unknown.stderr.startswith(
        "error: --own-account, and it is not known which account orders-api is in  PG-E267, exit 2\n"
    )
    (tmp_path / "policygen.toml").write_text("all_accounts = true\n")
    every = run(tmp_path, *words)
    assert "; left out 5 of the files of 1 other account (--all-accounts reads them)\n" in own.stderr
    unread = {"account": "444455556666", "regions": ["eu-west-1"], "days": 5, "files": 5}
    assert json.loads(own.stdout)["reading"]["unread"] == [unread]
    assert "left out" not in every.stderr
    assert "settings of policygen.toml apply: all-accounts true\n" in every.stderr
    assert json.loads(every.stdout)["reading"]["unread"] == []


def test_every_setting_is_an_option_and_every_variable_a_setting() -> None:
    commands = get_command(program()).commands.values()  # type: ignore[attr-defined]
    variables = {param.envvar for command in commands for param in command.params if param.envvar}
    assert variables == {f"POLICYGEN_{key.upper()}" for key in SETTINGS}


def test_a_file_of_decisions_leaves_the_settings_as_they_are(world: Path) -> None:
    (world / "policygen.toml").write_text('logs = "logs"\ndecisions = "team/rules.toml"\n')
    (world / "team").mkdir()
    (world / "team" / "rules.toml").write_text('[[protect]]\nrole = "orders"\nreason = "ours"\n')
    done = run(world / "src", *QUIET)
    assert done.code == 1
    assert "the role orders is protected: ours" in done.stderr
