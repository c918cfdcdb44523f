"""The folder of the plans in a pull request: only those of the night count, by what GitHub says of their run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from policygen.cli.action.runner import Runner

FETCH_ERRORS = "policygen-fetch.txt"
"""What was said where the plans could not be fetched; the check shows it."""


def empty(runner: Runner) -> None:
    """Empty the folder: a plan in the repository, or in a cache of its pull request, is one that its author made."""
    folder = runner.value("PLANS")
    if Path.cwd().is_relative_to(Path(folder).resolve()):
        _refuse(runner, "holds the repository: give plans one of its own")
    if _is_tracked(folder):
        _refuse(runner, "holds a file of the repository: plans come from the night alone")
    brought = runner.value("WORKFLOW" if runner.value("MODE") == "check" else "CACHE")
    if brought in {"", "false"}:  # another step brings them, and answers for them
        return
    place = Path(folder)
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def _is_tracked(folder: str) -> bool:
    """Return whether the repository has a file there; a checkout without git's folder tells nothing.

    No setting of the repository starts a program, and no folder in it passes for a repository.
    """
    settings = ("safe.directory=*", "safe.bareRepository=explicit", "core.fsmonitor=false")
    words = (*(word for one in settings for word in ("-c", one)), "ls-files", "--", folder)
    try:
        told = subprocess.run(  # noqa: S603 - no shell, and the folder is one word
            ("git", "--literal-pathspecs", *words),  # noqa: S607 - the runner's own
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:  # a container without git: the checkout is then a download
        return False
    return bool(told.stdout)


def _refuse(runner: Runner, reason: str) -> None:
    runner.refuse(f"the folder of the plans {reason}", "policygen", "**not run**")


def fetch(runner: Runner) -> None:
    """Fetch the plans of the night; where there are none that count, the check says so."""
    age = runner.value("MAX_PLAN_AGE")
    ended = runner.policygen(
        "fetch",
        f"--plans={runner.value('PLANS')}",
        f"--workflow={runner.value('WORKFLOW')}",
        f"--repository={runner.value('GITHUB_REPOSITORY')}",
        *([f"--max-plan-age={age}"] if age else []),
        shown=True,
    )
    runner.temporary(FETCH_ERRORS).write_text(ended.errors, "utf-8")
    runner.put_out(fetched=str(ended.code))
