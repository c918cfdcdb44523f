"""Reads templates of CloudFormation and SAM, as objects of JSON or YAML.

Names that a deployment makes are not in a template, so a function of the template is worked out only where its value
is certain: pseudo parameters, defaults of parameters, and the ARNs of resources with a name of their own.
Source: AWS CloudFormation User Guide, Intrinsic function reference; AWS SAM specification.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from policygen.errors import UsageError
from policygen.iam import reference
from policygen.iam.locations import Path
from policygen.rightsize.check.rest import TemplateRest, role_name
from policygen.rightsize.check.templates.context import (
    SAM_TEMPLATE,
    RolePolicies,
    TemplateContext,
    no_such_role,
    unknown_value,
)
from policygen.rightsize.check.templates.other_ways import unread_macros, unread_resources
from policygen.text import escape_controls

_ROLE, _FUNCTION = "AWS::IAM::Role", "AWS::Serverless::Function"
_MAKES_ROLE = {_FUNCTION, "AWS::Serverless::StateMachine"}
"""Resources of SAM that get a role, called like them with ``Role`` at the end, unless they name one."""
_ATTACHED = {"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy"}
_LIKE = {_FUNCTION: "AWS::Lambda::Function", "AWS::Serverless::SimpleTable": "AWS::DynamoDB::Table"}
_PREFIX = {"stepfunctions": "states"}
"""A service of resource types -> its IAM prefix, where they differ."""
_REF_IS_ARN = {"AWS::SNS::Topic", "AWS::StepFunctions::StateMachine"}
_VARIABLE = re.compile(r"\$\{(!?)([^}]*)\}")


def is_cloudformation(document: Mapping[str, Any]) -> bool:
    """Return whether an object is a template; what a transform would make of its resources is left out of account."""
    resources = document.get("Resources")
    return isinstance(resources, dict) and all(
        _is_expanded(name) or (isinstance(one, dict) and isinstance(one.get("Type"), str))
        for name, one in resources.items()
    )


def _is_expanded(key: object) -> bool:
    """Return whether a key stands for what CloudFormation puts in its place when it processes the template."""
    return str(key).startswith(("Fn::ForEach::", "Fn::Transform"))


def _not_expanded(file: str, key: str) -> UsageError:
    name = escape_controls("::".join(key.split("::")[:2]))
    return UsageError(
        f"{file}: {name} is not expanded, and what it makes cannot be checked",
        "give the processed template: aws cloudformation get-template --stack-name STACK --template-stage Processed",
        code="PG-E251",
    )


def cloudformation_policies(document: Mapping[str, Any], file: str, context: TemplateContext) -> RolePolicies:
    """Return the policies of a role.

    Raises:
        UsageError: PG-E250, there is no such role; PG-E251, a value that the template alone does not tell.
    """
    if (expanded := next(filter(_is_expanded, document["Resources"]), None)) is not None:
        raise _not_expanded(file, expanded)
    return _TemplateReader(document, file, context).policies()


_NO_VALUE: Any = object()
"""What stands for a value that is left out."""


class _UnresolvedError(Exception):
    """A function of the template whose value is not certain; its text is the argument."""


class _TemplateReader:
    """Finds the policies of one role among the resources."""

    def __init__(self, document: Mapping[str, Any], file: str, context: TemplateContext) -> None:
        self._resources: Mapping[str, Mapping[str, Any]] = document["Resources"]
        self._document = document
        self._others: dict[str, str] = {}
        parameters = document.get("Parameters")
        self._parameters: Mapping[str, Any] = parameters if isinstance(parameters, dict) else {}
        self._file, self._context = file, context

    def policies(self) -> RolePolicies:
        documents: list[tuple[str, Any, Path]] = []
        attached: list[tuple[str, Path]] = []
        own = [name for name in self._roles() if self._is_ours(name)]
        self._names = {
            role_name(self._context.role),
            *(role_name(self._name_of(one) or "") for one in own),
        } - {""}
        for logical in own:
            path: Path = ("Resources", logical.removesuffix("Role"), "Properties", "Policies")
            if self._resources.get(logical, {}).get("Type") == _ROLE:
                path = ("Resources", logical, "Properties", "Policies")
                attached += self._attached_by(logical)
            for place, policy in self._listed(path):
                self._add(logical, policy, place, documents, attached)
        for logical, one in self._resources.items():
            if one["Type"] in _ATTACHED and self._is_attached(logical, own):
                place = ("Resources", logical, "Properties", "PolicyDocument")
                document = self._properties(logical).get("PolicyDocument")
                documents.append((logical, self._resolved(logical, document), place))
        if not (documents or attached or own):
            raise no_such_role(self._file, self._context, self._roles())
        return RolePolicies(tuple(documents), tuple(attached), self._rest(own))

    def _rest(self, own: Sequence[str]) -> TemplateRest:
        mine = frozenset({*own, *self._names})
        others = dict(self._others)
        for logical in self._roles():
            name = self._name_of(logical)
            others[role_name(name) if name else logical] = name or logical
        return TemplateRest(
            mine,
            {key: shown for key, shown in others.items() if key not in mine},
            (*unread_macros(self._document), *unread_resources(self._resources)),
        )

    def _attached_by(self, logical: str) -> Iterator[tuple[str, Path]]:
        """Yield the managed policies that a role names, each with its place; those of this template have documents."""
        value = self._properties(logical).get("ManagedPolicyArns")
        path: Path = ("Resources", logical, "Properties", "ManagedPolicyArns")
        for number, one in enumerate(_as_list(value)):
            if self._managed_here(one):
                continue
            place = (*path, number) if isinstance(value, list) else path
            yield self._text(f"{logical}.ManagedPolicyArns", one), place

    def _managed_here(self, value: Any) -> str:
        """Return the logical name of the managed policy of this template to which a value refers; "" for none."""
        name = value.get("Ref") if isinstance(value, dict) else None
        found = self._resources.get(name, {}) if isinstance(name, str) else {}
        return str(name) if found.get("Type") == "AWS::IAM::ManagedPolicy" else ""

    def _listed(self, path: Path) -> Iterator[tuple[Path, Any]]:
        """Yield the policies of a role or a function, each with its place; a single one needs no list."""
        value = self._properties(str(path[1])).get("Policies")
        if isinstance(value, list):
            yield from (((*path, number), one) for number, one in enumerate(value))
        elif value is not None:
            yield path, value

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
            documents.append((logical, document, (*place, "PolicyDocument")))
        elif isinstance(policy, dict) and "Statement" in policy:
            document = {"Version": "2012-10-17"} | self._resolved(logical, policy)
            documents.append((logical, document, place))
        elif isinstance(policy, dict) and len(policy) == 1 and not _is_function(policy):
            attached.append((f"{SAM_TEMPLATE}{next(iter(policy))}", place))
        else:
            attached.append((self._text(logical, policy), place))

    def _roles(self) -> list[str]:
        """Return the logical names of roles, and of those that SAM makes for functions."""
        found = []
        for logical, one in self._resources.items():
            if one["Type"] == _ROLE:
                found.append(logical)
            elif one["Type"] in _MAKES_ROLE and "Role" not in self._properties(logical):
                found.append(f"{logical}Role")
        return found

    def _is_ours(self, logical: str) -> bool:
        """Return whether the role under check is the one of a logical name: a stack's name stands before it."""
        if self._context.part:
            return self._context.part == logical
        role = self._context.role
        if self._properties(logical).get("RoleName") is not None:
            return role_name(self._name_of(logical) or "") == role_name(role)
        return role == logical or f"-{logical}-" in role

    def _name_of(self, logical: str) -> str | None:
        """Return the name that a role of the template gives itself; None where nothing tells it."""
        name = self._properties(logical).get("RoleName")
        if name is None:
            return None
        with suppress(_UnresolvedError):
            return str(self._value(name))
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

    def _properties(self, logical: str) -> Mapping[str, Any]:
        found = self._resources.get(logical, {}).get("Properties")
        properties = found if isinstance(found, dict) else {}
        for key in filter(_is_expanded, properties):
            raise _not_expanded(self._file, key)
        return properties

    # --- Values ---

    def _text(self, where: str, value: Any) -> str:
        found = self._resolved(where, value)
        if not isinstance(found, str):
            raise unknown_value(self._file, where, "it is no text")
        return found

    def _resolved(self, where: str, value: Any) -> Any:
        try:
            found = self._value(value)
        except _UnresolvedError as error:
            raise unknown_value(self._file, where, f"the template does not tell {error}") from None
        return None if found is _NO_VALUE else found

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [found for one in value if (found := self._value(one)) is not _NO_VALUE]
        if isinstance(value, str) and "{{resolve:" in value:
            raise _UnresolvedError(value)
        if not isinstance(value, dict):
            return value
        if not _is_function(value):
            for key in filter(_is_expanded, value):
                raise _UnresolvedError(key)
            return {key: found for key, one in value.items() if (found := self._value(one)) is not _NO_VALUE}
        ((function, argument),) = value.items()
        if function == "Ref":
            return self._ref(str(argument))
        if function == "Fn::GetAtt":
            parts = argument.split(".", 1) if isinstance(argument, str) else list(map(str, argument))
            return self._attribute(*parts) if len(parts) == 2 else self._unknown(function)
        if function == "Fn::Sub":
            return self._substituted(argument)
        if function == "Fn::Join" and isinstance(argument, list) and len(argument) == 2:
            return str(argument[0]).join(map(str, self._value(argument[1])))
        return self._unknown(function)

    def _unknown(self, what: str) -> Any:
        raise _UnresolvedError(what)

    def _substituted(self, argument: Any) -> str:
        text, given = argument if isinstance(argument, list) and len(argument) == 2 else (argument, {})

        def fill(match: re.Match[str]) -> str:
            if match[1]:
                return f"${{{match[2]}}}"
            name = match[2].strip()
            if name in given:
                return str(self._value(given[name]))
            return str(self._attribute(*name.split(".", 1)) if "." in name else self._ref(name))

        return _VARIABLE.sub(fill, str(text))

    def _ref(self, name: str) -> Any:
        context = self._context
        pseudo = {
            "AWS::AccountId": context.account,
            "AWS::Partition": context.partition,
            "AWS::Region": context.region,
            "AWS::URLSuffix": "amazonaws.com" if context.partition == "aws" else "",
        }
        if pseudo.get(name):
            return pseudo[name]
        if name == "AWS::NoValue":
            return _NO_VALUE
        parameter = self._parameters.get(name)
        if isinstance(parameter, dict) and isinstance(parameter.get("Default"), str | int | float):
            return str(parameter["Default"])
        one = self._resources.get(name)
        if one is None:
            raise _UnresolvedError(name)
        if one["Type"] in _REF_IS_ARN:
            return self._attribute(name, "Arn")
        values = [pattern[1] for pattern in self._named(name)]
        return values[0] if values else str(self._unknown(f"the name of {name}"))

    def _attribute(self, name: str, attribute: str) -> str:
        if attribute in {"Arn", "TopicArn"} and name in self._resources:
            for pattern, _ in self._named(name):
                return pattern
        raise _UnresolvedError(f"{name}.{attribute}")

    def _named(self, logical: str) -> Iterator[tuple[str, str]]:
        """Yield ARN and name of a resource that has a name of its own."""
        kind = _LIKE.get(self._resources[logical]["Type"], self._resources[logical]["Type"])
        prefix = kind.split("::")[1].lower() if kind.count("::") == 2 else ""
        service = reference.service(_PREFIX.get(prefix, prefix))
        place = {
            "Partition": self._context.partition,
            "Region": self._context.region,
            "Account": self._context.account,
        }
        for pattern in (
            one for found in (service.types.values() if service else ()) for one in found.patterns
        ):
            if len(pattern.name_placeholders) != 1:
                continue
            name = self._properties(logical).get(pattern.name_placeholders[0])
            known = {key: value for key, value in place.items() if value}
            if name is not None and set(pattern.placeholders) - set(pattern.name_placeholders) <= set(known):
                text = str(self._value(name))
                yield pattern.fill(known | {pattern.name_placeholders[0]: text}), text


def _is_function(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and all(key == "Ref" or str(key).startswith("Fn::") for key in value)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
