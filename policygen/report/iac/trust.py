"""Renders the trust policy of a role for Terraform, CloudFormation and SAM: in the resource of the role.

No resource has the trust policy alone: it is a part of the role's own resource. So the file has what belongs into
that, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from policygen.report.iac.sam import IMAGE_PARAMETER, TRANSFORM, image_function
from policygen.report.iac.terraform import resource
from policygen.report.iac.yaml import dump
from policygen.rightsize.trust.suggest import TrustSuggestion
from policygen.version import VERSION


def trust_terraform(suggestion: TrustSuggestion) -> str:
    """Return the resource of the role, of the provider hashicorp/aws.

    Raises:
        UsageError: PG-E241, a name that Terraform cannot hold.
    """
    refuse_trust_texts(suggestion, "Terraform", require_nfc)
    role, document = suggestion.role, suggestion.policy.to_dict()
    pairs = [("name", hcl_string(role.name)), ("path", hcl_string(role.path))]
    if role.boundary_arn:
        pairs.append(("permissions_boundary", hcl_string(role.boundary_arn)))
    if suggestion.length.now:
        pairs.append(("max_session_duration", str(suggestion.length.proposed)))
    pairs.append(("assume_role_policy", f"jsonencode({expression(document)})"))
    names = "assume_role_policy" + (" and max_session_duration" if suggestion.length.now else "")
    return f"{_head(suggestion, names)}\n{resource('aws_iam_role', snake(role.name), *pairs)}"


def trust_cloudformation(suggestion: TrustSuggestion) -> str:
    """Return a template in YAML with the role.

    Raises:
        UsageError: PG-E241, a name that CloudFormation would read as something else.
    """
    refuse_trust_texts(suggestion, "CloudFormation", reject_cfn_references)
    return _head(suggestion, _properties_named(suggestion)) + dump(TEMPLATE | _role(suggestion))


def trust_sam(suggestion: TrustSuggestion) -> str:
    """Return a template in YAML: with a function, whose role SAM makes, or with the role where none may assume it.

    Raises:
        UsageError: PG-E241, a name that CloudFormation would read as something else.
    """
    refuse_trust_texts(suggestion, "SAM", reject_cfn_references)
    if not _is_of_functions(suggestion):
        return _head(suggestion, _properties_named(suggestion)) + dump(
            TEMPLATE | TRANSFORM | _role(suggestion)
        )
    role = suggestion.role
    own: dict[str, Any] = {"RolePath": role.path} if role.path != "/" else {}
    if role.boundary_arn:
        own["PermissionsBoundary"] = role.boundary_arn
    own["AssumeRolePolicyDocument"] = suggestion.policy.to_dict()
    resources = {f"{pascal(role.name)}Function": image_function(own)}
    head = trust_head(
        suggestion,
        (
            "Put AssumeRolePolicyDocument into the function whose role it is; what else that has stays.",
            *_EXISTING,
        ),
        "#",
    )
    return head + dump(TEMPLATE | TRANSFORM | IMAGE_PARAMETER | {"Resources": resources})


def _is_of_functions(suggestion: TrustSuggestion) -> bool:
    return any(
        entry == ("Service", "lambda.amazonaws.com")
        for one in suggestion.policy.allows
        for entry in one.principals.entries
    )


def _role(suggestion: TrustSuggestion) -> dict[str, Any]:
    role = suggestion.role
    properties: dict[str, Any] = {"RoleName": role.name, "Path": role.path}
    if role.boundary_arn:
        properties["PermissionsBoundary"] = role.boundary_arn
    if suggestion.length.now:
        properties["MaxSessionDuration"] = str(suggestion.length.proposed)
    properties["AssumeRolePolicyDocument"] = suggestion.policy.to_dict()
    return {"Resources": {f"{pascal(role.name)}Role": {"Type": "AWS::IAM::Role", "Properties": properties}}}


def _properties_named(suggestion: TrustSuggestion) -> str:
    return "AssumeRolePolicyDocument" + (" and MaxSessionDuration" if suggestion.length.now else "")


def refuse_trust_texts(suggestion: TrustSuggestion, language: str, *rules: Rule) -> None:
    """Refuse a suggestion with texts that a language cannot hold; arguments as for `check_documents`.

    Raises:
        UsageError: PG-E241, with the text and the reason.
    """
    role = suggestion.role
    texts = [(one, False) for one in (role.name, role.path, role.boundary_arn)]
    refuse_texts([*texts, *texts_inside(suggestion.policy.to_dict())], language, *rules)


def _head(suggestion: TrustSuggestion, names: str) -> str:
    where = f"Put {names} into the role's own resource; what else that has stays."
    return trust_head(suggestion, (where, *_EXISTING), "#")


_EXISTING = ("If no code made the role: -f policy, and aws iam update-assume-role-policy.",)


def trust_head(suggestion: TrustSuggestion, where: Sequence[str], mark: str) -> str:
    """Return the comment at the head of a file; it ends with a line break.

    Args:
        suggestion: what the file has.
        where: lines that say where it belongs.
        mark: what begins a comment.
    """
    role, window = suggestion.role, suggestion.evidence.window
    lines = (
        f"policygen {VERSION}: who may assume the role {role.name} of account {role.key.account},",
        f"as seen from {window.start} to {window.last_day} UTC.",
        *where,
    )
    return as_comment(map(visible, lines), mark)
