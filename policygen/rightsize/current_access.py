"""Split observed requests by whether the current policies allow them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from policygen.account.current import CurrentAccess
from policygen.evidence.usage import Usage
from policygen.iam import arn
from policygen.iam.document import Policy, Statement, allow_statements
from policygen.iam.evaluate import IDENTITY, Evaluator
from policygen.iam.request import AccessRequest, without_path
from policygen.logs.calls.evidence import Evidence
from policygen.rightsize.generate.intersect import statement_grants

_RESOURCE_POLICIES = frozenset(
    {
        "s3", "sqs", "sns", "kms", "lambda", "secretsmanager", "ecr", "events", "logs", "dynamodb", "kinesis",
        "glue", "backup", "elasticfilesystem", "execute-api", "es", "codeartifact", "sts", "iot", "mediastore",
    }
)  # fmt: skip
"""Services whose resources have policies, which may have allowed a call instead of an identity policy (4.1.1)."""


@dataclass(frozen=True, slots=True)
class NotCurrentlyAllowed:
    """An observed request that the current identity policies do not allow, and the likely cause."""

    request: AccessRequest
    evidence: Evidence
    cause: str


def split_by_current_access(
    usage: Usage, current: CurrentAccess | None
) -> tuple[dict[AccessRequest, Evidence], list[NotCurrentlyAllowed]]:
    """Split observed requests into those that the current policies allow, and those that something else allowed.

    A request whose record does not give the whole resource name is cut to the part that the current policies allow. One
    of which the record leaves alternatives open is not missing where they allow one of these.
    """
    if current is None:
        return dict(usage.requests), []
    evaluator = current.evaluator()
    statements = allow_statements(current.policies)
    allows = Evaluator([Policy(tuple(statements))])
    allowed: dict[AccessRequest, Evidence] = {}
    missing: list[NotCurrentlyAllowed] = []
    for request, evidence in usage.requests.items():
        if request.wild:
            pieces = _within(request, statements, allows)
        else:
            pieces = [request] if evaluator.evaluate(request).outcome == "ALLOWED" else []
        for piece in pieces:
            allowed[piece] = allowed[piece] + evidence if piece in allowed else evidence
        if not pieces and request.grade == "required":
            if request.wild and statement_grants(request, current.policies):
                allowed[request] = evidence
            else:
                missing.append(NotCurrentlyAllowed(request, evidence, _cause(request, evaluator)))
    stand_ins = {without_path(request) for request in allowed if request.grade == "alternative"}
    return allowed, [one for one in missing if without_path(one.request) not in stand_ins]


def _within(
    request: AccessRequest, statements: Sequence[Statement], allows: Evaluator
) -> list[AccessRequest]:
    """Cut a request for a pattern of names to the parts that Allow statements allow.

    Denies and the boundary stay in force beside the new policy. They may deny a part of the pattern,
    but that does not mean that the call, which succeeded, was in that part.
    """
    if allows.evaluate(request).outcome == "ALLOWED":
        return [request]
    pieces: dict[str, None] = {}
    for statement in statements:
        if not statement.not_resources and any(
            arn.action_matches(pattern, request.action) != statement.not_actions
            for pattern in statement.actions
        ):
            for resource in statement.resources:
                pieces |= dict.fromkeys(arn.intersect(request.resource, resource) or ())
    cut = [_narrowed(request, piece) for piece in pieces]
    return [one for one in cut if allows.evaluate(one).outcome == "ALLOWED"]


def _narrowed(request: AccessRequest, pattern: str) -> AccessRequest:
    literal = arn.unescape(pattern)
    return AccessRequest(
        request.action,
        pattern if literal is None else literal,
        request.resource_type,
        request.context,
        request.grade,
        literal is None,
    )


def _cause(request: AccessRequest, evaluator: Evaluator) -> str:
    decision = evaluator.evaluate(request)
    if decision.outcome == "EXPLICIT_DENY":
        owner = "of today" if decision.layer == IDENTITY else f"of {decision.layer}"
        return f"a Deny {owner} forbids it: the policies changed after the call"
    if decision.outcome == "IMPLICIT_DENY" and decision.layer not in (IDENTITY, ""):
        return f"{decision.layer} of today forbids it: it changed after the call"
    if request.action.split(":", 1)[0] in _RESOURCE_POLICIES:
        return "a resource policy allows it, or the policies changed after the call"
    return "the policies changed after the call"
