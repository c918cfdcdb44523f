"""What the gate finds something of: a role, or an API, with the policies under check and what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from policygen.errors import PolicygenError
from policygen.gate.repository.role_map import GateRole
from policygen.gate.repository.still_attached import attached_findings, attached_lines
from policygen.gate.repository.taken_out import TakenOut

if TYPE_CHECKING:
    from policygen.gate.findings import Finding
    from policygen.gate.sources import PolicySource
    from policygen.rightsize.basis import CheckBasis


class GateSubject(NamedTuple):
    """One role: the policies under check, and what is known of the role."""

    role: str
    account: str
    sources: Sequence[PolicySource]
    basis: CheckBasis
    days: int
    days_with_events: int
    last: str
    """The time of the role's last event, ISO 8601 in UTC."""
    plan: str = ""
    """The last day that its plan knows of, ISO 8601; "" where the logs were read."""
    gaps: int = 0
    """Log files that could not be read or verified, and other gaps of the evidence."""
    taken: tuple[Finding, ...] = ()
    """What the change takes out of the gate of the role; errors."""
    detached: frozenset[str] = frozenset()
    """ARNs that the change takes out of its table."""
    deleted: Sequence[str] = ()
    """What the change deletes, a sentence for each."""
    table: GateRole | None = None
    """Which policies somebody named, in the configuration or on the command line."""
    origin: str = ""
    """Where the plan was fetched from, in words; "" where it was not."""

    def findings(self) -> tuple[Finding, ...]:
        """Return all findings, the worst first; what may be forgotten stands before what follows from it."""
        from policygen.gate.judge.check import check

        forgotten = attached_findings(self.sources, self.basis, self.table, self.detached)
        return (*self.taken, *forgotten, *check(self.sources, self.basis))

    def unchecked(self) -> list[str]:
        """Return what of the role nothing judged, a sentence for each."""
        from policygen.gate.judge.own_role import unchecked_of_role

        attached = attached_lines(self.sources, self.basis, self.table, self.detached)
        return [*attached, *self.deleted, *unchecked_of_role(self.sources, self.basis)]


class PrincipalSubject(NamedTuple):
    """A policy that is compared with no calls of the role: one that names principals, or one without a plan."""

    role: str
    """The role's name, or the API's with ``API`` before it."""
    account: str
    sources: Sequence[PolicySource]
    found: Callable[[], tuple[Finding, ...]]
    """Returns all findings, the worst first."""
    days: int
    """Days of the window; 0 where no logs were read."""
    days_with_events: int
    last: str
    """The time of the last assumption or call, ISO 8601 in UTC; "" for none."""
    plan: str = ""
    """As `GateSubject` has it."""
    gaps: int = 0
    """As `GateSubject` has it."""
    told: Sequence[str] = ()
    """What of the role nothing judged, a sentence for each; the findings have what the logs could not have shown."""
    origin: str = ""
    """As `GateSubject` has it."""

    def findings(self) -> tuple[Finding, ...]:
        """Return all findings, the worst first."""
        return self.found()

    def unchecked(self) -> list[str]:
        """Return what of the role nothing judged, a sentence for each."""
        return [*self.told]


class Unchecked(NamedTuple):
    """One role that cannot be checked, and why."""

    role: str
    account: str
    """"" where its plan cannot be read."""
    files: Sequence[str]
    error: PolicygenError
    place: tuple[str, int]
    """The file that is to be mended, and its line; "" for none."""
    unplanned: bool = False
    """Whether it has no plan, and the configuration says that none is to be expected."""


Checked = GateSubject | PrincipalSubject | TakenOut
"""What there are findings of."""
