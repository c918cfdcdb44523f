"""The parts of a plan that tell what was seen: the role's evidence, what the logs can show, what was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from policygen.catalog.knowledge import Knowledge
from policygen.catalog.service_names import label, service_prefix
from policygen.catalog.visibility import data_types
from policygen.evidence.anomalies import Anomaly, SplitCalls, anomaly_of
from policygen.evidence.coverage.selectors import Answer
from policygen.evidence.suspicious import CallOutcome, suspicious_calls
from policygen.evidence.traced import TraceReport
from policygen.evidence.usage import DeniedRequest, Usage
from policygen.iam.request import AccessRequest
from policygen.logs.audit import RecordAudit
from policygen.logs.calls.call import Calls
from policygen.logs.calls.evidence import Evidence
from policygen.logs.calls.totals import Totals
from policygen.logs.read_report import ReadReport
from policygen.logs.window import Window
from policygen.plan.fast_json import digest_without_fractions
from policygen.rightsize.assess.replay import Replay
from policygen.rightsize.decisions.model import ReportedCalls
from policygen.rightsize.generate.names import NameUse
from policygen.rightsize.suggestion import InformationalRequest, Suggestion


def window_part(window: Window, end_given: bool) -> dict[str, Any]:
    """Return the window, and whether a person named its end."""
    return {"start": window.start, "end": window.end, "days": window.days, "end_given": end_given}


def evidence_part(suggestion: Suggestion) -> dict[str, Any]:
    """Return the role's events, and what they asked for."""
    usage = suggestion.usage
    requests = [
        _request(suggestion, request, seen)
        for table in (usage.requests, usage.informational)
        for request, seen in table.items()
    ]
    return {
        **(evidence_counts(usage.events) if usage.events else _NO_EVENTS),
        "calls": usage.calls,
        "regions": list(usage.regions),
        "requests": requests,
        "digest": digest_without_fractions([usage.window.start, usage.window.end, requests]),
    }


_NO_EVENTS: Mapping[str, Any] = {
    "count": 0, "days": 0, "first": "", "last": "", "event_ids": [], "weak": 0
}  # fmt: skip
"""The counts of a role of which no call was read, and which is judged by what IAM saw."""


def _request(suggestion: Suggestion, request: AccessRequest, seen: Evidence) -> dict[str, Any]:
    written = suggestion.written.get(request)
    return {
        **_as_asked(request),
        "written_as": written.pattern if written else None,
        "rule": written.rule if written else None,
        "why": list(suggestion.usage.reasons.get(request, ())),
        "events": list(suggestion.usage.sources.get(request, ())),
        "sessions": sorted(seen.sessions),
        "user_agents": sorted(seen.agents),
        **evidence_counts(seen),
        **({"names": seen.name_count} if request.wild and seen.names else {}),
        **({"in_traces": traced.count} if (traced := suggestion.usage.traced.get(request)) else {}),
    }


def replay_part(replay: Replay) -> dict[str, Any]:
    """Return what the replay of the last days found."""
    return {
        "claim": "made" if replay.made else "none",
        "sentence": replay.sentence,
        "days": replay.days,
        "learnt": replay.learnt,
        "learnt_calls": replay.learnt_calls,
        "calls": replay.calls,
        "denied": replay.denied,
        "days_broken": len(replay.days_broken),
        "denied_by": [
            {
                "action": use.action,
                "type": use.resource_type,
                "resources": list(use.resources),
                "calls": use.calls,
                "days": len(use.days),
                "new_action": use.new_action,
                "why": use.why,
            }
            for use in replay.uses
        ],
    }


def names_part(uses: Iterable[NameUse]) -> list[dict[str, Any]]:
    """Return how names were used."""
    return [
        {
            "action": use.action,
            "type": use.type,
            "parent": use.parent,
            "seen": use.seen,
            "active_days": use.active_days,
            "new_days": use.new_days,
            "late_days": use.late_days,
            "choice": use.choice,
            "declared": use.declared,
            "asked": use.asked,
            "why": use.why,
        }
        for use in uses
    ]


def suspicious_part(request: AccessRequest, seen: Evidence) -> dict[str, Any]:
    """Return a request behind calls that do not look like the workload."""
    return _as_asked(request) | evidence_counts(seen)


def _as_asked(request: AccessRequest) -> dict[str, Any]:
    return request_name(request) | {
        "type": request.resource_type,
        "context": _context(request),
        "grade": request.grade,
        "pattern": request.wild,
    }


def traces_part(report: TraceReport) -> dict[str, Any]:
    """Return what was read of traces, and what of it counts for the role."""
    return {
        "files": report.files,
        "calls": report.count,
        "own": report.own,
        "outside_window": report.outside,
        "of_no_role": [{"caller": name, "calls": calls} for name, calls in report.nobodys.items()],
        "not_mapped": [{"why": why, "calls": calls} for why, calls in report.unknown.items()],
        "missing": report.missing,
    }


def _context(request: AccessRequest) -> Mapping[str, str | list[str]]:
    """Return condition keys and values; one value stands alone."""
    return {key: values[0] if len(values) == 1 else list(values) for key, values in request.context}


def request_name(request: AccessRequest) -> dict[str, Any]:
    """Return what identifies a request: action and resource."""
    return {"action": request.action, "resource": request.resource}


def evidence_counts(seen: Evidence) -> dict[str, Any]:
    """Return how often and when something was seen, with eventIDs."""
    return {
        "count": seen.count,
        "days": len(seen.days),
        "first": seen.first,
        "last": seen.last,
        "event_ids": list(seen.event_ids),
        "weak": seen.weak,
    }


def denied_part(request: DeniedRequest) -> dict[str, Any]:
    """Return a permission that was asked for and refused."""
    return {
        "action": request.action,
        "resource": request.resource,
        "policy_type": request.policy_type,
        "explicit": request.explicit,
        "event": f"{request.source} {request.event}",
    }


def suspects_part(
    split: SplitCalls, reported: Mapping[Anomaly, ReportedCalls], knowledge: Knowledge
) -> list[dict[str, Any]]:
    """Return calls that do not look like the workload, and how they ended."""
    calls = suspicious_calls(split, knowledge)
    by_kind: dict[Anomaly, list[CallOutcome]] = {kind: [] for kind in split.anomalies}
    for one in calls:
        if one.sign:
            by_kind[anomaly_of(one.key, one.sign)].append(one)
    return [
        {
            "sign": one.sign,
            "event": f"{one.source} {one.event}",
            "function": one.function,
            "accepted": one.sign in split.accepted,
            "reported": reported[one].reason if one in reported else "",
            "sessions": sorted(seen.sessions),
            "addresses": sorted(seen.addresses),
            "user_agents": sorted(seen.agents),
            "results": _results(by_kind[one]),
            "calls": [_suspicious_call(call) for call in by_kind[one][:SUSPICIOUS_CALLS]],
        }
        | evidence_counts(seen)
        for one, seen in split.anomalies.items()
    ]


SUSPICIOUS_CALLS = 50
"""The first suspicious calls of a kind, each of which a plan has: a thief may make thousands."""


def _results(calls: Iterable[CallOutcome]) -> dict[str, int]:
    """Count calls by how they ended."""
    counts = Counter[str]()
    for one in calls:
        counts[one.result] += one.evidence.count
    return dict(sorted(counts.items()))


def _suspicious_call(one: CallOutcome) -> dict[str, Any]:
    action, resource = one.asked[0] if one.asked else ("", "")
    return {
        "action": action,
        "resource": resource,
        "region": one.key.call.region,
        "result": one.result,
        "error": one.key.call.error,
        "count": one.evidence.count,
        "first": one.evidence.first,
        "last": one.evidence.last,
        "addresses": sorted(one.evidence.addresses),
        "event_ids": list(one.evidence.event_ids),
    }


def informational_part(usage: Usage, one: InformationalRequest) -> dict[str, Any]:
    """Return a request that is shown and not granted for its own sake."""
    return {
        **request_name(one.request),
        "grade": one.request.grade,
        "allowed": one.allowed,
        "events": list(usage.sources.get(one.request, ())),
        **evidence_counts(one.evidence),
    }


def calendar_part(window: Window, workload: Calls) -> dict[str, Any]:
    """Count the events of what looks like the workload, by service and day of the window."""
    days = window.dates()
    columns = {day: i for i, day in enumerate(days)}
    rows: dict[str, list[int]] = {}
    for bucket, seen in workload.items():
        column = columns.get(bucket.day)
        if column is not None:
            service = service_prefix(bucket.call.source) or label(bucket.call.source)
            rows.setdefault(service, [0] * len(days))[column] += seen.count
    return {"days": days, "rows": [{"service": name, "events": row} for name, row in sorted(rows.items())]}


def coverage_part(suggestion: Suggestion) -> dict[str, Any]:
    """Return what the logs can show."""
    coverage = suggestion.coverage
    regions = coverage.logged_regions
    return {
        "days": coverage.window.days,
        "days_with_events": coverage.days_with_events,
        "regions": list(coverage.regions),
        "trails": None if coverage.trails is None else list(coverage.trails),
        "data_event_types": None if coverage.data_types is None else sorted(coverage.data_types),
        "days_without_events": list(coverage.gaps),
        "stopped": [{"trail": gap.trail, "start": gap.start, "end": gap.end} for gap in coverage.stopped],
        "incomplete": list(coverage.incomplete),
        "logged_regions": None if regions is None else sorted(regions),
        "data_events": [] if coverage.data_types is None else _data_events(suggestion),
    }


def _data_events(suggestion: Suggestion) -> list[dict[str, str]]:
    """Tell how much of the data events is logged, for each service that the role may use or used."""
    concerned = {action.split(":")[0] for action in suggestion.now or ()} | {
        request.action.split(":")[0] for request in suggestion.usage.requests
    }
    answers: dict[str, set[Answer]] = {}
    for data_type, service in sorted(data_types().items()):
        if service in concerned:
            answers.setdefault(service, set()).add(suggestion.coverage.logs(data_type))
    words: Mapping[frozenset[Answer], str] = {frozenset({"all"}): "on", frozenset({"none"}): "off"}
    return [
        {"service": service, "logged": words.get(frozenset(shares), "partly")}
        for service, shares in sorted(answers.items())
    ]


def reading_part(read_report: ReadReport, totals: Totals, audit: RecordAudit) -> dict[str, Any]:
    """Return what was read and what was passed over, and what became of every record."""
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
        "unread": [one._asdict() for one in read_report.unread_accounts],
        "first": totals.first,
        "last": totals.last,
        "audit": {
            "read": audit.read,
            "classes": [{"name": name, "records": count} for name, count in audit.classes.items()],
            "remainder": audit.remainder,
            "unknown": list(audit.unknown),
        },
    }
