"""The events that show a use of an IAM action: the operations whose calls need it.

``catalog/build/action_events.py`` makes the list from botocore's API models, as the catalog maps them, and from the
rules of the service files. An action that is not in the list has no known event: it belongs to the console or to a
service without a public API, it is only checked along with other calls, or it is newer than the list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache

from policygen.catalog.rule_model import RequiredAction
from policygen.catalog.rules import rules_for_service
from policygen.files import read_package_table

FILE = "action_events.json"

# Records of these services may have the API's date after the event name (1.8.2).
_DATED = frozenset({"lambda", "cloudfront"})


@cache
def _actions() -> Mapping[str, str]:
    return read_package_table("policygen.catalog", f"data/{FILE}")["actions"]  # type: ignore[no-any-return]


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


_LIKE_S3 = frozenset({"s3-object-lambda", "s3-outposts"})
"""Services that S3's operations ask, for the action of S3's name, where they are given an access point of theirs.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/olap-policies.html,
https://docs.aws.amazon.com/AmazonS3/latest/s3-outposts/S3OutpostsIAM.html"""


@lru_cache(maxsize=65536)
def operations_of(action: str) -> tuple[str, ...]:
    """Return the operations that ask for an action: its events, or those that make its name from a parameter.

    ``dynamodb:PartiQLSelect`` is made of the statement that ``ExecuteStatement`` is given.
    """
    prefix, _, name = action.partition(":")
    found = dict.fromkeys(event_names(action))
    if prefix.lower() in _LIKE_S3:
        found |= dict.fromkeys(event_names(f"s3:{name}"))
    if not found:
        rules = rules_for_service(prefix.lower())
        found |= {
            rule.name: None
            for rule in (rules.events.values() if rules else ())
            for need in (*rule.needs, *rule.also)
            if _may_make(need, name.lower())
        }
    return tuple(found)


def _may_make(need: RequiredAction, name: str) -> bool:
    """Return whether the template of a rule may give a name: by letters before its field, or by the field's values."""
    before, field, _ = need.action.source.lower().partition("{")
    start = before.partition(":")[2] or before
    listed = {value.lower() for test in need.when for value in test.values}
    return bool(field) and (name in listed or (start != "" and name.startswith(start)))


@cache
def _text() -> tuple[str, str]:
    """Return all services with their entries, a line each, as they are written and in lower case."""
    lines = [f"{prefix} {entries} " for prefix, entries in _actions().items()]
    return "\n".join(lines), "\n".join(lines).lower()


@lru_cache(maxsize=65536)
def actions_named(event: str) -> tuple[str, ...]:
    """Return the actions, of any service, that have an event's name: what its call asks for first; () for none."""
    text, lower = _text()
    name = event.removesuffix("20*").lower()
    places = [*_places(lower, f" {name} "), *_places(lower, f" {name}=")]
    return tuple([f"{_prefix(text, at)}:{text[at + 1 : at + 1 + len(name)]}" for at in sorted(places)])


def _places(text: str, wanted: str) -> Iterator[int]:
    at = text.find(wanted)
    while at >= 0:
        yield at
        at = text.find(wanted, at + 1)


def _prefix(text: str, at: int) -> str:
    """Return the service in whose line of the text a place is."""
    line = text.rfind("\n", 0, at) + 1
    return text[line : text.index(" ", line)]


@cache
def all_event_names() -> frozenset[str]:
    """Return the names of all events that are known, of any service."""
    return frozenset(
        name for prefix in _actions() for names in _of_service(prefix).values() for name in names
    )


def has_operations(prefix: str) -> bool:
    """Return whether any action of a service has an event, so that the service has operations that can be called."""
    return bool(_of_service(prefix.lower()))
