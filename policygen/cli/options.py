"""Single options that several commands share, each with one text; for options that go together see `option_groups`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

RoleOption = Annotated[str, typer.Option("--role", "-r", help="The role's name or ARN.")]
IncompleteOption = Annotated[
    bool,
    typer.Option("--allow-incomplete", help="Go on where files are damaged, or parts unknown or unproved."),
]
SummaryOption = Annotated[
    bool,
    typer.Option("--summary", help="Also add the markdown to $GITHUB_STEP_SUMMARY, in GitHub Actions."),
]
PlansOption = Annotated[
    Path | None,
    typer.Option(
        "--plans",
        metavar="DIR",
        envvar="POLICYGEN_PLANS",
        help="Folder of saved plans.",
        show_default="policygen's own",
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
AlthoughUsedOption = Annotated[
    bool,
    typer.Option("--although-used", help="Exit 0 although --drop takes permissions that the role needs."),
]


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
