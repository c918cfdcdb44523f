"""The role as it is today: what bounds a suggestion, and what of the observed it allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from policygen import arn
from policygen.access import AccessRequest
from policygen.account.model import (
    Account,
    EventSourceMapping,
    Function,
    InvokeConfig,
    LastAccessed,
    Levels,
    Role,
)
from policygen.calls import Evidence
from policygen.errors import IncompleteError
from policygen.policy.document import Policy, Statement
from policygen.policy.evaluate import IDENTITY, Evaluator
from policygen.policy.expand import allowed_actions
from policygen.policy.meet import allow_statements, own_grants
from policygen.usage import Usage

_RESOURCE_POLICIES = frozenset(
    {
        "s3", "sqs", "sns", "kms", "lambda", "secretsmanager", "ecr", "events", "logs", "dynamodb", "kinesis",
        "glue", "backup", "elasticfilesystem", "execute-api", "es", "codeartifact", "sts", "iot", "mediastore",
    }
)  # fmt: skip
"""Services whose resources carry policies, so that an identity policy need not be what allowed a call (4.1.1)."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Observed, but not allowed by today's identity policies, and the likely cause."""

    request: AccessRequest
    evidence: Evidence
    cause: str


@dataclass(frozen=True, slots=True)
class Today:
    """The role as it is: what bounds the suggestion."""

    policies: tuple[Policy, ...]
    boundary: Policy | None = None
    functions: tuple[Function, ...] | None = None
    mappings: tuple[EventSourceMapping, ...] = ()
    notes: tuple[str, ...] = field(default=())
    guardrails: tuple[tuple[Policy, ...], ...] = ()
    """Levels of SCPs, and RCPs as one level; () where the organization's policies are not known."""
    account: str = ""
    """The role's account, to which RCPs are confined; "" where unknown."""
    invoke_configs: tuple[InvokeConfig, ...] = ()
    role: Role | None = None
    last: LastAccessed | None = None
    """What IAM saw used last; None where it was not read."""

    def evaluator(self, policies: Sequence[Policy] | None = None) -> Evaluator:
        """An evaluator of today's identity policies, or of others in their place, within today's bounds."""
        chosen = self.policies if policies is None else policies
        return Evaluator(chosen, self.boundary, guardrails=self.guardrails, account=self.account)


def today_of(role: Role, account: Account, *, allow_incomplete: bool = False) -> Today:
    """What bounds the suggestion for a role, and what else the account says of it.

    Args:
        role: as the snapshot has it.
        account: that the role is of.
        allow_incomplete: go on without documents that were not read.

    Raises:
        IncompleteError: PG-E321, an attached policy's document is not known: "never wider" could not be proved.
    """
    if role.missing and not allow_incomplete:
        raise IncompleteError(
            f"the document of {role.missing[0]} is not in the account snapshot"
            + (f", nor {len(role.missing) - 1} more" if len(role.missing) > 1 else ""),
            "make the snapshot with managed policies: policygen snapshot",
            "or go on without what it grants: --allow-incomplete",
            code="PG-E321",
        )
    notes = []
    if role.missing:
        notes.append(f"not known today: {', '.join(role.missing)}")
    if role.service_linked:
        notes.append("service-linked role: IAM lets nobody edit its policies")
    if role.sso_managed:
        notes.append("made by IAM Identity Center: change the permission set, not the role")
    return Today(
        policies=role.identity_policies,
        boundary=role.boundary,
        functions=account.configurations_of(role),
        mappings=tuple(account.mappings or ()),
        notes=tuple(notes),
        guardrails=_guardrails(account.scps_of(role) or (), account.rcps_of(role) or ()),
        account=role.key.account,
        invoke_configs=tuple(account.invoke_configs or ()),
        role=role,
        last=account.last_accessed_of(role),
    )


# Attached to everything that RCPs can be attached to, and by nobody to be detached (4.1).
_RCP_FULL = Policy((Statement("Allow", ("*",), ("*",)),), name="RCPFullAWSAccess", kind="resource control")


def _guardrails(scps: Levels, rcps: Levels) -> tuple[tuple[Policy, ...], ...]:
    """Each level of SCPs must allow; RCPs only ever deny beside the one that allows all, so they are one level."""
    denying = tuple(policy for level in rcps for policy in level)
    return (*map(tuple, scps), *([(_RCP_FULL, *denying)] if denying else []))


def services_of(role: Role) -> set[str]:
    """IAM prefixes of the services that a role's policies of today speak of."""
    return {action.split(":", 1)[0].lower() for action in allowed_actions(role.identity_policies)}


def allowed_today(usage: Usage, today: Today | None) -> tuple[dict[AccessRequest, Evidence], list[Missing]]:
    """Observed requests that today's policies allow, and those that something else must have allowed.

    A request whose record does not tell the whole name is cut to the part that today's policies allow.
    """
    if today is None:
        return dict(usage.requests), []
    evaluator = today.evaluator()
    statements = allow_statements(today.policies)
    whole = Evaluator([Policy(tuple(statements))])
    allowed: dict[AccessRequest, Evidence] = {}
    missing: list[Missing] = []
    for request, evidence in usage.requests.items():
        if request.wild:
            pieces = _within(request, statements, whole)
        else:
            pieces = [request] if evaluator.evaluate(request).outcome == "ALLOWED" else []
        for piece in pieces:
            allowed[piece] = allowed[piece] + evidence if piece in allowed else evidence
        if not pieces and request.grade == "required":
            if request.wild and (own_grants(request, today.policies)):
                allowed[request] = evidence
            else:
                missing.append(Missing(request, evidence, _cause(request, evaluator)))
    return allowed, missing


def _within(request: AccessRequest, statements: Sequence[Statement], whole: Evaluator) -> list[AccessRequest]:
    """A request for a pattern of names, cut to what Allow statements hold of it.

    Denies and the boundary stay in force beside the new policy: that they bar a part of the pattern does not say
    that the call, which succeeded, was in that part.
    """
    if whole.evaluate(request).outcome == "ALLOWED":
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
    return [one for one in cut if whole.evaluate(one).outcome == "ALLOWED"]


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
        whose = "of today" if decision.layer == IDENTITY else f"of {decision.layer}"
        return f"a Deny {whose} forbids it: the policies changed after the call"
    if decision.outcome == "IMPLICIT_DENY" and decision.layer not in (IDENTITY, ""):
        return f"{decision.layer} of today forbids it: it changed after the call"
    if request.action.split(":", 1)[0] in _RESOURCE_POLICIES:
        return "a resource policy allows it, or the policies changed after the call"
    return "the policies changed after the call"
