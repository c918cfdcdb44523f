"""Renders what a person should look at before the policy is applied: numbered, each in a few lines."""

from __future__ import annotations

from collections.abc import Iterator

from policygen.plan.model import Plan
from policygen.report.notices.every import notices_of
from policygen.report.notices.notice import TITLE, WITH, Detail
from policygen.report.terminal.layout import Layout, option_words


def render_notices(plan: Plan, layout: Layout) -> Iterator[str]:
    """Render all notices of a plan; nothing where there is none."""
    notices = notices_of(plan)
    if not notices:
        return
    yield f"{TITLE} (options go with {WITH})"
    for number, notice in enumerate(notices, 1):
        yield from layout.wrapped(f"{number:>2} {notice.mark} {notice.name:<12} ", notice.sentence)
        for detail in notice.details:
            yield from _detail(detail, layout)
        for title in notice.paste[:1]:
            yield from layout.wrapped("       ", title)
        yield from (f"         {line}" for line in notice.paste[1:])


def _detail(detail: Detail, layout: Layout) -> Iterator[str]:
    label, words, options = detail
    lead = f"       {label:<15} "
    if not options:
        yield from layout.wrapped(lead, words, " " * (23 if len(label) < 16 else 9))
    elif not label and not words:
        yield from (
            f"       {one}" for one in options
        )  # one that is broken inside quotes could not be pasted
    else:
        parts = [f"{words}:"] if words else []
        yield from layout.joined(lead, [*parts, *option_words(" ".join(options))], " ")
