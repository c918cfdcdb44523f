"""Renders plans as a table for spreadsheets: a row for each permission, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policygen.plan.model import Plan
from policygen.report.data.cells import Cell, csv_table
from policygen.report.figures import ActionUse, all_changes, use_by_action
from policygen.report.not_allowed import fate_of
from policygen.report.wording import denied_by
from policygen.rightsize.assess.changes import Change
from policygen.text import about_names

COLUMNS = (
    "role",
    "account",
    "service",
    "action",
    "becomes",
    "now",
    "proposed",
    "uses",
    "last",
    "why",
    "rule",
    "confidence",
)
"""``becomes`` is ``narrowed``, ``unchanged``, ``kept``, ``unknown``, ``removed``, ``added`` or ``missing``, as in JSON;
``granted`` where today's policies are not known; ``denied`` for what AWS refused, which is granted neither way.
``uses`` counts a call once for each resource that it asked for. ``rule`` is what decides that an action goes, and
``confidence`` how sure it is: ``high`` or ``medium``; both are empty for what stays."""


def render(plans: Sequence[Plan]) -> str:
    """Return the rows of all plans in one table."""
    return csv_table(COLUMNS, (row for plan in plans for row in _rows(plan)))


def _rows(plan: Plan) -> Iterator[Sequence[Cell]]:
    role, used = (plan.role.name, plan.role.account), use_by_action(plan)
    none = ActionUse(0, "")
    for change in all_changes(plan):
        becomes = "granted" if plan.today is None and change.kind == "added" else change.kind
        seen = used.get(change.action, none)
        places = _listed(change.now), _listed(change.proposed)
        why = f"{change.why}: possibly checked" if seen.possibly else change.why
        if seen.names:
            why = "; ".join(filter(None, [why, f"{about_names(seen.names)} counted together"]))
        use = (seen.uses, seen.last)
        yield *role, change.service, change.action, becomes, *places, *use, why, *_decided(change)
    for one in plan.missing:
        next_run = fate_of(one.cause).next_run
        service = _service(one.action)
        why = _on(one.resource, "; ".join(filter(None, [one.cause, next_run])))
        yield *role, service, one.action, "missing", "", "", one.count, one.last, why, "", ""
    for denied in plan.wanted_but_denied:
        why = _on(denied.resource, denied_by(denied.policy_type, explicit=denied.explicit))
        name = denied.action or denied.event
        service = _service(denied.action) if denied.action else ""
        yield *role, service, name, "denied", "", "", denied.count, denied.last, why, "", ""


def _decided(change: Change) -> tuple[str, str]:
    return (change.decided_by.rule, change.decided_by.confidence) if change.decided_by else ("", "")


def _service(action: str) -> str:
    return action.split(":", 1)[0].lower()


def _on(resource: str, why: str) -> str:
    return f"{resource}: {why}" if resource else why


def _listed(patterns: Sequence[str]) -> str:
    """Return resource patterns as one cell; a NotResource leaves out those that begin with ``!``."""
    left_out = [one[1:] for one in patterns if one.startswith("!")]
    named = [one for one in patterns if not one.startswith("!")]
    return " | ".join([*([f"everything but {' and '.join(left_out)}"] if left_out else []), *named])
