"""Lists the events of an IAM action: the operations that need it.

``catalog/build/action_events.py`` makes the list from botocore's API models, as the catalog maps them, and from the
rules of the service files. An action without an entry has no known event: it belongs to the console or to a service
without a public API, it comes along with other calls, or it is newer than the list.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files

FILE = "action_events.json"

# Services whose records may append the date of the API to the name (1.8.2).
_DATED = frozenset({"lambda", "cloudfront"})


@cache
def _actions() -> Mapping[str, str]:
    return json.loads((files("policygen.catalog") / "data" / FILE).read_text("utf-8"))["actions"]  # type: ignore[no-any-return]


@cache
def _of_service(prefix: str) -> Mapping[str, tuple[str, ...]]:
    events_of = {}
    for entry in _actions().get(prefix, "").split():
        name, _, events = entry.partition("=")
        events_of[name.lower()] = tuple(events.split(",")) if events else (name,)
    return events_of


@lru_cache(maxsize=65536)
def event_names(action: str) -> tuple[str, ...]:
    """Return the event names of an action, () if none is known; ``20*`` matches the date of the API."""
    prefix, _, name = action.lower().partition(":")
    names = _of_service(prefix).get(name, ())
    return (*names, *(f"{event}20*" for event in names)) if prefix in _DATED else names
