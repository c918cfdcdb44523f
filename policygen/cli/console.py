"""How far the work is, on stderr: a line that changes on a terminal, else a line every ten seconds."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING

from policygen.errors import PolicygenError
from policygen.text import escape_controls

if TYPE_CHECKING:
    from policygen.logs.reader import Progress


def log_line(line: str) -> None:
    """A line of talk, on stderr."""
    LINE.clear()
    print(escape_controls(line), file=sys.stderr, flush=True)


def report_error(error: PolicygenError) -> int:
    """Prints an expected failure; returns its exit code."""
    log_line(f"error: {error.message}  {error.code}, exit {error.exit_code}")
    for hint in error.hints:
        log_line(f"  hint: {hint}")
    return error.exit_code


EVERY = 10.0
"""Seconds between two lines where stderr is no terminal."""

REDRAWN = 0.1
"""Seconds between two states of the line on a terminal."""

TICK = 1.0
"""Seconds after which the line is drawn again although nothing is done: the time goes on."""

BAR = 8
"""Columns of the bar."""

WIDTH = 80
"""Columns, where the terminal does not tell."""


class ProgressLine:
    """The one line of stderr that changes. Nothing where stderr is no terminal. Serves all threads."""

    def __init__(self) -> None:
        self._drawn = 0
        self._lock = RLock()

    def show(self, text: str) -> None:
        """Shows a text in the place of the one before."""
        if not sys.stderr.isatty():
            return
        with self._lock:
            text = text[: width() - 1]
            sys.stderr.write(f"\r{text:<{self._drawn}}")
            sys.stderr.flush()
            self._drawn = len(text)

    def clear(self) -> None:
        """Takes the line away, so that something else can be written."""
        with self._lock:
            if self._drawn:
                sys.stderr.write(f"\r{'':{self._drawn}}\r")
                sys.stderr.flush()
                self._drawn = 0


LINE = ProgressLine()
"""That of this process."""


def width() -> int:
    """Columns of the terminal that stderr is."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or WIDTH
    except (OSError, ValueError):
        return WIDTH


class ProgressBar:
    """Shows the progress of one reading."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._terminal = sys.stderr.isatty()
        # On a terminal the first state is shown at once.
        self._shown = self._begin - (REDRAWN if self._terminal else 0)
        self._say: Callable[[float], str] | None = None
        self._over = Event()
        self._lock = RLock()

    def __call__(self, state: Progress) -> None:
        """Takes a state, and shows it if enough time went by since the last one."""
        if not state.objects:  # reading begins: what came before says nothing of how long it takes
            self._begin = time.monotonic()
        self._take(lambda seconds: _drawn(state, seconds) if self._terminal else describe(state, seconds))

    def roles(self, done: int, total: int) -> None:
        """Takes how many roles are done."""
        self._take(lambda seconds: describe_roles(done, total, seconds))

    def close(self) -> None:
        """Takes the line away."""
        self._over.set()
        with self._lock:
            self._say = None
        LINE.clear()

    def _take(self, say: Callable[[float], str]) -> None:
        with self._lock:
            if self._say is None and not self._over.is_set():
                Thread(target=self._tick, name="policygen-progress", daemon=True).start()
            self._say = say
        self._show()

    def _tick(self) -> None:
        while not self._over.wait(TICK if self._terminal else EVERY):
            self._show()

    def _show(self) -> None:
        with self._lock:
            now = time.monotonic()
            if self._say is None or now - self._shown < (REDRAWN if self._terminal else EVERY):
                return
            self._shown = now
            text = self._say(now - self._begin)
            if self._terminal:
                LINE.show(text)
            else:
                sys.stderr.write(f"policygen: {text}\n")
                sys.stderr.flush()


def describe(state: Progress, seconds: float) -> str:
    """Files, megabytes, events looked at, those of the role, and the time that is left, as far as they are known."""
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
    """One line: roles done, and the time that is left."""
    left = f", {_span(seconds / done * (total - done))} left" if 0 < done < total else ""
    return f"right-sized {done:,} of {total:,} roles{left}"


def _drawn(state: Progress, seconds: float) -> str:
    """The same with a bar before it, where there is room for one."""
    text = describe(state, seconds)
    full = int(BAR * _share(state))
    bar = f"[{'#' * full}{'.' * (BAR - full)}] {text.removeprefix('read ')}"
    return bar if len(bar) < width() else text


def _share(state: Progress) -> float:
    """How much is done, from 0 to 1: by bytes, by files where their sizes are not known."""
    done, whole = (state.size, state.of_size) if state.of_size else (state.objects, state.of_objects)
    return done / whole if whole else 1.0


def _short(number: int) -> str:
    """A number in few letters: ``9,999``, ``412k``, ``1.23M``."""
    if number < 10_000:
        return f"{number:,}"
    return f"{number / 1e3:.0f}k" if number < 999_500 else f"{number / 1e6:,.3g}M"


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
