"""The table of a batch: one row for each role, with a verdict, figures and a reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

import msgspec

Verdict = Literal["ready", "review", "wait", "unchanged", "unused", "fixed", "failed"]

VERDICT_MEANINGS: Mapping[Verdict, str] = {
    "ready": "nothing that the role did would be denied",
    "review": "suspicious calls, thin evidence, or IAM was not asked",
    "wait": "too few days of evidence",
    "unchanged": "today's policies are what the evidence asks for",
    "unused": "no call; listed, never removed",
    "fixed": "can't be edited here (AWS, SSO or you protect them); the reason says what to edit",
    "failed": "no answer, and why",
}
"""Verdict -> what it means, in the order in which verdicts are shown.

``ready``, ``review`` and ``wait`` answer whether a policy is safe to apply: yes, look first, not yet.
"""


class BatchRow(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one role. Counts are None where they are not known."""

    role: str
    account: str
    arn: str = ""
    path: str = ""
    verdict: Verdict
    reason: str
    code: str = ""
    """The code of the error, if there was one: ``PG-E304``."""
    last_call: str = ""
    """ISO 8601, UTC; "" where the logs show none."""
    events: int = 0
    actions_now: int | None = None
    actions_proposed: int | None = None
    escalations_closed: int | None = None
    escalations_left: int | None = None
    days: int = 0
    """Days of the window on which the role had events."""
    needed: int | None = None
    """Proposed actions that were seen in use, that AWS's own services need, or that a person declared."""
    unverified: int | None = None
    """Proposed actions that are kept because neither the logs nor a witness can tell."""
    questions: int = 0
    """Questions that decide about the unverified actions."""
    losses: int = 0
    """Permissions that the role needs and a decision drops: calls of the role will fail."""
    plan: str = ""
    """The name of the role's files, without a suffix; "" where there is no plan."""
    owner: str = ""
    """The value of a tag that names the owner; "" without one."""
    tags: dict[str, str] = {}
    """The role's tags, where the account is known."""
    trusts: tuple[str, ...] = ()
    """The services that may assume the role: ``lambda.amazonaws.com``."""
    services: tuple[str, ...] = ()
    """The services of the needed actions."""
    services_unused: tuple[str, ...] = ()
    """The services of which today's policies allow actions, and the proposal none."""
    risks_closed: dict[str, int] = {}
    """``escalation``, ``exfiltration`` and ``exposure`` -> named risks that the proposal closes."""
    risks_left: dict[str, int] = {}
    """Likewise those that it leaves."""

    @property
    def cut(self) -> float | None:
        """The share of today's actions that is removed, in percent."""
        if not self.actions_now or self.actions_proposed is None:
            return None
        return 100 * (self.actions_now - self.actions_proposed) / self.actions_now


class BatchQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A question about unverified permissions that several roles share: it is asked once."""

    id: str
    """What it is about: ``data-events:sqs``."""
    asks: str
    """What it asks, with the number of roles."""
    why: str
    """Why nothing could verify the permissions."""
    roles: tuple[str, ...]
    """The roles that it concerns, as `BatchRow.plan` names them."""
    actions: tuple[str, ...]
    riskiest: tuple[str, ...]
    answer: str
    """What would answer it."""
    command: str
    """The command for that; "" where there is none."""
    keep: str
    """A rule for policygen.toml that keeps the permissions of all roles."""
    drop: str
    """A rule for policygen.toml that drops them, and nothing that a role needs."""


class BatchChange(msgspec.Struct, frozen=True, kw_only=True):
    """A role that is not as it was in the batch before. None: it was not in that batch, or is not in this one."""

    role: str
    account: str
    plan: str = ""
    """As `BatchRow.plan`, today."""
    before: Verdict | None = None
    after: Verdict | None = None
    actions_before: int | None = None
    """Actions that the role's policies allowed then."""
    actions_after: int | None = None


class BatchSince(msgspec.Struct, frozen=True, kw_only=True):
    """The last batch in the same folder that gave other answers or had another window, and what changed since."""

    start: str
    end: str
    roles: int
    unverified: int
    """Unverified actions of all its roles."""
    changes: tuple[BatchChange, ...] = ()


def sorted_rows(rows: Iterable[BatchRow]) -> list[BatchRow]:
    """Sort rows as they are shown: first what can be done with least work, and among it what closes most risk."""
    ranks = {verdict: i for i, verdict in enumerate(get_args(Verdict))}

    def place(row: BatchRow) -> tuple[int, int, int, int, str, str]:
        removed = (row.actions_now or 0) - (row.actions_proposed or 0) if row.cut is not None else 0
        risk = -(row.escalations_closed or 0), -removed, -(row.actions_now or 0)
        return ranks[row.verdict], *risk, row.role.lower(), row.account

    return sorted(rows, key=place)


class BatchTable(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a batch and what they rest on: ``batch.json``, described by ``batch.schema.json``."""

    schema_version: int
    policygen: str
    iam_data: str
    start: str
    """First day of the window."""
    end: str
    """End of the window, a date or a time in UTC."""
    days: int
    account: str
    """The account of the policies that were known; "" where none were, so that all rests on the evidence alone."""
    records: int
    files: int
    format: str = "policy"
    """The format of the files in ``policies``."""
    incomplete: tuple[str, ...]
    """What could not be read completely, or was not proved."""
    rows: tuple[BatchRow, ...]
    questions: tuple[BatchQuestion, ...] = ()
    """The questions of all roles, first those that concern most of them. Older tables have none."""
    since: BatchSince | None = None
    """The difference to the batch before; None for the first one in its folder."""

    @property
    def end_time(self) -> str:
        """The end of the window as a time; ages count from it."""
        return self.end if "T" in self.end else f"{self.end}T23:59:59Z"


class VerdictTotals(msgspec.Struct, frozen=True):
    """The sums of all rows with one verdict."""

    verdict: Verdict
    roles: int
    actions_now: int
    actions_proposed: int
    escalations_closed: int


def totals_by_verdict(rows: Iterable[BatchRow]) -> list[VerdictTotals]:
    """Add up the rows of each verdict, in the order of verdicts; those without rows are left out."""
    groups: dict[Verdict, list[BatchRow]] = {verdict: [] for verdict in get_args(Verdict)}
    for row in rows:
        groups[row.verdict].append(row)
    return [
        VerdictTotals(
            verdict,
            len(members),
            sum(row.actions_now or 0 for row in members if row.cut is not None),
            sum(row.actions_proposed or 0 for row in members if row.cut is not None),
            sum(row.escalations_closed or 0 for row in members),
        )
        for verdict, members in groups.items()
        if members
    ]


def since_last(last: BatchTable | None, rows: Iterable[BatchRow], start: str, end: str) -> BatchSince | None:
    """Return the difference of rows to the last table in their folder; that table's own where they are the same.

    Args:
        last: the last table; None for none.
        rows: the new rows.
        start: first day of their window.
        end: end of their window.
    """
    if last is None:
        return None
    found = sorted_rows(rows)
    if (last.start, last.end, sorted_rows(last.rows)) == (start, end, found):
        return last.since
    before, after = ({(row.role, row.account): row for row in some} for some in (last.rows, found))
    changes = [
        BatchChange(
            role=name,
            account=account,
            plan=new.plan if new else "",
            before=old.verdict if old else None,
            after=new.verdict if new else None,
            actions_before=old.actions_now if old else None,
            actions_after=new.actions_now if new else None,
        )
        for (name, account) in sorted(before | after)
        for old, new in [(before.get((name, account)), after.get((name, account)))]
        if old is None or new is None or (old.verdict, old.actions_now) != (new.verdict, new.actions_now)
    ]
    unverified = sum(row.unverified or 0 for row in last.rows)
    return BatchSince(
        start=last.start, end=last.end, roles=len(last.rows), unverified=unverified, changes=tuple(changes)
    )
