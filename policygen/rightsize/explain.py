"""Why one action is kept, removed, in doubt or not granted at all: everything that is known of it, for one role."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from policygen.catalog import mapping
from policygen.errors import UsageError
from policygen.evidence.usage import DeniedRequest
from policygen.iam import arn, reference
from policygen.iam.actions import statement_actions
from policygen.iam.document import Policy, Statement
from policygen.iam.request import AccessRequest
from policygen.logs.calls.call import CallSignature
from policygen.logs.calls.evidence import Evidence, sum_evidence
from policygen.logs.events.outcome import Outcome
from policygen.rightsize.keep.model import Keep
from policygen.rightsize.suggestion import Suggestion
from policygen.text import escape_controls

Verdict = Literal["kept", "removed", "cannot tell", "not allowed today", "never granted", "set apart"]


@dataclass(frozen=True, slots=True)
class StatementRef:
    """A statement that allows or denies an action."""

    policy: str
    statement: str
    """Sid, or its number in the policy."""
    effect: str
    patterns: tuple[str, ...]
    """Action patterns that cover the action; a leading ``!`` marks one of NotAction."""
    resources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known of one action for one role."""

    action: str
    role: str
    verdict: Verdict
    does: str
    """In IAM's words; "" where IAM does not know the action."""
    evidence: Evidence | None
    """Of the calls that count; None without any."""
    per_day: Sequence[int]
    """Calls on each day of the window."""
    resources: Mapping[AccessRequest, Evidence]
    """What was asked for, most seen first."""
    events: Mapping[str, tuple[str, ...]]
    """``dynamodb.amazonaws.com Query`` -> the rules that made this action of it."""
    calls: Sequence[tuple[str, CallSignature, Evidence]]
    """(day, call, evidence) behind it, in order of time."""
    errors: Mapping[str, int]
    """Error code -> events that count although they failed."""
    denied: Mapping[DeniedRequest, Evidence]
    """Denied: no evidence of need."""
    anomalous: Evidence | None
    """Of calls that do not look like the workload."""
    granted_by: tuple[StatementRef, ...] | None
    """Statements of today; None where today is not known."""
    kept_in: tuple[str, ...]
    """Sids of the proposal."""
    keeps: tuple[Keep, ...]
    rules: tuple[str, ...]
    """Declared generalisations in use."""
    blind: str
    """Why the logs could not have shown it; "" where they could."""
    since: str
    """The first whole day from which on they would have shown it."""
    remedy: str
    command: str
    """What to run so that the logs show it; "" where nothing can be given."""
    said: str
    """What IAM's own last-accessed report says; "" where nothing."""
    why: str
    """Why it goes; "" where it does not."""


def explain(made: Suggestion, action: str) -> Explanation:
    """Everything that is known of an action.

    Args:
        made: the suggestion for a role.
        action: ``service:Name``, in any letter case.

    Raises:
        UsageError: PG-E217, IAM knows no such action and neither the logs nor the policies name it.
    """
    name = _known(made, action)
    folded = name.lower()
    requests = {r: seen for r, seen in made.usage.requests.items() if r.action.lower() == folded}
    calls = list(_calls(made, folded))
    days: Counter[str] = Counter()
    for day, _, seen in calls:
        days[day] += seen.count
    keeps = tuple(keep for keep in made.keeps if keep.grant.action.lower() == folded)
    known = reference.action(name)
    found = made.coverage.observability(name, reads_only=known is not None and not known.writes)
    changed = {change.action.lower(): change for change in made.changes}.get(folded)
    refused = [*made.usage.denied.items(), *(made.apart.denied.items() if made.apart else ())]
    denied: dict[DeniedRequest, Evidence] = {}
    for request, seen in refused:
        if request.action.lower() == folded:
            denied[request] = denied[request] + seen if request in denied else seen
    anomalous = sum_evidence(
        seen for r, seen in (made.apart.requests if made.apart else {}).items() if r.action.lower() == folded
    )
    granted = None if made.today is None else tuple(_places(made.today, name))
    return Explanation(
        action=name,
        role=made.role.name,
        verdict=_verdict(made, name, granted, keeps, requests, anomalous),
        does=f"{known.access_level}: {reference.description(name)}" if known else "",
        evidence=sum_evidence(seen for _, _, seen in calls),
        per_day=_series(made, days),
        resources=dict(sorted(requests.items(), key=lambda one: (-one[1].count, one[0].resource))),
        events={
            event: tuple(sorted({why for r in requests for why in made.usage.reasons.get(r, ())}))
            for event in sorted({event for r in requests for event in made.usage.sources.get(r, ())})
        },
        calls=calls,
        errors=_errors(calls),
        denied=denied,
        anomalous=anomalous,
        granted_by=granted,
        kept_in=tuple(_sids(made, name)),
        keeps=keeps,
        rules=tuple(
            sorted({w.rule for r, w in made.written.items() if r.action.lower() == folded and w.rule})
        ),
        blind=found.blind_spot.why if found.blind_spot else "",
        since=found.since,
        remedy=found.blind_spot.remedy if found.blind_spot else "",
        command=found.blind_spot.command if found.blind_spot else "",
        said=made.said.get(name, ""),
        why=changed.why if changed and changed.kind == "removed" else "",
    )


def _known(made: Suggestion, action: str) -> str:
    """The action in IAM's own spelling."""
    known = reference.action(action)
    if known:
        return known.name
    named = {r.action for r in made.usage.requests} | set(made.now or ())
    for name in named:
        if name.lower() == action.lower():
            return name
    prefix = action.partition(":")[0].lower()
    near = _near(action, prefix)
    raise UsageError(
        f"IAM knows no action {escape_controls(action)[:80]!r}",
        *([f"did you mean {' or '.join(near)}?"] if near else []),
        "an action is service:Name, for example s3:GetObject",
        code="PG-E217",
    )


def _near(action: str, prefix: str) -> list[str]:
    import difflib

    names = {name.lower(): name for name in reference.action_names(prefix)}
    return [names[key] for key in difflib.get_close_matches(action.lower(), names, n=3)]


def _verdict(
    made: Suggestion,
    name: str,
    granted: tuple[StatementRef, ...] | None,
    keeps: Sequence[Keep],
    requests: Mapping[AccessRequest, Evidence],
    apart: Evidence | None,
) -> Verdict:
    proposed = any(grant.action.lower() == name.lower() for grant in made.grants)
    if proposed:
        observed = any(request in made.written for request in requests)
        unknown = keeps and all(keep.kind == "unknown" for keep in keeps)
        return "cannot tell" if unknown and not observed else "kept"
    if any(one.request.action.lower() == name.lower() for one in made.missing):
        return "not allowed today"
    if apart and not requests:
        return "set apart"
    if granted is not None and not any(place.effect == "Allow" for place in granted):
        return "never granted"
    return "removed" if made.today is not None else "never granted"


def _calls(made: Suggestion, folded: str) -> Iterator[tuple[str, CallSignature, Evidence]]:
    """The calls that stand for a request of this action, by time."""
    found: dict[tuple[str, CallSignature], Evidence] = {}
    answers: dict[CallSignature, bool] = {}
    for key, seen in made.usage.daily.items():
        call = key.call
        if call not in answers:
            asked = mapping.requests_for(call.call()).requests
            answers[call] = any(one.request.action.lower() == folded for one in asked)
        if answers[call] and call.outcome not in {Outcome.DENIED, Outcome.UNAUTHENTICATED}:
            place = (key.day, call)
            found[place] = found[place] + seen if place in found else seen
    for (day, call), seen in sorted(found.items(), key=lambda one: (one[1].first, str(one[0][1]))):
        yield day, call, seen


def _series(made: Suggestion, days: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(days.get(day, 0) for day in made.usage.window.dates())


def _errors(calls: Sequence[tuple[str, CallSignature, Evidence]]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for _, call, seen in calls:
        if call.error:
            found[call.error] += seen.count
    return dict(sorted(found.items()))


def _places(policies: Sequence[Policy], action: str) -> Iterator[StatementRef]:
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


def _sids(made: Suggestion, action: str) -> Iterator[str]:
    for policy in made.policies:
        for statement in policy.statements:
            if statement.effect == "Allow" and action.lower() in {
                one.lower() for one in statement_actions(statement)
            }:
                yield f"{policy.name}/{statement.sid}" if len(made.policies) > 1 else statement.sid
