"""Fields that a program on the way wrote in a form of its own: numbers where CloudTrail has texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policygen.logs.events.event_time import time_text


def with_texts(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record's fields with its time, and the accounts of its caller, as texts.

    A number has lost the zeros that an account may begin with: an account has twelve digits.
    """
    tidy = dict(fields)
    if "eventTime" in tidy:
        tidy["eventTime"] = time_text(tidy["eventTime"])
    if "recipientAccountId" in tidy:
        tidy["recipientAccountId"] = _account_text(tidy["recipientAccountId"])
    if isinstance(tidy.get("userIdentity"), dict):
        tidy["userIdentity"] = _with_account(tidy["userIdentity"])
    return tidy


def _with_account(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a caller, or of a part of it, with accounts as texts."""
    return {
        name: _account_text(value)
        if name == "accountId"
        else _with_account(value)
        if isinstance(value, dict)
        else value
        for name, value in fields.items()
    }


def _account_text(value: object) -> object:
    return f"{value:012d}" if isinstance(value, int) and not isinstance(value, bool) else value
