"""Renders a plan for CloudFormation: an inline policy of the existing role, or managed policies attached to it."""

from __future__ import annotations

from typing import Any

from policygen.plan.model import Document, Plan
from policygen.report.iac.cloudformation_common import VERSION, policy_ids
from policygen.report.iac.common import apply_comment, header_comment
from policygen.report.iac.limits import check_documents, reject_cfn_references
from policygen.report.iac.yaml import dump

_OLD = "If a template made the role, take them out of its ManagedPolicyArns and Policies."


def render(plan: Plan) -> str:
    """Return a template in YAML.

    Raises:
        UsageError: PG-E241, a name that CloudFormation would read as something else.
    """
    check_documents(plan, "CloudFormation", reject_cfn_references)
    make = _inline if len(plan.policies) == 1 else _managed
    resources = [make(plan.role.name, policy) for policy in plan.policies]
    template = VERSION | {"Resources": dict(zip(policy_ids(plan), resources, strict=True))}
    return header_comment(plan, "#", *apply_comment(plan, _OLD)) + dump(template)


def _inline(role: str, policy: Document) -> dict[str, Any]:
    properties = {"RoleName": role, "PolicyName": policy.name, "PolicyDocument": policy.document}
    return {"Type": "AWS::IAM::RolePolicy", "Properties": properties}


def _managed(role: str, policy: Document) -> dict[str, Any]:
    properties = {"ManagedPolicyName": policy.name, "Roles": [role], "PolicyDocument": policy.document}
    return {"Type": "AWS::IAM::ManagedPolicy", "Properties": properties}
