"""Reads what ``terraform show -json`` prints of a plan or of a state.

Format: https://developer.hashicorp.com/terraform/internals/json-format. In a plan, values that are known only after
apply are missing; what refers to what is in its ``configuration``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from policygen.iam.locations import Path
from policygen.rightsize.check.templates.context import (
    RolePolicies,
    TemplateContext,
    no_such_role,
    unknown_value,
)

_INDEX = re.compile(r"\[[^]]*\]$")


def is_terraform(document: Mapping[str, Any]) -> bool:
    """Return whether a JSON object is a plan or a state as Terraform or OpenTofu prints it."""
    return "format_version" in document and ("planned_values" in document or "values" in document)


class _Resource(NamedTuple):
    """One instance of a resource."""

    address: str
    kind: str
    values: Mapping[str, Any]
    refers: Mapping[str, Sequence[str]]
    """Attribute -> the addresses that its expression refers to, as the module writes them."""
    module: str
    """``module.name.`` of the modules that it is in."""
    path: Path

    @property
    def instance(self) -> str:
        """``["key"]`` of an instance; "" where there is one."""
        found = _INDEX.search(self.address)
        return found.group() if found else ""


def terraform_policies(document: Mapping[str, Any], file: str, context: TemplateContext) -> RolePolicies:
    """Return the policies of a role.

    Raises:
        UsageError: PG-E250, there is no such role; PG-E251, a policy is known only after apply.
    """
    top = "planned_values" if "planned_values" in document else "values"
    configuration = _object(_object(document.get("configuration")).get("root_module"))
    resources = list(
        _resources(_object(document[top]).get("root_module"), configuration, (top, "root_module"))
    )
    return _Reader(resources, file, context).policies()


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _resources(
    module: Any, configuration: Mapping[str, Any], path: Path, prefix: str = ""
) -> Iterator[_Resource]:
    module = _object(module)
    written = {one.get("address"): one for one in map(_object, _list(configuration.get("resources")))}
    for number, one in enumerate(map(_object, _list(module.get("resources")))):
        address = str(one.get("address", ""))
        own = written.get(_INDEX.sub("", address.removeprefix(prefix)), {})
        refers = {
            name: [str(ref) for ref in _list(_object(expression).get("references"))]
            for name, expression in _object(own.get("expressions")).items()
        }
        place = (*path, "resources", number, "values")
        yield _Resource(address, str(one.get("type")), _object(one.get("values")), refers, prefix, place)
    for number, child in enumerate(map(_object, _list(module.get("child_modules")))):
        address = str(child.get("address", ""))
        name = _INDEX.sub("", address.removeprefix(prefix)).removeprefix("module.")
        call = _object(_object(configuration.get("module_calls")).get(name))
        inner = _object(call.get("module"))
        yield from _resources(child, inner, (*path, "child_modules", number), f"{address}.")


class _Reader:
    """Finds the policies of one role among the resources."""

    def __init__(self, resources: Sequence[_Resource], file: str, context: TemplateContext) -> None:
        self._resources, self._file, self._context = resources, file, context

    def policies(self) -> RolePolicies:
        documents: list[tuple[str, Any, Path]] = []
        attached: list[tuple[str, Path]] = []
        roles = self._of_kind("aws_iam_role")
        own = [one for one in roles if self._context.role in (one.values.get("name"), one.address)]
        found = bool(own)
        for role in own:
            for number, inline in enumerate(map(_object, _list(role.values.get("inline_policy")))):
                if inline.get("name") or inline.get("policy"):
                    place = (*role.path, "inline_policy", number, "policy")
                    documents.append(self._document(f"{role.address}.inline_policy", inline, place))
            arns = enumerate(_list(role.values.get("managed_policy_arns")))
            attached += [(str(arn), (*role.path, "managed_policy_arns", number)) for number, arn in arns]
        for one in self._of_kind("aws_iam_role_policy"):
            if self._is_of(one, "role", own):
                found = True
                documents.append(self._document(one.address, one.values, (*one.path, "policy")))
        for one in (
            *self._of_kind("aws_iam_role_policy_attachment"),
            *self._of_kind("aws_iam_policy_attachment"),
        ):
            if self._is_of(one, "role", own) or self._is_of(one, "roles", own):
                found = True
                policy = self._attached_policy(one)
                if isinstance(policy, _Resource):
                    documents.append(self._document(policy.address, policy.values, (*policy.path, "policy")))
                else:
                    attached.append((policy, (*one.path, "policy_arn")))
        if not found:
            names = {str(one.values.get("name") or one.address) for one in roles}
            raise no_such_role(self._file, self._context.role, names)
        return RolePolicies(tuple(documents), tuple(attached))

    def _of_kind(self, kind: str) -> list[_Resource]:
        return [one for one in self._resources if one.kind == kind]

    def _is_of(self, one: _Resource, attribute: str, roles: Sequence[_Resource]) -> bool:
        """Return whether an attribute names the role, or refers to it where its value is not known yet.

        Raises:
            UsageError: PG-E251, nothing says which role it is.
        """
        value = one.values.get(attribute)
        values = value if isinstance(value, list) else [value]
        names = {self._context.role, *(role.values.get("name") for role in roles)} - {None}
        if not names.isdisjoint(values):
            return True
        if None not in values:
            return False
        if any(_refers(one, attribute, role) for role in roles):
            return True
        if _may_be_any(one, attribute):
            raise unknown_value(self._file, one.address, "which role it is of is known only after apply")
        return False

    def _attached_policy(self, one: _Resource) -> _Resource | str:
        arn = one.values.get("policy_arn")
        for policy in self._of_kind("aws_iam_policy"):
            if (arn and policy.values.get("arn") == arn) or (not arn and _refers(one, "policy_arn", policy)):
                return policy
        if isinstance(arn, str):
            return arn
        raise unknown_value(self._file, one.address, "which policy it attaches is known only after apply")

    def _document(self, name: str, values: Mapping[str, Any], path: Path) -> tuple[str, Any, Path]:
        text = values.get("policy")
        if not isinstance(text, str):
            raise unknown_value(self._file, name, "its policy is known only after apply")
        return name, text, path


_INDEXES = ("each.", "count.")
"""Beginnings of references that choose an instance of a resource."""


def _may_be_any(one: _Resource, attribute: str) -> bool:
    """Return whether an attribute without a value may name any role: it refers to more than roles of its module."""
    refers = one.refers.get(attribute, ())
    if attribute == "roles" or one.kind == "aws_iam_policy_attachment":  # these may leave it out
        return bool(refers) and not _names_roles(refers)
    return not _names_roles(refers)


def _names_roles(refers: Sequence[str]) -> bool:
    named = [ref for ref in refers if not ref.startswith(_INDEXES)]
    return bool(named) and all(ref.startswith("aws_iam_role.") for ref in named)


def _refers(one: _Resource, attribute: str, target: _Resource) -> bool:
    """Return whether an attribute refers to an instance of a resource in the same module."""
    if one.module != target.module or (one.instance and target.instance and one.instance != target.instance):
        return False
    name = _INDEX.sub("", target.address.removeprefix(target.module))
    return any(ref in (name, f"{name}{target.instance}") for ref in one.refers.get(attribute, ()))
