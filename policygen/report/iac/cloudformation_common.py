"""Parts of CloudFormation templates that several formats write."""

from __future__ import annotations

from typing import Any

from policygen.plan.model import Plan
from policygen.report.iac.names import numbered, pascal

VERSION = {"AWSTemplateFormatVersion": "2010-09-09"}


def policy_ids(plan: Plan) -> list[str]:
    """Return a logical id for each policy."""
    return numbered(f"{pascal(plan.role.name)}Policy", len(plan.policies))


def unattached(plan: Plan) -> dict[str, Any]:
    """Return managed policies by logical id; another part of the template refers to them."""
    return {
        name: {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": policy.document}}
        for name, policy in zip(policy_ids(plan), plan.policies, strict=True)
    }
