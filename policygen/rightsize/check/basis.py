"""What the findings of a check rest on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date

from policygen.account.current import CurrentAccess
from policygen.errors import PolicygenError
from policygen.evidence.coverage.coverage import Coverage
from policygen.evidence.observe import RoleEvidence
from policygen.iam.document import Policy
from policygen.iam.evaluate import Evaluator
from policygen.iam.request import AccessRequest
from policygen.logs.calls.evidence import Evidence
from policygen.rightsize.analysis import conclude
from policygen.rightsize.assess.readiness import days_asked
from policygen.rightsize.current_access import NotCurrentlyAllowed, split_by_current_access
from policygen.rightsize.decisions.model import Decisions
from policygen.rightsize.keep.model import Keep
from policygen.rightsize.keep.retain import keep_without_evidence
from policygen.rightsize.suggestion import SuggestOptions


@dataclass(frozen=True, slots=True)
class CheckBasis:
    """What the findings rest on."""

    observed: Collection[AccessRequest]
    """Every request that was observed, as it was observed."""
    coverage: Coverage
    min_days: int = 0
    """Days for which a permission must have been visible before its absence means anything."""
    requests: Mapping[AccessRequest, Evidence] = field(default_factory=dict)
    """Observed requests, each cut to what the current policies allow of it; all of them where these are not known."""
    missing: Sequence[NotCurrentlyAllowed] = ()
    """Observed requests that the current policies do not allow."""
    keeps: Sequence[Keep] = ()
    """What stays without evidence: platform needs, people's decisions, and what the logs cannot show."""
    suspicious: Mapping[AccessRequest, Evidence] = field(default_factory=dict)
    """The requests behind calls that do not look like the workload."""
    current: CurrentAccess | None = None
    """The role's policies and bounds; None where they are not known."""
    barred: Mapping[str, str] = field(default_factory=dict)
    """Action that the current policies grant and a bound never allows -> the bound's name."""
    suggested: tuple[Policy, ...] = ()
    """The policies that `suggest` proposes for the role; () where it proposes none."""

    def evaluator(self, policies: Sequence[Policy]) -> Evaluator:
        """Return an evaluator of policies within the role's bounds, as far as these are known."""
        return self.current.evaluator(policies) if self.current else Evaluator(policies)


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
    day = on or usage.window.until.day
    rules = decisions.for_role(usage.role.name, day) if decisions else ()
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
        suspicious=evidence.anomalous_usage.requests if evidence.anomalous_usage else {},
        current=current,
        barred=effective.blocked if effective else {},
        suggested=proposed,
    )
