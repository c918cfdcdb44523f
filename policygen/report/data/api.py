"""The policies of an API and of its callers and what they rest on, as JSON."""

from __future__ import annotations

import json
from typing import Any

from policygen.logs.calls.evidence import Evidence
from policygen.report.data.cells import csv_table
from policygen.rightsize.api.callers import CallerPolicy
from policygen.rightsize.api.resource import WrittenAccess
from policygen.rightsize.api.suggest import ApiSuggestion
from policygen.rightsize.api.usage import Invoked
from policygen.rightsize.api.uses import ApiUse
from policygen.text import visible_json


def api_json(suggestion: ApiSuggestion) -> str:
    """Return a suggestion as JSON text, with ids of entries to look up."""
    api, window = suggestion.api, suggestion.window
    content = {
        "api": {
            "id": api.id,
            "name": api.name,
            "protocol": api.protocol,
            "account": api.account,
            "region": api.region,
        },
        "window": {"start": window.start, "end": window.end, "days": window.days},
        "resource_policy": suggestion.policy.to_dict() if suggestion.policy else None,
        "resource_policy_note": suggestion.why or "it holds from the next deployment of each stage on",
        "today": api.policy.to_dict() if api.policy else None,
        "callers": [_caller(one) for one in suggestion.callers],
        "findings": [one._asdict() for one in suggestion.findings],
        "usage": [
            usage_row(one, seen) for one, seen in suggestion.usage.invoked.items() if one.api == api.id
        ],
        "not_counted": {
            "by_deleted_callers": list(suggestion.uses.deleted),
            "caller_unknown": dict(suggestion.uses.untold),
            "not_read": dict(suggestion.usage.unread),
        },
        "not_allowed_today": [_use(one) for one in suggestion.refused],
        "kept": [_kept(one) for one in suggestion.written if one.kept],
        "removed": [{"what": what, "why": why} for what, why in suggestion.removed],
        "not_required": [{"principal": who, "require": name} for who, name in suggestion.not_required],
        "stages": [
            {"stage": one.stage, "since": one.since, "days": one.days, "visible": one.visible}
            for one in suggestion.sights.values()
        ],
        "blind_spots": [one._asdict() for one in suggestion.blind_spots],
        "promises": [one.as_dict() for one in suggestion.promises],
    }
    return visible_json(json.dumps(content, indent=2, ensure_ascii=False)) + "\n"


def usage_row(one: Invoked, seen: Evidence) -> dict[str, Any]:
    """Return calls of one kind as plain values: by whom, of what, from where, how often and when."""
    return {
        "status": one.status,
        "principal": one.principal,
        "account": one.account,
        "stage": one.stage,
        "method": one.verb,
        "path": one.path,
        "address": one.address,
        "vpc_endpoint": one.endpoint,
        "vpc": one.vpc,
        "api_key": one.api_key,
        "subject": one.subject,
        "count": seen.count,
        "days": len(seen.days),
        "first": seen.first,
        "last": seen.last,
        "entry_ids": list(seen.event_ids),
    }


_COLUMNS = (
    "api", "account", "stage", "method", "path", "status", "principal", "caller_account", "address", "vpc_endpoint",
    "vpc", "api_key", "subject", "count", "days", "first", "last",
)  # fmt: skip


def api_csv(suggestion: ApiSuggestion) -> str:
    """Return a table of who called the API: a row for calls that differ in time only, counted or not."""
    api = suggestion.api
    own = {"api": api.name or api.id, "account": api.account}
    rows = (
        row | own | {"caller_account": row["account"]}
        for row in (
            usage_row(one, seen) for one, seen in suggestion.usage.invoked.items() if one.api == api.id
        )
    )
    return csv_table(_COLUMNS, ([row[name] for name in _COLUMNS] for row in rows))


def _caller(one: CallerPolicy) -> dict[str, Any]:
    return {
        "principal": one.party.name if one.party.is_named else one.party.unique_id,
        "policy": one.policy.to_dict() if one.policy else None,
        "note": one.why,
        "is_proposal": one.is_proposal,
        "kept": [
            {"action": kept.grant.action, "resource": kept.grant.resource, "why": kept.why}
            for kept in one.kept
        ],
    }


def _kept(one: WrittenAccess) -> dict[str, Any]:
    reason, why = (one.kept.reason, one.kept.why) if one.kept else ("", "")
    return {"principal": one.entry[1], "resources": list(one.resources), "reason": reason, "why": why}


def _use(use: ApiUse) -> dict[str, str]:
    return {"principal": use.party.name or "*", "resource": use.resource}
