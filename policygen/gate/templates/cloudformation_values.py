"""The values of a CloudFormation template: its functions worked out where the value is certain."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from policygen.errors import UsageError
from policygen.gate.templates.model import TemplateContext, unknown_value
from policygen.iam import reference
from policygen.text import escape_controls

_LIKE = {
    "AWS::Serverless::Function": "AWS::Lambda::Function",
    "AWS::Serverless::SimpleTable": "AWS::DynamoDB::Table",
}
_PREFIX = {"stepfunctions": "states"}
"""A service of resource types -> its IAM prefix, where they differ."""
_REF_IS_ARN = {"AWS::SNS::Topic", "AWS::StepFunctions::StateMachine"}
_LOG_GROUP = "AWS::Logs::LogGroup"
"""Its ARN as an attribute ends with ``:*``. Source: AWS CloudFormation User Guide, AWS::Logs::LogGroup"""
_OF_LISTS = {"Fn::Select", "Fn::Split", "Fn::FindInMap"}
_VARIABLE = re.compile(r"\$\{(!?)([^}]*)\}")


NO_VALUE: Any = object()
"""What stands for a value that is left out."""

NOT_TOLD = "not-told"
"""What stands for a value that the template does not tell, where no more is asked than what it tells."""


class UnresolvedError(Exception):
    """A function of the template whose value is not certain; its text is the argument."""


def is_expanded(key: object) -> bool:
    """Return whether a key stands for what CloudFormation puts in its place when it processes the template."""
    return str(key).startswith(("Fn::ForEach::", "Fn::Transform"))


def not_expanded(file: str, key: str) -> UsageError:
    """Return the error for what CloudFormation would put in place of a key."""
    name = escape_controls("::".join(key.split("::")[:2]))
    return UsageError(
        f"{file}: {name} is not expanded, and what it makes cannot be checked",
        "give the processed template: aws cloudformation get-template --stack-name STACK --template-stage Processed",
        code="PG-E251",
    )


class TemplateValues:
    """The resources of a template, and what their values are."""

    def __init__(self, document: Mapping[str, Any], file: str, context: TemplateContext) -> None:
        self._resources: Mapping[str, Mapping[str, Any]] = document["Resources"]
        parameters = document.get("Parameters")
        self._parameters: Mapping[str, Any] = parameters if isinstance(parameters, dict) else {}
        mappings = document.get("Mappings")
        self._mappings: Mapping[str, Any] = mappings if isinstance(mappings, dict) else {}
        self._file, self._context = file, context

    def _properties(self, logical: str) -> Mapping[str, Any]:
        found = self._resources.get(logical, {}).get("Properties")
        properties = found if isinstance(found, dict) else {}
        for key in filter(is_expanded, properties):
            raise not_expanded(self._file, key)
        return properties

    def _or_none(self, value: Any) -> Any:
        """Return a value; None where the template does not tell it."""
        with suppress(UnresolvedError):
            return self._value(value)
        return None

    def _text(self, where: str, value: Any) -> str:
        found = self._resolved(where, value)
        if not isinstance(found, str):
            raise unknown_value(self._file, where, "it is no text")
        return found

    def _resolved(self, where: str, value: Any) -> Any:
        try:
            found = self._value(value)
        except UnresolvedError as error:
            raise unknown_value(self._file, where, f"the template does not tell {error}") from None
        return None if found is NO_VALUE else found

    def _value(self, value: Any) -> Any:
        """Return a value; of a lenient reader `NOT_TOLD` where the template does not tell it.

        Raises:
            UnresolvedError: the template does not tell it.
        """
        try:
            return self._told(value)
        except UnresolvedError:
            if self._context.lenient:
                return NOT_TOLD
            raise

    def _told(self, value: Any) -> Any:
        if isinstance(value, list):
            return [found for one in value if (found := self._value(one)) is not NO_VALUE]
        if isinstance(value, str) and "{{resolve:" in value:
            raise UnresolvedError(value)
        if not isinstance(value, dict):
            return value
        if not is_function(value):
            for key in filter(is_expanded, value):
                raise UnresolvedError(key)
            return {key: found for key, one in value.items() if (found := self._value(one)) is not NO_VALUE}
        ((function, argument),) = value.items()
        if function == "Ref":
            return self._ref(str(argument))
        if function == "Fn::GetAtt":
            parts = (
                argument.split(".", 1)
                if isinstance(argument, str)
                else [str(one) for one in (argument if isinstance(argument, list) else ())]
            )
            return self._attribute(*parts) if len(parts) == 2 else self._unknown(function)
        if function == "Fn::Sub":
            return self._substituted(argument)
        if function == "Fn::Join" and isinstance(argument, list) and len(argument) == 2:
            joined = self._value(argument[1])
            return (
                str(argument[0]).join(map(str, joined))
                if isinstance(joined, list)
                else self._unknown(function)
            )
        if function in _OF_LISTS and isinstance(argument, list):
            return self._of_list(function, [self._value(one) for one in argument])
        return self._unknown(function)

    def _of_list(self, function: str, argument: list[Any]) -> Any:
        """Return what a function makes of a list whose values are known.

        Source: AWS CloudFormation User Guide, Fn::Select, Fn::Split, Fn::FindInMap
        """
        match function, argument:
            case "Fn::Select", [number, list() as values] if str(number).isdecimal() and int(number) < len(
                values
            ):
                return values[int(number)]
            case "Fn::Split", [str() as delimiter, str() as text] if delimiter:
                return text.split(delimiter)
            case "Fn::FindInMap", [str() as name, first, second]:
                found: Any = self._mappings
                for key in (name, str(first), str(second)):
                    found = found.get(key) if isinstance(found, dict) else None
                if isinstance(found, str | int | float | list):
                    return found
        return self._unknown(function)

    def _unknown(self, what: str) -> Any:
        raise UnresolvedError(what)

    def _substituted(self, argument: Any) -> str:
        text, given = argument if isinstance(argument, list) and len(argument) == 2 else (argument, {})

        def fill(match: re.Match[str]) -> str:
            if match[1]:
                return f"${{{match[2]}}}"
            name = match[2].strip()
            if name in given:
                return str(self._value(given[name]))
            found = self._attribute(*name.split(".", 1)) if "." in name else self._ref(name)
            return str(self._unknown(name) if isinstance(found, list) else found)

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
            return NO_VALUE
        parameter = self._parameters.get(name)
        if isinstance(parameter, dict) and isinstance(parameter.get("Default"), str | int | float):
            return _default(name, str(parameter.get("Type")), str(parameter["Default"]))
        one = self._resources.get(name)
        if one is None:
            raise UnresolvedError(name)
        if one["Type"] in _REF_IS_ARN:
            return self._attribute(name, "Arn")
        values = [pattern[1] for pattern in self._named(name)]
        return values[0] if values else str(self._unknown(f"the name of {name}"))

    def _attribute(self, name: str, attribute: str) -> str:
        if attribute in {"Arn", "TopicArn"} and name in self._resources:
            for pattern, _ in self._named(name):
                return f"{pattern}:*" if self._resources[name]["Type"] == _LOG_GROUP else pattern
        raise UnresolvedError(f"{name}.{attribute}")

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


def _default(name: str, kind: str, text: str) -> str | list[str]:
    """Return the default of a parameter; of Systems Manager it is the name of a parameter there, and not its value.

    Source: AWS CloudFormation User Guide, Parameters, and Systems Manager parameter types

    Raises:
        UnresolvedError: it is that name.
    """
    if kind.startswith("AWS::SSM::"):
        raise UnresolvedError(f"{name}, a parameter of Systems Manager")
    if kind.startswith("List<") or kind == "CommaDelimitedList":
        return [one.strip() for one in text.split(",")]
    return text


def is_function(value: Mapping[str, Any]) -> bool:
    """Return whether an object is a function of the template."""
    return len(value) == 1 and all(key == "Ref" or str(key).startswith("Fn::") for key in value)
