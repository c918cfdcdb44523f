"""Saved plans: where they are written, and how one is found by its role's name.

The last plan of each role is in policygen's own folder, beside the cache, so that ``policygen report ROLE`` works after
every ``suggest``. A folder that the user names, or that the configuration names, gets it too.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from policygen.errors import AwsError, NothingFoundError, UsageError
from policygen.files import cache_folder, write_file
from policygen.text import escape_controls, file_name, sanitize

if TYPE_CHECKING:
    from policygen.cli.option_groups import LogInput
    from policygen.plan.model import Plan


NIGHTLY = "in GitHub Actions run the workflow with mode: plan: Actions → policygen plans → Run workflow"
"""How plans are made where the action makes them, by the name that the example has."""


def own_folder() -> Path:
    """Return policygen's own folder of plans."""
    return cache_folder() / "plans"


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


_SUFFIXES = (".json", ".json.gz")
"""How the files of plans end: those of a batch are packed."""


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


def find_plan(text: str, folder: Path | None) -> list[Plan]:
    """Return the saved plans that a word on the command line names.

    Args:
        text: a role's name or ARN, a plan's file, or a folder of plans.
        folder: where plans are looked for by name; None for policygen's own folder.

    Raises:
        NothingFoundError: PG-E349, there is no such plan, or it is of another account than the ARN.
        UsageError: PG-E249, several accounts have a role of that name; PG-E270, a file is not a plan; PG-E272, it
            cannot be read.
    """
    text = text.removeprefix("role/")  # as its ARN has it
    name = text.rsplit("/", 1)[-1] if text.startswith("arn:") else text
    place = folder or own_folder()
    if "/" not in name and not name.endswith(_SUFFIXES) and (saved := _saved_plans(name, place)):
        plan = _named_plan(text, name, saved)
        if folder is None:
            plan.file = ""  # no place to show anybody: `report ROLE` is how it is found
        return [plan]
    if os.path.lexists(text) or name.endswith(_SUFFIXES) or os.sep in name:
        return read_plans([Path(text)])
    known = sorted(path.name.removesuffix(".gz").removesuffix(".json") for path in _plans_in(place))
    close = difflib.get_close_matches(name, known, 1)
    hint = "there is no plan yet: suggest makes one"
    if known:
        hint = f"did you mean {close[0]}?" if close else f"there are plans for: {', '.join(known[:8])}"
    shown = f"in {escape_controls(str(folder))!r}" if folder else "of an earlier policygen suggest"
    raise NothingFoundError(
        f"no saved plan {shown} for role {escape_controls(name)[:80]!r}",
        hint,
        code="PG-E349",
        instead=(text, close[0]) if close else None,
    )


def require_plans(folder: Path | None) -> None:
    """Check that a folder has a plan at all; None is policygen's own.

    Raises:
        NothingFoundError: PG-E349.
    """
    place = folder or own_folder()
    if not (_plans_in(place) or _plans_in(place / "plans")):
        where = f"{escape_controls(str(folder))!r} has" if folder else "there are"
        raise NothingFoundError(
            f"{where} no plans at all: nothing can be checked",
            NIGHTLY,
            "elsewhere make them: policygen batch, or policygen suggest --plans FOLDER",
            code="PG-E349",
        )


def every_plan(folder: Path | None, warn: Callable[[str], None]) -> list[Plan]:
    """Return the plans of all roles in a folder, or in that of a batch; None is policygen's own.

    Args:
        folder: of the plans.
        warn: takes why a file cannot be read as one.

    Raises:
        NothingFoundError: PG-E349, there is none.
    """
    require_plans(folder)
    place = folder or own_folder()
    found: list[Plan] = []
    for path in _plans_in(place / "plans") or _plans_in(place):
        try:
            found += read_plans([path])
        except UsageError as error:
            warn(f"warning: {error.message}  {error.code}")
    return found


def names_role(text: str, name: str, account: str) -> bool:
    """Return whether a role's name or ARN names a role; a name is that of a role of any account.

    Args:
        text: what a person wrote.
        name: the role's name.
        account: the role's account; "" where it is not known.
    """
    if not text.startswith("arn:"):
        return text == name
    return text.rsplit("/", 1)[-1] == name and account in ("", account_in(text))


def account_in(text: str) -> str:
    """Return the account of a role's ARN; "" for a name."""
    parts = text.split(":", 5)
    return parts[4] if parts[0] == "arn" and len(parts) == 6 else ""


_OF_ACCOUNT = re.compile(r"-(\d{12}|%)(-\d+)?\.json(\.gz)?")
"""What a batch writes after the name of a role that several accounts have."""


def _saved_plans(name: str, folder: Path) -> list[Plan]:
    """Return the saved plan of that name, and those of the roles of that name of several accounts."""
    stem = file_name(name)
    size = len(stem)
    plain = [path for end in _SUFFIXES if (path := folder / f"{stem}{end}").is_file()]
    others = [
        path
        for path in _plans_in(folder)
        if path.name[:size] == stem and _OF_ACCOUNT.fullmatch(path.name[size:])
    ]
    found = [plan for plan in read_plans(others) if plan.role.name == name] if others else []
    return [*(read_plans(plain) if plain else ()), *found]


def _named_plan(text: str, name: str, saved: Sequence[Plan]) -> Plan:
    """Return the plan that a name or an ARN means.

    Raises:
        NothingFoundError: PG-E349, they are of other accounts than the ARN.
        UsageError: PG-E249, several accounts have a role of that name.
    """
    shown = escape_controls(name)[:80]
    by_account: dict[str, Plan] = {}
    for plan in saved:
        if name == text or names_role(text, plan.role.name, plan.role.account):
            first = by_account.setdefault(plan.role.account, plan)
            if first is not plan:
                raise UsageError(
                    f"two plans of role {shown!r}: {escape_controls(first.file)} and {escape_controls(plan.file)}",
                    "delete the one that is not to count, or give its file",
                    code="PG-E249",
                )
    if not by_account:
        accounts = ", ".join(sorted({plan.role.account for plan in saved}))
        raise NothingFoundError(
            f"the saved plan of role {shown!r} is of account {accounts}, not of {escape_controls(text)[:120]}",
            "make one for that account with suggest",
            code="PG-E349",
        )
    if len(by_account) > 1:
        arns = [escape_controls(plan.role.arn or plan.file) for _, plan in sorted(by_account.items())]
        raise UsageError(
            f"{len(arns)} accounts have a role {shown!r}, each with a plan",
            f"name one of them: {', '.join(arns)}",
            code="PG-E249",
            instead=(text, arns[0]),
        )
    return next(iter(by_account.values()))


def read_plans(paths: Sequence[Path]) -> list[Plan]:
    """Read saved plans; a folder means all the plans in it.

    Raises:
        UsageError: PG-E270, a file is not a plan; PG-E272, a file cannot be read, or a folder has no plan.
    """
    from policygen.plan.io import read_plan

    plans: list[Plan] = []
    for path in paths:
        # The folder of a batch has its plans in a folder of their own.
        folder = path / "plans" if (path / "plans").is_dir() else path
        files = _plans_in(folder) if path.is_dir() else [path]
        if not files:
            raise _unreadable(path, "the folder holds no .json file")
        for file in files:
            plans.append(read_plan(bytes_of_plan(file), str(file)))
            written = file.stat().st_mtime
            plans[-1].saved_at = datetime.fromtimestamp(written, UTC).strftime("%Y-%m-%d %H:%M")
    return plans


def bytes_of_plan(file: Path) -> bytes:
    """Return the bytes of a plan's file.

    Raises:
        UsageError: PG-E272, it cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise _unreadable(file, error.strerror or str(error)) from None


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


def _plans_in(folder: Path) -> list[Path]:
    return sorted(path for end in _SUFFIXES for path in folder.glob(f"*{end}"))


def _unreadable(path: Path, reason: str) -> UsageError:
    return UsageError(
        f"cannot read the plan {escape_controls(str(path))!r}: {reason}",
        "give a plan that suggest or batch saved",
        code="PG-E272",
    )
