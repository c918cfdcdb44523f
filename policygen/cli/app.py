"""The command line: thin, and quick to start. One file per command; this one is the way in and the way out.

stdout carries one artefact, stderr all talk. Expected failures are an ``error:`` line and ``hint:`` lines with
the exit code of their kind; anything else is a bug, exit 70.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module

import typer

from policygen.cli.console import LINE, log_line, report_error
from policygen.errors import PolicygenError
from policygen.version import VERSION

EPILOG = (
    "Exit codes: 0 done, 1 a gate said no, 2 wrong usage, 3 incomplete evidence, 4 nothing found, "
    "5 AWS refused or unreachable, 70 bug, 130 Ctrl-C."
)

app = typer.Typer(
    name="policygen",
    help="The smallest IAM policy that lets a role go on doing what CloudTrail saw it do, with a proof.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS = (
    "suggest",
    "batch",
    "report",
    "explain",
    "check",
    "diff",
    "doctor",
    "map",
    "snapshot",
    "permissions",
    "services",
    "schema",
    "data",
    "cache",
    "athena",
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"policygen {VERSION}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """The smallest IAM policy that lets a role go on doing what CloudTrail saw it do, with a proof."""


def _ended(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose ends from outside, Ctrl-C and a closed pipe, have their own exit codes.

    They are met here because further up typer would take them for its own, with other codes and no word. A terminal
    gets a sign of life before anything is imported that takes its time.
    """

    @wraps(command)
    def run(*args: object, **options: object) -> None:
        if options.get("quiet") is False:
            LINE.show("starting")
        try:
            command(*args, **options)
        except KeyboardInterrupt:
            log_line("stopped by Ctrl-C, exit 130")
            raise typer.Exit(130) from None
        except BrokenPipeError:
            # The reader closed the pipe, as `head` does: nobody is left to be told, nor at the last flush.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for stream in (sys.stdout, sys.stderr):
                os.dup2(nowhere, stream.fileno())
            raise typer.Exit(141) from None
        finally:
            LINE.clear()

    return run


for _name in COMMANDS:
    app.command(name=_name)(_ended(getattr(import_module(f"policygen.cli.commands.{_name}"), "command")))  # noqa: B009


def main() -> None:
    """Runs the command line and ends the process with the right exit code."""
    gc.set_threshold(1_000_000, 50, 100)  # reading a trail makes millions of objects and hardly a cycle
    try:
        app()
    except PolicygenError as error:
        sys.exit(report_error(error))
    except Exception as error:  # the last line of defence: a bug must not show log content
        if os.environ.get("POLICYGEN_DEBUG"):
            raise
        place = error.__traceback__
        while place and place.tb_next:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_name}, line {place.tb_lineno}" if place else "unknown place"
        log_line(f"error: policygen has a bug: {type(error).__name__} in {where}  PG-E999, exit 70")
        log_line("  hint: run it again with POLICYGEN_DEBUG=1 for the traceback, and report it")
        sys.exit(70)
