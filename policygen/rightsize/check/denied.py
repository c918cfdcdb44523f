"""What a policy denies that the role needs, and what it allows that today's do not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policygen.iam import arn
from policygen.iam.compare import compare_policies
from policygen.iam.document import Policy, allow_statements
from policygen.iam.evaluate import Decision, Evaluator
from policygen.iam.locations import Location
from policygen.iam.request import AccessRequest
from policygen.logs.calls.evidence import Evidence, sum_evidence
from policygen.rightsize.check.basis import CheckBasis
from policygen.rightsize.check.findings import RULES, CheckRule, Finding, PolicySource
from policygen.rightsize.generate.intersect import statement_grants
from policygen.text import pluralize


def denied(sources: Sequence[PolicySource], seen: CheckBasis) -> Iterator[Finding]:
    """Replay. What the boundary denies is no fault of the policy, but the call would fail all the same."""
    replay = _Replay(sources, seen)
    groups: dict[tuple[CheckRule, str, str], list[tuple[AccessRequest, Evidence]]] = {}
    for request, evidence in seen.requests.items():
        broken = replay.judge(request)
        if broken and request.grade == "required":
            rule, reason = broken
            groups.setdefault((rule, request.action, reason), []).append((request, evidence))
    for one in seen.missing:
        if not replay.allows(one.request):
            groups.setdefault((RULES["PG302"], one.request.action, one.cause), []).append(
                (one.request, one.evidence)
            )
    for (rule, action, reason), members in groups.items():
        seen_all = sum_evidence(one for _, one in members)
        where = sorted({request.resource for request, _ in members})
        calls = f"{pluralize(seen_all.count, 'call')}, last {seen_all.last}" if seen_all else ""
        on = where[0] if len(where) == 1 else f"{len(where)} resources, as {where[0]}"
        source, place = _nearest(sources, action)
        yield Finding(rule, action, f"{calls} on {on}; {reason}", _FIXES[rule.id], source.name, place, on)


_FIXES = {
    "PG201": "allow it there",
    "PG104": "drop the condition, or make sure that the key is there",
    "PG302": "nothing here; it may need a look at what allowed the call",
}


class _Replay:
    """Judges observed requests by the policies, beside what today's say of them."""

    def __init__(self, sources: Sequence[PolicySource], seen: CheckBasis) -> None:
        policies = [source.policy for source in sources]
        self._new = _evaluator(sources, seen)
        self._policies = policies
        self._allows = Evaluator([Policy(tuple(allow_statements(policies)))])
        self._today = None
        if seen.today is not None:
            self._today = Evaluator(
                seen.today, seen.boundary, guardrails=seen.guardrails, account=seen.account
            )

    def allows(self, request: AccessRequest) -> bool:
        """Whether the policies allow a request."""
        return self._new.evaluate(request).outcome == "ALLOWED"

    def judge(self, request: AccessRequest) -> tuple[CheckRule, str] | None:
        """Return the rule that a request breaks and the reason; None where it breaks none."""
        decision = self._new.evaluate(request)
        if decision.outcome == "ALLOWED":
            if decision.certain or self._as_today(request, decision):
                return None
            return RULES["PG104"], decision.reason
        if not request.wild:
            return RULES["PG201"], decision.reason
        # The record does not tell the whole name: of what is barred or not granted the call may have had no part.
        as_today = self._today is not None and self._today.evaluate(request).outcome != "ALLOWED"
        if as_today and (
            self._allows.evaluate(request).outcome == "ALLOWED" or statement_grants(request, self._policies)
        ):
            return None
        return RULES["PG201"], decision.reason

    def _as_today(self, request: AccessRequest, decision: Decision) -> bool:
        """Whether a request that is allowed under a condition is so under the same one today."""
        if self._today is None or decision.statement is None:
            return False
        found = self._today.evaluate(request)
        return (
            found.outcome == "ALLOWED"
            and found.statement is not None
            and found.statement.conditions == decision.statement.conditions
        )


def _nearest(sources: Sequence[PolicySource], action: str) -> tuple[PolicySource, Location]:
    """The first statement that speaks of the action, else of its service, else the first line."""
    service = action.split(":", 1)[0] + ":"
    for fits in (
        lambda pattern: arn.action_matches(pattern, action),
        lambda pattern: pattern.lower().startswith(service),
    ):
        for source in sources:
            for number, statement in enumerate(source.policy.statements):
                for item, pattern in enumerate(statement.actions):
                    if statement.effect == "Allow" and not statement.not_actions and fits(pattern):
                        return source, source.place(number, "Action", item)
    return sources[0], Location(1, 1)


def platform(sources: Sequence[PolicySource], seen: CheckBasis) -> Iterator[Finding]:
    """What the configuration asks for and the policies deny."""
    evaluator = _evaluator(sources, seen)
    for keep in seen.keeps:
        if keep.kind != "platform":
            continue
        request = AccessRequest(keep.grant.action, keep.grant.resource, wild=True)
        if evaluator.evaluate(request).outcome != "ALLOWED":
            source, place = _nearest(sources, keep.grant.action)
            yield Finding(
                RULES["PG202"],
                keep.grant.action,
                f"on {keep.grant.resource}: {keep.why}",
                "allow it there",
                source.name,
                place,
                keep.grant.resource,
            )


def wider(sources: Sequence[PolicySource], seen: CheckBasis) -> Iterator[Finding]:
    """What the policies allow and today's do not, by meaning: a dropped Deny widens as much as an added Allow."""
    if seen.today is None:
        return
    found = compare_policies(seen.today, [source.policy for source in sources])
    for one in found.gained:
        source, place = _nearest(sources, one.request.action)
        yield Finding(
            RULES["PG105"],
            one.request.action,
            f"on {one.request.resource}: {one.allowed_by}; of today's, {one.refused}",
            "grant what today's policies grant, or change them first",
            source.name,
            place,
            one.request.resource,
        )
    for undecided in found.unsure:
        if undecided.side == "new":
            yield Finding(
                RULES["PG105"],
                undecided.grant,
                "it is not proved that today's policies allow all of it",
                "write it as today's policies do, or narrower",
                sources[0].name,
                Location(1, 1),
            )


def set_apart(sources: Sequence[PolicySource], seen: CheckBasis) -> Iterator[Finding]:
    """Calls that do not look like the workload, and that the policies would deny: somebody should have looked."""
    evaluator = _evaluator(sources, seen)
    denied: dict[str, list[Evidence]] = {}
    for request, evidence in (seen.anomalous_usage.requests if seen.anomalous_usage else {}).items():
        if request.grade == "required" and evaluator.evaluate(request).outcome != "ALLOWED":
            denied.setdefault(request.action, []).append(evidence)
    for action, members in denied.items():
        all_ = sum_evidence(members)
        source, place = _nearest(sources, action)
        calls = f"{pluralize(all_.count, 'call')}, last {all_.last}" if all_ else ""
        fix = "look at who made them; --accept counts them as the workload's"
        yield Finding(RULES["PG203"], action, calls, fix, source.name, place)


def _evaluator(sources: Sequence[PolicySource], seen: CheckBasis) -> Evaluator:
    policies = [source.policy for source in sources]
    return Evaluator(policies, seen.boundary, guardrails=seen.guardrails, account=seen.account)
