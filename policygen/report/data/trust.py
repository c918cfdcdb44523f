"""The trust policy of a role and what it rests on, as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from policygen.report.data.cells import csv_table
from policygen.rightsize.trust.assumptions import AssumptionUse, Observed
from policygen.rightsize.trust.session_places import SessionPlace, SessionPlaces
from policygen.rightsize.trust.suggest import TrustSuggestion
from policygen.text import visible_json


def trust_json(suggestion: TrustSuggestion) -> str:
    """Return a suggestion as JSON text, with the ids of events to look up."""
    length, evidence = suggestion.length, suggestion.evidence
    observed = suggestion.assumptions.observed
    places = SessionPlaces(observed, evidence.session_uses)
    content = {
        "role": suggestion.role.key.arn,
        "role_id": suggestion.role.key.role_id,
        "window": {"start": evidence.window.start, "end": evidence.window.end, "days": evidence.window.days},
        "policy": suggestion.policy.to_dict(),
        "today": suggestion.today.to_dict(),
        "max_session_duration": {"now": length.now, "proposed": length.proposed},
        "assumptions": [assumption_row(one) | _used_from(places.of(one.said)) for one in observed],
        "used_elsewhere": [_place_row(one) for one in places.elsewhere(observed)],
        "places_cut": evidence.session_uses.is_cut,
        "not_counted": {
            "denied": suggestion.assumptions.denied,
            "of_deleted_namesakes": suggestion.assumptions.of_namesakes,
            "caller_unknown": suggestion.assumptions.untold,
        },
        "not_allowed_today": [_use(one) for one in suggestion.refused],
        "kept": [
            {"principal": one.entry[1], "reason": one.kept.reason, "why": one.kept.why}
            for one in suggestion.written
            if one.kept
        ],
        "removed": [{"what": what, "why": why} for what, why in suggestion.removed],
        "could_require": [{"principal": who, "require": name} for who, name in suggestion.could_require],
        "not_required": [{"principal": who, "require": name} for who, name in suggestion.not_required],
        "not_in_snapshot": list(suggestion.absent),
        "blind_spots": [one._asdict() for one in suggestion.blind_spots],
        "findings": [one._asdict() for one in suggestion.findings],
        "promises": [one.as_dict() for one in suggestion.promises],
    }
    return visible_json(json.dumps(content, indent=2, ensure_ascii=False)) + "\n"


_PLACES = 50
"""Places of an assumption that are listed."""


def _used_from(places: Sequence[SessionPlace]) -> dict[str, Any]:
    return {
        "used_from": [_place_row(one) for one in places[:_PLACES]],
        "used_from_more": max(0, len(places) - _PLACES),
    }


def _place_row(place: SessionPlace) -> dict[str, Any]:
    return {
        "session": place.session,
        "address": place.address,
        "endpoint": place.endpoint,
        "days": place.days,
        "last": place.last,
        "elsewhere": place.is_elsewhere,
        "of_several_callers": place.is_of_many,
    }


_COLUMNS = (
    "role", "account", "principal", "kind", "caller_account", "event", "actions", "count", "days", "first", "last",
    "session_name", "external_id", "source_identity", "mfa", "tags", "duration", "address", "endpoint", "audience",
    "subject",
)  # fmt: skip


def trust_csv(suggestion: TrustSuggestion) -> str:
    """Return a table of who assumed the role: a row for assumptions that differ in time only."""
    key = suggestion.role.key
    own = {"role": key.name, "account": key.account}
    rows = []
    for one in suggestion.assumptions.observed:
        said = assumption_row(one)
        rows.append(
            said
            | own
            | {
                "principal": said["principal"] or said["unique_id"],
                "caller_account": said["account"],
                "actions": " ".join(one.actions),
                "tags": " ".join(f"{name}={value}" for name, value in one.said.tags),
            }
        )
    return csv_table(_COLUMNS, ([row[name] for name in _COLUMNS] for row in rows))


def trust_document(suggestion: TrustSuggestion) -> str:
    """Return the document alone, for IAM."""
    return visible_json(suggestion.policy.to_json(2)) + "\n"


def assumption_row(one: Observed) -> dict[str, Any]:
    """Return assumptions as plain values: by whom, with what, how often and when."""
    said, seen, party = one.said, one.evidence, one.party
    return {
        "event": said.event,
        "principal": party.name if party.is_named else "",
        "kind": party.kind,
        "account": party.account,
        "unique_id": party.unique_id,
        "caller_session": party.session,
        "actions": list(one.actions),
        "count": seen.count,
        "days": len(seen.days),
        "first": seen.first,
        "last": seen.last,
        "event_ids": list(seen.event_ids),
        "region": said.region,
        "address": said.address,
        "endpoint": said.endpoint,
        "session_name": said.session,
        "external_id": said.external_id,
        "source_identity": said.source_identity or said.inherited_identity,
        "mfa": (one.facts.look_up("aws:MultiFactorAuthPresent") or ("",))[0],
        "tags": dict(said.tags),
        "transitive_tags": list(said.transitive),
        "duration": said.duration or None,
        "session_policies": list(said.session_policies),
        "inline_session_policy": said.inline_policy,
        "audience": said.audience,
        "subject": said.subject,
    }


def _use(use: AssumptionUse) -> dict[str, str]:
    return {"action": use.action, "principal": use.observed.party.name}
