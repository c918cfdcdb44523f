"""Single options that several commands share, each with one text; for options that go together see `option_groups`."""

from __future__ import annotations

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
