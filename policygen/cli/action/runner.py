"""The runner of GitHub Actions as a step sees it: inputs, outputs, annotations, and the programs that a step starts.

Inputs are variables of the environment. Each becomes one word of a command line, as ``--option=value``, so that none
can be another option. The runner takes commands from both streams: at the start of a line ``::command``, and at any
place of it ``##[command]``.

Sources:
    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
    https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
"""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

_ERROR = re.compile(r"^error: (.*), exit [0-9]+$", re.M)
_COMMAND = re.compile(r"^(\s*):(?=:)|##(?=\[)", re.M)


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit code, and what it wrote."""

    code: int
    output: bytes
    errors: str


@dataclass(frozen=True)
class Runner:
    """A job on a runner.

    Args:
        variables: the environment: inputs of the step, and what the runner tells of the job.
    """

    variables: Mapping[str, str]

    # --- What comes in ---

    def value(self, name: str) -> str:
        """Return an input; "" where it is not given."""
        return self.variables.get(name, "")

    def lines(self, name: str) -> list[str]:
        """Return the lines of an input that are not empty, without the blanks around them."""
        return [line for one in self.value(name).split("\n") if (line := one.strip(" \t\r"))]

    def temporary(self, name: str) -> Path:
        """Return the path of a file outside the checkout, which lasts as long as the job."""
        return Path(self.variables["RUNNER_TEMP"], name)

    # --- What goes out ---

    def put_out(self, **outputs: str) -> None:
        """Put out what later steps read; a value may have any text, and ends where a random word says so."""
        end = secrets.token_hex(16)
        with Path(self.variables["GITHUB_OUTPUT"]).open(
            "a", encoding="utf-8", errors="surrogateescape"
        ) as file:
            file.writelines(f"{name}<<{end}\n{value}\n{end}\n" for name, value in outputs.items())

    def summarize(self, text: str) -> None:
        """Add Markdown to the page of the job, where there is one."""
        if path := self.value("GITHUB_STEP_SUMMARY"):
            with Path(path).open("a", encoding="utf-8", errors="surrogateescape") as file:
                file.write(text)

    def refuse(self, reason: str, title: str, outcome: str) -> NoReturn:
        """End the job, and say why at the places where people look."""
        annotate("error", reason, title)
        self.summarize(not_done(outcome, reason))
        sys.exit(1)

    # --- What is started ---

    def policygen(self, *words: str, shown: bool = False) -> Ended:
        """Run policygen in the checkout, as the action has installed it.

        Args:
            words: its arguments.
            shown: its output goes to the log of the job, and is not returned.
        """
        program = self.temporary("policygen") / "bin" / "policygen"
        sys.stdout.flush()
        made = subprocess.run(  # noqa: S603 - no shell, and each input is one word
            (program, *words),
            env=self._environment(),
            stdout=None if shown else subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=False,
        )
        ended = Ended(made.returncode, made.stdout or b"", made.stderr.decode("utf-8", "replace"))
        sys.stderr.write(_COMMAND.sub(r"\1# ", ended.errors))
        sys.stderr.flush()
        return ended

    def github(self, *words: str) -> Ended:
        """Ask GitHub with `gh api`, in a folder where no setting of the checkout is found."""
        made = subprocess.run(  # noqa: S603 - no shell, and each input is one word
            ("gh", "api", *words),  # noqa: S607 - the runner's own
            env=self._environment(),
            cwd=self.variables["RUNNER_TEMP"],
            capture_output=True,
            check=False,
        )
        return Ended(made.returncode, made.stdout, " ".join(made.stderr.decode("utf-8", "replace").split()))

    def _environment(self) -> dict[str, str]:
        """Return the environment without what Python reads from it, which may name files of the checkout."""
        kept = {name: value for name, value in self.variables.items() if not name.startswith("PYTHON")}
        return kept | {"PYTHONSAFEPATH": "1"}  # for the processes that policygen starts


def cause(errors: str) -> str:
    """Return the first error of what policygen wrote, as one line; "" without one."""
    found = _ERROR.search(errors)
    return found[1] if found else ""


def annotate(level: str, text: str, title: str = "") -> None:
    """Write a text as an annotation of a level: error, warning or notice."""
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    print(f"::{level}{f' title={title}' if title else ''}::{escaped}", flush=True)


def not_done(outcome: str, text: str) -> str:
    """Return Markdown that says what was not done, and the reason as it is: text that is indented can do nothing."""
    indented = "".join(f"    {line}\n" for line in text.splitlines())
    return f"### policygen: {outcome}\n\n{indented}"


@contextmanager
def commands_stopped() -> Iterator[None]:
    """Let the runner take no commands meanwhile, until a random word: names from the log are shown."""
    end = secrets.token_hex(16)
    print(f"::stop-commands::{end}", flush=True)
    try:
        yield
    finally:
        print(f"::{end}::", flush=True)
