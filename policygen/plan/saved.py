"""Saved plans, of roles, trust policies and APIs: how one is found by its role's or API's name, and read.

The last plan of each role is in policygen's own folder, beside the cache, so that ``policygen report ROLE`` works after
every ``suggest``. A folder that the user names, or that the configuration names, gets it too. Plans of trust policies
and of APIs lie in folders of their own below it: that of a trust policy has the name of its role, and that of an API
the API's id, because names of APIs are not unique.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from policygen.errors import NothingFoundError, PolicygenError, UsageError
from policygen.files import cache_folder
from policygen.text import escape_controls, file_name, pluralize

if TYPE_CHECKING:
    from policygen.plan.model import Plan
    from policygen.rightsize.api.suggest import ApiSuggestion
    from policygen.rightsize.trust.suggest import TrustSuggestion


PlanKind = Literal["trust", "api"]

NIGHTLY = "in GitHub Actions run the workflow with mode: plan: Actions → policygen plans → Run workflow"
"""How plans are made where the action makes them, by the name that the example has."""

_SUFFIXES = (".json", ".json.gz")
"""How the files of plans end: those of a batch are packed."""


def own_folder() -> Path:
    """Return policygen's own folder of plans."""
    return cache_folder() / "plans"


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


def account_of_plan(role: str, folder: Path | None) -> str:
    """Return a role's account, by its ARN or else by its plan in a folder; "" where neither tells it."""
    with suppress(PolicygenError):
        return account_in(role) or plan_of(role, folder).role.account
    return ""


def plan_of(text: str, folder: Path | None, role: str = "") -> Plan:
    """Read the plan of a role.

    Args:
        text: a plan, a folder of plans, or the name of a role that has a saved plan.
        folder: where plans are looked for by name; None for policygen's own folder.
        role: the name or ARN of the role where `text` is a folder of several; "" for the only one.

    Raises:
        NothingFoundError: PG-E349, there is no plan of the role.
        UsageError: PG-E249, there are several; PG-E270 and PG-E272, as `find_plan`.
    """
    inner = folder / "plans" if folder else None  # of a batch
    found = find_plan(text, inner if inner and inner.is_dir() else folder)
    fitting = [one for one in found if not role or names_role(role, one.role.name, one.role.account)]
    shown = escape_controls(text)
    if not fitting:
        names = sorted(one.role.name for one in found)
        close = difflib.get_close_matches(role, names, 1)
        raise NothingFoundError(
            f"{shown} has no plan of the role {escape_controls(role)[:80]!r}",
            f"it has {pluralize(len(found), 'plan')}: {', '.join(names[:6])}",
            code="PG-E349",
            instead=(role, close[0]) if close else None,
        )
    if len(fitting) > 1:
        raise UsageError(
            f"{shown} has {len(fitting):,} plans, and --role does not say which",
            "--all checks all roles of policygen.toml",
            code="PG-E249",
            instead=("", f"--role={escape_controls(fitting[0].role.arn or fitting[0].role.name)}"),
        )
    return fitting[0]


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


def _plans_in(folder: Path) -> list[Path]:
    return sorted(path for end in _SUFFIXES for path in folder.glob(f"*{end}"))


def _unreadable(path: Path, reason: str) -> UsageError:
    return UsageError(
        f"cannot read the plan {escape_controls(str(path))!r}: {reason}",
        "give a plan that suggest or batch saved",
        code="PG-E272",
    )


def find_trust_plan(text: str, folder: Path | None) -> TrustSuggestion:
    """Return what the saved plan of a trust policy suggests.

    Args:
        text: a plan's file, or the name or ARN of a role.
        folder: where plans are looked for by name; None for policygen's own folder.

    Raises:
        NothingFoundError: PG-E349, there is no such plan, or it is of another account than the ARN.
        UsageError: PG-E270, it is no plan, or of another kind; PG-E272, it cannot be read; PG-E245, another version
            made it.
    """
    from policygen.plan.trust import trust_suggestion_of

    name = text.rsplit("/", 1)[-1] if text.startswith("arn:") else text
    place = (folder or own_folder()) / "trust"
    path = Path(text) if _is_file(text) else place / f"{file_name(name)}.json"
    if not (path.is_file() or _is_file(text)):
        raise _none("trust", name, sorted(one.stem for one in place.glob("*.json")), folder)
    found = trust_suggestion_of(_document(path, "trust"), str(path))
    if text.startswith("arn:") and found.role.key.account != account_in(text):
        raise NothingFoundError(
            f"the saved plan of role {escape_controls(name)!r} is of account {found.role.key.account}",
            "make one for that account: policygen trust",
            code="PG-E349",
        )
    return found


def find_api_plan(text: str, folder: Path | None) -> ApiSuggestion:
    """Return what the saved plan of an API suggests.

    Args:
        text: a plan's file, or the id or name of an API.
        folder: where plans are looked for by name; None for policygen's own folder.

    Raises:
        NothingFoundError: PG-E349, there is no such plan.
        UsageError: PG-E249, several APIs have the name; PG-E270, it is no plan, or of another kind; PG-E272, it cannot
            be read; PG-E245, another version made it.
    """
    from policygen.plan.api import api_suggestion_of

    path = Path(text) if _is_file(text) else _of_api(text, folder)
    return api_suggestion_of(_document(path, "api"), str(path))


class _ApiNames(msgspec.Struct):
    id: str
    name: str


class _ApiHead(msgspec.Struct):
    api: _ApiNames


def _of_api(text: str, folder: Path | None) -> Path:
    """Return the file of an API's plan, by the id or the name of the API."""
    place = (folder or own_folder()) / "api"
    by_id = place / f"{file_name(text)}.json"
    if by_id.is_file():
        return by_id
    names = {path: _named(path) for path in sorted(place.glob("*.json"))}
    found = [path for path, name in names.items() if name == text]
    if not found:
        raise _none("api", text, sorted(filter(None, names.values())), folder)
    if len(found) > 1:
        ids = ", ".join(path.stem for path in found)
        raise UsageError(
            f"{len(found)} APIs are named {escape_controls(text)[:80]!r}, each with a plan",
            f"give the id of one: {escape_controls(ids)}",
            code="PG-E249",
        )
    return found[0]


def _named(path: Path) -> str:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_ApiHead).api.name
    except (OSError, ValueError):  # no plan of an API: it has no name
        return ""


def kind_of_file(text: str) -> str:
    """Return the kind of plan that a file holds; "" for a role's, and for what is no file.

    Raises:
        UsageError: PG-E270, it is no plan; PG-E272, it cannot be read.
    """
    from policygen.plan.io import plan_document

    if not _is_file(text):
        return ""
    return str(plan_document(bytes_of_plan(Path(text)), text).get("kind", ""))


def _is_file(text: str) -> bool:
    return text.endswith(_SUFFIXES) or Path(text).is_file()


def _document(path: Path, kind: PlanKind) -> dict[str, object]:
    from policygen.plan.io import plan_document

    document = plan_document(bytes_of_plan(path), str(path))
    if document.get("kind") != kind:
        other = escape_controls(str(document.get("kind") or "permissions"))[:20]
        raise UsageError(
            f"{escape_controls(str(path))!r} is a plan of the kind {other!r}, and {kind!r} is asked for",
            f"policygen {kind} saves one",
            code="PG-E270",
        )
    return document


def _none(kind: PlanKind, name: str, known: list[str], folder: Path | None) -> NothingFoundError:
    shown = f"in {escape_controls(str(folder))!r}" if folder else f"of an earlier policygen {kind}"
    close = difflib.get_close_matches(name, known, 1)
    hint = f"there is no plan yet: policygen {kind} makes one"
    if known:
        hint = f"did you mean {close[0]}?" if close else f"there are plans for: {', '.join(known[:8])}"
    what = "the trust policy of role" if kind == "trust" else "API"
    return NothingFoundError(
        f"no saved plan {shown} for {what} {escape_controls(name)[:80]!r}",
        escape_controls(hint),
        code="PG-E349",
    )
