"""Worker processes that do not hear Ctrl-C, not even while they start.

A terminal sends Ctrl-C to all processes of a command. A worker that is still importing would answer with a traceback.
"""

from __future__ import annotations

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


class DeafProcess(SpawnProcess):
    """A process that Ctrl-C does not reach."""

    def start(self) -> None:
        """Start the process; it inherits the signals that are held back."""
        with _ctrl_c_held():
            super().start()


class DeafContext(SpawnContext):
    """Starts such processes; not by fork, because the parent may have threads, for example of an HTTP client."""

    Process = DeafProcess
