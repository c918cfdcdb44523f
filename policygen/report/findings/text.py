"""Renders findings for a terminal, 80 columns: first whether the gate passed, then equal findings together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policygen.gate.findings import Finding
from policygen.gate.report import (
    UNNAMED,
    WAY_TO_ACCEPT,
    FindingsReport,
    command_to_accept,
    failed_first,
    files_without_role,
)
from policygen.report.figures import grouped
from policygen.report.findings.places import LISTED, message_of, place_of, told
from policygen.report.terminal.layout import wrapped
from policygen.text import escape_controls, pluralize


def render(reports: Sequence[FindingsReport]) -> str:
    """Return the verdict of each role, then its findings; where there are several roles, first how many failed."""
    lines = [*_overview(reports)] if len(reports) > 1 else []
    for report in failed_first(reports):
        lines += [""] * bool(lines)
        lines += [*_head(report), *_findings(report)]
    if unnamed := files_without_role(reports):
        listed = unnamed[:LISTED] + [f"{len(unnamed) - LISTED:,} more"] * (len(unnamed) > LISTED)
        lines += ["", *wrapped("", f"{UNNAMED}: {', '.join(listed)}", "  ")]
    if command := command_to_accept(reports):
        lines += ["", f"{WAY_TO_ACCEPT}:", f"  {command}"]
    if any(report.shown for report in reports):
        lines += ["", f"Rules: {reports[0].rules_url}"]
    return "\n".join(escape_controls(line) for line in lines) + "\n"


def _overview(reports: Sequence[FindingsReport]) -> Iterator[str]:
    failed = [report.name for report in reports if report.outcome == "failed"]
    unchecked = [report.name for report in reports if report.outcome == "not checked"]
    unplanned = [report.name for report in reports if report.unplanned]
    roles = pluralize(len(reports), "role")
    if failed:
        yield from wrapped("", f"gate failed for {len(failed):,} of {roles}: {', '.join(failed)}", "  ")
    if unchecked:
        yield from wrapped("", f"not checked: {', '.join(unchecked)}", "  ")
    if not (failed or unchecked):
        yield f"gate passed for {pluralize(len(reports) - len(unplanned), 'role')}"
    if unplanned:
        yield from wrapped("", f"without a plan, review by hand: {', '.join(unplanned)}", "  ")


def _head(report: FindingsReport) -> Iterator[str]:
    never = " (--fail-on never)" if report.fail_on is None else ""
    verdict = report.error or report.verdict
    yield from wrapped("", f"gate {report.outcome}  {report.name}: {verdict}{never}", "  ")
    if report.next:
        yield from wrapped("  ", f"next: {report.next_steps}")
    if report.last:
        yield from _basis(report)
    for one in report.unchecked:
        yield from wrapped("  ", one, "    ")
    if report.newly:
        yield from wrapped("  ", f"{report.newly_accepted}:")
        for one in report.newly[:LISTED]:
            yield from wrapped("    ", one, "      ")
        if len(report.newly) > LISTED:
            yield f"    and {len(report.newly) - LISTED:,} more (-f json lists them)"


def _basis(report: FindingsReport) -> Iterator[str]:
    """Yield what the verdict rests on."""
    yield from wrapped("  ", f"{pluralize(len(report.files), 'file')}, {report.evidence}")
    if report.plan:
        yield from wrapped("  ", report.plan_text)
    if report.accepted:
        yield from wrapped("  ", report.accepted)
    if report.hidden:
        yield from wrapped("  ", f"not shown: {report.hidden} (--notes shows them)")


def _findings(report: FindingsReport) -> Iterator[str]:
    for members in grouped(((one.rule.id, one.against), one) for one in report.shown).values():
        yield ""
        yield from _group(report, members)


def _group(report: FindingsReport, findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the findings of one rule: an equal message once, and a fix once where it is that of all."""
    first = findings[0]
    count = f" ({len(findings):,})" if len(findings) > 1 else ""
    yield from wrapped("", f"{first.level} {first.rule.id} {first.rule.title}{count}", "  ")
    width = min(max(len(_place(one)) for one in findings), 40)
    one_fix = len({one.fix for one in findings}) == 1
    equal, more = told(report, findings)
    for members in equal:
        for one in members[:LISTED]:
            yield from wrapped(f"  {_place(one):<{width}}  ", one.subject, " " * 6)
        if len(members) > LISTED:
            yield f"  and {len(members) - LISTED:,} more (-f json lists them)"
        yield from wrapped("      ", message_of(members[0]))
        if not one_fix:
            yield from wrapped("      fix: ", members[0].fix)
    for one, rest in more:
        yield from wrapped(f"  {_place(one):<{width}}  ", f"{rest} (-f json lists them)", " " * 6)
    if not first.against:
        yield from wrapped("  ", "not against the policy: the suggestion has it too")
    if one_fix:
        yield from wrapped("  fix: ", first.fix)


def _place(finding: Finding) -> str:
    return escape_controls(place_of(finding))
