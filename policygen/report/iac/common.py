"""What the formats for infrastructure as code share: the plan they write, its head, and how a string is quoted.

The text of such a file is read by a compiler, a template engine or both. Everything but printable ASCII is
written as an escape, so that nothing in a name can hide, reorder or end a line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from policygen.text import escape_controls
from policygen.version import VERSION

Document = Mapping[str, Any]
"""An IAM policy document of version 2012-10-17: a list of statements whose leaves are all strings."""


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
        """What it is called in IAM."""

    @property
    def document(self) -> Document:
        """What it says."""


class Planned(Protocol):
    """What a format for code needs of a plan.

    One policy is an inline policy of the role; several are managed ones, because they were split for their size.
    """

    @property
    def role(self) -> RoleRef:
        """Who gets the policies."""

    @property
    def window(self) -> EvidenceWindow:
        """What was looked at."""

    @property
    def policies(self) -> Sequence[NamedDocument]:
        """At least one."""


def header_comment(plan: Planned, mark: str, *more: str) -> str:
    """The comment that a file begins with, each line after the language's `mark`; it ends with a line break."""
    role, window = plan.role, plan.window
    lines = (
        f"policygen {VERSION}: what the role {role.name} of account {role.account} needs,",
        f"as seen from {window.start} to {window.end[:10]} UTC.",
        *more,
    )
    return "".join(f"{mark} {_visible(line)}\n" for line in lines)


ATTACHED = "It adds to what the role has: its other policies stay until they are taken away."
"""A line of the head where the code changes an existing role."""

MOVED = "It is for a role that the stack makes; an existing one is not changed."
"""A line of the head where it cannot."""


def _visible(text: str) -> str:
    return escape_controls(text).encode("ascii", "backslashreplace").decode()


_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


def quoted(text: str) -> str:
    """A string in double quotes as HCL, YAML and Python all read it, in printable ASCII."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    code = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    if " " <= char <= "~":
        return char
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def listed(value: str | Sequence[str]) -> list[str]:
    """A value of a policy document, which may be a string or a list of them, as a list."""
    return [value] if isinstance(value, str) else list(value)
