"""What of a plan of Terraform may change the policies of somebody and is not read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from policygen.gate.templates.terraform_resources import TerraformResource, items, mapping
from policygen.iam.locations import Path

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
_GRANTING = ("AWS::IAM::", "AWS::SSO::", "AWS::CloudFormation::", "AWS::ServiceCatalog::")
_HOLDERS = ("role", "user", "group")
_READ = {
    "aws_iam_policy",
    "aws_iam_policy_attachment",
    "aws_iam_role_policies_exclusive",
    "aws_ssoadmin_permission_set",
    "aws_ssoadmin_permission_set_inline_policy",
    "aws_ssoadmin_managed_policy_attachment",
    "aws_ssoadmin_customer_managed_policy_attachment",
    *(f"aws_iam_{one}" for one in _HOLDERS),
    *(f"aws_iam_{one}_policy" for one in _HOLDERS),
    *(f"aws_iam_{one}_policy_attachment" for one in _HOLDERS),
    *(f"aws_iam_{one}_policy_attachments_exclusive" for one in _HOLDERS),
}
_OF_NOBODY = {
    "aws_iam_user_login_profile",
    "aws_iam_user_ssh_key",
    "aws_ssoadmin_permissions_boundary_attachment",
    "aws_ssoadmin_instance_access_control_attributes",
    "aws_ssoadmin_permission_set_wait",
}
"""Resources that are called as if they granted, and do not."""
_MAY_GRANT = ("aws_iam_role", "aws_iam_user", "aws_iam_group", "aws_ssoadmin_", "awscc_iam_", "awscc_sso_")
_GRANTS_NOTHING = (
    "awscc_iam_instance_profile", "awscc_iam_oidc_provider", "awscc_iam_saml_provider",
    "awscc_iam_server_certificate", "awscc_iam_service_linked_role", "awscc_iam_virtual_mfa_device",
    "awscc_sso_instance", "aws_ssoadmin_application", "awscc_sso_application",
)  # fmt: skip


def unread_of_plan(resources: Sequence[TerraformResource]) -> Iterator[tuple[str, Path]]:
    """Yield the resources that may grant, each with its address and its place."""
    for one in resources:
        if not one.is_data and _is_unread(one) and not _is_about_what_is_read(one, resources):
            yield one.address, one.path


def _is_unread(one: TerraformResource) -> bool:
    if one.kind == _CLOUD_CONTROL:
        return str(one.values.get("type_name") or _GRANTING[0]).startswith(_GRANTING)
    if one.kind in _STACKS:
        return True
    if one.kind in _READ | _OF_NOBODY or one.kind.startswith(_GRANTS_NOTHING):
        return False
    return one.kind.startswith(_MAY_GRANT)


def _is_about_what_is_read(one: TerraformResource, resources: Sequence[TerraformResource]) -> bool:
    """Return whether a membership or an assignment is one in a group, or of a permission set, of this plan."""
    wanted = {
        "aws_iam_group_membership": ("group", "aws_iam_group"),
        "aws_iam_user_group_membership": ("groups", "aws_iam_group"),
        "aws_ssoadmin_account_assignment": ("permission_set_arn", "aws_ssoadmin_permission_set"),
        "awscc_sso_assignment": ("permission_set_arn", "aws_ssoadmin_permission_set"),
    }.get(one.kind)
    if wanted is None:
        return False
    attribute, kind = wanted
    here = [two for two in resources if two.kind == kind and not two.is_data]
    value = one.values.get(attribute)
    names = value if isinstance(value, list) else [value]
    if value is not None and None not in names:
        known = {two.values.get(key) for two in here for key in ("name", "arn")}
        return set(names) <= known
    return any(one.refers_to(attribute, two) for two in here)


def unread_beside_plan(document: Mapping[str, Any], planned: Collection[str]) -> Iterator[tuple[str, Path]]:
    """Yield what a plan says that its planned values do not hold: what Terraform forgets stays in AWS."""
    if document.get("errored") is True:
        yield "what Terraform had not planned when it ended with an error", ("errored",)
    for number, one in enumerate(map(mapping, items(document.get("resource_changes")))):
        address, change = str(one.get("address")), mapping(one.get("change"))
        place: Path = ("resource_changes", number)
        may_grant = (*_MAY_GRANT, "aws_iam_policy")
        grants = str(one.get("type")).startswith(may_grant) and one.get("mode") != "data"
        if grants and "forget" in items(change.get("actions")):
            yield f"{address} (forgotten, and still there)", place
        elif grants and change.get("after") and address not in planned:
            yield f"{address} (not among the planned values)", place
    deferred = [
        mapping(mapping(one).get("resource_change")) for one in items(document.get("deferred_changes"))
    ]
    for number, one in enumerate(deferred):
        yield f"{one.get('address')} (deferred)", ("deferred_changes", number)
    if document.get("complete") is False and not deferred:
        yield 'what the plan leaves out ("complete" is false, as with -target)', ("complete",)
    root = mapping(mapping(document.get("configuration")).get("root_module"))
    yield from _provisioners(root, ("configuration", "root_module"))


_COPIES = "file"
"""The provisioner that runs nothing."""


def _provisioners(module: Mapping[str, Any], path: Path, prefix: str = "") -> Iterator[tuple[str, Path]]:
    """Yield the programs that resources run when they are made: they may do anything."""
    for number, one in enumerate(map(mapping, items(module.get("resources")))):
        kinds = [str(mapping(found).get("type")) for found in items(one.get("provisioners"))]
        if any(kind != _COPIES for kind in kinds):
            place: Path = (*path, "resources", number, "provisioners")
            yield f"{prefix}{one.get('address')} (its provisioner)", place
    for name, call in mapping(module.get("module_calls")).items():
        inner: Path = (*path, "module_calls", name, "module")
        yield from _provisioners(mapping(mapping(call).get("module")), inner, f"{prefix}module.{name}.")
