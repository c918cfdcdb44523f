"""Is a suggestion safe to apply? Days, learning curve, schedules, and an answer by stated thresholds.

``ready``, yes: nothing that the workload did would be denied, and the evidence is long enough. ``review``, look first:
calls are suspicious, a decision drops what is needed, the evidence is thin, or IAM was not asked what was used before
the window. ``wait``, not yet: there are too few days. Permissions that are kept unverified make a policy no less safe:
how many there are is the other answer (`policygen.rightsize.assess.tightness`). There is no probability, because the
window cannot show how often a role does what it did not do in the window. What each threshold means is in
docs/concepts/evidence.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from policygen.days import dates_from, days_between
from policygen.iam.request import AccessRequest
from policygen.logs.calls.evidence import Evidence
from policygen.rightsize.assess.few_runs import few_runs
from policygen.rightsize.assess.schedule import Schedule, schedule_of
from policygen.text import pluralize

MIN_DAYS = 14
"""Days with events of any caller that are needed: every weekday twice."""
QUIET_DAYS = 3
"""Days before the end in which no permission may be used for the first time."""
ACTIVE_DAYS = 3
"""Days with a call of the role that are needed."""
SILENT_DAYS = 7
"""Days without a call of the role at the end, after which a person should ask whether it is still in use."""
WEAK_PERCENT = 5
"""Share of weak events from which on a person should look at them (1.10.4)."""

Verdict = Literal["ready", "review", "wait"]

ANSWERS: Mapping[str, str] = {"ready": "yes", "review": "look first", "wait": "not yet"}
"""Verdict -> the answer to "Safe to apply?", the most serious last."""


class Reason(NamedTuple):
    """Why the verdict is not better than `verdict`; for ``ready``, what it rests on."""

    id: str
    sentence: str
    verdict: Verdict


OF_ALL_ROLES = frozenset({"few-days", "gaps", "late-start", "no-report", "policies-unknown"})
"""Ids of the reasons that lie in what was read and given: all roles of an account have them alike."""


class OpenIssues(msgspec.Struct, frozen=True):
    """Counts of what a person should look at before the policy is applied."""

    losses: int = 0
    """Needed permissions that a rule drops."""
    suspects: int = 0
    """Calls that do not look like the workload, and are left out of the policy."""
    reported: int = 0
    """Such calls that a person reported as not the workload's: they are no reason to wait."""
    unusual: int = 0
    """Calls that do not look like the workload, and stay in the policy."""
    unread_use: int = 0
    """Permissions that the logs would show, and that IAM saw in use where they show nothing: a log is missing."""
    missing: int = 0
    """Requests seen in use that only policies which are not known can have allowed."""
    not_allowed: int = 0
    """Requests seen in use that today's policies do not allow, these included: no policy of the role affects them."""
    open_names: int = 0
    """Resource types whose names may be new next time."""
    replayed: int = 0
    """Later calls that a policy learnt on the first part of the window would have denied."""
    unmapped: int = 0
    """Calls that no rule maps to permissions."""
    narrowed: int = 0
    """Permissions written narrower than necessary, because no exact pattern exists."""
    expired: int = 0
    """Decisions to keep a permission that have expired."""
    dropped: int = 0
    """Unverified permissions that a person dropped, and did not write why."""
    doubted: int = 0
    """Unverified permissions that a rule drops although something says that they are used."""
    decided: int = 0
    """Unverified permissions that a rule drops with its reason: no reason to wait."""


class ReportGain(msgspec.Struct, frozen=True):
    """What IAM's last-accessed report would tell of a role of which it was not read."""

    decides: int
    """Unverified permissions that it would decide about."""
    unverified: int
    """All unverified permissions."""


class Readiness(msgspec.Struct, frozen=True):
    """How good the evidence of one role in one window is."""

    days: int
    """Days of the window."""
    covered: int
    """Days of the window with events of any caller."""
    active: int
    """Days of the window with events of the role."""
    curve: tuple[int, ...]
    """For each day of the window, the number of distinct permissions seen so far."""
    last_new: str
    """The latest day on which a permission was seen for the first time; "" without any permission."""
    quiet: int | None
    """Days between `last_new` and the end of the window; None without any permission."""
    once: tuple[str, ...]
    """Permissions seen on one day only, sorted."""
    rhythms: tuple[Schedule, ...]
    """By permission."""
    events: int
    weak: int
    """Events that may have failed before the permission was looked at (1.10.4)."""
    verdict: Verdict
    reasons: tuple[Reason, ...]
    """At least one, the most serious first: calls that will fail, then what decides a ``wait``; the role's own before
    those of `OF_ALL_ROLES`."""


def days_asked(asked: int | None, window: int) -> int:
    """Return the days for which a permission must have been visible before its absence means anything.

    Args:
        asked: the days that a person asked for, even beyond the window; None for the default, or the window if it is
            shorter.
        window: the days of the window.
    """
    return min(MIN_DAYS, window) if asked is None else asked


def permission_days(requests: Mapping[AccessRequest, Evidence]) -> dict[str, frozenset[str]]:
    """Return action -> the dates on which it was seen, on any resource."""
    found: dict[str, frozenset[str]] = {}
    for request, seen in requests.items():
        found[request.action] = found.get(request.action, frozenset()) | seen.days
    return found


def readiness_of(
    start: str,
    end: str,
    permissions: Mapping[str, Collection[str]],
    active: Collection[str],
    covered: Collection[str],
    *,
    events: int = 0,
    weak: int = 0,
    gaps: Sequence[str] = (),
    open_points: OpenIssues | None = None,
    without_report: ReportGain | None = None,
    policies_known: bool = True,
    min_days: int = MIN_DAYS,
    quiet_days: int = QUIET_DAYS,
    begin: str = "",
) -> Readiness:
    """Answer whether the suggestion for one role is safe to apply.

    Args:
        start: first day of the window, a date in UTC.
        end: last day of the window, a date or a time within it.
        permissions: action -> the dates on which it was seen.
        active: dates with events of the role.
        covered: dates with events of any caller.
        events: events of the role.
        weak: events among them that may have failed before the permission check.
        gaps: known gaps in the evidence, a phrase each: files not read to the end, a trail that was stopped.
        open_points: what a person should look at first.
        without_report: what IAM's last-accessed report would tell; None where it was read.
        policies_known: whether the role's current policies are known.
        min_days: see `MIN_DAYS`.
        quiet_days: see `QUIET_DAYS`.
        begin: see `few_runs`.
    """
    days = dates_from(start, end[:10])
    seen = {name: sorted(set(dates) & set(days)) for name, dates in permissions.items()}
    seen = {name: dates for name, dates in sorted(seen.items()) if dates}
    firsts = [dates[0] for dates in seen.values()]
    last_new = max(firsts, default="")
    inside = set(covered) & set(days)
    facts = _Facts(
        days=days,
        covered=sorted(inside),
        active=sorted(set(active) & set(days)),
        last_new=last_new,
        quiet=days_between(last_new, days[-1]) if last_new else None,
        events=events,
        weak=weak,
        gaps=tuple(gaps),
        without_report=without_report,
        policies_known=policies_known,
        begin=begin,
    )
    reasons = _reasons(facts, open_points or OpenIssues(), min_days, quiet_days)
    return Readiness(
        days=len(days),
        covered=len(inside),
        active=len(facts.active),
        curve=tuple(sum(1 for first in firsts if first <= day) for day in days),
        last_new=last_new,
        quiet=facts.quiet,
        once=tuple(name for name, dates in seen.items() if len(dates) == 1),
        rhythms=tuple(rhythm for name, dates in seen.items() if (rhythm := schedule_of(name, dates))),
        events=events,
        weak=weak,
        verdict=max((reason.verdict for reason in reasons), key=tuple(ANSWERS).index),
        reasons=reasons,
    )


class _Facts(msgspec.Struct, frozen=True):
    days: list[str]
    covered: list[str]
    active: list[str]
    last_new: str
    quiet: int | None
    events: int
    weak: int
    gaps: tuple[str, ...]
    without_report: ReportGain | None
    policies_known: bool
    begin: str


def _reasons(facts: _Facts, points: OpenIssues, min_days: int, quiet_days: int) -> tuple[Reason, ...]:
    found = [
        *_points(points, _BROKEN),
        *_waits(facts, min_days, quiet_days),
        *_points(points, _POINTS),
        *_thin(facts),
        *_unasked(facts),
    ]
    if found:
        return tuple(sorted(found, key=_place))
    who, when = "workload" if points.reported else "role", f"on {pluralize(len(facts.active), 'day')}"
    safe = (
        f"every call of the {who} {when} that today's policies allow stays allowed"
        if points.not_allowed
        else f"nothing that the {who} did {when} would be denied"
    )
    told = (
        (points.reported, "reported call", "left out"),
        (points.decided, "unverified permission", "dropped by decisions"),
    )
    decided = [f"; {pluralize(number, noun)} {done}" for number, noun, done in told if number]
    return (
        Reason(
            "enough",
            f"{safe}; last new permission {pluralize(facts.quiet or 0, 'day')} before the end{''.join(decided)}",
            "ready",
        ),
    )


def _place(reason: Reason) -> tuple[bool, bool, bool]:
    """Return where a reason stands, as `Readiness.reasons` says."""
    return reason.id not in _BROKEN, reason.verdict != "wait", reason.id in OF_ALL_ROLES


def _waits(facts: _Facts, min_days: int, quiet_days: int) -> list[Reason]:
    """Return what more days would change."""
    found = []
    if len(facts.covered) < min_days:
        have = pluralize(len(facts.covered), "day")
        found.append(("few-days", f"{have} of evidence, {min_days} are needed"))
    known = days_between(facts.active[0], facts.days[-1]) + 1 if facts.active else 0
    if facts.last_new and known < min_days:
        found.append(
            ("role-new", f"the window shows the role for {pluralize(known, 'day')}, {min_days} are needed")
        )
    if facts.quiet is not None and facts.quiet < quiet_days:
        ago = pluralize(facts.quiet, "day")
        found.append(
            ("still-learning", f"a permission was new {ago} before the end, {quiet_days} are needed")
        )
    return [Reason(name, sentence, "wait") for name, sentence in found]


def _thin(facts: _Facts) -> list[Reason]:
    """Return why the evidence is thin, however many days it has."""
    found = []
    if not facts.policies_known:
        why = "today's policies are not known, and what no log shows may be missing: --snapshot or --live"
        found.append(("policies-unknown", why))
    if not facts.last_new:
        found.append(("no-use", "no permission was seen in use"))
    if holes := _quiet_days(facts.covered, facts.days[-1]):
        found.append(("gaps", _no_event_on(holes)))
    found += [("gaps", gap) for gap in facts.gaps]
    if 0 < len(facts.active) < ACTIVE_DAYS:
        found.append(few_runs(facts.active, facts.days[-1], facts.begin))
    # IAM's report tells of the time before the logs begin, and after the role went silent.
    if facts.without_report or not facts.policies_known:
        if facts.active and (silent := days_between(facts.active[-1], facts.days[-1])) > SILENT_DAYS:
            found.append(
                ("silent", f"the role did nothing in the last {pluralize(silent, 'day')} of the window")
            )
        if facts.covered and facts.covered[0] > facts.days[0]:
            found.append(("late-start", f"the logs begin {facts.covered[0]}, the window {facts.days[0]}"))
    if facts.weak * 100 > facts.events * WEAK_PERCENT:
        found.append(("weak", f"{facts.weak:,} of {pluralize(facts.events, 'event')} throttled or invalid"))
    return [Reason(name, sentence, "review") for name, sentence in found]


_BROKEN = {"losses": ("losses", "needed permission", "dropped by a decision: calls will fail")}
"""What will certainly fail, which is said before all that may be missing."""

_POINTS = {
    "suspects": ("suspects", "suspicious call", "left out of the policy"),
    "replayed": ("replay", "later call", "that a policy learnt on the first part of the window denies"),
    "unusual": ("unusual", "call", "unlike those before, which stay in the policy"),
    "unread_use": ("unread-use", "permission", "that IAM saw in use, with no event: a log is missing"),
    "missing": ("missing", "request", "seen in use that today's policies do not allow: are they all there?"),
    "open_names": ("open-names", "resource type", "whose names may be new next time"),
    "unmapped": ("unmapped", "call", "not mapped to permissions"),
    "narrowed": ("narrowed", "permission", "written narrower than observed and allowed might have met"),
    "expired": ("expired", "decision", "to keep a permission has expired"),
    "doubted": ("unverified-dropped", "unverified permission", "dropped that may be in use"),
    "dropped": ("unverified-dropped", "unverified permission", "dropped, and nobody wrote why"),
}


def _points(points: OpenIssues, texts: Mapping[str, tuple[str, str, str]]) -> list[Reason]:
    return [
        Reason(name, f"{pluralize(number, noun)} {rest}", "review")
        for field, (name, noun, rest) in texts.items()
        if (number := getattr(points, field))
    ]


NOT_ASKED = "IAM was not asked what was used before the window"
REPORT_COMMAND = "policygen snapshot --output account.json"
"""The command that reads IAM's last-accessed reports."""


def _unasked(facts: _Facts) -> list[Reason]:
    """Return what IAM's report would add, where it was not read."""
    if facts.without_report is None:
        return []
    why = f"{NOT_ASKED}: {REPORT_COMMAND}"
    gain = facts.without_report
    if gain.decides:
        why += f"; it would also decide about {gain.decides:,} of the {gain.unverified:,} unverified"
    return [Reason("no-report", why, "review")]


def _no_event_on(days: Sequence[str]) -> str:
    """Say on which days nobody had an event: at least one date."""
    some = ", ".join(days[:3]) + (" …" if len(days) > 3 else "")
    return f"no event of anyone on {pluralize(len(days), 'day')}: {some}"


def _quiet_days(covered: Sequence[str], end: str) -> list[str]:
    """Return the dates without events between the first date with events and the end."""
    return sorted(set(dates_from(covered[0], end)) - set(covered)) if covered else []
