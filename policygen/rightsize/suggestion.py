"""A suggestion: the proposed policy of one role, and everything it rests on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from functools import cache
from typing import NamedTuple

import msgspec

from policygen.evidence.anomalies import Anomaly, SplitCalls
from policygen.evidence.coverage.coverage import Coverage
from policygen.evidence.role import Predecessor
from policygen.evidence.usage import Usage
from policygen.iam.arn import service_of
from policygen.iam.document import Policy, Statement
from policygen.iam.evaluate import Evaluator
from policygen.iam.grants import Grant
from policygen.iam.request import AccessRequest, RoleKey
from policygen.logs.calls.evidence import Evidence
from policygen.rightsize.assess.cautions import Caution
from policygen.rightsize.assess.changes import Change
from policygen.rightsize.assess.proof import Proof
from policygen.rightsize.assess.readiness import ANSWERS, Readiness
from policygen.rightsize.assess.replay import NOT_REPLAYED, Replay
from policygen.rightsize.assess.risk import Risk
from policygen.rightsize.assess.tightness import Support, Tightness, support_of
from policygen.rightsize.current_access import NotCurrentlyAllowed
from policygen.rightsize.decisions.effects import DecisionEffects
from policygen.rightsize.decisions.model import Decisions, ReportedCalls, Unverified
from policygen.rightsize.generate.generalise import Mode, Written
from policygen.rightsize.generate.intersect import NarrowedGrant
from policygen.rightsize.generate.names import NameUse
from policygen.rightsize.keep.model import Keep
from policygen.rightsize.keep.unverified import UnverifiedChoice
from policygen.rightsize.questions import Question
from policygen.text import page_of, pluralize, sanitize


class SuggestOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to write the proposed policy, and which decisions bind it."""

    name: str = "policygen"
    """Name of the new policy."""
    add_observed: bool = False
    """Grant observed requests that the current identity policies do not allow."""
    resources: Mode = "auto"
    """How to write observed resource names: ``auto`` (by the declared rules, but as seen where the evidence shows them
    to be fixed), ``exact``, ``pattern`` (by the declared rules alone) or ``type``."""
    opened: Collection[str] = ()
    """Resource types (``ec2:image``) of which every resource is granted."""
    exact: Collection[str] = ()
    """Resource types of which the names are written as seen, whatever is declared."""
    decisions: Decisions | None = None
    """What people decided to keep, to drop and to protect."""
    on: date | None = None
    """The date on which decisions expire or not; None for the last day of the window."""
    unverified: Unverified | None = None
    """What becomes of unverified permissions; None for what the decisions say, by default to keep them."""


class InformationalRequest(NamedTuple):
    """A request that is shown and not granted for its own sake, and whether the new policy happens to allow it."""

    request: AccessRequest
    evidence: Evidence
    allowed: bool


class Suggestion(msgspec.Struct, frozen=True):
    """The proposed policy of one role, and everything it rests on.

    Example:
        >>> import policygen as pg
        >>> found = pg.suggest("orders-api", "samples/trail", snapshot="samples/account.json")
        >>> [check.promise for check in found.proof.checks if not check.held]
        []
        >>> found.strength.verdict, found.tightness.needed, found.tightness.unverified
        ('review', 26, 13)
    """

    role: RoleKey
    """The role: its account, id, ARN and name."""
    usage: Usage
    """What the role did in the window: its access requests with their evidence, and its calls."""
    coverage: Coverage
    """What the logs can show."""
    policies: tuple[Policy, ...]
    """One document, or several managed ones where one would be too large."""
    grants: Mapping[Grant, tuple[AccessRequest, ...]]
    """Each grant and the observed requests it is for."""
    keeps: tuple[Keep, ...]
    """What is kept without a call that shows it, and why."""
    written: Mapping[AccessRequest, Written]
    """Observed request -> the pattern that grants it, and the rule that made it."""
    missing: tuple[NotCurrentlyAllowed, ...]
    """Observed requests that today's policies do not allow, and that are not granted."""
    added: tuple[Grant, ...]
    """Grants beyond the current policies, of what was observed: they were asked for (`SuggestOptions.add_observed`)."""
    today: tuple[Policy, ...] | None
    """The current identity policies; None where they are not known."""
    now: Mapping[str, Sequence[Statement]] | None
    """Action -> the current Allow statements that grant it within the role's bounds; None where they are not known."""
    changes: tuple[Change, ...]
    """What becomes of each action."""
    cautions: tuple[Caution, ...]
    """What changes for the role's code though no call that was seen is denied."""
    tightness: Tightness
    """The actions of the policies by what speaks for them."""
    proof: Proof
    """The promises, and whether the policy holds them."""
    predecessors: tuple[Predecessor, ...] = ()
    """Deleted roles of the same name, whose events are left out."""
    notes: tuple[str, ...] = ()
    """What else a reader should know, in sentences."""
    boundary: Policy | None = None
    """The role's permissions boundary; None where it has none, or is not known."""
    guardrails: tuple[tuple[Policy, ...], ...] = ()
    """Levels of SCPs, and RCPs as one level, as `CurrentAccess` has them."""
    min_days: int = 0
    """Days for which a permission must have been visible before its absence means anything."""
    split: SplitCalls = msgspec.field(default_factory=lambda: SplitCalls({}, {}, {}))
    """The role's calls, split into those of the workload and anomalous ones."""
    apart: Usage | None = None
    """The requests behind anomalous calls; None where there are none."""
    reported: Mapping[Anomaly, ReportedCalls] = msgspec.field(default_factory=dict)
    """Suspicious calls that are not the workload's, as a person wrote -> where, and why."""
    questions: tuple[Question, ...] = ()
    """The unverified permissions as questions, the riskiest first."""
    open_names: Mapping[str, tuple[int, str]] = msgspec.field(default_factory=dict)
    """Resource type whose names may be new next time -> (number of names seen, the reason)."""
    names: Mapping[AccessRequest, NameUse] = msgspec.field(default_factory=dict)
    """Request that names a resource -> how the names of its kind were used."""
    replay: Replay = NOT_REPLAYED
    """What a policy made like this one, but earlier, would have denied."""
    losses: tuple[NarrowedGrant, ...] = ()
    """Grants that had to be narrower than both the observed pattern and the current statement."""
    needed: frozenset[str] = frozenset()
    """Actions that AWS's own services need of the role."""
    decided: DecisionEffects = msgspec.field(default_factory=DecisionEffects)
    """What people's decisions did."""
    seasonal: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Kept action -> what IAM saw of it before or after the window."""
    said: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Current action -> what IAM's last-accessed report says of it, where it says anything."""
    strength: Readiness | None = None
    """How good the evidence is, with a verdict; None only while the suggestion is being made."""
    risks_removed: tuple[Risk, ...] = ()
    """Named risks that today's policies have and the new policy has not."""
    risks_left: tuple[Risk, ...] = ()
    """Named risks that the new policy still has."""
    unverified: UnverifiedChoice = msgspec.field(default_factory=UnverifiedChoice)
    """What a person chose to do with unverified permissions, and what that did."""
    barred: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Action that the current policies grant and a bound never allows -> the bound's name; it is not kept."""

    def __repr__(self) -> str:
        """Return the answer in a few lines; the fields hold millions of characters."""
        window, tight = self.usage.window, self.tightness
        answer = (
            ANSWERS.get(self.strength.verdict, self.strength.verdict) if self.strength else "not assessed"
        )
        today = "not known" if self.now is None else f"{len(self.now):,}"
        name = sanitize(self.role.name, 128)
        return (
            f"<Suggestion for {name}: safe to apply? {answer}\n"
            f" window {window.start} to {window.end}, {pluralize(window.days, 'day')}\n"
            f" actions: {tight.needed:,} needed + {tight.unverified:,} unverified; today {today}\n"
            f" policies: {', '.join(f'{one.name} ({one.size:,} characters)' for one in self.policies[:10])}>"
        )

    def _repr_html_(self) -> str:
        """Return the same as a small page, for notebooks."""
        return page_of(self)

    @property
    def policy(self) -> Policy:
        """All statements in one document of any size: for evaluation, not for IAM."""
        return Policy(
            tuple(s for policy in self.policies for s in policy.statements), name=self.policies[0].name
        )

    @property
    def support(self) -> Mapping[str, Support]:
        """What speaks for each action of the proposal, in lower case."""
        kept = [(keep.grant.action, keep.kind) for keep in self.keeps]
        return support_of((one.action for one in self.grants), (one.action for one in self.written), kept)

    def informational(self) -> list[InformationalRequest]:
        """Return requests that are not granted for their own sake, except those that were observed directly as well."""
        if not self.usage.informational:
            return []
        direct = {(service_of(request.action), request.resource) for request in self.usage.requests}
        evaluator = cache(lambda: Evaluator(self.policies))
        return [
            InformationalRequest(request, seen, evaluator().evaluate(request).outcome == "ALLOWED")
            for request, seen in self.usage.informational.items()
            if (service_of(request.action), request.resource) not in direct
        ]

    def grants_by_request(self) -> dict[AccessRequest, Evidence]:
        """Return the granted requests and their evidence."""
        return {request: seen for request, seen in self.usage.requests.items() if request in self.written}
