"""Groups of options: where they stand in a command, what reaches it, and that the reading commands share them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from importlib import import_module
from typing import Annotated, Any, get_type_hints

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from policygen.cli.commands import report, suggest
from policygen.cli.option_groups import (
    AccountInput,
    DecisionInput,
    DigestInput,
    GrantInput,
    LogInput,
    PlanOutput,
    ReadInput,
    RoleWindowInput,
    WindowInput,
    with_option_groups,
)
from policygen.cli.several_accounts import AccountsInput

READING_COMMANDS = ("suggest", "batch", "check", "explain", "doctor")
SHARED_GROUPS = (LogInput, WindowInput, AccountInput, DigestInput, ReadInput)


@dataclass(frozen=True)
class Fruit:
    kind: Annotated[str, typer.Option("--kind", "-k", help="Which fruit.")] = "apple"
    pieces: Annotated[int, typer.Option("--pieces", help="How many.", min=1)] = 1
    ripe: Annotated[bool, typer.Option("--ripe", help="Only ripe ones.")] = False


@dataclass(frozen=True)
class Bread:
    grains: Annotated[list[str] | None, typer.Option("--grain", help="A grain; repeatable.")] = None


@dataclass(frozen=True)
class OtherFruit(Fruit):
    """Another text and another default of one option, and one option less."""

    kind: Annotated[str, typer.Option("--kind", help="Which of the others.")] = "quince"
    ripe: bool = field(default=True, init=False)


def shop() -> tuple[typer.Typer, list[dict[str, Any]]]:
    """A program with two commands that take groups, and what reached them."""
    program, calls = typer.Typer(rich_markup_mode=None), list[dict[str, Any]]()

    @program.command()
    @with_option_groups
    def buy(
        *,
        customer: Annotated[str, typer.Argument()],
        fruit: Fruit,
        note: Annotated[str, typer.Option("--note", help="A note.")] = "",
        bread: Bread,
    ) -> None:
        """Buy something."""
        calls.append({"customer": customer, "fruit": fruit, "note": note, "bread": bread})

    @program.command()
    @with_option_groups
    def sell(*, bread: Bread, fruit: OtherFruit) -> None:
        """Sell something."""
        calls.append({"bread": bread, "fruit": fruit})

    return program, calls


def options_of(program: typer.Typer, command: str) -> list[tuple[str, ...]]:
    """The options of a command, with their texts, in the order of its help."""
    found = get_command(program).commands[command]  # type: ignore[attr-defined]
    return [(*one.opts, one.help) for one in found.params if one.param_type_name == "option"]


def test_each_field_of_a_group_is_an_option_where_the_group_stands() -> None:
    program, _ = shop()
    grain = ("--grain", "A grain; repeatable.")
    pieces = ("--pieces", "How many.")
    assert options_of(program, "buy") == [
        ("--kind", "-k", "Which fruit."),
        pieces,
        ("--ripe", "Only ripe ones."),
        ("--note", "A note."),
        grain,
    ]
    assert options_of(program, "sell") == [grain, ("--kind", "Which of the others."), pieces]


def test_a_command_gets_its_groups_filled() -> None:
    program, calls = shop()
    for words in (
        ["buy", "Ada"],
        ["buy", "Ada", "-k", "pear", "--pieces", "3", "--ripe", "--grain", "rye", "--grain", "oats"],
        ["sell"],
        ["sell", "--kind", "medlar", "--pieces", "2"],
    ):
        assert CliRunner().invoke(program, words).exit_code == 0
    assert calls == [
        {"customer": "Ada", "fruit": Fruit(), "note": "", "bread": Bread()},
        {"customer": "Ada", "fruit": Fruit("pear", 3, True), "note": "", "bread": Bread(["rye", "oats"])},
        {"bread": Bread(), "fruit": OtherFruit("quince", 1)},
        {"bread": Bread(), "fruit": OtherFruit("medlar", 2)},
    ]
    assert calls[-1]["fruit"].ripe


def test_what_typer_checks_it_checks_in_a_group_too() -> None:
    program, calls = shop()
    done = CliRunner().invoke(program, ["sell", "--pieces", "0"])
    assert (done.exit_code, calls) == (2, [])
    assert "--pieces" in done.output
    assert CliRunner().invoke(program, ["sell", "--ripe"]).exit_code == 2


def test_a_new_field_is_an_option_of_every_command_with_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class MoreReadInput(ReadInput):
        shuffle: Annotated[int, typer.Option("--shuffle", help="In what order.")] = 7

    class Reached(Exception):
        """The values of the group."""

    def reached(read: MoreReadInput, **_: object) -> None:
        raise Reached(read.shuffle)

    for imported_late in ("policygen.gate.by_plan", "policygen.cli.check_logs"):
        import_module(imported_late)  # else it would be imported meanwhile, and keep what is patched below
    for name in READING_COMMANDS:
        module = import_module(f"policygen.cli.commands.{name}")
        monkeypatch.setattr(module, "ReadInput", MoreReadInput)
        reader = import_module("policygen.cli.check_logs") if name == "check" else module
        monkeypatch.setattr(reader, "read_options", reached)
        monkeypatch.setattr(reader, "open_logs", lambda *_: None)
        program = typer.Typer(rich_markup_mode=None)
        program.command(name="first")(with_option_groups(module.command.__wrapped__))
        program.command(name="second")(lambda: None)
        options = [one[0] for one in options_of(program, "first")]
        assert options[options.index("--no-cache") + 1] == "--shuffle"
        needed = {
            "check": ["-r", "x", "tests/cli"],
            "explain": ["-r", "x", "s3:GetObject"],
            "suggest": ["-r", "x"],
        }
        words = ["first", "-l", "logs", *needed.get(name, [])]
        monkeypatch.setattr("policygen.gate.repository.policies.policies_of_role", lambda *_: [])
        assert repr(CliRunner().invoke(program, words).exception) == "Reached(7)"
        assert repr(CliRunner().invoke(program, [*words, "--shuffle", "9"]).exception) == "Reached(9)"


LEFT_OUT = {"doctor": {"last_accessed", "inventory"}}
"""Options that a command has no use for: doctor judges trails, and what was used or exists changes nothing there."""


@pytest.mark.parametrize("name", READING_COMMANDS)
def test_the_reading_commands_take_the_shared_groups(name: str) -> None:
    command = import_module(f"policygen.cli.commands.{name}").command
    hints = get_type_hints(command.__wrapped__)
    taken = tuple(kind for kind in hints.values() if isinstance(kind, type))
    for group in SHARED_GROUPS:
        (own,) = [kind for kind in taken if issubclass(kind, group)]
        shared = {one.name for one in fields(group)} - LEFT_OUT.get(name, set())
        of_one_role = {"all_accounts"} if own is RoleWindowInput else set()
        of_one_account = {"snapshot"} if own is AccountsInput else set()
        of_several = {"snapshots"} if own is AccountsInput else set()
        taken_here = shared - of_one_account | of_one_role | of_several
        assert {one.name for one in fields(own) if one.init} == taken_here


def test_what_else_commands_share_is_declared_once() -> None:
    def takes(name: str, group: type) -> bool:
        hints = get_type_hints(import_module(f"policygen.cli.commands.{name}").command.__wrapped__)
        return any(isinstance(kind, type) and issubclass(kind, group) for kind in hints.values())

    assert [name for name in READING_COMMANDS if takes(name, DecisionInput)] == [
        "suggest",
        "batch",
        "check",
        "explain",
    ]
    assert [name for name in READING_COMMANDS if takes(name, GrantInput)] == ["suggest", "batch", "explain"]
    for module in (suggest, report):
        assert takes(module.__name__.rsplit(".", 1)[1], PlanOutput)


def test_no_name_stands_twice_in_a_command() -> None:
    def command(*, fruit: Fruit, kind: str = "") -> None:
        """Never called."""

    with pytest.raises(TypeError, match="declares an option twice: kind"):
        with_option_groups(command)
