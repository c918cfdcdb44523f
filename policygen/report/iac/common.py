"""What all formats for infrastructure as code need: the plan that they write, a header comment, quoted strings.

A compiler, a template engine or both read such a file. Everything but printable ASCII is written as an escape, so that
nothing in a name can hide, reorder or end a line.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from policygen.plan.apply_list import ApplyList
from policygen.plan.choices import choices_of
from policygen.report.apply_steps import apply_steps, numbered_lines
from policygen.report.not_allowed import NotAllowedCall, by_fate, not_allowed_words
from policygen.report.wording import CautionWords, answer_of, caution_words, dropped_words
from policygen.rightsize.assess.tightness import Tightness
from policygen.text import escape_controls, pluralize
from policygen.version import VERSION

Document = Mapping[str, Any]
"""An IAM policy document of version 2012-10-17: a list of statements; all leaves are strings."""


class RoleRef(Protocol):
    """The role that the policies are for."""

    @property
    def name(self) -> str:
        """Its name, without the path."""

    @property
    def account(self) -> str:
        """Its account's id."""


class EvidenceWindow(Protocol):
    """The days that the policies rest on."""

    @property
    def start(self) -> str:
        """The first day, ISO 8601."""

    @property
    def end(self) -> str:
        """The last day, or a time of it."""


class NamedDocument(Protocol):
    """A policy."""

    @property
    def name(self) -> str:
        """Its name in IAM."""

    @property
    def document(self) -> Document:
        """Its IAM document."""


class ChosenUnverified(Protocol):
    """What a person chose to do with permissions whose use the logs cannot show."""

    @property
    def permissions(self) -> int:
        """Actions that stand apart."""

    @property
    def policies(self) -> Sequence[str]:
        """Names of the policies that hold such permissions alone."""


class Answered(Protocol):
    """One reason for the answer to "Safe to apply?"."""

    @property
    def sentence(self) -> str:
        """What it says."""


class Answer(Protocol):
    """Whether the policies are safe to apply."""

    @property
    def verdict(self) -> str:
        """``ready``, ``review`` or ``wait``."""

    @property
    def reasons(self) -> Sequence[Answered]:
        """Why."""


class AddedGrant(Protocol):
    """A permission beyond today's policies."""

    @property
    def action(self) -> str:
        """Its action."""

    @property
    def resource(self) -> str:
        """Its resource, a pattern."""


class LackingPermission(NotAllowedCall, Protocol):
    """A permission that calls asked for, and that today's policies do not allow."""

    @property
    def action(self) -> str:
        """Its action."""

    @property
    def resource(self) -> str:
        """Its resource, a pattern."""


class AcceptedCall(Protocol):
    """Suspicious calls, and whether a person accepted them as the workload's."""

    @property
    def accepted(self) -> bool:
        """Whether they count as the workload's."""

    @property
    def event(self) -> str:
        """Event source and name."""

    @property
    def count(self) -> int:
        """How many calls they are."""


class Planned(Protocol):
    """What a format for infrastructure as code needs of a plan.

    One policy is an inline policy of the role; several are managed ones, because they were split for their size.
    """

    @property
    def role(self) -> RoleRef:
        """The role that gets the policies."""

    @property
    def window(self) -> EvidenceWindow:
        """The days that the policies rest on."""

    @property
    def tightness(self) -> Tightness:
        """The actions that they allow, by what speaks for them."""

    @property
    def policies(self) -> Sequence[NamedDocument]:
        """The policies, at least one."""

    @property
    def unverified(self) -> ChosenUnverified:
        """What became of unverified permissions."""

    @property
    def dropped_unverified(self) -> Sequence[str]:
        """Unverified actions that a person dropped."""

    @property
    def strength(self) -> Answer | None:
        """The answer to "Safe to apply?"; None where it is not known."""

    @property
    def inputs(self) -> Sequence[Sequence[str]] | None:
        """The options that they were made with, each with its value; None where they are not known."""

    @property
    def suspects(self) -> Sequence[AcceptedCall]:
        """The calls that do not look like the workload."""

    @property
    def added(self) -> Sequence[AddedGrant]:
        """What they allow beyond today's policies, because it was asked for."""

    @property
    def missing(self) -> Sequence[LackingPermission]:
        """What was seen in use, is not allowed today, and is not granted."""

    @property
    def cautions(self) -> Sequence[CautionWords]:
        """What changes for the role's code though no call that was seen is denied."""

    @property
    def apply_list(self) -> ApplyList:
        """What applying them changes at the role."""


def header_comment(plan: Planned, mark: str, *more: str) -> str:
    """Return the comment at the head of a file, each line after the language's `mark`; it ends with a line break."""
    role, window = plan.role, plan.window
    lines = (
        f"policygen {VERSION}: what the role {role.name} of account {role.account} needs,",
        f"as seen from {window.start} to {window.end[:10]} UTC.",
        f"{plan.tightness.needed:,} needed + {plan.tightness.unverified:,} unverified permissions.",
        *_made_with(plan),
        *_accepted(plan),
        *_chosen(plan),
        *_added(plan),
        *_answer(plan),
        *(line for one in plan.cautions for line in _lines(f"To know: {caution_words(one)}")),
        *_lacking(plan),
        *more,
    )
    return as_comment(map(visible, lines), mark)


def _made_with(plan: Planned) -> list[str]:
    """Return lines with the options that shaped the policies; () where there were none."""
    choices = choices_of(plan.inputs)
    return _lines(f"Made with {choices}") if choices else []


def _accepted(plan: Planned) -> list[str]:
    """Return lines that name the suspicious calls which the policies allow, because a person accepted them."""
    found = [one for one in plan.suspects if one.accepted]
    if not found:
        return []
    names = ", ".join(sorted({one.event.partition(" ")[2] for one in found}))
    calls = pluralize(sum(one.count for one in found), "suspicious call")
    return _lines(f"{calls} count as the workload's, as asked (--accept): {names}")


def _added(plan: Planned) -> list[str]:
    """Return lines that name what goes beyond today's policies; () where nothing does."""
    if not plan.added:
        return []
    number = pluralize(len(plan.added), "permission")
    return [
        f"{number} beyond today's policies, added as asked (--add-observed):",
        *(f"  {one.action} on {one.resource}" for one in plan.added),
    ]


def _lacking(plan: Planned) -> Iterator[str]:
    """Yield lines that name the calls which today's policies do not allow, and what becomes of them."""
    for fate, missing in by_fate(plan.missing):
        yield from _lines(f"{fate.name}: {not_allowed_words(fate, len(missing))}")
        yield from (f"  {one.action} on {one.resource}" for one in missing[:_LISTED])
        if len(missing) > _LISTED:
            yield f"  and {len(missing) - _LISTED:,} more"


def _lines(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent="  ", break_long_words=False)


_LISTED = 5
"""Permissions that a comment names."""


def _answer(plan: Planned) -> list[str]:
    """Return lines that answer "Safe to apply?", with the reasons."""
    strength = plan.strength
    if strength is None:
        return []
    reasons = "; ".join(one.sentence for one in strength.reasons)
    return _lines(f"Safe to apply? {answer_of(strength.verdict)}{f': {reasons}' if reasons else ''}")


def as_comment(lines: Iterable[str], mark: str) -> str:
    """Return lines of printable ASCII as a comment, each after the language's `mark`; it ends with a line break."""
    return "".join(f"{mark} {line}".rstrip() + "\n" for line in lines)


def _chosen(plan: Planned) -> list[str]:
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


def apply_comment(plan: Planned, *more: str) -> list[str]:
    """Return lines of the header comment for code that changes an existing role: the steps that apply it.

    Args:
        plan: the plan.
        more: where the language has the policies that go.
    """
    return [
        "To apply it, in this order (this file does no more than attach):",
        *numbered_lines(apply_steps(plan.apply_list), _WIDTH, "  "),
        *(more if plan.apply_list.off or plan.apply_list.first_off else ()),
        "The same as AWS CLI commands, with their undo: -f aws-cli",
    ]


def moved_comment(plan: Planned, where: str) -> list[str]:
    """Return lines of the header comment for code that cannot change an existing role.

    Args:
        plan: the plan.
        where: the part of the file that the user moves, and the file that it goes to.
    """
    apply = plan.apply_list
    gone = ", ".join(one.name for one in (*apply.first_off, *apply.off))
    return [
        f"For a role that the stack makes: move {where}; the rest only makes the file valid.",
        *textwrap.wrap(
            f"It replaces what the role has today, so take that out: {gone}" if gone else "", _WIDTH
        ),
        "A role that exists already is not changed by this file: -f aws-cli has the commands for that.",
    ]


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
