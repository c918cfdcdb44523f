"""What the findings of a check rest on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from policygen.account.current import CurrentAccess
from policygen.evidence.coverage.coverage import Coverage
from policygen.iam.document import Policy, Statement
from policygen.iam.evaluate import Evaluator
from policygen.iam.request import AccessRequest
from policygen.logs.calls.evidence import Evidence
from policygen.rightsize.current_access import NotCurrentlyAllowed
from policygen.rightsize.keep.model import Keep


class CheckBasis(msgspec.Struct, frozen=True):
    """What the findings rest on."""

    observed: Collection[AccessRequest]
    """Every request that was observed, as it was observed."""
    coverage: Coverage
    min_days: int = 0
    """Days for which a permission must have been visible before its absence means anything."""
    requests: Mapping[AccessRequest, Evidence] = msgspec.field(default_factory=dict)
    """Observed requests, each cut to what the current policies allow of it; all of them where these are not known."""
    missing: Sequence[NotCurrentlyAllowed] = ()
    """Observed requests that the current policies do not allow."""
    keeps: Sequence[Keep] = ()
    """What stays without evidence: platform needs, people's decisions, and what the logs cannot show."""
    suspicious: Mapping[AccessRequest, Evidence] = msgspec.field(default_factory=dict)
    """The requests behind calls that do not look like the workload."""
    current: CurrentAccess | None = None
    """The role's policies and bounds; None where they are not known."""
    barred: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Action that the current policies grant and a bound never allows -> the bound's name."""
    attached: Mapping[str, Policy] = msgspec.field(default_factory=dict)
    """ARN of a managed policy that the role has today -> its document, as far as it is known."""
    suggested: tuple[Policy, ...] = ()
    """The policies that `suggest` proposes for the role; () where it proposes none."""

    def known_statements(self) -> frozenset[Statement]:
        """Return the statements that nobody added: those of today's policies, and of the suggestion."""
        known = (*self.suggested, *(self.current.policies if self.current else ()))
        return frozenset(statement for policy in known for statement in policy.statements)

    def evaluator(self, policies: Sequence[Policy]) -> Evaluator:
        """Return an evaluator of policies within the role's bounds, as far as these are known."""
        return self.current.evaluator(policies) if self.current else Evaluator(policies)
