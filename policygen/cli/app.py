"""The command line: registers the command, runs one, and ends with its exit code. Each command has its own file.

The result goes to stdout, progress and messages go to stderr. An expected failure prints an ``error:`` line and
``hint:`` lines and ends with the exit code of its class; any other exception is a bug and ends with exit 70.
Help must start quickly, so commands import what is heavy when they run.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from importlib import import_module
from typing import NoReturn

import typer

from policygen.cli.commands import COMMANDS
from policygen.cli.console import LINE, log_line, report_error, silence, unwritable_stdout
from policygen.cli.help import PanelCommand, PanelGroup
from policygen.cli.other_command import other_command
from policygen.cli.usage import PARSER_ERROR, from_parser
from policygen.errors import PolicygenError
from policygen.version import VERSION

EPILOG = (
    "Exit codes: 0 done, 1 a gate said no, 2 wrong usage, 3 incomplete evidence, 4 nothing found, "
    "5 AWS refused or unreachable, 70 bug, 130 Ctrl-C."
)

ABOUT = "Turn CloudTrail logs into a least-privilege IAM policy, with evidence for every permission kept or removed."


def program(words: Sequence[str] = ()) -> typer.Typer:
    """Return the command line, with all commands, or with none but the one that it is called with.

    Importing a command and reading its options takes time, and the help of the whole program alone shows all of them.

    Args:
        words: what stands on the command line after the program's name.
    """
    made = typer.Typer(
        cls=PanelGroup,
        name="policygen",
        help=ABOUT,
        epilog=EPILOG,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(_root)
    for name in [word for word in words[:1] if word in COMMANDS] or COMMANDS:
        made.command(name=name, cls=PanelCommand, rich_help_panel=COMMANDS[name])(
            _with_exit_codes(import_module(f"policygen.cli.commands.{name}").command)
        )
    return made


def _version(requested: bool) -> None:
    if requested:
        typer.echo(f"policygen {VERSION}")
        raise typer.Exit


def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Take the options that come before a command."""


def _with_exit_codes(command: Callable[..., None]) -> Callable[..., None]:
    """Give Ctrl-C and a closed pipe their own exit codes.

    They are caught here because typer would catch them further up, with other codes and without a message. A terminal
    shows a first line before the command imports what is heavy.
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
            # The reader closed the pipe, as `head` does: print no error, and let the last flush at exit fail silently.
            silence(sys.stdout, sys.stderr)
            raise typer.Exit(141) from None
        finally:
            LINE.clear()

    return run


def main() -> None:
    """Run the command line and end the process with the exit code of what happened."""
    _fill_closed_streams()
    try:
        sys.exit(program(sys.argv[1:])(standalone_mode=False) or 0)
    except KeyboardInterrupt:  # while a command is imported
        log_line("stopped by Ctrl-C, exit 130")
        sys.exit(130)
    except PARSER_ERROR as error:
        if "Help" in type(error).__name__:  # no argument at all
            error.show()  # type: ignore[attr-defined]
            sys.exit(2)
        words = sys.argv[1:]
        sys.exit(report_error(other_command(error, words) or from_parser(error, words)))
    except PolicygenError as error:
        sys.exit(report_error(error))
    except OSError as error:
        if error.errno not in _FULL or error.filename:
            _end_with_bug(error)
        # What typer prints itself, as help texts.
        silence(sys.stdout)
        sys.exit(report_error(unwritable_stdout(error.strerror or str(error))))
    except Exception as error:
        _end_with_bug(error)


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})


def _fill_closed_streams() -> None:
    """Open something in place of standard streams that are closed.

    Without stderr, messages would go to stdout (`print` takes None for it), and the first file that is opened would
    get the number of the closed stream. A closed stdout stays None: `write_stdout` says so.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY), encoding="utf-8")


def _end_with_bug(error: Exception) -> NoReturn:
    """End with exit 70. A traceback could show content of the logs, so it is shown on request only."""
    if os.environ.get("POLICYGEN_DEBUG"):
        raise error
    frame = error.__traceback__
    while frame and frame.tb_next:
        frame = frame.tb_next
    where = f"{frame.tb_frame.f_code.co_name}, line {frame.tb_lineno}" if frame else "unknown place"
    log_line(f"error: policygen has a bug: {type(error).__name__} in {where}  PG-E999, exit 70")
    log_line("  hint: run it again with POLICYGEN_DEBUG=1 for the traceback, and report it")
    sys.exit(70)
