"""Renders an explanation of one action of one role as a screen."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from policygen.evidence.suspicious import CallOutcome
from policygen.logs.calls.evidence import Evidence
from policygen.logs.events.outcome import UNSUCCESSFUL
from policygen.report.figures import grouped
from policygen.report.not_allowed import fate_of
from policygen.report.terminal.layout import LISTED, WIDTH, Layout, finished, sparks
from policygen.report.wording import caution_words, list_resources, short
from policygen.rightsize.explain import Explanation, StatementRef, Verdict
from policygen.rightsize.keep.model import ONLY_CODE
from policygen.text import about_names, minute, pluralize

_LEAD = "             "

Field = tuple[str, str]
"""What a line is about, "" for the same as before, and its text."""

_VERDICTS: Mapping[Verdict, str] = {
    "cannot tell": "unverified, kept as today",
    "set apart": "removed: used only in suspicious calls",
    "not allowed today": "used, but not allowed today: not added",
    "never granted": "not allowed today, and not used",
}
"""A verdict -> the screen's words for it, where they are others."""
_FIXED: Mapping[Verdict, str] = {
    "kept": "needed",
    "cannot tell": "unverified",
    "removed": "allowed, and not needed",
    "set apart": "used only in suspicious calls",
}
"""Likewise for a role that nobody can edit: its policies are edited elsewhere."""


_CHOICES = {
    "open": "expect more",
    "closed": "no others expected",
    "ask": "not enough to tell whether there are others",
}
"""What the evidence says of names -> the screen's words for it."""


_BEARERS = {"iam:PassRole": "pass a role"}
_OTHER_BEARERS = "ask for it as well"
"""In which calls an action shows that has no event of its own."""


def render_explanation_text(
    explanation: Explanation,
    *,
    show_events: bool = False,
    ascii_only: bool = False,
    width: int = WIDTH,
    inputs: Sequence[str] = (),
) -> str:
    """Return the screen; with `show_events` it lists each call, without values of parameters.

    `inputs` are the words of the command line that say what was read, for a command that reads the same.
    """
    layout = Layout(width)
    lines = [*_head(explanation, layout)]
    for name, text in (*_seen(explanation), *_reasons(explanation)):
        lines += layout.wrapped(f"  {name:<11}", text, _LEAD)
    lines += _how_to_see(explanation, layout, inputs)
    if show_events:
        lines += _calls(explanation, layout)
    elif explanation.use.calls or explanation.suspicious or explanation.denied_calls:
        lines.append("Add --events to list the calls; the values of parameters are left out.")
    return finished(lines, ascii_only=ascii_only)


def _head(explanation: Explanation, layout: Layout) -> Iterator[str]:
    words = {**_VERDICTS, **_FIXED} if explanation.fixed else _VERDICTS
    verdict = words.get(explanation.verdict, explanation.verdict)
    fates = {fate_of(one.cause) for one in explanation.not_added}
    if explanation.verdict == "not allowed today" and fates and all(one.next_run for one in fates):
        verdict = "used, but denied today, and at the next run with or without the new policy"
    if explanation.verdict == "kept" and explanation.kept_in and not explanation.fixed:
        statements = "statement" if len(explanation.kept_in) == 1 else "statements"
        verdict = f"kept in {statements} {', '.join(explanation.kept_in)}"
        if explanation.not_added:
            verdict += f", but not for {pluralize(_calls_not_added(explanation), 'call')}: not allowed today"
    elif explanation.verdict == "never granted" and explanation.suspicious and not explanation.use.calls:
        verdict = "not allowed today, and tried only in suspicious calls"
    yield from layout.wrapped("", f"{explanation.action} for {explanation.role}: {verdict}", "  ")
    if explanation.does:
        yield from layout.wrapped(f"  {'does':<11}", explanation.does, _LEAD)


def _listed(name: str, texts: Sequence[str]) -> Iterator[Field]:
    """Yield the first of some texts under one name, and how many more there are."""
    for i, text in enumerate(texts[:LISTED]):
        yield "" if i else name, text
    if len(texts) > LISTED:
        yield "", f"and {len(texts) - LISTED:,} more (-f json has all)"


def _traced(explanation: Explanation) -> Iterator[Field]:
    """Say what traces show; nothing where they show nothing."""
    texts = []
    for request, seen in explanation.traced.items():
        dated = f", first {minute(seen.first)}, last {minute(seen.last)} UTC" if seen.days else ""
        texts.append(f"{pluralize(seen.count, 'call')} on {short(request.resource)}{dated}")
    yield from _listed("in traces", texts)


def _seen(explanation: Explanation) -> Iterator[Field]:
    yield from _traced(explanation)
    if free := explanation.without_permission:
        yield "seen", f"{pluralize(free.count, 'call')}; AWS answers them without a permission"
        yield "", f"first {minute(free.first)}, last {minute(free.last)} UTC"
        return
    if explanation.use.evidence is None:
        yield from _unseen(explanation)
        yield from _implied(explanation)
        if explanation.last_accessed:
            yield "IAM says", explanation.last_accessed.removeprefix("IAM ")
        return
    seen, per_day = explanation.use.evidence, explanation.use.per_day
    number = pluralize(seen.count, "call")
    if 0 < (beyond := _calls_not_added(explanation)) < seen.count:
        number += f", {beyond:,} of them not allowed today,"
    yield "seen", f"{number} on {len(seen.days)} of {pluralize(len(per_day), 'day')}"
    yield "", f"first {minute(seen.first)}, last {minute(seen.last)} UTC"
    if len(per_day) > 1:
        yield "", f"{sparks(per_day)}  a day, at most {max(per_day):,}"
    yield from _implied(explanation)
    left_out = {one.request.resource for one in explanation.not_added}
    uses = explanation.use.resources.items()
    yield from _listed("on", [_use(*use, ", not added" * (use[0] in left_out)) for use in uses])
    for i, (event, rules) in enumerate(explanation.use.events.items()):
        yield "" if i else "event", f"{event} → {explanation.action}"
        yield from (("", f"map: {_PATTERN.sub('', rule)}") for rule in _rules_of(event, rules)[:LISTED])
    origin = [", ".join(sorted(seen.addresses)), ", ".join(sorted(seen.agents))]
    if seen.sessions:
        origin.append(f"session {', '.join(sorted(seen.sessions))}")
    yield "from", "; ".join(part for part in origin if part)
    if explanation.use.errors:
        failed = ", ".join(f"{n:,} {code}" for code, n in explanation.use.errors.items())
        yield "errors", f"{failed}: these count, because AWS checked the permission first"


def _unseen(explanation: Explanation) -> Iterator[Field]:
    """Say whether the logs would have shown a use, where they show none."""
    blind_spot, since = explanation.observability.blind_spot, explanation.observability.since
    if blind_spot:
        yield "visible", f"no: {blind_spot.why}"
        yield "seen", "0 calls, which proves nothing"
    elif not explanation.has_own_event:
        bearers = _BEARERS.get(explanation.action, _OTHER_BEARERS)
        yield "visible", f"never as an event of its own: only in calls that {bearers}, logged since {since}"
        yield "seen", f"0 calls that {bearers}"
    else:
        yield "visible", f"yes: a call would have been logged since {since}"
        yield "seen", "0 calls"


def _use(resource: str, evidence: Evidence, fate: str) -> str:
    names = f", {about_names(evidence.name_count)} counted together" if evidence.names else ""
    return f"{evidence.count:>6,}  {short(resource)}{names}{fate}"


def _calls_not_added(explanation: Explanation) -> int:
    return sum(one.evidence.count for one in explanation.not_added)


_PATTERN = re.compile(r"\|matches:.*?\$(?=\})")
"""What a value has to match, in a mapping rule: ``-f json`` has it."""


def _rules_of(event: str, rules: Sequence[str]) -> Sequence[str]:
    """Return the mapping rules of one event: those that name another one are not its own."""
    own = [rule for rule in rules if rule.partition(";")[0] == f"event {event.partition(' ')[2]}"]
    return own or [rule for rule in rules if not rule.startswith("event ")] or rules


def _implied(explanation: Explanation) -> Iterator[Field]:
    """Tell of calls of other kinds that show the action, or often need it."""
    if implied := explanation.use.implied:
        yield "", f"{pluralize(implied.count, 'call')} of other kinds suggest it too: not counted"


def _not_added(explanation: Explanation) -> Iterator[Field]:
    """Say which calls today's policies do not allow, and what may have allowed them."""
    causes = grouped((one.cause, one) for one in explanation.not_added)
    for i, (cause, some) in enumerate(causes.items()):
        calls = pluralize(sum(one.evidence.count for one in some), "call")
        names = list_resources([[one.request.resource for one in some]])
        fate = fate_of(cause)
        ends = f"; {fate.next_run}" if fate.next_run else ""
        yield (
            "" if i else "not added",
            f"{calls} on {names}: today's policies do not allow them; {cause}{ends}",
        )
        yield "if needed", fate.step


def _reasons(explanation: Explanation) -> Iterator[Field]:
    yield from _not_added(explanation)
    for denied, seen in explanation.denied.items():
        policy = f" by {'an explicit deny of ' if denied.explicit else ''}{denied.policy_type}" * bool(
            denied.policy_type
        )
        yield (
            "denied",
            f"{pluralize(seen.count, 'call')} on {short(denied.resource)}{policy}: no evidence of need",
        )
    yield from _suspicious(explanation)
    if explanation.granted_by is None:
        yield "granted by", "not known: no account snapshot was given"
    for place in explanation.granted_by or ():
        yield "granted by" if place.effect == "Allow" else "denied by", _statement(place)
    if explanation.granted_by == ():
        yield "granted by", "no current policy"
    yield from _listed("to know", [caution_words(one) for one in explanation.cautions])
    risks = [f"{one.rule} {one.title}: the new policy still allows it" for one in explanation.risks_left]
    risks += [f"{one.rule} {one.title}: the new policy closes it" for one in explanation.risks_closed]
    yield from _listed("risk", risks)
    yield from _listed(
        "names", [f"{short(one.parent)}: {one.why}: {_CHOICES[one.choice]}" for one in explanation.names]
    )
    for rule in explanation.rules:
        yield "ARN", f"written by rule: {rule}"
    for keep in explanation.keeps[:LISTED]:
        grant = keep.grant
        where = (
            f"everything but {list_resources([grant.excluded])}" if grant.excluded else short(grant.resource)
        )
        yield (
            "unverified" if explanation.fixed and keep.kind == "unknown" else "kept",
            f"on {where}: {keep.why}{f'; {keep.note}' if keep.note else ''}",
        )
    if explanation.why_removed and explanation.why_removed != "visible, 0 calls":
        yield "why", explanation.why_removed
    if explanation.without_permission and explanation.decided_by:
        yield "why", "no policy is asked for it, so removing it changes nothing"
    elif decided := explanation.decided_by:
        yield "decided by", f"{decided.rule}, confidence {decided.confidence}, {decided.source}"
    if explanation.fixed:
        yield "fixed", explanation.fixed.reason
        yield "instead", explanation.fixed.instead
    elif explanation.verdict == "removed" and not explanation.without_permission:
        yield "keep it", f"--keep {explanation.action}, or a [[keep]] in policygen.toml"
    elif explanation.verdict == "cannot tell":
        if any(keep.note.startswith(ONLY_CODE) for keep in explanation.keeps):
            yield "asked", "does that code use it?"
        yield "if unused", f"--drop {explanation.action}, or, with a reason, a [[drop]] in policygen.toml"
        yield "if used", f"--keep {explanation.action}, or a [[keep]] in policygen.toml"


def _suspicious(explanation: Explanation) -> Iterator[Field]:
    """Tell of the calls that do not look like the workload: how many, and the first of them."""
    calls = explanation.suspicious
    if not calls:
        return
    left_out = sum(one.evidence.count for one in calls if one.sign not in explanation.accepted)
    number = pluralize(sum(one.evidence.count for one in calls), "call")
    fate = f", {left_out:,} left out of the policy" if left_out else ", accepted or only shown"
    if all(one.result in UNSUCCESSFUL for one in calls):
        fate = ", not authorised by AWS"
    yield "suspicious", f"{number}{fate}, last {minute(calls[-1].evidence.last)} UTC"
    yield from _listed("", [f"{minute(one.evidence.first)}  {_ended(one)}, {one.sign}" for one in calls])


def _ended(one: CallOutcome) -> str:
    """Say what a call was, how it ended, and where it came from."""
    call = one.key.call
    error = f" ({call.error})" if call.error else ""
    origin = f" from {', '.join(sorted(one.evidence.addresses))}" if one.evidence.addresses else ""
    return f"{call.source} {call.name}: {one.result}{error}{origin}"


def _how_to_see(explanation: Explanation, layout: Layout, inputs: Sequence[str]) -> Iterator[str]:
    """Say what would let the logs show the action, with the command, which stays on one line."""
    blind_spot = explanation.observability.blind_spot
    unseen = explanation.use.evidence is None and not explanation.traced
    if blind_spot and unseen and explanation.decided_by is None:
        yield from layout.wrapped(f"  {'find out':<11}", blind_spot.remedy)
        if blind_spot.command.startswith("aws "):  # it is long: it lists all that the trail logs
            _, _, account = blind_spot.command.partition("# in account ")
            there = f", to run in account {account}, which owns the trail" if account else ""
            doctor = shlex.join(["policygen", "doctor", "-r", explanation.role, *inputs])
            yield from layout.command(_LEAD, doctor)
            yield from layout.wrapped(_LEAD, f"prints the command{there}")
        elif blind_spot.command:
            yield f"{_LEAD}{blind_spot.command}"


def _statement(place: StatementRef) -> str:
    policy = f"{place.policy}, " if place.policy else ""
    resources = ", ".join(place.resources[:3]) + (" …" if len(place.resources) > 3 else "")
    actions = ", ".join(place.patterns[:3]) + (" …" if len(place.patterns) > 3 else "")
    return f"{policy}statement {place.statement}: {actions} on {resources}"


def _calls(explanation: Explanation, layout: Layout) -> Iterator[str]:
    yield ""
    for _, call, seen in explanation.use.calls:
        error = f" {call.error}" if call.error else ""
        yield from layout.wrapped(
            f"{minute(seen.first)}  ",
            f"{pluralize(seen.count, 'call')}  {call.source} {call.name} {call.region}{error}  "
            f"{', '.join(seen.event_ids)}",
        )
    for one in (*explanation.denied_calls, *explanation.suspicious):
        kind = "suspicious " if one.sign else ""
        yield from layout.wrapped(
            f"{minute(one.evidence.first)}  ",
            f"{pluralize(one.evidence.count, f'{kind}call')}  {_ended(one)}  {', '.join(one.evidence.event_ids)}",
        )
