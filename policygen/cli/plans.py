"""Saves plans where they are found again by their roles' names, and says what a saved one rests on."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from policygen.errors import AwsError, NothingFoundError, UsageError
from policygen.files import write_file
from policygen.plan.saved import account_in, find_plan, own_folder
from policygen.text import escape_controls, file_name, sanitize

if TYPE_CHECKING:
    from policygen.cli.option_groups import LogInput
    from policygen.plan.model import Plan


def plan_file(folder: Path, plan: Plan) -> Path:
    """Return the path of a saved plan in a folder: the name of its role."""
    return folder / f"{file_name(plan.role.name)}.json"


def save_plan(plan: Plan, folder: Path | None, notify: Callable[[str], None]) -> None:
    """Save a plan under its role's name; arguments as for `save_content`."""
    from policygen.plan.fast_json import to_bytes

    name, role = plan_file(Path(), plan), sanitize(plan.role.name)
    save_content(to_bytes(plan.stored), name, folder, notify, f"policygen report {role}")


def save_content(
    content: bytes, name: Path, folder: Path | None, notify: Callable[[str], None], command: str
) -> None:
    """Save a plan for the owner alone: in policygen's own folder, and in another one.

    A plan has names and addresses of all callers. A failure is a warning, because the result on stdout matters more.
    A plan of another window or account is replaced, and that is always said.

    Args:
        content: of the file.
        name: of the file, below a folder of plans.
        folder: the folder that the user wants it in; None for none.
        notify: takes the message.
        command: what prints the plan.
    """
    from policygen.cli.console import log_line

    path, options = name, ""
    for place in (own_folder(), *([folder] if folder else [])):
        path = place / name
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.mkdir(mode=0o700, exist_ok=True)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            theirs, mine = _heads(path, content)
            before = _other_window(theirs, mine) if place == folder else ""
            options = _other_options(theirs, mine)
            write_file(path, content, private=True)
        except (OSError, UsageError) as error:
            why = error.message if isinstance(error, UsageError) else str(error)
            log_line(f"warning: the plan was not saved: {why}")
            return
        if before:
            log_line(f"warning: {escape_controls(str(path))} held the plan {before}, and is replaced")
    notify(f"Plan saved{options}" + (f": {path}" if folder else f"; to print it: {command}"))


class _PlanOwner(msgspec.Struct):
    account: str


class _PlanDays(msgspec.Struct):
    start: str
    end: str


class _PlanHead(msgspec.Struct):
    """What tells two plans of one name apart."""

    window: _PlanDays
    role: _PlanOwner | str = ""
    """That of a trust policy is an ARN."""
    api: _PlanOwner | None = None
    inputs: tuple[tuple[str, ...], ...] | None = None

    @property
    def identity(self) -> tuple[str, str, str]:
        """Account, first day and last day."""
        owner = self.api or self.role
        account = account_in(owner) if isinstance(owner, str) else owner.account
        return account, self.window.start[:10], self.window.end[:10]


def _heads(path: Path, content: bytes) -> tuple[_PlanHead | None, _PlanHead | None]:
    """Return what tells a saved plan, and the one that replaces it, apart; None where there is none, or the same."""
    try:
        old = path.read_bytes()
    except OSError:
        return None, None
    return (_head_of(old), _head_of(content)) if old != content else (None, None)


def _head_of(content: bytes) -> _PlanHead | None:
    """Return what tells a plan apart; None where it is none."""
    try:
        return msgspec.json.decode(content, type=_PlanHead)
    except ValueError:
        return None


def _other_options(theirs: _PlanHead | None, mine: _PlanHead | None) -> str:
    """Say that a plan read or decided something else than the one that replaces it; "" where not."""
    from policygen.plan.choices import options_lost

    if theirs is None or mine is None or theirs.inputs is None:
        return ""
    lost, differs = options_lost(theirs.inputs, mine.inputs)
    made = f"with {escape_controls(lost)}" if lost else "without these options"
    return f", in place of the one made {made}" if differs else ""


def _other_window(theirs: _PlanHead | None, mine: _PlanHead | None) -> str:
    """Return the days and account of a plan, where they differ from those of the one that replaces it; else ""."""
    if theirs is None or mine is None or theirs.identity == mine.identity:
        return ""
    account, start, end = map(sanitize, theirs.identity)
    return f"of {start} to {end} in account {account or 'not known'}"


@contextmanager
def saved_inputs_hint(role: str, actions: Sequence[str], logs: LogInput) -> Iterator[None]:
    """Where there are no credentials for what no option names, say with which options the saved plan was made."""
    try:
        yield
    except AwsError as error:
        if error.code == "PG-E101" and not logs.logs and (command := _explained_alike(role, actions)):
            error.hints = (f"what the saved plan read: {command}", *error.hints)
        raise


def _explained_alike(role: str, actions: Sequence[str]) -> str:
    """Return the command that explains actions by what a role's saved plan read; "" where that was not files."""
    from policygen.report.commands import EXPLAIN

    try:
        (plan,) = find_plan(role, None)
    except (UsageError, NothingFoundError):
        return ""
    words = [word for one in plan.inputs or () if one[0] in EXPLAIN for word in one]
    return shlex.join(["policygen", "explain", *actions, "-r", role, *words]) if "--logs" in words else ""


def other_choices(role: str, given: Sequence[Sequence[str]]) -> str:
    """Say that a role's saved plan rests on other decisions than the options given; "" where it does not."""
    from policygen.plan.choices import choices_of
    from policygen.report.commands import EXPLAIN

    try:
        (plan,) = find_plan(role, None)
    except (UsageError, NothingFoundError):
        return ""
    if plan.inputs is None:
        return ""
    saved, now = (
        choices_of(sorted(tuple(words) for words in inputs if words[0] in EXPLAIN))
        for inputs in (plan.inputs, given)
    )
    if saved == now:
        return ""
    made = f"with {saved}" if saved else f"without {now}"
    return sanitize(f"the saved plan of {plan.role.name} was made {made}: this explains another one")


def told_of(plan: Plan) -> str:
    """Return what a saved plan rests on: when it was saved, which days it read of which logs, and what was chosen."""
    from policygen.plan.choices import choices_of

    logs = [" ".join(words[1:]) for words in plan.inputs or () if words[0] == "--logs"]
    days = f"{plan.window.start[:10]} to {plan.window.end[:10]}"
    read = f" of {', '.join(logs)}" if logs else ""
    made = f", made with {choices}" if (choices := choices_of(plan.inputs)) else ""
    return sanitize(f"plan of {plan.role.name}, saved {plan.saved_at} UTC: read {days}{read}{made}")
