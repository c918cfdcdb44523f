"""The row of a role: its verdict, and what its plan says in figures."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from policygen.all_roles.select import RoleTarget
from policygen.iam.arn import service_of
from policygen.iam.request import RoleKey
from policygen.logs.calls.call import Calls
from policygen.plan.batch_table import BatchRow, Verdict
from policygen.plan.model import Plan, PlanRisk
from policygen.rightsize.assess.changes import GONE


class RowDecision(NamedTuple):
    """The verdict on a role, and the reason in a sentence."""

    verdict: Verdict
    reason: str
    code: str = ""
    """Of the error that led to it; "" without one."""
    reasons: tuple[str, ...] = ()
    """As `BatchRow.reasons`."""


def row_of(target: RoleTarget, decision: RowDecision, *, arn: str = "", **figures: Any) -> BatchRow:
    """Return the row of a role; `figures` are further fields of the row."""
    current = target.current
    return BatchRow(
        role=target.name,
        account=target.account,
        arn=target.arn or arn,
        path=current.path if current else "",
        tags=dict(sorted(current.tags.items())) if current else {},
        trusts=current.trusted_services if current else (),
        verdict=decision.verdict,
        reason=decision.reason,
        reasons=decision.reasons,
        code=decision.code,
        **figures,
    )


def call_figures(calls: dict[RoleKey, Calls]) -> dict[str, Any]:
    """Count what was read of a role that has no suggestion, in its window or not."""
    evidence = [one for its_calls in calls.values() for one in its_calls.values()]
    return {
        "last_call": max((one.last for one in evidence), default=""),
        "events": sum(one.count for one in evidence),
    }


def _replay(plan: Plan) -> dict[str, int | None]:
    found = plan.replay if plan.replay and plan.replay.claim == "made" else None
    return {
        "replay_calls": found.calls if found else None,
        "replay_denied": found.denied if found else None,
    }


def plan_figures(plan: Plan) -> dict[str, Any]:
    """Return what a plan says in numbers and names, as fields of a row."""
    return {
        "last_call": plan.evidence.last,
        "events": plan.evidence.count,
        "actions_now": plan.actions_now,
        "actions_proposed": plan.actions_proposed,
        "escalations_closed": None if plan.today is None else _escalations(plan.risks.removed),
        "escalations_left": _escalations(plan.risks.left),
        "days": plan.strength.days_active if plan.strength else 0,
        "needed": plan.tightness.needed,
        "unverified": plan.tightness.unverified,
        "questions": len(plan.questions),
        "rules": _rules(plan),
        "losses": len(plan.decisions.losses),
        **_replay(plan),
        "risks_closed": {} if plan.today is None else _by_family(plan.risks.removed),
        "risks_left": _by_family(plan.risks.left),
        **_services(plan),
    }


def _rules(plan: Plan) -> tuple[str, ...]:
    """Return the rules of people that drop some of today's permissions."""
    by = [change.decided_by for change in plan.changes]
    return tuple(sorted({one.source for one in by if one and one.rule == "decision"}))


def _escalations(risks: Sequence[PlanRisk]) -> int:
    return _by_family(risks).get("escalation", 0)


def _by_family(risks: Sequence[PlanRisk]) -> dict[str, int]:
    return dict(sorted(Counter[str](risk.family for risk in risks).items()))


def _services(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return the services of the needed actions, and those that today's policies allow and the proposal does not."""
    unverified = {keep.action for keep in plan.keeps if keep.kind == "unknown"}
    needed = {service_of(grant.action) for grant in plan.grants if grant.action not in unverified}
    groups = plan.change_groups
    now = {group.service for group in groups if group.allowed_today}
    proposed = {group.service for group in groups if group.kind not in GONE and group.proposed}
    return {"services": tuple(sorted(needed)), "services_unused": tuple(sorted(now - proposed))}


_OWNER_TAGS = ("owner", "team", "squad", "contact", "maintainer")
"""Names of tags that say who answers for a role, the plainest first; a prefix before ``:`` or ``/`` does not count."""


def owner_of(tags: Mapping[str, str], tag: str = "") -> str:
    """Return the value of the tag that names a role's owner; "" without one.

    Args:
        tags: the role's.
        tag: the key of the tag that a person named, in any case; where a role lacks it, the usual ones count.
    """
    whole = {key.lower(): value for key, value in sorted(tags.items(), reverse=True)}
    plain = {re.split("[:/]", key)[-1]: value for key, value in whole.items()}
    named = whole.get(tag.lower(), "") if tag else ""
    return named or next((plain[name] for name in _OWNER_TAGS if plain.get(name)), "")
