"""Makes findings of a plan: what is wrong with today's policies, what would fix it, and what the evidence cannot tell.

They have the rules of the gate, so one reader serves both. A finding disappears once the suggestion is in force and a
new plan is made; so a plan fails at warnings, and is green when nothing is left to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from policygen.evidence.anomalies import SET_APART, SHOWN_ONLY
from policygen.evidence.coverage.observability import VISIBLE
from policygen.gate.findings import LEVELS, RULES, Finding, Level, failing
from policygen.gate.judge.unused import some
from policygen.gate.report import FindingsReport
from policygen.iam.locations import Location
from policygen.plan.model import Plan, PlanKeep, PlanRisk
from policygen.plan.model_evidence import PlanAnomaly
from policygen.report.figures import grouped
from policygen.report.not_allowed import fate_of
from policygen.report.wording import caution_words, denied_by, where
from policygen.rightsize.assess.changes import Change
from policygen.rightsize.assess.risk import Family
from policygen.text import pluralize

FAIL_ON: Level = "warning"
FAMILIES: Mapping[Family, str] = {"escalation": "PG401", "exfiltration": "PG402", "exposure": "PG403"}
"""Family of risks -> the rule of their findings."""

_ORDER = (
    "PG201",
    "PG105",
    "PG203",
    "PG103",
    "PG401",
    "PG402",
    "PG403",
    "PG101",
    "PG106",
    "PG303",
    "PG102",
    "PG302",
    "PG301",
)
_TAKE = "take the suggestion"


def findings_from_plan(plan: Plan) -> FindingsReport:
    """Return the findings of a plan, the worst first, as the renderers of the gate's findings take them."""
    file = file_of(plan)
    write = partial(Finding, file=file, place=Location(1, 1))
    findings = [
        finding
        for part in (_denied_calls, _changes, _risks, _missing_basis, _blind_spots, _not_granted)
        for finding in part(plan, write)
    ]
    findings.sort(key=lambda one: (-LEVELS.index(one.level), _ORDER.index(one.rule.id)))
    return FindingsReport(
        role=plan.role.name,
        account=plan.role.account,
        findings=findings,
        files=[file],
        fail_on=FAIL_ON,
        failed=len(failing(findings, FAIL_ON)),
        days=plan.coverage.days,
        days_with_events=plan.coverage.days_with_events,
        last=plan.evidence.last,
        command="suggest",
    )


def file_of(plan: Plan) -> str:
    """Return the file of the plan; where it is not saved, the one in which `suggest` would save it.

    A role has no place in a repository, but SARIF and annotations need one.
    """
    return plan.file or f"plans/{plan.role.name}.json"


def _missing_basis(plan: Plan, write: partial[Finding]) -> Iterator[Finding]:
    """Report what the answer should rest on and does not."""
    if plan.today is None:
        yield write(
            rule=RULES["PG303"],
            subject="today's policies are not known",
            message="no permission of today was judged, and what AWS's own services need may be missing",
            fix="give them: --snapshot account.json, or --live",
        )
    if plan.coverage.incomplete:
        yield write(
            rule=RULES["PG303"],
            subject="not all log files were read or verified",
            message=f"{pluralize(len(plan.coverage.incomplete), 'gap')}, as {plan.coverage.incomplete[0]}",
            fix="fetch again what is missing, and make the plan again",
        )
    reasons = plan.strength.reasons if plan.strength else ()
    if plan.verdict == "wait":
        yield write(
            rule=RULES["PG303"],
            subject="too little evidence",
            message=reasons[0].sentence,
            fix="wait, or give older logs",
        )


def _denied_calls(plan: Plan, write: partial[Finding]) -> Iterator[Finding]:
    """Report calls that the suggestion would deny: those that a decision drops, and suspicious ones."""
    for action, losses in grouped((one.action, one) for one in plan.decisions.losses).items():
        yield write(
            rule=RULES["PG201"],
            subject=action,
            message=f"on {where([one.resource] for one in losses)}: {losses[0].rule} drops it although it is needed",
            fix="take the decision back, or let the calls fail",
        )
    apart = (
        (_call_key(one), one)
        for one in plan.suspects
        if not one.accepted and not one.reported and one.sign not in SHOWN_ONLY
    )
    for (event, sign), suspects in grouped(apart).items():
        calls = pluralize(sum(one.count for one in suspects), "call")
        addresses = sorted({address for one in suspects for address in one.addresses})
        yield write(
            rule=RULES["PG203"],
            subject=event,
            message=f"{calls}, last {max(one.last for one in suspects)}, {sign}, from {', '.join(addresses[:3])}",
            fix=f"look at who made them; if legitimate: --accept {sign}",
            key=f"{event} {sign}",
        )


def _call_key(one: PlanAnomaly) -> tuple[str, str]:
    return one.event, one.sign


def _changes(plan: Plan, write: partial[Finding]) -> Iterator[Finding]:
    """Report what the suggestion removes, narrows and adds."""
    dropped = {one.action for one in plan.decisions.losses}  # they have findings of their own
    cautions = {one.action: f"; {caution_words(one)}" for one in plan.cautions}
    removed = (one for one in plan.changes if one.kind == "removed" and one.action not in dropped)
    gone = ((_removal_key(one), one) for one in removed)
    for (rule, service), changes in sorted(grouped(gone).items(), key=lambda one: -len(one[1])):
        names = [one.action for one in changes]
        reasons = sorted({one.why for one in changes})
        known = "".join(cautions.get(name, "") for name in names)
        yield write(
            rule=RULES[rule],
            subject=names[0] if len(names) == 1 else f"{len(names):,} actions of {service}",
            message=f"on {where(one.now for one in changes)}: {'; '.join(reasons[:3])}{known}{some(names)}",
            fix=f"{_TAKE}, which removes {'it' if len(names) == 1 else 'them'}, or keep what is needed with a reason",
            key=service,
        )
    for one in plan.changes:
        if one.kind == "added":
            yield write(
                rule=RULES["PG105"],
                subject=one.action,
                message=f"on {where([one.proposed])}: {one.why}",
                fix="leave --add-observed out, or accept it",
            )
        elif one.kind in {"narrowed", "kept"} and one.now != one.proposed:
            yield write(
                rule=RULES["PG102"],
                subject=one.action,
                message=f"on {where([one.now])}, needed on {where([one.proposed])}: {one.why}",
                fix=f"{_TAKE}, which names them",
            )


def _removal_key(one: Change) -> tuple[str, str]:
    """Return the rule and the service of a removal: what the logs could not have shown is never called unused."""
    rule = "PG103" if one.why == SET_APART else "PG101" if one.why.startswith(VISIBLE) else "PG106"
    return rule, one.service


def _risks(plan: Plan, write: partial[Finding]) -> Iterator[Finding]:
    """Report named risks of today's policies, whether the suggestion closes them or not."""
    for risks, fix in (
        (
            plan.risks.left,
            "the suggestion leaves it: it is used, or the logs can't tell; drop or narrow it by hand",
        ),
        (plan.risks.removed, f"{_TAKE}, which closes it"),
    ):
        for one in risks:
            yield write(
                rule=RULES[FAMILIES[one.family]],
                subject=f"{one.rule} {one.title}",
                message=_risk_actions(one),
                fix=fix,
                key=one.rule,
            )


def _risk_actions(one: PlanRisk) -> str:
    shown = ", ".join(one.actions[:4]) + (f" and {len(one.actions) - 4} more" if len(one.actions) > 4 else "")
    return f"by {shown} on {where([one.resources])}, see {one.source}"


def _blind_spots(plan: Plan, write: partial[Finding]) -> Iterator[Finding]:
    """Report what stays because the logs cannot tell, and calls that no rule maps."""
    unknown = ((_blind_spot_key(one), one) for one in plan.keeps if one.kind == "unknown")
    for (service, spot, remedy), keeps in grouped(unknown).items():
        names = sorted({one.action for one in keeps})
        yield write(
            rule=RULES["PG301"],
            subject=names[0] if len(names) == 1 else f"{len(names):,} actions of {service}",
            message=f"{'; '.join(sorted({one.why for one in keeps})[:3])}{some(names)}",
            fix=remedy or "no action needed; remove it if you know it is unused",
            key=f"{service} {spot} {remedy}",
        )
    for unmapped in plan.unmapped:
        yield write(
            rule=RULES["PG301"],
            subject=unmapped.event,
            message=f"{pluralize(unmapped.count, 'call')}, last {unmapped.last}: {unmapped.why}",
            fix="find out which permission it needs",
        )


def _blind_spot_key(one: PlanKeep) -> tuple[str, str, str]:
    return one.action.split(":", 1)[0].lower(), one.blind_spot or "", one.remedy


def _not_granted(plan: Plan, write: partial[Finding]) -> Iterator[Finding]:
    """Report requests that were seen and that today's policies do not allow."""
    missing = (((one.action, one.cause), one) for one in plan.missing)
    for (action, cause), seen in grouped(missing).items():
        calls, fate = pluralize(sum(one.count for one in seen), "call"), fate_of(cause)
        ends = f"; {fate.next_run}" if fate.next_run else ""
        yield write(
            rule=RULES["PG302"],
            subject=action,
            message=f"{calls} on {where([one.resource] for one in seen)}: {cause}{ends}",
            fix=f"if needed: {fate.step}",
            key=f"{action} {cause}",
        )
    for one in plan.wanted_but_denied:
        denied = denied_by(one.policy_type, explicit=one.explicit)
        yield write(
            rule=RULES["PG302"],
            subject=one.action or one.event,
            message=f"{pluralize(one.count, 'call')} refused: {denied}",
            fix="no action needed; grant it by hand if it is needed",
            resource=one.resource,
        )
