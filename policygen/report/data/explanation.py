"""Renders an explanation of one action of one role as JSON."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from policygen.evidence.suspicious import CallOutcome
from policygen.report.not_allowed import fate_of
from policygen.report.wording import caution_words
from policygen.rightsize.explain import Explanation
from policygen.text import visible_json


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
            {"resource": resource, "count": evidence.count}
            | ({"names": evidence.name_count} if evidence.names else {})
            for resource, evidence in explanation.use.resources.items()
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
        "not_added": [
            {"resource": one.request.resource, "count": one.evidence.count, "cause": one.cause}
            | {"next_run": fate_of(one.cause).next_run}
            for one in explanation.not_added
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
        "denied_calls": [_call_dict(one) for one in explanation.denied_calls],
        "suspicious": [
            _call_dict(one) | {"sign": one.sign, "accepted": one.sign in explanation.accepted}
            for one in explanation.suspicious
        ],
        "implied": explanation.use.implied.count if explanation.use.implied else 0,
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
        "names": [
            {
                "type": one.type,
                "parent": one.parent,
                "seen": one.seen,
                "active_days": one.active_days,
                "new_days": one.new_days,
                "late_days": one.late_days,
                "choice": one.choice,
                "why": one.why,
            }
            for one in explanation.names
        ],
        "without_permission": explanation.without_permission.count if explanation.without_permission else 0,
        "has_own_event": explanation.has_own_event,
        "risks_closed": [one.rule for one in explanation.risks_closed],
        "risks_left": [one.rule for one in explanation.risks_left],
        "cautions": [caution_words(one) for one in explanation.cautions],
        "visible": blind_spot is None,
        "why_not_visible": blind_spot.why if blind_spot else "",
        "visible_since": explanation.observability.since,
        "remedy": blind_spot.remedy if blind_spot else "",
        "command": blind_spot.command if blind_spot else "",
        "last_accessed": explanation.last_accessed,
        "why_removed": explanation.why_removed,
        "fixed": explanation.fixed and explanation.fixed._asdict(),
        "decided_by": explanation.decided_by
        and msgspec.structs.asdict(explanation.decided_by) | {"why": explanation.why_removed},
    }


def _call_dict(one: CallOutcome) -> dict[str, Any]:
    call, seen = one.key.call, one.evidence
    return {
        "day": one.key.day,
        "event": f"{call.source} {call.name}",
        "region": call.region,
        "result": one.result,
        "error": call.error,
        "resources": sorted({resource for _, resource in one.asked}),
        "count": seen.count,
        "first": seen.first,
        "addresses": sorted(seen.addresses),
        "user_agents": sorted(seen.agents),
        "event_ids": list(seen.event_ids),
    }
