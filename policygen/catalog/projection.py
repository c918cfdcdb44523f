"""Selects the parameters of an event that identify its resources; all others are dropped before counting.

The projection is derived from the rules, so it cannot disagree with them: it keeps the paths that the rules and
templates of an event read, the names that may fill an ARN pattern, and ARNs where those count. A test checks on every
example that the projected parameters give the same result as all parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from policygen.catalog.known_event import KnownEvent, known_event
from policygen.catalog.parameters import FREE_TEXT, TAG_MEMBERS, normalise, wanted_names
from policygen.catalog.rules import PARAMETERS, RequiredAction
from policygen.catalog.service_names import botocore_facts
from policygen.catalog.template import Field, Template, scalar
from policygen.iam import reference
from policygen.iam.reference import ResourceType

Tree = dict[str, "Tree"]
"""What to keep below each lower-case member name; an empty tree keeps the value itself."""


class Member(NamedTuple):
    """What to keep of a member at the top of the parameters."""

    tree: Tree | None
    """What to keep below the member, an empty tree for everything; None if no rule reads it."""
    role: Tree | None
    """The same for a member that passes a role."""
    named: bool
    """Whether the member may fill an ARN pattern."""
    arns: bool
    """Whether an ARN in the member may be a resource of the call."""


@dataclass(slots=True)
class Projection:
    """What to keep of the parameters of one event."""

    tree: Tree = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    """Normalised names of the scalars to keep at the first two levels."""
    roles: Tree = field(default_factory=dict)
    """Members that pass a role."""
    arns: bool = False
    """Whether any ARN among the parameters may be a resource of the call."""
    _members: dict[str, Member] = field(default_factory=dict)

    def member(self, name: str) -> Member:
        """Return what to keep of a member, by its name as logged."""
        member = self._members.get(name)
        if member is None:
            member = Member(
                self.tree.get(name.lower(), self.tree.get("*")),
                self.roles.get(name.lower(), self.roles.get("*")),
                bool(self.names) and _named(name, self.names),
                self.arns and normalise(name) not in FREE_TEXT,
            )
            if len(self._members) < _MEMBERS:  # a caller can invent names without end
                self._members[name] = member
        return member


_MEMBERS = 256
_ABSENT: Any = object()


def project(source: str, name: str, params: Mapping[str, Any], *, arns: bool = True) -> dict[str, Any]:
    """Return the parameters that identify the resources of an event.

    Args:
        source: eventSource.
        name: eventName as logged.
        params: requestParameters.
        arns: False if the caller knows that no parameter holds an ARN.
    """
    wanted = projection(source, name)
    kept: dict[str, Any] = {}
    for key, value in params.items():
        member = wanted.member(key)
        if isinstance(value, str):
            if (
                member.tree is not None
                or (value and member.named)
                or (arns and (member.role is not None or (member.arns and value.startswith("arn:"))))
            ):
                kept[key] = value
        elif (found := _keep(wanted, member, value, arns=arns)) is not _ABSENT:
            kept[key] = found
    return kept


def _keep(wanted: Projection, member: Member, value: Any, *, arns: bool) -> Any:
    """Return what to keep of a value that is not a string; `_ABSENT` for nothing."""
    kept = _ABSENT if member.tree is None else _prune(value, member.tree)
    if isinstance(value, Mapping):
        if inner := {k: v for k, v in value.items() if _named(k, wanted.names) and _scalars(v)}:
            kept = _union(kept, inner)
        # A role is passed at the top, or inside one object around the request.
        if arns and (inner := _members(value, wanted.roles)):
            kept = _union(kept, inner)
    elif kept is _ABSENT and member.named and _scalars(value):
        kept = value
    if arns and member.role is not None:
        kept = _union(kept, _prune(value, member.role))
    if arns and member.arns and (found := _arns(value)) is not None:
        kept = _union(kept, found)
    return kept


def _named(key: str, names: frozenset[str]) -> bool:
    name = normalise(key)
    return name in names or name.removesuffix("s") in names


def _scalars(value: Any) -> bool:
    return any(scalar(one) for one in value) if isinstance(value, list) else bool(scalar(value))


_MORE: Mapping[str, None] = {"…": None}
"""Stands for members that are not kept: a test may ask whether the map is empty."""


def _prune(value: Any, tree: Tree) -> Any:
    if not tree:
        return _leaf(value)
    if isinstance(value, list):
        return [_prune(one, tree) for one in value]
    if not isinstance(value, Mapping):
        return _leaf(value)
    return _members(value, tree) or (dict(_MORE) if value else {})


def _members(value: Mapping[str, Any], tree: Tree) -> dict[str, Any]:
    kept = {}
    every = tree.get("*")
    for key, inner in value.items():
        below = tree.get(key.lower(), every)
        if below is not None:
            kept[key] = _prune(inner, below)
    return kept


def _leaf(value: Any) -> Any:
    """Return a scalar as it is, the keys of a map and the scalars of a list: tests and extractors read no more.

    The rest leaves no value behind that could be taken for a name.
    """
    if isinstance(value, Mapping):
        return dict.fromkeys(value)
    if isinstance(value, list):
        return [_element(one) for one in value]
    return value


def _element(value: Any) -> Any:
    """Return an element of a list: a scalar as it is; a map or list keeps only whether it is empty."""
    if isinstance(value, Mapping):
        return dict(_MORE) if value else {}
    if isinstance(value, list):
        return [None] * len(value)
    return value


def _arns(value: Any, depth: int = 8) -> Any:
    """Return the branches of a value that hold ARNs, except in members with free text; None if there are none."""
    if isinstance(value, str):
        return value if value.startswith("arn:") else None
    if not depth:
        return None
    if isinstance(value, Mapping):
        kept = {
            k: found
            for k, v in value.items()
            if normalise(k) not in FREE_TEXT and (found := _arns(v, depth - 1)) is not None
        }
        return kept or None
    if isinstance(value, list):
        found = [_arns(one, depth - 1) for one in value]
        return found if any(one is not None for one in found) else None
    return None


def _union(kept: Any, more: Any) -> Any:
    """Merge two prunings of the same value; the first counts where both hold the value."""
    if kept is None or kept is _ABSENT:
        return more
    if isinstance(kept, dict) and isinstance(more, dict):
        return kept | {key: _union(kept.get(key), value) for key, value in more.items()}
    if isinstance(kept, list) and isinstance(more, list):
        return [_union(a, b) for a, b in zip(kept, more, strict=True)]
    return kept


@lru_cache(maxsize=8192)
def projection(source: str, name: str) -> Projection:
    """Return which parameters identify a call of this event source and name."""
    plan = known_event(source, name)
    wanted = Projection()
    if plan.status != "mapped" or plan.service is None:
        return wanted
    needs = plan.needs + plan.also
    lists = sorted({need.each for need in needs if need.each})
    types = list(plan.action.types) if plan.action else []
    for need in needs:
        types += [*need.on, *_add_need(wanted, need, lists)]
    for _, template in plan.rules.context if plan.rules else ():
        for one in _fields([template]):
            _add_path(wanted, one, [])
    if plan.verb:
        wanted.names |= _path_members(plan.operation)
    for path in plan.roles:
        _grow(wanted.roles, path)
    if plan.tagging:
        for member in TAG_MEMBERS:
            _grow(wanted.tree, member)
    _add_types(wanted, dict.fromkeys(types), plan, lists)
    return wanted


def _add_need(wanted: Projection, need: RequiredAction, lists: list[str]) -> list[str]:
    """Add what a required action reads itself; return the types whose ARNs its templates use."""
    ways = [way for way in need.arn if isinstance(way, Template)]
    templates = [need.action, *ways, *(template for _, template in need.context)]
    for one in [*_fields(templates), *(test.subject for test in need.when + need.unless)]:
        _add_path(wanted, one, lists)
    if need.each:
        _grow(wanted.tree, need.each)
    return [one.path[1:] for one in _fields(templates) if one.source == "type"]


def _add_types(wanted: Projection, kinds: Iterable[str], plan: KnownEvent, lists: list[str]) -> None:
    own = plan.service.types if plan.service else {}
    done: set[str] = set()
    waiting = list(kinds)
    while waiting:
        kind = waiting.pop()
        if kind in done:
            continue
        done.add(kind)
        ways = plan.rules.resources.get(kind, ()) if plan.rules else ()
        for one in _fields([way for way in ways if isinstance(way, Template)]):
            if one.source == "type":
                waiting.append(one.path[1:])
            else:
                _add_path(wanted, one, lists)
        if len(ways) < 2 or PARAMETERS in ways:
            wanted.arns = True
            for known in [own[kind]] if kind in own else _foreign(plan, kind):
                wanted.names |= _names(known, plan.operation)


def _foreign(plan: KnownEvent, kind: str) -> list[ResourceType]:
    """Return the type from another service, if a rule names it with an action of that service."""
    actions = (reference.action(need.action.source) for need in plan.needs + plan.also if kind in need.on)
    services = (reference.service(action.name.split(":", 1)[0]) for action in actions if action)
    return [service.types[kind] for service in services if service and kind in service.types]


def _names(known: ResourceType, operation: str) -> frozenset[str]:
    names: frozenset[str] = frozenset()
    for pattern in known.patterns:
        for placeholder in pattern.name_placeholders:
            names |= wanted_names(
                known.name, placeholder, operation, generic=len(pattern.name_placeholders) == 1
            )
    return names


def _path_members(operation: str) -> frozenset[str]:
    table = botocore_facts()["apigateway"]
    uris = [table[key][1] for key in (operation, f"v2:{operation}") if key in table]
    parts = {normalise(p.split("}")[0].removesuffix("+")) for uri in uris for p in uri.split("{")[1:]}
    return frozenset(parts | {"restapiid", "apiid", "usageplanid"})


def _fields(templates: Iterable[Template]) -> list[Field]:
    return [one for template in templates for one in template.fields]


def _add_path(wanted: Projection, one: Field, lists: list[str]) -> None:
    """Add the path of a field, from the top and below each list that the rules of the event go through."""
    path = one.path
    if path == "@via_service":
        path = "encryptionContext"
    elif one.source != "parameter":
        return
    for prefix in ("", *(f"{each}." for each in lists)):
        _grow(wanted.tree, f"{prefix}{path}")


def _grow(node: Tree, path: str) -> None:
    for piece in path.split("."):
        name = piece.removesuffix("[]").lower()
        if name:
            node = node.setdefault(name, {})
