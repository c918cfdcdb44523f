"""Renders a plan for Terraform: documents by `jsonencode`, in an inline policy or in attached managed ones."""

from __future__ import annotations

from collections.abc import Iterator

from policygen.plan.model import Plan
from policygen.report.iac.common import apply_comment, as_comment, header_comment, visible
from policygen.report.iac.hcl import attributes, expression, hcl_string
from policygen.report.iac.layout import block
from policygen.report.iac.limits import check_documents, require_nfc
from policygen.report.iac.names import numbered, snake


def render(plan: Plan) -> str:
    """Return resources of the provider hashicorp/aws.

    Raises:
        UsageError: PG-E241, a name that Terraform cannot hold.
    """
    check_documents(plan, "Terraform", require_nfc)
    documents = [f"jsonencode({expression(policy.document)})" for policy in plan.policies]
    return "\n".join([head(plan), *resources(plan, documents)])


def head(plan: Plan) -> str:
    """Return the comment at the head of a file."""
    return header_comment(plan, "#", *apply_comment(plan, *_COMMITS))


_COMMITS = (
    "How Terraform takes the old ones away stands at the end. Commit and apply the new policies first,",
    "the removal of the old ones second; to go back, revert and apply the second commit, then the first.",
)


def labels(plan: Plan) -> list[str]:
    """Return a label for each policy."""
    return numbered(snake(plan.role.name), len(plan.policies), "_")


def resources(plan: Plan, documents: list[str]) -> Iterator[str]:
    """Yield the blocks of the policies, then how those of today are taken over and away; each ends with a line break.

    Args:
        documents: an expression for each policy's JSON text.
    """
    role = hcl_string(plan.role.name)
    if len(documents) == 1:
        named, document = (
            [("name", hcl_string(plan.policies[0].name)), ("role", role)],
            ("policy", documents[0]),
        )
        yield resource(_INLINE, labels(plan)[0], *named, document)
    else:
        for label, policy, document_ in zip(labels(plan), plan.policies, documents, strict=True):
            yield resource(_MANAGED, label, ("name", hcl_string(policy.name)), ("policy", document_))
            arn = f"{_MANAGED}.{label}.arn"
            yield resource(_ATTACHMENT, label, ("role", role), ("policy_arn", arn))
    yield from _imports(plan)
    yield from _removals(plan)


_INLINE, _MANAGED, _ATTACHMENT = (
    "aws_iam_role_policy",
    "aws_iam_policy",
    "aws_iam_role_policy_attachment",
)


def _imports(plan: Plan) -> Iterator[str]:
    """Yield blocks that take over policies of today with the name of a new one: AWS would refuse to create them."""
    label_of = {policy.name: label for label, policy in zip(labels(plan), plan.policies, strict=True)}
    role = plan.role.name
    for one in (*plan.apply_list.on, *plan.apply_list.in_place):
        if one.before is None:
            continue
        ids = [(_MANAGED, one.arn), (_ATTACHMENT, f"{role}/{one.arn}")] if one.arn else []
        for kind, id_ in ids or [(_INLINE, f"{role}:{one.name}")]:
            pairs = [("to", f"{kind}.{label_of[one.name]}"), ("id", hcl_string(id_))]
            yield block("import {", attributes(pairs), "}") + "\n"


_REMOVALS = """\
When the policies above are in place, these go. If your Terraform has them, delete their blocks and put
their names here in place of NAME (Terraform 1.7 or later); else detach them with -f aws-cli.
Deleting the block alone does the same; with destroy = false AWS would keep the policy attached."""


def _removals(plan: Plan) -> Iterator[str]:
    """Yield, as a comment, the blocks that take away policies of today; only the user knows their names there."""
    off = (*plan.apply_list.first_off, *plan.apply_list.off)
    if not off:
        return
    destroy = block("lifecycle {", ["destroy = true"], "}")
    blocks = (
        block(
            f"removed {{ # {visible(one.arn or one.name)}",
            [f"from = {_ATTACHMENT if one.arn else _INLINE}.NAME", destroy],
            "}",
        )
        for one in off
    )
    yield as_comment("\n".join([_REMOVALS, *blocks]).split("\n"), "#")


def resource(kind: str, label: str, *pairs: tuple[str, str]) -> str:
    """Return a resource block; it ends with a line break."""
    return block(f'resource "{kind}" "{label}" {{', attributes(pairs), "}") + "\n"
