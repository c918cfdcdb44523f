"""What a screen may use of the terminal behind stdout: its width, colours, and signs beyond ASCII."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import Annotated

import typer


class Color(StrEnum):
    """When screens are coloured."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


ColorOption = Annotated[
    Color,
    typer.Option(
        "--color",
        metavar="WHEN",
        rich_help_panel="Output",
        help="Color the screen: auto (on a terminal), always or never. NO_COLOR and FORCE_COLOR count for auto.",
    ),
]


def screen_width() -> int:
    """Return the columns of a screen: those of the terminal within limits; 80 where stdout is none."""
    from policygen.report.terminal.layout import NARROWEST, WIDEST, WIDTH

    try:
        columns = os.get_terminal_size(sys.stdout.fileno()).columns
    except (AttributeError, OSError, ValueError):
        return WIDTH
    return min(WIDEST, max(NARROWEST, columns)) if columns else WIDTH


def wants_color(color: Color) -> bool:
    """Return whether stdout gets colours: https://no-color.org and its opposite decide where the user did not."""
    if color is Color.NEVER or (color is Color.AUTO and os.environ.get("NO_COLOR")):
        return False
    if color is Color.ALWAYS or os.environ.get("FORCE_COLOR"):
        return True
    return os.environ.get("TERM") != "dumb" and sys.stdout is not None and sys.stdout.isatty()


def write_formatted(text: str, format_: str, color: Color) -> None:
    """Write a text to stdout: a screen as the terminal takes it, any other format as it is.

    Args:
        text: a screen, without control characters; or a document.
        format_: its format; ``text`` for a screen.
        color: when to colour a screen.

    Raises:
        UsageError: PG-E220, stdout does not take it.
    """
    from policygen.cli.output import write_stdout

    if format_ == "text":
        write_screen(text, color)
    else:
        write_stdout(text, utf8=True)


def write_screen(screen: str, color: Color) -> None:
    """Write a screen to stdout, coloured if that is wanted, and in ASCII where stdout takes nothing else.

    Raises:
        UsageError: PG-E220, stdout does not take it.
    """
    from policygen.cli.output import ascii_only, write_stdout
    from policygen.report.terminal.colour import coloured
    from policygen.report.terminal.layout import in_ascii

    text = coloured(screen) if wants_color(color) else screen
    write_stdout(in_ascii(text) if ascii_only() else text)
