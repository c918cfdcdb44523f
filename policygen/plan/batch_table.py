"""The table of a batch: one row for each role, with a verdict, figures and a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

import msgspec

from policygen.plan.model_trust import TrustAnswer
from policygen.rightsize.assess.readiness import OF_ALL_ROLES
from policygen.text import pluralize

Verdict = Literal["ready", "review", "wait", "unchanged", "unused", "fixed", "failed"]

VERDICT_MEANINGS: Mapping[Verdict, str] = {
    "ready": "nothing that the role did would be denied",
    "review": "suspicious calls, thin evidence, or IAM was not asked",
    "wait": "too few days of logs or of the role, or something was new shortly before the end",
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
    """The role's own reasons, the most serious first; where it has none, those of all roles."""
    reasons: tuple[str, ...] = ()
    """The ids of all reasons for an answer that is not yes, the most serious first: ``replay``, ``gaps``."""
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
    rules: tuple[str, ...] = ()
    """Rules of people that drop some of today's permissions: ``drop[0]``."""
    losses: int = 0
    """Permissions that the role needs and a decision drops: calls of the role will fail."""
    replay_calls: int | None = None
    """Calls of the last third of the window; None where nothing was learnt before, or nothing replayed."""
    replay_denied: int | None = None
    """Those of them that a policy learnt on the first two thirds denies; None likewise."""
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
    trust: TrustAnswer | None = None
    """What is suggested for the trust policy; None in older tables."""
    trust_reason: str = ""
    trust_code: str = ""
    """As `code`."""
    trust_policy: str = ""
    """The name of the file with the new trust policy, without a suffix; "" where it is today's, or there is none."""
    trust_changes: int | None = None
    """What the new one takes away; None where nothing is suggested."""
    trust_findings: tuple[str, ...] = ()
    """Rules that today's trust policy breaks: ``PG701``."""
    trust_losses: int = 0
    """Callers that a decision drops although they came: their calls will fail."""
    assumptions: int | None = None
    """How often the role was assumed; None where that is not known."""
    last_assumed: str = ""
    """As `last_call`."""
    session_now: int | None = None
    """Seconds that a session may last."""
    session_proposed: int | None = None
    """Seconds that are enough; None where nothing is suggested."""

    @property
    def cut(self) -> float | None:
        """The share of today's actions that is removed, in percent."""
        if not self.actions_now or self.actions_proposed is None:
            return None
        return 100 * (self.actions_now - self.actions_proposed) / self.actions_now

    @property
    def own_reasons(self) -> tuple[str, ...]:
        """The reasons that are about this role alone."""
        return tuple(one for one in self.reasons if one not in OF_ALL_ROLES)

    @property
    def to_look_at(self) -> int:
        """How much a person has to look at for this role alone: its own reasons, or the error that it ended in."""
        return len(self.own_reasons) or int(self.verdict in {"review", "wait"} and not self.reasons)

    @property
    def paths_now(self) -> int | None:
        """The ways to escalate privileges that today's policies leave open; None where they are not known."""
        if self.escalations_closed is None or self.escalations_left is None:
            return None
        return self.escalations_closed + self.escalations_left


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

    @property
    def subject(self) -> str:
        """What it is about: what it asks without the number of roles."""
        return self.asks.rpartition(": ")[0] or self.asks


class RoleQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """One role's part of a question: a row of ``questions.csv``, for the role's owner."""

    role: str
    owner: str
    """As `BatchRow.owner`."""
    account: str
    question: str
    """As `BatchQuestion.id`."""
    asks: str
    permissions: int
    """How many permissions of the role it is about."""
    riskiest: str
    """Some of them, with spaces between."""
    command: str
    """The command that would answer it; "" where there is none."""
    drop: str
    """A rule in one line that drops the permissions, and nothing that the role needs; "" where there is none."""


class SharedReason(msgspec.Struct, frozen=True, kw_only=True):
    """A reason that holds back several roles alike, since it lies in what was read or given."""

    id: str
    """Of `OF_ALL_ROLES`."""
    sentence: str
    roles: int
    """How many roles it holds back."""
    command: str = ""
    """The command that takes it away; "" where there is none."""


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
    proposed_before: int | None = None
    """Actions of the proposal then."""
    proposed_after: int | None = None
    paths_before: int | None = None
    """Ways to escalate privileges that the role's policies left open then."""
    paths_after: int | None = None
    why: str = ""
    """The reason for today's answer."""
    denied: bool = False
    """Whether a replayed call is denied today: one of its reasons is ``replay``."""
    rules: tuple[str, ...] = ()
    """As `BatchRow.rules`, today."""

    @property
    def more_actions(self) -> int:
        """How many more actions the role's policies allow; 0 where that is not known."""
        known = self.actions_before is not None and self.actions_after is not None
        return (self.actions_after or 0) - (self.actions_before or 0) if known else 0

    @property
    def paths_opened(self) -> int:
        """How many more ways to escalate privileges there are; 0 where that is not known."""
        known = self.paths_before is not None and self.paths_after is not None
        return (self.paths_after or 0) - (self.paths_before or 0) if known else 0


class BatchSince(msgspec.Struct, frozen=True, kw_only=True):
    """The last batch in the same folder that gave other answers or had another window, and what changed since."""

    start: str
    end: str
    roles: int
    unverified: int
    """Unverified actions of all its roles."""
    changes: tuple[BatchChange, ...] = ()

    @property
    def gravest(self) -> list[BatchChange]:
        """The changes: those that open most, then those that became yes, those with a denied replay, and the others."""

        def place(one: BatchChange) -> tuple[int, int, bool, bool, bool, int, str, str]:
            changed = one.before != one.after
            return (
                -one.paths_opened,
                -max(0, one.more_actions),
                not (changed and one.after == "ready"),
                not (changed and one.denied),
                not changed,
                -abs((one.proposed_after or 0) - (one.proposed_before or 0)),
                one.role,
                one.account,
            )

        return sorted(self.changes, key=place)

    @property
    def transitions(self) -> list[tuple[Verdict | None, Verdict | None, int]]:
        """The answer then, the answer now, and how many roles have these; first those that are yes now."""
        ranks = [*get_args(Verdict), None]
        found = Counter((one.before, one.after) for one in self.changes if one.before != one.after)
        return [
            (before, after, found[before, after])
            for after in ranks
            for before in ranks
            if (before, after) in found
        ]


def sorted_rows(rows: Iterable[BatchRow]) -> list[BatchRow]:
    """Sort rows as they are shown: by answer, then by what has to be looked at, then by what closes most risk.

    Reasons that all roles of the account have do not count: once they are gone, they are gone for all.
    """
    ranks = {verdict: i for i, verdict in enumerate(get_args(Verdict))}

    def place(row: BatchRow) -> tuple[int, int, int, int, int, str, str]:
        removed = (row.actions_now or 0) - (row.actions_proposed or 0) if row.cut is not None else 0
        risk = -(row.escalations_closed or 0), -removed, -(row.actions_now or 0)
        return ranks[row.verdict], row.to_look_at, *risk, row.role.lower(), row.account

    return sorted(rows, key=place)


def first_to_trust_less(rows: Iterable[BatchRow]) -> list[BatchRow]:
    """Return the roles whose trust policy can be narrowed, first those whose policy of today leaves most open."""
    found = [row for row in rows if row.trust == "narrower"]
    return sorted(
        found,
        key=lambda row: (
            min(row.trust_findings, default="~"),  # the rules' ids rise as their weight falls
            -len(row.trust_findings),
            -(row.trust_changes or 0),
            row.role.lower(),
            row.account,
        ),
    )


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
    accounts: tuple[str, ...] = ()
    """The accounts whose policies were known; without any, all rests on the evidence alone."""
    records: int
    files: int
    no_logs: int = 0
    """The files among them that are no logs."""
    format: str = "policy"
    """The format of the files in ``policies``."""
    incomplete: tuple[str, ...]
    """What could not be read completely, or was not proved."""
    rows: tuple[BatchRow, ...]
    data_events: str = ""
    """What prints the commands that make the trails log the data events of all questions; "" where none need it.

    A line for each trail: accounts that have a trail in common share it.
    """
    questions: tuple[BatchQuestion, ...] = ()
    """The questions of all roles, first those that concern most of them. Older tables have none."""
    shared_reasons: tuple[SharedReason, ...] = ()
    """What holds back several roles alike, first what holds back most."""
    held_back: int = 0
    """Roles that one of these, or several, hold back."""
    ready_without: int = 0
    """Those of them that have no other reason by now; what is read later may give them one."""
    since: BatchSince | None = None
    """The difference to the batch before; None for the first one in its folder."""

    @property
    def read(self) -> str:
        """What was read: ``40,000 records in 152 log files; 2 other files are no logs``."""
        if not self.no_logs:
            return f"{pluralize(self.records, 'record')} in {pluralize(self.files, 'file')}"
        others = (
            f"{pluralize(self.no_logs, 'other file')} {'is no log' if self.no_logs == 1 else 'are no logs'}"
        )
        return f"{pluralize(self.records, 'record')} in {pluralize(self.files - self.no_logs, 'log file')}; {others}"

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
