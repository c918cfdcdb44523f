"""Renders the parts of the screen that judge: the two answers, risks, decisions, narrowed grants, bounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from policygen.days import days_between
from policygen.plan.model import Plan, PlanDroppedInUse
from policygen.report.terminal.layout import LISTED, WIDTH, entries, more, sparks, wrapped
from policygen.report.wording import answer_of, how_tight, short
from policygen.text import escape_controls, pluralize


def render_answers(plan: Plan) -> Iterator[str]:
    """Render the two answers: whether it is safe to apply, with the first reasons, and how tight it is."""
    readiness = plan.strength
    if readiness:
        first, *others = readiness.reasons
        yield from wrapped("Safe to apply?  ", f"{answer_of(readiness.verdict)}: {first.sentence}")
        for reason in others[:LISTED]:
            answer = "" if reason.verdict == readiness.verdict else f"{answer_of(reason.verdict)}: "
            yield from wrapped(" " * 16, f"{answer}{reason.sentence}")
        yield from more(len(others), LISTED)
    yield from wrapped("How tight?      ", how_tight(plan))


def render_learning(plan: Plan) -> Iterator[str]:
    """Render the learning curve, and schedules."""
    readiness = plan.strength
    if readiness is None:
        return
    if readiness.last_new and readiness.curve and readiness.days > 1:
        quiet = days_between(readiness.last_new, plan.window.end[:10])
        lead = f"Learning  last new permission {pluralize(quiet, 'day')} before end  "
        curve = readiness.curve
        step = -(-len(curve) // (WIDTH - len(lead)))
        # Every step-th day, counted back from the last one.
        yield lead + sparks(curve[(len(curve) - 1) % step :: step], curve[-1])
    for rhythm in readiness.rhythms[:3]:
        yield from wrapped("Rhythm    ", f"{rhythm.action} {rhythm.sentence}")
    if readiness.once:
        names = ", ".join(readiness.once[:3]) + (
            f" and {len(readiness.once) - 3} more" if len(readiness.once) > 3 else ""
        )
        yield from wrapped(
            "One day   ", f"{pluralize(len(readiness.once), 'permission')} seen on one day only: {names}"
        )


_FAMILIES = {
    "escalation": ("escalation path", ""),
    "exfiltration": ("way", " to data"),
    "exposure": ("way", " to expose"),
}


def render_risk(plan: Plan, *, limit: int | None) -> Iterator[str]:
    """Render the risks that the proposal closes and those that it leaves."""
    if not plan.risks.removed and not plan.risks.left:
        return
    yield ""
    gone = Counter(risk.family for risk in plan.risks.removed)
    closed = ", ".join(
        f"{pluralize(n, _FAMILIES[kind][0])}{_FAMILIES[kind][1]}" for kind, n in sorted(gone.items())
    )
    yield f"Risk ({len(plan.risks.left)} left)"
    if closed:
        yield from wrapped("  - ", f"closed: {closed}", "    ")
    for risk in plan.risks.left[:limit]:
        where = ", ".join(map(short, risk.resources[:2])) + (" …" if len(risk.resources) > 2 else "")
        yield from wrapped("  ! ", f"{risk.rule} {risk.title}", "    ")
        yield from wrapped("      by    ", f"{', '.join(risk.actions)} on {where}")
    yield from more(len(plan.risks.left), limit)


def render_decisions(plan: Plan, *, limit: int | None) -> Iterator[str]:
    """Render what the decisions did to observed requests, and which of them did nothing."""
    decided = plan.decisions
    yield from entries(
        f"Dropped although needed ({len(decided.losses)}): these calls will fail",
        "x",
        [(_loss(loss), "") for loss in decided.losses],
        limit,
    )
    notes = [
        f"{one.rule} does not drop {one.action}: {one.why or 'it was seen in use'}" for one in decided.spared
    ]
    notes += [_expired(rule, decided.reasons.get(rule, "")) for rule in decided.expired]
    notes += [f"{rule} is about nothing this role has or does" for rule in decided.unused]
    yield from entries(f"Decisions without effect ({len(notes)})", "?", [(note, "") for note in notes], limit)


def _loss(loss: PlanDroppedInUse) -> str:
    if loss.why:
        return f"{loss.action} on {escape_controls(loss.resource)}: {loss.why}; it will be denied"
    calls = "calls"
    if loss.count:
        calls = f"{pluralize(loss.count, 'call')} of {', '.join(loss.events) or 'unknown events'}"
    return f"{loss.action} on {escape_controls(loss.resource)}: {calls} would have failed"


def _expired(rule: str, reason: str) -> str:
    return f"{rule} has expired and does not apply{f': {reason}' if reason else ''}"


def render_losses(plan: Plan, *, limit: int | None) -> Iterator[str]:
    """Render grants that are narrower than they might be, and actions that today's bounds never allow."""
    yield from entries(
        f"Narrower than it might be ({len(plan.losses)}): the two could not be met exactly",
        "!",
        [
            (f"{loss.action} on {loss.resource}", f"statement {loss.statement}: {loss.why}")
            for loss in plan.losses
        ],
        limit,
    )
    for bound, number in sorted(Counter(one.by for one in plan.barred).items()):
        yield from wrapped(
            "Barred    ",
            f"{pluralize(number, 'action')} that today's policies grant and {bound} never allows: not kept",
        )
