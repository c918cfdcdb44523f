"""When an account was read, beside the logs: policies read long before a call may not be those of its day."""

from __future__ import annotations

from datetime import date

from policygen.account.model import Account
from policygen.days import days_between
from policygen.text import pluralize

DAYS_APART = 7
"""Days between a snapshot and the last event from which on one of them may be too old for the other."""


def far_apart(account: Account, end: str) -> str:
    """Say that an account was read long before or after the last event; "" where it was not, or nobody knows.

    Args:
        account: as its snapshot says.
        end: ISO date or time in UTC of the newest event.
    """
    read = account.generated_at[:10]
    apart = days_between(end[:10], read) if _is_date(read) and end else 0
    days = pluralize(abs(apart), "day")
    if apart < -DAYS_APART:
        return (
            f"the snapshot of {account.account_id} is of {read}, {days} before the last event: the policies of that "
            "day may not be today's (policygen snapshot reads them again)"
        )
    if apart > DAYS_APART:
        return (
            f"the last event is of {end[:10]}, {days} before the snapshot of {account.account_id}: newer logs may "
            "show more"
        )
    return ""


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
