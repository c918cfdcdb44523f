"""How CloudTrail logs an action: as a management event, as a data event of some type, or never (3.3)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any, Literal

import msgspec

from policygen.catalog.action_events import event_names
from policygen.catalog.rules import declared_data_types, declared_visibility
from policygen.catalog.service_names import botocore_facts, service_prefix
from policygen.files import read_package_table
from policygen.iam import reference
from policygen.iam.arn import action_glob

Kind = Literal["management", "data", "never", "implied", "no-event", "unknown"]

MANAGEMENT_EVENTS = "https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-management-events-with-cloudtrail.html"


class Visibility(msgspec.Struct, frozen=True):
    """How a use of an action would be logged.

    ``implied`` actions have no event of their own and are derived from the parameters of other calls. No known
    operation needs a ``no-event`` action: it belongs to the console or to a service without a public API, is checked
    along with other calls, or is newer than the list. ``unknown`` actions belong to a service whose data events are not
    listed here, or are in neither list of their service's page.
    """

    kind: Kind
    data_types: tuple[str, ...] = ()
    """CloudTrail's data event types. Which of them logs a call depends on the call's resource."""
    management_too: bool = False
    """Whether some calls are management events and others data events."""
    reference: str = MANAGEMENT_EVENTS
    """The page that says so."""

    @property
    def data_type(self) -> str:
        """The first of the data event types, or ""."""
        return self.data_types[0] if self.data_types else ""


MANAGEMENT = Visibility("management")


class UnloggedPart(msgspec.Struct, frozen=True):
    """Calls for an action that are logged otherwise than its others, or never."""

    why: str
    reference: str
    """The page that says so."""
    data_types: tuple[str, ...] = ()
    """CloudTrail's data event types, of which each must be logged; () where no trail logs them."""
    resources: tuple[str, ...] = ()
    """What they touch: resource patterns, with ``{partition}``."""


@cache
def listed_actions() -> Mapping[str, Any]:
    """Return the actions that IAM's last-accessed report tracks, as AWS lists them; the table tracked_actions.toml."""
    return read_package_table("policygen.catalog", "data/tracked_actions.toml")  # type: ignore[no-any-return]


@cache
def _tracked(kind: str) -> frozenset[str]:
    """Return the names of a part of the table, in lower case."""
    rows = listed_actions()[kind]
    return frozenset(f"{prefix}:{name}".lower() for prefix, names in rows.items() for name in names.split())


@cache
def _tracked_visibility() -> Visibility:
    return Visibility("management", reference=listed_actions()["source"])


@cache
def visibility_table() -> Mapping[str, Any]:
    """Return the table for services without a service file."""
    return read_package_table("policygen.catalog", "data/visibility.toml")  # type: ignore[no-any-return]


def _rows(prefix: str) -> Iterator[tuple[str, Visibility]]:
    """Yield patterns of action names with their visibility. The first matching pattern counts."""
    for kind, name in (("implied", "permission_only"), ("unknown", "unknown"), ("never", "never")):
        rows = visibility_table()[name].get(prefix, {})
        for pattern in rows.get("actions", ()):
            yield pattern, Visibility(kind, reference=rows["reference"])  # type: ignore[arg-type]
    rows = visibility_table()["management"].get(prefix, {})
    for pattern in rows.get("actions", ()):
        yield pattern, Visibility("management", reference=rows["reference"])
    declared = declared_visibility(prefix)
    own = visibility_table()["data"].get(prefix, {})
    for pattern in declared.never if declared else ():
        yield pattern, Visibility("never", reference=declared.reference if declared else "")
    page = declared.reference if declared else own.get("reference", "")
    both = prefix in visibility_table()["management_too"]
    types: dict[str, list[str]] = {}
    for data_type, patterns in (declared.data if declared else own.get("types", {})).items():
        for pattern in patterns:
            types.setdefault(pattern, []).append(data_type)
    for pattern, listed in types.items():
        yield pattern, Visibility("data", tuple(listed), both, page)


@cache
def _matchers(prefix: str) -> tuple[tuple[Callable[[str], bool], Visibility], ...]:
    return tuple((action_glob(f"{prefix}:{pattern}").matches, found) for pattern, found in _rows(prefix))


@lru_cache(maxsize=65536)
def visibility_of(action: str) -> Visibility:
    """Return how an action is logged.

    An action that some operation needs is a management event unless a table says otherwise: that is AWS's default for
    API calls. An action that no operation needs has no event. Where nothing else is known, AWS's list of the actions
    that IAM tracks tells: these are management events alone.
    """
    prefix, _, name = action.partition(":")
    prefix, folded = prefix.lower(), name.lower()
    for matches, found in _matchers(prefix):
        if matches(f"{prefix}:{folded}"):
            return found
    if f"{prefix}:{folded}" in _tracked("actions"):
        return _tracked_visibility()
    data = visibility_table()["data_services"]
    if prefix in data["prefixes"] and not name.startswith(tuple(data["management_verbs"])):
        return Visibility("unknown", reference=data["reference"])
    return MANAGEMENT if event_names(action) else Visibility("no-event")


def visibility_with(action: str, tracked: Collection[str]) -> Visibility:
    """Return how an action is logged, given the actions that an account's last-accessed reports list one by one.

    IAM lists management events alone, so a listed action is one, unless a table here says something else of it.

    Args:
        action: ``service:Name``.
        tracked: actions in lower case.
    """
    seen, name = visibility_of(action), action.lower()
    if seen.kind in {"unknown", "no-event"} and name in tracked and name not in _tracked("doubtful"):
        return _tracked_visibility()
    return seen


def never_without_arn(action: str) -> UnloggedPart | None:
    """Return the calls for an action that touch what no ARN names: only ``*`` allows them, and no trail logs them."""
    return _parts("never_without_arn").get(action.lower())


def data_events_too(action: str) -> UnloggedPart | None:
    """Return the calls for an action that are data events, where its others are management events."""
    return _parts("data_events_too").get(action.lower())


@cache
def _parts(table: str) -> Mapping[str, UnloggedPart]:
    return {
        action.lower(): UnloggedPart(
            row["why"], row["reference"], tuple(row.get("types", ())), tuple(row.get("resources", ()))
        )
        for action, row in visibility_table()[table].items()
    }


@lru_cache(maxsize=65536)
def comes_along(action: str) -> bool:
    """Return whether an action is checked along with calls for other ones."""
    known = reference.action(action)
    tags = known is not None and "Tagging" in known.access_level
    return tags or visibility_of(action).kind == "implied"


@cache
def hidden_pass_role() -> Mapping[str, str]:
    """Return actions that may pass a role without naming it in the record -> on which type of resource, "" for any."""
    table = visibility_table()["hidden_pass_role"]
    return {**dict.fromkeys(table["actions"], ""), **table["with_type"]}


@cache
def _role_parameters() -> Mapping[str, frozenset[str]]:
    """Return IAM prefix -> operations with a role among their parameters."""
    found: dict[str, set[str]] = {}
    for endpoint, operations in botocore_facts()["roles"].items():
        prefix = service_prefix(f"{endpoint}.amazonaws.com") or endpoint
        found.setdefault(prefix, set()).update(operations)
    return {prefix: frozenset(names) for prefix, names in found.items()}


@lru_cache(maxsize=65536)
def passes_role(action: str) -> bool:
    """Return whether a call that asks for an action may ask for ``iam:PassRole`` as well."""
    if action in hidden_pass_role():
        return True
    prefix = action.partition(":")[0].lower()
    passing = set(event_names("iam:PassRole")) & set(event_names(action))
    return bool(passing) and (
        declared_visibility(prefix) is not None or not passing.isdisjoint(_role_parameters().get(prefix, ()))
    )


@cache
def data_types() -> Mapping[str, str]:
    """Return CloudTrail data event type -> IAM service prefix, for all types in the tables."""
    prefixes = dict(declared_data_types())
    prefixes |= {
        data_type: prefix
        for prefix, rows in visibility_table()["data"].items()
        for data_type in rows["types"]
    }
    return prefixes


@cache
def event_arns() -> Mapping[str, str]:
    """Return data event type -> form of resources.ARN, for types whose events have the ARN that policies use."""
    return visibility_table()["event_arns"]["types"]  # type: ignore[no-any-return]
