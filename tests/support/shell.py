"""Scripts as GitHub Actions runs them, in a folder with the samples and with commands that stand in for others."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.command import LONG, Done, environment


def settled(folder: Path) -> Path:
    """A folder with the samples, and with policygen among the commands."""
    (folder / "samples").symlink_to(ROOT / "samples")
    (folder / "bin").mkdir()
    stand_in(
        folder, "policygen", f'exec {shlex.quote(str(Path(sys.executable).with_name("policygen")))} "$@"'
    )
    return folder


def stand_in(place: Path, name: str, script: str) -> None:
    """Put a command into the place."""
    path = place / "bin" / name
    path.write_text(f"#!/bin/bash\n{script}\n", "utf-8")
    path.chmod(0o755)


def bash(place: Path, script: str, **variables: str) -> Done:
    """Run a script as GitHub Actions runs it."""
    (place / "script.sh").write_text(script, "utf-8")
    env = environment(place, **variables)
    env["PATH"] = f"{place / 'bin'}:{env['PATH']}"
    made = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", place / "script.sh"],
        cwd=place, env=env, capture_output=True, timeout=LONG, check=False,
    )  # fmt: skip
    return Done(made.stdout.decode(), made.stderr.decode(), made.returncode)


def judge(name: str, *words: str, text: str | None = None) -> None:
    """Let a program judge, if it is installed: it finds nothing."""
    program = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if not program:
        pytest.skip(f"{name} is not installed")
    done = subprocess.run(
        [program, *words], input=text, capture_output=True, timeout=LONG, check=False, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
