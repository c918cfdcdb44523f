"""Why one action of a role is kept, removed, in doubt or never granted: everything that is known of it."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import add
from typing import Literal, NamedTuple

import msgspec

from policygen.account.fixed_roles import FixedRole, fixed_role
from policygen.catalog.mapping import requests_for
from policygen.catalog.service_names import service_prefix
from policygen.catalog.visibility import visibility_of
from policygen.errors import UsageError
from policygen.evidence.anomalies import SHOWN_ONLY, AnomalyRule
from policygen.evidence.coverage.observability import ObservedSince
from policygen.evidence.suspicious import CallOutcome, asked_of, suspicious_calls
from policygen.evidence.usage import DeniedRequest, Usage
from policygen.iam import arn, reference
from policygen.iam.actions import statement_actions
from policygen.iam.arn import service_of
from policygen.iam.document import Policy, Statement
from policygen.iam.request import AccessRequest
from policygen.logs.calls.call import CallSignature
from policygen.logs.calls.evidence import Evidence, sum_evidence
from policygen.logs.events.outcome import Outcome
from policygen.rightsize.assess.cautions import Caution
from policygen.rightsize.assess.risk import Risk
from policygen.rightsize.current_access import NotCurrentlyAllowed
from policygen.rightsize.generate.names import NameUse, all_uses
from policygen.rightsize.keep.model import Keep
from policygen.rightsize.removal import DecidedBy
from policygen.rightsize.suggestion import Suggestion
from policygen.text import escape_controls, pluralize, sanitize

Verdict = Literal["kept", "removed", "cannot tell", "not allowed today", "never granted", "set apart"]


class DailyCall(NamedTuple):
    """One kind of call on one day."""

    day: str
    call: CallSignature
    evidence: Evidence


class ObservedUse(msgspec.Struct, frozen=True):
    """The calls that used an action."""

    evidence: Evidence | None
    """The sum of all calls; None without any."""
    per_day: Sequence[int]
    """Calls on each day of the window."""
    resources: Mapping[str, Evidence]
    """Resource -> the calls that used the action on it, those with most calls first."""
    events: Mapping[str, tuple[str, ...]]
    """``dynamodb.amazonaws.com Query`` -> the mapping rules that made this action of it."""
    calls: Sequence[DailyCall]
    """By time."""
    errors: Mapping[str, int]
    """Error code -> calls that failed after the permission check, and so count as used."""
    implied: Evidence | None = None
    """Calls of another kind that show it indirectly, or often need it: they are not counted."""

    def __repr__(self) -> str:
        """Return the numbers in a line."""
        n = self.evidence.count if self.evidence else 0
        return f"<ObservedUse: {pluralize(n, 'call')} on {pluralize(len(self.resources), 'resource')}>"


class StatementRef(msgspec.Struct, frozen=True):
    """A statement that allows or denies an action."""

    policy: str
    statement: str
    """Sid, or its number in the policy."""
    effect: str
    patterns: tuple[str, ...]
    """Action patterns that match the action; a leading ``!`` marks a pattern of NotAction."""
    resources: tuple[str, ...]
    """Resource patterns; a leading ``!`` marks a pattern of NotResource."""


class Explanation(msgspec.Struct, frozen=True):
    """Everything that is known of one action of one role."""

    action: str
    role: str
    verdict: Verdict
    does: str
    """What the action does, in IAM's words; "" where IAM does not know it."""
    use: ObservedUse
    denied: Mapping[DeniedRequest, Evidence]
    """Denied requests: no evidence of need."""
    denied_calls: Sequence[CallOutcome]
    """The calls behind them that look like the workload, by time."""
    anomalous: Evidence | None
    """The sum of the authorised calls that do not look like the workload, and are left out."""
    suspicious: Sequence[CallOutcome]
    """All calls that do not look like the workload, accepted or not, denied ones too, by time."""
    accepted: frozenset[AnomalyRule]
    """Kinds of suspicious calls that a person accepted."""
    granted_by: tuple[StatementRef, ...] | None
    """Current statements; None where the current policies are not known."""
    kept_in: tuple[str, ...]
    """Sids of the proposed policy."""
    keeps: tuple[Keep, ...]
    rules: tuple[str, ...]
    """Declared generalisations by which its resources are written."""
    names: tuple[NameUse, ...]
    """How the names of its resources were used."""
    observability: ObservedSince
    """Whether the logs would have shown its use."""
    last_accessed: str
    """What IAM's last-accessed report says; "" where it says nothing."""
    why_removed: str
    """"" where the action is not removed."""
    traced: Mapping[AccessRequest, Evidence] = msgspec.field(default_factory=dict)
    """The requests that traces show, whether the logs show them or not."""
    decided_by: DecidedBy | None = None
    """What decides that the action goes; None where it is not removed."""
    not_added: tuple[NotCurrentlyAllowed, ...] = ()
    """Its requests that today's policies do not allow, and that the proposal does not grant."""
    fixed: FixedRole | None = None
    """Why nobody can edit the role, and what to edit instead; None where it can be edited."""
    without_permission: Evidence | None = None
    """The sum of its calls, where AWS answers them without asking for a permission."""
    has_own_event: bool = True
    """False where no event is named like it, so that only other calls show it, as calls that pass a role."""
    risks_closed: tuple[Risk, ...] = ()
    """The named risks of today's policies that this action is part of, and that the new policy closes."""
    risks_left: tuple[Risk, ...] = ()
    """Likewise those that the new policy leaves."""
    cautions: tuple[Caution, ...] = ()
    """What the loss of this action changes for the role's code, though no call that was seen is denied."""

    def __repr__(self) -> str:
        """Return its answer in a line; the fields hold a hundred thousand characters."""
        calls = self.use.evidence.count if self.use.evidence else 0
        why = f": {sanitize(self.why_removed)}" if self.why_removed else ""
        role = sanitize(self.role, 128)
        return f"<Explanation of {sanitize(self.action)} for {role}: {self.verdict}, {pluralize(calls, 'call')}{why}>"


def explain(suggestion: Suggestion, action: str) -> Explanation:
    """Collect everything that is known of an action.

    Args:
        suggestion: the suggestion for a role.
        action: ``service:Name``, in any letter case.

    Raises:
        UsageError: PG-E217, IAM knows no such action and neither the logs nor the policies name it.

    Example:
        >>> import policygen as pg
        >>> found = pg.suggest("orders-api", "samples/trail", snapshot="samples/account.json")
        >>> pg.explain(found, "s3:getobject").action
        's3:GetObject'
    """
    name = _spelling(suggestion, action)
    folded = name.lower()
    known = reference.action(name)
    use = _observed_use(suggestion.usage, folded)
    keeps = tuple(keep for keep in suggestion.keeps if keep.grant.action.lower() == folded)
    granted = None if suggestion.today is None else tuple(_statements(suggestion.today, name))
    anomalous = sum_evidence(_requests(suggestion.apart, folded).values())
    change = next((one for one in suggestion.changes if one.action.lower() == folded), None)
    bound = suggestion.barred.get(name)
    written = (how for request, how in suggestion.written.items() if request.action.lower() == folded)
    return Explanation(
        action=name,
        role=suggestion.role.name,
        verdict=_verdict(suggestion, name, keeps, anomalous),
        does=f"{known.access_level}: {reference.description(name)}" if known else "",
        use=use,
        denied=_denied(suggestion, folded),
        denied_calls=_denied_calls(suggestion.usage, folded),
        anomalous=anomalous,
        suspicious=[
            one
            for one in suspicious_calls(suggestion.split, suggestion.usage.knowledge)
            if suggestion.usage.window.holds(one.key.day) and _asks_for(one, folded)
        ],
        accepted=suggestion.split.accepted | SHOWN_ONLY,
        granted_by=granted,
        kept_in=tuple(_sids(suggestion, name)),
        keeps=keeps,
        rules=tuple(sorted({how.rule for how in written if how.rule})),
        names=tuple(use for use in all_uses(suggestion.names) if use.action.lower() == folded),
        observability=suggestion.coverage.observability(
            name, reads_only=known is not None and not known.writes
        ),
        last_accessed=suggestion.said.get(name, ""),
        why_removed=f"{bound} bars it"
        if bound
        else change.why
        if change and change.kind == "removed"
        else "",
        decided_by=change.decided_by if change and change.kind == "removed" else None,
        not_added=_not_added(suggestion, folded),
        fixed=fixed_role(suggestion.role.name, suggestion.role.arn),
        traced={one: seen for one, seen in suggestion.usage.traced.items() if one.action.lower() == folded},
        without_permission=_without_permission(suggestion.usage, folded),
        has_own_event=visibility_of(name).kind != "implied",
        risks_closed=tuple(risk for risk in suggestion.risks_removed if name in risk.actions),
        risks_left=tuple(risk for risk in suggestion.risks_left if name in risk.actions),
        cautions=tuple(one for one in suggestion.cautions if one.action == name),
    )


def _spelling(suggestion: Suggestion, action: str) -> str:
    """Return the action in IAM's own spelling, or as the logs or policies write it."""
    known = reference.action(action)
    if known:
        return known.name
    named = {request.action for request in suggestion.usage.requests} | set(suggestion.now or ())
    for name in named:
        if name.lower() == action.lower():
            return name
    prefix = action.partition(":")[0].lower()
    near = _near(action, prefix)
    alone, on, _ = action.partition(" on ")
    if on:
        raise UsageError(
            f"{escape_controls(action)[:120]!r} is an action on a resource",
            "explain tells of an action wherever it was used: give the action alone",
            code="PG-E217",
            instead=(action, alone),
        )
    raise UsageError(
        f"IAM has no action {escape_controls(action)[:80]!r}",
        *([f"did you mean {' or '.join(near)}?"] if near else []),
        "an action is service:Name, for example s3:GetObject",
        code="PG-E217",
        instead=(action, near[0]) if near else None,
    )


def _near(action: str, prefix: str) -> list[str]:
    names = {name.lower(): name for name in reference.action_names(prefix)}
    return [names[key] for key in difflib.get_close_matches(action.lower(), names, n=3)]


def _verdict(
    suggestion: Suggestion,
    name: str,
    keeps: Sequence[Keep],
    anomalous: Evidence | None,
) -> Verdict:
    requests = _requests(suggestion.usage, name.lower())
    proposed = any(grant.action.lower() == name.lower() for grant in suggestion.grants)
    if proposed:
        observed = any(request in suggestion.written for request in requests)
        unknown = keeps and all(keep.kind == "unknown" for keep in keeps)
        return "cannot tell" if unknown and not observed else "kept"
    if _not_added(suggestion, name.lower()) or (requests and name in suggestion.barred):
        return "not allowed today"
    if anomalous and not requests:
        return "set apart"
    # What a statement grants and a Deny or a bound refuses everywhere is not allowed today either.
    return "removed" if name in (suggestion.now or ()) else "never granted"


def _not_added(suggestion: Suggestion, folded: str) -> tuple[NotCurrentlyAllowed, ...]:
    return tuple(one for one in suggestion.missing if one.request.action.lower() == folded)


# --- The calls behind it ---------------------------------------------------------------------------


def _observed_use(usage: Usage, folded: str) -> ObservedUse:
    requests = _requests(usage, folded)
    calls, resources = _calls(usage, folded)
    per_day, errors = Counter[str](), Counter[str]()
    for day, call, evidence in calls:
        per_day[day] += evidence.count
        if call.error:
            errors[call.error] += evidence.count
    events = sorted({event for request in requests for event in usage.sources.get(request, ())})
    rules = tuple(sorted({rule for request in requests for rule in usage.reasons.get(request, ())}))
    in_traces = (request.resource for request in requests if request.resource not in resources)
    resources |= {name: _sum_on(requests, name) for name in in_traces}
    implied = (seen for one, seen in usage.informational.items() if one.action.lower() == folded)
    return ObservedUse(
        evidence=sum_evidence(evidence for _, _, evidence in calls),
        per_day=tuple(per_day[day] for day in usage.window.dates()),
        resources=dict(sorted(resources.items(), key=lambda item: (-item[1].count, item[0]))),
        events=dict.fromkeys(events, rules),
        calls=calls,
        errors=dict(sorted(errors.items())),
        implied=sum_evidence(implied),
    )


def _requests(usage: Usage | None, folded: str) -> dict[AccessRequest, Evidence]:
    requests = usage.requests if usage else {}
    return {request: seen for request, seen in requests.items() if request.action.lower() == folded}


def _sum_on(requests: Mapping[AccessRequest, Evidence], resource: str) -> Evidence:
    return reduce(add, (seen for one, seen in requests.items() if one.resource == resource))


def _calls(usage: Usage, folded: str) -> tuple[list[DailyCall], dict[str, Evidence]]:
    """Return the authorised calls that make a request of this action, by time; and their sums by resource."""
    found: dict[tuple[str, CallSignature], Evidence] = {}
    resources: dict[str, Evidence] = {}
    asked: dict[CallSignature, frozenset[str]] = {}
    known = {request.resource for request in _requests(usage, folded)}
    for bucket, evidence in usage.daily.items():
        call = bucket.call
        if call.outcome in {Outcome.DENIED, Outcome.UNAUTHENTICATED}:
            continue
        if call not in asked:
            pairs = asked_of(call, usage.knowledge)
            asked[call] = frozenset(resource for action, resource in pairs if action.lower() == folded)
        if asked[call]:
            key = (bucket.day, call)
            found[key] = found[key] + evidence if key in found else evidence
        for resource in asked[call] & known:
            resources[resource] = resources[resource] + evidence if resource in resources else evidence
    calls = [DailyCall(day, call, evidence) for (day, call), evidence in found.items()]
    return sorted(calls, key=lambda one: (one.evidence.first, str(one.call))), resources


def _without_permission(usage: Usage, folded: str) -> Evidence | None:
    """Return the sum of the calls named like an action that AWS answers without asking for a permission."""

    def is_one(call: CallSignature) -> bool:
        return (
            call.name.lower() == folded.partition(":")[2]
            and service_prefix(call.source) == service_of(folded)
            and call.outcome not in {Outcome.DENIED, Outcome.UNAUTHENTICATED}
            and requests_for(call.call(usage.knowledge)).status == "no-permission-needed"
        )

    return sum_evidence(seen for key, seen in usage.daily.items() if is_one(key.call))


def _denied_calls(usage: Usage, folded: str) -> list[CallOutcome]:
    """Return the calls of the workload for an action that AWS did not authorise, by time."""
    found = (
        CallOutcome(key, seen, asked_of(key.call, usage.knowledge))
        for key, seen in usage.daily.items()
        if key.call.outcome in {Outcome.DENIED, Outcome.UNAUTHENTICATED}
    )
    asking = [one for one in found if _asks_for(one, folded)]
    return sorted(asking, key=lambda one: (one.evidence.first, str(one.key)))


def _asks_for(call: CallOutcome, folded: str) -> bool:
    return any(action.lower() == folded for action, _ in call.asked)


def _denied(suggestion: Suggestion, folded: str) -> dict[DeniedRequest, Evidence]:
    """Return the denied requests for an action, of the workload and of anomalous calls together."""
    denied: dict[DeniedRequest, Evidence] = {}
    for usage in (suggestion.usage, suggestion.apart):
        for request, evidence in (usage.denied if usage else {}).items():
            if request.action.lower() == folded:
                denied[request] = denied[request] + evidence if request in denied else evidence
    return denied


# --- The statements that grant it ------------------------------------------------------------------


def _statements(policies: Sequence[Policy], action: str) -> Iterator[StatementRef]:
    for policy in policies:
        for number, statement in enumerate(policy.statements, 1):
            if patterns := tuple(_patterns(statement, action)):
                resources = tuple(
                    f"!{one}" if statement.not_resources else one for one in statement.resources
                )
                yield StatementRef(
                    policy.name, statement.sid or f"#{number}", statement.effect, patterns, resources
                )


def _patterns(statement: Statement, action: str) -> Iterator[str]:
    matching = [pattern for pattern in statement.actions if arn.action_matches(pattern, action)]
    if not statement.not_actions:
        yield from matching
    elif not matching:
        yield from (f"!{pattern}" for pattern in statement.actions)


def _sids(suggestion: Suggestion, action: str) -> Iterator[str]:
    several = len(suggestion.policies) > 1
    for policy in suggestion.policies:
        for statement in policy.statements:
            names = {name.lower() for name in statement_actions(statement)}
            if statement.effect == "Allow" and action.lower() in names:
                yield f"{policy.name}/{statement.sid}" if several else statement.sid
