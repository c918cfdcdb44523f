"""suggest(): one role's policy from its usage and its current policies, with changes, keeps and proof.

The stages, each a function: the demand (which observed requests the policy must allow), the observed grants (how the
policy writes them), the keeps (what stays without evidence), the proposal (the smallest documents for both), the proof,
and what the proposal changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from policygen.account.current import CurrentAccess
from policygen.days import dates_from
from policygen.evidence.anomalies import SHOWN_ONLY, Anomaly, SplitCalls
from policygen.evidence.coverage.coverage import Coverage
from policygen.evidence.coverage.role_report import attempts, recent_attempts, unread_regions
from policygen.evidence.role import Predecessor
from policygen.evidence.usage import Usage
from policygen.iam.document import Policy, Statement
from policygen.iam.grants import Grant
from policygen.iam.request import AccessRequest, RoleKey
from policygen.logs.calls.evidence import Evidence
from policygen.rightsize.as_chosen import write_as_chosen
from policygen.rightsize.assess.cautions import cautions_of
from policygen.rightsize.assess.changes import Change, Kind
from policygen.rightsize.assess.compare import compare
from policygen.rightsize.assess.proof import grants_beyond, prove
from policygen.rightsize.assess.readiness import (
    MIN_DAYS,
    QUIET_DAYS,
    OpenIssues,
    Readiness,
    days_asked,
    permission_days,
    readiness_of,
)
from policygen.rightsize.assess.replay import Replay, parts_of, replay, split_of, timed_calls
from policygen.rightsize.assess.risk import Risk, compare_risks, risks
from policygen.rightsize.assess.tightness import tightness_of
from policygen.rightsize.beyond import policy_beyond, split_addable
from policygen.rightsize.current_access import (
    POLICIES_CHANGED,
    NotCurrentlyAllowed,
    split_by_current_access,
)
from policygen.rightsize.decisions.apply import Dropped, drop_observed, undropped
from policygen.rightsize.decisions.effects import DecisionEffects, decision_effects
from policygen.rightsize.decisions.model import DecisionRule, Decisions, ReportedCalls
from policygen.rightsize.errors import (
    all_dropped,
    all_missing,
    all_unverified,
    nothing_to_grant,
    proof_failed,
)
from policygen.rightsize.generate.generalise import open_names
from policygen.rightsize.generate.names import growing_types
from policygen.rightsize.keep.model import KeepResult
from policygen.rightsize.keep.retain import keep_without_evidence
from policygen.rightsize.keep.widen import besides_note
from policygen.rightsize.observed_grants import (
    WrittenNames,
    learner,
    notes_on_names,
    observed_grants,
    written_names,
)
from policygen.rightsize.propose import Demanded, Naming, Proposal, Today
from policygen.rightsize.questions import questions_about
from policygen.rightsize.report_use import report_gain, unread_use
from policygen.rightsize.suggestion import Suggestion, SuggestOptions


def suggest(
    usage: Usage,
    coverage: Coverage,
    current: CurrentAccess | None = None,
    options: SuggestOptions | None = None,
    *,
    predecessors: tuple[Predecessor, ...] = (),
    split: SplitCalls | None = None,
    anomalous_usage: Usage | None = None,
    earlier_usage: Usage | None = None,
) -> Suggestion:
    """Suggest the smallest policy with which a role can go on doing what it did.

    Args:
        usage: the requests that the role made.
        coverage: what the logs could have shown.
        current: the role's policies and bounds; None to rest on the evidence alone.
        options: how to write the policy, and which decisions bind it.
        predecessors: deleted roles of the same name, for the record.
        split: the role's calls, split by whether they look like the workload.
        anomalous_usage: the requests behind the calls that do not.
        earlier_usage: the requests behind calls before the window.

    Raises:
        UsageError, GateError: a decision that cannot be followed, or a protected role.
        NothingFoundError: PG-E303, no authorised call that needs a permission, nor a use that IAM saw; PG-E304, the
            current policies allow none of those that were seen.
        GateError: PG-E401, a promise does not hold; the counter-examples are its hints. PG-E402, the policies do
            not fit into IAM's quotas.
    """
    options = options or SuggestOptions()
    decisions = options.decisions or Decisions()
    decisions.refuse_protected(usage.role.name)
    if not usage.requests and not _is_judged_by_report(current):
        raise nothing_to_grant(usage)
    day = options.on or usage.window.until.day
    rules = decisions.for_role(usage.role, day)
    effective = current.effective_actions() if current else None
    current_actions = effective.allowed if effective else None

    demand = _demand(usage, current, options, rules)
    days = dates_from(coverage.first_day or usage.window.start, usage.window.last_day)
    together = {one: seen.name_count for one, seen in demand.requests.items() if one.wild and seen.names}
    dates = {one: seen.days for one, seen in demand.requests.items()}
    names = written_names(dates, days, options, together, demand.beyond)
    observed = observed_grants(names.written, demand.bounds)
    kept = keep_without_evidence(
        usage,
        coverage,
        current,
        current_actions,
        demand.bounds,
        observed.carried_over,
        rules=rules,
        anomalous_usage=anomalous_usage,
        earlier_usage=earlier_usage,
        granted=observed.grants,
        mode=options.resources,
        min_days=(min_days := days_asked(decisions.min_days, usage.window.days)),
    )
    if not observed.written and not kept.keeps:
        raise nothing_to_grant(usage)
    demanded = Demanded(
        list(observed.written), observed.grants, [one.action for one in usage.requests], demand.bounds
    )
    naming = Naming(options.name, f"{options.name}-{usage.role.name or usage.role.role_id}")
    today = Today(current_actions or {}, undropped(rules, current_actions or {}))
    mode = options.unverified or decisions.unverified or "keep"
    chosen = write_as_chosen(demanded, kept, today, naming, mode)
    proposal, kept = chosen.proposal, chosen.kept
    if not proposal.policies or not proposal.grants:
        raise all_unverified(usage, chosen.choice.permissions)
    tightness = tightness_of(
        (grant.action for grant in proposal.grants),
        (request.action for request in observed.written),
        ((keep.grant.action, keep.kind) for keep in kept.keeps),
    )
    proof = prove(
        chosen.sufficient.policies,
        {request: demand.requests[request].count for request in observed.written},
        observed.written,
        chosen.keeps,
        tightness,
        current,
        demand.added,
        chosen.apart,
        [one.evidence.count for one in demand.missing],
    )
    if not proof.held:
        raise proof_failed(usage.role, proof)
    reported = _reported(usage.role, split, decisions) if split else {}
    decided = decision_effects(
        decisions, day, usage, current_actions, demand.dropped, kept.dropped, reported.values()
    )

    # Without what was asked for, the proof says that no grant is beyond the current policies.
    added = tuple(grants_beyond(proposal.grants, current.policies)) if current and demand.added else ()
    removed_risks, remaining_risks = _risks(current, proposal.policies)
    changes = _changes(current, current_actions, demand, kept, proposal, decided, added)
    suggestion = Suggestion(
        role=usage.role,
        usage=usage,
        coverage=coverage,
        policies=proposal.policies,
        grants=proposal.grants,
        keeps=kept.keeps,
        written=observed.written,
        missing=demand.missing,
        added=added,
        today=current.policies if current else None,
        now=current_actions,
        changes=changes,
        cautions=cautions_of(changes, proposal.grants, {one.action for one in observed.written}),
        tightness=tightness,
        proof=proof.without([loss.sentence for loss in decided.losses]),
        predecessors=predecessors,
        notes=(
            *(current.notes if current else ()),
            *decided.notes,
            *notes_on_names(together, options),
            *filter(None, [chosen.choice.apart_note, besides_note(kept)]),
        ),
        unverified=chosen.choice,
        boundary=current.boundary if current else None,
        questions=questions_about(
            kept.keeps,
            usage.role.name,
            kept.needed,
            {request.action for request in observed.written},
            chosen.choice.droppable,
        ),
        open_names=_open_names(names, options),
        names=names.uses,
        replay=_replayed(usage, demand, kept, days, options),
        losses=(*observed.narrowed, *proposal.narrowed),
        barred=effective.blocked if effective else {},
        needed=kept.needed,
        decided=decided,
        seasonal=kept.seasonal,
        said=kept.last_accessed,
        risks_removed=removed_risks,
        risks_left=remaining_risks,
        split=split or SplitCalls({}, {}, {}),
        reported=reported,
        apart=anomalous_usage,
        guardrails=current.guardrails if current else (),
        min_days=min_days,
    )
    return replace(suggestion, strength=_readiness(suggestion, current, decisions, older=bool(earlier_usage)))


def _reported(role: RoleKey, split: SplitCalls, decisions: Decisions) -> dict[Anomaly, ReportedCalls]:
    """Return the suspicious calls that a person reported as not the workload's, each with the report."""
    apart = {
        one: seen for one, seen in split.anomalies.items() if one.sign not in split.accepted | SHOWN_ONLY
    }
    found = {one: decisions.report_of(role, seen.last) for one, seen in apart.items()}
    return {one: report for one, report in found.items() if report}


def _is_judged_by_report(current: CurrentAccess | None) -> bool:
    """Return whether IAM's report tells enough of a role without a call: it saw it used, and so what it never used."""
    return current is not None and current.last is not None and any(recent_attempts(current.last))


# --- Stage 1: which observed requests the policy must allow ----------------------------------------


class _Demand(msgspec.Struct, frozen=True):
    """The observed requests that the policy must allow, and what it must stay inside."""

    requests: Mapping[AccessRequest, Evidence]
    missing: tuple[NotCurrentlyAllowed, ...]
    """Observed requests that are not granted, because no current identity policy allows them."""
    dropped: Dropped
    """What the drop rules did to observed requests."""
    bounds: tuple[Policy, ...] | None
    """The current identity policies and `added`; None where the current ones are not known."""
    beyond: frozenset[AccessRequest]
    """Requests beyond the current policies that the user asked to grant."""
    added: tuple[Policy, ...]
    """These as one policy; () where there are none."""


def _demand(
    usage: Usage, current: CurrentAccess | None, options: SuggestOptions, rules: Sequence[DecisionRule]
) -> _Demand:
    requests, missing = split_by_current_access(usage.requests, current)
    beyond: frozenset[AccessRequest] = frozenset()
    if options.add_observed and current and missing:
        addable, missing = split_addable(missing, current)
        requests |= {one.request: one.evidence for one in addable}
        beyond = frozenset(one.request for one in addable)
    added = (policy_beyond(beyond, options),) if beyond else ()
    dropped = drop_observed(rules, usage.role.name, requests, usage.sources)
    if usage.requests and not dropped.kept:
        raise all_dropped(usage, dropped.losses) if dropped.losses else all_missing(usage, missing)
    bounds = (*current.policies, *added) if current else None
    return _Demand(dropped.kept, tuple(missing), dropped, bounds, beyond, added)


def _open_names(names: WrittenNames, options: SuggestOptions) -> dict[str, tuple[int, str]]:
    """Return the resource types whose names may be new next time: by what is declared, and by the evidence."""
    if options.resources not in {"auto", "pattern"}:
        return {}
    found = open_names(names.written, (*options.opened, *options.exact))
    if options.resources == "auto":
        found = growing_types(names.uses, (*options.opened, *options.exact)) | found
    return dict(sorted(found.items()))


def _replayed(
    usage: Usage, demand: _Demand, kept: KeepResult, days: Sequence[str], options: SuggestOptions
) -> Replay:
    """Replay the last third of the window. What a person decided to keep counts from the first day."""
    unmeant = {one.request for one in demand.missing} | {one.request for one in demand.dropped.losses}

    def meant(request: AccessRequest) -> bool:
        # One without its whole name is demanded in parts.
        return request in demand.requests or (request.wild and request not in unmeant)

    given = [keep.grant for keep in kept.keeps if keep.kind == "decision"]
    window = usage.window
    parts = parts_of(timed_calls(usage, meant), window.dates(), split_of(window.days))
    return replay(parts, learner(options, days[0], given, demand.beyond))


# --- Stage 2 is `observed_grants.py`, 3 `keep/retain.py`, 4 `propose.py`, 5 `assess/proof.py`. Stage 6: the changes ---

_ADDED: tuple[Kind, str] = ("added", "observed, not allowed today; added as asked")


def _changes(
    current: CurrentAccess | None,
    current_actions: Mapping[str, Sequence[Statement]] | None,
    demand: _Demand,
    kept: KeepResult,
    proposal: Proposal,
    decided: DecisionEffects,
    added: Sequence[Grant],
) -> tuple[Change, ...]:
    if current is None or current_actions is None:
        return ()
    reasons: dict[Grant, tuple[Kind, str]] = {
        keep.grant: ("unknown" if keep.kind == "unknown" else "kept", keep.why) for keep in kept.keeps
    }
    reasons |= dict.fromkeys(added, _ADDED)
    missing = {one.request.action for one in demand.missing}
    removed = {**kept.removed, **decided.reasons()}
    return compare(current_actions, proposal.grants, reasons, missing, removed)


def _risks(
    current: CurrentAccess | None, policies: Sequence[Policy]
) -> tuple[tuple[Risk, ...], tuple[Risk, ...]]:
    """Return the risks of the current policies that the new ones remove, and the risks that remain."""
    if current is None:
        return (), risks(policies)
    bounds = current.boundary, current.guardrails, current.account
    return compare_risks(risks(current.policies, *bounds), risks(policies, *bounds))


def _readiness(
    suggestion: Suggestion, current: CurrentAccess | None, decisions: Decisions, *, older: bool
) -> Readiness:
    """Answer whether the suggestion is safe to apply."""
    usage, coverage = suggestion.usage, suggestion.coverage
    unasked = current is not None and current.last is None
    seen_by_iam = attempts(current.last) if current and current.last else ()
    unread = unread_regions(seen_by_iam, usage.window, coverage.regions)
    return readiness_of(
        usage.window.start,
        usage.window.end,
        permission_days(usage.requests),
        usage.days_seen,
        sorted({*usage.window.dates()} - {*coverage.gaps}),
        events=usage.events.count if usage.events else 0,
        weak=usage.events.weak if usage.events else 0,
        gaps=[
            *coverage.incomplete,
            *(f"{gap.trail} did not log from {gap.start} to {gap.end}" for gap in coverage.stopped),
            *(f"no event of anyone was read in {region}, and {how}" for region, how in unread.items()),
        ],
        open_points=_open_issues(suggestion),
        without_report=report_gain(suggestion.keeps, suggestion.written) if unasked else None,
        policies_known=current is not None,
        min_days=MIN_DAYS if decisions.min_days is None else decisions.min_days,
        quiet_days=QUIET_DAYS if decisions.quiet_days is None else decisions.quiet_days,
        begin="" if older else coverage.begins,
    )


def _open_issues(suggestion: Suggestion) -> OpenIssues:
    """Count what a person should look at before the policy is applied."""
    split, decided = suggestion.split, suggestion.decided
    dropped = decided.count_dropped(keep.grant.action for keep in suggestion.unverified.dropped)
    odd = [
        (one.sign, seen.count)
        for one, seen in split.anomalies.items()
        if one.sign not in split.accepted and one not in suggestion.reported
    ]
    return OpenIssues(
        losses=len(decided.losses),
        reported=sum(split.anomalies[one].count for one in suggestion.reported),
        suspects=sum(count for sign, count in odd if sign not in SHOWN_ONLY),
        unusual=sum(count for sign, count in odd if sign in SHOWN_ONLY),
        unread_use=len(unread_use(suggestion.keeps, suggestion.coverage)),
        missing=sum(1 for one in suggestion.missing if one.cause == POLICIES_CHANGED),
        not_allowed=len(suggestion.missing),
        open_names=len(suggestion.open_names),
        replayed=suggestion.replay.denied if suggestion.replay.made else 0,
        unmapped=len(suggestion.usage.unmapped),
        narrowed=len(suggestion.losses),
        expired=sum(1 for rule in decided.expired if rule.kind == "keep"),
        **dropped,
    )
