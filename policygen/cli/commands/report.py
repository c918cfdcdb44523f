"""policygen report: saved plans in any format, without logs and without AWS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from policygen.cli.inputs import message_sink
from policygen.cli.options import ExportOption, FormatOption, QuietOption, SummaryOption


def command(
    plans: Annotated[list[Path], typer.Argument(help="Plans that suggest or batch saved.")],
    format_: FormatOption = "text",
    export: ExportOption = None,
    summary: SummaryOption = False,
    show_all: Annotated[bool, typer.Option("--all", help="List everything on the screen.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Render saved plans again, in any format.

    policygen report plans/orders-api.json

    policygen report plans/orders-api.json -f policy > orders-api.json

    policygen report plans/ -f sarif > policygen.sarif
    """
    from policygen.cli.output import add_to_summary, ascii_only, read_plans, summary_file, write_stdout
    from policygen.errors import UsageError
    from policygen.files import check_writable, write_file
    from policygen.report.formats import format_of, render, render_all, require_format
    from policygen.text import escape_controls

    exports = [(path, format_of(str(path))) for path in export or []]
    for path, _ in exports:
        check_writable(path)
    require_format(format_)
    step = summary_file() if summary else None
    found = read_plans(plans)
    if exports and len(found) > 1:
        raise UsageError(
            f"--export takes one plan, and {len(found)} are given",
            "give one plan a time, or read stdout",
            code="PG-E271",
        )
    options = {"show_all": show_all, "ascii_only": ascii_only()}
    talk = message_sink(quiet=quiet)
    try:
        files = [(path, kind, render(kind, found[0], **options)) for path, kind in exports]
        parts = [render("markdown", one) for one in found] if step else []
        text = render_all(format_, found, **options)
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        # A plan that policygen saved has none of this; one that somebody edited may have anything.
        names = ", ".join(escape_controls(str(path)) for path in plans[:3])
        raise UsageError(
            f"a plan cannot be rendered: {names}: {escape_controls(str(error))[:80]} ({type(error).__name__})",
            "it is not as suggest or batch saved it: make it again",
            code="PG-E270",
        ) from None
    for path, kind, written in files:
        write_file(path, written)
        talk(f"wrote {path} ({kind})")
    if step:
        talk(add_to_summary(step, parts))
    write_stdout(text, utf8=format_ != "text")
