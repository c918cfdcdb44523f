"""Renders a plan as the comment of a pull request: the two answers first, and within GitHub's limit."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from policygen.evidence.anomalies import SHOWN_ONLY
from policygen.plan.keep_groups import dropped_groups
from policygen.plan.model import Document, Plan, PlanRisk
from policygen.plan.model_evidence import PlanAnomaly
from policygen.report.apply_steps import apply_steps, script_words
from policygen.report.commands import doctor_command
from policygen.report.figures import ActionUse, all_changes, figures, grouped, use_by_action
from policygen.report.markdown.escape import (
    Section,
    code,
    code_names,
    command_span,
    comment,
    fence,
    fitted_section,
    marker,
    prose,
    row,
)
from policygen.report.markdown.notices import command_for, notice_section
from policygen.report.markdown.question import question_line
from policygen.report.not_allowed import by_fate
from policygen.report.suspects import results_in_words
from policygen.report.wording import (
    also_needed,
    answer_of,
    denied_by,
    dropped_words,
    how_tight,
    where,
    why_and_confidence,
)
from policygen.rightsize.assess.changes import Change, Kind
from policygen.text import escape_controls, minute, pluralize, visible_json

SERVICES = 15
"""Most services in the table; the list below it has all."""
SHOWN = 6
"""Most reasons, promises and notes that stand above the sections that can be cut."""


def render(plan: Plan) -> str:
    """Return the comment, of at most `escape.LIMIT` bytes."""
    parts = (
        notice_section,
        _dropped,
        _apply,
        _changes,
        _risks,
        _questions,
        _blind_spots,
        _dropped_unverified,
        _not_granted,
        _suspects,
        _unmapped,
        _policies,
    )
    sections = [section for part in parts for section in part(plan)]
    return comment([Section(_head(plan)), *sections, Section(_foot(plan))])


def _head(plan: Plan) -> str:
    seen, window, strength = plan.evidence, plan.window, plan.strength
    answer = f": safe to apply? **{prose(answer_of(strength.verdict))}**" if strength else ""
    reasons = strength.reasons[:SHOWN] if strength else ()
    last = f", last {prose(minute(seen.last))}" if seen.last else ""
    days = f"{pluralize(window.days, 'day')}, {prose(window.start[:10])} to {prose(window.end[:10])} UTC"
    blocks = [
        marker("suggest", plan.role.account, plan.role.name),
        f"### policygen: {code(plan.role.name)} in {code(plan.role.account)}{answer}",
        "\n".join(f"- {prose(answer_of(one.verdict))}: {prose(one.sentence)}" for one in reasons),
        f"How tight? **{how_tight(plan)}**",
        "\n".join(
            f"- {'✔' if one.held else '✘'} **{prose(one.promise)}**: {prose(one.finding)}"
            for one in plan.proof[:SHOWN]
        ),
        f"Replay: {prose(plan.replay.sentence)}" if plan.replay else "",
        "\n".join(_figures(plan)),
        f"Evidence: {pluralize(seen.count, 'event')} on {plan.coverage.days_with_events} of {days}{last}.",
        "Today's policies are not known: this rests on the evidence alone." if plan.today is None else "",
        *(f"Note: {prose(note)}" for note in plan.notes[:SHOWN]),
    ]
    return "\n\n".join(block for block in blocks if block)


def _figures(plan: Plan) -> Iterator[str]:
    yield row("", "now", "proposed")
    yield row(":--", "--:", "--:")
    for one in figures(plan):
        yield row(prose(one.name), "not known" if one.now is None else f"{one.now:,}", f"{one.proposed:,}")


def _foot(plan: Plan) -> str:
    versions = f"policygen {code(plan.policygen)}, IAM data {code(plan.iam_data)}"
    return f"<sub>{versions}. Nothing in AWS was changed. All of it: {command_for(plan, 'text')}</sub>"


def _dropped(plan: Plan) -> Iterator[Section]:
    losses = plan.decisions.losses
    yield from fitted_section(
        f"Dropped although needed ({len(losses):,}): these calls will fail",
        [f"- {code(one.action)} on {code(one.resource)}, by {code(one.rule)}" for one in losses],
        noun="permission",
        rest=command_for(plan, "json"),
    )


def _apply(plan: Plan) -> Iterator[Section]:
    """List the steps that apply the plan, and the command for the same as a script."""
    apply = plan.apply_list
    script = f"{script_words(apply)}: {command_for(plan, 'aws-cli')}"
    yield from fitted_section(
        "To apply it, in this order",
        [f"{number}. {step}" for number, step in enumerate(apply_steps(apply, name=code), 1)],
        noun="step",
        rest=command_for(plan, "json"),
        end=script if apply.changes and not apply.unplaced else "",
        folded=False,
    )


# --- Changes ---------------------------------------------------------------------------------------


def _changes(plan: Plan) -> Iterator[Section]:
    used = use_by_action(plan)
    changes = all_changes(plan)
    services = _by_service(changes)
    staying = [name for name, members in services.items() if any(one.proposed for one in members)]
    more = len(staying) - SERVICES
    yield from fitted_section(
        "Grants by service" if plan.today is None else "Changes by service",
        [_summary(name, services[name], used) for name in staying[:SERVICES]],
        noun="service",
        rest=command_for(plan, "csv"),
        opening=_columns("service", "now", "proposed", "uses", "last"),
        end=f"And {pluralize(more, 'service')} more, in the list below." if more > 0 else "",
        folded=False,
    )
    lines = [line for name, members in services.items() for line in _service(name, members, used)]
    kinds = {} if plan.today is None else Counter(change.becomes for change in changes)
    unsure = also_needed(plan, [change.action for change in changes if change.kind == "unknown"])
    words = ", ".join(
        f"{number:,} {_KINDS[kind]}{unsure * (kind == 'unknown')}" for kind, number in sorted(kinds.items())
    )
    ticks = fence(lines)
    yield from fitted_section(
        f"All {pluralize(len(changes), 'permission')}{': ' if words else ''}{words}",
        lines,
        noun="line",
        rest=command_for(plan, "csv"),
        opening=f"{ticks}diff",
        closing=ticks,
        folded=True,
    )


_KINDS: Mapping[Kind, str] = {
    "narrowed": "narrowed",
    "unchanged": "as today",
    "kept": "required or declared",
    "unknown": "unverified",
    "removed": "removed",
    "added": "added",
    "missing": "seen, and not allowed today",
}
_SIGNS: Mapping[Kind, str] = {"narrowed": "!", "unchanged": "=", "unknown": "?", "removed": "-", "added": "+"}
"""The first character of a line, which colours it where it is shown as a diff."""


def _columns(*names: str) -> str:
    return "\n".join([row(*names), row(*("--:" if name == "uses" else ":--" for name in names))])


def _by_service(changes: Iterable[Change]) -> dict[str, list[Change]]:
    """Group changes by service: first the services that were used, last those that go completely."""
    groups = grouped((change.service, change) for change in changes)
    return {name: groups[name] for name in sorted(groups, key=lambda name: (_rank(groups[name]), name))}


def _rank(changes: Iterable[Change]) -> int:
    kinds = {change.kind for change in changes}
    return 2 if kinds <= {"removed", "missing"} else 1 if kinds <= {"removed", "missing", "unknown"} else 0


def _summary(service: str, changes: Sequence[Change], used: Mapping[str, ActionUse]) -> str:
    now = [change.now for change in changes if change.now]
    stay = [change for change in changes if change.proposed]
    seen = [used[change.action] for change in stay if change.action in used]
    return row(
        code(service),
        f"{pluralize(len(now), 'action')} on {code(where(now))}" if now else "",
        f"{pluralize(len(stay), 'action')} on {code(where(one.proposed for one in stay))}",
        f"{sum(one.uses for one in seen):,}",
        prose(minute(max(one.last for one in seen))) if seen else "",
    )


def _service(service: str, changes: Iterable[Change], used: Mapping[str, ActionUse]) -> Iterator[str]:
    """Yield the lines of a service: used actions one by one, the others together by reason."""
    yield _line("#", service)
    for change in changes:
        if change.kind in {"narrowed", "unchanged", "added"}:
            seen = used.get(change.action)
            uses = f"{pluralize(seen.uses, 'use')}, last {minute(seen.last)}" if seen else change.why
            yield _line(
                _SIGNS.get(change.kind, " "), f"{_name(change)} on {where([change.proposed])}: {uses}"
            )
    others = [one for one in changes if one.kind in {"kept", "unknown", "removed", "missing"}]
    for (becomes, _), members in grouped(((one.becomes, one.why), one) for one in others).items():
        if members:
            names = [_name(one) for one in members]
            sign = _SIGNS.get(becomes, " ")
            yield _line(sign, f"{pluralize(len(names), 'action')}: {why_and_confidence(members)}")
            for line in textwrap.wrap(" ".join(names), 100, break_long_words=False, break_on_hyphens=False):
                yield _line(sign, f"    {line}")


def _name(change: Change) -> str:
    return change.action.split(":", 1)[-1]


def _line(sign: str, text: str) -> str:
    shown = escape_controls(text)
    return f"{sign} {shown if len(shown) <= 400 else shown[:399] + '…'}"


# --- Judgement -------------------------------------------------------------------------------------


def _risks(plan: Plan) -> Iterator[Section]:
    for risks, title in (
        (plan.risks.left, "Risks left"),
        (plan.risks.removed, "Risks closed"),
    ):
        yield from fitted_section(
            f"{title} ({len(risks):,})",
            [f"- {_risk(one)}" for one in risks],
            noun="risk",
            rest=command_for(plan, "json"),
            folded=risks is plan.risks.removed,
        )


def _risk(one: PlanRisk) -> str:
    return (
        f"{code(one.rule)} {prose(one.title)}, by {code_names(one.actions)} on {code(where([one.resources]))}"
    )


def _blind_spots(plan: Plan) -> Iterator[Section]:
    unknown = [one for one in plan.keeps if one.kind == "unknown"]
    groups = grouped(((one.blind_spot or "", one.why, one.remedy), one.action) for one in unknown)
    widest = sorted(groups.items(), key=lambda one: (-len(one[1]), one[0]))
    doctor = command_span(doctor_command(plan))
    yield from fitted_section(
        f"Blind spots: {pluralize(len({one.action for one in unknown}), 'permission')} kept "
        "because the logs cannot show their use",
        [
            row(code(spot), prose(why), code_names(sorted(set(actions))), prose(remedy))
            for (spot, why, remedy), actions in widest
        ],
        noun="blind spot",
        rest=command_for(plan, "json"),
        opening=_columns("blind spot", "why", "permissions", "remedy"),
        end=f"{doctor} prints the command for all of them." if any(one.command for one in unknown) else "",
    )


def _dropped_unverified(plan: Plan) -> Iterator[Section]:
    """List the unverified permissions that a person dropped: no log can show that nothing will fail."""
    yield from fitted_section(
        dropped_words(plan.dropped_unverified),
        [
            row(code(one.blind_spot), prose(one.why), code_names(one.actions), prose(one.remedy))
            for one in dropped_groups(plan)
        ],
        noun="blind spot",
        rest=command_for(plan, "json"),
        opening=_columns("blind spot", "why", "permissions", "remedy"),
    )


def _questions(plan: Plan) -> Iterator[Section]:
    """List the unverified permissions as questions, and the names that may be new next time."""
    items = [question_line(plan, one) for one in plan.questions]
    items += [
        f"- {code(one.type)}: {pluralize(one.names, 'name')} written as seen; {prose(one.reason)}. "
        f"{code(f'--open {one.type}')} writes the type whole."
        for one in plan.open_names
    ]
    yield from fitted_section(
        f"Questions ({len(items):,})", items, noun="question", rest=command_for(plan, "json")
    )


# --- What is not granted ---------------------------------------------------------------------------


def _not_granted(plan: Plan) -> Iterator[Section]:
    for fate, missing in by_fate(plan.missing):
        yield from fitted_section(
            f"{fate.name} ({len(missing):,})",
            [
                f"- {code(one.action)} on {code(one.resource)}: {prose(one.cause)} ({pluralize(one.count, 'call')})"
                for one in missing
            ],
            noun="request",
            rest=command_for(plan, "csv"),
            end=f"If they are needed: {code(fate.step) if fate.step.startswith('--') else prose(fate.step)}.",
        )
    yield from fitted_section(
        f"Wanted but denied ({len(plan.wanted_but_denied):,}): not granted",
        [
            f"- {code(f'{one.action} on {one.resource}' if one.action else one.event)}: "
            f"{prose(denied_by(one.policy_type, explicit=one.explicit))} ({pluralize(one.count, 'call')})"
            for one in plan.wanted_but_denied
        ],
        noun="request",
        rest=command_for(plan, "csv"),
    )


def _suspects(plan: Plan) -> Iterator[Section]:
    odd = [one for one in plan.suspects if not one.accepted and one.sign not in SHOWN_ONLY]
    yield from fitted_section(
        f"Does not look like the workload ({pluralize(sum(one.count for one in odd), 'call')}): left out of the policy",
        [
            f"- {code(one.event)}: {pluralize(one.count, 'call')}{_results(one)}, "
            f"last {prose(minute(one.last))}, {code(one.sign)}, from {code_names([*one.addresses, *one.user_agents])}"
            + (f"; reported: {prose(one.reported)}" if one.reported else "")
            for one in odd
        ],
        noun="event",
        rest=command_for(plan, "text"),
    )


def _results(one: PlanAnomaly) -> str:
    return f" ({prose(results_in_words(one))})" if one.results else ""


def _unmapped(plan: Plan) -> Iterator[Section]:
    yield from fitted_section(
        f"Not mapped to IAM actions ({len(plan.unmapped):,}): decide by hand",
        [f"- {code(one.event)}: {prose(one.why)} ({pluralize(one.count, 'call')})" for one in plan.unmapped],
        noun="event",
        rest=command_for(plan, "json"),
    )


def _policies(plan: Plan) -> Iterator[Section]:
    """Show the documents, each completely or not at all: nobody should copy a part."""
    yield from fitted_section(
        f"The policy: {pluralize(len(plan.policies), 'document')}, {pluralize(plan.size, 'character')}",
        [_document(one) for one in plan.policies],
        noun="document",
        rest=command_for(plan, "policy"),
        folded=True,
    )


def _document(one: Document) -> str:
    text = visible_json(json.dumps(one.document, indent=2, ensure_ascii=False))
    ticks = fence([text])
    return f"{code(one.name)}\n\n{ticks}json\n{text}\n{ticks}\n"
