"""What a policy denies that the role needs, and what it allows that the current policies do not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from policygen.gate.findings import RULES, CheckRule, Finding, found_at
from policygen.gate.judge.nearest import nearest
from policygen.gate.judge.unused import some
from policygen.gate.scope import beside, scopes
from policygen.gate.sources import PolicySource, Spot
from policygen.iam.compare import Counterexample, gained_by
from policygen.iam.document import Policy, Statement, allow_statements, deny_statements
from policygen.iam.evaluate import Decision, Evaluator
from policygen.iam.example_requests import ACCOUNT
from policygen.iam.grants import Grant, is_pattern
from policygen.iam.request import AccessRequest, without_path
from policygen.logs.calls.evidence import Evidence, sum_evidence
from policygen.rightsize.basis import CheckBasis
from policygen.rightsize.current_access import ADDABLE
from policygen.rightsize.generate.intersect import statement_grants
from policygen.rightsize.keep.model import Keep
from policygen.text import pluralize


def denied(sources: Sequence[PolicySource], basis: CheckBasis) -> Iterator[Finding]:
    """PolicyReplay the observed requests, one finding for each rule, action and reason.

    What the boundary denies is no fault of the policy, but the call would fail all the same.
    """
    replay = PolicyReplay(sources, basis)
    groups: dict[tuple[CheckRule, str, str], list[tuple[AccessRequest, Evidence]]] = {}
    for request, (rule, reason) in _broken(replay, basis):
        groups.setdefault((rule, request.action, reason), []).append((request, basis.requests[request]))
    for missing in basis.missing:
        if not replay.allows(missing.request):
            key = RULES["PG302"], missing.request.action, missing.cause
            groups.setdefault(key, []).append((missing.request, missing.evidence))
    for (rule, action, reason), members in groups.items():
        calls = _calls([evidence for _, evidence in members])
        resources = sorted({request.resource for request, _ in members})
        on = resources[0] if len(resources) == 1 else f"{len(resources)} resources, as {resources[0]}"
        about = tuple((action, resource) for resource in resources)
        message = f"{calls} on {on}; {reason}"
        fix = _LOST if rule.id == "PG302" and reason not in ADDABLE else _FIXES[rule.id]
        fix += replay.attached(members[0][0]) if rule.id == "PG201" else ""
        yield found_at(nearest(sources, [action]), rule, action, message, fix, resource=on, about=about)


def _broken(replay: PolicyReplay, basis: CheckBasis) -> Iterator[tuple[AccessRequest, tuple[CheckRule, str]]]:
    """Yield the observed requests that break a rule, with the rule and the reason."""
    alternatives = [request for request in basis.requests if request.grade == "alternative"]
    stand_ins = {without_path(request) for request in alternatives if not replay.judge(request)}
    for request in basis.requests:
        broken = replay.judge(request)
        if broken and request.grade == "required" and without_path(request) not in stand_ins:
            yield request, broken


_FIXES = {
    "PG201": "allow it there",
    "PG104": "drop the condition, or make sure that the key is there",
    "PG302": "nothing here; it may need a look at what allowed the call",
}

_LOST = "nothing here: it will be denied at the next run, unless what forbids it today allows it"
"""What to do about a call that today's bounds or Denies forbid, whatever the policy under check says."""


def _calls(members: Sequence[Evidence]) -> str:
    total = sum_evidence(members)
    return f"{pluralize(total.count, 'call')}, last {total.last}" if total else ""


_EVERYTHING = Policy((Statement("Allow", ("*",), ("*",)),))
"""What a policy may grant that is not known."""


def _may_allow_more(source: PolicySource) -> bool:
    """Return whether the role has something of which nobody knows what it grants; not what may be another role's."""
    return bool(source.unread) or any(not unknown.of_nobody for unknown, _ in source.unknown)


class PolicyReplay:
    """Evaluates observed requests by the policies under check, and by the current ones for comparison."""

    def __init__(self, sources: Sequence[PolicySource], basis: CheckBasis) -> None:
        self._policies = [source.policy for source in sources]
        self._new = basis.evaluator(self._policies)
        unknown = [_EVERYTHING] if any(map(_may_allow_more, sources)) else []
        self._at_most = basis.evaluator([*self._policies, *unknown])
        self._allows = Evaluator([Policy(tuple(allow_statements(self._policies)))])
        self._current = basis.current.evaluator() if basis.current else None
        self._attached = {
            arn: basis.evaluator([*self._policies, policy])
            for arn, policy in basis.attached.items()
            if not set(policy.statements) <= {one for policy in self._policies for one in policy.statements}
        }

    def allows(self, request: AccessRequest) -> bool:
        """Return whether the policies allow a request."""
        return self._new.refusal(request) is None

    def may_allow(self, request: AccessRequest) -> bool:
        """Return whether the policies allow a request, or may by one that is attached and not known."""
        return self._at_most.evaluate(request).outcome == "ALLOWED"

    def denies(self, request: AccessRequest) -> bool:
        """Return whether the policies deny some of a pattern of names that the current policies allow whole, or all."""
        if self.may_allow(request):
            return False
        allowed_today = self._current is None or self._current.evaluate(request).outcome == "ALLOWED"
        return allowed_today or self._new.refusal(request) is not None

    def attached(self, request: AccessRequest) -> str:
        """Name the attached policy of today, not under check, with which the policies allow a request; "" for none."""
        for arn, evaluator in self._attached.items():
            if evaluator.evaluate(request).outcome == "ALLOWED":
                return f"; {arn} allows it today: if it stays attached, check it too, by its ARN next to the file"
        return ""

    def judge(self, request: AccessRequest) -> tuple[CheckRule, str] | None:
        """Return the rule that a request breaks and the reason; None where it breaks none."""
        decision = self._new.evaluate(request)
        if decision.outcome == "ALLOWED":
            if decision.certain or self._is_same_condition(request, decision):
                return None
            return RULES["PG104"], decision.reason
        if self.may_allow(request) or (request.wild and self._may_be_allowed(request)):
            return None
        return RULES["PG201"], decision.reason

    def _is_same_condition(self, request: AccessRequest, decision: Decision) -> bool:
        """Return whether the current policies allow a request under the same condition as the new ones."""
        if self._current is None or decision.statement is None:
            return False
        today = self._current.evaluate(request)
        return (
            today.outcome == "ALLOWED"
            and today.statement is not None
            and today.statement.conditions == decision.statement.conditions
        )

    def _may_be_allowed(self, request: AccessRequest) -> bool:
        """Return whether a call without a whole name in its record may have been outside of what is denied.

        The current policies do not allow the whole pattern either, and the call succeeded.
        """
        if self._current is None or self._current.evaluate(request).outcome == "ALLOWED":
            return False
        if self._new.refusal(request) is not None:
            return False
        return self._allows.evaluate(request).outcome == "ALLOWED" or bool(
            statement_grants(request, self._policies)
        )


def required_and_denied(sources: Sequence[PolicySource], basis: CheckBasis) -> list[AccessRequest]:
    """Return the observed requests and the needs of AWS's own services that the policies deny: PG201 and PG202."""
    replay = PolicyReplay(sources, basis)
    seen = [request for request, (rule, _) in _broken(replay, basis) if rule.id == "PG201"]
    return seen + [request for _, request in _denied_needs(replay, basis)]


def dependent_actions(sources: Sequence[PolicySource], basis: CheckBasis) -> list[str]:
    """Return the actions that the role needs and that only an attached policy may allow that is not known."""
    if not any(map(_may_allow_more, sources)):
        return []
    known = [replace(source, unread=(), unknown=()) for source in sources]
    certain = set(required_and_denied(sources, basis))
    return sorted({one.action for one in required_and_denied(known, basis) if one not in certain})


def _denied_needs(replay: PolicyReplay, basis: CheckBasis) -> Iterator[tuple[Keep, AccessRequest]]:
    for keep in basis.keeps:
        request = AccessRequest(keep.grant.action, keep.grant.resource, wild=True)
        if keep.kind == "platform" and replay.denies(request):
            yield keep, request


def platform(sources: Sequence[PolicySource], basis: CheckBasis) -> Iterator[Finding]:
    """Find platform needs that the policies deny: AWS's own service needs them, by the configuration."""
    replay = PolicyReplay(sources, basis)
    for keep, request in _denied_needs(replay, basis):
        yield found_at(
            nearest(sources, [keep.grant.action]),
            RULES["PG202"],
            keep.grant.action,
            f"on {keep.grant.resource}: {keep.why}",
            "allow it there" + replay.attached(request),
            resource=keep.grant.resource,
        )


def wider(sources: Sequence[PolicySource], basis: CheckBasis) -> Iterator[Finding]:
    """Find what the policies allow and the current ones do not: a dropped Deny widens as an added Allow does."""
    if basis.current is None:
        return
    policies = [source.policy for source in sources]
    found, unsure = gained_by(basis.current.policies, policies)
    known = basis.known_statements()
    gained: dict[tuple[Spot, str], list[Counterexample]] = {}
    for gain in found:
        spot = nearest(sources, [gain.request.action], [gain.request.resource], known)
        # What a NotAction gains is one thing to mend, however many services it reaches.
        gained.setdefault((spot, "" if spot.negated else str(gain.request)), []).append(gain)
    for (spot, _), (gain, *more) in gained.items():
        names = [one.request.action for one in (gain, *more)]
        on, said = where_gained(gain)
        yield found_at(
            spot,
            RULES["PG105"],
            f"{len(names):,} actions of a NotAction" if more else _spelled(gain),
            f"on {said}: {gain.allowed_by}; of today's, {gain.refused}{some(names)}",
            "remove it, or narrow it to what today's policies grant; if it is meant, accept it in a baseline",
            resource=on,
            key="NotAction" if more else "",
            about=what_is_gained((gain, *more), policies),
        )
    for undecided in unsure:
        yield found_at(
            nearest(sources, [undecided.grant.partition(" ")[0]]),
            RULES["PG105"],
            undecided.grant,
            "it is not proved that today's policies allow all of it",
            "write it as today's policies do, or narrower",
            about=_scoped([undecided.of], policies),
        )


def where_gained(gain: Counterexample) -> tuple[str, str]:
    """Return where a policy grants what it gains, and that with an example; an example's account is made up."""
    grant = gain.grants[0]
    on = grant.resource if not grant.excluded else f"all but {', '.join(grant.excluded)}"
    example = gain.request.resource
    is_made_up = f":{ACCOUNT}:" in example and ACCOUNT not in on
    return on, on if example == on or is_made_up or on == "*" else f"{on}, for example {example}"


def _spelled(gain: Counterexample) -> str:
    """Return the actions that are gained, as the policy has them where it has a pattern."""
    granted = gain.grants[0].action
    if granted in {"*", "*:*"}:
        return "all actions"
    return granted if is_pattern(granted) else gain.request.action


def what_is_gained(
    gains: Sequence[Counterexample], policies: Sequence[Policy]
) -> tuple[tuple[str, str], ...]:
    """Return each action that policies gain, with where they grant it and what they deny: a text for each scope."""
    return _scoped([grant for one in gains for grant in one.grants], policies)


def _scoped(grants: Iterable[Grant], policies: Sequence[Policy]) -> tuple[tuple[str, str], ...]:
    denies = beside(json.dumps(one.to_dict()) for one in deny_statements(policies))
    return tuple(
        (grant.action, where + denies)
        for grant in grants
        for where in scopes([grant.resource], grant.excluded, grant.conditions)
    )


def set_apart(sources: Sequence[PolicySource], basis: CheckBasis) -> Iterator[Finding]:
    """Find calls that do not look like the workload and that the policies would deny: a person should look at them."""
    replay = PolicyReplay(sources, basis)
    denied_calls: dict[str, list[tuple[str, Evidence]]] = {}
    for request, evidence in basis.suspicious.items():
        if request.grade == "required" and not replay.may_allow(request):
            denied_calls.setdefault(request.action, []).append((request.resource, evidence))
    for action, members in denied_calls.items():
        fix = "usually what you want; if they are legitimate, make the plan with --accept"
        calls = _calls([evidence for _, evidence in members])
        about = tuple((action, resource) for resource, _ in members)
        yield found_at(nearest(sources, [action]), RULES["PG203"], action, calls, fix, about=about)
