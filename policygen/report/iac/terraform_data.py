"""Renders a plan for Terraform with `data "aws_iam_policy_document"`: each statement is a block.

Source: hashicorp/aws, documentation of aws_iam_policy_document: "Context Variable Interpolation" writes IAM's
variables as ``&{aws:username}``, so these two characters cannot stand for themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policygen.plan.model import Plan
from policygen.report.iac.common import listed
from policygen.report.iac.hcl import attributes, expression, hcl_string
from policygen.report.iac.layout import block
from policygen.report.iac.limits import check_documents, require_nfc
from policygen.report.iac.terraform import head, labels, resources

_LISTS = {
    "Action": "actions",
    "NotAction": "not_actions",
    "Resource": "resources",
    "NotResource": "not_resources",
}


def render(plan: Plan) -> str:
    """Return data sources, and the resources of the format terraform.

    Raises:
        UsageError: PG-E241, a name that the data source cannot hold.
    """
    check_documents(plan, "aws_iam_policy_document", require_nfc, _variable)
    sources = [
        _source(label, policy.document) for label, policy in zip(labels(plan), plan.policies, strict=True)
    ]
    documents = [f"data.aws_iam_policy_document.{label}.json" for label in labels(plan)]
    return "\n".join([head(plan), *sources, *resources(plan, documents)])


def _variable(value: str, _: bool) -> str:
    return "it reads &{ as the start of a policy variable; -f terraform does not" if "&{" in value else ""


def _source(label: str, document: Mapping[str, Any]) -> str:
    statements = [block("statement {", _statement(one), "}") for one in document["Statement"]]
    opening = f'data "aws_iam_policy_document" "{label}" {{'
    return block(opening, ["\n\n".join(statements)], "}") + "\n"


def _statement(statement: Mapping[str, Any]) -> Iterator[str]:
    plain = [(name.lower(), hcl_string(statement[name])) for name in ("Sid", "Effect") if name in statement]
    lists = [
        (ours, expression(listed(statement[name]))) for name, ours in _LISTS.items() if name in statement
    ]
    yield from attributes([*plain, *lists])
    for operator, keys in statement.get("Condition", {}).items():
        for key, values in keys.items():
            pairs = [
                ("test", hcl_string(operator)),
                ("variable", hcl_string(key)),
                ("values", expression(listed(values))),
            ]
            yield "\n" + block("condition {", attributes(pairs), "}")
