"""Figures and lists of a plan that several formats show."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from policygen.iam.arn import service_of
from policygen.iam.document import minified
from policygen.plan.model import Document, Plan, PlanGrant
from policygen.rightsize.assess.change_groups import ChangeGroup, group_changes
from policygen.rightsize.assess.changes import Change
from policygen.rightsize.assess.tightness import Support
from policygen.rightsize.decisions.apply import SEEN

Key = TypeVar("Key")
Value = TypeVar("Value")


class Figure(NamedTuple):
    """One row of the result, today and proposed; `now` is None where today's policies are not known."""

    name: str
    now: int | None
    proposed: int


class ActionUse(NamedTuple):
    """How often an action was used, and when last, ISO 8601 in UTC.

    A call is one use of each resource that it asked for, so that uses are not calls.
    """

    uses: int
    last: str
    possibly: bool = False
    """Whether no call shows for certain that AWS checked the permission."""
    names: int = 0
    """About how many of its names were counted together."""


def figures(plan: Plan) -> tuple[Figure, ...]:
    """Return the result in four rows, in the order of the screen."""
    left = _escalations(plan, closed=False)
    known = plan.today is not None
    return (
        Figure("actions allowed", plan.actions_now, plan.actions_proposed),
        Figure("escalation paths", left + _escalations(plan, closed=True) if known else None, left),
        Figure(
            "statements on *",
            _wildcard_statements(plan.today or ()) if known else None,
            _wildcard_statements(plan.policies),
        ),
        Figure("characters", sum(map(document_size, plan.today or ())) if known else None, plan.size),
    )


def _escalations(plan: Plan, *, closed: bool) -> int:
    risks = plan.risks.removed if closed else plan.risks.left
    return sum(1 for one in risks if one.family == "escalation")


def _wildcard_statements(policies: Iterable[Document]) -> int:
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
    return len(minified(policy.document))


class ServiceNeed(msgspec.Struct, frozen=True):
    """What the proposal needs of one service, beside what today's policies allow."""

    service: str
    today: int
    """Actions that today's policies allow."""
    needed: Mapping[str, Support]
    """Action in lower case -> what speaks for it; without the unverified ones."""
    unverified: int
    resources: tuple[str, ...]
    """Where the needed actions are allowed; ``!`` before what a NotResource leaves out."""
    unchanged: bool
    """Whether the policies of today allow exactly the same."""
    calls: int
    """Calls of the role to the service."""
    last: str
    """The day of the last of them, ISO 8601; "" for none."""


def service_needs(plan: Plan) -> tuple[ServiceNeed, ...]:
    """Return a row for each service that is allowed today, proposed or was called, by name; the columns add up."""
    changes = grouped((one.service, one) for one in plan.change_groups)
    grants = grouped((service_of(one.action), one) for one in plan.grants)
    support = grouped((service_of(action), (action, why)) for action, why in plan.support.items())
    calls = {row.service: row.events for row in plan.calendar.rows}
    return tuple(
        _service_need(
            service,
            changes.get(service, ()),
            grants.get(service, ()),
            dict(support.get(service, ())),
            dict(zip(plan.calendar.days, calls.get(service, ()), strict=False)),
        )
        for service in sorted({*changes, *grants, *calls})
    )


def _service_need(
    service: str,
    changes: Sequence[ChangeGroup],
    grants: Sequence[PlanGrant],
    support: Mapping[str, Support],
    calls: Mapping[str, int],
) -> ServiceNeed:
    needed = {action: why for action, why in support.items() if why != "unverified"}
    return ServiceNeed(
        service,
        sum(group.allowed_today for group in changes),
        needed,
        len(support) - len(needed),
        tuple(sorted({place for one in grants if one.action.lower() in needed for place in _places(one)})),
        bool(changes) and all(group.same for group in changes),
        sum(calls.values()),
        max((day for day, number in calls.items() if number), default=""),
    )


def _places(grant: PlanGrant) -> Iterable[str]:
    return [f"!{one}" for one in grant.not_resource] or [grant.resource]


def uses_not_covered(plan: Plan) -> Mapping[str, int]:
    """Return service -> how often its calls asked for what today's policies do not allow, and no grant covers."""
    found = grouped((service_of(one.action), one.count) for one in plan.missing)
    return {service: sum(counts) for service, counts in sorted(found.items())}


def spared_actions(plan: Plan) -> Mapping[tuple[str, str], list[str]]:
    """Return the needed actions that drop rules match and must not drop: by rule and why, each action once."""
    found = grouped(((one.rule, one.why or SEEN), one.action) for one in plan.decisions.spared)
    return {key: list(dict.fromkeys(actions)) for key, actions in found.items()}


def use_by_action(plan: Plan) -> Mapping[str, ActionUse]:
    """Return how each observed action was used: where it is granted, how often on what is granted."""
    granted = {one.action for one in plan.evidence.granted}
    use: dict[str, ActionUse] = {}
    for one in plan.evidence.observed:
        if one.action in granted and one.written_as is None:
            continue
        before = use.get(one.action, ActionUse(0, "", possibly=True))
        possibly = before.possibly and one.grade == "optional"
        names = before.names + one.names
        use[one.action] = ActionUse(before.uses + one.count, max(before.last, one.last), possibly, names)
    return use


def all_changes(plan: Plan) -> tuple[Change, ...]:
    """Return what becomes of each action; where today's policies are not known, all that is granted is added."""
    return plan.changes if plan.today is not None else tuple(_as_changes(plan))


def all_change_groups(plan: Plan) -> tuple[ChangeGroup, ...]:
    """Return `all_changes` in groups."""
    return plan.change_groups if plan.today is not None else group_changes(all_changes(plan))


def _as_changes(plan: Plan) -> Iterator[Change]:
    keeps = {(keep.action, keep.resource): keep for keep in plan.keeps}
    for action, grants in sorted(grouped((one.action, one) for one in plan.grants).items()):
        places = tuple(one.resource for one in grants)
        reasons = [keeps.get((action, place)) for place in places]
        kept = next((reason for reason in reasons if reason), None)
        if kept and all(reasons):
            yield Change(action, "kept", (), places, kept.why)
        else:
            yield Change(action, "added", (), places, "observed")


def grouped(pairs: Iterable[tuple[Key, Value]]) -> dict[Key, list[Value]]:
    """Group values by key, in the order in which they come."""
    groups: defaultdict[Key, list[Value]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return dict(groups)
