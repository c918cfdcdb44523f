"""Renders a suggested trust policy as the comment of a pull request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from policygen.logs.calls.evidence import sum_evidence
from policygen.report.markdown.escape import Section, code, comment, fence, fitted_section, marker, prose, row
from policygen.rightsize.trust.assumptions import Observed
from policygen.rightsize.trust.suggest import TrustSuggestion
from policygen.text import pluralize, visible_json

_JSON = "`policygen trust -f json`"


def trust_comment(suggestion: TrustSuggestion) -> str:
    """Return the comment, of at most `escape.LIMIT` bytes."""
    sections = [section for part in (_callers, _changes, _findings, _policy) for section in part(suggestion)]
    return comment([Section(_head(suggestion)), *sections, Section("Nothing in AWS was changed.")])


def _head(suggestion: TrustSuggestion) -> str:
    role, window = suggestion.role, suggestion.evidence.window
    spots = [one for one in suggestion.blind_spots if one.id != "kept"]
    days = f"{pluralize(window.days, 'day')}, {prose(window.start)} to {prose(window.last_day)}"
    blocks = [
        marker("trust", role.key.account, role.name),
        f"### policygen: who may assume {code(role.name)} in {code(role.key.account)}",
        "\n".join(
            f"- {'✔' if one.held else '✘'} **{prose(one.name)}**: {prose(one.finding)}"
            for one in suggestion.promises
        ),
        f"Evidence: {pluralize(suggestion.assumptions.count, 'assumption')} in {days} UTC.",
        *(f"Note: {prose(one.why)}: {prose(one.remedy)}" for one in spots),
    ]
    return "\n\n".join(filter(None, blocks))


def _callers(suggestion: TrustSuggestion) -> Iterator[Section]:
    groups: dict[tuple[str, str], list[Observed]] = defaultdict(list)
    for one in suggestion.assumptions.observed:
        groups[one.party.name if one.party.is_named else one.party.unique_id, one.said.subject].append(one)
    rows = []
    for (name, subject), members in sorted(groups.items()):
        total = sum_evidence([one.evidence for one in members])
        if total:
            cells = (
                code(f"{name} {subject}".strip()),
                f"{total.count:,}",
                f"{len(total.days):,}",
                total.last[:10],
            )
            rows.append(row(*cells))
    opening = "| who assumes | times | days | last |\n|---|---:|---:|---|"
    yield from fitted_section("Who assumes the role", rows, noun="caller", rest=_JSON, opening=opening)


def _changes(suggestion: TrustSuggestion) -> Iterator[Section]:
    items = [f"- removed: {code(what)}, {prose(why)}" for what, why in suggestion.removed]
    items += [
        f"- kept: {code(one.entry[1])}, {prose(one.kept.why)}" for one in suggestion.written if one.kept
    ]
    yield from fitted_section("Changes", items, noun="change", rest=_JSON)


def _findings(suggestion: TrustSuggestion) -> Iterator[Section]:
    items = [
        f"- {one.rule} {one.level}: {prose(one.text)}{'' if one.remains else '; not with the new policy'}"
        for one in suggestion.findings
    ]
    yield from fitted_section("Findings about today's policy", items, noun="finding", rest=_JSON)


def _policy(suggestion: TrustSuggestion) -> Iterator[Section]:
    lines = visible_json(suggestion.policy.to_json(2)).split("\n")
    mark = fence(lines)
    yield from fitted_section(
        "The trust policy",
        lines,
        noun="line",
        rest="`policygen trust -f policy`",
        opening=f"{mark}json",
        closing=mark,
    )
