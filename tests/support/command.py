"""The command line: `run` calls it in this process, `process` starts one of its own. Both give what a shell would see.

A process takes half a second to start, and a test of a message needs none. Tests of what only a process has (signals,
pipes that close, the locale, what is imported, worker processes) start one.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple
from unittest.mock import patch

from policygen.cli.app import main
from tests.support import ROOT
from tests.support.records import ROLE

LONG = 300
"""Seconds after which a process hangs, also on a machine with much else to do."""

READ = {"source": "dynamodb", "name": "GetItem", "params": {"tableName": "carts"}}
SUGGEST = ("suggest", "-r", ROLE, "-l")
MAKE_ONE = "make one: policygen snapshot, or: aws iam get-account-authorization-details > account.json"


class Done(NamedTuple):
    """A command that has ended."""

    stdout: str
    stderr: str
    code: int


def environment(home: Path, **more: str) -> dict[str, str]:
    """An environment without AWS credentials, from which nothing reaches AWS.

    Processes keep their bytecode, whatever the machine says: to compile it again takes each of them half a second.
    """
    left_out = ("AWS_", "POLICYGEN", "PYTHONDONTWRITEBYTECODE")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
    return (
        kept
        | {
            "HOME": str(home),
            "AWS_CONFIG_FILE": str(home / "no-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(home / "no-credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "PYTHONPATH": str(ROOT),
            "PYTHONIOENCODING": "utf-8",
            "COLUMNS": "80",
            "SOURCE_DATE_EPOCH": "1795737600",  # the day after the samples end, so that their plans do not grow old
            **more,
        }
    )


def heeding_ctrl_c() -> None:
    """As a terminal starts a command: what runs in the background of a script is told to ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def command(*args: object) -> list[str]:
    """The words that start the command line as a process."""
    return [sys.executable, "-m", "policygen", *map(str, args)]


def process(folder: Path, *args: object, text: bytes = b"", **more: str) -> Done:
    """The command line in a process of its own, with a text on standard input."""
    env = environment(folder, **more)
    made = subprocess.run(
        command(*args), cwd=folder, env=env, input=text, capture_output=True, timeout=LONG, check=False
    )
    return Done(made.stdout.decode(), made.stderr.decode(), made.returncode)


def run(folder: Path, *args: object, text: bytes = b"", **more: str) -> Done:
    """The command line in this process: its own folder, environment and streams, which are bytes in the end."""
    env = environment(folder, **more)
    encoding = env["PYTHONIOENCODING"]
    given = io.TextIOWrapper(io.BytesIO(text), encoding)
    out, err = io.BytesIO(), io.BytesIO()
    with (
        contextlib.chdir(folder),
        patch.dict(os.environ, env, clear=True),
        _no_main_module(),
        patch.object(sys, "argv", ["policygen", *map(str, args)]),
        patch.object(sys, "excepthook", sys.excepthook),
        patch.object(sys, "stdin", given),
        patch.object(sys, "stdout", io.TextIOWrapper(out, encoding)),
        patch.object(sys, "stderr", io.TextIOWrapper(err, encoding, errors="backslashreplace")),
        _same_collector(),
    ):
        code = _exit_code()
        sys.stdout.flush()
        sys.stderr.flush()
        return Done(out.getvalue().decode(), err.getvalue().decode(), code)


def with_next(stderr: str, args: Sequence[object]) -> str:
    """The error as a user sees it: wrong usage ends with the command's help where no hint is a command."""
    hints = [line.removeprefix("  hint: ") for line in stderr.splitlines()[1:]]
    told = any(hint.startswith("policygen ") for hint in hints)
    return (
        stderr
        if told or not re.search("exit [24]\n", stderr)
        else f"{stderr}  hint: policygen {args[0]} --help\n"
    )


_CACHE = tempfile.TemporaryDirectory()


def run_in_root(*args: object, **more: str) -> Done:
    """The command line where the documents run it, in the root of the repository; with a cache of our own."""
    return run(ROOT, *args, **{"HOME": _CACHE.name, **more})


def _exit_code() -> int:
    try:
        main()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    return 0


@contextlib.contextmanager
def _no_main_module() -> Iterator[None]:
    """Hides pytest: the usage line names the program that runs, and workers import it."""
    ours, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = ours


@contextlib.contextmanager
def _same_collector() -> Iterator[None]:
    """Undoes what a command does to the garbage collector for the rest of its process."""
    try:
        yield
    finally:
        gc.unfreeze()
