"""A plan as a table for spreadsheets: a row a permission, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policygen.plan.model import Plan
from policygen.report.data.cells import Cell, csv_table
from policygen.report.figures import Uses, all_changes, uses
from policygen.report.wording import denied_by

COLUMNS = ("role", "account", "service", "action", "becomes", "now", "proposed", "calls", "last", "why")
"""``becomes`` is ``narrowed``, ``unchanged``, ``kept``, ``unknown``, ``removed``, ``added`` or ``missing``, as in JSON;
``granted`` where today's policies are not known; ``denied`` for what AWS refused, which is granted neither way."""


def render(plans: Sequence[Plan]) -> str:
    """Return the rows of all plans in one table."""
    return csv_table(COLUMNS, (row for plan in plans for row in _rows(plan)))


def _rows(plan: Plan) -> Iterator[Sequence[Cell]]:
    role, used = (plan.role.name, plan.role.account), uses(plan)
    none = Uses(0, "")
    for change in all_changes(plan):
        becomes = "granted" if plan.today is None and change.kind == "added" else change.kind
        seen = used.get(change.action, none)
        places = _listed(change.now), _listed(change.proposed)
        yield *role, change.service, change.action, becomes, *places, *seen, change.why
    for one in plan.missing:
        service, why = _service(one.action), _on(one.resource, one.cause)
        yield *role, service, one.action, "missing", "", "", one.count, one.last, why
    for wanted in plan.wanted_but_denied:
        why = _on(wanted.resource, denied_by(wanted.policy_type, explicit=wanted.explicit))
        asked = wanted.action or wanted.event
        service = _service(wanted.action) if wanted.action else ""
        yield *role, service, asked, "denied", "", "", wanted.count, wanted.last, why


def _service(action: str) -> str:
    return action.split(":", 1)[0].lower()


def _on(resource: str, why: str) -> str:
    return f"{resource}: {why}" if resource else why


def _listed(patterns: Sequence[str]) -> str:
    """Resource patterns in one cell; those that begin with ``!`` are what a NotResource leaves out."""
    left_out = [one[1:] for one in patterns if one.startswith("!")]
    named = [one for one in patterns if not one.startswith("!")]
    return " | ".join([*([f"everything but {' and '.join(left_out)}"] if left_out else []), *named])
