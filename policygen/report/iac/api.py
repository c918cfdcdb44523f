"""Renders the policies of an API and of its callers for Terraform, CloudFormation and SAM.

The file is for the API's account. A caller of another account, or one whose policies stay as they are, is only named:
`-f json` has what it needs.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from policygen.errors import NothingFoundError
from policygen.report.iac.cloudformation_common import VERSION as TEMPLATE
from policygen.report.iac.common import Document, as_comment, visible
from policygen.report.iac.hcl import expression, hcl_string
from policygen.report.iac.limits import (
    Rule,
    refuse_texts,
    reject_cfn_references,
    require_nfc,
    texts_inside,
)
from policygen.report.iac.names import numbered, pascal, snake
from policygen.report.iac.sam import TRANSFORM
from policygen.report.iac.terraform import resource
from policygen.report.iac.yaml import dump
from policygen.rightsize.api.callers import CallerPolicy
from policygen.rightsize.api.suggest import ApiSuggestion
from policygen.text import escape_controls
from policygen.version import VERSION

_WIDTH = 100
"""Columns of a line of a comment."""


class PlannedDocument(NamedTuple):
    """A policy with its name in IAM."""

    name: str
    document: Document


class OwnCaller(NamedTuple):
    """A role or user of the API's account, and what it needs of the API."""

    kind: str
    """``role`` or ``user``."""
    name: str
    policies: tuple[PlannedDocument, ...]
    """One inline policy, or managed ones."""
    is_managed: bool


def api_terraform(suggestion: ApiSuggestion) -> str:
    """Return resources of the provider hashicorp/aws.

    Raises:
        UsageError: PG-E241, a name that Terraform cannot hold.
        NothingFoundError: PG-E390, there is no policy to write.
    """
    own = own_callers(suggestion, "Terraform", require_nfc)
    api, blocks = suggestion.api, list[str]()
    if suggestion.policy:
        document = f"jsonencode({expression(suggestion.policy.to_dict())})"
        pairs = ("rest_api_id", hcl_string(api.id)), ("policy", document)
        blocks.append(resource("aws_api_gateway_rest_api_policy", snake(f"api-{api.name or api.id}"), *pairs))
    for one in own:
        blocks += _caller_blocks(one)
    where = (
        "If your Terraform has it as policy or body of aws_api_gateway_rest_api, put it there: not both.",
        "It holds from the next deployment on: put it into triggers of aws_api_gateway_deployment.",
    )
    return "\n".join([api_head(suggestion, own, where, "#"), *blocks])


def _caller_blocks(one: OwnCaller) -> Iterator[str]:
    """Yield the resources of a caller's policies: an inline one, or managed ones with their attachments."""
    whose = (one.kind, hcl_string(one.name))
    for label, policy in zip(numbered(snake(one.name), len(one.policies), "_"), one.policies, strict=True):
        named = ("name", hcl_string(policy.name))
        document = ("policy", f"jsonencode({expression(policy.document)})")
        if not one.is_managed:
            yield resource(f"aws_iam_{one.kind}_policy", label, named, whose, document)
            continue
        yield resource("aws_iam_policy", label, named, document)
        arn = ("policy_arn", f"aws_iam_policy.{label}.arn")
        yield resource(f"aws_iam_{one.kind}_policy_attachment", label, whose, arn)


def api_cloudformation(suggestion: ApiSuggestion) -> str:
    """Return a template in YAML; no resource has the resource policy alone, so that is a part of the API's.

    Raises:
        UsageError: PG-E241, a name that CloudFormation would read as something else.
        NothingFoundError: PG-E390, there is no policy to write.
    """
    own = own_callers(suggestion, "CloudFormation", reject_cfn_references)
    resources = {}
    if suggestion.policy:
        properties = {"Policy": suggestion.policy.to_dict()}
        resources = {_api_id(suggestion): {"Type": "AWS::ApiGateway::RestApi", "Properties": properties}}
    where = (
        "Put Policy into the API's own AWS::ApiGateway::RestApi, and take that resource out of this file:",
        "as it stands it is no whole API, and what else yours has stays. If no template made the API:",
        "-f policy, and aws apigateway update-rest-api.",
        "It holds from the next deployment on: a new AWS::ApiGateway::Deployment.",
    )
    resources |= _caller_resources(own)
    return api_head(suggestion, own, where, "#") + dump(TEMPLATE | {"Resources": resources})


def api_sam(suggestion: ApiSuggestion) -> str:
    """Return a template in YAML, with the resource policy in an API that SAM makes; users move it into their own.

    Raises:
        UsageError: PG-E241, a name that CloudFormation would read as something else.
        NothingFoundError: PG-E390, there is no policy to write.
    """
    own = own_callers(suggestion, "SAM", reject_cfn_references)
    resources = {}
    if suggestion.policy:
        auth = {"ResourcePolicy": {"CustomStatements": suggestion.policy.to_dict()["Statement"]}}
        stage = next((one.name for one in suggestion.api.stages), "prod")
        properties = {"StageName": stage, "Auth": auth}
        resources = {_api_id(suggestion): {"Type": "AWS::Serverless::Api", "Properties": properties}}
    where = (
        "Put ResourcePolicy into Auth of the API's own AWS::Serverless::Api, and take that resource out of",
        "this file: as it stands it is no whole API. SAM then makes a new deployment, and the policy holds.",
        "If no template made the API: -f policy, and aws apigateway update-rest-api.",
    )
    resources |= _caller_resources(own)
    return api_head(suggestion, own, where, "#") + dump(TEMPLATE | TRANSFORM | {"Resources": resources})


def _api_id(suggestion: ApiSuggestion) -> str:
    return f"{pascal(f'rest-{suggestion.api.name or suggestion.api.id}')}Api"


def _caller_resources(own: Sequence[OwnCaller]) -> dict[str, Any]:
    """Return the policies of callers, by logical id."""
    resources = {}
    for one in own:
        kind = one.kind.capitalize()
        for name, policy in zip(
            numbered(f"{pascal(one.name)}{kind}Policy", len(one.policies)), one.policies, strict=True
        ):
            if one.is_managed:
                properties: dict[str, Any] = {"ManagedPolicyName": policy.name, f"{kind}s": [one.name]}
                of = "AWS::IAM::ManagedPolicy"
            else:
                properties = {f"{kind}Name": one.name, "PolicyName": policy.name}
                of = f"AWS::IAM::{kind}Policy"
            resources[name] = {"Type": of, "Properties": properties | {"PolicyDocument": policy.document}}
    return resources


def own_callers(suggestion: ApiSuggestion, language: str, *rules: Rule) -> list[OwnCaller]:
    """Return the callers whose policies are written, after all texts were checked.

    Args:
        suggestion: what is written.
        language: the name of the language, for messages.
        rules: the rules of the language, as for `check_documents`.

    Raises:
        UsageError: PG-E241, with the text and the reason.
        NothingFoundError: PG-E390, there is no policy to write.
    """
    own = [found for one in suggestion.callers if (found := _own(suggestion, one))]
    if not own and suggestion.policy is None:
        raise NothingFoundError(
            f"no new policy for {escape_controls(suggestion.api.name or suggestion.api.id)} and the callers "
            f"of its account: {escape_controls(suggestion.why)}",
            "-f json has the policies of all callers",
            code="PG-E390",
        )
    documents = [policy.document for one in own for policy in one.policies]
    documents += [suggestion.policy.to_dict()] if suggestion.policy else []
    texts = [(one, False) for one in (suggestion.api.id, *(one.name for one in own))]
    texts += [text for document in documents for text in texts_inside(document)]
    refuse_texts(texts, language, *rules)
    return own


def _own(suggestion: ApiSuggestion, caller: CallerPolicy) -> OwnCaller | None:
    """Return a caller with a policy that can be written; None for one that is only named."""
    if caller.policy is None or caller.party.account != suggestion.api.account:
        return None
    kind = "role" if caller.party.is_role else "user"
    policies = tuple(PlannedDocument(one.name, one.to_dict()) for one in caller.placed)
    return OwnCaller(kind, caller.party.name.rpartition("/")[2], policies, caller.is_managed)


def api_head(suggestion: ApiSuggestion, own: Sequence[OwnCaller], where: Sequence[str], mark: str) -> str:
    """Return the comment at the head of a file; it ends with a line break.

    Args:
        suggestion: what the file has.
        own: the callers that it has.
        where: lines that say where the resource policy belongs.
        mark: what begins a comment.
    """
    lines = _lines(suggestion, own, where)
    return as_comment(
        (
            row
            for line in lines
            for row in textwrap.wrap(
                visible(line), _WIDTH, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False
            )
        ),
        mark,
    )


def _lines(suggestion: ApiSuggestion, own: Sequence[OwnCaller], where: Sequence[str]) -> Iterator[str]:
    api, window = suggestion.api, suggestion.window
    yield f"policygen {VERSION}: who may call the API {api.name or api.id} of account {api.account},"
    yield f"as seen from {window.start} to {window.last_day} UTC."
    if suggestion.policy:
        yield "The resource policy replaces today's."
        yield from where
    else:
        yield f"Its resource policy is left as it is: {suggestion.why}"
    if own:
        yield "A caller's policy is about this API alone. To narrow the caller, take out of its other policies"
        yield "what they allow on this API, and leave the rest."
    left_out = [one for one in suggestion.callers if _own(suggestion, one) is None]
    if left_out:
        yield "Not in this file (-f json has what there is of them):"
    for one in left_out:
        name = one.party.name if one.party.is_named else one.party.unique_id or one.party.name
        yield f"- {name}: {one.why or 'of another account'}"
