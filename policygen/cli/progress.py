"""How far the reading is, on stderr: a line that changes on a terminal, else a line every ten seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policygen.engine import Progress

EVERY = 10.0
"""Seconds between two lines where stderr is no terminal."""

REDRAWN = 0.1
"""Seconds between two states of the line on a terminal."""


class Bar:
    """Shows the progress of one reading."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._shown = self._begin
        self._terminal = sys.stderr.isatty()
        self._open = False

    def __call__(self, state: Progress) -> None:
        """Shows a state, if enough time went by since the last one."""
        self._show(lambda seconds: describe(state, seconds))

    def roles(self, done: int, total: int) -> None:
        """Shows how many roles are done."""
        self._show(lambda seconds: describe_roles(done, total, seconds))

    def _show(self, describe: Callable[[float], str]) -> None:
        now = time.monotonic()
        if now - self._shown < (REDRAWN if self._terminal else EVERY):
            return
        self._shown = now
        line = describe(now - self._begin)
        if self._terminal:
            sys.stderr.write(f"\r{line:<79.79}")
            self._open = True
        else:
            sys.stderr.write(f"policygen: {line}\n")
        sys.stderr.flush()

    def close(self) -> None:
        """Takes the line away."""
        if self._open:
            sys.stderr.write(f"\r{'':79}\r")
            sys.stderr.flush()
            self._open = False


def describe(state: Progress, seconds: float) -> str:
    """One line of at most 79 characters: files, megabytes, records looked at, and the time that is left."""
    done = state.size / state.of_size if state.of_size else 1.0
    left = f", {_span(seconds / done - seconds)} left" if 0 < done < 1 else ""
    return (
        f"read {state.objects:,} of {state.of_objects:,} files, "
        f"{state.size / 1e6:,.0f} of {state.of_size / 1e6:,.0f} MB, {state.records:,} records{left}"
    )


def describe_roles(done: int, total: int, seconds: float) -> str:
    """One line: roles done, and the time that is left."""
    left = f", {_span(seconds / done * (total - done))} left" if 0 < done < total else ""
    return f"right-sized {done:,} of {total:,} roles{left}"


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
