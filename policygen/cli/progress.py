"""Progress on stderr: a terminal shows a bar with rate and time left, anything else gets a line every ten seconds."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING, Protocol

from policygen.cli.console import LINE, draw

if TYPE_CHECKING:
    from policygen.logs.reader import Progress

EVERY = 10.0
"""Seconds between two lines where stderr is not a terminal."""

DELAY = 0.5
"""Seconds of work before a terminal shows a bar: shorter work does not wait for the bar's own start."""


class Display(Protocol):
    """Where progress is shown."""

    def show(self, share: float, says: Callable[[int], str]) -> None:
        """Take the share that is done, from 0 to 1, and its text for a number of columns, asked for at each drawing."""

    def close(self) -> None:
        """Remove what is shown and stop."""


class ProgressBar:
    """The progress of reading logs or of right-sizing roles. Thread-safe."""

    def __init__(self) -> None:
        self._start = self._begin = time.monotonic()
        self._already: int | None = None
        self._display: Display | None = None
        self._closed = False
        self._lock = RLock()

    def __call__(self, state: Progress) -> None:
        """Take a state of reading."""
        if not state.objects:  # reading begins here: the time before it must not count in the estimate
            self._begin = time.monotonic()
        self._update(_share(state), lambda seconds, room: describe(state, seconds, room))

    def roles(self, done: int, total: int) -> None:
        """Take how many roles are done."""
        self._update(done / max(1, total), lambda seconds, _: describe_roles(done, total, seconds))

    def reports(self, done: int, total: int) -> None:
        """Take how many roles have their last-accessed report."""
        if self._already is None:  # the time before counts no more than the reports that were there
            self._already, self._begin = done, time.monotonic()
        already = self._already
        self._update(done / max(1, total), lambda seconds, _: describe_reports(done, total, already, seconds))

    def close(self) -> None:
        """Remove what is shown; later states are not shown."""
        with self._lock:
            self._closed = True
            if self._display:
                self._display.close()
        LINE.clear()

    def _update(self, share: float, text: Callable[[float, int], str]) -> None:
        with self._lock:
            if self._display is None:
                self._display = self._open()
            if self._display and not self._closed:
                self._display.show(share, lambda room: text(time.monotonic() - self._begin, room))

    def _open(self) -> Display | None:
        """Return where to show progress; None while it is too early for it."""
        if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
            return _Lines(self._start)
        if time.monotonic() - self._start < DELAY:
            return None
        from policygen.cli.terminal_bar import TerminalBar

        return TerminalBar()


class _Lines:
    """A plain line every ten seconds, also while nothing gets done."""

    def __init__(self, begin: float) -> None:
        self._shown = begin
        self._says: Callable[[int], str] | None = None
        self._closed = Event()
        self._lock = RLock()
        Thread(target=self._tick, name="policygen-progress", daemon=True).start()

    def show(self, _: float, says: Callable[[int], str]) -> None:
        with self._lock:
            self._says = says
        self._print()

    def close(self) -> None:
        self._closed.set()
        with self._lock:
            self._says = None

    def _tick(self) -> None:
        while not self._closed.wait(EVERY):
            self._print()

    def _print(self) -> None:
        with self._lock:
            now = time.monotonic()
            if self._says and now - self._shown >= EVERY:
                self._shown = now
                draw(f"policygen: {self._says(_ANY)}\n")


_ANY = 1000
"""Columns of a line that nothing limits."""


def describe(state: Progress, seconds: float, room: int = _ANY) -> str:
    """Return the progress as text: files and processes, megabytes, events with their rate, matches, the time left.

    Args:
        state: how far the reading is.
        seconds: since it began.
        room: columns; where they do not suffice, matching events and then megabytes are left out.
    """
    done = _share(state)
    processes = f" in {state.processes} processes" if state.processes > 1 else ""
    files = f"read {_short(state.objects)}/{_short(state.of_objects)} files{processes}"
    unit, name = (1e9, "GB") if state.of_size >= 1e10 else (1e6, "MB")
    size = f", {state.size / unit:,.0f}/{state.of_size / unit:,.0f} {name}" if state.of_size else ""
    events = f", {_short(state.records)} events{_rate(state.records, seconds)}"
    matches = "" if state.matches is None else f", {_short(state.matches)} matches"
    left = f", {_span(seconds / done - seconds)} left" if 0 < done < 1 else ""
    texts = (
        f"{files}{size}{events}{matches}{left}",
        f"{files}{size}{events}{left}",
        f"{files}{events}{left}",
    )
    return next((text for text in texts if len(text) <= room), texts[-1])


def describe_roles(done: int, total: int, seconds: float) -> str:
    """Return the progress as text: roles done, their rate, and the time left."""
    left = f", {_span(seconds / done * (total - done))} left" if 0 < done < total else ""
    return f"right-sized {done:,} of {total:,} roles{_rate(done, seconds)}{left}"


def describe_reports(done: int, total: int, already: int, seconds: float) -> str:
    """Return the progress as text: roles whose last-accessed reports were read, their rate, and the time left.

    Args:
        done: roles with an answer.
        total: all roles.
        already: roles that had one when the reading began.
        seconds: since then.
    """
    made = done - already
    left = f", {_span(seconds / made * (total - done))} left" if made and done < total else ""
    return f"read what IAM saw of {done:,} of {total:,} roles{_rate(made, seconds)}{left}"


def _share(state: Progress) -> float:
    """Return the share that is done, from 0 to 1: by bytes, or by files where sizes are not known."""
    done, whole = (state.size, state.of_size) if state.of_size else (state.objects, state.of_objects)
    return done / whole if whole else 1.0


def _rate(number: int, seconds: float) -> str:
    """Return how many there were a second, in brackets; "" in the first second, which says nothing yet."""
    if seconds < 1 or not number:
        return ""
    rate = number / seconds
    return f" ({rate:.1f}/s)" if rate < 10 else f" ({_short(round(rate))}/s)"


def _short(number: int) -> str:
    """Return a number in at most five characters: ``9,999``, ``412k``, ``1.23M``."""
    if number < 10_000:
        return f"{number:,}"
    return f"{number / 1e3:.0f}k" if number < 999_500 else f"{number / 1e6:,.3g}M"


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
