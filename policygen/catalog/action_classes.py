"""What asks for an action that no operation of AWS's SDKs asks for, and what follows from it for a role.

No log shows the use of such an action, so its class decides: a retired service answers nobody, a permission that only a
service asks for is of use in that service's role alone. The table names its sources; it leaves out what is not sure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import translate
from functools import cache, lru_cache
from typing import Any, Literal

import msgspec

from policygen.catalog.action_events import event_names
from policygen.files import read_package_table
from policygen.iam import reference
from policygen.iam.arn import action_glob

ClassName = Literal["retired", "service-role", "agent", "asked-with", "console"]

FILE = "action_classes.toml"


class ActionClass(msgspec.Struct, frozen=True):
    """What asks for an action, and the page that says so."""

    name: ClassName
    confidence: Literal["high", "medium"]
    """``medium`` where AWS does not rule out another caller in so many words."""
    source: str
    """URL."""
    parents: tuple[str, ...] = ()
    """Actions, or patterns of them, with whose calls AWS checks this one."""
    callers: tuple[str, ...] = ()
    """Service principals that ask for it with a role that they assume, ``backup.amazonaws.com``."""
    chained: bool = False
    """Whether a caller may come by another role: then the role trusts that one, or its account, and no service."""


@cache
def _groups() -> tuple[Mapping[str, Any], ...]:
    return tuple(read_package_table("policygen.catalog", f"data/{FILE}")["group"])


def _rows() -> Iterator[tuple[str, str, ActionClass]]:
    """Yield IAM prefix, names or patterns, and class."""
    for group in _groups():
        found = ActionClass(
            group["class"],
            group["confidence"],
            group["source"],
            tuple(group.get("parents", ())),
            tuple(group.get("callers", ())),
            group.get("chained", False),
        )
        for prefix, names in group["actions"].items():
            for name in names.split():
                yield prefix, name, found


@cache
def _table() -> tuple[Mapping[str, ActionClass], Mapping[str, ActionClass]]:
    """Return the classes by action and by service, in lower case."""
    single: dict[str, ActionClass] = {}
    whole: dict[str, ActionClass] = {}
    for prefix, name, found in _rows():
        if name == "*":
            whole[prefix] = found
        else:
            single[f"{prefix}:{name.lower()}"] = found
    return single, whole


@lru_cache(maxsize=65536)
def class_of(action: str) -> ActionClass | None:
    """Return what asks for an action; None where operations do, or where it is not known.

    A row for a whole service holds for the actions that IAM knows, and of the console's for those that no operation
    asks for: what AWS adds to it may be of another kind.
    """
    single, whole = _table()
    folded = action.lower()
    if folded in single:
        return single[folded]
    found = whole.get(folded.partition(":")[0])
    if found is None or reference.action(action) is None:
        return None
    return None if found.name == "console" and event_names(action) else found


@lru_cache(maxsize=1024)
def parent_actions(parents: tuple[str, ...]) -> tuple[str, ...]:
    """Return the actions that IAM knows and that some names or patterns mean."""
    found: set[str] = set()
    for pattern in parents:
        matches = action_glob(pattern).matches
        prefix = pattern.partition(":")[0]
        found.update(one for one in reference.action_names(prefix) if matches(one.lower()))
    return tuple(sorted(found))


@cache
def _callers() -> Mapping[str, Any]:
    return read_package_table("policygen.catalog", "data/assumers.toml")  # type: ignore[no-any-return]


@lru_cache(maxsize=1024)
def runs_programs_only(service: str) -> bool:
    """Return whether only programs work with the roles that a service assumes: no notebook, console or shell."""
    return service in _callers()["programs"]["services"]


@lru_cache(maxsize=65536)
def may_be_asked_by_tools(service: str, action: str) -> bool:
    """Return whether people's tools that work with the roles of a service may ask for an action.

    Of a service that is neither in this table nor one of programs alone, anything may be asked.
    """
    if runs_programs_only(service):
        return False
    asks = _callers()["tools"]["asks"].get(service)
    return asks is None or any(action_glob(one).matches(action.lower()) for one in asks)


def authenticates_machines(provider: str) -> bool:
    """Return whether an OIDC provider gives tokens to programs alone: builds, pods.

    Args:
        provider: as in the ARN of the provider, ``token.actions.githubusercontent.com``.
    """
    return _machines().match(provider.lower()) is not None


@cache
def _machines() -> re.Pattern[str]:
    return re.compile("|".join(translate(one) for one in _callers()["machines"]["providers"]))
