"""Renders a plan as a screen of 80 columns: the two answers before the detail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import UNSET

from policygen.catalog.service_names import label, service_prefix
from policygen.logs.calls.evidence import SAMPLES
from policygen.plan.model import Plan
from policygen.plan.model_evidence import PlanAnomaly, PlanDenied, PlanInformationalRequest
from policygen.report.figures import Figure, figures, grouped
from policygen.report.suspects import suspects_by_sign
from policygen.report.terminal.changes import render_changes
from policygen.report.terminal.layout import LISTED, WIDTH, entries, in_ascii, more, right, wrapped
from policygen.report.terminal.records import render_records
from policygen.report.terminal.verdict import (
    render_answers,
    render_decisions,
    render_learning,
    render_losses,
    render_risk,
)
from policygen.report.wording import INFORMATIONAL_GRADES, denied_by, minute
from policygen.rightsize.generate.pack import INLINE_LIMIT, MANAGED_LIMIT
from policygen.text import escape_controls, pluralize


def render(plan: Plan, *, show_all: bool = False, ascii_only: bool = False) -> str:
    """Return the screen of a plan.

    Args:
        plan: what to show.
        show_all: list every service and every resource, and what became of the records; else long lists are cut, with
            their number.
        ascii_only: for terminals without Unicode.
    """
    lines = [
        *_head(plan),
        "",
        *_result(plan),
        "",
        *render_changes(plan, show_all=show_all),
        *_findings(plan, limit=None if show_all else LISTED),
        *(render_records(plan) if show_all else ()),
        *_next(plan),
    ]
    text = "\n".join(escape_controls(line).rstrip() for line in lines) + "\n"
    return in_ascii(text) if ascii_only else text


def _head(plan: Plan) -> Iterator[str]:
    name, role_arn = plan.role.name, plan.role.arn or f"account {plan.role.account}, path not in the logs"
    yield from [f"{name}  {role_arn}"] if len(name) + len(role_arn) + 2 <= WIDTH else [name, f"  {role_arn}"]
    yield from render_answers(plan)
    window, evidence = plan.window, plan.evidence
    end = "" if window.end_given else " (the newest event read)"
    yield f"Window    {pluralize(window.days, 'day')}, {window.start} to {window.end[:10]} UTC{end}"
    if evidence.last:
        yield (
            f"Evidence  {pluralize(evidence.count, 'event')}, {pluralize(evidence.calls, 'distinct call')}, "
            f"{pluralize(len(evidence.regions), 'region')}, last {minute(evidence.last)}"
        )
    yield from _coverage(plan)
    yield from render_learning(plan)
    if plan.today is None:
        yield "Today     not known: this rests on the evidence alone (--snapshot, --live)"
        yield from wrapped(
            "          ",
            "what the trail does not log, or CloudTrail never shows, may be missing",
        )
    for note in plan.notes:
        yield from wrapped("Note      ", note)


def _coverage(plan: Plan) -> Iterator[str]:
    coverage = plan.coverage
    trails = (
        "trail not known"
        if coverage.trails is None
        else f"trail {', '.join(coverage.trails) or 'none that logs'}"
    )
    if coverage.trails and coverage.logged_regions is not UNSET:
        regions = coverage.logged_regions
        trails += " (all regions)" if regions is None else f" ({', '.join(regions)} only)"
    yield from wrapped(
        "Coverage  ", f"{coverage.days_with_events}/{coverage.days} days with events, {trails}"
    )
    states = [f"{one.service} {one.logged}" for one in coverage.data_events]
    # A policy that allows everything would list all of AWS; the services that are on say the same.
    if len(states) > 2 * LISTED:
        states = [state for state in states if not state.endswith(" off")] + ["all others off"]
    if states:
        yield from wrapped("          ", f"data events: {', '.join(states)}")
    for gap in coverage.incomplete[:LISTED]:
        yield from wrapped("          ", gap)
    if len(coverage.incomplete) > LISTED:
        yield f"          and {len(coverage.incomplete) - LISTED} more"


def _result(plan: Plan) -> Iterator[str]:
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
        yield from wrapped(f"  {'✔' if check.held else '✘'} ", f"{check.promise}: {check.finding}", "    ")


def _difference(row: Figure) -> str:
    """Return the change of a figure; for actions, in percent."""
    before = row.now or 0
    if row.name == "actions allowed":
        return f"−{100 * (before - row.proposed) / before:.1f} %" if before else ""
    number = row.proposed - before
    return f"−{-number}" if number < 0 else f"+{number}" if number else "0"


def _findings(plan: Plan, *, limit: int | None) -> Iterator[str]:
    yield from render_decisions(plan, limit=limit)
    yield from render_losses(plan, limit=limit)
    yield from _refused(plan, limit=limit)
    yield from _suspects(plan, limit=limit)
    yield from _users(plan, limit=limit)
    yield from _informational(plan, limit=limit)
    yield from entries(
        f"Not mapped to IAM actions ({len(plan.unmapped)}): decide by hand",
        "?",
        [(f"{one.event} ({pluralize(one.count, 'call')})", one.why) for one in plan.unmapped],
        limit,
    )
    yield from render_risk(plan, limit=limit)
    yield from _not_counted(plan)


def _refused(plan: Plan, *, limit: int | None) -> Iterator[str]:
    """List what today's policies do not allow, and what AWS denied: neither is granted."""
    yield from entries(
        f"Observed, but not allowed by today's policies ({len(plan.missing)}): not granted",
        "!",
        [
            (f"{one.action} on {one.resource}", f"{one.cause} ({pluralize(one.count, 'call')})")
            for one in plan.missing
        ],
        limit,
    )
    yield from entries(
        f"Wanted but denied ({len(plan.wanted_but_denied)}): not granted",
        "x",
        [(_request(one), _reason(one)) for one in plan.wanted_but_denied],
        limit,
    )


def _request(denied: PlanDenied) -> str:
    return f"{denied.action} on {denied.resource}" if denied.action else denied.event


def _reason(denied: PlanDenied) -> str:
    reason = denied_by(denied.policy_type, explicit=denied.explicit)
    return f"{reason} ({pluralize(denied.count, 'call')})"


def _suspects(plan: Plan, *, limit: int | None) -> Iterator[str]:
    """List calls that do not look like the workload, by sign."""
    for group in suspects_by_sign(plan):
        suspects, sign = group.members, group.sign
        fate = "accepted" if group.accepted else "in the policy" if group.kept else "left out of the policy"
        calls = pluralize(sum(one.count for one in suspects), "call")
        yield ""
        yield from wrapped("", f"Does not look like the workload ({calls}): {fate}", "  ")
        yield from wrapped(f"  {'=' if group.kept else '!'} {sign}  ", group.rule, "      ")
        yield from wrapped("      from  ", _origin(suspects))
        for one in suspects[:limit]:
            source, _, event = one.event.partition(" ")
            call = f"{service_prefix(source) or label(source)}:{event}"
            yield from wrapped("      call  ", f"{call}, {pluralize(one.count, 'time')}, {minute(one.last)}")
        yield from more(len(suspects), limit)
        if not group.kept:
            yield from wrapped("      if it is the workload's:  ", f"--accept {sign}")


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


def _users(plan: Plan, *, limit: int | None) -> Iterator[str]:
    """List the functions that share the role, with the actions that each used."""
    users = [user for user in plan.users if user.function]
    if len(users) < 2:
        return
    yield from ("", f"Shared by {pluralize(len(users), 'function')}: each could have a role of its own")
    for user in users[:limit]:
        name = user.function.rsplit(":function:", 1)[-1]
        actions = f"{pluralize(len(user.actions), 'action')}: {', '.join(user.actions)}"
        yield from wrapped(f"  {name}  ", actions, "      ")
    yield from more(len(users), limit)


def _informational(plan: Plan, *, limit: int | None) -> Iterator[str]:
    """List requests that are not granted for their own sake, names of one parent together."""
    for grade, title in INFORMATIONAL_GRADES.items():
        groups: dict[tuple[bool, str, str], list[PlanInformationalRequest]] = grouped(
            ((one.allowed, one.action, one.resource.split("/", 1)[0]), one)
            for one in plan.asides
            if one.grade == grade
        )
        if groups:
            yield from ("", f"{title} ({sum(map(len, groups.values()))})")
        for (allowed, action, parent), members in sorted(groups.items())[:limit]:
            place = members[0].resource if len(members) == 1 else f"{len(members)} names of {parent}"
            yield from wrapped(f"  {'=' if allowed else '!'} ", f"{action} on {place}", "    ")
            calls = pluralize(sum(one.count for one in members), "call")
            events = ", ".join(sorted({event for one in members for event in one.events}))
            granted = "the proposal allows it" if allowed else "the proposal does not allow it"
            yield from wrapped("      why   ", f"{f'{events}, ' if events else ''}{calls}; {granted}")
        yield from more(len(groups), limit)


def _not_counted(plan: Plan) -> Iterator[str]:
    """Count events that are no evidence, or weak evidence."""
    for before in plan.predecessors:
        yield ""
        yield from wrapped(
            "Left out  ",
            f"{pluralize(before.events, 'event')} of a deleted role of the same name ({before.role_id}), "
            f"last {minute(before.last)}",
        )
    if plan.evidence.weak:
        yield from wrapped(
            "Weak      ",
            f"{pluralize(plan.evidence.weak, 'event')} throttled or invalid: they may precede the permission check",
        )
    if plan.unauthenticated:
        yield from wrapped(
            "Refused   ",
            f"{pluralize(plan.unauthenticated.count, 'event')} with expired or wrong credentials: no evidence",
        )


def _next(plan: Plan) -> Iterator[str]:
    role = plan.role.name
    yield from ("", "Next")
    if granted := plan.evidence.granted:
        most = max(granted, key=lambda one: one.count).action
        yield f"  policygen explain {most} -r {role} …"
    yield right(f"  policygen suggest -r {role} … -f policy", "the policy itself")
    yield right(f"  policygen suggest -r {role} … -f json", "everything, with eventIDs")
    yield "Nothing in AWS was changed."
