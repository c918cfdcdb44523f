"""Commands about a plan's role, whole: with the options by which the plan was made."""

from __future__ import annotations

import shlex
from collections.abc import Container

from policygen.plan.model import Plan
from policygen.text import file_name


def answering_command(plan: Plan, command: str) -> str:
    """Return the command that answers a question, whole: with the options that were given.

    A command of AWS changes what a trail logs, and is long; `doctor` prints one for all questions.
    """
    if command.startswith("policygen suggest "):
        _, _, days = command.partition(" --days ")
        return f"policygen suggest{of_role(plan, EXPLAIN - {'--days'})} --days {days}"
    return command if command.startswith("policygen probation ") else doctor_command(plan)


def doctor_command(plan: Plan) -> str:
    """Return the command that says what the logs can show of a plan's role, and what would let them show more."""
    return f"policygen doctor{of_role(plan, DOCTOR)}"


def show_command(plan: Plan, options: str) -> str:
    """Return the command that shows a plan again in another form: from the saved one, or as it was made."""
    show = f"suggest{of_role(plan)}" if plan.unsaved else f"report {shlex.quote(plan.file or plan.role.name)}"
    return f"policygen {show} {options}"


def script_of(plan: Plan) -> str:
    """Return the name of the file that the screen puts the script of a plan into."""
    return f"{file_name(plan.role.name)}.sh"


DOCTOR = frozenset(
    {
        "--logs", "--days", "--until", "--snapshot", "--live", "--profile", "--region", "--allow-incomplete",
        "--verify-digests", "--public-keys",
    }
)  # fmt: skip
"""The options of `suggest` that `doctor` has too."""

EXPLAIN = DOCTOR | {
    "--traces", "--code", "--no-last-accessed", "--no-inventory", "--accept", "--keep", "--drop", "--decisions",
    "--unverified", "--add-observed", "--resources", "--open", "--exact", "--policy-name",
    "--all-accounts", "--own-account",
}  # fmt: skip
"""The options of `suggest` that `explain` has too."""


def of_role(plan: Plan, options: Container[str] | None = None) -> str:
    """Return the role as it was given, which may be an ARN where a name is not enough, and the options given."""
    inputs = plan.inputs or ()
    role = next((words[1] for words in inputs if words[0] == "--role"), plan.role.name)
    given = [words for words in inputs if words[0] != "--role" and (options is None or words[0] in options)]
    return "".join(f" {shlex.quote(word)}" for words in (("-r", role), *given) for word in words)
