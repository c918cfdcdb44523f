"""Renders the gate's findings as the comment of a pull request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from policygen.gate.findings import Finding
from policygen.gate.report import (
    WAY_TO_ACCEPT,
    FindingsReport,
    command_to_accept,
    failed_first,
    files_without_role,
)
from policygen.report.figures import grouped
from policygen.report.findings.places import message_of, place_of, told
from policygen.report.markdown.escape import Section, code, comment, fitted_section, marker, prose, row
from policygen.text import pluralize

_NAMED = 8
"""Subjects and places of equal findings that a row names."""
_LISTED = 20
"""Newly accepted entries, and files that no role has, that are listed; the rest is counted."""


def render(reports: Sequence[FindingsReport]) -> str:
    """Return one comment, cut at its limit: the verdict of each role, then its findings, the worst first."""
    if len(reports) == 1:
        head = [_marker(reports[0]), *_head(reports[0]), *_tail(reports)]
        return comment([Section("\n\n".join(head)), *_table(reports[0])])
    overview = [_marker(*reports), *_overview(reports), *_tail(reports)]
    parts = [
        section
        for report in failed_first(reports)
        if report.shown or report.newly or report.unchecked
        for section in (Section("\n\n".join(_head(report))), *_table(report))
    ]
    return comment([Section("\n\n".join(overview)), *parts])


def _marker(*reports: FindingsReport) -> str:
    """Return the line by which a bot finds the comment: of the role, or of all roles of a command."""
    first = next((one for one in reports if one.account), reports[0])
    return marker(first.command, first.account, first.role if len(reports) == 1 else "*")


def _overview(reports: Sequence[FindingsReport]) -> Iterator[str]:
    count = Counter(report.outcome for report in reports)
    bad = [f"**{one}** for {count[one]:,}" for one in ("failed", "not checked") if count[one]]
    unplanned = count["without a plan"]
    roles = pluralize(len(reports) - (0 if bad else unplanned), "role")
    verdict = f"{' and '.join(bad)} of {roles}" if bad else f"**passed** for {roles}"
    yield f"### policygen: gate {verdict}" + (f", {unplanned:,} without a plan" if unplanned else "")
    rows = [
        row(
            code(report.name),
            report.outcome if report.outcome == "passed" else f"**{report.outcome}**",
            prose(report.verdict),
            prose(report.hidden),
        )
        for report in failed_first(reports)
    ]
    yield "\n".join([row("role", "gate", "against the policy", "not shown"), row(*[":--"] * 4), *rows])


def _head(report: FindingsReport) -> Iterator[str]:
    files = ", ".join(map(code, report.files[:6])) + (
        f" and {len(report.files) - 6:,} more" if report.files[6:] else ""
    )
    yield f"### policygen: {code(report.role)} in {code(report.account)}: gate **{report.outcome}**"
    verdict = report.error or report.verdict
    yield f"{prose(verdict[:1].upper() + verdict[1:])}, in {files}." if files else f"{prose(verdict)}."
    if report.next:
        yield f"Next: {prose(report.next_steps)}."
    if report.last:
        plan = f" {prose(report.plan_text[:1].upper() + report.plan_text[1:])}." if report.plan else ""
        yield f"{prose(report.evidence[:1].upper() + report.evidence[1:])}.{plan}"
    if report.accepted:
        yield f"Baseline: {prose(report.accepted)}."
    if report.newly:
        yield f"**{report.newly_accepted[:1].upper()}{report.newly_accepted[1:]}**:\n\n" + _listed(
            report.newly, prose
        )
    if report.hidden:
        yield f"Not shown: {prose(report.hidden)}."
    if report.unchecked:
        yield f"**What a pass does not speak of**:\n\n{_listed(report.unchecked, prose)}"


def _tail(reports: Sequence[FindingsReport]) -> Iterator[str]:
    if command := command_to_accept(reports):
        yield f"{WAY_TO_ACCEPT}: {code(command)}"
    if unnamed := files_without_role(reports):
        yield f"**Not checked, since no `[[role]]` names them**:\n\n{_listed(unnamed, code)}"


def _listed(texts: Sequence[str], written: Callable[[str], str]) -> str:
    more = [f"- and {len(texts) - _LISTED:,} more"] * (len(texts) > _LISTED)
    return "\n".join([*(f"- {written(one)}" for one in texts[:_LISTED]), *more])


def _table(report: FindingsReport) -> Iterator[Section]:
    columns = [row("level", "rule", "finding", "where", "what", "fix"), row(*[":--"] * 6)]
    return fitted_section(
        "Findings",
        [*_rows(report)],
        opening="\n".join(columns),
        noun="finding",
        rest=f"{code('policygen check -f json')} prints all",
        folded=False,
    )


def _rows(report: FindingsReport) -> Iterator[str]:
    """Yield a row for equal findings, and one for what is left of a line with too many of them."""
    for members in grouped(((one.rule.id, one.against), one) for one in report.shown).values():
        equal, more = told(report, members)
        for alike in equal:
            first = alike[0]
            subjects = _several([code(one.subject) for one in alike])
            places = _several(list(dict.fromkeys(code(place_of(one)) for one in alike)))
            yield _row(first, report.rules_url, subjects, places, prose(message_of(first)), prose(first.fix))
        for first, rest in more:
            yield _row(first, report.rules_url, "", code(place_of(first)), prose(rest), "")


def _several(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _NAMED:,} more" if len(texts) > _NAMED else ""
    return ", ".join(texts[:_NAMED]) + more


def _row(first: Finding, pages: str, subjects: str, places: str, what: str, fix: str) -> str:
    title = prose(first.rule.title) + (f": {subjects}" if subjects else "")
    return row(first.level, f"[{first.rule.id}]({pages}/{first.rule.id}.md)", title, places, what, fix)
