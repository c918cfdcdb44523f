"""Calls that do not look like the workload, by the sign that shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from policygen.evidence.anomalies import ANOMALY_RULES, SHOWN_ONLY
from policygen.plan.model import Plan
from policygen.plan.model_evidence import PlanAnomaly
from policygen.report.figures import grouped


class SuspectGroup(NamedTuple):
    """The calls of one sign."""

    sign: str
    rule: str
    """What the sign means; "" for one that this version does not know."""
    members: Sequence[PlanAnomaly]
    """At least one."""
    accepted: bool
    """Whether a person accepted the sign as the workload's."""

    @property
    def kept(self) -> bool:
        """Whether the proposal grants what the calls asked for."""
        return self.accepted or self.sign in SHOWN_ONLY


def suspects_by_sign(plan: Plan) -> list[SuspectGroup]:
    """Group a plan's suspects, in the order of their first."""
    rules: Mapping[str, str] = {str(sign): rule for sign, rule in ANOMALY_RULES.items()}
    return [
        SuspectGroup(sign, rules.get(sign, ""), members, members[0].accepted)
        for sign, members in grouped((one.sign, one) for one in plan.suspects).items()
    ]
