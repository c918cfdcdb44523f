"""The progress bar of a terminal, drawn by rich; a module of its own, because rich takes a while to import."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task
from rich.table import Column
from rich.text import Text

from policygen.cli.console import LINE

Says = Callable[[int], str]
"""Returns the progress as text; takes the columns that it has."""

_BAR = 12
"""Width of the bar, in columns."""


class _StderrConsole(Console):
    """A terminal whose cursor stays visible, so that it does so after a process that is killed."""

    def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002
        return False


class _SaysColumn(ProgressColumn):
    """The text beside the bar, made anew at each drawing: the time left goes on although nothing gets done."""

    def __init__(self, room: int) -> None:
        self._room = room
        super().__init__(Column(no_wrap=True, overflow="ellipsis"))

    def render(self, task: Task) -> Text:
        says: Says = task.fields["says"]
        return Text(says(self._room))


class TerminalBar:
    """One line with a bar and a text. What is said meanwhile stands above it."""

    def __init__(self) -> None:
        LINE.clear()
        console = _StderrConsole(file=sys.stderr, highlight=False)
        self._progress = Progress(
            BarColumn(_BAR),
            _SaysColumn(console.width - _BAR - 2),
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._progress.add_task("", total=1.0, says=lambda _: "")
        self._progress.start()
        LINE.say_above = self._say

    def show(self, share: float, says: Says) -> None:
        """Take the share that is done, from 0 to 1, and the text for it."""
        with suppress(OSError):
            self._progress.update(self._task, completed=share, says=says)

    def close(self) -> None:
        """Remove the line."""
        LINE.say_above = None
        with suppress(OSError):
            self._progress.stop()

    def _say(self, text: str) -> None:
        self._progress.console.print(text, markup=False, soft_wrap=True)
