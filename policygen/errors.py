"""Every expected failure, with the text a person reads and the exit code a script reads.

Exit codes: 0 done, 1 a gate said no, 2 wrong usage, 3 incomplete evidence, 4 nothing found,
5 AWS refused or unreachable, 70 bug, 130 Ctrl-C. An error names the value and the cause; each hint
is one next step, the most likely first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial


class PolicygenError(Exception):
    """An expected failure.

    Args:
        message: what happened, with the value that caused it; one line.
        hints: what to do next; one line each.
        code: the stable id of this failure, ``PG-Ennn``.
    """

    exit_code = 1

    def __init__(self, message: str, *hints: str, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.hints = hints
        self.code = code

    def __reduce__(self) -> tuple[Callable[[], PolicygenError], tuple[()]]:
        # It may be raised in another process, and an exception is made again from what it was called with.
        return partial(type(self), self.message, *self.hints, code=self.code), ()


class GateError(PolicygenError):
    """A check said no: a proof failed, a policy does not fit, a plan is stale."""

    exit_code = 1


class UsageError(PolicygenError):
    """Wrong arguments, or an input file that is not what it should be."""

    exit_code = 2


class IncompleteError(PolicygenError):
    """The evidence has holes: an answer made from it could be too small."""

    exit_code = 3


class NothingFoundError(PolicygenError):
    """No role, no events, nothing to grant. Never an empty policy."""

    exit_code = 4


class AwsError(PolicygenError):
    """AWS refused, or could not be reached."""

    exit_code = 5
