"""The resources of what ``terraform show -json`` prints, with what their attributes refer to.

Format: https://developer.hashicorp.com/terraform/internals/json-format. In a plan, values that are known only after
apply are missing; what refers to what is in its ``configuration``, and what is not known in ``resource_changes``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from policygen.iam.locations import Path

INDEX = re.compile(r"\[[^]]*\]$")

_CLOUD_CONTROL: Mapping[str, tuple[str, Mapping[str, str]]] = {
    **{
        f"awscc_iam_{holder}": (
            f"aws_iam_{holder}",
            {
                f"{holder}_name": "name",
                "assume_role_policy_document": "assume_role_policy",
                "policies": "inline_policy",
            },
        )
        for holder in ("role", "user", "group")
    },
    **{
        f"awscc_iam_{holder}_policy": (
            f"aws_iam_{holder}_policy",
            {f"{holder}_name": holder, "policy_document": "policy", "policy_name": "name"},
        )
        for holder in ("role", "user", "group")
    },
    "awscc_iam_managed_policy": (
        "aws_iam_policy",
        {"managed_policy_name": "name", "policy_document": "policy", "policy_arn": "arn"},
    ),
    "awscc_iam_policy": ("aws_iam_policy", {"policy_name": "name", "policy_document": "policy"}),
    "awscc_sso_permission_set": (
        "aws_ssoadmin_permission_set",
        {
            "permission_set_arn": "arn",
            "managed_policies": "managed_policy_arns",
            "customer_managed_policy_references": "customer_managed",
        },
    ),
}
"""Resource of the provider awscc -> that of the provider aws, and what it calls its attributes.

Source: https://registry.terraform.io/providers/hashicorp/awscc, after the properties of AWS::IAM's resource types.
"""


class TerraformResource(NamedTuple):
    """One instance of a resource; one of the provider awscc has the names of the provider aws."""

    address: str
    kind: str
    values: Mapping[str, Any]
    refers: Mapping[str, Sequence[str]] | None
    """Attribute -> what its expression refers to, as the module writes it; None where no configuration tells."""
    unknown: frozenset[str]
    """Attributes that are known, in whole or in part, only after apply."""
    module: str
    """``module.name.`` of the modules that it is in."""
    path: Path
    written: Mapping[str, str]
    """What the file calls its attributes, where this is something else."""
    is_data: bool
    """Whether it is looked up, and not made."""

    @property
    def instance(self) -> str:
        """``["key"]`` of an instance; "" where there is one."""
        found = INDEX.search(self.address)
        return found.group() if found else ""

    @property
    def label(self) -> str:
        """The address within its module, without the instance."""
        return INDEX.sub("", self.address.removeprefix(self.module))

    def place(self, attribute: str, *rest: str | int) -> Path:
        """Return the path of an attribute's value in the file."""
        return (*self.path, self.written.get(attribute, attribute), *rest)

    def is_partly_unknown(self, path: Path) -> bool:
        """Return whether the attribute in which a place lies is known only after apply, in whole or in part."""
        name = path[len(self.path)]
        return any(name == self.written.get(one, one) for one in self.unknown)

    def references(self, attribute: str) -> list[str]:
        """Return what an attribute refers to, but for what chooses an instance."""
        found = (self.refers or {}).get(attribute, ())
        return [ref for ref in found if not ref.startswith(("each.", "count."))]

    def _iterates(self, attribute: str) -> bool:
        """Return whether an attribute depends on which instance it is of."""
        return any(ref.startswith(("each.", "count.")) for ref in (self.refers or {}).get(attribute, ()))

    def is_untold(self, attribute: str) -> bool:
        """Return whether an attribute has a value, and nothing tells it yet.

        A null is a value. What nobody wrote and the provider computes is no such value: for it Terraform asks AWS.
        """
        if attribute in self.values:
            value = self.values[attribute]
            return attribute in self.unknown if value is None else isinstance(value, list) and None in value
        if self.refers is None:
            return attribute in self.unknown
        return attribute in self.refers and (attribute in self.unknown or bool(self.references(attribute)))

    def refers_to(self, attribute: str, target: TerraformResource) -> bool:
        """Return whether an attribute may refer to an instance of a resource in the same module.

        Terraform writes ``x["a"]`` also as ``x``, and ``x[each.key]`` as ``x`` alone: which instance it is, nothing
        tells then.
        """
        if self.module != target.module:
            return False
        references = self.references(attribute)
        keyed = [ref for ref in references if ref.startswith(f"{target.label}[")]
        if keyed and not self._iterates(attribute):
            wanted = f"{target.label}{target.instance}"
            return any(ref == wanted or ref.startswith(f"{wanted}.") for ref in keyed)
        return target.label in references


def resources_in(document: Mapping[str, Any]) -> list[TerraformResource]:
    """Return all resources that a plan or a state will have, and the managed policies that it looked up."""
    top = "planned_values" if "planned_values" in document else "values"
    configuration = mapping(mapping(document.get("configuration")).get("root_module"))
    changes = {
        str(one.get("address")): mapping(mapping(one.get("change")).get("after_unknown"))
        for one in map(mapping, items(document.get("resource_changes")))
    }
    root = mapping(document[top]).get("root_module")
    return list(_resources(root, configuration, changes, (top, "root_module")))


def mapping(value: Any) -> Mapping[str, Any]:
    """Return an object; {} for what is none."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """Return a list; [] for what is none."""
    return value if isinstance(value, list) else []


def _resources(
    module: Any,
    configuration: Mapping[str, Any],
    changes: Mapping[str, Mapping[str, Any]],
    path: Path,
    prefix: str = "",
) -> Iterator[TerraformResource]:
    module = mapping(module)
    written = {str(one.get("address")): one for one in map(mapping, items(configuration.get("resources")))}
    for number, one in enumerate(map(mapping, items(module.get("resources")))):
        if one.get("mode") == "data" and one.get("type") != "aws_iam_policy":
            continue  # what is there already, and the plan changes nothing of it
        address = str(one.get("address", ""))
        own = written.get(INDEX.sub("", address.removeprefix(prefix)))
        place = (*path, "resources", number, "values")
        yield _resource(one, own, changes.get(address, {}), prefix, place)
    for number, child in enumerate(map(mapping, items(module.get("child_modules")))):
        address = str(child.get("address", ""))
        name = INDEX.sub("", address.removeprefix(prefix)).removeprefix("module.")
        call = mapping(mapping(configuration.get("module_calls")).get(name))
        inner = mapping(call.get("module"))
        yield from _resources(child, inner, changes, (*path, "child_modules", number), f"{address}.")


def _resource(
    one: Mapping[str, Any],
    own: Mapping[str, Any] | None,
    unknown: Mapping[str, Any],
    prefix: str,
    place: Path,
) -> TerraformResource:
    kind, names = _CLOUD_CONTROL.get(str(one.get("type")), (str(one.get("type")), {}))
    refers = None
    if own is not None:
        refers = {
            names.get(name, name): _references(expression)
            for name, expression in mapping(own.get("expressions")).items()
        }
    return TerraformResource(
        str(one.get("address", "")),
        kind,
        {names.get(name, name): value for name, value in mapping(one.get("values")).items()},
        refers,
        frozenset(names.get(name, name) for name, value in unknown.items() if _has_unknown(value)),
        prefix,
        place,
        {new: old for old, new in names.items()},
        one.get("mode") == "data",
    )


def _references(expression: Any) -> list[str]:
    """Return what an expression refers to; one of a block is a list of objects with expressions."""
    if isinstance(expression, list):
        return [ref for one in expression for inner in mapping(one).values() for ref in _references(inner)]
    return [str(ref) for ref in items(mapping(expression).get("references"))]


def _has_unknown(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_has_unknown, value))
    return any(map(_has_unknown, value.values())) if isinstance(value, dict) else value is True
