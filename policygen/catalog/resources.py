"""From a call and a resource type to the ARNs that IAM checked, and the step that found each.

The steps, in order: the service file's own ways; the record's `resources`, the only place that tells the true
owner; ARNs among the parameters; parameters that fill the ARN pattern's placeholders; the whole type in the
caller's account and region. Each result says which step it is from, because a policy's reader must know
which ARNs were read and which were built.
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


class Found(NamedTuple):
    """The ARNs of one resource type and the step that gave them; no ARNs when nothing did."""

    arns: tuple[Text, ...]
    step: str


NOTHING = Found((), "nothing in the record names it")


class Resolver:
    """Finds the ARNs of resource types for one call; each type is resolved once."""

    __slots__ = (
        "_call", "_found", "_general", "_operation", "_owner", "_owners", "_rules", "_shallow", "names",
        "service",
    )  # fmt: skip

    def __init__(self, call: Call, service: Service, rules: ServiceRules | None, operation: str) -> None:
        self._call = call
        self.service = service
        self._rules = rules
        self._operation = operation
        self._found: dict[tuple[str, str], Found] = {}
        self._general: dict[tuple[str, str], Found] = {}
        self._shallow: dict[str, list[str]] | None = None
        self._owner: str | None = None
        self._owners: dict[str, str] | None = None
        self.names = frozenset([name.lower() for name in call.params])
        """The request's member names in lower case."""

    def scope(self, item: Any = None) -> FieldScope:
        """Where this call's templates look up their fields. Not kept: each would hold the other in memory."""
        return FieldScope(self._call, item, self._arns_of, self.names)

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
        own = pattern.name_placeholders
        named = self._parameters()
        if not own or not named:
            return ()
        values: dict[str, list[str]] = {}
        for placeholder, first, wanted in filling(known.name, own, self._operation, how):
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
