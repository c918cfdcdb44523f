"""From a call and a resource type to the ARNs that IAM checked, and the step that found each.

The steps, in order: the service file's own ways; the record's `resources`, the only place that tells the true
owner; ARNs among the parameters; parameters that fill the ARN pattern's placeholders; the whole type in the
caller's account and region. Each result says which step it is from, because a policy's reader must know
which ARNs were read and which were built.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from policygen.access import Call
from policygen.catalog.reference import ArnPattern, ResourceType, Service
from policygen.catalog.rules import RESOURCES, ServiceRules, Ways
from policygen.catalog.template import Scope, Text, join, path_steps, scalar, walk

_SUFFIXES = ("identifier", "name", "id", "arn")
GENERIC = {"name", "id", "identifier", "arn", "resourcename", "resourceid"}


class Found(NamedTuple):
    """The ARNs of one resource type and the step that gave them; no ARNs when nothing did."""

    arns: tuple[Text, ...]
    step: str


NOTHING = Found((), "nothing in the record names it")


def normalise(name: str) -> str:
    """A parameter's or placeholder's name for comparison: letters and digits in lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


@lru_cache(maxsize=4096)
def parameter_names(placeholder: str) -> frozenset[str]:
    """Normalised parameter names that mean a placeholder: ``TableName`` is tableName, table, tableId …"""
    whole = normalise(placeholder)
    stem = next((whole.removesuffix(s) for s in _SUFFIXES if whole.endswith(s) and whole != s), whole)
    return frozenset({whole, stem} | {stem + suffix for suffix in _SUFFIXES if suffix != "arn"})


def shallow(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Scalar parameters, and those one map deeper, as (normalised name, value); lists give each element.

    A deeper ``name`` or ``id`` is that of a part and not of what the call is about.
    """
    for name, value in params.items():
        if isinstance(value, Mapping):
            for inner, deeper in value.items():
                if normalise(inner) not in GENERIC:
                    yield from _scalars(inner, deeper)
        else:
            yield from _scalars(name, value)


def _scalars(name: str, value: Any) -> Iterator[tuple[str, str]]:
    for one in value if isinstance(value, list) else [value]:
        if text := scalar(one):
            yield normalise(name), text


# Members whose content a caller writes as it likes: an ARN there is text and not what the call is about.
FREE_TEXT = frozenset(
    """
    tags tag tagset tagspecificationset key item items expressionattributevalues
    attributes messageattributes message subject body environment variables parameters
    metadata description policy policydocument assumerolepolicydocument definition input payload
    overrides containeroverrides usermetadata userdata templatebody query querystring statement
    entries
    """.split()
)


def arns_in(value: Any, depth: int = 6) -> Iterator[str]:
    """Strings among the parameters that begin like an ARN, except in members of free text."""
    if isinstance(value, str):
        if value.startswith("arn:"):
            yield value
    elif depth and isinstance(value, Mapping):
        for name, inner in value.items():
            if normalise(name) not in FREE_TEXT:
                yield from arns_in(inner, depth - 1)
    elif depth and isinstance(value, list):
        for inner in value:
            yield from arns_in(inner, depth - 1)


class Resolver:
    """Finds the ARNs of resource types for one call; each type is resolved once."""

    def __init__(self, call: Call, service: Service, rules: ServiceRules | None, operation: str) -> None:
        self._call = call
        self._service = service
        self._rules = rules
        self._operation = normalise(operation)
        self._found: dict[str, Found] = {}
        self._names = frozenset(name.lower() for name in call.params)

    def scope(self, item: Any = None) -> Scope:
        """Where this call's templates look up their fields."""
        return Scope(self._call, item, lambda kind: self.find(kind).arns, self._names)

    def find(self, kind: str, item: Any = None, before: Ways = ()) -> Found:
        """The ARNs of a resource type that the call names.

        Args:
            kind: the resource type.
            item: an element of a list in the request; what it says itself counts before `resources`.
            before: ways to try before the type's own.
        """
        if before and (found := self._by_ways(kind, before, item)).arns:
            return found
        if item is not None:
            return self._resolve(kind, item)
        if kind not in self._found:
            self._found[kind] = NOTHING  # a template that names its own type finds nothing instead of looping
            self._found[kind] = self._resolve(kind, None)
        return self._found[kind]

    def whole_type(self, kind: str) -> Found:
        """All resources of a type, in the caller's account and region."""
        known = self._service.types.get(kind)
        if known is None:
            return Found((Text("*", wild=True),), "the resource type has no ARN pattern")
        return Found(
            tuple(Text(self._fill(pattern, {}), wild=True) for pattern in known.patterns),
            f"the record does not name the {kind}; every {kind} of the account and region",
        )

    def _resolve(self, kind: str, item: Any) -> Found:
        ways = self._rules.resources.get(kind, ()) if self._rules else ()
        if RESOURCES not in ways:
            ways = (RESOURCES, *ways)
        if item is not None:
            ways = tuple(sorted(ways, key=lambda way: way == RESOURCES))
        found = self._by_ways(kind, ways, item)
        if found.arns or len(ways) > 1:
            return found
        known = self._service.types.get(kind)
        if known is None:
            return NOTHING
        for pattern in known.patterns:
            if filled := self._filled(known, pattern, generic=False):
                return Found(filled, "parameters that fill the ARN pattern")
        if arns := self._parameter_arns(known):
            return Found(arns, "an ARN among the parameters")
        for pattern in known.patterns:
            if filled := self._filled(known, pattern, generic=True):
                return Found(filled, "parameters that fill the ARN pattern")
        return NOTHING

    def _by_ways(self, kind: str, ways: Ways, item: Any) -> Found:
        known = self._service.types.get(kind)
        for way in ways:
            if isinstance(way, str):
                if known and (arns := self._listed(known)):
                    return Found(arns, "resources[] of the record")
            elif texts := way.render(self.scope(item)):
                return Found(tuple(texts), way.source)
        return NOTHING

    def _listed(self, known: ResourceType) -> tuple[Text, ...]:
        arns = (entry.arn for entry in self._call.resources if entry.arn)
        return tuple(Text(arn) for arn in dict.fromkeys(arns) if self._service.type_of(arn) == known.name)

    def _parameter_arns(self, known: ResourceType) -> tuple[Text, ...]:
        arns = dict.fromkeys(arns_in(self._call.params))
        return tuple(Text(arn) for arn in arns if self._service.type_of(arn) == known.name)

    def _filled(self, known: ResourceType, pattern: ArnPattern, *, generic: bool) -> tuple[Text, ...]:
        """The pattern with each of its own placeholders filled by a parameter of its own; all or nothing.

        One value never fills two placeholders, and a generic name or id counts only when the operation names
        the type: DescribeCluster's `name` is the cluster's, UpdateService's is not.
        """
        own = [p for p in pattern.placeholders if p not in {"Partition", "Region", "Account"}]
        if not own:
            return ()
        values: dict[str, list[str]] = {}
        used: set[str] = set()
        for placeholder in own:
            wanted = parameter_names(placeholder)
            if generic and normalise(known.name) in self._operation and len(own) == 1:
                wanted |= GENERIC
            for name, value in shallow(self._call.params):
                plural = name.removesuffix("s")
                if (name in wanted or plural in wanted) and name not in used and not value.startswith("arn:"):
                    values.setdefault(placeholder, []).append(value)
            if placeholder not in values:
                return ()
            used |= wanted
        if len(own) == 1:
            return tuple(self._literal(pattern, {own[0]: value}) for value in dict.fromkeys(values[own[0]]))
        return (self._literal(pattern, {name: found[0] for name, found in values.items()}),)

    def _literal(self, pattern: ArnPattern, values: Mapping[str, str]) -> Text:
        pieces = re.split(r"\$\{([^}]+)\}", pattern.text)
        places = self._places()
        return join(
            Text(piece, "*" in piece)
            if i % 2 == 0
            else Text(places[piece])
            if piece in places
            else Text(values[piece])
            for i, piece in enumerate(pieces)
        )

    def _fill(self, pattern: ArnPattern, values: Mapping[str, str]) -> str:
        return pattern.fill({**self._places(), **values})

    def _places(self) -> dict[str, str]:
        call = self._call
        return {"Partition": call.partition, "Region": call.region, "Account": call.account}


_ROLE = re.compile(r"arn:[^:]+:iam::\d{12}:role/.+")


def role_arns(params: Mapping[str, Any], paths: Iterable[str]) -> tuple[str, ...]:
    """The role ARNs at the members that hand a role to a service.

    Only there: a role's ARN in a tag, an item or a message is text that anyone may have written. A request
    may stand inside one object, as API Gateway's do.
    """
    roots = [params, *(value for value in params.values() if isinstance(value, Mapping))]
    found = (value for path in paths for root in roots for value in walk(root, path_steps(path)))
    return tuple(dict.fromkeys(value for value in found if isinstance(value, str) and _ROLE.fullmatch(value)))
