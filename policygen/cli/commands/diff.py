"""policygen diff: compares two policies by what they allow, not by their text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from policygen.cli.options import DetailsOption, format_option
from policygen.cli.screen import Color, ColorOption
from policygen.gate.repository.files import policies_of


def command(
    old: Annotated[
        Path,
        typer.Argument(metavar="OLD", help="A policy file, or a folder of policies that apply together."),
    ],
    new: Annotated[
        Path, typer.Argument(metavar="NEW", help="The policy that replaces it; - reads standard input.")
    ],
    format_: Annotated[str, format_option("text", "json")] = "text",
    exit_code: Annotated[
        bool,
        typer.Option("--exit-code", help="Exit 1 if they do not allow the same.", rich_help_panel="Output"),
    ] = False,
    never_wider: Annotated[
        bool,
        typer.Option("--never-wider", help="Exit 1 if the new one may allow more.", rich_help_panel="Output"),
    ] = False,
    show_all: DetailsOption = False,
    color: ColorOption = Color.AUTO,
) -> None:
    """Compare two policies by what they allow, not by their text.

    Each difference comes with a request that shows it.

    policygen diff iam/orders.json orders-api.json --never-wider
    """
    from policygen.cli.output import write_stdout
    from policygen.cli.screen import write_screen
    from policygen.iam.compare import compare_policies
    from policygen.report.formats import require_format
    from policygen.report.terminal.diff import render_diff_json, render_diff_text

    require_format(format_, ("json", "text"))
    before, after = ([source.policy for source in policies_of(path)] for path in (old, new))
    comparison = compare_policies(before, after)
    if format_ == "json":
        write_stdout(render_diff_json(comparison), utf8=True)
    else:
        write_screen(render_diff_text(comparison, show_all=show_all), color)
    wider = comparison.gained or any(grant.side == "new" for grant in comparison.unsure)
    if (exit_code and comparison.verdict != "equal") or (never_wider and wider):
        raise typer.Exit(1)
