"""What all formats for infrastructure as code need: the plan that they write, a header comment, quoted strings.

A compiler, a template engine or both read such a file. Everything but printable ASCII is written as an escape, so that
nothing in a name can hide, reorder or end a line.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from policygen.plan.choices import choices_of
from policygen.plan.model import Plan
from policygen.report.apply_steps import apply_steps, numbered_lines, script_words
from policygen.report.notices.every import notices_of
from policygen.report.notices.notice import TITLE, WITH
from policygen.report.wording import answer_of, dropped_words
from policygen.text import ascii_signs, escape_controls, pluralize
from policygen.version import VERSION

Document = Mapping[str, Any]
"""An IAM policy document of version 2012-10-17: a list of statements; all leaves are strings."""


def header_comment(plan: Plan, mark: str, *more: str, first: Sequence[str] = ()) -> str:
    """Return the comment at the head of a file, each line after the language's `mark`; it ends with a line break.

    Args:
        plan: what the file is made of.
        mark: begins a comment.
        more: lines at its end.
        first: lines behind what the file is.
    """
    role, window = plan.role, plan.window
    lines = (
        f"policygen {VERSION}: what the role {role.name} of account {role.account} needs,",
        f"as seen from {window.start} to {window.end[:10]} UTC.",
        f"{plan.tightness.needed:,} needed + {plan.tightness.unverified:,} unverified permissions.",
        *first,
        *_made_with(plan),
        *_accepted(plan),
        *_chosen(plan),
        *_added(plan),
        *_answer(plan),
        *_notices(plan),
        *more,
    )
    return as_comment(map(visible, lines), mark)


def _made_with(plan: Plan) -> list[str]:
    """Return lines with the options that shaped the policies; () where there were none."""
    choices = choices_of(plan.inputs)
    return _lines(f"Made with {choices}") if choices else []


def _accepted(plan: Plan) -> list[str]:
    """Return lines that name the suspicious calls which the policies allow, because a person accepted them."""
    found = [one for one in plan.suspects if one.accepted]
    if not found:
        return []
    names = ", ".join(sorted({one.event.partition(" ")[2] for one in found}))
    calls = pluralize(sum(one.count for one in found), "suspicious call")
    return _lines(f"{calls} count as the workload's, as asked (--accept): {names}")


def _added(plan: Plan) -> list[str]:
    """Return lines that name what goes beyond today's policies; () where nothing does."""
    if not plan.added:
        return []
    number = pluralize(len(plan.added), "permission")
    return [
        f"{number} beyond today's policies, added as asked (--add-observed):",
        *(f"  {one.action} on {one.resource}" for one in plan.added),
    ]


def _notices(plan: Plan) -> Iterator[str]:
    """Yield lines with what to look at before the policies are applied; nothing where there is nothing."""
    notices = notices_of(plan)
    if notices:
        yield f"{TITLE} (options go with {WITH}):"
    for number, notice in enumerate(notices, 1):
        yield from _lines(ascii_signs(f"{number} {notice.mark} {notice.name}: {notice.sentence}"))
        for detail in notice.details:
            yield from _lines(ascii_signs(detail.sentence), "    ")
            yield from (f"      {one}" for one in detail.options)
        yield from (f"    {line}" for line in notice.paste)


def _lines(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        escape_controls(text),
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _answer(plan: Plan) -> list[str]:
    """Return lines that answer "Safe to apply?", with the reasons."""
    strength = plan.strength
    if strength is None:
        return []
    reasons = "; ".join(one.sentence for one in strength.reasons)
    return _lines(f"Safe to apply? {answer_of(strength.verdict)}{f': {reasons}' if reasons else ''}")


def as_comment(lines: Iterable[str], mark: str) -> str:
    """Return lines of printable ASCII as a comment, each after the language's `mark`; it ends with a line break."""
    return "".join(f"{mark} {line}".rstrip() + "\n" for line in lines)


def _chosen(plan: Plan) -> list[str]:
    """Return lines that tell what a person chose to do with unverified permissions; [] where they are kept."""
    choice = plan.unverified
    dropped = [f"{words}."] if (words := dropped_words(plan.dropped_unverified)) else []
    if not choice.policies:
        return dropped
    apart = set(choice.policies)
    needed = [policy.name for policy in plan.policies if policy.name not in apart]
    return [
        *dropped,
        *([f"Needed: {', '.join(needed)}."] if needed else []),
        f"Unverified ({choice.permissions:,} permissions): {', '.join(choice.policies)};",
        "detach what nothing needed for a month.",
    ]


_WIDTH = 100
"""Columns of a line of a comment."""


def apply_comment(plan: Plan, *more: str) -> list[str]:
    """Return lines of the header comment for code that changes an existing role: the steps that apply it.

    Args:
        plan: the plan.
        more: where the language has the policies that go.
    """
    return [
        "To apply it, in this order (this file does no more than attach):",
        *numbered_lines(apply_steps(plan.apply_list), _WIDTH, "  "),
        *(more if plan.apply_list.off or plan.apply_list.first_off else ()),
        f"{script_words(plan.apply_list)}: -f aws-cli",
    ]


def moved_comment(plan: Plan, where: str) -> list[str]:
    """Return lines of the header comment for code that cannot change an existing role.

    Args:
        plan: the plan.
        where: the part of the file that the user moves, and the file that it goes to.
    """
    apply = plan.apply_list
    gone = ", ".join(one.name for one in (*apply.first_off, *apply.off))
    return [
        *textwrap.wrap(
            f"For a role that the stack makes: move {where}; the rest makes the file valid.", _WIDTH
        ),
        *textwrap.wrap(
            f"It replaces what the role has today, so take that out: {gone}" if gone else "", _WIDTH
        ),
        "A role that exists already is not changed by this file: -f aws-cli has the commands for that.",
    ]


def boundary_arn(plan: Plan) -> str:
    """Return the ARN of the permissions boundary that a role made anew has to have as well; "" for none."""
    arn = (plan.gate or {}).get("boundary_arn")
    return arn if isinstance(arn, str) else ""


def visible(text: str) -> str:
    """Return a text as one line of printable ASCII, for comments."""
    return escape_controls(text).encode("ascii", "backslashreplace").decode()


_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


def quoted(text: str) -> str:
    """Return a string in double quotes, in printable ASCII, as HCL, YAML and Python all read it."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    code = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    if " " <= char <= "~":
        return char
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def listed(value: str | Sequence[str]) -> list[str]:
    """Return a value of a policy document, a string or a list of strings, as a list."""
    return [value] if isinstance(value, str) else list(value)
