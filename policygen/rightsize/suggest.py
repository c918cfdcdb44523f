"""suggest(): one role's policy from its usage and its policies of today, with diff, keeps and proof."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from policygen.account.current import CurrentAccess
from policygen.evidence.anomalies import SplitCalls
from policygen.evidence.coverage.coverage import Coverage
from policygen.evidence.role import Predecessor
from policygen.evidence.usage import Usage
from policygen.iam.actions import effective_actions
from policygen.iam.conditions import Truth
from policygen.iam.document import (
    Conditions,
    Policy,
    Statement,
    allow_statements,
    conditions_of,
    deny_statements,
)
from policygen.iam.grants import Grant, GrantIndex, cover_matrix, maximal, minimal_cover
from policygen.iam.request import AccessRequest
from policygen.rightsize.assess.changes import Kind, compare
from policygen.rightsize.assess.proof import grants_beyond, prove, redundant_grants
from policygen.rightsize.assess.readiness import (
    MIN_DAYS,
    QUIET_DAYS,
    OpenIssues,
    Readiness,
    days_asked,
    permission_days,
    readiness_of,
)
from policygen.rightsize.assess.risk import compare_risks, risks
from policygen.rightsize.current_access import NotCurrentlyAllowed, split_by_current_access
from policygen.rightsize.decisions.apply import DroppedInUse as DroppedUse
from policygen.rightsize.decisions.apply import drop_observed, unused_rules
from policygen.rightsize.decisions.model import Decisions
from policygen.rightsize.errors import all_missing, nothing_to_grant, proof_failed
from policygen.rightsize.generate.generalise import Mode, generalise, open_names
from policygen.rightsize.generate.intersect import (
    Intersection,
    intersect_with_policies,
    statement_grants,
    trim_denies,
)
from policygen.rightsize.generate.pack import INLINE_LIMIT, name_statements, pack, statements_of
from policygen.rightsize.generate.wildcards import by_wildcards
from policygen.rightsize.keep.model import Keep
from policygen.rightsize.keep.retain import keep_without_evidence
from policygen.rightsize.suggestion import DecisionEffects, Suggestion, SuggestOptions

_ADDED: tuple[Kind, str] = ("added", "observed, not allowed today; added as asked")


def suggest(
    usage: Usage,
    coverage: Coverage,
    today: CurrentAccess | None = None,
    options: SuggestOptions | None = None,
    *,
    predecessors: tuple[Predecessor, ...] = (),
    split: SplitCalls | None = None,
    apart: Usage | None = None,
) -> Suggestion:
    """The smallest policy that lets a role go on doing what it did.

    Args:
        usage: what the role asked for.
        coverage: what the logs could have shown.
        today: the role's policies; None to rest on the evidence alone.
        options: how to write the policy, and which decisions bind it.
        predecessors: deleted namesakes, for the record.
        split: the role's calls, parted by whether they look like the workload.
        apart: what the calls set apart asked for.

    Raises:
        UsageError, GateError: a decision that cannot be followed, or a protected role.
        NothingFoundError: PG-E303, no authorised call that needs a permission.
        GateError: PG-E401, a promise does not hold; the counter-examples are its hints.
    """
    options = options or SuggestOptions()
    name, resources, opened = options.name, options.resources, options.opened
    decisions = options.decisions or Decisions()
    decisions.refuse_protected(usage.role.name)
    if not usage.requests:
        raise nothing_to_grant(usage)
    day = options.on or usage.window.until.day
    rules = decisions.for_role(usage.role.name, day)
    bounds = today.policies if today else None
    extra: tuple[Policy, ...] = ()
    requests, missing = split_by_current_access(usage, today)
    if options.add_observed and today and missing:
        added, missing = _addable(missing, today)
        requests |= {one.request: one.evidence for one in added}
        extra = (_evidence_policy([one.request for one in added], resources, opened),) if added else ()
        bounds = (*today.policies, *extra)
    after = drop_observed(rules, usage.role.name, requests, usage.sources)
    requests = after.kept
    needed = list(requests)
    if not needed:
        raise all_missing(usage, missing)
    written = generalise(needed, resources, opened)
    candidates: dict[Grant, list[AccessRequest]] = {}
    for request in needed:
        grant = Grant(request.action, written[request].pattern, _own_conditions(request))
        candidates.setdefault(grant, []).append(request)
    met = (
        intersect_with_policies(candidates, bounds)
        if bounds is not None
        else Intersection(list(candidates), ())
    )
    observed = met.grants
    needed, as_today = _left_as_today(needed, observed, bounds)
    written = {request: written[request] for request in needed}
    effective = effective_actions(today.policies, today.boundary, today.guardrails) if today else None
    now = effective.allowed if effective else None
    min_days = MIN_DAYS if decisions.min_days is None else decisions.min_days
    retained = keep_without_evidence(
        usage,
        coverage,
        today,
        now,
        bounds,
        as_today,
        rules=rules,
        seen=(apart,) if apart else (),
        min_days=days_asked(decisions.min_days, usage.window.days),
    )
    keeps = retained.keeps
    kept_grants = [keep.grant for keep in keeps]
    table = cover_matrix(maximal([*observed, *kept_grants]), needed)
    grants = minimal_cover(table, kept_grants)
    mattering = (*(grant.action for grant in grants), *(request.action for request in usage.requests))
    denies, shortened = trim_denies(deny_statements(bounds or ()), mattering)
    managed = f"{name}-{usage.role.name or usage.role.role_id}"
    policies = _documents(grants, needed, kept_grants, denies, bounds, (name, managed))
    counts = {request: requests[request].count for request in needed}
    before, boundary = (today.policies, today.boundary) if today else (None, None)
    guardrails, account = (today.guardrails, today.account) if today else ((), "")
    proof = prove(policies, counts, written, kept_grants, before, boundary, extra, guardrails, account)
    if not proof.held:
        raise proof_failed(usage.role, proof)
    kinds: dict[Grant, tuple[Kind, str]] = {
        keep.grant: ("unknown" if keep.kind == "unknown" else "kept", keep.why) for keep in keeps
    }
    if today and extra:  # else it is proved that nothing is
        kinds |= dict.fromkeys(grants_beyond(grants, today.policies), _ADDED)
    gone = {**retained.removed, **_lost(after.losses)}
    expired = decisions.expired(usage.role.name, day)
    decided = DecisionEffects(after.losses, after.spared, expired, unused_rules(rules, now, usage.requests))
    before_risks = risks(today.policies, boundary, guardrails, account) if today else ()
    left = risks(policies, boundary, guardrails, account)
    made = Suggestion(
        role=usage.role,
        usage=usage,
        coverage=coverage,
        policies=policies,
        grants={grant: tuple(table.requests_by_grant[grant]) for grant in grants},
        keeps=keeps,
        written=written,
        missing=tuple(missing),
        today=today.policies if today else None,
        now=now,
        changes=() if now is None else compare(now, grants, kinds, {m.request.action for m in missing}, gone),
        proof=proof,
        predecessors=predecessors,
        notes=today.notes if today else (),
        boundary=today.boundary if today else None,
        questions=open_names(needed, opened) if resources == "pattern" else {},
        losses=(*met.losses, *shortened),
        barred=effective.blocked if effective else {},
        decided=decided,
        seasonal=retained.seasonal,
        said=retained.said,
        risks_removed=compare_risks(before_risks, left)[0],
        risks_left=left,
        split=split or SplitCalls({}, {}, {}),
        apart=apart,
    )
    return replace(made, strength=_strength(made, decisions, min_days))


def _strength(made: Suggestion, decisions: Decisions, min_days: int) -> Readiness:
    """The worth of the evidence, and what is left for a person to decide."""
    usage, coverage = made.usage, made.coverage
    without = set(coverage.gaps)
    covered = [day for day in usage.window.dates() if day not in without]
    unknown = {keep.grant.action for keep in made.keeps if keep.kind == "unknown"}
    return readiness_of(
        usage.window.start,
        usage.window.end,
        permission_days(usage.requests),
        usage.events.days if usage.events else (),
        covered,
        events=usage.events.count if usage.events else 0,
        weak=usage.events.weak if usage.events else 0,
        gaps=[
            *coverage.incomplete,
            *(f"{gap.trail} did not log from {gap.start} to {gap.end}" for gap in coverage.stopped),
        ],
        open_points=OpenIssues(
            blind_spots=len(unknown),
            questions=len(made.questions),
            unmapped=len(usage.unmapped),
            missing=len(made.missing),
            suspects=sum(1 for one in made.split.anomalies if one.sign not in made.split.accepted),
            weak_only=sum(1 for seen in usage.requests.values() if seen.weak == seen.count),
            losses=len(made.decided.losses),
            narrowed=len(made.losses),
            expired=len(made.decided.expired),
        ),
        min_days=min_days,
        quiet_days=QUIET_DAYS if decisions.quiet_days is None else decisions.quiet_days,
    )


def _lost(losses: Sequence[DroppedUse]) -> dict[str, str]:
    """Observed actions that a decision drops -> which one: nobody may read that they had no call."""
    return {loss.request.action: f"used, and dropped by {loss.rule.where}" for loss in losses}


def _own_conditions(request: AccessRequest) -> Conditions:
    """Conditions that belong to the action itself: a role is passed to one service."""
    passed = dict(request.context).get("iam:PassedToService")
    if request.action == "iam:PassRole" and passed:
        return conditions_of({"StringEquals": {"iam:PassedToService": passed}})
    return ()


def _addable(
    missing: Sequence[NotCurrentlyAllowed], today: CurrentAccess
) -> tuple[list[NotCurrentlyAllowed], list[NotCurrentlyAllowed]]:
    """Missing requests that an identity policy could allow, and those that a Deny or the boundary bars."""
    policies = (*today.policies, _evidence_policy([one.request for one in missing]))
    evaluator = today.evaluator(policies)
    able = [one for one in missing if evaluator.evaluate(one.request).outcome == "ALLOWED"]
    return able, [one for one in missing if one not in able]


def _left_as_today(
    needed: Sequence[AccessRequest], observed: Sequence[Grant], bounds: Sequence[Policy] | None
) -> tuple[list[AccessRequest], list[Keep]]:
    """Requests that the grants cover, and what today's policies grant of the actions of the others.

    Some statements can be met with no pattern of names: they hold a policy variable, or leave resources out. Where
    the record does not decide whether the grants allowed a request, such a statement may have.
    """
    if bounds is None:
        return list(needed), []
    index = GrantIndex(observed)
    covered, keeps = [], []
    why = "used; today's statement has a policy variable or NotResource that names cannot replace"
    for request in needed:
        covering = index.covering(request)
        if covering:
            covered.append(request)
        if Truth.TRUE not in covering.values():
            told = {grant.conditions for grant in covering}
            keeps += [
                Keep(g, "unknown", why) for g in statement_grants(request, bounds) if g.conditions not in told
            ]
    return covered, keeps


def _evidence_policy(
    requests: Sequence[AccessRequest], resources: Mode = "pattern", opened: Collection[str] = ()
) -> Policy:
    """The missing requests as a policy, so that adding them is bounded by what was seen."""
    written = generalise(requests, resources, opened)
    grants = {Grant(r.action, written[r].pattern, _own_conditions(r)) for r in requests}
    return Policy(tuple(statements_of(sorted(grants))), name="observed")


def _documents(
    grants: Sequence[Grant],
    needed: Sequence[AccessRequest],
    kept: Sequence[Grant],
    denies: Sequence[Statement],
    bounds: Sequence[Policy] | None,
    names: tuple[str, str],
) -> tuple[Policy, ...]:
    """The documents; kept actions are written by today's patterns where their names fit no inline policy."""
    named = name_statements([*statements_of(grants), *denies])
    if bounds is None or Policy(tuple(named)).size <= INLINE_LIMIT:
        return pack(named, *names)
    fixed = set(kept)
    few = by_wildcards([grant for grant in grants if grant in fixed], allow_statements(bounds))
    shorter = [grant for grant in grants if grant not in fixed] + few
    # A pattern of one statement may hold names of another, so that these say nothing more.
    while (needless := next(redundant_grants(shorter, needed, kept), None)) is not None:
        shorter.remove(needless)
    return pack(name_statements([*statements_of(shorter), *denies]), *names)
