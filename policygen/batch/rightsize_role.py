"""One role of many: its suggestion from what was read of all, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import msgspec

from policygen.account.model import SERVICE_LINKED, SSO_MANAGED, Account
from policygen.batch.select import RoleTarget
from policygen.errors import GateError, PolicygenError
from policygen.evidence.coverage.coverage import Coverage
from policygen.evidence.observe import NoCallsInWindowError, ObserveOptions, RoleEvidence, evidence_for_role
from policygen.evidence.role import RoleSelector
from policygen.iam.request import RoleKey
from policygen.logs.calls.call import Calls
from policygen.logs.calls.counts import CallCounts
from policygen.logs.read_report import ReadReport
from policygen.logs.window import window_of
from policygen.logs.window_end import WindowEnd
from policygen.plan.batch_table import BatchRow, Verdict
from policygen.plan.build import plan_from_analysis
from policygen.plan.fast_json import to_bytes
from policygen.plan.model import Plan, PlanRisk
from policygen.plan.open_questions import open_questions
from policygen.report.formats import render
from policygen.rightsize.analysis import Analysis, conclude
from policygen.rightsize.decisions.apply import NothingToKeepError
from policygen.rightsize.decisions.model import Decisions
from policygen.rightsize.suggestion import SuggestOptions
from policygen.text import escape_controls


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """What all roles of a batch have in common. Picklable."""

    read_report: ReadReport
    counts: CallCounts
    """Everything that was counted but the calls, which come role by role."""
    observe: ObserveOptions
    suggest: SuggestOptions
    limit: WindowEnd | None = None
    """Where the window ends, as a date or time in UTC; "" for the newest event read."""
    account: Account | None = None
    forms: Mapping[str, str] = field(default_factory=dict)
    """What is written of each plan: place -> name of a format; ``plan_from_analysis`` is the plan itself."""
    coverages: dict[tuple[str, bool], Coverage] = field(default_factory=dict, repr=False, compare=False)
    """By account, and whether it is known: that of the first role, of which others take what holds for them too."""


class Result(NamedTuple):
    """What became of one role."""

    row: BatchRow
    texts: Mapping[str, str | bytes] = {}
    """Place -> what is written there, text in UTF-8; empty where there is no plan."""


def right_size(sizing: BatchSettings, target: RoleTarget, calls: dict[RoleKey, Calls]) -> Result:
    """The row and the plan of one role; never raises for what is wrong with one role.

    Args:
        sizing: what all roles have in common.
        target: the role.
        calls: of the roles that are called like it.
    """
    role = target.current
    own = {key: theirs for key, theirs in calls.items() if key.account == target.account}
    if why := _not_editable(sizing, target):
        return Result(row_of(target, "fixed", why, **_use(own)))
    if not own:
        return Result(_without_calls(sizing, target))
    counts = replace(sizing.counts, calls=own)
    name = RoleSelector(target.name, target.account, target.arn)
    place = target.account, role is not None
    try:
        seen = evidence_for_role(
            sizing.read_report,
            counts,
            name,
            sizing.observe,
            limit=sizing.limit,
            account=sizing.account if role else None,
            current=role,
            similar=sizing.coverages.get(place),
        )
        sizing.coverages.setdefault(place, seen.coverage)
        made, unfit = _concluded(sizing, seen, sizing.suggest.decisions or Decisions())
    except PolicygenError as error:
        return Result(_refused(sizing, target, error, own))
    found = plan_from_analysis(made)
    row = _sized(target, made, found)
    if unfit:
        row = msgspec.structs.replace(
            row, reason=f"{row.reason}; nothing of it to keep by {', '.join(unfit)}"
        )
    return Result(row, {where: _content(form, found) for where, form in sizing.forms.items()})


def _concluded(sizing: BatchSettings, seen: RoleEvidence, decisions: Decisions) -> tuple[Analysis, list[str]]:
    """The suggestion, and where those keep rules stand that are about many roles and fit nothing of this one."""
    unfit: list[str] = []
    while True:
        try:
            made = conclude(seen, replace(sizing.suggest, decisions=decisions))
        except NothingToKeepError as error:
            if not error.rule.general:
                raise
            unfit.append(escape_controls(error.rule.where))
            rules = tuple(rule for rule in decisions.rules if rule is not error.rule)
            decisions = replace(decisions, rules=rules)
        else:
            return made, unfit


def _content(form: str, found: Plan) -> str | bytes:
    return to_bytes(found.document) if form == "plan" else render(form, found, indexed=True)


def _not_editable(sizing: BatchSettings, target: RoleTarget) -> str:
    """Why nobody can edit a role here, or shall, and what to edit instead (1.3.10); "" if one can."""
    path = target.arn.partition(":role")[2]
    if path.startswith(SERVICE_LINKED):
        return "service-linked: IAM lets nobody edit it; its service owns it"
    if path.startswith(SSO_MANAGED):
        return "made by IAM Identity Center: change the permission set, not the role"
    decisions = sizing.suggest.decisions
    if decisions and (rule := decisions.protection(target.name)):
        return escape_controls(f"protected by {rule.where}: {rule.reason}")
    return ""


def _without_calls(sizing: BatchSettings, target: RoleTarget, **use: Any) -> BatchRow:
    """A role of which the logs show no call in the window: not used, or not seen.

    "Unused" asks for whole evidence: records of its account on every day, and no word of IAM against it.
    """
    window = window_of(sizing.observe.days, sizing.limit, sizing.counts.totals.last)
    current = target.current
    used = current.last_used[:10] if current else ""
    known = current.key.role_id if current else ""
    if window.start <= used <= window.last_day:
        why = (
            f"IAM saw it used on {used}, but the logs show no call: are the files of all trails and regions here, "
            "or was it used only for what no trail logs?"
        )
        return row_of(target, "failed", why, **use)
    if known and any(role.role_id == known and not role.name for role in sizing.counts.totals.roles):
        return row_of(target, "wait", "seen only in another account's log, which does not name it", **use)
    account_days = sizing.counts.totals.account_days
    covered = sum(1 for day in window.dates() if account_days.get(f"{target.account} {day}"))
    if not covered:
        return row_of(target, "failed", f"no record of account {target.account} was read", **use)
    if covered < window.days or sizing.read_report.gaps:
        unread = "; not all was read" if sizing.read_report.gaps else ""
        why = f"no call on the {covered} of {window.days} days of which records of its account were read{unread}"
        return row_of(target, "wait", why, **use)
    since = f"; IAM saw it used last on {used}" if used else ""
    return row_of(target, "unused", f"no call in {window.days} days{since}", **use)


def _refused(
    sizing: BatchSettings, target: RoleTarget, error: PolicygenError, calls: dict[RoleKey, Calls]
) -> BatchRow:
    """A role for which there is no suggestion."""
    if isinstance(error, NoCallsInWindowError):
        return _without_calls(sizing, target, **_use(calls))
    review = {"PG-E301", "PG-E303", "PG-E304", "PG-E311"}
    verdict: Verdict = "review" if error.code in review else "failed"
    hint = f"; {error.hints[0]}" if error.hints and isinstance(error, GateError) else ""
    return row_of(target, verdict, escape_controls(f"{error.message}{hint}"), code=error.code, **_use(calls))


def _use(calls: dict[RoleKey, Calls]) -> dict[str, Any]:
    """How much was seen of a role that has no suggestion, whatever its window."""
    seen = [one for theirs in calls.values() for one in theirs.values()]
    return {
        "last_call": max((one.last for one in seen), default=""),
        "events": sum(one.count for one in seen),
    }


def _sized(target: RoleTarget, made: Analysis, found: Plan) -> BatchRow:
    one = made.suggestion
    blind = len({keep.action for keep in found.keeps if keep.kind == "unknown"})
    verdict: Verdict = one.strength.verdict if one.strength else "review"
    reason = one.strength.reasons[0].sentence if one.strength else ""
    if found.today is None:
        verdict = "wait" if verdict == "wait" else "review"
        reason = f"today's policies are not known: what no log shows may be missing; {reason}"
    elif all(change.now == change.proposed for change in found.changes):
        if verdict == "ready":
            verdict, reason = "unchanged", "today's policies are what the evidence asks for"
        else:
            reason = f"nothing would change; {reason}"
    return row_of(
        target,
        verdict,
        escape_controls(reason),
        arn=one.role.arn,
        last_call=found.evidence.last,
        events=found.evidence.count,
        actions_now=found.actions_now,
        actions_proposed=found.actions_proposed,
        escalations_closed=None if found.today is None else _escalations(found.risks.removed),
        escalations_left=_escalations(found.risks.left),
        days=found.strength.days_active if found.strength else 0,
        questions=len(open_questions(found)),
        blind=blind,
        plan=target.file,
    )


def _escalations(risks: Collection[PlanRisk]) -> int:
    return sum(1 for risk in risks if risk.family == "escalation")


def row_of(target: RoleTarget, verdict: Verdict, reason: str, *, arn: str = "", **figures: Any) -> BatchRow:
    """The row of a role, with what else is known of it."""
    return BatchRow(
        role=target.name,
        account=target.account,
        arn=target.arn or arn,
        path=target.current.path if target.current else "",
        verdict=verdict,
        reason=reason,
        **figures,
    )
