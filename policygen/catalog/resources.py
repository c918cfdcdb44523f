"""Find the ARNs of a resource type that a call touched.

The steps, in order: the record's `resources`, the only place with the true owner; the steps of the service file, which
may put `resources` elsewhere; parameters that are named exactly like the placeholders of the ARN pattern; ARNs among
the parameters; parameters with similar names; every resource of the type in the caller's account and region. Where the
service file has steps of its own, parameters are searched only if it says so. Each result names its step, because the
reader of a policy must know which ARNs were read from the record and which were built.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import field
from msgspec.structs import replace

from policygen.catalog.call import Call
from policygen.catalog.parameters import (
    EXACT,
    GENERAL,
    NEAR,
    arns_in,
    creates,
    placeholder_names,
    shallow_scalars,
)
from policygen.catalog.rendered_text import UNTOLD, Text, join, literal_text
from policygen.catalog.rule_model import RESOURCES, ArnSteps, ServiceRules
from policygen.catalog.template import FieldScope, path_steps, walk_path
from policygen.iam.reference import ArnPattern, ResourceType, Service
from policygen.iam.request import Context


class ResolvedArns(msgspec.Struct, frozen=True):
    """The ARNs of one resource type, and the step that gave them. No ARNs if no step did."""

    arns: tuple[Text, ...]
    step: str


UNRESOLVED = ResolvedArns((), "nothing in the record names it")


class Resolver(FieldScope, eq=False, kw_only=True):
    """Finds the ARNs of resource types for one call, and is the scope of its templates. Each type is resolved once."""

    service: Service
    rules: ServiceRules | None
    operation: str
    member_names: frozenset[str]
    _resolved: dict[tuple[str, str], ResolvedArns] = field(default_factory=dict)
    _from_parameters: dict[tuple[str, str], ResolvedArns] = field(default_factory=dict)
    _values_by_name: dict[str, list[str]] | None = None
    _owner: str | None = None
    _owners: dict[Text, str] | None = None

    @classmethod
    def of(cls, call: Call, service: Service, rules: ServiceRules | None, operation: str) -> Resolver:
        """Return the resolver of a call whose parameters have the names of the API."""
        names = frozenset([name.lower() for name in call.params])
        return cls(call, service=service, rules=rules, operation=operation, member_names=names)

    def scope(self, item: Any = None) -> FieldScope:
        """Return the scope in which this call's templates look up fields, for an element of a list in the request."""
        return self if item is None else _ItemScope(self.call, item, self.member_names, resolver=self)

    def arns_of_type(self, type_name: str) -> tuple[Text, ...]:
        """Return the ARNs of a resource type that the call names."""
        return self.find(type_name).arns

    def nested_member_names(self) -> frozenset[str]:
        """Return the names of members at the top and one level below, in lower case."""
        inner = [
            name.lower()
            for value in self.call.params.values()
            if isinstance(value, Mapping)
            for name in value
        ]
        return self.member_names.union(inner) if inner else self.member_names

    def with_owner(self, context: Context, text: Text) -> Context:
        """Return the context with the owner of an ARN, if the record's `resources` list the ARN and its owner (4.5)."""
        if not self.call.resources:
            return context
        if self._owners is None:
            self._owners = {literal_text(entry.arn): entry.account for entry in reversed(self.call.resources)}
        account = self._owners.get(replace(text, alternative=False) if text.alternative else text)
        owner = account if account is None else account or self._only_owner()
        return _with_resource_account(context, owner) if owner else context

    def _only_owner(self) -> str:
        """Return the only account of all entries, or "": an object's entry has none, its bucket's has (1.9.1)."""
        if self._owner is None:
            owners = {entry.account for entry in self.call.resources if entry.account}
            self._owner = owners.pop() if len(owners) == 1 else ""
        return self._owner

    def find(
        self, type_name: str, item: Any = None, first: ArnSteps = (), service: Service | None = None
    ) -> ResolvedArns:
        """Return the ARNs of a resource type that the call names.

        Args:
            type_name: the resource type.
            item: an element of a list in the request; its own members come before the record's `resources`.
            first: steps to try before the type's own.
            service: the service of the type, if it is not the event's service.
        """
        owner = service or self.service
        if first and (found := self._by_steps(owner, type_name, first, item)).arns:
            return found
        if item is not None:
            return self._resolve(owner, type_name, item)
        key = (owner.prefix, type_name)
        resolved = self._resolved.get(key)
        if resolved is None:
            self._resolved[key] = UNRESOLVED  # a template that names its own type must not recurse for ever
            resolved = self._resolved[key] = self._resolve(owner, type_name, None)
        return resolved

    def whole_type(self, type_name: str, service: Service | None = None) -> ResolvedArns:
        """Return the patterns for all resources of a type, in the caller's account and region."""
        known = (service or self.service).types.get(type_name)
        if known is None:
            return ResolvedArns((Text("*", wild=True),), "the resource type has no ARN pattern")
        location = {name: value.pattern for name, value in self._location().items()}
        return ResolvedArns(
            tuple(Text(pattern.fill(location), wild=True) for pattern in known.patterns),
            f"the record does not name the {type_name}; every {type_name} of the account and region",
        )

    def _resolve(self, service: Service, type_name: str, item: Any) -> ResolvedArns:
        steps = (self.rules.resources.get(type_name) if self.rules else None) or _RESOURCES_ONLY
        if item is not None and steps[0] == RESOURCES:
            steps = (*steps[1:], RESOURCES)
        found = self._by_steps(service, type_name, steps, item)
        return found if found.arns or len(steps) > 1 else self._by_parameters(service, type_name)

    def _by_parameters(self, service: Service, type_name: str) -> ResolvedArns:
        """Resolve a type by the general steps, once for each type: they do not depend on an element of a list."""
        key = (service.prefix, type_name)
        found = self._from_parameters.get(key)
        if found is None:
            found = self._from_parameters[key] = self._search_parameters(service, type_name)
        return found

    def _search_parameters(self, service: Service, type_name: str) -> ResolvedArns:
        """Look for parameters that are named like the ARN's placeholders, and for ARNs among the parameters."""
        known = service.types.get(type_name)
        if known is None:
            return UNRESOLVED
        for likeness in (EXACT, NEAR, GENERAL):
            # A parameter with a less similar name may mean something else, so an ARN of the type comes before it.
            if likeness == NEAR and (arns := self._parameter_arns(service, known)):
                return ResolvedArns(arns, "an ARN among the parameters")
            for pattern in known.patterns:
                if filled := self._fill_pattern(known, pattern, likeness):
                    return ResolvedArns(filled, "parameters that fill the ARN pattern")
        return UNRESOLVED

    def _by_steps(self, service: Service, type_name: str, steps: ArnSteps, item: Any) -> ResolvedArns:
        scope = self.scope(item)
        for step in steps:
            if step == RESOURCES:
                if self.call.resources and (arns := self.of_record(type_name, service)):
                    return ResolvedArns(arns, "resources[] of the record")
            elif isinstance(step, str):
                if (found := self._by_parameters(service, type_name)).arns:
                    return found
            elif item is None and not step.required_members <= self.member_names:
                continue
            elif texts := step.render(scope):
                return ResolvedArns(tuple(texts), step.source)
        return UNRESOLVED

    def of_record(self, type_name: str, service: Service) -> tuple[Text, ...]:
        """Return the ARNs of a resource type in the record's `resources`."""
        if type_name not in service.types:
            return ()
        arns = [entry.arn for entry in self.call.resources if entry.arn]
        found = [literal_text(arn) for arn in arns if service.type_of(arn) == type_name]
        return tuple(found) if len(found) < 2 else tuple(dict.fromkeys(found))

    def _parameter_arns(self, service: Service, known: ResourceType) -> tuple[Text, ...]:
        if creates(known.name, self.operation):
            return ()
        arns = dict.fromkeys(arns_in(self.call.params))
        return tuple(literal_text(arn) for arn in arns if service.type_of(arn) == known.name)

    def _parameters(self) -> dict[str, list[str]]:
        """Return the values that are not ARNs, by normalised parameter name."""
        if self._values_by_name is None:
            self._values_by_name = {}
            for name, value in shallow_scalars(self.call.params):
                if not value.startswith("arn:"):
                    self._values_by_name.setdefault(name, []).append(value)
        return self._values_by_name

    def _fill_pattern(self, known: ResourceType, pattern: ArnPattern, likeness: int) -> tuple[Text, ...]:
        """Fill each placeholder of a pattern with a parameter of its own; () if one has none.

        One value never fills two placeholders. A generic ``name`` or ``id`` counts only when the operation names the
        type: the `name` of DescribeCluster is the cluster's, the `name` of UpdateService is not.
        """
        placeholders = pattern.name_placeholders
        parameters = self._parameters()
        if not placeholders or not parameters:
            return ()
        chosen: dict[str, list[str]] = {}
        for placeholder, preferred, wanted in placeholder_names(
            known.name, placeholders, self.operation, likeness
        ):
            # Where an id and a name both fit, the parameter that is called like the placeholder is right.
            values = parameters.get(preferred) if preferred in wanted else None
            if values is None:
                values = [
                    value
                    for name, named in parameters.items()
                    if name in wanted or name.removesuffix("s") in wanted
                    for value in named
                ]
                if not values:
                    return ()
            chosen[placeholder] = values
        if len(placeholders) == 1:
            (name,) = placeholders
            return tuple(
                self._fill_literally(pattern, {name: value}) for value in dict.fromkeys(chosen[name])
            )
        return (self._fill_literally(pattern, {name: values[0] for name, values in chosen.items()}),)

    def _fill_literally(self, pattern: ArnPattern, values: Mapping[str, str]) -> Text:
        location = self._location()
        return join(
            [
                Text(piece, "*" in piece)
                if i % 2 == 0
                else location[piece]
                if piece in location
                else literal_text(values[piece])
                for i, piece in enumerate(pattern.pieces)
            ]
        )

    def _location(self) -> dict[str, Text]:
        call = self.call
        told = {"Partition": call.partition, "Region": call.region, "Account": call.account}
        return {name: Text(value) if value else UNTOLD for name, value in told.items()}


class _ItemScope(FieldScope, eq=False, kw_only=True):
    """The scope of a call's templates for an element of a list in its request."""

    resolver: Resolver

    def arns_of_type(self, type_name: str) -> tuple[Text, ...]:
        return self.resolver.arns_of_type(type_name)


_RESOURCES_ONLY: ArnSteps = (RESOURCES,)


@lru_cache(maxsize=4096)
def _with_resource_account(context: Context, owner: str) -> Context:
    return tuple(sorted((*context, ("aws:ResourceAccount", (owner,)))))


_ROLE = re.compile(r"arn:[^:]+:iam::\d{12}:role/.+")


def role_arns(params: Mapping[str, Any], paths: Iterable[str]) -> tuple[str, ...]:
    """Return the role ARNs at the members that pass a role to a service.

    Other members do not count: a role's ARN in a tag, an item or a message is text that anyone may have written. The
    members may be one level down, as in API Gateway's requests.
    """
    roots = [params, *(value for value in params.values() if isinstance(value, Mapping))]
    found = (value for path in paths for root in roots for value in walk_path(root, path_steps(path)))
    return tuple(dict.fromkeys(value for value in found if isinstance(value, str) and _ROLE.fullmatch(value)))
