"""policygen fetch: takes the plans of a night from GitHub, if they are of the default branch."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Annotated

import typer

from policygen.cli.options import QuietOption


def command(
    *,
    plans: Annotated[
        Path, typer.Option("--plans", metavar="DIR", help="Folder for the plans; new or empty.")
    ],
    repository: Annotated[str, typer.Option("--repository", metavar="OWNER/NAME", help="On GitHub.")],
    workflow: Annotated[
        str, typer.Option("--workflow", metavar="FILE", help="The workflow that makes the plans.")
    ] = "policygen-plans.yml",
    max_plan_age: Annotated[
        int | None,
        typer.Option("--max-plan-age", metavar="DAYS", min=0, help="Refuse a run that is older (exit 3)."),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Fetch the plans that a workflow made on the default branch.

    They are those of its last success there. GitHub has to say that the run is of this repository, this workflow, the
    default branch and one of its commits; plans of anything else are refused (exit 3). Needs gh, and its login.

    policygen fetch --repository acme/shop --plans night

    policygen fetch --repository acme/shop --plans night --workflow plans.yml
    """
    from policygen.cli.inputs import message_sink
    from policygen.errors import UsageError
    from policygen.gate.provenance import fetch_plans, write_plans
    from policygen.gate.run import today
    from policygen.text import escape_controls, pluralize

    notify = message_sink(quiet=quiet)
    if plans.exists() and (not plans.is_dir() or any(plans.iterdir())):
        raise UsageError(
            f"{escape_controls(str(plans))!r} is there, and not an empty folder: other plans may be in it",
            "give a folder that is not there yet",
            code="PG-E254",
        )
    origin, files = fetch_plans(_ask_github, repository, workflow, today(), max_plan_age)
    write_plans(plans, origin, files)
    notify(f"{pluralize(len(files), 'plan')} of {origin.text}")


def _ask_github(path: str) -> bytes:
    """Return what GitHub's REST API answers, asked with `gh`, which knows the token.

    Raises:
        IncompleteError: PG-E324, it answers with an error.
        UsageError: PG-E255, there is no gh.
    """
    from policygen.errors import IncompleteError, UsageError
    from policygen.text import escape_controls

    try:
        done = subprocess.run(  # noqa: S603 - no shell
            ("gh", "api", path),  # noqa: S607 - the user's own
            cwd=Path.home().anchor,  # where no setting of the current folder is found, which may be a stranger's
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise UsageError(
            f"GitHub is asked with gh, which cannot be run here: {error.strerror}",
            "install gh (https://cli.github.com), and log in: gh auth login",
            code="PG-E255",
        ) from error
    if done.returncode:
        told = escape_controls(" ".join(done.stderr.decode("utf-8", "replace").split()))[:200]
        raise IncompleteError(
            f"no plans to check by: GitHub does not answer {path.partition('?')[0]}: {told}",
            "the token has to read: actions: read and contents: read; and the workflow has to be on the default branch",
            code="PG-E324",
        )
    return done.stdout
