"""The records of a plan's logs, and what became of each of them."""

from __future__ import annotations

from collections.abc import Iterator

from policygen.plan.model import Plan
from policygen.report.terminal.layout import Layout
from policygen.text import pluralize


def render_records(plan: Plan, layout: Layout) -> Iterator[str]:
    """Yield the sum of the records that were read; nothing for an older plan, which lacks it."""
    reading = plan.stored.get("reading") or {}
    audit = reading.get("audit")
    if not audit:
        return
    # Elsewhere the records are counted alone: the two numbers must not look like two answers.
    others = audit["read"] - reading["records"]
    more = f" and {pluralize(others, 'other')}" if others else ""
    yield from ("", f"Read: {pluralize(reading['records'], 'record')}{more}, each in one class")
    for one in audit["classes"]:
        about = f": {_ABOUT[one['name']]}" if one["name"] in _ABOUT else ""
        yield from layout.wrapped(f"  {one['records']:>12,}  ", f"{one['name']}{about}")
    if audit["remainder"]:
        yield f"  {audit['remainder']:>12,}  in no class"
    for sentence in audit["unknown"]:
        yield from layout.wrapped("  ? ", sentence, "    ")


_ABOUT = {
    "passed over: insight": "CloudTrail found an unusual rate of calls or errors; the names of its files, under "
    "CloudTrail-Insight/, have the day"
}
"""Class of records -> why a person may want to look at them."""
