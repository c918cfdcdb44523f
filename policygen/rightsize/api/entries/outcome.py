"""Whether an entry shows a request that API Gateway let in, judged by what the entry has of the answer.

Source: API Gateway Developer Guide, supported-gateway-response-types (which refusal has which type),
api-gateway-variables-for-access-logging and http-api-logging-variables (who sets which status).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

EntryOutcome = Literal["let-in", "weak", "denied", "unauthenticated"]
"""``weak``: it failed, perhaps before anybody was asked whether the caller may."""

_REFUSALS: Mapping[str, EntryOutcome] = {
    "ACCESS_DENIED": "denied",
    "WAF_FILTERED": "denied",
    "AUTHORIZER_CONFIGURATION_ERROR": "denied",
    "AUTHORIZER_FAILURE": "denied",
    "UNAUTHORIZED": "unauthenticated",
    "MISSING_AUTHENTICATION_TOKEN": "unauthenticated",
    "INVALID_SIGNATURE": "unauthenticated",
    "EXPIRED_TOKEN": "unauthenticated",
    "INVALID_API_KEY": "unauthenticated",
    "THROTTLED": "weak",
    "QUOTA_EXCEEDED": "weak",
}
_AFTER = frozenset({"INTEGRATION_FAILURE", "INTEGRATION_TIMEOUT", "API_CONFIGURATION_ERROR"})
"""Failures of what comes after authorization."""
_INTEGRATION = ("integration.status", "integration.integrationStatus", "integrationStatus")
_REASONS = frozenset({"error.responseType", "error.message", "error.messageString"})
_UNSURE = frozenset({"401", "403", "413", "415", "429"})
"""Answers that API Gateway gives by itself, and a back end may give too."""
_SAID: tuple[tuple[str, EntryOutcome], ...] = (
    ("not authorized", "denied"),
    ("explicit deny", "denied"),
    ("Missing Authentication Token", "unauthenticated"),
    ("security token", "unauthenticated"),
    ("signature", "unauthenticated"),
    ("Unauthorized", "unauthenticated"),
    ("Forbidden", "denied"),
    ("Too Many Requests", "weak"),
    ("Limit Exceeded", "weak"),
)
"""What a message of API Gateway has in it, and what it means."""


def entry_outcome(values: Mapping[str, str]) -> EntryOutcome:
    """Return what became of a request.

    Args:
        values: variable -> value of those that the format has, "" for nothing.
    """
    kind = values.get("error.responseType", "")
    if kind in _REFUSALS:
        return _REFUSALS[kind]
    if refused := _refused_by_step(values):
        return refused
    if any(values.get(one) for one in _INTEGRATION) or kind in _AFTER:
        return "let-in"
    if values.get("authorize.status"):
        return "let-in"
    if kind and not kind.startswith("DEFAULT_"):
        return "weak"
    return _by_status(values)


def _refused_by_step(values: Mapping[str, str]) -> EntryOutcome | None:
    """Return how authentication, authorization or an authorizer refused; None where none of them did."""
    if _failed(values.get("authenticate.status", "")) or values.get("authenticate.error"):
        return "unauthenticated"
    for step in ("authorizer.status", "authorize.status"):
        if _failed(status := values.get(step, "")):
            return "unauthenticated" if status == "401" else "denied"
    if values.get("authorize.error") or values.get("authorizer.error"):
        return "denied"
    return None


def _failed(status: str) -> bool:
    return status[:1] in {"4", "5"}


def _by_status(values: Mapping[str, str]) -> EntryOutcome:
    """Judge by the status alone, which the back end may have given."""
    status = values.get("status", "")
    if status not in _UNSURE:
        return "let-in" if status else "weak"
    message = values.get("error.message", "") or values.get("error.messageString", "").strip('"-')
    for words, outcome in _SAID:
        if words.lower() in message.lower():
            return outcome
    silent = not values.keys().isdisjoint(_REASONS)  # API Gateway says why it refuses, and said nothing
    unasked = not values.keys().isdisjoint(_INTEGRATION)  # it says what the back end answered, and none did
    if silent == unasked or (unasked and status not in {"401", "403"}):
        return "weak"
    return "let-in" if silent else "unauthenticated" if status == "401" else "denied"
