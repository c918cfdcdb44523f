"""The screen of `suggest`: the verdict before the detail, 80 columns, nothing that has no data behind it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import reduce
from operator import add

from policygen.catalog.service_names import label, service_prefix
from policygen.catalog.visibility import data_types
from policygen.evidence.anomalies import ANOMALY_RULES, SHOWN_ONLY, Anomaly, AnomalyRule
from policygen.evidence.coverage.selectors import Answer
from policygen.iam.document import Policy
from policygen.logs.calls.evidence import Evidence
from policygen.report.terminal.changes import ChangeSummary, render_changes
from policygen.report.terminal.layout import LISTED, WIDTH, more, right, wrapped
from policygen.report.terminal.verdict import (
    escalations,
    render_decisions,
    render_losses,
    render_risk,
    render_verdict,
)
from policygen.report.wording import denied_by, minute
from policygen.rightsize.analysis import Analysis
from policygen.rightsize.generate.pack import INLINE_LIMIT, MANAGED_LIMIT
from policygen.rightsize.suggestion import InformationalRequest, Suggestion
from policygen.text import escape_controls, pluralize


def render_screen(analysis: Analysis, told: ChangeSummary) -> dict[str, str]:
    """The screen, ``all`` with every service and every resource; ``short`` with long lists cut, and their number."""
    made = analysis.suggestion
    asides = made.asides()
    before, after = [*_head(analysis), "", *_result(made), ""], list(_next(analysis))
    screens = {}
    for name, show_all in (("short", False), ("all", True)):
        changes = render_changes(told, show_all=show_all)
        found = _findings(made, asides, limit=None if show_all else LISTED)
        lines = (*before, *changes, *found, *after)
        screens[name] = "\n".join(escape_controls(line).rstrip() for line in lines) + "\n"
    return screens


def _head(analysis: Analysis) -> Iterator[str]:
    made, usage = analysis.suggestion, analysis.suggestion.usage
    name, role_arn = made.role.name, made.role.arn or f"account {made.role.account}, path not in the logs"
    yield from [f"{name}  {role_arn}"] if len(name) + len(role_arn) + 2 <= WIDTH else [name, f"  {role_arn}"]
    window = usage.window
    end = "" if analysis.until_given else " (the newest event read)"
    yield f"Window    {pluralize(window.days, 'day')}, {window.start} to {window.last_day} UTC{end}"
    seen = usage.events
    if seen:
        yield (
            f"Evidence  {pluralize(seen.count, 'event')}, {pluralize(usage.calls, 'distinct call')}, "
            f"{pluralize(len(usage.regions), 'region')}, last {minute(seen.last)}"
        )
    yield from _coverage(made)
    yield from render_verdict(made)
    if made.today is None:
        yield "Today     not known: this rests on the evidence alone (--snapshot, --live)"
        yield from wrapped(
            "          ",
            "what the trail does not log, or CloudTrail never shows, may be missing",
        )
    for note in made.notes:
        yield from wrapped("Note      ", note)


def _coverage(made: Suggestion) -> Iterator[str]:
    seen = made.coverage
    trails = (
        "trail not known" if seen.trails is None else f"trail {', '.join(seen.trails) or 'none that logs'}"
    )
    if seen.trails:
        where = (
            "all regions" if seen.logged_regions is None else f"{', '.join(sorted(seen.logged_regions))} only"
        )
        trails += f" ({where})"
    yield from wrapped("Coverage  ", f"{seen.days_with_events}/{seen.window.days} days with events, {trails}")
    if seen.data_types is not None:
        concerned = {action.split(":")[0] for action in made.now or ()} | {
            request.action.split(":")[0] for request in made.usage.requests
        }
        by_service: dict[str, set[Answer]] = {}
        for data_type, service in sorted(data_types().items()):
            if service in concerned:
                by_service.setdefault(service, set()).add(seen.logs(data_type))
        states = [f"{name} {_state(answers)}" for name, answers in sorted(by_service.items())]
        # With a policy that allows everything the list would be all of AWS; what is on says it as well.
        if len(states) > 2 * LISTED:
            states = [state for state in states if not state.endswith(" off")] + ["all others off"]
        if states:
            yield from wrapped("          ", f"data events: {', '.join(states)}")
    for hole in seen.incomplete[:LISTED]:
        yield from wrapped("          ", hole)
    if len(seen.incomplete) > LISTED:
        yield f"          and {len(seen.incomplete) - LISTED} more"


def _state(answers: Collection[Answer]) -> str:
    return "on" if answers == {"all"} else "off" if answers == {"none"} else "partly"


def _result(made: Suggestion) -> Iterator[str]:
    new_actions = {grant.action.lower() for grant in made.grants}
    stars = _stars(made.policies)
    size = sum(policy.size for policy in made.policies)
    paths = escalations(made.risks_left)
    room = (
        f"of {INLINE_LIMIT:,}" if len(made.policies) == 1 else f"in {len(made.policies)} of {MANAGED_LIMIT:,}"
    )
    if made.now is None or made.today is None:
        yield f"{'Result':<20}{'':>12}{'proposed':>11}"
        yield f"{'  actions allowed':<20}{'':>12}{len(new_actions):>11,}"
        yield f"{'  escalation paths':<20}{'':>12}{paths:>11,}"
        yield f"{'  statements on *':<20}{'':>12}{stars:>11,}"
        yield f"{'  characters':<20}{'':>12}{size:>11,}  {room}"
    else:
        before = len(made.now)
        cut = f"−{100 * (before - len(new_actions)) / before:.1f} %" if before else ""
        old_stars = _stars(made.today)
        old_size = sum(policy.size for policy in made.today)
        yield f"{'Result':<20}{'now':>12}{'proposed':>11}{'change':>11}"
        yield f"{'  actions allowed':<20}{before:>12,}{len(new_actions):>11,}{cut:>11}"
        closed = escalations(made.risks_removed)
        yield f"{'  escalation paths':<20}{paths + closed:>12,}{paths:>11,}{_signed(-closed):>11}"
        yield f"{'  statements on *':<20}{old_stars:>12,}{stars:>11,}{_signed(stars - old_stars):>11}"
        yield f"{'  characters':<20}{old_size:>12,}{size:>11,}  {room}"
    for check in made.proof.checks:
        yield from wrapped(f"  {'✔' if check.held else '✘'} ", f"{check.promise}: {check.finding}", "    ")


def _stars(policies: Iterable[Policy]) -> int:
    """Statements that allow something on everything; a Deny on everything is no risk."""
    return sum("*" in one.resources for p in policies for one in p.statements if one.effect == "Allow")


def _signed(number: int) -> str:
    return f"−{-number}" if number < 0 else f"+{number}" if number else "0"


def _findings(
    made: Suggestion, asides: Sequence[InformationalRequest], *, limit: int | None
) -> Iterator[str]:
    usage = made.usage
    yield from render_decisions(made, limit=limit)
    yield from render_losses(made, limit=limit)
    if made.missing:
        yield from ("", f"Observed, but not allowed by today's policies ({len(made.missing)}): not granted")
        for one in made.missing[:limit]:
            yield from wrapped("  ! ", f"{one.request.action} on {one.request.resource}", "    ")
            yield from wrapped("      why   ", f"{one.cause} ({pluralize(one.evidence.count, 'call')})")
        yield from more(len(made.missing), limit)
    if usage.wanted:
        yield from ("", f"Wanted but denied ({len(usage.wanted)}): not granted")
        for wanted, seen in list(usage.wanted.items())[:limit]:
            what = (
                f"{wanted.action} on {wanted.resource}"
                if wanted.action
                else f"{wanted.source} {wanted.event}"
            )
            yield from wrapped("  x ", what, "    ")
            yield from wrapped(
                "      why   ",
                f"{denied_by(wanted.policy_type, explicit=wanted.explicit)} ({pluralize(seen.count, 'call')})",
            )
        yield from more(len(usage.wanted), limit)
    yield from _apart(made, limit)
    yield from _users(made, limit)
    yield from _asides(made, asides, limit)
    if usage.unmapped:
        yield from ("", f"Not mapped to IAM actions ({len(usage.unmapped)}): decide by hand")
        for unmapped, seen in list(usage.unmapped.items())[:limit]:
            yield from wrapped(
                "  ? ", f"{unmapped.source} {unmapped.event} ({pluralize(seen.count, 'call')})", "    "
            )
            yield from wrapped("      why   ", unmapped.why)
        yield from more(len(usage.unmapped), limit)
    yield from render_risk(made, limit=limit)
    for before in made.predecessors:
        yield ""
        yield from wrapped(
            "Left out  ",
            f"{pluralize(before.events, 'event')} of a deleted role of the same name ({before.role.role_id}), "
            f"last {minute(before.last)}",
        )
    if usage.events and usage.events.weak:
        yield from wrapped(
            "Weak      ",
            f"{pluralize(usage.events.weak, 'event')} throttled or invalid: they may precede the permission check",
        )
    if usage.unauthenticated:
        yield from wrapped(
            "Refused   ",
            f"{pluralize(usage.unauthenticated.count, 'event')} with expired or wrong credentials: no evidence",
        )


def _apart(made: Suggestion, limit: int | None) -> Iterator[str]:
    """Usage that does not look like the workload, by sign."""
    conduct = made.conduct
    by_sign: dict[AnomalyRule, list[tuple[Anomaly, Evidence]]] = {}
    for suspect, seen in conduct.suspects.items():
        by_sign.setdefault(suspect.sign, []).append((suspect, seen))
    for sign, members in by_sign.items():
        calls = sum(seen.count for _, seen in members)
        kept = sign in conduct.accepted or sign in SHOWN_ONLY
        left = (
            "accepted" if sign in conduct.accepted else "in the policy" if kept else "left out of the policy"
        )
        yield ""
        yield from wrapped("", f"Does not look like the workload ({pluralize(calls, 'call')}): {left}", "  ")
        seen = reduce(add, (seen for _, seen in members))
        yield from wrapped(f"  {'=' if kept else '!'} {sign}  ", ANOMALY_RULES[sign], "      ")
        yield from wrapped("      from  ", _origin(seen))
        for suspect, one in members[:limit]:
            what = f"{service_prefix(suspect.source) or label(suspect.source)}:{suspect.event}"
            yield from wrapped("      call  ", f"{what}, {pluralize(one.count, 'time')}, {minute(one.last)}")
        yield from more(len(members), limit)
        if not kept:
            yield from wrapped("      if it is the workload's:  ", f"--accept {sign}")


def _origin(seen: Evidence) -> str:
    agents = {agent.removeprefix("[").removesuffix("]") for agent in seen.agents}  # S3 puts them in brackets
    parts = [", ".join(sorted(seen.addresses)), ", ".join(sorted(agents))]
    sessions = ", ".join(sorted(seen.sessions))
    return "; ".join(part for part in (*parts, f"session {sessions}" if sessions else "") if part)


def _users(made: Suggestion, limit: int | None) -> Iterator[str]:
    """Who used what, where several functions share the role."""
    functions = {name: theirs for name, theirs in made.usage.users.items() if name}
    if len(functions) < 2:
        return
    yield from ("", f"Shared by {pluralize(len(functions), 'function')}: each could have a role of its own")
    for name, theirs in list(functions.items())[:limit]:
        actions = sorted({request.action for request in theirs})
        short = name.rsplit(":function:", 1)[-1]
        yield from wrapped(
            f"  {short}  ", f"{pluralize(len(actions), 'action')}: {', '.join(actions)}", "      "
        )
    yield from more(len(functions), limit)


_ASIDES = {
    "indirect": "Used, as other calls show; no event of their own was read",
    "hint": "May also be needed: calls of this kind often ask for it",
}


def _asides(made: Suggestion, asides: Sequence[InformationalRequest], limit: int | None) -> Iterator[str]:
    """What is shown and not granted for its own sake, names of one parent together."""
    for grade, title in _ASIDES.items():
        groups: dict[tuple[bool, str, str], list[InformationalRequest]] = {}
        for one in asides:
            if one.request.grade == grade:
                parent = one.request.resource.split("/", 1)[0]
                groups.setdefault((one.allowed, one.request.action, parent), []).append(one)
        if groups:
            yield from ("", f"{title} ({sum(map(len, groups.values()))})")
        for (allowed, action, parent), members in sorted(groups.items())[:limit]:
            where = members[0].request.resource if len(members) == 1 else f"{len(members)} names of {parent}"
            yield from wrapped(f"  {'=' if allowed else '!'} ", f"{action} on {where}", "    ")
            calls = pluralize(sum(one.evidence.count for one in members), "call")
            events = ", ".join(
                sorted({e for one in members for e in made.usage.sources.get(one.request, ())})
            )
            granted = "the proposal allows it" if allowed else "the proposal does not allow it"
            yield from wrapped("      why   ", f"{events}, {calls}; {granted}")
        yield from more(len(groups), limit)


def _next(analysis: Analysis) -> Iterator[str]:
    role = analysis.suggestion.role.name
    yield from ("", "Next")
    if granted := analysis.suggestion.grants_by_request():
        most = max(granted.items(), key=lambda one: one[1].count)[0].action
        yield f"  policygen explain {most} -r {role} …"
    yield right(f"  policygen suggest -r {role} … -f policy", "the policy itself")
    yield right(f"  policygen suggest -r {role} … -f json", "everything, with eventIDs")
    yield "Nothing in AWS was changed."
