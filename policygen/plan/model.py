"""The shape of a plan, typed: one struct for each of its parts. Field names are the keys of its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

import msgspec

from policygen.iam.arn import service_of
from policygen.plan.apply_list import ApplyList, apply_list_of
from policygen.plan.model_decisions import PlanDecisions
from policygen.plan.model_evidence import (
    Calendar,
    PlanAnomaly,
    PlanCoverage,
    PlanDenied,
    PlanEvidence,
    PlanInformationalRequest,
    PlanNotAllowed,
    PlanPredecessor,
    PlanUnmapped,
    PlanUser,
    Seen,
)
from policygen.plan.model_replay import PlanNames, PlanReplay
from policygen.plan.model_trust import Trust
from policygen.rightsize.assess.change_groups import ChangeGroup, RoleChanges, group_changes
from policygen.rightsize.assess.changes import Change
from policygen.rightsize.assess.readiness import ANSWERS
from policygen.rightsize.assess.risk import Family
from policygen.rightsize.assess.tightness import Support, Tightness, broader_of, support_of, tightness_by
from policygen.text import page_of, pluralize, sanitize


class PlanRole(msgspec.Struct, frozen=True):
    """The role that the policy is for; "" for what is not known."""

    account: str
    role_id: str
    arn: str
    name: str


class PlanWindow(msgspec.Struct, frozen=True):
    """The days that were read: whole days in UTC, both ends included."""

    start: str
    end: str
    days: int
    end_given: bool = True
    """Whether a person named the end; if not, it is the newest event. Older plans lack it."""


class Document(msgspec.Struct, frozen=True):
    """A policy: its name and IAM's document."""

    name: str
    document: dict[str, Any]


class ProposedPolicy(Document, frozen=True):
    """A proposed policy, which fits IAM's quotas."""

    size: int
    """Characters that count against the quota."""


class CurrentPolicy(Document, frozen=True):
    """A policy that the role has today."""

    kind: Literal["inline", "managed", ""] = ""
    """"" in older plans, which do not say it."""
    arn: str = ""
    """Of a managed policy."""
    size: int = 0
    """Characters that count against the quota; 0 in older plans."""


class PlanGrant(msgspec.Struct, frozen=True, gc=False):
    """One action on one resource pattern."""

    action: str
    resource: str
    not_resource: tuple[str, ...] = ()


class PlanKeep(msgspec.Struct, frozen=True, gc=False):
    """A grant that is kept without evidence, and why."""

    action: str
    resource: str
    kind: str
    why: str
    not_resource: tuple[str, ...] = ()
    condition: dict[str, dict[str, list[str]]] = {}
    blind_spot: str | None = None
    remedy: str = ""
    command: str = ""
    note: str = ""
    visible: bool = False
    """Whether the logs would have shown its use."""

    @property
    def service(self) -> str:
        """The action's service prefix."""
        return service_of(self.action)


class PlanUnverified(msgspec.Struct, frozen=True):
    """What a person chose to do with unverified permissions. Older plans have none: they are kept with the rest."""

    mode: str = "keep"
    """``keep``, ``drop`` or ``split``."""
    permissions: int = 0
    """Actions that were dropped, or that stand apart."""
    dropped: tuple[PlanKeep, ...] = ()
    """Permissions that the policies do not grant, though nothing says that they are unused."""
    policies: tuple[str, ...] = ()
    """Names of the policies that hold unverified permissions alone."""
    tried: tuple[str, ...] = ()
    """Unverified actions at which, or at whose service, IAM saw an attempt of which no event was read."""
    droppable: tuple[str, ...] | None = None
    """Kept actions that ``--unverified drop`` would drop. None in older plans, which do not say it."""


class PlanAttempt(msgspec.Struct, frozen=True):
    """What IAM's last-accessed report says of an action, or of its service."""

    action: str
    says: str


class PlanCheck(msgspec.Struct, frozen=True):
    """One promise of the proof, and whether it holds."""

    promise: str
    held: bool
    finding: str
    counter_examples: tuple[str, ...] = ()


class PlanReason(msgspec.Struct, frozen=True):
    """One reason for the answer to "Safe to apply?"."""

    id: str
    verdict: str
    sentence: str


class PlanSchedule(msgspec.Struct, frozen=True):
    """A permission that is used on a schedule."""

    action: str
    kind: str
    sentence: str


class PlanReadiness(msgspec.Struct, frozen=True):
    """How much the evidence is worth, and whether the policy is safe to apply."""

    verdict: str
    reasons: tuple[PlanReason, ...]
    days: int
    days_covered: int
    days_active: int
    curve: tuple[int, ...]
    last_new: str
    once: tuple[str, ...]
    rhythms: tuple[PlanSchedule, ...] = ()


class PlanRisk(msgspec.Struct, frozen=True):
    """A named risk."""

    rule: str
    title: str
    family: Family
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    source: str


class Risks(msgspec.Struct, frozen=True):
    """The risks that the proposal closes, and those that it leaves."""

    removed: tuple[PlanRisk, ...] = ()
    left: tuple[PlanRisk, ...] = ()


class PlanCaution(msgspec.Struct, frozen=True):
    """What changes for the role's code though no call that was seen is denied."""

    id: str
    action: str
    resources: tuple[str, ...]
    says: str
    option: str


class PlanQuestion(msgspec.Struct, frozen=True):
    """A question about unverified permissions: what it asks, and what answers it."""

    topics: tuple[str, ...]
    asks: str
    why: str
    actions: tuple[str, ...]
    riskiest: tuple[str, ...] = ()
    answer: str = ""
    command: str = ""
    keep: str = ""
    drop: str = ""
    drop_patterns: tuple[str, ...] = ()
    """The patterns of actions that drop what the question is about, and nothing that is needed."""


class PlanOpenNames(msgspec.Struct, frozen=True):
    """A resource type for which new names may appear next time."""

    type: str
    names: int
    reason: str


class PlanNarrowedGrant(msgspec.Struct, frozen=True):
    """A grant that is narrower than it might be: it could not be met exactly with a statement of today."""

    action: str
    resource: str
    statement: str
    why: str


class Barred(msgspec.Struct, frozen=True):
    """An action that today's policies grant and a bound never allows."""

    action: str
    by: str


class Plan(msgspec.Struct, kw_only=True, dict=True):
    """One role's suggestion, typed; `document` is all of it as plain values.

    Example:
        >>> import policygen as pg
        >>> plan = pg.load("samples/trail", "orders-api", snapshot="samples/account.json").plan()
        >>> plan.verdict, plan.actions_now, len(plan.questions)
        ('review', 519, 4)
    """

    schema_version: int
    policygen: str
    iam_data: str
    role: PlanRole
    window: PlanWindow
    evidence: PlanEvidence
    policies: tuple[ProposedPolicy, ...]
    grants: tuple[PlanGrant, ...]
    keeps: tuple[PlanKeep, ...]
    today: tuple[CurrentPolicy, ...] | None
    changes: tuple[Change, ...]
    missing: tuple[PlanNotAllowed, ...]
    cautions: tuple[PlanCaution, ...] = ()
    """Older plans have none."""
    added: tuple[PlanGrant, ...] = ()
    """Grants beyond today's policies: ``--add-observed`` asked for them. Older plans have none."""
    wanted_but_denied: tuple[PlanDenied, ...]
    unmapped: tuple[PlanUnmapped, ...]
    unauthenticated: Seen | None = None
    """Events with expired or wrong credentials."""
    suspects: tuple[PlanAnomaly, ...] = ()
    users: tuple[PlanUser, ...] = ()
    strength: PlanReadiness | None = None
    risks: Risks = Risks()
    proof: tuple[PlanCheck, ...]
    coverage: PlanCoverage
    notes: tuple[str, ...] = ()
    questions: tuple[PlanQuestion, ...] = ()
    """The unverified permissions as questions, the riskiest first. Older plans have none."""
    open_names: tuple[PlanOpenNames, ...] = ()
    names: tuple[PlanNames, ...] = ()
    """How names were used, by action, type and parent. Older plans have none."""
    replay: PlanReplay | None = None
    """What a policy like this one, but made earlier, denies. None in older plans, which do not say it."""
    asides: tuple[PlanInformationalRequest, ...] = ()
    losses: tuple[PlanNarrowedGrant, ...] = ()
    barred: tuple[Barred, ...] = ()
    needs: tuple[str, ...] | None = None
    """Actions that AWS's own services need of the role. Older plans have none."""
    decisions: PlanDecisions = PlanDecisions()
    unverified: PlanUnverified = PlanUnverified()
    seasonal: tuple[PlanAttempt, ...] = ()
    """Actions that stay because IAM saw them, or their service, before or after the window."""
    last_accessed: tuple[PlanAttempt, ...] = ()
    boundary: Document | None = None
    """The role's permissions boundary; None where it has none, or is not known. Older plans have none."""
    predecessors: tuple[PlanPredecessor, ...] = ()
    calendar: Calendar = Calendar()
    trust: Trust | None = None
    today_digest: str | None = None
    inputs: tuple[tuple[str, ...], ...] | None = None
    """The options with which `suggest` made it, without those of its output; None where that is not known."""
    today_unread: tuple[str, ...] = ()
    """ARNs of attached policies whose documents were not read. Older plans have none."""
    gate: dict[str, Any] | None = None
    """What only `policygen check` reads (`plan.gate`). Older plans have none."""
    stored: dict[str, Any] = {}
    """All of it by name as it is saved: values, and records of which there are thousands."""
    file: str = ""
    """Where it is saved, as it was named; "" for policygen's own folder, or nowhere."""
    saved_at: str = ""
    """When the file that it was read from was written, to the minute in UTC; "" where it was read from none."""
    unsaved: bool = False
    """Whether it is saved nowhere, so that commands must make it again."""

    def __repr__(self) -> str:
        """Return the answer in a few lines; the document has thousands."""
        verdict = self.strength.verdict if self.strength else ""
        answer = f": safe to apply? {ANSWERS.get(verdict, verdict)}" if verdict else ""
        return (
            f"<Plan for {sanitize(self.role.name, 128)}{answer}\n"
            f" window {self.window.start} to {self.window.end}, {pluralize(self.window.days, 'day')}\n"
            f" {pluralize(self.evidence.count, 'call')}, {pluralize(len(self.policies), 'policy document')}>"
        )

    def _repr_html_(self) -> str:
        """Return the same as a small page, for notebooks."""
        return page_of(self)

    @property
    def verdict(self) -> str:
        """Whether it is safe to apply: ``ready`` for yes, ``review`` for look first, ``wait`` for not yet."""
        return self.strength.verdict if self.strength else ""

    @property
    def size(self) -> int:
        """Characters of all proposed documents that count against IAM's quotas."""
        return sum(policy.size for policy in self.policies)

    @cached_property
    def document(self) -> dict[str, Any]:
        """All of it as plain values."""
        return msgspec.json.decode(msgspec.json.encode(self.stored))  # type: ignore[no-any-return]

    @cached_property
    def change_groups(self) -> tuple[ChangeGroup, ...]:
        """The changes in groups."""
        return self.changes.groups if isinstance(self.changes, RoleChanges) else group_changes(self.changes)

    @cached_property
    def apply_list(self) -> ApplyList:
        """What applying the plan changes at the role, in order."""
        return apply_list_of(self)

    @cached_property
    def actions_now(self) -> int | None:
        """Actions that today's policies allow; None where they are not known."""
        return None if self.today is None else sum(one.allowed_today for one in self.change_groups)

    @cached_property
    def dropped_unverified(self) -> tuple[str, ...]:
        """Unverified actions that a person dropped, by choice or by rules, though nothing says that they are unused."""
        by_choice = {one.action for one in self.unverified.dropped}
        return tuple(sorted(by_choice | {one.action for one in self.decisions.ruled_out}))

    @cached_property
    def support(self) -> Mapping[str, Support]:
        """What speaks for each action of the proposal, in lower case."""
        granted = (one.action for one in self.evidence.granted)
        return support_of((grant.action for grant in self.grants), granted, self._kept)

    @cached_property
    def _kept(self) -> list[tuple[str, str]]:
        return [(keep.action, keep.kind) for keep in self.keeps]

    @cached_property
    def broader(self) -> frozenset[str]:
        """The needed actions, in lower case, that are also kept, unverified, on more resources."""
        return broader_of(self.support, self._kept)

    @cached_property
    def tightness(self) -> Tightness:
        """The actions of the proposal, by what speaks for them."""
        return tightness_by(self.support, self._kept)

    @cached_property
    def actions_proposed(self) -> int:
        """Actions that the proposal allows."""
        return len({grant.action.lower() for grant in self.grants})
