"""Renders a plan for Terraform: documents by `jsonencode`, in an inline policy or in attached managed ones."""

from __future__ import annotations

from collections.abc import Iterator

from policygen.report.iac.common import ATTACHED, Planned, header_comment
from policygen.report.iac.hcl import attributes, expression, hcl_string
from policygen.report.iac.layout import block
from policygen.report.iac.limits import check_documents, require_nfc
from policygen.report.iac.names import numbered, snake


def render(plan: Planned) -> str:
    """Return resources of the provider hashicorp/aws.

    Raises:
        UsageError: PG-E241, a name that Terraform cannot hold.
    """
    check_documents(plan, "Terraform", require_nfc)
    documents = [f"jsonencode({expression(policy.document)})" for policy in plan.policies]
    return "\n".join([header_comment(plan, "#", ATTACHED), *resources(plan, documents)])


def labels(plan: Planned) -> list[str]:
    """Return a label for each policy."""
    return numbered(snake(plan.role.name), len(plan.policies), "_")


def resources(plan: Planned, documents: list[str]) -> Iterator[str]:
    """Yield the blocks of the policies, each ending with a line break.

    Args:
        documents: an expression for each policy's JSON text.
    """
    role = hcl_string(plan.role.name)
    if len(documents) == 1:
        named, document = (
            [("name", hcl_string(plan.policies[0].name)), ("role", role)],
            ("policy", documents[0]),
        )
        yield resource("aws_iam_role_policy", labels(plan)[0], *named, document)
        return
    for label, policy, document_ in zip(labels(plan), plan.policies, documents, strict=True):
        yield resource("aws_iam_policy", label, ("name", hcl_string(policy.name)), ("policy", document_))
        arn = f"aws_iam_policy.{label}.arn"
        yield resource("aws_iam_role_policy_attachment", label, ("role", role), ("policy_arn", arn))


def resource(kind: str, label: str, *pairs: tuple[str, str]) -> str:
    """Return a resource block; it ends with a line break."""
    return block(f'resource "{kind}" "{label}" {{', attributes(pairs), "}") + "\n"
