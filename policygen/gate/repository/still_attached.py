"""Managed policies that a role has today and that nobody names for the gate: they may stay attached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from policygen.gate.repository.role_map import GateRole, place_in_configuration, policy_key_of
from policygen.text import escape_controls

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from policygen.gate.findings import Finding
    from policygen.gate.sources import PolicySource
    from policygen.iam.locations import Location
    from policygen.rightsize.basis import CheckBasis

_NAMED = 6
"""Policies and actions that a sentence names; the rest is counted."""


def attached_findings(
    sources: Sequence[PolicySource],
    basis: CheckBasis,
    role: GateRole | None,
    detached: frozenset[str] = frozenset(),
) -> Iterator[Finding]:
    """Find managed policies without which the role would break, before each call that would be denied is told.

    Args:
        sources: the policies under check.
        basis: what is known of the role.
        role: its table, or the policies of the command line; None where neither is known.
        detached: as `unnamed_attachments`.
    """
    from policygen.gate.findings import RULES, Finding
    from policygen.gate.judge.attached import denied_without, unnamed_attachments

    arns = unnamed_attachments(sources, basis, detached)
    actions = sorted({request.action for request in denied_without(arns, sources, basis)})
    if not actions:
        return
    count = f"{len(arns):,} managed {'policy' if len(arns) == 1 else 'policies'}"
    message = f"nothing names {_listed(arns)}; without them {_listed(actions)} would be denied"
    file, place, fix = _naming(sources, arns, role)
    about = tuple((arn, "") for arn in arns)
    yield Finding(RULES["PG111"], count, message, fix, file, place, key="attached", about=about)


def attached_lines(
    sources: Sequence[PolicySource],
    basis: CheckBasis,
    role: GateRole | None,
    detached: frozenset[str] = frozenset(),
) -> list[str]:
    """Return a sentence about the managed policies that may stay though nothing would break without them.

    The arguments are those of `attached_findings`.
    """
    from policygen.gate.judge.attached import denied_without, unnamed_attachments

    arns = unnamed_attachments(sources, basis, detached)
    if not arns or denied_without(arns, sources, basis):
        return []
    where = "in policygen.toml" if role and role.configured else "next to the file"
    one, gone = ("it", "it is") if len(arns) == 1 else ("them", "they are")
    told = f"attached today, and not checked: {_listed(arns)}; detach {one} when this is merged"
    return [f"{told}, or name {one} by ARN {where}: the next plan shows whether {gone} gone"]


def _naming(
    sources: Sequence[PolicySource], arns: Sequence[str], role: GateRole | None
) -> tuple[str, Location, str]:
    """Return the file that is to be mended, its place, and how."""
    from policygen.iam.locations import Location

    rest = "; detach the others, and allow here what the role needs of theirs"
    if role and role.configured:
        file, place = place_in_configuration(role.name)
        named = policy_key_of([*role.policies, *arns])
        return file, place, f"name those that stay in its [[role]]: {escape_controls(named)}{rest}"
    shown = escape_controls(" ".join(arns))
    return sources[0].name, Location(1, 1), f"name those that stay next to the file: {shown}{rest}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(map(escape_controls, names[:_NAMED])) + more
