"""Messages on stderr, and the line of a terminal that says what is going on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from threading import RLock
from typing import TextIO

from policygen.errors import PolicygenError, UsageError
from policygen.text import escape_controls


def log_line(line: str) -> None:
    """Print a line to stderr, with control characters escaped; where stderr takes nothing, nobody can be told."""
    text = escape_controls(line)
    with suppress(OSError):
        if LINE.say_above:
            LINE.say_above(text)
        else:
            LINE.clear()
            print(text, file=sys.stderr, flush=True)


def silence(*streams: TextIO) -> None:
    """Send what is still in the buffers of streams nowhere, so that the last flush at exit does not fail again."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        with suppress(OSError, ValueError):
            os.dup2(devnull, stream.fileno())


def unwritable_stdout(reason: str) -> UsageError:
    """Return the error for a result that stdout does not take."""
    return UsageError(
        f"cannot write the result to stdout: {reason}",
        "send it to a file on a device that has room, or to a program that reads it",
        code="PG-E220",
    )


def report_error(error: PolicygenError) -> int:
    """Print an expected failure, its hints and the command to try next; return its exit code."""
    from policygen.cli.usage import last_hints

    log_line(f"error: {error.message}  {error.code}, exit {error.exit_code}")
    for hint in (*error.hints, *last_hints(error, sys.argv[1:])):
        log_line(f"  hint: {hint}")
    return error.exit_code


WIDTH = 80
"""Width of a terminal that does not report one, in columns."""


class ProgressLine:
    """The line on stderr that changes; writes nothing where stderr is not a terminal. Thread-safe."""

    def __init__(self) -> None:
        self._length = 0
        self._lock = RLock()
        self.say_above: Callable[[str], None] | None = None
        """Writes a line above a bar that is on the terminal; None while there is none."""

    def show(self, text: str) -> None:
        """Replace the text of the line."""
        if not sys.stderr.isatty():
            return
        with self._lock:
            text = text[: width() - 1]
            draw(f"\r{text:<{self._length}}")
            self._length = len(text)

    def clear(self) -> None:
        """Remove the line, so that something else can be written."""
        with self._lock:
            if self._length:
                draw(f"\r{'':{self._length}}\r")
                self._length = 0


def draw(text: str) -> None:
    """Write progress to stderr; where it takes none, go on without."""
    with suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


LINE = ProgressLine()
"""The line of this process."""


def width() -> int:
    """Return the width of the terminal behind stderr, in columns."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or WIDTH
    except (OSError, ValueError):
        return WIDTH
