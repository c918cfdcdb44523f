"""Renders the trust policy of a role for Terraform and CloudFormation: in the resource of the role.

No resource has the trust policy alone: it is a part of the role's own resource. So the file has what belongs into
that, and says so.
"""

from __future__ import annotations

from typing import Any

from policygen.report.iac.cloudformation_common import VERSION as TEMPLATE
from policygen.report.iac.common import as_comment, visible
from policygen.report.iac.hcl import expression, hcl_string
from policygen.report.iac.limits import (
    Rule,
    refuse_texts,
    reject_cfn_references,
    require_nfc,
    texts_inside,
)
from policygen.report.iac.names import pascal, snake
from policygen.report.iac.terraform import resource
from policygen.report.iac.yaml import dump
from policygen.rightsize.trust.suggest import TrustSuggestion
from policygen.version import VERSION


def trust_terraform(suggestion: TrustSuggestion) -> str:
    """Return the resource of the role, of the provider hashicorp/aws.

    Raises:
        UsageError: PG-E241, a name that Terraform cannot hold.
    """
    _check(suggestion, "Terraform", require_nfc)
    role, document = suggestion.role, suggestion.policy.to_dict()
    pairs = [("name", hcl_string(role.name)), ("path", hcl_string(role.path))]
    if role.boundary_arn:
        pairs.append(("permissions_boundary", hcl_string(role.boundary_arn)))
    if suggestion.length.now:
        pairs.append(("max_session_duration", str(suggestion.length.proposed)))
    pairs.append(("assume_role_policy", f"jsonencode({expression(document)})"))
    names = "assume_role_policy" + (" and max_session_duration" if suggestion.length.now else "")
    return f"{_comment(suggestion, names)}\n{resource('aws_iam_role', snake(role.name), *pairs)}"


def trust_cloudformation(suggestion: TrustSuggestion) -> str:
    """Return a template in YAML with the role.

    Raises:
        UsageError: PG-E241, a name that CloudFormation would read as something else.
    """
    _check(suggestion, "CloudFormation", reject_cfn_references)
    role = suggestion.role
    properties: dict[str, Any] = {"RoleName": role.name, "Path": role.path}
    if role.boundary_arn:
        properties["PermissionsBoundary"] = role.boundary_arn
    if suggestion.length.now:
        properties["MaxSessionDuration"] = str(suggestion.length.proposed)
    properties["AssumeRolePolicyDocument"] = suggestion.policy.to_dict()
    resources = {f"{pascal(role.name)}Role": {"Type": "AWS::IAM::Role", "Properties": properties}}
    names = "AssumeRolePolicyDocument" + (" and MaxSessionDuration" if suggestion.length.now else "")
    return _comment(suggestion, names) + dump(TEMPLATE | {"Resources": resources})


def _check(suggestion: TrustSuggestion, language: str, *rules: Rule) -> None:
    role = suggestion.role
    texts = [(one, False) for one in (role.name, role.path, role.boundary_arn)]
    refuse_texts([*texts, *texts_inside(suggestion.policy.to_dict())], language, *rules)


def _comment(suggestion: TrustSuggestion, names: str) -> str:
    role, window = suggestion.role, suggestion.evidence.window
    lines = (
        f"policygen {VERSION}: who may assume the role {role.name} of account {role.key.account},",
        f"as seen from {window.start} to {window.last_day} UTC.",
        f"Put {names} into the role's own resource; what else that has stays.",
        "If no code made the role: -f policy, and aws iam update-assume-role-policy.",
    )
    return as_comment(map(visible, lines), "#")
