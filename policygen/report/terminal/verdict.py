"""Renders the answer: how much stays, whether it is safe to apply and why; and what the answer rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from policygen.days import days_between
from policygen.plan.model import Plan, PlanReason, PlanRisk
from policygen.report.figures import grouped
from policygen.report.terminal.layout import LISTED, WIDTH, Layout, more, sparks
from policygen.report.wording import CAUTIONS, DO, broader
from policygen.text import pluralize

_ANSWERS = {"ready": "✔ SAFE TO APPLY", "review": "! LOOK FIRST", "wait": "✘ NOT YET"}
_LEAD = 19
"""Columns before a verdict's reasons."""

COUNTED = {
    "losses": "failing permission",
    "suspects": "suspicious call",
    "unusual": "unusual call",
    "missing": "permission not allowed today",
    "open-names": "type of new names",
    "replay": "denied later call",
    "unmapped": "unknown call",
    "narrowed": "narrower permission",
    "expired": "expired decision",
    "unverified-dropped": "dropped permission",
}
"""Reasons of which a notice has the details -> what their number counts."""


def render_head(plan: Plan, layout: Layout) -> Iterator[str]:
    """Render whose calls were read: role, account, window and number."""
    window, calls = plan.window, pluralize(plan.evidence.count, "call")
    days = f"{pluralize(window.days, 'day')} to {window.end[:10]}"
    yield from layout.wrapped("", f"{plan.role.name} · account {plan.role.account} · {days} · {calls}", "  ")


def render_verdict(plan: Plan, layout: Layout) -> Iterator[str]:
    """Render how much stays, whether it is safe to apply, and the reasons."""
    yield from _how_much(plan, layout)
    readiness = plan.strength
    if readiness is None:
        return
    answer = f"  {_ANSWERS.get(readiness.verdict, readiness.verdict)}"
    if readiness.verdict == "ready":
        told = sorted({CAUTIONS[one.id] for one in plan.cautions})
        see = f"; see {', '.join(told)} below" if told else ""
        yield from layout.wrapped(f"{answer:<{_LEAD}}", f"{_proved(plan)} (proved){see}")
        yield from _accepted(plan, layout)
        return
    lines = _reasons(readiness.reasons, plan.window.days)
    for i, line in enumerate(lines[:LISTED]):
        yield from layout.wrapped(f"{'' if i else answer:<{_LEAD}}", line)
    yield from more(len(lines), LISTED)
    if any(check.promise == "sufficient" and check.held for check in plan.proof):
        yield from layout.wrapped(f"{'  ✔ PROVED':<{_LEAD}}", _proved(plan))
    yield from _accepted(plan, layout)


def _accepted(plan: Plan, layout: Layout) -> Iterator[str]:
    """Say how many suspicious calls a person took for the workload's: the answer rests on them too."""
    found = [one for one in plan.suspects if one.accepted]
    if found:
        calls = pluralize(sum(one.count for one in found), "suspicious call")
        kinds = ", ".join(dict.fromkeys(one.sign for one in found))
        yield from layout.wrapped(f"{'  ! ACCEPTED':<{_LEAD}}", f"{calls} by your --accept: {kinds}")


def _how_much(plan: Plan, layout: Layout) -> Iterator[str]:
    tight, now = plan.tightness, plan.actions_now
    unverified = f" + {tight.unverified:,} unverified = {plan.actions_proposed:,}" if tight.unverified else ""
    stay = f"{tight.needed:,} needed{unverified}"
    reach = layout.wrapped("  ", broader(plan)) if tight.broader else []
    if now is None:
        yield from layout.wrapped("  ", f"{stay}; today's policies are not known (--snapshot, --live)")
        yield from reach
        return
    less = _percent(now, plan.actions_proposed)
    most = _percent(now, tight.needed)
    if less and most != less:
        less += f", up to {most}"
    table = Layout(min(layout.width, WIDTH))
    line = table.right(f"  {pluralize(now, 'action')} today → {stay}", less)
    yield from [line] if len(line) <= layout.width else [line[: -len(less)].rstrip(), table.right("", less)]
    yield from reach


def _percent(before: int, after: int) -> str:
    """Return by how much a number fell; with a decimal where a whole number would say that nothing is left."""
    if not before or after > before:
        return ""
    share = 100 * (before - after) / before
    return f"−{share:.1f} %" if 99 <= share < 100 else f"−{share:.0f} %"


def _reasons(reasons: tuple[PlanReason, ...], days: int) -> list[str]:
    """Return the reasons, a line each with what to do; those that notices explain share one."""
    known = grouped((one.id, one) for one in reasons if one.id in COUNTED)
    brief = " · ".join(_counted(some) for some in known.values())
    lines = (brief if one.id in COUNTED else f"{one.sentence}{_to_do(one.id, days)}" for one in reasons)
    return list(dict.fromkeys(lines))


def _to_do(reason: str, days: int) -> str:
    return f": {DO[reason].format(days=3 * days)}" if reason in DO else ""


def _counted(reasons: Sequence[PlanReason]) -> str:
    """Return what the numbers of some reasons with one id count together."""
    numbers = [one.sentence.partition(" ")[0].replace(",", "") for one in reasons]
    if not all(map(str.isdecimal, numbers)):
        return " · ".join(one.sentence for one in reasons)
    return pluralize(sum(map(int, numbers)), COUNTED[reasons[0].id])


def _proved(plan: Plan) -> str:
    days, whole = plan.coverage.days_with_events, plan.window.days
    when = (
        f"in {pluralize(whole, 'day')}"
        if days >= whole
        else f"on {days:,} of {whole:,} days, those with events,"
    )
    read = " that was read" if plan.coverage.incomplete else ""
    if plan.today is None:
        alone = "this policy alone denies" if len(plan.policies) == 1 else "these policies alone deny"
        return f"{alone} no call of the workload{read} {when.rstrip(',')}"
    allowed = " that today's policies allow" if plan.missing else ""
    return f"no call of the workload{read} {when}{allowed} would be denied"


def render_proof(plan: Plan, layout: Layout) -> Iterator[str]:
    """Render what the answer rests on: the proof, the risks, the logs, and what else was counted."""
    lead = "Proof   "
    for broken in (check for check in plan.proof if not check.held):
        yield from layout.wrapped(f"{lead}✘ ", f"{broken.promise}: {broken.finding}")
        lead = " " * len(lead)
    added = f", but for {len(plan.added):,} added" if plan.added else ""
    than_today = f" than today{added}{_denies(plan)}" if plan.today else ""
    tail = {"accounted for": f": {_sum(plan)}", "never wider": than_today}
    held = [f"✔ {one.promise}{tail.get(one.promise, '')}" for one in plan.proof if one.held]
    yield from layout.joined(lead, sorted(held, key=lambda one: "=" in one), "  ")
    yield from _risk(plan, layout)
    yield from _logs(plan, layout)
    if others := list(_others(plan)):
        yield from layout.joined("Also    ", others)
    for note in plan.notes[:LISTED]:
        yield from layout.wrapped("Note    ", note)
    yield from more(len(plan.notes), LISTED)


def _denies(plan: Plan) -> str:
    """Say that what today's policies deny is denied as before."""
    statements = [one for policy in plan.policies for one in policy.document["Statement"]]
    number = sum(one["Effect"] == "Deny" for one in statements)
    return f" ({number:,} Deny kept)" if number else ""


def _sum(plan: Plan) -> str:
    """Add up what speaks for the actions: ``19 seen + 5 required + 16 unverified = 40``."""
    return f"{plan.tightness.words.replace(', ', ' + ')} = {plan.actions_proposed:,}"


def _risk(plan: Plan, layout: Layout) -> Iterator[str]:
    """Render how many risks the proposal closes, and the first of those that it leaves."""
    closed, left = plan.risks.removed, plan.risks.left
    if not closed and not left:
        return
    named = f": {_named(left[0])}{f' +{len(left) - 1}' if len(left) > 1 else ''}" if left else ""
    yield from layout.joined("Risk    ", [f"{len(closed)} closed", f"{len(left)} left{named}"])


def _named(risk: PlanRisk) -> str:
    more = f" +{len(risk.actions) - 1}" if len(risk.actions) > 1 else ""
    return f"{risk.title} ({risk.actions[0]}{more})" if risk.actions else risk.title


def _logs(plan: Plan, layout: Layout) -> Iterator[str]:
    """Render how much of the window the logs cover, and since when the role has done nothing new."""
    coverage, readiness = plan.coverage, plan.strength
    trails = (
        "trail not known" if coverage.trails is None else ", ".join(coverage.trails) or "no trail that logs"
    )
    parts = [trails, f"{coverage.days_with_events}/{coverage.days} days with events"]
    if coverage.incomplete:
        parts.append(pluralize(len(coverage.incomplete), "gap"))
    if readiness and readiness.last_new:
        quiet = days_between(readiness.last_new, plan.window.end[:10])
        parts.append(f"nothing new for {pluralize(quiet, 'day')}")
        step = -(-len(readiness.curve) // 12)
        parts[-1] += "  " + sparks(
            readiness.curve[(len(readiness.curve) - 1) % step :: step], readiness.curve[-1]
        )
    yield from layout.joined("Logs    ", parts)


def _others(plan: Plan) -> Iterator[str]:
    """Count what the details list and no notice is about, but for calls that were throttled."""
    for bound, number in sorted(Counter(one.by for one in plan.barred).items()):
        yield f"{pluralize(number, 'action')} that {bound} never allows"
    for before in plan.predecessors:
        yield f"{pluralize(before.events, 'call')} of a deleted role of this name left out (of all days read)"
    if plan.unauthenticated:
        yield f"{pluralize(plan.unauthenticated.count, 'call')} with bad credentials left out"
    if plan.asides:
        yield f"{pluralize(len(plan.asides), 'related permission')} not added"
