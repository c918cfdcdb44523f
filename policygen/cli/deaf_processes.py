"""Worker processes that do not hear Ctrl-C, not even while they start, and that import nothing of the current folder.

A terminal sends Ctrl-C to all processes of a command. A worker that is still importing would answer with a traceback.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess


@contextmanager
def _ctrl_c_held() -> Iterator[None]:
    """Hold Ctrl-C back in this thread, as a process that is started here does for good; where the system can."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_SAFE_PATH = "PYTHONSAFEPATH"
"""Without it a process that is started by ``-c`` finds a ``multiprocessing.py`` of the current folder first.

Source: https://docs.python.org/3/using/cmdline.html#envvar-PYTHONSAFEPATH
"""


@contextmanager
def _current_folder_left_out() -> Iterator[None]:
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before


class DeafProcess(SpawnProcess):
    """A process that Ctrl-C does not reach."""

    def start(self) -> None:
        """Start the process; it inherits the signals that are held back, and where it may not look for modules."""
        with _ctrl_c_held(), _current_folder_left_out():
            super().start()


class DeafContext(SpawnContext):
    """Starts such processes; not by fork, because the parent may have threads, for example of an HTTP client."""

    Process = DeafProcess

    def __init__(self) -> None:
        super().__init__()
        if os.name == "posix":  # a pool starts it before its first process
            from multiprocessing import resource_tracker

            with _current_folder_left_out():
                resource_tracker.ensure_running()
