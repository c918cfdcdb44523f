"""Split observed requests by whether the current policies allow them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import msgspec

from policygen.account.current import CurrentAccess
from policygen.iam.arn import service_of
from policygen.iam.document import Policy, Statement
from policygen.iam.evaluate import BOUNDARY, IDENTITY, Decision
from policygen.iam.request import AccessRequest, without_path
from policygen.logs.calls.evidence import Evidence
from policygen.rightsize.generate.intersect import current_parts

_RESOURCE_POLICIES = frozenset(
    {
        "s3", "sqs", "sns", "kms", "lambda", "secretsmanager", "ecr", "events", "logs", "dynamodb", "kinesis",
        "glue", "backup", "elasticfilesystem", "execute-api", "es", "codeartifact", "sts", "iot", "mediastore",
    }
)  # fmt: skip
"""Services whose resources have policies, which may have allowed a call instead of an identity policy (4.1.1)."""


POLICIES_CHANGED = "the policies changed after the call"
"""The cause where no resource policy may have allowed a call, and nothing of today forbids it."""
RESOURCE_POLICY = f"a resource policy allows it, or {POLICIES_CHANGED}"
"""The cause where one may have, and nothing of today forbids it."""
ADDABLE = frozenset({POLICIES_CHANGED, RESOURCE_POLICY})
"""The causes of requests that an identity policy could allow: nothing of today forbids them."""
_EVERYTHING = Policy((Statement("Allow", ("*",), ("*",)),))
"""Beside the identity policies it shows what else of today forbids a request that they do not allow."""


class NotCurrentlyAllowed(msgspec.Struct, frozen=True):
    """An observed request that the current identity policies do not allow, and the likely cause."""

    request: AccessRequest
    evidence: Evidence
    cause: str


def split_by_current_access(
    observed: Mapping[AccessRequest, Evidence], current: CurrentAccess | None
) -> tuple[dict[AccessRequest, Evidence], list[NotCurrentlyAllowed]]:
    """Split observed requests into those that the current access allows, and those that something else allowed.

    A request whose record does not give the whole resource name stands for one unknown name of a pattern. It is not
    allowed where each of these names is refused: by a Deny, the boundary or a control policy as much as by the identity
    policies. Else it is cut to the parts that the identity policies may allow, without those that are refused whole.
    One of which the record leaves alternatives open is not missing where the current access allows one of these.
    """
    if current is None:
        return dict(observed), []
    evaluator = current.evaluator()
    limits = cache(lambda: current.evaluator((*current.policies, _EVERYTHING)))
    allowed: dict[AccessRequest, Evidence] = {}
    missing: list[NotCurrentlyAllowed] = []
    for request, evidence in observed.items():
        refused = evaluator.refusal(request)
        if refused is None:
            for part in current_parts(request, current.policies):
                if part == request or evaluator.refusal(part) is None:
                    allowed[part] = allowed[part] + evidence if part in allowed else evidence
        elif request.grade == "required":
            cause = _cause(request, limits().refusal(request) or refused, current.boundary)
            missing.append(NotCurrentlyAllowed(request, evidence, cause))
    stand_ins = {without_path(request) for request in allowed if request.grade == "alternative"}
    return allowed, [one for one in missing if without_path(one.request) not in stand_ins]


def _cause(request: AccessRequest, refused: Decision, boundary: Policy | None) -> str:
    layer = refused.layer
    if boundary and boundary.name and layer == BOUNDARY:
        layer += f" {boundary.name}"
    if refused.outcome == "EXPLICIT_DENY":
        owner = "of today" if refused.layer == IDENTITY else f"of {layer}"
        return f"a Deny {owner} forbids it: {POLICIES_CHANGED}"
    has_policy = service_of(request.action) in _RESOURCE_POLICIES
    if refused.layer != IDENTITY:
        # What a resource policy grants to the session itself, and not to the role, no boundary limits (4.1).
        named = ", or a resource policy names the session" if has_policy and refused.layer == BOUNDARY else ""
        return f"{layer} of today forbids it: it changed after the call{named}"
    if has_policy:
        return RESOURCE_POLICY
    return POLICIES_CHANGED
