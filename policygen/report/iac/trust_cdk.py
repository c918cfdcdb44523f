"""Renders the trust policy of a role for the AWS CDK, in both of its languages: a function that a stack calls.

It sets what the role's own construct writes into the template (an escape hatch of the CDK), because a construct of the
CDK for roles adds to a trust policy and takes nothing away.
"""

from __future__ import annotations

from policygen.report.iac.cdk import classes, plain, reject_tokens
from policygen.report.iac.cdk_py import PYTHON, nested
from policygen.report.iac.cdk_ts import TS_STEP, TYPESCRIPT
from policygen.report.iac.layout import block
from policygen.report.iac.limits import reject_cfn_references, reject_js_builtins
from policygen.report.iac.names import pascal, snake
from policygen.report.iac.trust import refuse_trust_texts, trust_head
from policygen.rightsize.trust.suggest import TrustSuggestion

_WHERE = (
    "Call it with the role's own construct, after what else changes who may assume the role.",
    "If no stack made the role: -f policy, and aws iam update-assume-role-policy.",
)


def trust_cdk_ts(suggestion: TrustSuggestion) -> str:
    """Return a module in TypeScript with one function.

    Raises:
        UsageError: PG-E241, a name that the CDK or CloudFormation would read as something else.
    """
    document = _checked(suggestion)
    lines = [
        "const made = role.node.defaultChild as iam.CfnRole;",
        f"made.assumeRolePolicyDocument = {plain(document, TYPESCRIPT)};",
    ]
    if suggestion.length.now:
        lines.append(f"made.maxSessionDuration = {suggestion.length.proposed};")
    opening = f"export function trust{pascal(suggestion.role.name)}(role: iam.Role): void {{"
    imports = f'import {{ {classes(lines[1])} }} from "aws-cdk-lib";\n'
    return f"{trust_head(suggestion, _WHERE, '//')}{imports}\n{block(opening, lines, '}', TS_STEP)}\n"


def trust_cdk_py(suggestion: TrustSuggestion) -> str:
    """Return a module in Python with one function.

    Raises:
        UsageError: PG-E241, a name that the CDK or CloudFormation would read as something else.
    """
    document = _checked(suggestion)
    lines = [
        "made = role.node.default_child",
        f"made.assume_role_policy_document = {plain(document, PYTHON)}",
    ]
    if suggestion.length.now:
        lines.append(f"made.max_session_duration = {suggestion.length.proposed}")
    body = nested("\n".join(lines))
    function = f"def trust_{snake(suggestion.role.name)}(role: iam.Role) -> None:\n{body}"
    imports = f"from aws_cdk import {classes(lines[1])}\n"
    return f"{trust_head(suggestion, _WHERE, '#')}{imports}\n\n{function}\n"


def _checked(suggestion: TrustSuggestion) -> dict[str, object]:
    refuse_trust_texts(suggestion, "CDK", reject_cfn_references, reject_js_builtins, reject_tokens)
    return suggestion.policy.to_dict()
