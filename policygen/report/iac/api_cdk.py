"""Renders the policies of an API and of its callers for the AWS CDK, in both of its languages: a construct.

The resource policy goes to the stack's own API, and makes a new deployment; the callers exist already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policygen.report.iac.api import OwnCaller, api_head, own_callers
from policygen.report.iac.cdk import Language, Properties, cdk_string, classes, plain, reject_tokens
from policygen.report.iac.cdk_py import PYTHON, nested
from policygen.report.iac.cdk_ts import TS_STEP, TYPESCRIPT
from policygen.report.iac.layout import array, block
from policygen.report.iac.limits import reject_cfn_references, reject_js_builtins
from policygen.report.iac.names import numbered, pascal
from policygen.rightsize.api.suggest import ApiSuggestion

_WHERE = (
    "Give it the API's own construct, after its methods. It makes a new deployment, and the policy holds.",
    "If no stack made the API: -f policy, and aws apigateway update-rest-api.",
)
_GATEWAY, _IAM = "aws_apigateway as apigateway", "aws_iam as iam"


def api_cdk_ts(suggestion: ApiSuggestion) -> str:
    """Return a module in TypeScript with one class; a stack uses it as ``new NAME(this, "NAME", api)``.

    Raises:
        UsageError: PG-E241, a name that the CDK or CloudFormation would read as something else.
        NothingFoundError: PG-E390, there is no policy to write.
    """
    own = _checked(suggestion)
    lines, taken = ["super(scope, id);"], "scope: Construct, id: string"
    if suggestion.policy:
        taken += ", api: apigateway.RestApi"
        lines += [
            f"const policy = {plain(suggestion.policy.to_dict(), TYPESCRIPT)};",
            "(api.node.defaultChild as apigateway.CfnRestApi).policy = policy;",
            "api.latestDeployment?.addToLogicalId(policy);",
        ]
    lines += _callers(own, TYPESCRIPT)
    constructor = block(f"constructor({taken}) {{", lines, "}", TS_STEP)
    class_ = block(f"export class {_name(suggestion)} extends Construct {{", [constructor], "}", TS_STEP)
    imports = f'import {{ {_imported(suggestion, own, lines)} }} from "aws-cdk-lib";\n'
    imports += 'import { Construct } from "constructs";\n'
    return f"{api_head(suggestion, own, _WHERE, '//')}{imports}\n{class_}\n"


def api_cdk_py(suggestion: ApiSuggestion) -> str:
    """Return a module in Python with one class; a stack uses it as ``NAME(self, "NAME", api)``.

    Raises:
        UsageError: PG-E241, a name that the CDK or CloudFormation would read as something else.
        NothingFoundError: PG-E390, there is no policy to write.
    """
    own = _checked(suggestion)
    lines, taken = ["super().__init__(scope, construct_id)"], "self, scope: Construct, construct_id: str"
    if suggestion.policy:
        taken += ", api: apigateway.RestApi"
        lines += [
            f"policy = {plain(suggestion.policy.to_dict(), PYTHON)}",
            "api.node.default_child.policy = policy",
            "if api.latest_deployment:",
            nested("api.latest_deployment.add_to_logical_id(policy)"),
        ]
    lines += _callers(own, PYTHON)
    body = nested("\n".join(lines))
    method = nested(f"def __init__({taken}) -> None:\n{body}")
    imports = f"from aws_cdk import {_imported(suggestion, own, lines)}\nfrom constructs import Construct\n"
    class_ = f"class {_name(suggestion)}(Construct):\n{method}"
    return f"{api_head(suggestion, own, _WHERE, '#')}{imports}\n\n{class_}\n"


def _checked(suggestion: ApiSuggestion) -> list[OwnCaller]:
    return own_callers(suggestion, "CDK", reject_cfn_references, reject_js_builtins, reject_tokens)


def _name(suggestion: ApiSuggestion) -> str:
    return f"{pascal(f'api-{suggestion.api.name or suggestion.api.id}')}Access"


def _imported(suggestion: ApiSuggestion, own: Sequence[OwnCaller], lines: Sequence[str]) -> str:
    modules = [_GATEWAY] * bool(suggestion.policy) + [_IAM] * bool(own)
    return classes("\n".join(lines), *modules)


def _callers(own: Sequence[OwnCaller], language: Language) -> Iterator[str]:
    for one in own:
        kind = one.kind.capitalize()
        ids = numbered(f"{pascal(one.name)}{kind}Policy", len(one.policies))
        for id_, policy in zip(ids, one.policies, strict=True):
            name, whose = cdk_string(policy.name, language), cdk_string(one.name, language)
            properties: Properties = [(f"{one.kind}_name", whose), ("policy_name", name)]
            if one.is_managed:
                properties = [("managed_policy_name", name), (f"{one.kind}s", array([whose]))]
            class_ = "CfnManagedPolicy" if one.is_managed else f"Cfn{kind}Policy"
            document = ("policy_document", plain(policy.document, language))
            yield language.construct(class_, id_, [*properties, document])
