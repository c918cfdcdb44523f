"""Renders a plan for AWS SAM: the policies of a function; SAM makes its role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policygen.plan.model import Plan
from policygen.report.iac.cloudformation_common import VERSION, policy_ids, unattached
from policygen.report.iac.common import boundary_arn, header_comment, moved_comment
from policygen.report.iac.limits import check_documents, reject_cfn_references
from policygen.report.iac.names import pascal
from policygen.report.iac.yaml import dump

TRANSFORM = {"Transform": "AWS::Serverless-2016-10-31"}
IMAGE_PARAMETER = {
    "Parameters": {"ImageUri": {"Type": "String", "Description": "Image of the function, in Amazon ECR"}}
}


def render(plan: Plan) -> str:
    """Return a template in YAML that is valid by itself; users move its policies into their own function.

    Source: AWS SAM, AWS::Serverless::Function (Policies, PermissionsBoundary).

    Raises:
        UsageError: PG-E241, a name that CloudFormation would read as something else.
    """
    check_documents(plan, "SAM", reject_cfn_references)
    several = len(plan.policies) > 1
    policies: list[Any] = [policy.document for policy in plan.policies]
    if several:
        policies = [{"Ref": name} for name in policy_ids(plan)]
    properties: dict[str, Any] = {"Policies": policies}
    if bound := boundary_arn(plan):
        properties["PermissionsBoundary"] = bound
    function = image_function(properties)
    resources = {f"{pascal(plan.role.name)}Function": function} | (unattached(plan) if several else {})
    template = VERSION | TRANSFORM | IMAGE_PARAMETER | {"Resources": resources}
    moved = moved_comment(plan, f"{' and '.join(properties)} into your function")
    return header_comment(plan, "#", *moved) + dump(template)


def image_function(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return a function with some properties, and an image: that needs one parameter, and no runtime and handler."""
    image = {"PackageType": "Image", "ImageUri": {"Ref": "ImageUri"}}
    return {"Type": "AWS::Serverless::Function", "Properties": {**image, **properties}}
