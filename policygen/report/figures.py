"""Figures of a plan that several formats show."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from policygen.plan.change_groups import ChangeGroup, PlanChange, group_changes
from policygen.plan.model import Document, Plan

Key = TypeVar("Key")
Value = TypeVar("Value")


class Figure(NamedTuple):
    """One row of the result: today and proposed; None where today's policies are not known."""

    name: str
    now: int | None
    proposed: int


class Uses(NamedTuple):
    """How often an action was asked for, and when last, ISO 8601 in UTC."""

    calls: int
    last: str


def figures(plan: Plan) -> tuple[Figure, ...]:
    """The result in four rows, as the screen has them."""
    left = _paths(plan, closed=False)
    known = plan.today is not None
    return (
        Figure("actions allowed", plan.actions_now, plan.actions_proposed),
        Figure("escalation paths", left + _paths(plan, closed=True) if known else None, left),
        Figure("statements on *", _stars(plan.today or ()) if known else None, _stars(plan.policies)),
        Figure("characters", sum(map(document_size, plan.today or ())) if known else None, plan.size),
    )


def _paths(plan: Plan, *, closed: bool) -> int:
    risks = plan.risks.removed if closed else plan.risks.left
    return sum(1 for one in risks if one.family == "escalation")


def _stars(policies: Iterable[Document]) -> int:
    return sum(
        1
        for policy in policies
        for statement in _listed(policy.document.get("Statement"))
        if statement.get("Effect") == "Allow" and "*" in _listed(statement.get("Resource"))
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def document_size(policy: Document) -> int:
    """Count the characters of a minified policy document, which count against IAM's quotas."""
    return len(json.dumps(policy.document, separators=(",", ":"), ensure_ascii=False))


def uses(plan: Plan) -> Mapping[str, Uses]:
    """Action -> its use, of all that the workload was seen to ask for."""
    found: dict[str, Uses] = {}
    for one in plan.evidence.observed:
        before = found.get(one.action, Uses(0, ""))
        found[one.action] = Uses(before.calls + one.count, max(before.last, one.last))
    return found


def all_changes(plan: Plan) -> tuple[PlanChange, ...]:
    """What becomes of each action; where today's policies are not known, as if nothing had been before."""
    return plan.changes if plan.today is not None else tuple(_granted(plan))


def all_alike(plan: Plan) -> tuple[ChangeGroup, ...]:
    """`all_changes` in groups."""
    return plan.alike if plan.today is not None else group_changes(all_changes(plan))


def _granted(plan: Plan) -> Iterator[PlanChange]:
    keeps = {(keep.action, keep.resource): keep for keep in plan.keeps}
    for action, grants in sorted(grouped((one.action, one) for one in plan.grants).items()):
        places = tuple(one.resource for one in grants)
        reasons = [keeps.get((action, place)) for place in places]
        kept = next((reason for reason in reasons if reason), None)
        if kept and all(reasons):
            yield PlanChange(action, "kept", (), places, kept.why)
        else:
            yield PlanChange(action, "added", (), places, "observed")


def grouped(pairs: Iterable[tuple[Key, Value]]) -> dict[Key, list[Value]]:
    """Values by key, in the order in which they come."""
    found: dict[Key, list[Value]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found
