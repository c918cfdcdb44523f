"""Calls that do not look like the workload, by the sign that shows it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from policygen.catalog.service_names import label, service_prefix
from policygen.evidence.anomalies import ANOMALY_RULES, SHOWN_ONLY
from policygen.logs.events.outcome import UNSUCCESSFUL
from policygen.plan.model import Plan
from policygen.plan.model_evidence import PlanAnomaly, PlanSuspiciousCall
from policygen.report.figures import grouped
from policygen.rightsize.decisions.model import PLACEHOLDER


class SuspectGroup(NamedTuple):
    """The calls of one sign."""

    sign: str
    rule: str
    """What the sign means; "" for one that this version does not know."""
    members: Sequence[PlanAnomaly]
    """At least one."""
    accepted: bool
    """Whether a person accepted the sign as the workload's."""
    reported: str = ""
    """Why a person says that the calls are not the workload's; "" where nobody does."""

    @property
    def kept(self) -> bool:
        """Whether the calls count as the workload's."""
        return self.accepted or self.sign in SHOWN_ONLY

    @property
    def calls(self) -> int:
        """How many calls they are."""
        return sum(one.count for one in self.members)

    @property
    def unsuccessful(self) -> int:
        """How many of them AWS did not authorise; 0 for an older plan, which does not tell."""
        return unsuccessful(self.members)

    @property
    def without_permission(self) -> int:
        """How many of them succeeded and need no permission, or one that is not known."""
        found = (call for one in self.members for call in one.calls)
        return sum(call.count for call in found if call.result == "succeeded" and not call.action)

    @property
    def open(self) -> bool:
        """Whether nobody has said yet whose calls they are."""
        return not self.kept and not self.reported

    @property
    def acceptable(self) -> bool:
        """Whether to accept the sign would change the policy: what AWS denied is never granted."""
        return self.open and self.unsuccessful < self.calls

    @property
    def fate(self) -> str:
        """What becomes of the calls: ``in the policy``, ``2 in the policy, 1 not authorised by AWS: not added``."""
        accepted = "accepted, " if self.accepted else ""
        if self.reported:
            return f"left out of the policy; reported: {self.reported}"
        if not self.kept:
            return "left out of the policy"
        return accepted + in_the_policy([self])


def in_the_policy(groups: Sequence[SuspectGroup]) -> str:
    """Say what became of calls that count as the workload's: what AWS denied is not in the policy either."""
    denied, free = sum(one.unsuccessful for one in groups), sum(one.without_permission for one in groups)
    granted = sum(one.calls for one in groups) - denied - free
    if not denied and not free:
        return "in the policy"
    parts = [
        f"{granted:,} in the policy" if granted else "",
        f"{free:,} without a known permission" if free else "",
        f"{denied:,} not authorised by AWS: not added" if denied else "",
    ]
    return ", ".join(filter(None, parts))


NOT_YOURS = (
    "tell security, revoke the role's sessions, rotate what was read; then note it under [[reported]] in "
    "policygen.toml"
)
"""What to do about suspicious calls that nobody of the workload's people made."""


def report_rule(plan: Plan, groups: Iterable[SuspectGroup]) -> str:
    """Write the table for policygen.toml that notes the calls of at least one group as reported."""
    until = max(one.last for group in groups for one in group.members)
    whose = f"role = {json.dumps(plan.role.name)}\naccount = {json.dumps(plan.role.account)}\n"
    return f'[[reported]]\n{whose}until = {until}\nreason = "{PLACEHOLDER}: not ours"\n'


def call_name(one: PlanAnomaly) -> str:
    """Return the name of calls with that of their service: ``s3:GetObject``."""
    source, _, event = one.event.partition(" ")
    return f"{service_prefix(source) or label(source)}:{event}"


def unsuccessful(members: Iterable[PlanAnomaly]) -> int:
    """Count the calls that AWS did not authorise."""
    return sum(count for one in members for result, count in one.results.items() if result in UNSUCCESSFUL)


def results_in_words(one: PlanAnomaly) -> str:
    """Say how calls ended: ``denied``, ``2 succeeded, 1 denied``; "" for an older plan, which does not tell."""
    if len(one.results) == 1:
        return next(iter(one.results))
    return ", ".join(f"{count:,} {result}" for result, count in one.results.items())


def result_in_words(call: PlanSuspiciousCall) -> str:
    """Say how one call ended, with its error."""
    return f"{call.result} ({call.error})" if call.error else call.result


def suspects_by_sign(plan: Plan) -> list[SuspectGroup]:
    """Group a plan's suspects, those of one reason to report them apart, in the order of their first."""
    rules: Mapping[str, str] = {str(sign): rule for sign, rule in ANOMALY_RULES.items()}
    return [
        SuspectGroup(sign, rules.get(sign, ""), members, members[0].accepted, reported)
        for (sign, reported), members in grouped(
            ((one.sign, one.reported), one) for one in plan.suspects
        ).items()
    ]
