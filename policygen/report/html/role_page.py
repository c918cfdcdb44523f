"""Renders one role's plan as a page: self-contained, complete without scripts, the same bytes for the same plan."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any

from policygen.evidence.coverage.observability import VISIBLE
from policygen.plan.keep_groups import dropped_groups, keep_groups
from policygen.plan.model import Plan, PlanRisk
from policygen.report.apply_steps import apply_steps, script_words
from policygen.report.commands import answering_command, doctor_command
from policygen.report.figures import document_size, spared_actions
from policygen.report.html import charts
from policygen.report.html.changes import WORDS, bars_of, changes_of
from policygen.report.html.heatmap import LEVELS, edges, heat_of
from policygen.report.html.rows import request_rows
from policygen.report.html.templating import document_text, fair_share, fill_template
from policygen.report.not_allowed import FATES, by_fate, not_allowed_words
from policygen.report.notices.every import notices_of
from policygen.report.notices.notice import TITLE, WITH
from policygen.report.suspects import NOT_YOURS, suspects_by_sign
from policygen.report.wording import (
    INFORMATIONAL_GRADES,
    also_needed,
    broader,
    denied_by,
    drop_options,
    dropped_words,
)
from policygen.rightsize.generate.pack import INLINE_LIMIT, MANAGED_LIMIT
from policygen.text import pluralize

LIMITS = {
    "questions": 12,
    "rule": 800,
    "services": 16,
    "once": 40,
    "blind": 40,
    "commands": 8,
    "findings": 25,
    "risks": 200,
    "user_names": 60,
}
"""Most entries of each table; omitted ones are counted, with their key in the plan's JSON."""
_DENSE = 8_000
"""Characters of the proposal above which each statement stands on one line."""
_DOCUMENTS, _TODAY = 20_000, 20_000
"""Characters of documents that are shown, the proposed ones first; and of today's documents.

An inline policy always has room."""
_BLIND_NAMES = 300

_ANCHORS = {
    "suspects": "suspects",
    "unusual": "suspects",
    "unread-use": "blind",
    "no-report": "blind",
    "missing": "missing",
    "replay": "proof",
    "unmapped": "unmapped",
    "still-learning": "learning",
    "few-active-days": "activity",
    "no-older-logs": "activity",
    "silent": "activity",
    "gaps": "activity",
    "late-start": "activity",
    "losses": "others",
    "narrowed": "others",
    "expired": "others",
}
"""Id of a reason for the verdict -> the section of the page that shows it."""


def render(plan: Plan, *, indexed: bool = False) -> str:
    """Return the page of a plan.

    Args:
        plan: what to show.
        indexed: whether the page links to an index of roles in the folder above.
    """
    suspects, others = suspects_by_sign(plan), list(_others(plan))
    functions = [user for user in plan.users if user.function or len(plan.users) > 1]
    notices = notices_of(plan)
    there = {"notices": notices, "suspects": suspects, "others": others, "users": functions}
    sections, absent = _sections(plan, {name for name, some in there.items() if some})
    return fill_template(
        "role.html.j2",
        plan=plan,
        proposal=plan.trust.proposal if plan.trust else None,
        indexed=indexed,
        contents=sections,
        absent=absent,
        ids={name for name, _ in sections},
        anchors=_ANCHORS,
        drop_options=drop_options,
        answering=partial(answering_command, plan),
        doctor=doctor_command(plan),
        suspects=suspects,
        missing=by_fate(plan.missing),
        not_allowed=not_allowed_words,
        not_yours=NOT_YOURS,
        notices=notices,
        told_below=defaultdict(str, {fate.name: "missing" for fate in FATES}),
        before_you_merge=TITLE,
        options_with=WITH,
        others=others,
        functions=functions,
        perhaps_fixed=[one for one in plan.names if one.asked and one.declared],
        families=_families,
        script_words=script_words(plan.apply_list),
        steps=[
            step[:1].upper() + step[1:]
            for step in apply_steps(plan.apply_list, name=str, limit=LIMITS["once"])
        ],
        refused=lambda one: denied_by(one.policy_type, explicit=one.explicit),
        **_cards(plan),
        **_activity(plan),
        **_services(plan),
        **_changes(plan),
        **_blind(plan),
        **_documents(plan),
        **_method(plan),
    )


def _sections(plan: Plan, there: Container[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Return (id, title) of the page's sections, and the names of the checks that found nothing.

    Args:
        plan: what to show.
        there: ids of the sections that have something, of those that are made from more than one part of the plan.
    """
    learning = bool(plan.strength and plan.strength.curve and plan.strength.curve[-1])
    every = [
        ("notices", TITLE, "notices" in there),
        ("proof", "What is proved", True),
        ("call", "Safe to apply? How tight?", True),
        ("activity", "What the role did", True),
        ("services", "Permissions by service", True),
        ("learning", "How much is still new", learning),
        ("changes", "What is granted" if plan.today is None else "What changes", True),
        ("blind", "What the logs cannot show", True),
        ("denied", "Wanted but denied", bool(plan.wanted_but_denied)),
        ("missing", "Observed, not allowed today", bool(plan.missing)),
        ("unmapped", "Calls not mapped", bool(plan.unmapped)),
        ("suspects", "Suspicious calls", "suspects" in there),
        ("others", "Also found", "others" in there),
        ("risks", "Risks", True),
        ("users", "Who uses the role", "users" in there),
        ("apply", "Apply", True),
        ("policies", "Policies", True),
        ("trust", "Who assumes it" if plan.trust and plan.trust.proposal else "Who may assume it", True),
        ("method", "Method and limits", True),
    ]
    looked_for = {
        "denied": "denied calls",
        "missing": "calls that the current policies do not allow",
        "unmapped": "calls that could not be mapped",
        "suspects": "suspicious calls",
    }
    if plan.today is None:
        del looked_for["missing"]
    absent = [looked_for[name] for name, _, shown in every if not shown and name in looked_for]
    return [(name, title) for name, title, shown in every if shown], absent


def _cards(plan: Plan) -> dict[str, Any]:
    now, proposed = plan.actions_now, plan.actions_proposed
    if now is None:
        cut = "in the proposal; the current policies were not given"
    elif now:
        change = 100 * (now - proposed) / now
        cut = f"{'−' if change >= 0 else '+'}{abs(change):.1f} %, from the current policies to the proposal"
    else:
        cut = "the current policies allow nothing"
    closed, left = _escalations(plan.risks.removed), _escalations(plan.risks.left)
    more_closed, more_left = len(plan.risks.removed) - closed, len(plan.risks.left) - left
    if plan.today is None:
        risk = f"in the proposal, and {pluralize(more_left, 'other risk')}; current ones are not known"
    else:
        risk = f"{closed:,} closed, {left:,} left; other risks: {more_closed:,} closed, {more_left:,} left"
    tight, asked = plan.tightness, len(plan.questions)
    strength = plan.strength
    return {
        "cut": cut,
        "paths_now": None if plan.today is None else closed + left,
        "paths_left": left,
        "risk_foot": risk,
        "evidence_foot": strength.reasons[0].sentence if strength and strength.reasons else "",
        "broader_text": broader(plan)[:1].upper() + broader(plan)[1:],
        "tight_foot": (
            "; ".join(
                filter(
                    None,
                    [
                        f"needed + unverified: {tight.words}",
                        broader(plan),
                        pluralize(asked, "question") if asked else "",
                    ],
                )
            )
        ),
    }


_FAMILIES = {
    "escalation": ("escalation path", "escalation paths"),
    "exfiltration": ("way to exfiltrate data", "ways to exfiltrate data"),
    "exposure": ("way to expose resources", "ways to expose resources"),
}


def _families(risks: Sequence[PlanRisk]) -> str:
    """Count risks by family: ``1 escalation path, 8 ways to data``."""
    numbers = Counter[str](risk.family for risk in risks)
    return ", ".join(
        f"{numbers[family]:,} {words[numbers[family] != 1]}"
        for family, words in _FAMILIES.items()
        if numbers[family]
    )


def _escalations(risks: Sequence[PlanRisk]) -> int:
    return sum(1 for risk in risks if risk.family == "escalation")


def _activity(plan: Plan) -> dict[str, Any]:
    heat = heat_of(plan)
    levels = edges(heat.rows)
    legend = [
        (charts.swatch("z"), "no event; it would have been seen"),
        (charts.swatch("x"), "no event; cannot tell"),
    ]
    lows = (1, *(edge + 1 for edge in levels))
    legend += [
        (charts.swatch(i), f"{low:,}" if low == high else f"{low:,} to {high:,}")
        for i, (low, high) in enumerate(zip(lows, levels, strict=False), LEVELS - len(levels) + 1)
    ]
    strength = plan.strength
    drawn = bool(strength and strength.curve and strength.curve[-1])
    return {
        "heat": heat,
        "patterns": charts.definitions(len(heat.columns)),
        "strips": [(row, charts.strip(row, heat.columns, levels)) for row in heat.rows],
        "axis": charts.axis([charts.day_label(day) for day in heat.columns]),
        "numbers": charts.numbers(heat.rows, heat.columns),
        "legend": legend,
        "curve": charts.curve(strength.curve) if strength and drawn else "",
        "curve_axis": charts.axis([charts.day_label(day) for day in _days(plan)]),
    }


def _days(plan: Plan) -> list[str]:
    start = date.fromisoformat(plan.window.start)
    return [(start + timedelta(days=n)).isoformat() for n in range(plan.window.days)]


def _services(plan: Plan) -> dict[str, Any]:
    bars = bars_of(plan)
    top = max((max(bar.now, bar.proposed) for bar in bars), default=0)
    drawn = [(bar, charts.bars(bar, top)) for bar in bars[: LIMITS["services"]]]
    return {"bars": drawn, "bars_omitted": len(bars) - len(drawn)}


def _changes(plan: Plan) -> dict[str, Any]:
    changes = changes_of(plan)
    totals: Counter[str] = Counter()
    for line in (*changes.lines, *changes.omitted):
        totals[line.kind] += len(line.actions)
    there = [kind for kind in WORDS if totals[kind]]
    unsure = also_needed(plan, [one.action for one in plan.changes if one.kind == "unknown"])
    return {
        "changes": changes,
        "rows": request_rows(changes, plan.role.account),
        "kinds": [(kind, WORDS[kind]) for kind in there],
        "totals": [(WORDS[kind] + unsure * (kind == "unknown"), totals[kind]) for kind in there],
        "omitted_actions": sum(len(line.actions) for line in changes.omitted),
    }


def _blind(plan: Plan) -> dict[str, Any]:
    blind, others = (
        keep_groups(plan, "unknown"),
        keep_groups(plan, "platform", "traced", "earlier", "decision"),
    )
    dropped = dropped_groups(plan)
    shown = (groups[: LIMITS["blind"]] for groups in (blind, others, dropped))
    sizes = [len(group.actions) for groups in shown for group in groups]
    return {
        "blind": blind,
        "kept": others,
        "dropped": dropped,
        "dropped_text": dropped_words(plan.dropped_unverified),
        "removed_text": "" if blind else _removed_text(plan),
        "limits": {**LIMITS, "blind_names": fair_share(sizes, _BLIND_NAMES)},
        "blind_actions": len({action for group in blind for action in group.actions}),
        "several_commands": sum(1 for group in blind if group.command) > 1,
    }


def _removed_text(plan: Plan) -> str:
    """Say of a plan that keeps nothing unverified what the removals rest on, and how many on no log."""
    removed = [one for one in plan.changes if one.kind == "removed"]
    seen = sum(1 for one in removed if one.why.startswith(VISIBLE))
    dropped = sum(1 for one in removed if one.action in plan.dropped_unverified)
    parts = [f"of {pluralize(seen, 'removed permission')} the logs would have shown a use"] if seen else []
    if others := len(removed) - seen - dropped:
        parts.append(f"{pluralize(others, 'removed permission')} for other reasons, which “What changes” has")
    if plan.dropped_unverified:
        parts.append(dropped_words(plan.dropped_unverified))
    return f"Nothing is kept unverified{': ' if parts else ''}{'; '.join(parts)}."


def _documents(plan: Plan) -> dict[str, Any]:
    limit = INLINE_LIMIT if len(plan.policies) == 1 else MANAGED_LIMIT
    proposed, today, room = [], [], _DOCUMENTS
    for policy in plan.policies:
        room -= policy.size
        text = document_text(policy.document, dense=plan.size > _DENSE) if room >= 0 else ""
        proposed.append({"name": policy.name, "size": policy.size, "limit": limit, "text": text})
    room = min(room, _TODAY)
    for one in plan.today or ():
        size = document_size(one)
        room -= size
        today.append(
            {"name": one.name, "size": size, "text": document_text(one.document) if room >= 0 else ""}
        )
    return {"proposed": proposed, "today": today}


def _method(plan: Plan) -> dict[str, Any]:
    return {
        "reading": plan.stored.get("reading"),
        "weak": plan.evidence.weak,
        "refused_events": plan.unauthenticated.count if plan.unauthenticated else 0,
    }


def _others(plan: Plan) -> Iterator[tuple[str, list[str], str]]:
    """Yield (title, lines, key in the plan's JSON) of what is rare."""
    decisions = plan.decisions
    if decisions.losses:
        lines = [f"{one.action} on {one.resource}, by {one.rule}" for one in decisions.losses]
        yield "Needed, but dropped by a decision: these calls will fail", lines, "decisions.losses"
    if decisions.spared:
        lines = [
            f"{rule} does not drop {', '.join(actions)}: {why}"
            for (rule, why), actions in spared_actions(plan).items()
        ]
        yield "Needed, and not dropped though a decision matches", lines, "decisions.spared"
    idle = [f"{rule} has expired and no longer applies" for rule in decisions.expired]
    idle += [f"{rule} matches nothing that this role has or does" for rule in decisions.unused]
    if idle:
        yield "Decisions without effect", idle, "decisions"
    if plan.losses:
        lines = [
            f"{one.action} on {one.resource}: statement {one.statement}, {one.why}" for one in plan.losses
        ]
        yield (
            "Granted more narrowly than requested: the current statement and the request overlap only in part",
            lines,
            "losses",
        )
    for grade, title in INFORMATIONAL_GRADES.items():
        lines = [
            f"{one.action} on {one.resource}, {pluralize(one.count, 'call')}: the proposal "
            f"{'allows it' if one.allowed else 'does not allow it'}"
            for one in plan.asides
            if one.grade == grade
        ]
        if lines:
            yield title, lines, "asides"
    if plan.barred:
        bounds = Counter(one.by for one in plan.barred)
        lines = [
            f"{pluralize(number, 'action')} that {bound} does not allow"
            for bound, number in sorted(bounds.items())
        ]
        yield "Granted today, but never effective: removed", lines, "barred"
