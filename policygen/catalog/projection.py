"""Select the parameters of an event that identify the resources it touched. All others are dropped before counting.

The selection is derived from the rules, so that the two cannot disagree: the paths that an event's needs and the steps
of its types read, the names that may fill an ARN pattern, and ARNs where they count. A test checks for every example
that the selected parameters map to the same requests as all parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from policygen.catalog.known_event import KnownEvent, known_event
from policygen.catalog.learning import learn_rules
from policygen.catalog.parameters import (
    FREE_TEXT,
    LEFT_OUT,
    TAG_MEMBERS,
    begins_like_arn,
    is_left_out,
    names_for_placeholder,
    normalise,
)
from policygen.catalog.rule_model import PARAMETERS, RequiredAction
from policygen.catalog.service_names import botocore_facts
from policygen.catalog.template import Field, Template, scalar
from policygen.iam import reference
from policygen.iam.reference import ResourceType

MemberTree = dict[str, "MemberTree"]
"""Names of members to keep, in lower case -> members to keep below each. An empty tree keeps the value itself."""


class MemberRule(NamedTuple):
    """What to keep of one member at the top of the parameters."""

    below: MemberTree | None
    """What to keep below it; None where no rule reads the member."""
    role_below: MemberTree | None
    """What to keep below it to find a role that is passed; None where it passes none."""
    may_fill: bool
    """Whether a scalar of this name may fill an ARN pattern."""
    may_hold_arns: bool
    """Whether an ARN in it may be a resource of the call."""


class Projection(msgspec.Struct):
    """What to keep of one event's parameters."""

    members: MemberTree = msgspec.field(default_factory=dict)
    """Members that rules read."""
    scalar_names: frozenset[str] = frozenset()
    """Normalised names of scalars to keep at the first two levels."""
    role_members: MemberTree = msgspec.field(default_factory=dict)
    """Members that pass a role."""
    any_arn: bool = False
    """Whether any ARN among the parameters may be a resource of the call."""
    member_rules: dict[str, MemberRule] = msgspec.field(default_factory=dict)
    """What `member_rule` returned of the first members that were met."""

    def member_rule(self, name: str) -> MemberRule:
        """Return what to keep of a member, by its name as logged."""
        folded = name.lower()
        if "-" in name and folded not in self.members:
            folded = normalise(name)  # as a URI has it: `broker-id`
        rule = MemberRule(
            self.members.get(folded, self.members.get("*")),
            self.role_members.get(folded, self.role_members.get("*")),
            bool(self.scalar_names) and _is_wanted_name(name, self.scalar_names),
            self.any_arn and normalise(name) not in FREE_TEXT,
        )
        if len(self.member_rules) < _CACHED_MEMBERS:  # callers can invent any number of names
            self.member_rules[name] = rule
        return rule


_CACHED_MEMBERS = 256
_ABSENT: Any = object()


def project(source: str, name: str, params: Mapping[str, Any], *, arns: bool = True) -> dict[str, Any]:
    """Return the part of an event's parameters that identifies what the call touched.

    Args:
        source: eventSource.
        name: eventName as logged.
        params: requestParameters.
        arns: False if the caller knows that no parameter has an ARN.
    """
    if is_left_out(params):
        return dict(LEFT_OUT)
    wanted = projection(source, name)
    kept: dict[str, Any] = {}
    rules = wanted.member_rules
    for key, value in params.items():
        rule = rules.get(key) or wanted.member_rule(key)
        if isinstance(value, str):
            if (
                rule.below is not None
                or (value and rule.may_fill)
                or (arns and (rule.role_below is not None or (rule.may_hold_arns and begins_like_arn(value))))
            ):
                kept[key] = value
        elif (part := _keep(wanted, rule, value, arns=arns)) is not _ABSENT:
            kept[key] = part
    return kept


def _keep(wanted: Projection, rule: MemberRule, value: Any, *, arns: bool) -> Any:
    """Return the part to keep of a value that is not a string; `_ABSENT` for none."""
    kept = _ABSENT if rule.below is None else _prune(value, rule.below)
    if isinstance(value, Mapping):
        names = wanted.scalar_names
        if inner := {k: v for k, v in value.items() if _is_wanted_name(k, names) and _has_scalar(v)}:
            kept = _merge(kept, inner)
        # A role is passed by a member at the top, or one level below.
        if arns and (inner := _prune_members(value, wanted.role_members)):
            kept = _merge(kept, inner)
    elif kept is _ABSENT and rule.may_fill and _has_scalar(value):
        kept = value
    if arns and rule.role_below is not None:
        kept = _merge(kept, _prune(value, rule.role_below))
    if arns and rule.may_hold_arns and (part := _arns(value)) is not None:
        kept = _merge(kept, part)
    return kept


def _is_wanted_name(key: str, names: frozenset[str]) -> bool:
    name = normalise(key)
    return name in names or name.removesuffix("s") in names


def _has_scalar(value: Any) -> bool:
    return any(scalar(element) for element in value) if isinstance(value, list) else bool(scalar(value))


_PLACEHOLDER: Mapping[str, None] = {"…": None}
"""Stands for dropped members: a rule may test whether the map is empty."""


def _prune(value: Any, members: MemberTree) -> Any:
    if not members:
        return _prune_leaf(value)
    if isinstance(value, list):
        return [_prune(element, members) for element in value]
    if not isinstance(value, Mapping):
        return _prune_leaf(value)
    return _prune_members(value, members) or (dict(_PLACEHOLDER) if value else {})


def _prune_members(value: Mapping[str, Any], members: MemberTree) -> dict[str, Any]:
    kept = {}
    every = members.get("*")
    for key, inner in value.items():
        below = members.get(key.lower(), every)
        if below is not None:
            kept[key] = _prune(inner, below)
    return kept


def _prune_leaf(value: Any) -> Any:
    """Return what tests and extractors read: a scalar itself, the keys of a map, the scalars of a list.

    Dropped values are replaced by None or `_PLACEHOLDER`, which cannot be mistaken for a name.
    """
    if isinstance(value, Mapping):
        return dict.fromkeys(value)
    if isinstance(value, list):
        return [_prune_element(element) for element in value]
    return value


def _prune_element(value: Any) -> Any:
    """Return an element of a list: a scalar itself, of anything else only whether it is empty."""
    if isinstance(value, Mapping):
        return dict(_PLACEHOLDER) if value else {}
    if isinstance(value, list):
        return [None] * len(value)
    return value


def _arns(value: Any, depth: int = 8) -> Any:
    """Return the branches of a value that hold ARNs, except in members with free text; None for none."""
    if isinstance(value, str):
        return value if begins_like_arn(value) else None
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
        parts = [_arns(element, depth - 1) for element in value]
        return parts if any(part is not None for part in parts) else None
    return None


def _merge(kept: Any, more: Any) -> Any:
    """Merge two pruned copies of one value. Where both have a value, they have the same."""
    if kept is None or kept is _ABSENT:
        return more
    if isinstance(kept, dict) and isinstance(more, dict):
        return kept | {key: _merge(kept.get(key), value) for key, value in more.items()}
    if isinstance(kept, list) and isinstance(more, list):
        return [_merge(a, b) for a, b in zip(kept, more, strict=True)]
    return kept


def reads_member(source: str, name: str, member: str) -> bool:
    """Return whether a rule of this event reads a member of the request; its name in lower case."""
    return member in projection(source, name).members


@lru_cache(maxsize=8192)
def projection(source: str, name: str) -> Projection:
    """Return what identifies a call of this event source and name."""
    event = known_event(source, name)
    wanted = Projection()
    if event.status != "mapped" or event.service is None:
        return wanted
    needs = event.needs + event.also
    lists = sorted({need.each for need in needs if need.each})
    types = list(event.action.types) if event.action else []
    for need in needs:
        types += [*need.on, *_add_need(wanted, need, lists)]
    for _, template in event.rules.context if event.rules else ():
        for field_ in template.fields:
            _add_field(wanted, field_, [])
    if event.verb:
        wanted.scalar_names |= _path_members(event.operation)
    for path in event.roles:
        _add_path(wanted.role_members, path)
    if event.tagging:
        for member in TAG_MEMBERS:
            _add_path(wanted.members, member)
    for kind in event.rules.open_resources.values() if event.rules else ():
        for test in (*kind.named, *kind.when):
            _add_field(wanted, test.subject, [])
    for rule in learn_rules(source, name):
        for field_ in (one for template in (*rule.key, *rule.value) for one in template.fields):
            _add_field(wanted, field_, [])
    _add_types(wanted, dict.fromkeys(types), event, lists)
    return wanted


def _add_need(wanted: Projection, need: RequiredAction, lists: list[str]) -> list[str]:
    """Add the members that a need reads. Returns the types whose ARNs it refers to."""
    steps = [step for step in need.arn if isinstance(step, Template)]
    templates = [need.action, *steps, *(template for _, template in need.context)]
    fields = [field_ for template in templates for field_ in template.fields]
    for field_ in [*fields, *(test.subject for test in need.when + need.unless)]:
        _add_field(wanted, field_, lists)
    if need.each:
        _add_path(wanted.members, need.each)
    return [field_.path[1:] for field_ in fields if field_.source == "type"]


def _add_types(wanted: Projection, names: Iterable[str], event: KnownEvent, lists: list[str]) -> None:
    """Add the members that the steps of resource types read, and of the types that these refer to."""
    service_types = event.service.types if event.service else {}
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        type_name = waiting.pop()
        if type_name in seen:
            continue
        seen.add(type_name)
        steps = event.rules.resources.get(type_name, ()) if event.rules else ()
        for field_ in (f for step in steps if isinstance(step, Template) for f in step.fields):
            if field_.source == "type":
                waiting.append(field_.path[1:])
            else:
                _add_field(wanted, field_, lists)
        if len(steps) < 2 or PARAMETERS in steps:
            wanted.any_arn = True
            known = service_types.get(type_name)
            for resource_type in [known] if known else _types_of_other_services(event, type_name):
                wanted.scalar_names |= _names_that_fill(resource_type, event.operation)


def _types_of_other_services(event: KnownEvent, type_name: str) -> list[ResourceType]:
    """Return the type as other services define it: those services whose actions the event's rule names."""
    actions = (
        reference.action(need.action.source) for need in event.needs + event.also if type_name in need.on
    )
    services = (reference.service(action.name.split(":", 1)[0]) for action in actions if action)
    return [service.types[type_name] for service in services if service and type_name in service.types]


def _names_that_fill(resource_type: ResourceType, operation: str) -> frozenset[str]:
    names: frozenset[str] = frozenset()
    for pattern in resource_type.patterns:
        generic = len(pattern.name_placeholders) == 1
        for placeholder in pattern.name_placeholders:
            names |= names_for_placeholder(resource_type.name, placeholder, operation, generic=generic)
    return names


def _path_members(operation: str) -> frozenset[str]:
    """Return the normalised names of members in the path of an API Gateway operation."""
    table = botocore_facts()["apigateway"]
    uris = [table[key][1] for key in (operation, f"v2:{operation}") if key in table]
    parts = {normalise(p.split("}")[0].removesuffix("+")) for uri in uris for p in uri.split("{")[1:]}
    return frozenset(parts | {"restapiid", "apiid", "usageplanid"})


def _add_field(wanted: Projection, field_: Field, lists: list[str]) -> None:
    """Add a field's path, from the top and from the elements of each list that a need of the event goes through."""
    path = field_.path
    if path == "@via_service":
        path = "encryptionContext"
    elif field_.source != "parameter":
        return
    for prefix in ("", *(f"{each}." for each in lists)):
        _add_path(wanted.members, f"{prefix}{path}")


def _add_path(tree: MemberTree, path: str) -> None:
    for piece in path.split("."):
        name = piece.removesuffix("[]").lower()
        if name:
            tree = tree.setdefault(name, {})
