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

from policygen import arn
from policygen.access import Call, Context
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


@lru_cache(maxsize=16384)
def normalise(name: str) -> str:
    """A parameter's or placeholder's name for comparison: letters and digits in lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


@lru_cache(maxsize=4096)
def parameter_names(placeholder: str) -> frozenset[str]:
    """Normalised parameter names that mean a placeholder: ``TableName`` is tableName, table, tableId …"""
    whole = normalise(placeholder)
    stem = next((whole.removesuffix(s) for s in _SUFFIXES if whole.endswith(s) and whole != s), whole)
    return frozenset({whole, stem} | {stem + suffix for suffix in _SUFFIXES if suffix != "arn"})


# Placeholders that any type's pattern may have: the parameter is then called like the type.
_ANY_RESOURCE = frozenset({"resourceid", "resourcename", "id", "name"})

EXACT, NEAR, GENERAL = range(3)
"""How a parameter is called that fills a placeholder: like it, much like it, or plainly a name or an id."""


def is_id(placeholder: str) -> bool:
    """Whether a placeholder is for an id, which the service makes: ``FlowId``, ``JobID``, ``ClusterIdentifier``."""
    return normalise(placeholder).endswith(("id", "identifier"))


def thing(kind: str) -> str:
    """What a type is called in names of operations and parameters: ``TaskResource`` is a task."""
    name = normalise(kind)
    return name.removesuffix("resource") or name


@lru_cache(maxsize=16384)
def names_operation(kind: str, operation: str) -> bool:
    """Whether an operation is called by a type, in words of its own: ``DescribeClusters`` by cluster, not by ``es``."""
    letters = "".join(f"{letter}[^A-Za-z0-9]*" for letter in thing(kind))
    found = re.finditer(letters, operation, re.I)
    return bool(letters) and any(
        not one.group()[0].islower() and not re.match("(?!s)[a-z]", operation[one.end() :]) for one in found
    )


@lru_cache(maxsize=16384)
def creates(kind: str, operation: str) -> bool:
    """Whether an operation makes a thing of the type, which has no ARN before: one in the request is another's."""
    return normalise(operation) == f"create{thing(kind)}"


@lru_cache(maxsize=16384)
def wanted_names(
    kind: str, placeholder: str, operation: str, *, generic: bool, how: int = GENERAL
) -> frozenset[str]:
    """Normalised names of parameters that fill a placeholder of a type's pattern.

    Args:
        kind: the resource type.
        placeholder: of its pattern.
        operation: the event's name without the API's date.
        generic: whether a plain name or id may be meant, which it is only where the operation names the type.
        how: up to which likeness.
    """
    own = normalise(placeholder)
    plain = own in _ANY_RESOURCE
    like = normalise(f"{thing(kind)}{'name' if own.endswith('name') else 'id'}" if plain else placeholder)
    wanted = {like}
    if like.endswith("id"):
        wanted.add(f"{like}entifier")
    if how >= NEAR:
        wanted |= parameter_names(like)
    if how >= GENERAL:
        if plain:
            wanted |= parameter_names(placeholder)
        if generic and names_operation(kind, operation):
            wanted |= GENERIC
    if is_id(placeholder):
        # An id is made by the service: a name that the caller gives, or the thing itself, is not it.
        wanted = {name for name in wanted if name == like or name.endswith(("id", "identifier"))}
    return frozenset(wanted)


@lru_cache(maxsize=16384)
def _fills(
    kind: str, own: tuple[str, ...], operation: str, how: int
) -> tuple[tuple[str, str, frozenset[str]], ...]:
    """By placeholder of a pattern: the name that is preferred and all that fill it; no name fills two of them."""
    taken: frozenset[str] = frozenset()
    found = []
    for placeholder in own:
        wanted = wanted_names(kind, placeholder, operation, generic=len(own) == 1, how=how)
        first = min(wanted_names(kind, placeholder, operation, generic=False, how=EXACT), key=len)
        found.append((placeholder, first, wanted - taken))
        taken |= wanted
    return tuple(found)


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


TAG_MEMBERS = frozenset({"tags", "taglist", "tagset"})
"""Members of a request that tag what it creates, in lower case."""


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

    __slots__ = (
        "_call", "_found", "_general", "_operation", "_owner", "_owners", "_rules", "_scope", "_shallow",
        "names", "service",
    )  # fmt: skip

    def __init__(self, call: Call, service: Service, rules: ServiceRules | None, operation: str) -> None:
        self._call = call
        self.service = service
        self._rules = rules
        self._operation = operation
        self._found: dict[tuple[str, str], Found] = {}
        self._general: dict[tuple[str, str], Found] = {}
        self._scope: Scope | None = None
        self._shallow: dict[str, list[str]] | None = None
        self._owner: str | None = None
        self._owners: dict[str, str] | None = None
        self.names = frozenset([name.lower() for name in call.params])
        """The request's member names in lower case."""

    def scope(self, item: Any = None) -> Scope:
        """Where this call's templates look up their fields."""
        if item is not None:
            return Scope(self._call, item, self._arns_of, self.names)
        if self._scope is None:
            self._scope = Scope(self._call, None, self._arns_of, self.names)
        return self._scope

    def _arns_of(self, kind: str) -> tuple[Text, ...]:
        return self.find(kind).arns

    def role_names(self) -> frozenset[str]:
        """Members at the top and inside one object around the request, in lower case."""
        inner = [
            name.lower()
            for value in self._call.params.values()
            if isinstance(value, Mapping)
            for name in value
        ]
        return self.names.union(inner) if inner else self.names

    def with_owner(self, context: Context, text: Text) -> Context:
        """The context with the owner of an ARN that the record lists, where the record tells one (4.5)."""
        if not self._call.resources or text.wild:
            return context
        if self._owners is None:
            self._owners = {entry.arn: entry.account for entry in reversed(self._call.resources)}
        account = self._owners.get(text.text)
        owner = account if account is None else account or self._only_owner()
        return _owned(context, owner) if owner else context

    def _only_owner(self) -> str:
        """The account of all entries, if there is but one: an object's entry has none beside its bucket's (1.9.1)."""
        if self._owner is None:
            owners = {entry.account for entry in self._call.resources if entry.account}
            self._owner = owners.pop() if len(owners) == 1 else ""
        return self._owner

    def find(self, kind: str, item: Any = None, before: Ways = (), service: Service | None = None) -> Found:
        """The ARNs of a resource type that the call names.

        Args:
            kind: the resource type.
            item: an element of a list in the request; what it says itself counts before `resources`.
            before: ways to try before the type's own.
            service: whose type it is, if not the event's own service.
        """
        owner = service or self.service
        if before and (found := self._by_ways(owner, kind, before, item)).arns:
            return found
        if item is not None:
            return self._resolve(owner, kind, item)
        key = (owner.prefix, kind)
        found_ = self._found.get(key)
        if found_ is None:
            self._found[key] = NOTHING  # a template that names its own type finds nothing instead of looping
            found_ = self._found[key] = self._resolve(owner, kind, None)
        return found_

    def whole_type(self, kind: str, service: Service | None = None) -> Found:
        """All resources of a type, in the caller's account and region."""
        known = (service or self.service).types.get(kind)
        if known is None:
            return Found((Text("*", wild=True),), "the resource type has no ARN pattern")
        places = {name: arn.escape(value) for name, value in self._places().items()}
        return Found(
            tuple(Text(pattern.fill(places), wild=True) for pattern in known.patterns),
            f"the record does not name the {kind}; every {kind} of the account and region",
        )

    def _resolve(self, service: Service, kind: str, item: Any) -> Found:
        ways = (self._rules.resources.get(kind) if self._rules else None) or _RESOURCES_ONLY
        if item is not None and ways[0] == RESOURCES:
            ways = (*ways[1:], RESOURCES)
        found = self._by_ways(service, kind, ways, item)
        return found if found.arns or len(ways) > 1 else self._from_parameters(service, kind)

    def _from_parameters(self, service: Service, kind: str) -> Found:
        """The general steps, which no element of a list can change: done once."""
        key = (service.prefix, kind)
        found = self._general.get(key)
        if found is None:
            found = self._general[key] = self._by_general_steps(service, kind)
        return found

    def _by_general_steps(self, service: Service, kind: str) -> Found:
        """Parameters named like the ARN's placeholders, and ARNs among the parameters."""
        known = service.types.get(kind)
        if known is None:
            return NOTHING
        for how in (EXACT, NEAR, GENERAL):
            # What is called otherwise may be something else, so that an ARN of the type counts before it.
            if how == NEAR and (arns := self._parameter_arns(service, known)):
                return Found(arns, "an ARN among the parameters")
            for pattern in known.patterns:
                if filled := self._filled(known, pattern, how):
                    return Found(filled, "parameters that fill the ARN pattern")
        return NOTHING

    def _by_ways(self, service: Service, kind: str, ways: Ways, item: Any) -> Found:
        for way in ways:
            if way == RESOURCES:
                if self._call.resources and (arns := self._listed(service, kind)):
                    return Found(arns, "resources[] of the record")
            elif isinstance(way, str):
                if (found := self._from_parameters(service, kind)).arns:
                    return found
            elif item is None and not way.heads <= self.names:
                continue
            elif texts := way.render(self.scope(item)):
                return Found(tuple(texts), way.source)
        return NOTHING

    def _listed(self, service: Service, kind: str) -> tuple[Text, ...]:
        if kind not in service.types:
            return ()
        arns = [entry.arn for entry in self._call.resources if entry.arn]
        found = [Text(arn) for arn in arns if service.type_of(arn) == kind]
        return tuple(found) if len(found) < 2 else tuple(dict.fromkeys(found))

    def _parameter_arns(self, service: Service, known: ResourceType) -> tuple[Text, ...]:
        if creates(known.name, self._operation):
            return ()
        arns = dict.fromkeys(arns_in(self._call.params))
        return tuple(Text(arn) for arn in arns if service.type_of(arn) == known.name)

    def _parameters(self) -> dict[str, list[str]]:
        """Values that are no ARNs by normalised name."""
        if self._shallow is None:
            self._shallow = {}
            for name, value in shallow(self._call.params):
                if not value.startswith("arn:"):
                    self._shallow.setdefault(name, []).append(value)
        return self._shallow

    def _filled(self, known: ResourceType, pattern: ArnPattern, how: int) -> tuple[Text, ...]:
        """The pattern with each of its own placeholders filled by a parameter of its own; all or nothing.

        One value never fills two placeholders, and a generic name or id counts only when the operation names
        the type: DescribeCluster's `name` is the cluster's, UpdateService's is not.
        """
        own = pattern.own
        named = self._parameters()
        if not own or not named:
            return ()
        values: dict[str, list[str]] = {}
        for placeholder, first, wanted in _fills(known.name, own, self._operation, how):
            # Where an id and a name both fit, the one that is called like the placeholder is meant.
            found = named.get(first) if first in wanted else None
            if found is None:
                found = [
                    value
                    for name, given in named.items()
                    if name in wanted or name.removesuffix("s") in wanted
                    for value in given
                ]
                if not found:
                    return ()
            values[placeholder] = found
        if len(own) == 1:
            return tuple(self._literal(pattern, {own[0]: value}) for value in dict.fromkeys(values[own[0]]))
        return (self._literal(pattern, {name: found[0] for name, found in values.items()}),)

    def _literal(self, pattern: ArnPattern, values: Mapping[str, str]) -> Text:
        places = self._places()
        return join(
            [
                Text(piece, "*" in piece)
                if i % 2 == 0
                else Text(places[piece])
                if piece in places
                else Text(values[piece])
                for i, piece in enumerate(pattern.pieces)
            ]
        )

    def _places(self) -> dict[str, str]:
        call = self._call
        return {"Partition": call.partition, "Region": call.region, "Account": call.account}


_RESOURCES_ONLY: Ways = (RESOURCES,)


def _owned(context: Context, owner: str) -> Context:
    return tuple(sorted((*context, ("aws:ResourceAccount", (owner,)))))


_ROLE = re.compile(r"arn:[^:]+:iam::\d{12}:role/.+")


def role_arns(params: Mapping[str, Any], paths: Iterable[str]) -> tuple[str, ...]:
    """The role ARNs at the members that hand a role to a service.

    Only there: a role's ARN in a tag, an item or a message is text that anyone may have written. A request
    may stand inside one object, as API Gateway's do.
    """
    roots = [params, *(value for value in params.values() if isinstance(value, Mapping))]
    found = (value for path in paths for root in roots for value in walk(root, path_steps(path)))
    return tuple(dict.fromkeys(value for value in found if isinstance(value, str) and _ROLE.fullmatch(value)))
