"""From an analysis to a plan: documents, evidence with eventIDs, diff, proof, coverage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from policygen.account.model import Role
from policygen.catalog.service_names import label, service_prefix
from policygen.iam import reference
from policygen.iam.document import Policy
from policygen.iam.grants import Grant
from policygen.iam.reference import data_version
from policygen.iam.request import AccessRequest
from policygen.logs.calls.evidence import Evidence
from policygen.logs.read_report import ReadReport
from policygen.plan.io import SCHEMA_VERSION
from policygen.rightsize.analysis import Analysis
from policygen.rightsize.assess.risk import Risk
from policygen.rightsize.keep.model import Keep
from policygen.rightsize.suggestion import Suggestion
from policygen.version import VERSION


def build_plan_document(analysis: Analysis) -> dict[str, Any]:
    """The suggestion as the plain values of a plan."""
    made = analysis.suggestion
    usage = made.usage
    requests = [
        _request(made, request, seen)
        for table in (usage.requests, usage.asides)
        for request, seen in table.items()
    ]
    return {
        "schema_version": SCHEMA_VERSION,
        "policygen": VERSION,
        "iam_data": data_version(),
        "role": made.role._asdict(),
        "window": {"start": usage.window.start, "end": usage.window.end, "days": usage.window.days},
        "evidence": {
            **(_evidence(usage.events) if usage.events else {}),
            "calls": usage.calls,
            "regions": list(usage.regions),
            "requests": requests,
            "digest": _digest_of_seen([usage.window.start, usage.window.end, requests]),
        },
        "policies": [{"name": p.name, "size": p.size, "document": p.to_dict()} for p in made.policies],
        "grants": [{**_grant(grant), "for": [_name(r) for r in seen]} for grant, seen in made.grants.items()],
        "keeps": [
            {
                **_grant(keep.grant),
                "kind": keep.kind,
                "why": keep.why,
                "blind_spot": keep.blind_spot.id if keep.blind_spot else None,
                "remedy": keep.blind_spot.remedy if keep.blind_spot else "",
                "command": keep.blind_spot.command if keep.blind_spot else "",
                "note": keep.note,
                "visible": _visible(made, keep),
            }
            for keep in made.keeps
        ],
        "today": None if made.today is None else [_policy(policy) for policy in made.today],
        "today_digest": None if made.today is None else _digest([_policy(policy) for policy in made.today]),
        "trust": _trust(analysis.observed.role),
        "calendar": _calendar(analysis),
        "questions": [
            {"type": kind, "names": names, "reason": reason}
            for kind, (names, reason) in made.questions.items()
        ],
        "changes": [
            {
                "action": c.action,
                "kind": c.kind,
                "now": list(c.now),
                "proposed": list(c.proposed),
                "why": c.why,
            }
            for c in made.changes
        ],
        "missing": [_name(m.request) | {"cause": m.cause} | _evidence(m.evidence) for m in made.missing],
        "wanted_but_denied": [
            {
                "action": w.action,
                "resource": w.resource,
                "policy_type": w.policy_type,
                "explicit": w.explicit,
                "event": f"{w.source} {w.event}",
            }
            | _evidence(seen)
            for w, seen in usage.wanted.items()
        ],
        "unmapped": [
            {"event": f"{u.source} {u.event}", "why": u.why} | _evidence(s) for u, s in usage.unmapped.items()
        ],
        "no_permission_needed": [
            {"call": call} | _evidence(seen) for call, seen in usage.no_permission.items()
        ],
        "unauthenticated": _evidence(usage.unauthenticated) if usage.unauthenticated else None,
        "suspects": [
            {
                "sign": one.sign,
                "event": f"{one.source} {one.event}",
                "function": one.function,
                "accepted": one.sign in made.conduct.accepted,
                "sessions": sorted(seen.sessions),
                "addresses": sorted(seen.addresses),
                "user_agents": sorted(seen.agents),
            }
            | _evidence(seen)
            for one, seen in made.conduct.suspects.items()
        ],
        "seasonal": _seasonal(made),
        "asides": [
            _name(one.request)
            | {"grade": one.request.grade, "allowed": one.allowed}
            | _evidence(one.evidence)
            for one in made.asides()
        ],
        "set_apart": [
            _name(request) | _evidence(seen)
            for request, seen in (made.apart.requests.items() if made.apart else ())
        ],
        "users": [
            {"function": name, "actions": sorted({request.action for request in theirs})}
            for name, theirs in usage.users.items()
        ],
        "strength": _strength(made),
        "risks": {
            "removed": [_risk(risk) for risk in made.risks_removed],
            "left": [_risk(risk) for risk in made.risks_left],
        },
        "decisions": {
            "losses": [_name(one.request) | {"rule": one.rule.where} for one in made.decided.losses],
            "spared": [_name(one.request) | {"rule": one.rule.where} for one in made.decided.spared],
            "expired": [rule.where for rule in made.decided.expired],
            "unused": [rule.where for rule in made.decided.unused],
        },
        "losses": [
            {"action": one.action, "resource": one.resource, "statement": one.sid, "why": one.why}
            for one in made.losses
        ],
        "barred": [{"action": action, "by": bound} for action, bound in sorted(made.barred.items())],
        "last_accessed": [{"action": action, "says": why} for action, why in sorted(made.said.items())],
        "predecessors": [
            {"role_id": p.role.role_id, "events": p.events, "last": p.last} for p in made.predecessors
        ],
        "proof": [
            {
                "promise": c.promise,
                "held": c.held,
                "finding": c.finding,
                "counter_examples": list(c.counter_examples),
            }
            for c in made.proof.checks
        ],
        "coverage": _coverage(made),
        "reading": _reading(analysis.read_report, analysis),
        "notes": list(made.notes),
    }


def _digest(value: Any) -> str:
    """A hash of plain values, whatever the order of their keys."""
    return _hash(json.dumps(value, sort_keys=True).encode())


def _digest_of_seen(value: Any) -> str:
    """`_digest` of what was seen, which can be long and holds no fractions.

    `json` writes it several times as slowly, and other bytes only where something has to be escaped.
    """
    data = msgspec.json.format(_encode(value), indent=0)
    plain = data.isascii() and b"\\" not in data and b"\x7f" not in data
    return _hash(data) if plain else _digest(value)


_encode = msgspec.json.Encoder(order="sorted").encode


def _hash(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


def _trust(role: Role | None) -> dict[str, Any] | None:
    return None if role is None else {"services": list(role.trusted_services), "document": dict(role.trust)}


def _visible(made: Suggestion, keep: Keep) -> bool:
    """Whether the logs would show the use of what is kept: configuration may ask for what they show as well."""
    if keep.blind_spot:
        return False
    reads = reference.reads_only(keep.grant.action)
    return made.coverage.verdict(keep.grant.action, keep.grant.resource, reads).visible


def _seasonal(made: Suggestion) -> list[dict[str, str]]:
    """What goes although IAM saw it before the window; what stays on other resources does not go."""
    stays = {change.action for change in made.changes if change.proposed}
    return [
        {"action": action, "says": why}
        for action, why in sorted(made.seasonal.items())
        if action not in stays
    ]


def _calendar(analysis: Analysis) -> dict[str, Any]:
    """Events of what looks like the workload, by service and day of the window."""
    days = analysis.suggestion.usage.window.dates()
    place = {day: i for i, day in enumerate(days)}
    rows: dict[str, list[int]] = {}
    for key, seen in analysis.observed.conduct.workload.items():
        at = place.get(key.day)
        if at is not None:
            service = service_prefix(key.call.source) or label(key.call.source)
            rows.setdefault(service, [0] * len(days))[at] += seen.count
    return {"days": days, "rows": [{"service": name, "events": row} for name, row in sorted(rows.items())]}


def _policy(policy: Policy) -> dict[str, Any]:
    return {"name": policy.name, "document": policy.to_dict()}


def _evidence(seen: Evidence) -> dict[str, Any]:
    return {
        "count": seen.count,
        "days": len(seen.days),
        "first": seen.first,
        "last": seen.last,
        "event_ids": list(seen.event_ids),
        "weak": seen.weak,
    }


def _name(request: AccessRequest) -> dict[str, Any]:
    return {"action": request.action, "resource": request.resource}


def _request(made: Suggestion, request: AccessRequest, seen: Evidence) -> dict[str, Any]:
    written = made.written.get(request)
    return {
        **_name(request),
        "type": request.resource_type,
        "context": context_dict(request),
        "grade": request.grade,
        "pattern": request.wild,
        "written_as": written.pattern if written else None,
        "rule": written.rule if written else None,
        "why": list(made.usage.reasons.get(request, ())),
        "events": list(made.usage.sources.get(request, ())),
        "sessions": sorted(seen.sessions),
        "user_agents": sorted(seen.agents),
        **_evidence(seen),
    }


def context_dict(request: AccessRequest) -> Mapping[str, str | list[str]]:
    """Condition keys and values; one value stands alone."""
    return {key: values[0] if len(values) == 1 else list(values) for key, values in request.context}


def _grant(grant: Grant) -> dict[str, Any]:
    return {
        "action": grant.action,
        "resource": grant.resource,
        "not_resource": list(grant.excluded),
        "condition": {op: {key: list(values) for key, values in keys} for op, keys in grant.conditions},
    }


def _strength(made: Suggestion) -> dict[str, Any] | None:
    found = made.strength
    if found is None:
        return None
    return {
        "verdict": found.verdict,
        "reasons": [
            {"id": one.id, "verdict": one.verdict, "sentence": one.sentence} for one in found.reasons
        ],
        "days": found.days,
        "days_covered": found.covered,
        "days_active": found.active,
        "curve": list(found.curve),
        "last_new": found.last_new,
        "once": list(found.once),
        "rhythms": [
            {"action": one.permission, "kind": one.kind, "sentence": one.sentence} for one in found.rhythms
        ],
    }


def _risk(risk: Risk) -> dict[str, Any]:
    return {
        "rule": risk.rule,
        "title": risk.title,
        "family": risk.family,
        "actions": list(risk.actions),
        "resources": list(risk.resources),
        "source": risk.source,
    }


def _coverage(made: Suggestion) -> dict[str, Any]:
    seen = made.coverage
    return {
        "days": seen.window.days,
        "days_with_events": seen.days_with_events,
        "regions": list(seen.regions),
        "trails": None if seen.trails is None else list(seen.trails),
        "data_event_types": None if seen.data_types is None else sorted(seen.data_types),
        "days_without_events": list(seen.gaps),
        "stopped": [{"trail": gap.trail, "start": gap.start, "end": gap.end} for gap in seen.stopped],
        "incomplete": list(seen.incomplete),
    }


def _reading(read_report: ReadReport, analysis: Analysis) -> dict[str, Any]:
    totals = analysis.counts.totals
    return {
        "files": read_report.files,
        "records": totals.records,
        "duplicates": totals.duplicates,
        "ignored": dict(sorted(totals.ignored.items())),
        "other_principals": dict(sorted(totals.principals.items())),
        "passed_over": dict(sorted(read_report.passed_over.items())),
        "damaged": [
            {"file": name, "byte": byte, "reason": reason}
            for name, byte, reason in sorted(read_report.damaged)
        ],
        "unreadable": [{"file": name, "reason": reason} for name, reason in sorted(read_report.unreadable)],
        "first": totals.first,
        "last": totals.last,
    }
