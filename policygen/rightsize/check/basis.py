"""What the findings of a check rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from policygen.evidence.coverage.coverage import Coverage
from policygen.evidence.observe import RoleEvidence
from policygen.evidence.usage import Usage
from policygen.iam.actions import allowed_actions
from policygen.iam.document import Policy
from policygen.iam.evaluate import Guardrails
from policygen.iam.request import AccessRequest
from policygen.logs.calls.evidence import Evidence
from policygen.rightsize.assess.readiness import days_asked
from policygen.rightsize.current_access import NotCurrentlyAllowed, split_by_current_access
from policygen.rightsize.decisions.model import Decisions
from policygen.rightsize.keep.model import Keep
from policygen.rightsize.keep.retain import keep_without_evidence


@dataclass(frozen=True, slots=True)
class CheckBasis:
    """What the findings rest on."""

    usage: Usage
    coverage: Coverage
    min_days: int = 0
    """Days for which a permission must have been visible before its absence means anything."""
    requests: Mapping[AccessRequest, Evidence] = field(default_factory=dict)
    """Observed requests that today's policies allow, each cut to what they allow of it; without them, all."""
    missing: Sequence[NotCurrentlyAllowed] = ()
    """Observed requests that today's policies do not allow."""
    keeps: Sequence[Keep] = ()
    """The platform's needs, what people decided to keep, and what nobody can know."""
    anomalous_usage: Usage | None = None
    today: Sequence[Policy] | None = None
    boundary: Policy | None = None
    guardrails: Guardrails = ()
    account: str = ""


def check_basis(seen: RoleEvidence, decisions: Decisions | None = None, on: date | None = None) -> CheckBasis:
    """What the gate's findings rest on.

    Args:
        seen: of the role.
        decisions: what people decided to keep is no finding.
        on: the day on which decisions expire or not; by default the window's last.
    """
    today, usage = seen.current_access, seen.usage
    now = allowed_actions(today.policies) if today else None
    day = on or usage.window.until.day
    rules = decisions.for_role(usage.role.name, day) if decisions else ()
    bounds = today.policies if today else None
    apart = (seen.anomalous_usage,) if seen.anomalous_usage else ()
    min_days = days_asked(decisions.min_days if decisions else None, usage.window.days)
    kept = keep_without_evidence(
        usage, seen.coverage, today, now, bounds, rules=rules, seen=apart, min_days=min_days
    )
    requests, missing = split_by_current_access(usage, today)
    return CheckBasis(
        usage=usage,
        coverage=seen.coverage,
        min_days=min_days,
        requests=requests,
        missing=missing,
        keeps=kept.keeps,
        anomalous_usage=seen.anomalous_usage,
        today=bounds,
        boundary=today.boundary if today else None,
        guardrails=today.guardrails if today else (),
        account=today.account if today else "",
    )
