"""Single options that several commands share, each with one text; for options that go together see `option_groups`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

import typer

from policygen.cli.completion import complete_role

RoleOption = Annotated[
    str,
    typer.Option(
        "--role",
        "-r",
        metavar="ROLE",
        help="Name or ARN of the role, or of a Lambda function that runs as it.",
        rich_help_panel="Input",
        autocompletion=complete_role,
    ),
]
IncompleteOption = Annotated[
    bool,
    typer.Option(
        "--allow-incomplete",
        help="Continue when log files are damaged or missing; the result says so.",
        rich_help_panel="Input",
    ),
]
SummaryOption = Annotated[
    bool,
    typer.Option(
        "--summary",
        help="In GitHub Actions: also add the result to the job summary.",
        rich_help_panel="Output",
    ),
]
PlansOption = Annotated[
    Path | None,
    typer.Option(
        "--plans",
        metavar="DIR",
        envvar="POLICYGEN_PLANS",
        help="Folder of saved plans.",
        show_default="policygen's own",
        rich_help_panel="Output",
    ),
]
NoPlanOption = Annotated[bool, typer.Option("--no-plan", help="Save no plan.", rich_help_panel="Output")]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print no progress on stderr.", rich_help_panel="Output")
]
DetailsOption = Annotated[
    bool,
    typer.Option(
        "--details", "--all", help="List everything; nothing is shortened.", rich_help_panel="Output"
    ),
]
AlthoughUsedOption = Annotated[
    bool,
    typer.Option(
        "--although-used",
        help="Exit 0 although --drop removes permissions that the role needs.",
        rich_help_panel="Decisions",
    ),
]


SnapshotsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--snapshot",
        "-s",
        metavar="FILE",
        envvar="POLICYGEN_SNAPSHOT",
        help="Snapshot of an account (policygen snapshot). Repeatable, one for each account.",
        rich_help_panel="Input",
    ),
]


MaxCidrsOption = Annotated[
    int,
    typer.Option(
        "--max-cidrs",
        metavar="N",
        min=1,
        help="Most address blocks that --require source-ip lists.",
        rich_help_panel="Decisions",
    ),
]


def format_option(*names: str) -> Any:
    """Return the option ``--format`` of a command that has only some formats."""
    shown = "|".join(names) if len(names) < 4 else "FORMAT"
    text = "Print as" if len(names) < 4 else f"Print as {', '.join(names)}"
    return typer.Option(
        "--format",
        "-f",
        metavar=shown,
        help=f"{text}.".replace("as.", "in this format."),
        rich_help_panel="Output",
    )


LEFT_OUT = frozenset({"format_", "export", "summary", "show_all", "color", "plans", "no_plan", "quiet"})
"""Options that say nothing of what a plan is made from."""


def given_options(context: typer.Context, *, but: Collection[str]) -> tuple[tuple[str, ...], ...]:
    """Return the options that stand on the command line: each with its value, those that are repeated several times.

    Args:
        context: the command's.
        but: names of parameters that are left out.
    """
    found: list[tuple[str, ...]] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if name in but or source is None or source.name != "COMMANDLINE":
            continue
        value = context.params[name]
        if isinstance(value, bool):
            found.append(((parameter.opts if value else parameter.secondary_opts)[0],))
        else:
            values = value if isinstance(value, (list, tuple)) else [value]
            found += [(parameter.opts[0], str(one)) for one in values]
    return tuple(found)
