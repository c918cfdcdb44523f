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
    if (value := _as_days(error, words)) is not None:
        return UsageError(message, "write days as a number", code="PG-E237", instead=value)
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
        if flag := _root_option(context, wrong):
            return UsageError(
                f"no such command {wrong!r}", f"did you mean {flag}?", f"policygen {flag}", code="PG-E237"
            )
        known = tuple(difflib.get_close_matches(wrong, commands, 1))
    close = _close(wrong, known)
    return UsageError(
        (message[:1].lower() + message[1:] if message[1:2].islower() else message).rstrip("."),
        *([f"did you mean {close}?"] if close else []),
        *([f"there are: {', '.join(commands)}"] if commands and not close else []),
        code="PG-E237",
        instead=(wrong, close) if close and not _lacks_value(context, close, wrong, words) else None,
    )


def _close(wrong: str, known: Sequence[str]) -> str:
    """Return the known word that is spelled most like a wrong one; "" for none. Dashes do not make options alike."""
    bare = {name.lstrip("-"): name for name in known}
    return next((bare[name] for name in difflib.get_close_matches(wrong.lstrip("-"), bare, 1)), "")


def _lacks_value(context: Any, option: str, wrong: str, words: Sequence[str]) -> bool:
    """Return whether an option takes a value, and none stands behind the wrong word in its place."""
    params = context.command.params if context else []
    takes = any(option in param.opts and not getattr(param, "is_flag", False) for param in params)
    behind = next((words[i + 1 : i + 2] for i, word in enumerate(words) if word == wrong), ["="])
    return takes and not (behind and not behind[0].startswith("-"))


def _root_option(context: Any, word: str) -> str:
    """Return the option of the program itself that a word may mean: ``--install-completion`` for completion."""
    names = [name for param in context.command.params for name in param.opts] if context else []
    return next((name for name in names if len(word) > 3 and word in name.split("-")), "")


_DAYS = {"d": 1, "day": 1, "days": 1, "w": 7, "week": 7, "weeks": 7}


def _as_days(error: Any, words: Sequence[str]) -> tuple[str, str] | None:
    """Return a number of days that has a unit, and the same without it: ``30d``, ``30``; None for anything else."""
    param = getattr(error, "param", None)
    if param is None or "--days" not in param.opts:
        return None
    given = [
        word.removeprefix("--days=")
        for i, word in enumerate(words)
        if i and "--days" in (words[i - 1], word[:6])
    ]
    found = re.fullmatch(r"([1-9]\d{0,3}) ?([a-z]+)", given[-1]) if given else None
    unit = _DAYS.get(found[2]) if found else None
    return (given[-1], str(int(found[1]) * unit)) if found and unit else None


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


def last_hints(error: PolicygenError, words: Sequence[str]) -> list[str]:
    """Return the command to try after an error, with what it is for where that is not plain; [] for none.

    Its hints may have one already, and a file may be at fault.

    Args:
        error: what happened.
        words: the command line, without the program.
    """
    if error.instead and (corrected := _replaced(words, *error.instead)):
        return [shlex.join(["policygen", *corrected])]
    if error.place[0] or any(hint.startswith("policygen ") for hint in error.hints):
        return []
    if error.code in _NO_ROLE and (inputs := _inputs(words)):
        return [shlex.join(["policygen", "roles", *inputs])]
    if error.code in _NO_INPUT and words[0] in _READING_AWS and _inputs(words):
        what, command = _NO_INPUT[error.code]
        return [f"{what} needs these permissions:", f"policygen permissions {command or words[0]}"]
    if error.exit_code not in {UsageError.exit_code, NothingFoundError.exit_code}:
        return []
    name = next((word for word in words if not word.startswith("-")), "")
    return [shlex.join(["policygen", *([name] if name in COMMANDS else []), "--help"])]


_NO_ROLE = frozenset({"PG-E236", "PG-E301", "PG-E303", "PG-E310", "PG-E311", "PG-E312", "PG-E313"})
"""Errors after which a list of the roles and their calls helps."""

_OWN_LOGS = "or leave --logs out: to read the account's trails"
_NO_INPUT = {
    "PG-E201": (_OWN_LOGS, ""),
    "PG-E302": (_OWN_LOGS, ""),
    "PG-E211": ("a snapshot", "snapshot"),
}
"""Errors about files that are not there -> what else there is, and the command that does it; "" for the same one."""

_READING_AWS = frozenset({"suggest", "batch", "roles", "explain", "doctor", "backtest", "trust", "check"})
"""Commands that read logs and the account from AWS where no option names them: `permissions` says with which rights."""

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
