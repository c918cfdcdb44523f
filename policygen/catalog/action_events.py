"""Which events an IAM action shows in: the operations whose calls ask for it.

Made from botocore's API models, as the catalog maps them, and from the rules of the service files. An action that
is not here has no event of which anything is known: it belongs to the console or to a service without a public
API, it comes along with other calls, or it is newer than this list. ``catalog/build/action_events.py`` makes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files

FILE = "action_events.json"

# Their records may write the API's date behind the name (1.8.2).
_DATED = frozenset({"lambda", "cloudfront"})


@cache
def _actions() -> Mapping[str, str]:
    return json.loads((files("policygen.catalog") / "data" / FILE).read_text("utf-8"))["actions"]  # type: ignore[no-any-return]


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
