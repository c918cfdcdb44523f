"""Starts the command line. Ctrl-C while it is still being imported ends it as Ctrl-C later does: a word, exit 130."""

from __future__ import annotations

import atexit
import gc
import sys


def start_command_line() -> None:
    """Import the command line, which takes a while, and run it."""
    gc.set_threshold(
        1_000_000, 50, 100
    )  # imports and the reading of a trail make many objects and few cycles
    atexit.register(
        gc.freeze
    )  # the system takes back all memory: Python need not look for cycles in it at the end
    try:
        from policygen.cli.app import main
    except KeyboardInterrupt:
        print("stopped by Ctrl-C, exit 130", file=sys.stderr)
        sys.exit(130)
    main()
