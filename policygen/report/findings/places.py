"""Findings of one rule on one line, which people and code scanners read together.

A NotAction or a wildcard opens dozens of risks on a single line, and each of them is a finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from policygen.gate.findings import Finding
from policygen.gate.report import FindingsReport
from policygen.report.figures import grouped

_NAMED = 8
"""Further findings on a line that are named; the rest is counted."""
LISTED = 20
"""Findings on a line that are told in full, and subjects of an equal message that are listed."""


class Told(NamedTuple):
    """Findings of one rule as a page tells them."""

    equal: Sequence[Sequence[Finding]]
    """Findings with the same message and fix."""
    more: Sequence[tuple[Finding, str]]
    """Of a line with too many of them: the first one, and what is left, in words."""


def place_of(finding: Finding) -> str:
    """Return where a finding stands: of a plan of Terraform, whose lines help nobody, the address comes first."""
    file = f"{finding.file}:{finding.place.line}:{finding.place.column}"
    return f"{finding.within}, {file}" if is_by_address(finding) else file


def message_of(finding: Finding) -> str:
    """Return the message, without what its place says already."""
    return (
        finding.message.removesuffix(f"; in {finding.within}") if is_by_address(finding) else finding.message
    )


def is_by_address(finding: Finding) -> bool:
    """Return whether a finding stands at an address of Terraform, or in a file that is one line."""
    address = finding.within.partition(",")[0]
    return bool(address) and (finding.place.line == 1 or ("." in address and not address.startswith("arn:")))


def by_place(report: FindingsReport, findings: Sequence[Finding]) -> list[list[Finding]]:
    """Group the findings of a gate by rule and line, in their order; those of a plan all stand on its first line."""
    if report.command != "check":
        return [[one] for one in findings]
    return list(grouped((_key(one), one) for one in findings).values())


def _key(one: Finding) -> tuple[str, bool, str, int]:
    return one.rule.id, one.against, one.file, one.place.line


def told(report: FindingsReport, findings: Sequence[Finding]) -> Told:
    """Put findings of one rule together for a page."""
    lines = by_place(report, findings)
    listed = [one for line in lines for one in line[:LISTED]]
    equal = grouped(((message_of(one), one.fix), one) for one in listed).values()
    return Told(list(equal), [(line[0], more_here(line, LISTED)) for line in lines if len(line) > LISTED])


def more_here(members: Sequence[Finding], shown: int = 1) -> str:
    """Name what else stands on a line: ``And 11 more here: s3:A1, s3:A2 and 9 others.``; "" for nothing."""
    rest = members[shown:]
    if not rest:
        return ""
    others = f" and {len(rest) - _NAMED:,} others" if len(rest) > _NAMED else ""
    return f"And {len(rest):,} more here: {', '.join(one.subject for one in rest[:_NAMED])}{others}."
