"""One row a role: what became of it, in figures and in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

import msgspec

Verdict = Literal["ready", "review", "wait", "unchanged", "unused", "fixed", "failed"]

SAYS: Mapping[Verdict, str] = {
    "ready": "nothing is left to ask",
    "review": "blind spots or questions",
    "wait": "too little evidence to cut anything",
    "unchanged": "today's policies are what the evidence asks for",
    "unused": "no call; listed, never removed",
    "fixed": "cannot be edited here, and what to edit instead",
    "failed": "no answer, and why",
}
"""What each verdict means, in the order in which they are shown."""


class BatchRow(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one role. Counts are None where they are not known."""

    role: str
    account: str
    arn: str = ""
    path: str = ""
    verdict: Verdict
    reason: str
    code: str = ""
    """Of the error, where there was one: ``PG-E304``."""
    last_call: str = ""
    """ISO 8601, UTC; "" where the logs show none."""
    events: int = 0
    actions_now: int | None = None
    actions_proposed: int | None = None
    escalations_closed: int | None = None
    escalations_left: int | None = None
    days: int = 0
    """Of the window with events of the role."""
    questions: int = 0
    """What is left for a person to decide."""
    blind: int = 0
    """Actions kept because the logs could not have shown their use."""
    plan: str = ""
    """Name of its files, without a suffix; "" where there is no plan."""

    @property
    def cut(self) -> float | None:
        """The part of today's actions that goes, in percent."""
        if not self.actions_now or self.actions_proposed is None:
            return None
        return 100 * (self.actions_now - self.actions_proposed) / self.actions_now


def sorted_rows(rows: Iterable[BatchRow]) -> list[BatchRow]:
    """Rows as they are shown: what can be acted on first, and of that what loses most."""
    ranks = {verdict: i for i, verdict in enumerate(get_args(Verdict))}
    return sorted(
        rows, key=lambda row: (ranks[row.verdict], -(row.actions_now or 0), row.role.lower(), row.account)
    )


class BatchTable(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a batch and what they rest on: ``batch.json``, described by ``batch.schema.json``."""

    schema_version: int
    policygen: str
    iam_data: str
    start: str
    """First day of the window."""
    end: str
    """Its end, a date or a time in UTC."""
    days: int
    account: str
    """Whose policies were known; "" where they were not, so that all rests on the evidence alone."""
    records: int
    files: int
    format: str = "policy"
    """Of the files in ``policies``."""
    incomplete: tuple[str, ...]
    """What could not be read whole, or was not proved."""
    rows: tuple[BatchRow, ...]

    @property
    def end_time(self) -> str:
        """The end of the window as a time, from which ages count."""
        return self.end if "T" in self.end else f"{self.end}T23:59:59Z"


class BatchTotals(msgspec.Struct, frozen=True):
    """The rows of one verdict, added up."""

    verdict: Verdict
    roles: int
    actions_now: int
    actions_proposed: int
    escalations_closed: int


def batch_totals(rows: Iterable[BatchRow]) -> list[BatchTotals]:
    """The sums of each verdict that there is, in order."""
    groups: dict[Verdict, list[BatchRow]] = {verdict: [] for verdict in get_args(Verdict)}
    for row in rows:
        groups[row.verdict].append(row)
    return [
        BatchTotals(
            verdict,
            len(members),
            sum(row.actions_now or 0 for row in members if row.cut is not None),
            sum(row.actions_proposed or 0 for row in members if row.cut is not None),
            sum(row.escalations_closed or 0 for row in members),
        )
        for verdict, members in groups.items()
        if members
    ]
