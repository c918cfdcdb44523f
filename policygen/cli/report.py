"""policygen report: saved plans in any format, without logs and without AWS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from policygen.cli.options import QuietOption, talk_of


def command(
    plans: Annotated[list[Path], typer.Argument(help="Plans that suggest or batch saved.")],
    format_: Annotated[
        str, typer.Option("--format", "-f", help="What stdout gets: text, json, policy …")
    ] = "text",
    export: Annotated[
        list[Path] | None,
        typer.Option("--export", help="Also write a file, of one plan; type by suffix; repeatable."),
    ] = None,
    show_all: Annotated[bool, typer.Option("--all", help="List everything on the screen.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Render saved plans again, in any format.

    policygen report plans/orders-api.json

    policygen report plans/orders-api.json -f policy > orders-api.json
    """
    from policygen.cli.output import ascii_only, check_writable, read_plans, write_file, write_stdout
    from policygen.errors import UsageError
    from policygen.report import format_of, known, render

    exports = [(path, format_of(str(path))) for path in export or []]
    for path, _ in exports:
        check_writable(path)
    known(format_)
    found = read_plans(plans)
    if exports and len(found) > 1:
        raise UsageError(
            f"--export takes one plan, and {len(found)} are given",
            "give one plan a time, or read stdout",
            code="PG-E271",
        )
    options = {"show_all": show_all, "ascii_only": ascii_only()}
    talk = talk_of(quiet=quiet)
    for path, kind in exports:
        write_file(path, render(kind, found[0], **options))
        talk(f"wrote {path} ({kind})")
    write_stdout("\n".join(render(format_, one, **options) for one in found), utf8=format_ != "text")
