"""What to type after an error: the same command with the word that was meant, or a command that shows what there is."""

from __future__ import annotations

import difflib
import os
import re
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from policygen.cli.commands import COMMANDS
from policygen.errors import NothingFoundError, UsageError

if TYPE_CHECKING:
    from policygen.errors import PolicygenError

PARSER_ERROR: type[Exception] = typer.BadParameter.__bases__[0]
"""What typer raises where it cannot parse the command line: its own class, which it does not export."""


def from_parser(error: Exception, words: Sequence[str]) -> UsageError:
    """Return the error for a command line that cannot be parsed.

    Args:
        error: as typer raised it.
        words: the command line, without the program.
    """
    message = _problem(error, words).split(" (Possible")[0].split(" Did you mean")[0]
    wrong, known = str(getattr(error, "option_name", "")), tuple(getattr(error, "possibilities", None) or ())
    context = getattr(error, "ctx", None)
    if extra := re.search(r"unexpected extra arguments? *(?:\(s\))? *\((\S+?)[ )]", message):
        flags = [name for param in context.command.params for name in param.opts] if context else []
        flag = f"--{extra[1]}"
        return UsageError(
            f"one argument too many: {extra[1]}",
            *([f"did you mean {flag}?"] if flag in flags else []),
            code="PG-E237",
            instead=(extra[1], flag if flag in flags else ""),
        )
    commands = tuple(getattr(context and context.command, "commands", ()))
    if commands and not wrong:
        wrong = next((word for word in words if not word.startswith("-")), "")
        known = tuple(difflib.get_close_matches(wrong, commands, 1))
    close = next(iter(difflib.get_close_matches(wrong, known, 1, 0.0)), "")
    return UsageError(
        (message[:1].lower() + message[1:] if message[1:2].islower() else message).rstrip("."),
        *([f"did you mean {close}?"] if close else []),
        *([f"there are: {', '.join(commands)}"] if commands and not close else []),
        code="PG-E237",
        instead=(wrong, close) if close else None,
    )


def _problem(error: Any, words: Sequence[str]) -> str:
    """Return what typer says of the command line, with the option and the value that it does not take."""
    param = getattr(error, "param", None)
    names = (*param.opts, *param.secondary_opts) if param else ()
    given = [words[i + 1] for i, word in enumerate(words[:-1]) if word in names]
    given += [word.partition("=")[2] for word in words if word.partition("=")[0] in names and "=" in word]
    variable = param.envvar if param and isinstance(param.envvar, str) else ""
    if given:
        value, where = given[-1], names[0]
    else:
        value, where = os.environ.get(variable, ""), variable
    if not value or not error.message:
        return str(error.format_message())
    problem = str(error.message).split(", unable")[0].replace("Input should be", "it must be")
    problem = re.sub("^Value error, .* is not one of ", "it must be one of ", problem)
    return f"{where} is {value!r}: {problem}"


def next_command(error: PolicygenError, words: Sequence[str]) -> str:
    """Return the command to try after an error; "" where its hints have one, or a file is at fault.

    Args:
        error: what happened.
        words: the command line, without the program.
    """
    if error.instead and (corrected := _replaced(words, *error.instead)):
        return shlex.join(["policygen", *corrected])
    if error.place[0] or any(hint.startswith("policygen ") for hint in error.hints):
        return ""
    if error.code in _NO_ROLE and (inputs := _inputs(words)):
        return shlex.join(["policygen", "roles", *inputs])
    if error.exit_code not in {UsageError.exit_code, NothingFoundError.exit_code}:
        return ""
    name = next((word for word in words if not word.startswith("-")), "")
    return shlex.join(["policygen", *([name] if name in COMMANDS else []), "--help"])


_NO_ROLE = frozenset({"PG-E236", "PG-E301", "PG-E310", "PG-E311", "PG-E312", "PG-E313"})
"""Errors after which a list of the roles helps."""

_INPUTS = ("--logs", "-l", "--snapshot", "-s", "--profile")


def _inputs(words: Sequence[str]) -> list[str]:
    """Return the options of a command line that say where its logs and its account are."""
    pairs = [word for i, word in enumerate(words) if word in _INPUTS or (i and words[i - 1] in _INPUTS)]
    return pairs + [word for word in words if word.startswith(tuple(f"{name}=" for name in _INPUTS))]


def _replaced(words: Sequence[str], wrong: str, right: str) -> list[str]:
    """Return a command line with one word replaced, left out or added; [] where it is not there exactly once."""
    if not wrong:
        return [*words, right]
    places = [i for i, word in enumerate(words) if word == wrong or _value(word) == wrong]
    if len(places) != 1:
        return []
    at = places[0]
    new = right if words[at] == wrong else words[at][: -len(wrong)] + right
    return [*words[:at], *([new] if right else []), *words[at + 1 :]]


def _value(word: str) -> str | None:
    """Return the value of ``--option=value``; None for any other word."""
    name, equals, value = word.partition("=")
    return value if equals and name.startswith("--") else None
