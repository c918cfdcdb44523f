"""An option that another command has: which, and its whole line for the same role and what was read."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from importlib import import_module

import typer

from policygen.cli.commands import COMMANDS
from policygen.errors import PolicygenError, UsageError


def commands_with(option: str) -> list[str]:
    """Return the commands that have an option, in the order of the help."""
    return [name for name in COMMANDS if option in _options(name)]


def _options(command: str) -> dict[str, bool]:
    """Return the options of a command, each with whether it takes a value."""
    made = typer.Typer()
    made.command()(import_module(f"policygen.cli.commands.{command}").command)
    params = typer.main.get_command(made).params
    return {
        name: not getattr(param, "is_flag", False)
        for param in params
        for name in param.opts
        if name[0] == "-"
    }


def other_command(error: Exception, words: Sequence[str]) -> UsageError | None:
    """Return the error for an option that only other commands have (PG-E237); None for any other error.

    Args:
        error: as typer raised it.
        words: the command line, without the program.
    """
    option = str(getattr(error, "option_name", "")) if "NoSuchOption" in type(error).__name__ else ""
    here = words[0] if words else ""
    owners = commands_with(option) if option and here in COMMANDS else []
    if not owners:
        return None
    hint = f"{option} is an option of policygen {', '.join(owners)}"
    command = _suggest_with(words) if "suggest" in owners else []
    lines = [shlex.join(["policygen", *command])] if command else [f"policygen {owners[0]} --help"]
    return UsageError(f"policygen {here} has no option {option}", hint, *lines, code="PG-E237")


def _suggest_with(words: Sequence[str]) -> list[str]:
    """Return `suggest` for the role of a command line, with its options that only `suggest` has; [] for no role.

    What is read stands on the command line, or is what the role's saved plan read.
    """
    from policygen.plan.choices import choices_of
    from policygen.plan.saved import find_plan

    mine, theirs = _options(words[0]), _options("suggest")
    named = [words[i + 1] for i, word in enumerate(words[:-1]) if word in ("-r", "--role")]
    role = next(iter(named or [word for word in words[1:2] if not word.startswith("-")]), "")
    if not role:
        return []
    given = {name: _given(words, *names, takes_value=True) for name, names in _READING.items()}
    try:
        plans = find_plan(role, None)
    except PolicygenError:  # there is none, or it cannot be read
        plans = []
    made = [one for plan in plans[:1] for one in plan.inputs or () if one[0] != "--role"]
    saved = [one for one in made if not choices_of([one]) and not given.get(one[0])]
    wanted = [
        name for name in theirs if name not in mine and not any(name in some for some in _READING.values())
    ]
    return [
        "suggest",
        role,
        *(word for one in (*saved, *given.values()) for word in one),
        *(word for name in wanted for word in _given(words, name, takes_value=theirs[name])),
    ]


_READING = {
    "--logs": ("--logs", "-l"),
    "--days": ("--days",),
    "--until": ("--until",),
    "--snapshot": ("--snapshot", "-s"),
    "--profile": ("--profile",),
    "--region": ("--region",),
}
"""The options that say what is read, each with its names: those of the command line replace the saved plan's."""


def _given(words: Sequence[str], *names: str, takes_value: bool) -> list[str]:
    """Return an option of a command line, by any of its names, as often as it is there, with its values."""
    found: list[str] = []
    for i, word in enumerate(words):
        if word in names:
            found += words[i : i + 1 + takes_value]
        elif word.partition("=")[0] in names and word.startswith("--") and "=" in word:
            found.append(word)
    return found
