"""The events that show a use of an IAM action: the operations whose calls need it.

``catalog/build/action_events.py`` makes the list from botocore's API models, as the catalog maps them, and from the
rules of the service files. An action that is not in the list has no known event: it belongs to the console or to a
service without a public API, it is only checked along with other calls, or it is newer than the list.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files

from policygen.catalog.rules import rules_for_service

FILE = "action_events.json"

# Records of these services may have the API's date after the event name (1.8.2).
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
    """Return the event names that log a use of an action; () for none. ``*`` stands for the API's date."""
    prefix, _, name = action.lower().partition(":")
    names = _of_service(prefix).get(name, ())
    return (*names, *(f"{event}20*" for event in names)) if prefix in _DATED else names


@lru_cache(maxsize=65536)
def operations_of(action: str) -> tuple[str, ...]:
    """Return the operations that ask for an action: its events, or those that make its name from a parameter.

    ``dynamodb:PartiQLSelect`` is made of the statement that ``ExecuteStatement`` is given.
    """
    found = event_names(action)
    rules = None if found else rules_for_service(action.partition(":")[0].lower())
    if rules is None:
        return found
    return tuple(
        rule.name
        for rule in rules.events.values()
        for need in (*rule.needs, *rule.also)
        if _may_make(need.action.source, action)
    )


def _may_make(template: str, action: str) -> bool:
    """Return whether a template with a field in it, after some letters of the name, may give an action."""
    before, field, _ = template.lower().partition("{")
    name = before.partition(":")[2] or before
    return bool(field and name) and action.lower().partition(":")[2].startswith(name)


@cache
def all_event_names() -> frozenset[str]:
    """Return the names of all events that are known, of any service."""
    return frozenset(
        name for prefix in _actions() for names in _of_service(prefix).values() for name in names
    )


def has_operations(prefix: str) -> bool:
    """Return whether any action of a service has an event, so that the service has operations that can be called."""
    return bool(_of_service(prefix.lower()))
