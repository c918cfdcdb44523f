"""Renders an explanation of one action of one role: as a screen of 80 columns and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from policygen.report.terminal.layout import LISTED, in_ascii, more, sparks, wrapped
from policygen.report.wording import list_resources, minute, short
from policygen.rightsize.explain import Explanation, StatementRef
from policygen.text import escape_controls, pluralize, visible_json

_LEAD = "             "


def render_explanation_text(
    explanation: Explanation, *, show_events: bool = False, ascii_only: bool = False
) -> str:
    """Return the screen; with `show_events` it lists each call, without values of parameters."""
    lines = [*_head(explanation), *_seen(explanation), *_reasons(explanation)]
    if show_events:
        lines += _calls(explanation)
    elif explanation.use.calls:
        lines.append("--events prints the calls; values of parameters are left out")
    text = "\n".join(escape_controls(line).rstrip() for line in lines) + "\n"
    return in_ascii(text) if ascii_only else text


def _field(name: str, text: str) -> Iterator[str]:
    yield from wrapped(f"  {name:<11}", text, _LEAD)


def _head(explanation: Explanation) -> Iterator[str]:
    where = f" in {'statement' if len(explanation.kept_in) == 1 else 'statements'} {', '.join(explanation.kept_in)}"
    verdict = f"{explanation.verdict}{where if explanation.kept_in and explanation.verdict == 'kept' else ''}"
    yield from wrapped("", f"{explanation.action} for {explanation.role}: {verdict}", "  ")
    if explanation.does:
        yield from _field("does", explanation.does)


def _traced(explanation: Explanation) -> Iterator[str]:
    """Say what traces show; nothing where they show nothing."""
    for i, (request, seen) in enumerate(list(explanation.traced.items())[:LISTED]):
        dated = f", first {minute(seen.first)}, last {minute(seen.last)} UTC" if seen.days else ""
        calls = f"{pluralize(seen.count, 'call')} on {short(request.resource)}{dated}"
        yield from _field("in traces" if i == 0 else "", calls)
    yield from more(len(explanation.traced), LISTED)


def _seen(explanation: Explanation) -> Iterator[str]:
    yield from _traced(explanation)
    if explanation.use.evidence is None:
        blind_spot, since = explanation.observability.blind_spot, explanation.observability.since
        visible = f"no: {blind_spot.why}" if blind_spot else f"yes: it would have been seen since {since}"
        yield from _field("visible", visible)
        yield from _field("seen", "0 calls, which proves nothing" if blind_spot else "0 calls")
        if explanation.last_accessed:
            yield from _field("IAM says", explanation.last_accessed.removeprefix("IAM "))
        return
    seen = explanation.use.evidence
    yield from _field(
        "seen", f"{pluralize(seen.count, 'call')} on {len(seen.days)} of {len(explanation.use.per_day)} days"
    )
    yield from _field("", f"first {minute(seen.first)}, last {minute(seen.last)} UTC")
    if len(explanation.use.per_day) > 1:
        yield from _field(
            "", f"{sparks(explanation.use.per_day)}  a day, at most {max(explanation.use.per_day):,}"
        )
    for i, (request, evidence) in enumerate(list(explanation.use.resources.items())[:LISTED]):
        yield from _field("on" if i == 0 else "", f"{evidence.count:>7,}  {short(request.resource)}")
    yield from more(len(explanation.use.resources), LISTED)
    for i, (event, rules) in enumerate(explanation.use.events.items()):
        yield from _field("event" if i == 0 else "", f"{event} → {explanation.action}")
        for rule in rules[:LISTED]:
            yield from _field("", f"map: {rule}")
    origin = [", ".join(sorted(seen.addresses)), ", ".join(sorted(seen.agents))]
    if seen.sessions:
        origin.append(f"session {', '.join(sorted(seen.sessions))}")
    yield from _field("from", "; ".join(part for part in origin if part))
    if explanation.use.errors:
        failed = ", ".join(f"{n:,} {code}" for code, n in explanation.use.errors.items())
        yield from _field("errors", f"{failed}: they count, the permission was checked before")


def _reasons(explanation: Explanation) -> Iterator[str]:
    for denied, seen in explanation.denied.items():
        policy = f" by {'an explicit deny of ' if denied.explicit else ''}{denied.policy_type}" * bool(
            denied.policy_type
        )
        yield from _field(
            "denied",
            f"{pluralize(seen.count, 'call')} on {short(denied.resource)}{policy}: no evidence of need",
        )
    if anomalous := explanation.anomalous:
        calls = pluralize(anomalous.count, "call")
        yield from _field("set apart", f"{calls} unlike the workload, last {minute(anomalous.last)}")
    if explanation.granted_by is None:
        yield from _field("granted by", "not known: no account snapshot was given")
    for place in explanation.granted_by or ():
        yield from _field("granted by" if place.effect == "Allow" else "denied by", _statement(place))
    if explanation.granted_by == ():
        yield from _field("granted by", "no policy of today")
    for rule in explanation.rules:
        yield from _field("ARN", f"written by rule: {rule}")
    for keep in explanation.keeps[:LISTED]:
        grant = keep.grant
        where = (
            f"everything but {list_resources([grant.excluded])}" if grant.excluded else short(grant.resource)
        )
        yield from _field("kept", f"on {where}: {keep.why}{f'; {keep.note}' if keep.note else ''}")
    blind_spot = explanation.observability.blind_spot
    unseen = explanation.use.evidence is None and not explanation.traced
    if blind_spot and unseen and explanation.decided_by is None:
        yield from _field("to know", blind_spot.remedy)
        if blind_spot.command:
            yield f"             {blind_spot.command}"
    if explanation.why_removed and explanation.why_removed != "visible, 0 calls":
        yield from _field("goes", explanation.why_removed)
    if decided := explanation.decided_by:
        source = f", {decided.source}" if decided.source else ""
        yield from _field("decided by", f"{decided.rule}, confidence {decided.confidence}{source}")
    if explanation.verdict == "removed":
        yield from _field("keep it", f"--keep {explanation.action}, or keep in policygen.toml")


def _statement(place: StatementRef) -> str:
    policy = f"{place.policy}, " if place.policy else ""
    resources = ", ".join(place.resources[:3]) + (" …" if len(place.resources) > 3 else "")
    actions = ", ".join(place.patterns[:3]) + (" …" if len(place.patterns) > 3 else "")
    return f"{policy}statement {place.statement}: {actions} on {resources}"


def _calls(explanation: Explanation) -> Iterator[str]:
    yield ""
    for _, call, seen in explanation.use.calls:
        error = f" {call.error}" if call.error else ""
        yield from wrapped(
            f"{minute(seen.first)}  ",
            f"{pluralize(seen.count, 'time')}  {call.source} {call.name} {call.region}{error}  "
            f"{', '.join(seen.event_ids)}",
        )


def render_explanation_json(explanation: Explanation) -> str:
    """Return the explanation as one JSON object with sorted keys."""
    return (
        visible_json(json.dumps(explanation_dict(explanation), indent=2, sort_keys=True, ensure_ascii=False))
        + "\n"
    )


def explanation_dict(explanation: Explanation) -> dict[str, Any]:
    """The explanation as plain values."""
    seen, blind_spot = explanation.use.evidence, explanation.observability.blind_spot
    return {
        "action": explanation.action,
        "role": explanation.role,
        "verdict": explanation.verdict,
        "does": explanation.does,
        "seen": None
        if seen is None
        else {
            "count": seen.count,
            "days": len(seen.days),
            "first": seen.first,
            "last": seen.last,
            "per_day": list(explanation.use.per_day),
            "sessions": sorted(seen.sessions),
            "addresses": sorted(seen.addresses),
            "user_agents": sorted(seen.agents),
        },
        "resources": [
            {"resource": request.resource, "count": evidence.count}
            for request, evidence in explanation.use.resources.items()
        ],
        "in_traces": [
            {
                "resource": request.resource,
                "count": evidence.count,
                "first": evidence.first,
                "last": evidence.last,
            }
            for request, evidence in explanation.traced.items()
        ],
        "events": {event: list(rules) for event, rules in explanation.use.events.items()},
        "calls": [
            {
                "day": day,
                "event": f"{call.source} {call.name}",
                "region": call.region,
                "error": call.error,
                "count": evidence.count,
                "event_ids": list(evidence.event_ids),
            }
            for day, call, evidence in explanation.use.calls
        ],
        "errors": dict(explanation.use.errors),
        "denied": [
            {"resource": w.resource, "policy_type": w.policy_type, "explicit": w.explicit, "count": e.count}
            for w, e in explanation.denied.items()
        ],
        "set_apart": explanation.anomalous.count if explanation.anomalous else 0,
        "granted_by": None
        if explanation.granted_by is None
        else [
            {
                "policy": place.policy,
                "statement": place.statement,
                "effect": place.effect,
                "actions": list(place.patterns),
                "resources": list(place.resources),
            }
            for place in explanation.granted_by
        ],
        "kept_in": list(explanation.kept_in),
        "keeps": [{"resource": keep.grant.resource, "why": keep.why} for keep in explanation.keeps],
        "rules": list(explanation.rules),
        "visible": blind_spot is None,
        "why_not_visible": blind_spot.why if blind_spot else "",
        "visible_since": explanation.observability.since,
        "remedy": blind_spot.remedy if blind_spot else "",
        "command": blind_spot.command if blind_spot else "",
        "last_accessed": explanation.last_accessed,
        "why_removed": explanation.why_removed,
        "decided_by": explanation.decided_by
        and explanation.decided_by._asdict() | {"why": explanation.why_removed},
    }
