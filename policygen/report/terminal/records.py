"""The records of a plan's logs, and what became of each of them."""

from __future__ import annotations

from collections.abc import Iterator

from policygen.plan.model import Plan
from policygen.report.terminal.layout import Layout


def render_records(plan: Plan, layout: Layout) -> Iterator[str]:
    """Yield the sum of the records that were read; nothing for an older plan, which lacks it."""
    audit = (plan.document.get("reading") or {}).get("audit")
    if not audit:
        return
    yield from ("", f"Records read: {audit['read']:,}, each in one of these classes")
    for one in audit["classes"]:
        yield from layout.wrapped(f"  {one['records']:>12,}  ", one["name"])
    if audit["remainder"]:
        yield f"  {audit['remainder']:>12,}  in no class"
    for sentence in audit["unknown"]:
        yield from layout.wrapped("  ? ", sentence, "    ")
