"""Saved plans of trust policies and of APIs: in the folder of plans, each kind in a folder of its own.

That of a trust policy has the name of its role, and that of an API the API's id, because names of APIs are not unique.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from policygen.cli.plans import save_content
from policygen.text import file_name, sanitize

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
