"""Sections of the screen that judge: verdict, risk, decisions, losses, bounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from policygen.report.terminal.layout import LISTED, WIDTH, more, sparks, wrapped
from policygen.report.wording import short
from policygen.rightsize.assess.risk import Risk
from policygen.rightsize.suggestion import Suggestion
from policygen.text import pluralize


def render_verdict(made: Suggestion) -> Iterator[str]:
    """The verdict on the evidence with its first reasons, the learning curve, and rhythms."""
    strength = made.strength
    if strength is None:
        return
    first, *others = strength.reasons
    yield from wrapped("Verdict   ", f"{strength.verdict}: {first.sentence}")
    for reason in others[:LISTED]:
        yield from wrapped("          ", f"{reason.verdict}: {reason.sentence}")
    yield from more(len(others), LISTED)
    if strength.quiet is not None and strength.days > 1:
        lead = f"Learning  last new permission {pluralize(strength.quiet, 'day')} before end  "
        curve = strength.curve
        step = -(-len(curve) // (WIDTH - len(lead)))
        # Every step-th day, counted so that the last day is among them.
        yield lead + sparks(curve[(len(curve) - 1) % step :: step], curve[-1])
    for rhythm in strength.rhythms[:3]:
        yield from wrapped("Rhythm    ", f"{rhythm.permission} {rhythm.sentence}")
    if strength.once:
        names = ", ".join(strength.once[:3]) + (
            f" and {len(strength.once) - 3} more" if len(strength.once) > 3 else ""
        )
        yield from wrapped(
            "One day   ", f"{pluralize(len(strength.once), 'permission')} seen on one day only: {names}"
        )


def escalations(risks: Sequence[Risk]) -> int:
    """How many paths to more rights there are."""
    return sum(1 for risk in risks if risk.family == "escalation")


_FAMILIES = {
    "escalation": ("escalation path", ""),
    "exfiltration": ("way", " to data"),
    "exposure": ("way", " to expose"),
}


def render_risk(made: Suggestion, *, limit: int | None) -> Iterator[str]:
    """What of the named risks goes and what remains."""
    if not made.risks_removed and not made.risks_left:
        return
    yield ""
    gone = Counter(risk.family for risk in made.risks_removed)
    closed = ", ".join(
        f"{pluralize(n, _FAMILIES[kind][0])}{_FAMILIES[kind][1]}" for kind, n in sorted(gone.items())
    )
    yield f"Risk ({len(made.risks_left)} left)"
    if closed:
        yield from wrapped("  - ", f"closed: {closed}", "    ")
    for risk in made.risks_left[:limit]:
        where = ", ".join(map(short, risk.resources[:2])) + (" …" if len(risk.resources) > 2 else "")
        yield from wrapped("  ! ", f"{risk.rule} {risk.title}", "    ")
        yield from wrapped("      by    ", f"{', '.join(risk.actions)} on {where}")
    yield from more(len(made.risks_left), limit)


def render_decisions(made: Suggestion, *, limit: int | None) -> Iterator[str]:
    """What decisions did to what was observed, and which did nothing."""
    decided = made.decided
    if decided.losses:
        yield from ("", f"Dropped although used ({len(decided.losses)}): these calls will fail")
        for loss in decided.losses[:limit]:
            yield from wrapped("  x ", loss.sentence, "    ")
        yield from more(len(decided.losses), limit)
    notes = [one.sentence for one in decided.spared]
    notes += [f"{rule.where} has expired and does not apply: {rule.reason}" for rule in decided.expired]
    notes += [f"{rule.where} is about nothing this role has or does" for rule in decided.unused]
    if notes:
        yield from ("", f"Decisions without effect ({len(notes)})")
        for note in notes[:limit]:
            yield from wrapped("  ? ", note, "    ")
        yield from more(len(notes), limit)


def render_losses(made: Suggestion, *, limit: int | None) -> Iterator[str]:
    """What could not be met exactly with today's statements, and what today's bounds bar in any case."""
    if made.losses:
        yield from ("", f"Narrower than it might be ({len(made.losses)}): the two could not be met exactly")
        for loss in made.losses[:limit]:
            yield from wrapped("  ! ", f"{loss.action} on {loss.resource}", "    ")
            yield from wrapped("      why   ", f"statement {loss.sid}: {loss.why}")
        yield from more(len(made.losses), limit)
    for bound, number in sorted(Counter(made.barred.values()).items()):
        yield from wrapped(
            "Barred    ",
            f"{pluralize(number, 'action')} that today's policies grant and {bound} never allows: not kept",
        )
