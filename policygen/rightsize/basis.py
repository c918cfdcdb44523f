"""What the findings of a check rest on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

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
    attempts: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Unverified action -> what IAM saw of an attempt at it, or at its service, of which no event was read."""
    suspicious: Mapping[AccessRequest, Evidence] = msgspec.field(default_factory=dict)
    """The requests behind calls that do not look like the workload."""
    current: CurrentAccess | None = None
    """The role's policies and bounds; None where they are not known."""
    barred: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Action that the current policies grant and a bound never allows -> the bound's name."""
    attached: Mapping[str, Policy] = msgspec.field(default_factory=dict)
    """ARN of a managed policy that the role has today -> its document, as far as it is known."""
    attached_unread: tuple[str, ...] = ()
    """ARNs of the other managed policies that the role has today: those whose documents are not known."""
    suggested: tuple[Policy, ...] = ()
    """The policies that `suggest` proposes for the role; () where it proposes none."""
    arn: str = ""
    """The role's ARN; "" where it is not known."""
    boundary_arn: str = ""
    """The ARN of today's permissions boundary; "" where there is none, or an older plan does not tell."""
    trust: Mapping[str, Any] | None = None
    """Today's trust policy; None where it is not known."""
    boundary_to_come: Policy | msgspec.UnsetType | None = msgspec.UNSET
    """The permissions boundary that a template gives the role, None for no more; unset where it stays as it is."""

    def known_statements(self) -> frozenset[Statement]:
        """Return the statements that nobody added: those of today's policies, and of the suggestion."""
        known = (*self.suggested, *(self.current.policies if self.current else ()))
        return frozenset(statement for policy in known for statement in policy.statements)

    def evaluator(self, policies: Sequence[Policy]) -> Evaluator:
        """Return an evaluator of policies within the role's bounds to come, as far as these are known."""
        if self.current is None:
            return Evaluator(policies)
        if isinstance(self.boundary_to_come, msgspec.UnsetType):
            return self.current.evaluator(policies)
        return replace(self.current, boundary=self.boundary_to_come).evaluator(policies)
