"""Finds the ARNs of a resource type that IAM checked for a call, and the step that found each.

The steps are, in order: the ways of the service file; the `resources` of the record, the only place with the true
owner; ARNs among the parameters; parameters that fill the placeholders of the ARN pattern; the whole type in the
caller's account and region. Each result names its step, because the reader of a policy must know which ARNs were read
and which were built.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from policygen.catalog.call import Call
from policygen.catalog.parameters import EXACT, GENERAL, NEAR, arns_in, creates, filling, shallow
from policygen.catalog.rules import RESOURCES, ServiceRules, Ways
from policygen.catalog.template import FieldScope, Text, join, path_steps, walk
from policygen.iam import arn
from policygen.iam.reference import ArnPattern, ResourceType, Service
from policygen.iam.request import Context


class ResolvedArns(NamedTuple):
    """The ARNs of one resource type and the step that found them; no ARNs if no step did."""

    arns: tuple[Text, ...]
    step: str


NOTHING = ResolvedArns((), "nothing in the record names it")


class Resolver:
    """Finds the ARNs of resource types for one call; resolves each type once."""

    __slots__ = (
        "_call", "_found", "_general", "_operation", "_owner", "_owners", "_rules", "_shallow", "names",
        "service",
    )  # fmt: skip

    def __init__(self, call: Call, service: Service, rules: ServiceRules | None, operation: str) -> None:
        self._call = call
        self.service = service
        self._rules = rules
        self._operation = operation
        self._found: dict[tuple[str, str], ResolvedArns] = {}
        self._general: dict[tuple[str, str], ResolvedArns] = {}
        self._shallow: dict[str, list[str]] | None = None
        self._owner: str | None = None
        self._owners: dict[str, str] | None = None
        self.names = frozenset([name.lower() for name in call.params])
        """Member names of the request in lower case."""

    def scope(self, item: Any = None) -> FieldScope:
        """Return where templates look up fields of this call. Not stored: it would make a reference cycle."""
        return FieldScope(self._call, item, self._arns_of, self.names)

    def _arns_of(self, kind: str) -> tuple[Text, ...]:
        return self.find(kind).arns

    def role_names(self) -> frozenset[str]:
        """Return the names of members at the top and one object below, in lower case."""
        inner = [
            name.lower()
            for value in self._call.params.values()
            if isinstance(value, Mapping)
            for name in value
        ]
        return self.names.union(inner) if inner else self.names

    def with_owner(self, context: Context, text: Text) -> Context:
        """Return the context with the owner of an ARN, if the record lists the ARN and its owner (4.5)."""
        if not self._call.resources or text.wild:
            return context
        if self._owners is None:
            self._owners = {entry.arn: entry.account for entry in reversed(self._call.resources)}
        account = self._owners.get(text.text)
        owner = account if account is None else account or self._only_owner()
        return _owned(context, owner) if owner else context

    def _only_owner(self) -> str:
        """Return the only account among all entries, or "": the entry of an S3 object has none (1.9.1)."""
        if self._owner is None:
            owners = {entry.account for entry in self._call.resources if entry.account}
            self._owner = owners.pop() if len(owners) == 1 else ""
        return self._owner

    def find(
        self, kind: str, item: Any = None, before: Ways = (), service: Service | None = None
    ) -> ResolvedArns:
        """Return the ARNs of a resource type that the call names.

        Args:
            kind: the resource type.
            item: an element of a list in the request; its own members count before `resources`.
            before: ways to try before those of the type.
            service: the service of the type; None for the service of the event.
        """
        owner = service or self.service
        if before and (found := self._by_ways(owner, kind, before, item)).arns:
            return found
        if item is not None:
            return self._resolve(owner, kind, item)
        key = (owner.prefix, kind)
        resolved = self._found.get(key)
        if resolved is None:
            self._found[key] = NOTHING  # ends the recursion of a template that names its own type
            resolved = self._found[key] = self._resolve(owner, kind, None)
        return resolved

    def whole_type(self, kind: str, service: Service | None = None) -> ResolvedArns:
        """Return the pattern of all resources of a type in the caller's account and region."""
        known = (service or self.service).types.get(kind)
        if known is None:
            return ResolvedArns((Text("*", wild=True),), "the resource type has no ARN pattern")
        places = {name: arn.escape(value) for name, value in self._places().items()}
        return ResolvedArns(
            tuple(Text(pattern.fill(places), wild=True) for pattern in known.patterns),
            f"the record does not name the {kind}; every {kind} of the account and region",
        )

    def _resolve(self, service: Service, kind: str, item: Any) -> ResolvedArns:
        ways = (self._rules.resources.get(kind) if self._rules else None) or _RESOURCES_ONLY
        if item is not None and ways[0] == RESOURCES:
            ways = (*ways[1:], RESOURCES)
        found = self._by_ways(service, kind, ways, item)
        return found if found.arns or len(ways) > 1 else self._from_parameters(service, kind)

    def _from_parameters(self, service: Service, kind: str) -> ResolvedArns:
        """Return what the general steps find; elements of a list do not change it, so it is found once."""
        key = (service.prefix, kind)
        found = self._general.get(key)
        if found is None:
            found = self._general[key] = self._by_general_steps(service, kind)
        return found

    def _by_general_steps(self, service: Service, kind: str) -> ResolvedArns:
        """Find parameters named like the placeholders of the ARN, and ARNs among the parameters."""
        known = service.types.get(kind)
        if known is None:
            return NOTHING
        for how in (EXACT, NEAR, GENERAL):
            # A parameter with a less similar name may be something else, so an ARN of the type counts before it.
            if how == NEAR and (arns := self._parameter_arns(service, known)):
                return ResolvedArns(arns, "an ARN among the parameters")
            for pattern in known.patterns:
                if filled := self._filled(known, pattern, how):
                    return ResolvedArns(filled, "parameters that fill the ARN pattern")
        return NOTHING

    def _by_ways(self, service: Service, kind: str, ways: Ways, item: Any) -> ResolvedArns:
        for way in ways:
            if way == RESOURCES:
                if self._call.resources and (arns := self._listed(service, kind)):
                    return ResolvedArns(arns, "resources[] of the record")
            elif isinstance(way, str):
                if (found := self._from_parameters(service, kind)).arns:
                    return found
            elif item is None and not way.heads <= self.names:
                continue
            elif texts := way.render(self.scope(item)):
                return ResolvedArns(tuple(texts), way.source)
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
        """Return the values that are not ARNs by normalised parameter name."""
        if self._shallow is None:
            self._shallow = {}
            for name, value in shallow(self._call.params):
                if not value.startswith("arn:"):
                    self._shallow.setdefault(name, []).append(value)
        return self._shallow

    def _filled(self, known: ResourceType, pattern: ArnPattern, how: int) -> tuple[Text, ...]:
        """Fill each placeholder of a pattern from a parameter of its own; return nothing if one stays empty.

        One value never fills two placeholders. A plain `name` or `id` counts only when the operation names the type:
        the `name` of DescribeCluster is the name of the cluster, the `name` of UpdateService is not.
        """
        own = pattern.name_placeholders
        named = self._parameters()
        if not own or not named:
            return ()
        values: dict[str, list[str]] = {}
        for placeholder, first, wanted in filling(known.name, own, self._operation, how):
            # Where an id and a name both match, the parameter named like the placeholder counts.
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
    """Return the role ARNs at the members that pass a role to a service.

    Other members do not count: anyone may have written a role's ARN into a tag, an item or a message. A request may
    be wrapped in one object, as those of API Gateway are.
    """
    roots = [params, *(value for value in params.values() if isinstance(value, Mapping))]
    found = (value for path in paths for root in roots for value in walk(root, path_steps(path)))
    return tuple(dict.fromkeys(value for value in found if isinstance(value, str) and _ROLE.fullmatch(value)))
