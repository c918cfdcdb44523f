"""Works out what the findings about a role's policies rest on from its evidence; `plan.gate` does it from a plan."""

from __future__ import annotations

from contextlib import suppress
from datetime import date

from policygen.errors import PolicygenError
from policygen.evidence.observe import RoleEvidence
from policygen.iam.document import Policy
from policygen.rightsize.analysis import conclude
from policygen.rightsize.assess.readiness import days_asked
from policygen.rightsize.basis import CheckBasis
from policygen.rightsize.current_access import split_by_current_access
from policygen.rightsize.decisions.model import Decisions
from policygen.rightsize.keep.retain import keep_without_evidence
from policygen.rightsize.suggestion import SuggestOptions


def check_basis(
    evidence: RoleEvidence, decisions: Decisions | None = None, on: date | None = None
) -> CheckBasis:
    """Work out what the findings about a role's policies rest on.

    Args:
        evidence: what the role did.
        decisions: what people decided; a permission that they keep is no finding.
        on: the date on which decisions expire or not; None for the last day of the window.

    Raises:
        NothingToKeepError: PG-E364, a rule keeps what the current policies do not grant.
        UsageError: PG-E363, rules that contradict each other.
    """
    current, usage = evidence.current_access, evidence.usage
    role = current.role if current else None
    day = on or usage.window.until.day
    rules = decisions.for_role(usage.role, day) if decisions else ()
    proposed: tuple[Policy, ...] = ()
    min_days = days_asked(decisions.min_days if decisions else None, usage.window.days)
    effective = current.effective_actions() if current else None
    kept = keep_without_evidence(
        usage,
        evidence.coverage,
        current,
        effective.allowed if effective else None,
        current.policies if current else None,
        rules=rules,
        anomalous_usage=evidence.anomalous_usage,
        earlier_usage=evidence.earlier_usage,
        min_days=min_days,
    )
    requests, missing = split_by_current_access(usage.requests, current)
    with suppress(
        PolicygenError
    ):  # there is not always something to propose, and policies can be checked all the same
        proposed = conclude(evidence, SuggestOptions(decisions=decisions, on=day)).suggestion.policies
    return CheckBasis(
        observed=usage.requests,
        coverage=evidence.coverage,
        min_days=min_days,
        requests=requests,
        missing=missing,
        keeps=kept.keeps,
        attempts={action: says for action, says in kept.last_accessed.items() if action in kept.tried},
        suspicious=evidence.anomalous_usage.requests if evidence.anomalous_usage else {},
        current=current,
        barred=effective.blocked if effective else {},
        attached={one.arn: one.policy for one in role.attached if one.policy} if role else {},
        attached_unread=tuple(one.arn for one in role.attached if one.policy is None) if role else (),
        suggested=proposed,
        arn=role.key.arn if role else "",
        boundary_arn=role.boundary_arn if role else "",
        trust=role.trust if role else None,
    )
