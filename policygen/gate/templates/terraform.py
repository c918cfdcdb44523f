"""Reads the policies of a role from what ``terraform show -json`` prints of a plan or of a state."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from policygen.errors import UsageError
from policygen.gate.sources import TemplateRest, TemplateRole, policy_key, role_name
from policygen.gate.templates.model import (
    RolePolicies,
    TemplateContext,
    no_such_role,
    unknown_value,
)
from policygen.gate.templates.terraform_resources import (
    TerraformResource,
    items,
    mapping,
    resources_in,
)
from policygen.iam.locations import Path


def is_terraform(document: Mapping[str, Any]) -> bool:
    """Return whether a JSON object is a plan or a state as Terraform or OpenTofu prints it."""
    return "format_version" in document and ("planned_values" in document or "values" in document)


def terraform_policies(document: Mapping[str, Any], file: str, context: TemplateContext) -> RolePolicies:
    """Return the policies of a role.

    Raises:
        UsageError: PG-E250, there is no such role; PG-E251, a policy is known only after apply, or the plan ended with
            an error.
    """
    if error := _errored(document, file):
        raise error
    resources = resources_in(document)
    found = _Reader(resources, file, context).policies()
    unread = (*found.rest.unread, *_left_out(document, {one.address for one in resources}))
    return found._replace(rest=replace(found.rest, unread=unread))


def rest_of_terraform(
    document: Mapping[str, Any], file: str, context: TemplateContext
) -> tuple[TemplateRest, UsageError | None]:
    """Return what a plan holds, seen from no role, and why some of it is not told; None where all is."""
    untold: UsageError | None = None
    try:
        _Reader(resources_in(document), file, replace(context, lenient=False)).rest_of_all()
    except UsageError as error:
        untold = error
    resources = resources_in(document)
    rest = _Reader(resources, file, replace(context, lenient=True)).rest_of_all()
    unread = (*rest.unread, *_left_out(document, {one.address for one in resources}))
    return replace(rest, unread=unread), untold or _errored(document, file)


def _errored(document: Mapping[str, Any], file: str) -> UsageError | None:
    if document.get("errored") is not True:
        return None
    return unknown_value(
        file, "the plan", "Terraform ended with an error, and what it had not planned is not in it"
    )


def _left_out(document: Mapping[str, Any], planned: Collection[str]) -> Iterator[str]:
    """Yield what a plan says that its planned values do not hold: what Terraform forgets stays in AWS."""
    for one in map(mapping, items(document.get("resource_changes"))):
        address, change = str(one.get("address")), mapping(one.get("change"))
        grants = str(one.get("type")).startswith(("aws_iam_", "awscc_iam_")) and one.get("mode") != "data"
        if grants and "forget" in items(change.get("actions")):
            yield f"{address} (forgotten, and still there)"
        elif grants and change.get("after") and address not in planned:
            yield f"{address} (not among the planned values)"
    deferred = [
        mapping(mapping(one).get("resource_change")) for one in items(document.get("deferred_changes"))
    ]
    yield from (f"{one.get('address')} (deferred)" for one in deferred)
    if document.get("complete") is False and not deferred:
        yield 'what the plan leaves out ("complete" is false, as with -target)'


_OF_A_ROLE = {"aws_iam_role_policy": "role", "aws_iam_policy": "roles"}
"""A resource with a document -> its attribute that says of which role; of a managed policy only awscc's has one."""
_ATTACHING = {
    "aws_iam_role_policy_attachment": ("role", "policy_arn"),
    "aws_iam_policy_attachment": ("roles", "policy_arn"),
    "aws_iam_role_policy_attachments_exclusive": ("role_name", "policy_arns"),
}
"""A resource that attaches managed policies -> its attributes that say to which role, and which ones."""
_KEEPING = "aws_iam_role_policies_exclusive"
"""The resource that says which inline policies a role has, those of other places among them."""
_ROLES, _POLICIES = ("aws_iam_role.", "awscc_iam_role."), ("aws_iam_policy.", "awscc_iam_managed_policy.")


_STACKS = {
    "aws_cloudformation_stack",
    "aws_cloudformation_stack_set",
    "aws_cloudformation_stack_set_instance",
    "aws_cloudformation_stack_instances",
    "aws_serverlessapplicationrepository_cloudformation_stack",
    "aws_servicecatalog_provisioned_product",
    "awscc_cloudformation_stack",
    "awscc_cloudformation_stack_set",
    "awscc_servicecatalog_cloudformation_provisioned_product",
}
"""Resources that hold a template of their own."""
_CLOUD_CONTROL = "aws_cloudcontrolapi_resource"
"""The resource that makes one of any type of CloudFormation."""
_GRANTING = ("AWS::IAM::", "AWS::CloudFormation::", "AWS::ServiceCatalog::")


def _is_unread(one: TerraformResource) -> bool:
    """Return whether a resource may change the policies of a role, and is not among those that are read."""
    if one.kind == _CLOUD_CONTROL:
        return str(one.values.get("type_name") or _GRANTING[0]).startswith(_GRANTING)
    read = one.kind in {"aws_iam_role", _KEEPING, *_OF_A_ROLE, *_ATTACHING}
    return one.kind in _STACKS or (not read and one.kind.startswith(("aws_iam_role", "awscc_iam_role")))


class _Reader:
    """Finds the policies of one role among the resources."""

    def __init__(self, resources: Sequence[TerraformResource], file: str, context: TemplateContext) -> None:
        self._resources, self._file, self._context = resources, file, context
        self._own = [one for one in self._of_kind("aws_iam_role") if self._is_own(one)]
        self._names = {
            role_name(context.role),
            *(role_name(str(one.values.get("name"))) for one in self._own),
        }
        self._documents: dict[Path, tuple[str, Any, Path]] = {}
        self._attached: list[tuple[str, Path]] = []
        self._others = {
            _key(one): str(one.values.get("name") or one.address) for one in self._of_kind("aws_iam_role")
        }

    def policies(self) -> RolePolicies:
        found = list(self._own)
        for role in self._own:
            self._add_inline(role)
            self._add_attached(role, "managed_policy_arns")
        for kind, role_is in _OF_A_ROLE.items():
            for one in self._those_of(kind, role_is):
                found.append(one)
                self._add_document(one)
        for kind, (role_is, policy_is) in _ATTACHING.items():
            for one in self._those_of(kind, role_is):
                found.append(one)
                self._add_attached(one, policy_is)
        for one in self._those_of(_KEEPING, "role_name"):
            found.append(one)
            self._add_kept(one)
        if not found:
            names = {str(one.values.get("name") or one.address) for one in self._of_kind("aws_iam_role")}
            raise no_such_role(self._file, self._context, names)
        return RolePolicies(tuple(self._documents.values()), tuple(self._attached), self._rest())

    def rest_of_all(self) -> TemplateRest:
        """Return what the plan holds where no role is under check.

        Raises:
            UsageError: PG-E251, nothing says which role a policy is of.
        """
        for kind, role_is in {**_OF_A_ROLE, _KEEPING: "role_name"}.items():
            self._those_of(kind, role_is)
        for kind, (role_is, _) in _ATTACHING.items():
            self._those_of(kind, role_is)
        return self._rest()

    def _rest(self) -> TemplateRest:
        own = frozenset({*map(_key, self._own), *self._names})
        others = {key: shown for key, shown in self._others.items() if key not in own}
        unread = tuple(one.address for one in self._resources if _is_unread(one))
        managed = {
            policy_key(self._managed_name(one)): (one.values.get("policy"), one.place("policy"))
            for one in self._of_kind("aws_iam_policy")
        }
        return TemplateRest(own, others, unread, self._role(self._own[0]) if self._own else None, managed)

    def _role(self, one: TerraformResource) -> TemplateRole:
        """Return what a role's resource says of the role itself."""
        boundary: str | None = str(one.values.get("permissions_boundary") or "")
        if one.is_untold("permissions_boundary"):
            found = [
                two for two in self._of_kind("aws_iam_policy") if one.refers_to("permissions_boundary", two)
            ]
            is_one = len(found) == 1 and all(
                ref.startswith(_POLICIES) for ref in one.references("permissions_boundary")
            )
            boundary = self._managed_name(found[0]) if is_one else None
        trust = one.values.get("assume_role_policy", UNSET)
        if one.is_untold("assume_role_policy"):
            trust = None
        return TemplateRole(
            one.address, one.place("permissions_boundary"), boundary, trust, one.place("assume_role_policy")
        )

    def _managed_name(self, one: TerraformResource) -> str:
        """Return the ARN of a managed policy of the plan; its address where nothing tells its name."""
        arn, name, path = (one.values.get(key) for key in ("arn", "name", "path"))
        return str(arn or self._context.policy_named(name, path) or one.address)

    def _of_kind(self, kind: str) -> list[TerraformResource]:
        return [one for one in self._resources if one.kind == kind]

    def _is_own(self, role: TerraformResource) -> bool:
        """Return whether a resource is the role under check: by its address if one is given, else by its name."""
        if self._context.part:
            return self._context.part in (role.address, role.values.get("name"))
        return role_name(str(role.values.get("name"))) == role_name(self._context.role)

    def _those_of(self, kind: str, attribute: str) -> list[TerraformResource]:
        return [one for one in self._of_kind(kind) if self._is_of(one, attribute)]

    def _is_of(self, one: TerraformResource, attribute: str) -> bool:
        """Return whether an attribute names the role, or refers to it where its value is not known yet.

        Of several roles that are not known, one may be the role that none of the references names.

        Raises:
            UsageError: PG-E251, nothing says which role it is.
        """
        names = {role_name(name): name for name in _values(one, attribute) if isinstance(name, str)}
        self._others |= {
            key: name.rpartition("/")[2] for key, name in names.items() if key not in self._others
        }
        if not self._names.isdisjoint(names):
            return True
        if not _is_untold(one, attribute):
            return False
        if any(one.refers_to(attribute, role) for role in self._own):
            return True
        references = one.references(attribute)
        if attribute != "roles" and references and all(ref.startswith(_ROLES) for ref in references):
            return False
        self._untold(one.address, "which role it is of is known only after apply")
        return False

    def _add_inline(self, role: TerraformResource) -> None:
        where = f"{role.address}.inline_policy"
        if role.is_untold("inline_policy"):
            self._untold(where, "it is known only after apply")
        for number, inline in enumerate(map(mapping, items(role.values.get("inline_policy")))):
            key = "policy_document" if "policy_name" in inline else "policy"  # the first is awscc's
            if inline:
                self._add(where, inline.get(key), role.place("inline_policy", number, key))

    def _add_attached(self, one: TerraformResource, attribute: str) -> None:
        """Add the managed policies that an attribute names; what it refers to tells one policy, and never several.

        Raises:
            UsageError: PG-E251, they are known only after apply.
        """
        value = one.values.get(attribute)
        for number, arn in enumerate(_values(one, attribute)):
            if isinstance(arn, str):
                place = one.place(attribute, number) if isinstance(value, list) else one.place(attribute)
                self._add_by_arn(arn, place)
        if not _is_untold(one, attribute):
            return
        found = [policy for policy in self._of_kind("aws_iam_policy") if one.refers_to(attribute, policy)]
        is_one = attribute == "policy_arn" and all(
            ref.startswith(_POLICIES) for ref in one.references(attribute)
        )
        if not (found and is_one):
            self._untold(one.address, "which policy it attaches is known only after apply")
        for policy in found:
            self._add_document(policy)

    def _add_by_arn(self, arn: str, place: Path) -> None:
        found = [one for one in self._of_kind("aws_iam_policy") if one.values.get("arn") == arn]
        for policy in found:
            self._add_document(policy)
        if not found:
            self._attached.append((arn, place))

    def _add_kept(self, one: TerraformResource) -> None:
        """Add inline policies that stay on the role without being in the template, as the role has them today."""
        if _is_untold(one, "policy_names"):
            self._untold(one.address, "which policies it keeps is known only after apply")
        here = {str(policy.values.get("name")) for policy in self._those_of("aws_iam_role_policy", "role")}
        for role in self._own:
            inline = map(mapping, items(role.values.get("inline_policy")))
            here |= {str(policy.get("name") or policy.get("policy_name")) for policy in inline}
        for number, name in enumerate(map(str, _values(one, "policy_names"))):
            if name not in here:
                place, today = one.place("policy_names", number), self._context.inline.get(name)
                if today:
                    self._documents[place] = (one.address, today.to_dict(), place)
                else:
                    self._attached.append((f"inline policy {name}", place))

    def _add_document(self, one: TerraformResource) -> None:
        self._add(one.address, one.values.get("policy"), one.place("policy"))

    def _add(self, name: str, document: Any, path: Path) -> None:
        if isinstance(document, str | dict):
            self._documents[path] = (name, document, path)
        else:
            self._untold(name, "its policy is known only after apply")

    def _untold(self, where: str, what: str) -> None:
        """Say that the plan does not tell something.

        Raises:
            UsageError: PG-E251, unless it may be left out.
        """
        if not self._context.lenient:
            raise unknown_value(self._file, where, what)


_OPTIONAL = {"roles", "managed_policy_arns"}
"""Attributes that may be left out."""


def _key(role: TerraformResource) -> str:
    """Return a role's name as IAM compares it; of one whose name is not known, its address."""
    name = role.values.get("name")
    return role_name(name) if isinstance(name, str) else role.address


def _is_untold(one: TerraformResource, attribute: str) -> bool:
    return one.is_untold(attribute) if attribute in _OPTIONAL else None in _values(one, attribute)


def _values(one: TerraformResource, attribute: str) -> list[Any]:
    """Return the values of an attribute, which may be one or a list."""
    value = one.values.get(attribute)
    return value if isinstance(value, list) else [value]
