"""What every format shares that writes a CloudFormation template."""

from __future__ import annotations

from typing import Any

from policygen.report.iac.common import Planned
from policygen.report.iac.names import numbered, pascal

VERSION = {"AWSTemplateFormatVersion": "2010-09-09"}


def policy_ids(plan: Planned) -> list[str]:
    """A logical id for each policy."""
    return numbered(f"{pascal(plan.role.name)}Policy", len(plan.policies))


def unattached(plan: Planned) -> dict[str, Any]:
    """Managed policies, by logical id, that something else in the template refers to."""
    return {
        name: {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": policy.document}}
        for name, policy in zip(policy_ids(plan), plan.policies, strict=True)
    }
