"""The expected failures: a class for each exit code, and a message with hints for people.

Exit codes: 0 done, 1 a gate failed, 2 wrong usage, 3 incomplete evidence, 4 nothing found, 5 AWS refused or
unreachable, 70 bug, 130 Ctrl-C. A message names the value and the cause; each hint is one next step, the most likely
first.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from functools import partial


class PolicygenError(Exception):
    """An expected failure.

    Args:
        message: what happened, with the value that caused it; one line.
        hints: what to do next; one line each.
        code: the stable id of this failure, ``PG-Ennn``.
        instead: a word of the command line that is wrong, and the word that may be meant, "" to leave it out; or "",
            and a word to add. The command line prints the whole command with it.

    Example:
        >>> import policygen as pg
        >>> try:
        ...     pg.suggest("nobody", "samples/trail")
        ... except pg.PolicygenError as error:
        ...     print(error.code, error.exit_code, len(error.hints))
        PG-E310 4 2
    """

    exit_code = 1
    place: tuple[str, int] = ("", 1)
    """The file that is to be mended and its line; "" where the failure is not about one."""

    def __init__(self, message: str, *hints: str, code: str, instead: tuple[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hints = hints
        self.code = code
        self.instead = instead

    def __str__(self) -> str:
        # What a notebook shows of it; the command line prints the parts by itself.
        return "\n".join([f"{self.message}  {self.code}", *(f"  hint: {hint}" for hint in self.hints)])

    def __reduce__(self) -> tuple[Callable[[], PolicygenError], tuple[()]]:
        # A worker may raise it: pickle would call the class with `args` alone, without hints and code.
        return partial(type(self), self.message, *self.hints, code=self.code, instead=self.instead), ()


class GateError(PolicygenError):
    """A gate failed: a proof does not hold, a policy does not fit, a plan is out of date."""

    exit_code = 1


class UsageError(PolicygenError):
    """The arguments are wrong, or an input file has the wrong content."""

    exit_code = 2


def no_such(message: str, value: str, known: Iterable[str], *hints: str, code: str) -> UsageError:
    """Return the error for a value that is none of those that there are, with the nearest of them.

    Args:
        message: what happened, with the value.
        value: what the user wrote.
        known: what there is.
        hints: more hints, which come last.
        code: the stable id of this failure.
    """
    names = list(known)
    close = difflib.get_close_matches(value, names, 1)
    meant = [f"did you mean {close[0]}?"] if close else []
    instead = (value, close[0]) if close else None
    return UsageError(message, *meant, f"there are: {', '.join(names)}", *hints, code=code, instead=instead)


def missing_extra(message: str, extra: str, package: str, *hints: str, code: str) -> UsageError:
    """Return the error for a package that is not installed, with how to install it.

    Args:
        message: what cannot be done without it.
        extra: policygen's extra that brings it.
        package: its name in the package index.
        hints: more hints, which come last.
        code: the stable id of this failure.
    """
    return UsageError(
        message,
        f"pip install '.[{extra}]' in the checkout, with the Python that runs policygen",
        f"pipx inject policygen {package}, where pipx installed it",
        *hints,
        code=code,
    )


class IncompleteError(PolicygenError):
    """The evidence has gaps: a policy made from it could lack permissions."""

    exit_code = 3


class NothingFoundError(PolicygenError):
    """There is no such role, no event, or nothing to grant. An empty policy is never written."""

    exit_code = 4


class AwsError(PolicygenError):
    """AWS refused a request, or could not be reached."""

    exit_code = 5


class BugError(PolicygenError):
    """policygen contradicts itself, and what it found must not be used. The message has numbers and no log content."""

    exit_code = 70
