"""The screen and the JSON of `explain`: one action of one role, in 80 columns or for machines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from policygen.report.terminal.layout import LISTED, in_ascii, more, sparks, wrapped
from policygen.report.wording import list_resources, minute, short
from policygen.rightsize.explain import Explanation, StatementRef
from policygen.text import escape_controls, pluralize, visible_json

_LEAD = "             "


def render_explanation_text(one: Explanation, *, show_events: bool = False, ascii_only: bool = False) -> str:
    """The screen; with `show_events` each call, without the values of parameters that name nothing."""
    lines = [*_head(one), *_seen(one), *_else(one)]
    if show_events:
        lines += _calls(one)
    elif one.use.calls:
        lines.append("--events prints the calls; values of parameters are left out")
    text = "\n".join(escape_controls(line).rstrip() for line in lines) + "\n"
    return in_ascii(text) if ascii_only else text


def _field(name: str, text: str) -> Iterator[str]:
    yield from wrapped(f"  {name:<11}", text, _LEAD)


def _head(one: Explanation) -> Iterator[str]:
    where = f" in {'statement' if len(one.kept_in) == 1 else 'statements'} {', '.join(one.kept_in)}"
    verdict = f"{one.verdict}{where if one.kept_in and one.verdict == 'kept' else ''}"
    yield from wrapped("", f"{one.action} for {one.role}: {verdict}", "  ")
    if one.does:
        yield from _field("does", one.does)


def _seen(one: Explanation) -> Iterator[str]:
    if one.use.evidence is None:
        blind_spot, since = one.observability.blind_spot, one.observability.since
        visible = f"no: {blind_spot.why}" if blind_spot else f"yes: it would have been seen since {since}"
        yield from _field("visible", visible)
        yield from _field("seen", "0 calls, which proves nothing" if blind_spot else "0 calls")
        if one.last_accessed:
            yield from _field("IAM says", one.last_accessed.removeprefix("IAM "))
        return
    seen = one.use.evidence
    yield from _field(
        "seen", f"{pluralize(seen.count, 'call')} on {len(seen.days)} of {len(one.use.per_day)} days"
    )
    yield from _field("", f"first {minute(seen.first)}, last {minute(seen.last)} UTC")
    if len(one.use.per_day) > 1:
        yield from _field("", f"{sparks(one.use.per_day)}  a day, at most {max(one.use.per_day):,}")
    for i, (request, evidence) in enumerate(list(one.use.resources.items())[:LISTED]):
        yield from _field("on" if i == 0 else "", f"{evidence.count:>7,}  {short(request.resource)}")
    yield from more(len(one.use.resources), LISTED)
    for i, (event, rules) in enumerate(one.use.events.items()):
        yield from _field("event" if i == 0 else "", f"{event} → {one.action}")
        for rule in rules[:LISTED]:
            yield from _field("", f"map: {rule}")
    origin = [", ".join(sorted(seen.addresses)), ", ".join(sorted(seen.agents))]
    if seen.sessions:
        origin.append(f"session {', '.join(sorted(seen.sessions))}")
    yield from _field("from", "; ".join(part for part in origin if part))
    if one.use.errors:
        failed = ", ".join(f"{n:,} {code}" for code, n in one.use.errors.items())
        yield from _field("errors", f"{failed}: they count, the permission was checked before")


def _else(one: Explanation) -> Iterator[str]:
    for wanted, seen in one.denied.items():
        policy = f" by {'an explicit deny of ' if wanted.explicit else ''}{wanted.policy_type}" * bool(
            wanted.policy_type
        )
        yield from _field(
            "denied",
            f"{pluralize(seen.count, 'call')} on {short(wanted.resource)}{policy}: no evidence of need",
        )
    if one.anomalous:
        yield from _field(
            "set apart",
            f"{pluralize(one.anomalous.count, 'call')} unlike the workload, last {minute(one.anomalous.last)}",
        )
    if one.granted_by is None:
        yield from _field("granted by", "not known: no account snapshot was given")
    for place in one.granted_by or ():
        yield from _field("granted by" if place.effect == "Allow" else "denied by", _place(place))
    if one.granted_by == ():
        yield from _field("granted by", "no policy of today")
    for rule in one.rules:
        yield from _field("ARN", f"written by rule: {rule}")
    for keep in one.keeps[:LISTED]:
        grant = keep.grant
        where = (
            f"everything but {list_resources([grant.excluded])}" if grant.excluded else short(grant.resource)
        )
        yield from _field("kept", f"on {where}: {keep.why}")
    blind_spot = one.observability.blind_spot
    if blind_spot and one.use.evidence is None:
        yield from _field("to know", blind_spot.remedy)
        if blind_spot.command:
            yield f"             {blind_spot.command}"
    if one.why_removed and one.why_removed != "visible, 0 calls":
        yield from _field("goes", one.why_removed)
    if one.verdict == "removed":
        yield from _field("keep it", f"--keep {one.action}, or keep in policygen.toml")


def _place(place: StatementRef) -> str:
    policy = f"{place.policy}, " if place.policy else ""
    resources = ", ".join(place.resources[:3]) + (" …" if len(place.resources) > 3 else "")
    actions = ", ".join(place.patterns[:3]) + (" …" if len(place.patterns) > 3 else "")
    return f"{policy}statement {place.statement}: {actions} on {resources}"


def _calls(one: Explanation) -> Iterator[str]:
    yield ""
    for _, call, seen in one.use.calls:
        error = f" {call.error}" if call.error else ""
        yield from wrapped(
            f"{minute(seen.first)}  ",
            f"{pluralize(seen.count, 'time')}  {call.source} {call.name} {call.region}{error}  "
            f"{', '.join(seen.event_ids)}",
        )


def render_explanation_json(one: Explanation) -> str:
    """The same as one JSON object with sorted keys."""
    return (
        visible_json(json.dumps(explanation_dict(one), indent=2, sort_keys=True, ensure_ascii=False)) + "\n"
    )


def explanation_dict(one: Explanation) -> dict[str, Any]:
    """The explanation as plain values."""
    seen, blind_spot = one.use.evidence, one.observability.blind_spot
    return {
        "action": one.action,
        "role": one.role,
        "verdict": one.verdict,
        "does": one.does,
        "seen": None
        if seen is None
        else {
            "count": seen.count,
            "days": len(seen.days),
            "first": seen.first,
            "last": seen.last,
            "per_day": list(one.use.per_day),
            "sessions": sorted(seen.sessions),
            "addresses": sorted(seen.addresses),
            "user_agents": sorted(seen.agents),
        },
        "resources": [
            {"resource": request.resource, "count": evidence.count}
            for request, evidence in one.use.resources.items()
        ],
        "events": {event: list(rules) for event, rules in one.use.events.items()},
        "calls": [
            {
                "day": day,
                "event": f"{call.source} {call.name}",
                "region": call.region,
                "error": call.error,
                "count": evidence.count,
                "event_ids": list(evidence.event_ids),
            }
            for day, call, evidence in one.use.calls
        ],
        "errors": dict(one.use.errors),
        "denied": [
            {"resource": w.resource, "policy_type": w.policy_type, "explicit": w.explicit, "count": e.count}
            for w, e in one.denied.items()
        ],
        "set_apart": one.anomalous.count if one.anomalous else 0,
        "granted_by": None
        if one.granted_by is None
        else [
            {
                "policy": place.policy,
                "statement": place.statement,
                "effect": place.effect,
                "actions": list(place.patterns),
                "resources": list(place.resources),
            }
            for place in one.granted_by
        ],
        "kept_in": list(one.kept_in),
        "keeps": [{"resource": keep.grant.resource, "why": keep.why} for keep in one.keeps],
        "rules": list(one.rules),
        "visible": blind_spot is None,
        "why_not_visible": blind_spot.why if blind_spot else "",
        "visible_since": one.observability.since,
        "remedy": blind_spot.remedy if blind_spot else "",
        "command": blind_spot.command if blind_spot else "",
        "last_accessed": one.last_accessed,
        "why_removed": one.why_removed,
    }
