"""What the base branch has checked and accepts, read from git as the action reads it from GitHub."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from policygen.configuration import OWN, SHARED, read_configuration
from policygen.errors import UsageError
from policygen.files import write_file
from policygen.text import escape_controls

_BASELINE = "policygen-baseline.json"
"""What the guide calls the baseline."""


class BaseFiles(NamedTuple):
    """What a base branch has checked and accepts, and what this change accepts."""

    roles_before: Path | None
    """Its configuration; None where it has none there, or nobody asked."""
    baseline: Path | None
    """The baseline of this change; None where there is none."""
    baseline_before: Path | None
    """That of the base branch; None where this change has none."""


def files_of_base(
    ref: str, baseline: Path | None, folder: Path, warn: Callable[[str], None], *, roles: bool
) -> BaseFiles:
    """Write the files of a base branch into a folder.

    Without ``--baseline`` it is ``policygen-baseline.json`` beside the configuration, if it is there. A file that the
    base branch does not have accepts nothing.

    Args:
        ref: the branch or commit.
        baseline: the baseline that the command line names; None for none.
        folder: where the files are written.
        warn: takes what is not compared.
        roles: whether the configuration says what is checked.

    Raises:
        UsageError: PG-E248, there is no git, it does not know the branch, or it cannot read its files.
    """
    from policygen.gate.baseline import EMPTY

    place = read_configuration().path
    root = place.parent if place else Path()
    _require_commit(ref, root)
    roles_before = _configuration_at(ref, root, folder, warn) if roles else None
    if baseline is None and not (root / _BASELINE).is_file():
        return BaseFiles(roles_before, None, None)
    baseline = baseline or root / _BASELINE
    accepted = _file_at(ref, baseline)
    write_file(folder / _BASELINE, EMPTY if accepted is None else accepted)
    return BaseFiles(roles_before, baseline, folder / _BASELINE)


def _configuration_at(ref: str, root: Path, folder: Path, warn: Callable[[str], None]) -> Path | None:
    """Write the configuration as a commit has it, and return its file; None where the commit has none there."""
    for name in (OWN, SHARED):
        if (text := _file_at(ref, root / name)) is not None:
            write_file(folder / name, text)
            return folder / name
    shown, where = escape_controls(ref), escape_controls(str(root.resolve()))
    warn(f"warning: {shown} has no {OWN} in {where}: which roles it has checked is not compared")
    return None


def _require_commit(ref: str, root: Path) -> None:
    if ref.startswith("-") or _git(root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}") is None:
        raise UsageError(
            f"--before {escape_controls(ref)[:80]!r}: git has no such branch or commit here",
            "git fetch origin main, and give --before origin/main",
            code="PG-E248",
        )


def _file_at(ref: str, file: Path) -> str | None:
    """Return a file as a commit has it; None where it does not have it.

    Raises:
        UsageError: PG-E248, git cannot tell, as in a clone that lacks some of the branch.
    """
    listed = _git(file.parent, "ls-tree", ref, "--", file.name)
    text = _git(file.parent, "show", f"{ref}:./{file.name}") if listed else listed
    if text is None:
        raise UsageError(
            f"--before {escape_controls(ref)[:80]!r}: git cannot read {escape_controls(str(file))!r} of it here",
            "git fetch --refetch origin main, without a filter",
            code="PG-E248",
        )
    return text if listed else None


def _git(folder: Path, *words: str) -> str | None:
    """Return what git says in a folder; None where it fails.

    Raises:
        UsageError: PG-E248, there is no git.
    """
    command: Sequence[str] = ("git", "-C", str(folder), *words)
    try:
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - no shell, no option
    except OSError as error:
        raise UsageError(
            f"--before reads the base branch with git, which cannot be run here: {error.strerror}",
            "install git, or give its files: --roles-before and --baseline-before",
            code="PG-E248",
        ) from error
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
