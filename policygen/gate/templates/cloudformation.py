"""Reads templates of CloudFormation and SAM, as objects of JSON or YAML.

Names that a deployment makes are not in a template, so a function of the template is worked out only where its value
is certain: pseudo parameters, defaults of parameters, and the ARNs of resources with a name of their own.
Source: AWS CloudFormation User Guide, Intrinsic function reference; AWS SAM specification.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec import UNSET

from policygen.errors import UsageError
from policygen.gate.sources import SAM_TEMPLATE, TemplateRest, TemplateRole, policy_key, role_name
from policygen.gate.templates.cloudformation_unread import added_by_sam, unread_macros, unread_resources
from policygen.gate.templates.cloudformation_values import (
    NO_VALUE,
    NOT_TOLD,
    TemplateValues,
    UnresolvedError,
    is_expanded,
    is_function,
    not_expanded,
)
from policygen.gate.templates.model import (
    RolePolicies,
    TemplateContext,
    no_such_role,
    unknown_value,
)
from policygen.iam.locations import Path

_ROLE, _FUNCTION = "AWS::IAM::Role", "AWS::Serverless::Function"
_MAKES_ROLE = {_FUNCTION, "AWS::Serverless::StateMachine"}
"""Resources of SAM that get a role, called like them with ``Role`` at the end, unless they name one."""
_MANAGED = "AWS::IAM::ManagedPolicy"
_IF = "Fn::If"
_ATTACHED = {"AWS::IAM::Policy", _MANAGED, "AWS::IAM::RolePolicy"}


def is_cloudformation(document: Mapping[str, Any]) -> bool:
    """Return whether an object is a template; what a transform would make of its resources is left out of account."""
    resources = document.get("Resources")
    return isinstance(resources, dict) and all(
        is_expanded(name) or (isinstance(one, dict) and isinstance(one.get("Type"), str))
        for name, one in resources.items()
    )


def cloudformation_policies(document: Mapping[str, Any], file: str, context: TemplateContext) -> RolePolicies:
    """Return the policies of a role.

    Raises:
        UsageError: PG-E250, there is no such role; PG-E251, a value that the template alone does not tell.
    """
    expanded = next(filter(is_expanded, document["Resources"]), "")
    if expanded and not context.lenient:
        raise not_expanded(file, expanded)
    return _TemplateReader(_as_written(document), file, context).policies()


def rest_of_cloudformation(
    document: Mapping[str, Any], file: str, context: TemplateContext
) -> tuple[TemplateRest, UsageError | None]:
    """Return what a template holds, seen from no role, and why some of it is not told; None where all is.

    Raises:
        UsageError: PG-E251, CloudFormation puts its resources together.
    """
    rest, untold = _TemplateReader(_as_written(document), file, context).rest_of_all()
    expanded = next(filter(is_expanded, document["Resources"]), "")
    return rest, not_expanded(file, expanded) if expanded else untold


def _as_written(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a template with the resources alone that it has itself."""
    resources = {name: one for name, one in document["Resources"].items() if not is_expanded(name)}
    return {**document, "Resources": resources}


class _TemplateReader(TemplateValues):
    """Finds the policies of one role among the resources."""

    def __init__(self, document: Mapping[str, Any], file: str, context: TemplateContext) -> None:
        super().__init__(document, file, context)
        self._document = document
        self._others: dict[str, str] = {}
        self._names: set[str] = set()

    def policies(self) -> RolePolicies:
        documents: list[tuple[str, Any, Path]] = []
        attached: list[tuple[str, Path]] = []
        own = [name for name in self._roles() if self._is_ours(name)]
        self._names = {
            role_name(self._context.role),
            *(role_name(self._name_of(one) or "") for one in own),
        } - {""}
        for logical in own:
            if self._holder(logical) == logical:
                attached += self._attached_by(logical)
            for place, policy in self._listed(("Resources", self._holder(logical), "Properties", "Policies")):
                self._add(logical, policy, place, documents, attached)
        for logical, one in self._resources.items():
            if one["Type"] in _ATTACHED and self._is_attached(logical, own):
                place = ("Resources", logical, "Properties", "PolicyDocument")
                document = self._resolved(logical, self._properties(logical).get("PolicyDocument"))
                if self._is_optional(logical, own):
                    document = self._as_wide_as_it_may_be(logical, document)
                documents.append((logical, document, place))
        if not (documents or attached or own):
            raise no_such_role(self._file, self._context, self._roles())
        return RolePolicies(tuple(documents), tuple(attached), self._rest(own))

    def rest_of_all(self) -> tuple[TemplateRest, UsageError | None]:
        """Return what the template holds where no role is under check, and what of it is not told, if anything."""
        untold: UsageError | None = None
        for logical, one in self._resources.items():
            if one["Type"] in _ATTACHED:
                try:
                    self._is_attached(logical, ())
                except UsageError as error:
                    untold = error
        return self._rest(()), untold

    def _rest(self, own: Sequence[str]) -> TemplateRest:
        mine = frozenset({*own, *self._names})
        others = dict(self._others)
        for logical in self._roles():
            name = self._name_of(logical)
            others[role_name(name) if name else logical] = name or logical
        return TemplateRest(
            mine,
            {key: shown for key, shown in others.items() if key not in mine},
            tuple(self._unread(own)),
            self._role(own[0]) if own else None,
            {
                policy_key(self._managed_name(name)): (
                    self._or_none(self._properties(name).get("PolicyDocument")),
                    ("Resources", name, "Properties", "PolicyDocument"),
                )
                for name, one in self._resources.items()
                if one["Type"] == _MANAGED
            },
        )

    def _unread(self, own: Sequence[str]) -> Iterator[str]:
        yield from unread_macros(self._document)
        yield from unread_resources(self._resources)
        for logical in own:
            if self._holder(logical) != logical:
                yield from added_by_sam(logical, self._all_of(logical))

    def _role(self, logical: str) -> TemplateRole:
        """Return what a role, or the function for which SAM makes it, says of the role itself."""
        holder, properties = self._holder(logical), self._all_of(logical)
        boundary = properties.get("PermissionsBoundary", "")
        here = self._managed_here(boundary)
        found = self._managed_name(here) if here else self._or_none(boundary)
        trust = properties.get("AssumeRolePolicyDocument", UNSET)
        path = ("Resources", holder, "Properties")
        return TemplateRole(
            logical,
            (*path, "PermissionsBoundary"),
            "" if found is NO_VALUE else found if isinstance(found, str) else None,
            UNSET if trust is UNSET else self._or_none(trust),
            (*path, "AssumeRolePolicyDocument"),
        )

    def _holder(self, logical: str) -> str:
        """Return the resource that says what a role is: itself, or the function for which SAM makes it."""
        is_role = self._resources.get(logical, {}).get("Type") == _ROLE
        return logical if is_role else logical.removesuffix("Role")

    def _all_of(self, logical: str) -> Mapping[str, Any]:
        """Return the properties of a role or of its function, with those that SAM gives all functions."""
        holder = self._holder(logical)
        if holder == logical:
            return self._properties(logical)
        kind = str(self._resources[holder]["Type"]).rpartition("::")[2]
        return {**_object(_object(self._document.get("Globals")).get(kind)), **self._properties(holder)}

    def _managed_name(self, logical: str) -> str:
        """Return the ARN of a managed policy of the template; its logical name where nothing tells its name."""
        properties = self._properties(logical)
        name, path = (
            self._or_none(properties.get("ManagedPolicyName")),
            self._or_none(properties.get("Path", "/")),
        )
        return self._context.policy_named(name, path) or logical

    def _attached_by(self, logical: str) -> Iterator[tuple[str, Path]]:
        """Yield the managed policies that a role names, each with its place; those of this template have documents."""
        value = self._properties(logical).get("ManagedPolicyArns")
        for place, one in _placed(value, ("Resources", logical, "Properties", "ManagedPolicyArns")):
            if self._managed_here(one):
                continue
            where = f"{logical}.ManagedPolicyArns"
            found = self._resolved(where, one)
            for name in found if isinstance(found, list) else [found]:
                known = self._context.document_of(self._text(where, name))
                if known and _IF in place:
                    self._as_wide_as_it_may_be(where, known.to_dict())
                yield name, place

    def _managed_here(self, value: Any) -> str:
        """Return the logical name of the managed policy of this template to which a value refers; "" for none."""
        name = value.get("Ref") if isinstance(value, dict) else None
        found = self._resources.get(name, {}) if isinstance(name, str) else {}
        return str(name) if found.get("Type") == _MANAGED else ""

    def _listed(self, path: Path) -> Iterator[tuple[Path, Any]]:
        """Yield the policies of a role or a function, each with its place."""
        yield from _placed(self._properties(str(path[1])).get("Policies"), path)

    def _add(
        self,
        logical: str,
        policy: Any,
        place: Path,
        documents: list[tuple[str, Any, Path]],
        attached: list[tuple[str, Path]],
    ) -> None:
        """Add an inline policy, or the name of one that is attached."""
        if isinstance(policy, dict) and "PolicyDocument" in policy:
            document = self._resolved(logical, policy["PolicyDocument"])
            document = self._as_wide_as_it_may_be(logical, document) if _IF in place else document
            documents.append((logical, document, (*place, "PolicyDocument")))
        elif isinstance(policy, dict) and "Statement" in policy:
            document = {"Version": "2012-10-17"} | self._resolved(logical, policy)
            document = self._as_wide_as_it_may_be(logical, document) if _IF in place else document
            documents.append((logical, document, place))
        elif isinstance(policy, dict) and len(policy) == 1 and not is_function(policy):
            attached.append((f"{SAM_TEMPLATE}{next(iter(policy))}", place))
        else:
            attached.append((self._text(logical, policy), place))

    def _is_optional(self, logical: str, own: Sequence[str]) -> bool:
        """Return whether a condition may leave out a policy and not the role, or the role's attachment to it."""
        condition = self._resources[logical].get("Condition")
        if condition is not None and condition not in {
            self._resources[self._holder(role)].get("Condition") for role in own
        }:
            return True
        properties = self._properties(logical)
        places = [
            place
            for value in (
                properties.get("Roles"),
                *(self._properties(role).get("ManagedPolicyArns") for role in own),
            )
            for place, one in _placed(value, ())
            if value is properties.get("Roles") or self._managed_here(one) == logical
        ]
        return any(_IF in place for place in places)

    def _as_wide_as_it_may_be(self, where: str, document: Any) -> Any:
        """Return a document that a condition may leave out: what it denies may be allowed then.

        Raises:
            UsageError: PG-E251, it has a Deny: without it the role may do more, and with it less.
        """
        if '"Deny"' not in (document if isinstance(document, str) else json.dumps(document, default=str)):
            return document
        if not self._context.lenient:
            raise unknown_value(self._file, where, "it has a Deny that a condition may leave out")
        statements = document.get("Statement") if isinstance(document, dict) else None
        listed = statements if isinstance(statements, list) else [statements]
        allowing = [one for one in listed if isinstance(one, dict) and one.get("Effect") == "Allow"]
        return {"Version": "2012-10-17", "Statement": allowing}

    def _roles(self) -> list[str]:
        """Return the logical names of roles, and of those that SAM makes for functions."""
        found = []
        for logical, one in self._resources.items():
            if one["Type"] == _ROLE:
                found.append(logical)
            elif one["Type"] in _MAKES_ROLE and _may_be_absent(self._all_of(f"{logical}Role").get("Role")):
                found.append(f"{logical}Role")
        return found

    def _is_ours(self, logical: str) -> bool:
        """Return whether the role under check is the one of a logical name: a stack's name stands before it."""
        if self._context.part:
            return self._context.part in (logical, self._name_of(logical))
        role = self._context.role
        if self._context.by_name or self._properties(logical).get("RoleName") is not None:
            return role_name(self._name_of(logical) or "") == role_name(role)
        return role == logical or f"-{logical}-" in role

    def _name_of(self, logical: str) -> str | None:
        """Return the name that a role of the template gives itself; None where nothing tells it."""
        name = self._properties(logical).get("RoleName")
        if name is None:
            return None
        with suppress(UnresolvedError):
            found = str(self._value(name))
            return None if found == NOT_TOLD else found
        return None

    def _is_attached(self, logical: str, own: Sequence[str]) -> bool:
        for role in own:
            for one in _as_list(self._properties(role).get("ManagedPolicyArns")):
                if self._managed_here(one) == logical:
                    return True
        properties = self._properties(logical)
        listed = [*_as_list(properties.get("Roles")), *_as_list(properties.get("RoleName"))]
        found, untold = False, None
        for one in listed:
            try:
                found |= self._names_role(f"the role of {logical}", one, own)
            except UsageError as error:
                untold = error
        if untold and not found:
            raise untold
        return found

    def _names_role(self, where: str, value: Any, own: Sequence[str]) -> bool:
        """Return whether a value is the name of the role under check.

        Raises:
            UsageError: PG-E251, the template does not tell whose name it is.
        """
        named = value.get("Ref") if isinstance(value, dict) else None
        if named in own:
            return True
        if named in self._roles():
            name, gives_none = self._name_of(str(named)), self._properties(str(named)).get("RoleName") is None
            if (
                name or own or gives_none
            ):  # no two roles have one name, and a stack's own is none of another one
                return role_name(name or "") in self._names
        found = self._resolved(where, value)
        texts = found if isinstance(found, list) else [found]
        # A parameter may be a list, in one text with commas; so may a name have them.
        names = [one.strip() for text in texts if text for one in str(text).split(",")]
        self._others |= {role_name(name): name for name in names}
        return any(role_name(name) in self._names for name in (*map(str, texts), *names))


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _as_list(value: Any) -> list[Any]:
    return [one for _, one in _placed(value, ())]


def _placed(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield the values of a property that is one or a list, but for those that are left out, each with its place.

    Which branch of ``Fn::If`` counts is decided when the template is deployed: both are there, and their places say so.
    """
    listed = isinstance(value, list)
    for number, one in enumerate(value if listed else [value]):
        place: Path = (*path, number) if listed else path
        if branches := _branches(one):
            for branch, found in enumerate(branches, 1):
                yield from _placed(found, (*place, _IF, branch))
        elif one is not None and one != {"Ref": "AWS::NoValue"}:
            yield place, one


def _branches(value: Any) -> list[Any]:
    """Return both values that ``Fn::If`` may have; [] for any other value."""
    given = value.get(_IF) if isinstance(value, dict) and len(value) == 1 else None
    return given[1:] if isinstance(given, list) and len(given) == 3 else []


def _may_be_absent(value: Any) -> bool:
    """Return whether a property is left out, or may be."""
    return value is None or value == {"Ref": "AWS::NoValue"} or any(map(_may_be_absent, _branches(value)))
