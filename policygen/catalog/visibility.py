"""How CloudTrail shows an action: as a management event, a data event of some type, or never (3.3)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Literal

from policygen.catalog.rules import all_rules, rules_for_service

Kind = Literal["management", "data", "never", "implied", "unknown"]


@dataclass(frozen=True, slots=True)
class Visibility:
    """Where an action would be seen. `data_type` is CloudTrail's resource type for data events.

    ``implied`` actions have no event of their own and are derived from the parameters of other calls. ``unknown``
    ones belong to a service whose data events are not told apart here.
    """

    kind: Kind
    data_type: str = ""


MANAGEMENT = Visibility("management")
UNKNOWN = Visibility("unknown")


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads((files("policygen.catalog") / "visibility.toml").read_text("utf-8"))


def _patterns(prefix: str) -> Iterator[tuple[str, Visibility]]:
    for name in _table()["permission_only"].get(prefix, ()):
        yield name, Visibility("implied")
    rules = rules_for_service(prefix)
    data = rules.visibility.data if rules else _table()["data"].get(prefix, {})
    never = (*(rules.visibility.never if rules else ()), *_table()["never"].get(prefix, ()))
    for name in never:
        yield name, Visibility("never")
    for data_type, names in data.items():
        for name in names:
            yield name, Visibility("data", data_type)


@lru_cache(maxsize=65536)
def visibility_of(action: str) -> Visibility:
    """How an action is seen. An operation of no table is a management event: AWS's default for API calls."""
    prefix, _, name = action.partition(":")
    prefix, folded = prefix.lower(), name.lower()
    for pattern, found in _patterns(prefix):
        if fnmatchcase(folded, pattern.lower()):
            return found
    data = _table()["data_services"]
    if prefix in data["prefixes"] and not name.startswith(tuple(data["management_verbs"])):
        return UNKNOWN
    return MANAGEMENT


@cache
def hidden_pass_role() -> frozenset[str]:
    """Actions that may pass a role which their record does not name."""
    return frozenset(_table()["hidden_pass_role"]["actions"])


@cache
def data_types() -> Mapping[str, str]:
    """CloudTrail data event type -> IAM service prefix, for the types of the tables."""
    found = {data_type: rules.service for rules in all_rules() for data_type in rules.visibility.data}
    found |= {data_type: prefix for prefix, types in _table()["data"].items() for data_type in types}
    return found
