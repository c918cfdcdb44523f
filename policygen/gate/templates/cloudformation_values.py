"""The values of a CloudFormation template: its functions worked out where the value is certain."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from policygen.gate.templates.model import TemplateContext
from policygen.iam import reference

_LIKE = {
    "AWS::Serverless::Function": "AWS::Lambda::Function",
    "AWS::Serverless::SimpleTable": "AWS::DynamoDB::Table",
}
_PREFIX = {"stepfunctions": "states"}
"""A service of resource types -> its IAM prefix, where they differ."""
_PARTS = ("Parameters", "Mappings", "Conditions")
_REF_IS_ARN = {"AWS::IAM::ManagedPolicy", "AWS::SNS::Topic", "AWS::StepFunctions::StateMachine"}
_REF_IS_NAME = {
    "AWS::DynamoDB::Table", "AWS::ECR::Repository", "AWS::ECS::Cluster", "AWS::Events::EventBus",
    "AWS::IAM::Group", "AWS::IAM::Role", "AWS::IAM::User", "AWS::Kinesis::Stream",
    "AWS::KinesisFirehose::DeliveryStream", "AWS::Lambda::Function", "AWS::Logs::LogGroup", "AWS::S3::Bucket",
    "AWS::SSM::Parameter",
}  # fmt: skip
"""Types whose ``Ref`` is the name that they give themselves; of others it may be an ARN, a URL or an id.

Source: AWS CloudFormation Template Reference, Return values of each type
"""
_TELLS_ITS_VALUE = ("AWS::CloudFormation::", "AWS::Serverless::Application", "AWS::ServiceCatalog::")
"""Types of AWS of which an attribute may be any text that the template, or code, gives them."""
_LOG_GROUP = "AWS::Logs::LogGroup"
"""Its ARN as an attribute ends with ``:*``. Source: AWS CloudFormation User Guide, AWS::Logs::LogGroup"""
_OF_LISTS = {"Fn::Select", "Fn::Split", "Fn::FindInMap"}
_VARIABLE = re.compile(r"\$\{(!?)([^}]*)\}")


NO_VALUE: Any = object()
"""What stands for a value that is left out."""

IF = "Fn::If"
_MOST_CONDITIONS = 6
"""Conditions that one value may depend on; it has twice as many values for each more."""


class UnresolvedError(Exception):
    """A function of the template whose value is not certain; its text is the argument."""


class _UndecidedError(Exception):
    """A value that depends on a condition; its name is the argument."""


def is_expanded(key: object) -> bool:
    """Return whether a key stands for what CloudFormation puts in its place when it processes the template."""
    return str(key).startswith(("Fn::ForEach::", "Fn::Transform"))


class TemplateValues:
    """The resources of a template, and what their values are."""

    def __init__(self, document: Mapping[str, Any], context: TemplateContext) -> None:
        self._resources: Mapping[str, Mapping[str, Any]] = document["Resources"]
        parts = {name: found if isinstance(found := document.get(name), dict) else {} for name in _PARTS}
        self._parameters, self._mappings, self._conditions = (parts[name] for name in _PARTS)
        self._context = context
        self._world: Mapping[str, bool] = {}
        self._defaults = set[str]()

    def _properties(self, logical: str) -> Mapping[str, Any]:
        """Return the properties of a resource as it has them itself, without what is not expanded."""
        found = self._resources.get(logical, {}).get("Properties")
        return (
            {key: one for key, one in found.items() if not is_expanded(key)}
            if isinstance(found, dict)
            else {}
        )

    def _expanded(self, logical: str) -> list[str]:
        """Return the keys of a resource's properties for which CloudFormation puts something else."""
        found = self._resources.get(logical, {}).get("Properties")
        return list(filter(is_expanded, found)) if isinstance(found, dict) else []

    def _or_none(self, value: Any) -> Any:
        """Return the only value that an expression may have; None where there are several, or it is not told."""
        with suppress(UnresolvedError):
            worlds = self._worlds(value)
            return worlds[0] if len(worlds) == 1 else None
        return None

    def _worlds(self, value: Any) -> list[Any]:
        """Return the values that an expression may have: one for each outcome of the conditions it depends on.

        Raises:
            UnresolvedError: the template does not tell one of them.
        """
        found: list[Any] = []
        left: list[Mapping[str, bool]] = [{}]
        while left:
            self._world = left.pop()
            try:
                one = self._value(value)
            except _UndecidedError as undecided:
                (condition,) = undecided.args
                if len(self._world) == _MOST_CONDITIONS:
                    raise UnresolvedError(f"which of more than {2**_MOST_CONDITIONS} values it has") from None
                left += [{**self._world, condition: outcome} for outcome in (False, True)]
            except RecursionError:
                raise UnresolvedError("a value that refers to itself") from None
            else:
                found += [one] * (one not in found)
        return found

    def _like(self, value: Any) -> str:
        """Return a pattern that fits each text that an expression may be."""
        with suppress(UnresolvedError, _UndecidedError, RecursionError):
            return str(self._value(value))
        function, argument = (
            next(iter(value.items())) if isinstance(value, dict) and len(value) == 1 else ("", None)
        )
        if function == "Fn::Sub":
            text = argument[0] if isinstance(argument, list) and argument else argument
            return _VARIABLE.sub("*", text) if isinstance(text, str) else "*"
        if function == "Fn::Join" and isinstance(argument, list) and isinstance(argument[-1], list):
            return str(argument[0]).join(map(self._like, argument[-1]))
        return "*"

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [found for one in value if (found := self._value(one)) is not NO_VALUE]
        if isinstance(value, str) and "{{resolve:" in value:
            raise UnresolvedError(value)
        if not isinstance(value, dict):
            return value
        if not is_function(value):
            for key in filter(is_expanded, value):
                raise UnresolvedError(f"what {key} makes of it")
            return {key: found for key, one in value.items() if (found := self._value(one)) is not NO_VALUE}
        ((function, argument),) = value.items()
        if function == "Ref":
            return self._ref(str(argument))
        if function == "Fn::GetAtt":
            parts = attribute_parts(argument)
            return self._attribute(*parts) if parts else self._refuse(function)
        if function == "Fn::Sub":
            return self._substituted(argument)
        if function == IF and (branches := branches_of(value)):
            condition = str(argument[0])
            if condition not in self._world:
                raise _UndecidedError(condition)
            return self._value(branches[0 if self._world[condition] else 1])
        if function == "Fn::Join" and isinstance(argument, list) and len(argument) == 2:
            joined = self._value(argument[1])
            return (
                str(argument[0]).join(map(str, joined))
                if isinstance(joined, list)
                else self._refuse(function)
            )
        if function in _OF_LISTS and isinstance(argument, list):
            return self._of_list(function, [self._value(one) for one in argument])
        return self._refuse(function)

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
        return self._refuse(function)

    def _refuse(self, what: str) -> Any:
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
            return str(self._refuse(name) if isinstance(found, list) else found)

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
            found = _default(name, str(parameter.get("Type")), str(parameter["Default"]))
            self._defaults.add(name)
            return found
        one = self._resources.get(name)
        if one is None:
            raise UnresolvedError(name)
        kind = _LIKE.get(one["Type"], one["Type"])
        if kind in _REF_IS_ARN:
            return self._attribute(name, "Arn")
        if kind in _REF_IS_NAME:
            for _, text in self._named(name):
                return text
        return self._stand_in(name, f"the name of {name}")

    def _attribute(self, name: str, attribute: str) -> str:
        if attribute in {"Arn", "TopicArn"} and name in self._resources:
            for pattern, _ in self._named(name):
                return f"{pattern}:*" if self._resources[name]["Type"] == _LOG_GROUP else pattern
        if attribute.endswith("Arn") and name in self._resources:
            return self._stand_in(name, f"{name}.{attribute}", is_arn=True)
        raise UnresolvedError(f"{name}.{attribute}")

    def _stand_in(self, logical: str, what: str, *, is_arn: bool = False) -> str:
        """Return a name or an ARN for a resource of AWS whose name is made at deployment, where any will do.

        Raises:
            UnresolvedError: it will not do.
        """
        kind = str(self._resources[logical]["Type"])
        if not (self._context.stand_ins and kind.startswith("AWS::")) or kind.startswith(_TELLS_ITS_VALUE):
            raise UnresolvedError(what)
        place = [self._context.partition, kind.split("::")[1].lower(), self._context.region or "region"]
        return ":".join(["arn", *place, self._context.account or "account", logical]) if is_arn else logical

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
            if self._expanded(logical):
                raise UnresolvedError(f"the name of {logical}")
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


def branches_of(value: Any) -> list[Any]:
    """Return both values that ``Fn::If`` may have; [] for any other value."""
    given = value.get(IF) if isinstance(value, dict) and len(value) == 1 else None
    return given[1:] if isinstance(given, list) and len(given) == 3 else []


def attribute_parts(argument: Any) -> list[str]:
    """Return resource and attribute of ``Fn::GetAtt``; [] for what is neither."""
    given = argument.split(".", 1) if isinstance(argument, str) else argument
    return list(map(str, given)) if isinstance(given, list) and len(given) == 2 else []


_OF_SUB = re.compile(r"\$\{([^!}.]+)")


def mentioned(value: Any) -> Iterator[str]:
    """Yield the names of all parts of the template to which a value refers."""
    if isinstance(value, list):
        for one in value:
            yield from mentioned(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            named = one if isinstance(one, list) else [one]
            if key in {"Ref", "Condition", "Fn::GetAtt", IF, "Fn::FindInMap"} and isinstance(named[0], str):
                yield named[0].partition(".")[0]
            elif key == "Fn::Sub":
                yield from (name.strip() for name in _OF_SUB.findall(str(named[0])))
            yield from mentioned(one)
