"""Saved plans of trust policies and of APIs: in the folder of plans, each kind in a folder of its own.

That of a trust policy has the name of its role, and that of an API the API's id, because names of APIs are not unique.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from policygen.cli.plans import account_in, bytes_of_plan, own_folder, save_content
from policygen.errors import NothingFoundError, UsageError
from policygen.text import escape_controls, file_name, sanitize

if TYPE_CHECKING:
    from policygen.cli.output import PlanTargets
    from policygen.cli.screen import Color
    from policygen.rightsize.api.suggest import ApiSuggestion
    from policygen.rightsize.trust.suggest import TrustSuggestion

PlanKind = Literal["trust", "api"]

_SUFFIXES = (".json", ".json.gz")


def save_trust_plan(suggestion: TrustSuggestion, folder: Path | None, notify: Callable[[str], None]) -> None:
    """Save the plan of a trust policy; folder and messages as for `save_content`."""
    from policygen.report.formats import render_trust

    name = suggestion.role.name
    path = Path("trust", f"{file_name(name)}.json")
    command = f"policygen report {sanitize(name)} --kind trust"
    save_content(_bytes(render_trust("json", suggestion)), path, folder, notify, command)


def save_api_plan(suggestion: ApiSuggestion, folder: Path | None, notify: Callable[[str], None]) -> None:
    """Save the plan of an API; folder and messages as for `save_content`."""
    from policygen.report.formats import render_api

    api = suggestion.api
    path = Path("api", f"{file_name(api.id)}.json")
    command = f"policygen report {sanitize(api.id)} --kind api"
    save_content(_bytes(render_api("json", suggestion)), path, folder, notify, command)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")  # half a character is an escape in JSON


def write_targets(
    targets: PlanTargets, render: Callable[[str, int], str], color: Color, notify: Callable[[str], None]
) -> None:
    """Write a suggestion to the files that were asked for, to the summary of a step, and to stdout.

    Args:
        targets: where it goes.
        render: returns it in the named format, at so many columns.
        color: when to colour a screen.
        notify: takes messages.
    """
    from policygen.cli.output import add_to_summary
    from policygen.cli.screen import screen_width, write_formatted
    from policygen.files import write_file
    from policygen.report.terminal.layout import WIDTH

    for path, name in targets.exports:
        write_file(path, render(name, WIDTH))
        notify(f"wrote {path} ({name})")
    if targets.step:
        notify(add_to_summary(targets.step, [render("markdown", WIDTH)]))
    if targets.format_:
        write_formatted(render(targets.format_, screen_width()), targets.format_, color)


# ---- reading ------------------------------------------------------------------------------------------


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
