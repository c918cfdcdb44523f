"""The screen of policygen trust: who assumes a role, what changes, and what is kept."""

from __future__ import annotations

from collections.abc import Iterator

from policygen.plan.build_trust import trust_proposal
from policygen.plan.model_trust import TrustProposal
from policygen.report.terminal.layout import LISTED, Layout
from policygen.report.wording import nearly_full
from policygen.rightsize.trust.session_places import SessionPlaces
from policygen.rightsize.trust.suggest import RAISE_TRUST_LENGTH, TrustSuggestion
from policygen.text import escape_controls, pluralize

_MARKS = {"narrowed": "~", "removed": "-", "kept": "="}
_NAME = 50
"""Columns of a caller's name, at least."""
_NUMBERS = 9 + 6
"""Columns of how often somebody came, and on how many days."""


def trust_screen(suggestion: TrustSuggestion, width: int = 80) -> str:
    """Return the screen, without control characters."""
    layout, proposal = Layout(width), trust_proposal(suggestion)
    lines = [
        *_head(suggestion, proposal, layout),
        "",
        *_callers(proposal, layout),
        "",
        *_trusted(suggestion, layout),
        "",
        "Changes  ~ narrowed  - removed  = kept without evidence",
        *(list(_changes(proposal, layout)) or ["  none: today's policy is the smallest"]),
        *_questions(proposal, layout),
        *_findings(proposal, layout),
        *_elsewhere(suggestion, layout),
        "",
        *_promises(proposal, layout),
        *_length(suggestion, layout),
        "Nothing in AWS was changed.",
    ]
    return "\n".join(escape_controls(line) for line in lines) + "\n"


def _head(suggestion: TrustSuggestion, proposal: TrustProposal, layout: Layout) -> Iterator[str]:
    window = suggestion.evidence.window
    newest = "" if suggestion.evidence.until_given else " (the newest event read)"
    until = f"{window.start} to {window.last_day} UTC{newest}"
    yield from layout.wrapped("", f"{suggestion.role.name}  {suggestion.role.key.arn}")
    yield from layout.wrapped("Window    ", f"{pluralize(window.days, 'day')}, {until}")
    yield from layout.wrapped("Evidence  ", proposal.evidence)
    if proposal.left_out:
        yield from layout.wrapped("Left out  ", proposal.left_out)
    yield from layout.wrapped("Coverage  ", proposal.coverage)


def _callers(proposal: TrustProposal, layout: Layout) -> Iterator[str]:
    shown = [(one, ", ".join(one.came_with)) for one in proposal.callers]
    # What came with the calls may stand below; a name that is cut is no answer.
    with_ = "  with" * any(details for _, details in shown)
    longest = max((len(one.name) + 2 for one, _ in shown), default=0)
    room = max(_NAME, min(longest, layout.width - _NUMBERS - len(with_)))
    yield f"{'Who assumes':<{room}}  {'times':>7}  {'days':>4}{with_}"
    for one, details in shown:
        numbers = f"  {one.times:>7,}  {one.days:>4}"
        lead = f"  {one.name:<{room - 2}}{numbers}"
        if len(one.name) > room - 2:
            yield from layout.wrapped("  ", one.name, "      ")
            lead = f"{'':<{room}}{numbers}"
        if details and len(lead) + 2 + len(details) > layout.width:
            yield lead
            yield from layout.wrapped("      ", details)
        else:
            yield f"{lead}  {details}".rstrip()
    if proposal.more_callers:
        yield f"  and {proposal.more_callers:,} more"


def _trusted(suggestion: TrustSuggestion, layout: Layout) -> Iterator[str]:
    """Say whom today's policy lets in, whether anybody of them came or not."""
    yield "Who may, by today's policy"
    for one in suggestion.today.statements:
        names = ", ".join(name for _, name in one.principals.entries)
        everyone_but = "everyone but " * one.principals.negated
        denied = "never " * (one.statement.effect == "Deny")
        asked = [
            f"{key} {operator} {' or '.join(values)}"
            for operator, keys in one.statement.conditions
            for key, values in keys
        ]
        when = f" if {' and '.join(asked)}" if asked else ""
        yield from layout.wrapped("  ", f"{denied}{everyone_but}{names}{when}", "      ")


def _changes(proposal: TrustProposal, layout: Layout) -> Iterator[str]:
    for one in proposal.changes:
        text = f"{one.what}  {one.why}" if one.why else one.what
        yield from layout.wrapped(f"  {_MARKS[one.kind]} ", text, "      ")


def _questions(proposal: TrustProposal, layout: Layout) -> Iterator[str]:
    if proposal.questions:
        yield f"Your call ({len(proposal.questions)})"
    for text in (*proposal.questions, *proposal.hints):
        yield from layout.wrapped("  ? ", text, "    ")


def _findings(proposal: TrustProposal, layout: Layout) -> Iterator[str]:
    if proposal.findings:
        yield "Findings"
    for one in proposal.findings:
        yield from layout.wrapped("  ! ", one.sentence, "    ")


def _elsewhere(suggestion: TrustSuggestion, layout: Layout) -> Iterator[str]:
    """Yield the places where sessions were used and nobody assumes the role."""
    observed = suggestion.assumptions.observed
    found = SessionPlaces(observed, suggestion.evidence.session_uses).elsewhere(observed)
    if found:
        yield "Used from where nobody assumes it"
    for one in found[:LISTED]:
        where = f"{one.endpoint} {one.address}".strip()
        when = f"{pluralize(one.days, 'day')}, last {one.last}"
        yield from layout.wrapped("  ! ", f"session {one.session}: {where}, {when}", "    ")
    if len(found) > LISTED:
        yield f"  and {pluralize(len(found) - LISTED, 'more place')}; -f json lists all"


def _promises(proposal: TrustProposal, layout: Layout) -> Iterator[str]:
    for one in proposal.promises:
        yield from layout.wrapped("  ✔ ", f"{one.promise}: {one.finding}", "    ")


def _length(suggestion: TrustSuggestion, layout: Layout) -> Iterator[str]:
    """Say where the policy nearly has the length that IAM allows."""
    if full := nearly_full(suggestion.policy.size, suggestion.quota, RAISE_TRUST_LENGTH):
        yield from layout.wrapped("  ! ", full, "    ")
