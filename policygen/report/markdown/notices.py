"""Renders what to look at before a merge for a comment: numbered, with the options that change it to be pasted."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from policygen.plan.model import Plan
from policygen.report.markdown.escape import Section, code, command_span, fence, fitted_section, prose
from policygen.report.notices.every import notices_of
from policygen.report.notices.notice import TITLE, WITH, Notice


def command_for(plan: Plan, kind: str) -> str:
    """Return the command that prints what a comment has no room for."""
    return code(f"policygen report {shlex.quote(plan.file or plan.role.name)} -f {kind}")


def notice_section(plan: Plan) -> Iterator[Section]:
    """Yield the section with all notices; nothing where there is none."""
    yield from fitted_section(
        TITLE,
        [_item(number, notice) for number, notice in enumerate(notices_of(plan), 1)],
        noun="item",
        rest=command_for(plan, "text"),
        end=f"The options go with {code(WITH)}.",
        folded=False,
    )


def _item(number: int, notice: Notice) -> str:
    lines = [f"{number}. {notice.mark} **{notice.name}**: {prose(notice.sentence)}"]
    for detail in notice.details:
        parts = [prose(detail.sentence), ", ".join(map(command_span, detail.options))]
        lines.append(f"   - {' '.join(filter(None, parts))}")
    if notice.paste:
        title, *pasted = notice.paste
        ticks = fence(pasted)
        lines += [
            f"   - {prose(title)}",
            "",
            *(f"     {line}" for line in (f"{ticks}toml", *pasted, ticks)),
            "",
        ]
    return "\n".join(lines)
