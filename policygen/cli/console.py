"""Messages and progress on stderr: a terminal shows one changing line, anything else gets a line every ten seconds."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING, TextIO

from policygen.errors import PolicygenError, UsageError
from policygen.text import escape_controls

if TYPE_CHECKING:
    from policygen.logs.reader import Progress


def log_line(line: str) -> None:
    """Print a line to stderr, with control characters escaped; where stderr takes nothing, nobody can be told."""
    with suppress(OSError):
        LINE.clear()
        print(escape_controls(line), file=sys.stderr, flush=True)


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
    from policygen.cli.usage import next_command

    log_line(f"error: {error.message}  {error.code}, exit {error.exit_code}")
    command = next_command(error, sys.argv[1:])
    for hint in (*error.hints, *([command] if command else [])):
        log_line(f"  hint: {hint}")
    return error.exit_code


EVERY = 10.0
"""Seconds between two lines where stderr is not a terminal."""

REDRAW = 0.1
"""Seconds between two updates of the line on a terminal."""

TICK = 1.0
"""Seconds after which the line is drawn again without progress, because the remaining time changes."""

BAR = 8
"""Width of the bar, in columns."""

WIDTH = 80
"""Width of a terminal that does not report one, in columns."""


class ProgressLine:
    """The line on stderr that changes; writes nothing where stderr is not a terminal. Thread-safe."""

    def __init__(self) -> None:
        self._length = 0
        self._lock = RLock()

    def show(self, text: str) -> None:
        """Replace the text of the line."""
        if not sys.stderr.isatty():
            return
        with self._lock:
            text = text[: width() - 1]
            _draw(f"\r{text:<{self._length}}")
            self._length = len(text)

    def clear(self) -> None:
        """Remove the line, so that something else can be written."""
        with self._lock:
            if self._length:
                _draw(f"\r{'':{self._length}}\r")
                self._length = 0


def _draw(text: str) -> None:
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


class ProgressBar:
    """The progress of reading logs or of right-sizing roles, and the time that is left."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._terminal = sys.stderr.isatty()
        # A terminal shows the first state at once.
        self._shown = self._begin - (REDRAW if self._terminal else 0)
        # The current text, given the seconds since the beginning.
        self._text: Callable[[float], str] | None = None
        self._already: int | None = None
        self._closed = Event()
        self._lock = RLock()

    def __call__(self, state: Progress) -> None:
        """Take a state of reading, and show it if enough time has passed since the last one."""
        if not state.objects:  # reading begins here: the time before it must not count in the estimate
            self._begin = time.monotonic()
        self._update(
            lambda seconds: _with_bar(state, seconds) if self._terminal else describe(state, seconds)
        )

    def roles(self, done: int, total: int) -> None:
        """Take how many roles are done, and show it if enough time has passed."""
        self._update(lambda seconds: describe_roles(done, total, seconds))

    def reports(self, done: int, total: int) -> None:
        """Take how many roles have their last-accessed report, and show it if enough time has passed."""
        if self._already is None:  # the time before counts no more than the reports that were there
            self._already, self._begin = done, time.monotonic()
        already = self._already
        self._update(lambda seconds: describe_reports(done, total, already, seconds))

    def close(self) -> None:
        """Stop the updates and remove the line."""
        self._closed.set()
        with self._lock:
            self._text = None
        LINE.clear()

    def _update(self, text: Callable[[float], str]) -> None:
        with self._lock:
            if self._text is None and not self._closed.is_set():
                Thread(target=self._tick, name="policygen-progress", daemon=True).start()
            self._text = text
        self._show()

    def _tick(self) -> None:
        while not self._closed.wait(TICK if self._terminal else EVERY):
            self._show()

    def _show(self) -> None:
        with self._lock:
            now = time.monotonic()
            if self._text is None or now - self._shown < (REDRAW if self._terminal else EVERY):
                return
            self._shown = now
            text = self._text(now - self._begin)
            if self._terminal:
                LINE.show(text)
            else:
                _draw(f"policygen: {text}\n")


def describe(state: Progress, seconds: float) -> str:
    """Return the progress as text: files, megabytes, events read, matching events and the time left, where known."""
    done = _share(state)
    parts = [f"{_short(state.objects)}/{_short(state.of_objects)} files"]
    if state.of_size:
        unit, name = (1e9, "GB") if state.of_size >= 1e10 else (1e6, "MB")
        parts.append(f"{state.size / unit:,.0f}/{state.of_size / unit:,.0f} {name}")
    parts.append(f"{_short(state.records)} events")
    if state.matches is not None:
        parts.append(f"{_short(state.matches)} matches")
    if 0 < done < 1:
        parts.append(f"{_span(seconds / done - seconds)} left")
    return f"read {', '.join(parts)}"


def describe_roles(done: int, total: int, seconds: float) -> str:
    """Return the progress as text: roles done, and the time left."""
    left = f", {_span(seconds / done * (total - done))} left" if 0 < done < total else ""
    return f"right-sized {done:,} of {total:,} roles{left}"


def describe_reports(done: int, total: int, already: int, seconds: float) -> str:
    """Return the progress as text: roles whose last-accessed reports were read, and the time left.

    Args:
        done: roles with an answer.
        total: all roles.
        already: roles that had one when the reading began.
        seconds: since then.
    """
    made = done - already
    left = f", {_span(seconds / made * (total - done))} left" if made and done < total else ""
    return f"read what IAM saw of {done:,} of {total:,} roles{left}"


def _with_bar(state: Progress, seconds: float) -> str:
    """Return the progress with a bar in front, where the terminal has room for it."""
    text = describe(state, seconds)
    full = int(BAR * _share(state))
    bar = f"[{'#' * full}{'.' * (BAR - full)}] {text.removeprefix('read ')}"
    return bar if len(bar) < width() else text


def _share(state: Progress) -> float:
    """Return the share that is done, from 0 to 1: by bytes, or by files where sizes are not known."""
    done, whole = (state.size, state.of_size) if state.of_size else (state.objects, state.of_objects)
    return done / whole if whole else 1.0


def _short(number: int) -> str:
    """Return a number in at most five characters: ``9,999``, ``412k``, ``1.23M``."""
    if number < 10_000:
        return f"{number:,}"
    return f"{number / 1e3:.0f}k" if number < 999_500 else f"{number / 1e6:,.3g}M"


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
