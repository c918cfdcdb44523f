"""Renders the details of a plan: everything that the short screen sums up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import UNSET

from policygen.days import days_between
from policygen.logs.calls.evidence import SAMPLES
from policygen.plan.model import Plan
from policygen.plan.model_decisions import PlanDroppedInUse
from policygen.plan.model_evidence import PlanAnomaly, PlanDenied, PlanInformationalRequest
from policygen.report.figures import Figure, figures, grouped, spared_actions
from policygen.report.not_allowed import by_fate, not_allowed_words
from policygen.report.suspects import (
    NOT_YOURS,
    call_name,
    report_rule,
    result_in_words,
    results_in_words,
    suspects_by_sign,
)
from policygen.report.terminal.changes import render_changes
from policygen.report.terminal.dropped import render_dropped
from policygen.report.terminal.layout import LISTED, Layout, sparks
from policygen.report.terminal.questions import render_questions
from policygen.report.terminal.records import render_records
from policygen.report.terminal.replay import render_replay
from policygen.report.wording import CAUTIONS, INFORMATIONAL_GRADES, denied_by, short
from policygen.rightsize.generate.pack import INLINE_LIMIT, MANAGED_LIMIT
from policygen.text import escape_controls, minute, pluralize


def render_details(plan: Plan, layout: Layout) -> Iterator[str]:
    """Render all that the plan holds: evidence, figures, each service, each question, each finding, each record."""
    yield from _evidence(plan, layout)
    yield from ("", *_result(plan, layout), "")
    yield from render_changes(plan, layout)
    yield from render_questions(plan, layout)
    for one in plan.cautions:
        yield from layout.entries(CAUTIONS[one.id], "?", [(one.says, "")])
        yield from layout.wrapped("      if the code minds:  ", one.option)
    yield from _decisions(plan, layout)
    yield from render_dropped(plan, layout)
    yield from _losses(plan, layout)
    yield from _refused(plan, layout)
    yield from _suspects(plan, layout)
    yield from _users(plan, layout)
    yield from _informational(plan, layout)
    yield from _unmapped(plan, layout)
    yield from _risk(plan, layout)
    yield from _not_counted(plan, layout)
    yield from render_records(plan, layout)


def _evidence(plan: Plan, layout: Layout) -> Iterator[str]:
    window, evidence = plan.window, plan.evidence
    end = "" if window.end_given else " (the newest event read)"
    yield from layout.wrapped("Role      ", plan.role.arn or "its ARN is not in the logs")
    yield from layout.wrapped("Window    ", f"{window.start} to {window.end[:10]} UTC{end}")
    if evidence.last:
        yield from layout.wrapped(
            "Evidence  ",
            f"{pluralize(evidence.count, 'call')}, {evidence.calls:,} of them different, in "
            f"{pluralize(len(evidence.regions), 'region')}, last {minute(evidence.last)}",
        )
    yield from _coverage(plan, layout)
    yield from _learning(plan, layout)
    for note in plan.notes:
        yield from layout.wrapped("Note      ", note)


def _coverage(plan: Plan, layout: Layout) -> Iterator[str]:
    coverage = plan.coverage
    trails = (
        "trail not known"
        if coverage.trails is None
        else f"trail {', '.join(coverage.trails) or 'none that logs'}"
    )
    if coverage.trails and coverage.logged_regions is not UNSET:
        regions = coverage.logged_regions
        trails += " (all regions)" if regions is None else f" ({', '.join(regions)} only)"
    yield from layout.wrapped(
        "Coverage  ", f"{coverage.days_with_events}/{coverage.days} days with events, {trails}"
    )
    states = [f"{one.service} {one.logged}" for one in coverage.data_events]
    # A policy that allows everything would list all of AWS; the services that are on say the same.
    if len(states) > 2 * LISTED:
        states = [state for state in states if not state.endswith(" off")] + ["all others off"]
    if states:
        yield from layout.wrapped("          ", f"data events: {', '.join(states)}")
    for gap in coverage.incomplete[:LISTED]:
        yield from layout.wrapped("          ", gap)
    if len(coverage.incomplete) > LISTED:
        yield f"          and {len(coverage.incomplete) - LISTED} more"


def _result(plan: Plan, layout: Layout) -> Iterator[str]:
    """Render the figures today and proposed, then what is proved."""
    rows = figures(plan)
    size = rows[-1]
    count = len(plan.policies)
    limit = f"of {INLINE_LIMIT:,}" if count == 1 else f"in {count} of {MANAGED_LIMIT:,}"
    if plan.today is None:
        yield f"{'Result':<20}{'':>12}{'proposed':>11}"
    else:
        yield f"{'Result':<20}{'now':>12}{'proposed':>11}{'change':>11}"
    for row in rows:
        now = "" if row.now is None else f"{row.now:,}"
        tail = f"  {limit}" if row is size else f"{_difference(row):>11}" if row.now is not None else ""
        yield f"{f'  {row.name}':<20}{now:>12}{row.proposed:>11,}{tail}"
    for check in plan.proof:
        yield from layout.wrapped(
            f"  {'✔' if check.held else '✘'} ", f"{check.promise}: {check.finding}", "    "
        )


def _difference(row: Figure) -> str:
    """Return the change of a figure; for actions, in percent."""
    before = row.now or 0
    if row.name == "actions allowed":
        return f"−{100 * (before - row.proposed) / before:.1f} %" if before else ""
    number = row.proposed - before
    return f"−{-number}" if number < 0 else f"+{number}" if number else "0"


def _unmapped(plan: Plan, layout: Layout) -> Iterator[str]:
    yield from layout.entries(
        f"Calls whose permissions are not known ({len(plan.unmapped)}): add them by hand",
        "?",
        [(f"{one.event} ({pluralize(one.count, 'call')})", one.why) for one in plan.unmapped],
    )


def _refused(plan: Plan, layout: Layout) -> Iterator[str]:
    """List what today's policies do not allow, and what AWS denied: neither is granted."""
    for fate, missing in by_fate(plan.missing):
        yield from layout.entries(
            f"{fate.name}: {not_allowed_words(fate, missing)}",
            fate.mark,
            [
                (f"{one.action} on {one.resource}", f"{one.cause} ({pluralize(one.count, 'call')})")
                for one in missing
            ],
        )
        yield from layout.wrapped("    if needed  ", fate.step)
    yield from layout.entries(
        f"Tried, and denied by AWS ({len(plan.wanted_but_denied)}): not granted",
        "x",
        [(_request(one), _reason(one)) for one in plan.wanted_but_denied],
    )


def _request(denied: PlanDenied) -> str:
    return f"{denied.action} on {denied.resource}" if denied.action else denied.event


def _reason(denied: PlanDenied) -> str:
    reason = denied_by(denied.policy_type, explicit=denied.explicit)
    return f"{reason} ({pluralize(denied.count, 'call')})"


def _suspects(plan: Plan, layout: Layout) -> Iterator[str]:
    """List calls that do not look like the workload, by sign."""
    for group in suspects_by_sign(plan):
        suspects, sign = group.members, group.sign
        calls = pluralize(group.calls, "call")
        yield ""
        yield from layout.wrapped("", f"Suspicious ({calls}): {group.fate}", "  ")
        yield from layout.wrapped(f"  {'=' if group.kept else '!'} {sign}  ", group.rule, "      ")
        yield from layout.wrapped("      from  ", _origin(suspects))
        for one in suspects:
            ended = f", {results_in_words(one)}" if one.results else ""
            yield from layout.wrapped(
                "      call  ",
                f"{call_name(one)}, {pluralize(one.count, 'time')}{ended}, {minute(one.last)}",
            )
            yield from _suspicious_calls(one, layout)
        if group.acceptable:
            yield from layout.wrapped("      if legitimate:  ", f"--accept {sign}")
    if unexplained := [group for group in suspects_by_sign(plan) if group.open]:
        yield from layout.wrapped("      if not yours:  ", NOT_YOURS)
        yield from (f"        {line}" for line in report_rule(plan, unexplained).splitlines())


def _suspicious_calls(kind: PlanAnomaly, layout: Layout) -> Iterator[str]:
    """List the calls of one kind: when, what was asked for, how it ended, from where, and the event IDs."""
    for call in kind.calls:
        asked = (
            f"{call.action} on {escape_controls(short(call.resource))}"
            if call.action
            else f"in {call.region}"
        )
        parts = [
            f"{asked}: {result_in_words(call)}",
            *([pluralize(call.count, "call")] if call.count > 1 else []),
            *([f"from {', '.join(call.addresses)}"] if call.addresses else []),
            f"event {', '.join(call.event_ids)}",
        ]
        yield from layout.wrapped(f"        {minute(call.first)}  ", ", ".join(parts), " " * 12)
    listed = sum(call.count for call in kind.calls)
    if kind.calls and listed < kind.count:
        yield f"        and {pluralize(kind.count - listed, 'more call')}"


def _origin(suspects: Sequence[PlanAnomaly]) -> str:
    """Name the first addresses, user agents and sessions of some calls."""
    addresses = _first(one.addresses for one in suspects)
    # S3 writes user agents in brackets.
    agents = {
        agent.removeprefix("[").removesuffix("]") for agent in _first(one.user_agents for one in suspects)
    }
    sessions = ", ".join(_first(one.sessions for one in suspects))
    parts = (", ".join(addresses), ", ".join(sorted(agents)), f"session {sessions}" if sessions else "")
    return "; ".join(part for part in parts if part)


def _first(texts: Iterator[tuple[str, ...]]) -> list[str]:
    return sorted({text for some in texts for text in some})[:SAMPLES]


def _users(plan: Plan, layout: Layout) -> Iterator[str]:
    """List the functions that share the role, with the actions that each used."""
    users = [user for user in plan.users if user.function]
    if len(users) < 2:
        return
    yield from ("", f"Shared by {pluralize(len(users), 'function')}: each could have a role of its own")
    for user in users:
        name = user.function.rsplit(":function:", 1)[-1]
        actions = f"{pluralize(len(user.actions), 'action')}: {', '.join(user.actions)}"
        yield from layout.wrapped(f"  {name}  ", actions, "      ")


def _informational(plan: Plan, layout: Layout) -> Iterator[str]:
    """List requests that are not granted for their own sake, names of one parent together."""
    for grade, title in INFORMATIONAL_GRADES.items():
        groups: dict[tuple[bool, str, str], list[PlanInformationalRequest]] = grouped(
            ((one.allowed, one.action, one.resource.split("/", 1)[0]), one)
            for one in plan.asides
            if one.grade == grade
        )
        if groups:
            yield from ("", *layout.wrapped("", f"{title} ({sum(map(len, groups.values()))})", "  "))
        for (allowed, action, parent), members in sorted(groups.items()):
            place = members[0].resource if len(members) == 1 else f"{len(members)} names of {parent}"
            yield from layout.wrapped(f"  {'=' if allowed else '!'} ", f"{action} on {place}", "    ")
            calls = pluralize(sum(one.count for one in members), "call")
            events = ", ".join(sorted({event for one in members for event in one.events}))
            granted = "the proposal allows it" if allowed else "the proposal does not allow it"
            yield from layout.wrapped("      why   ", f"{f'{events}, ' if events else ''}{calls}; {granted}")


def _not_counted(plan: Plan, layout: Layout) -> Iterator[str]:
    """Count events that are no evidence, or weak evidence."""
    for before in plan.predecessors:
        yield ""
        yield from layout.wrapped(
            "Left out  ",
            f"{pluralize(before.events, 'call')} of a deleted role of the same name ({before.role_id}), "
            f"on all days read, last {minute(before.last)}",
        )
    if plan.evidence.weak:
        yield from layout.wrapped(
            "Weak      ",
            f"{pluralize(plan.evidence.weak, 'call')} throttled or invalid: the permission may not have been needed",
        )
    if plan.unauthenticated:
        yield from layout.wrapped(
            "Refused   ",
            f"{pluralize(plan.unauthenticated.count, 'call')} with expired or wrong credentials, not counted",
        )


def _learning(plan: Plan, layout: Layout) -> Iterator[str]:
    """Render the learning curve, and schedules."""
    readiness = plan.strength
    if readiness is None:
        return
    if readiness.last_new and readiness.curve and readiness.days > 1:
        quiet = days_between(readiness.last_new, plan.window.end[:10])
        lead = f"Learning  last new permission {pluralize(quiet, 'day')} before end  "
        curve = readiness.curve
        step = -(-len(curve) // (layout.width - len(lead)))
        # Every step-th day, counted back from the last one.
        yield lead + sparks(curve[(len(curve) - 1) % step :: step], curve[-1])
    for rhythm in readiness.rhythms[:3]:
        yield from layout.wrapped("Rhythm    ", f"{rhythm.action} {rhythm.sentence}")
    if readiness.once:
        names = ", ".join(readiness.once[:3]) + (
            f" and {len(readiness.once) - 3} more" if len(readiness.once) > 3 else ""
        )
        yield from layout.wrapped(
            "One day   ", f"{pluralize(len(readiness.once), 'permission')} seen on one day only: {names}"
        )
    yield from render_replay(plan, layout, "Replay    ")


_FAMILIES = {
    "escalation": ("escalation path", ""),
    "exfiltration": ("way", " to take data"),
    "exposure": ("way", " to expose resources"),
}


def _risk(plan: Plan, layout: Layout) -> Iterator[str]:
    """Render the risks that the proposal closes and those that it leaves."""
    if not plan.risks.removed and not plan.risks.left:
        return
    yield ""
    gone = Counter(risk.family for risk in plan.risks.removed)
    closed = ", ".join(
        f"{pluralize(n, _FAMILIES[kind][0])}{_FAMILIES[kind][1]}" for kind, n in sorted(gone.items())
    )
    yield f"Risk ({len(plan.risks.left)} left; the rules: docs/concepts/risk.md)"
    if closed:
        yield from layout.wrapped("  - ", f"closed: {closed}", "    ")
        for risk in sorted(plan.risks.removed, key=lambda risk: list(_FAMILIES).index(risk.family)):
            yield from layout.wrapped(
                f"      {risk.rule}  ", f"{risk.title}: {', '.join(risk.actions)}", "        "
            )
    for risk in plan.risks.left:
        where = ", ".join(map(short, risk.resources[:2])) + (" …" if len(risk.resources) > 2 else "")
        yield from layout.wrapped("  ! ", f"{risk.rule} {risk.title}", "    ")
        yield from layout.wrapped("      by    ", f"{', '.join(risk.actions)} on {where}")


def _decisions(plan: Plan, layout: Layout) -> Iterator[str]:
    """Render what the decisions did to observed requests, and which of them did nothing."""
    decided = plan.decisions
    yield from layout.entries(
        f"Will fail ({len(decided.losses)}): needed permissions that a decision drops",
        "x",
        [(_loss(loss), "") for loss in decided.losses],
    )
    stay = [
        (f"{rule} does not drop {', '.join(actions)}", why)
        for (rule, why), actions in spared_actions(plan).items()
    ]
    yield from layout.entries("Needed actions that a decision matches: not dropped", "?", stay)
    notes = [_expired(rule, decided.reasons.get(rule, "")) for rule in decided.expired]
    notes += [f"{rule} matches nothing that this role has or does" for rule in decided.unused]
    yield from layout.entries(
        f"Decisions that did nothing ({len(notes)})", "?", [(note, "") for note in notes]
    )


def _loss(loss: PlanDroppedInUse) -> str:
    if loss.why:
        return f"{loss.action} on {escape_controls(loss.resource)}: {loss.why}; it will be denied"
    calls = "calls"
    if loss.count:
        calls = f"{pluralize(loss.count, 'call')} of {', '.join(loss.events) or 'unknown events'}"
    return f"{loss.action} on {escape_controls(loss.resource)}: {calls} would have failed"


def _expired(rule: str, reason: str) -> str:
    return f"{rule} has expired and does not apply{f': {reason}' if reason else ''}"


def _losses(plan: Plan, layout: Layout) -> Iterator[str]:
    """Render grants that are narrower than they might be, and actions that today's bounds never allow."""
    yield from layout.entries(
        f"Narrower than today and the calls allow ({len(plan.losses)}): no exact pattern exists",
        "!",
        [
            (f"{loss.action} on {loss.resource}", f"statement {loss.statement}: {loss.why}")
            for loss in plan.losses
        ],
    )
    for bound, number in sorted(Counter(one.by for one in plan.barred).items()):
        yield from layout.wrapped(
            "Never     ",
            f"{pluralize(number, 'action')} that today's policies grant and {bound} never allows: removed",
        )
