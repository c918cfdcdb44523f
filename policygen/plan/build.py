"""Builds the plan of an analysis: documents, evidence with eventIDs, diff, proof, coverage."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from policygen.account.model import Role
from policygen.iam import reference
from policygen.iam.document import Policy
from policygen.iam.grants import Grant
from policygen.iam.reference import data_version
from policygen.iam.request import AccessRequest
from policygen.plan.build_evidence import (
    calendar_part,
    coverage_part,
    denied_part,
    evidence_counts,
    evidence_part,
    informational_part,
    names_part,
    reading_part,
    replay_part,
    request_name,
    suspects_part,
    traces_part,
    window_part,
)
from policygen.plan.fast_json import digest
from policygen.plan.gate import gate_part
from policygen.plan.io import SCHEMA_VERSION, parse_plan
from policygen.plan.model import Plan, PlanKeep
from policygen.plan.model_trust import TrustProposal
from policygen.rightsize.analysis import Analysis
from policygen.rightsize.assess.proof import Check
from policygen.rightsize.assess.readiness import Readiness
from policygen.rightsize.assess.risk import Risk
from policygen.rightsize.assess.tightness import Tightness
from policygen.rightsize.decisions.apply import DroppedInUse, Loss
from policygen.rightsize.decisions.effects import DecisionEffects
from policygen.rightsize.generate.names import all_uses
from policygen.rightsize.keep.model import Keep
from policygen.rightsize.questions import Question
from policygen.rightsize.suggestion import Suggestion
from policygen.version import VERSION


def plan_from_analysis(
    analysis: Analysis, inputs: Sequence[Sequence[str]] | None = None, trust: TrustProposal | None = None
) -> Plan:
    """Return the plan of an analysis.

    Args:
        analysis: what the plan is made of.
        inputs: the options of the command line that made it, each with its value; None where there was none.
        trust: the smallest trust policy; None where nobody looked at who assumed the role.
    """
    given = {} if inputs is None else {"inputs": [list(words) for words in inputs]}
    return parse_plan(build_plan_document(analysis, trust) | given)


def build_plan_document(analysis: Analysis, trust: TrustProposal | None = None) -> dict[str, Any]:
    """Return the values of a plan, one for each of its parts: plain ones, and records for its changes and keeps."""
    suggestion, observed = analysis.suggestion, analysis.observed
    usage, decided = suggestion.usage, suggestion.decided
    return {
        "schema_version": SCHEMA_VERSION,
        "policygen": VERSION,
        "iam_data": data_version(),
        "role": suggestion.role._asdict(),
        "window": window_part(usage.window, observed.until_given),
        "evidence": evidence_part(suggestion),
        "policies": [_policy(policy) | {"size": policy.size} for policy in suggestion.policies],
        "grants": [
            _grant(grant) | {"for": [request_name(request) for request in requests]}
            for grant, requests in suggestion.grants.items()
        ],
        "keeps": [_keep(suggestion, keep) for keep in suggestion.keeps],
        **_current_access(suggestion.today, observed.role),
        "trust": _trust(observed.role, trust),
        "calendar": calendar_part(usage.window, observed.split.workload),
        "questions": [_question(one) for one in suggestion.questions],
        "open_names": [
            {"type": kind, "names": names, "reason": reason}
            for kind, (names, reason) in suggestion.open_names.items()
        ],
        "names": names_part(all_uses(suggestion.names)),
        "replay": replay_part(suggestion.replay),
        "changes": suggestion.changes,
        "cautions": [msgspec.to_builtins(one) for one in suggestion.cautions],
        "missing": [
            request_name(one.request) | {"cause": one.cause} | evidence_counts(one.evidence)
            for one in suggestion.missing
        ],
        "added": [_grant(grant) for grant in suggestion.added],
        "wanted_but_denied": [denied_part(one) | evidence_counts(seen) for one, seen in usage.denied.items()],
        "unmapped": [
            {"event": f"{one.source} {one.event}", "why": one.why} | evidence_counts(seen)
            for one, seen in usage.unmapped.items()
        ],
        "no_permission_needed": [
            {"call": call} | evidence_counts(seen) for call, seen in usage.no_permission.items()
        ],
        "unauthenticated": evidence_counts(usage.unauthenticated) if usage.unauthenticated else None,
        "suspects": suspects_part(suggestion.split, suggestion.reported, usage.knowledge),
        "seasonal": _seasonal(suggestion),
        "asides": [informational_part(usage, one) for one in suggestion.informational()],
        "set_apart": [
            request_name(request) | evidence_counts(seen)
            for request, seen in (suggestion.apart.requests.items() if suggestion.apart else ())
        ],
        "users": [
            {"function": name, "actions": sorted(actions)} for name, actions in _users(usage.users).items()
        ],
        "tightness": _tightness(suggestion.tightness),
        "strength": _readiness(suggestion.strength) if suggestion.strength else None,
        "risks": {
            "removed": [_risk(risk) for risk in suggestion.risks_removed],
            "left": [_risk(risk) for risk in suggestion.risks_left],
        },
        "needs": sorted(suggestion.needed),
        "decisions": _decisions(decided, suggestion.unverified.tried),
        "unverified": _unverified(suggestion),
        "boundary": _policy(suggestion.boundary) if suggestion.boundary else None,
        "losses": [
            {"action": one.action, "resource": one.resource, "statement": one.sid, "why": one.why}
            for one in suggestion.losses
        ],
        "barred": [{"action": action, "by": bound} for action, bound in sorted(suggestion.barred.items())],
        "last_accessed": [{"action": action, "says": why} for action, why in sorted(suggestion.said.items())],
        "predecessors": [
            {"role_id": one.role.role_id, "events": one.events, "last": one.last}
            for one in suggestion.predecessors
        ],
        "proof": [_check(check) for check in suggestion.proof.checks],
        "coverage": coverage_part(suggestion),
        "gate": gate_part(suggestion, observed.role.boundary_arn if observed.role else ""),
        "reading": reading_part(analysis.read_report, analysis.counts.totals, observed.audit),
        "notes": [*suggestion.notes, *([observed.traces.of_role] if observed.traces else ())],
        **({"traces": traces_part(observed.traces)} if observed.traces else {}),
    }


def _users(users: Mapping[str, Collection[AccessRequest]]) -> dict[str, set[str]]:
    """Return the actions of each function that uses the role, by ARN where one is known.

    Older records name the function by the session's name alone: it is the function of that name, if there is but one.
    """
    by_name: dict[str, list[str]] = {}
    for function in users:
        if ":function:" in function:
            by_name.setdefault(function.rsplit(":function:", 1)[-1], []).append(function)
    found: dict[str, set[str]] = {}
    for function, requests in users.items():
        same = by_name.get(function, [])
        name = same[0] if len(same) == 1 else function
        found.setdefault(name, set()).update(request.action for request in requests)
    return found


# --- The policies ----------------------------------------------------------------------------------


def _policy(policy: Policy) -> dict[str, Any]:
    return {"name": policy.name, "document": policy.to_dict()}


def _grant(grant: Grant) -> dict[str, Any]:
    return {
        "action": grant.action,
        "resource": grant.resource,
        "not_resource": list(grant.excluded),
        "condition": _condition(grant),
    }


def _condition(grant: Grant) -> dict[str, dict[str, list[str]]]:
    return {op: {key: list(values) for key, values in keys} for op, keys in grant.conditions}


def _keep(suggestion: Suggestion, keep: Keep) -> PlanKeep:
    grant, blind_spot = keep.grant, keep.blind_spot
    return PlanKeep(
        grant.action,
        grant.resource,
        keep.kind,
        keep.why,
        grant.excluded,
        _condition(grant),
        blind_spot.id if blind_spot else None,
        blind_spot.remedy if blind_spot else "",
        blind_spot.command if blind_spot else "",
        keep.note,
        _visible(suggestion, keep),
    )


def _unverified(suggestion: Suggestion) -> dict[str, Any]:
    choice = suggestion.unverified
    return {
        "mode": choice.mode,
        "permissions": choice.permissions,
        "dropped": [_keep(suggestion, keep) for keep in choice.dropped],
        "policies": list(choice.policies),
        "droppable": sorted(choice.droppable & {keep.grant.action for keep in suggestion.keeps}),
        "tried": sorted(choice.tried & {keep.grant.action for keep in (*suggestion.keeps, *choice.dropped)}),
    }


def _visible(suggestion: Suggestion, keep: Keep) -> bool:
    """Tell whether the logs would show the use of a kept grant: some are kept for the role's configuration."""
    if keep.blind_spot:
        return False
    reads = reference.reads_only(keep.grant.action)
    return suggestion.coverage.observability(keep.grant.action, keep.grant.resource, reads).visible


def _current_access(policies: Sequence[Policy] | None, role: Role | None) -> dict[str, Any]:
    if policies is None:
        return {"today": None, "today_digest": None, "today_unread": []}
    documents = [_policy(policy) for policy in policies]
    return {
        "today": [
            document | origin | {"size": policy.size}
            for document, origin, policy in zip(documents, _origins(policies, role), policies, strict=True)
        ],
        "today_digest": digest(documents),
        "today_unread": [one.arn for one in role.attached if one.policy is None] if role else [],
    }


def _origins(policies: Sequence[Policy], role: Role | None) -> list[dict[str, str]]:
    """Return what each policy is to the role: inline or managed; not known where they are not the role's own."""
    if role is None or tuple(policies) != role.identity_policies:
        return [{"kind": "", "arn": ""}] * len(policies)
    managed = [{"kind": "managed", "arn": one.arn} for one in role.attached if one.policy is not None]
    return [{"kind": "inline", "arn": ""}] * len(role.policies) + managed


def _trust(role: Role | None, proposal: TrustProposal | None) -> dict[str, Any] | None:
    if role is None:
        return None
    return {
        "services": list(role.trusted_services),
        "document": dict(role.trust),
        "proposal": msgspec.to_builtins(proposal),
    }


# --- What becomes of each action, and what it is worth ------------------------------------------------


def _seasonal(suggestion: Suggestion) -> list[dict[str, str]]:
    """List the actions that stay because IAM saw them before or after the window."""
    if not suggestion.seasonal:
        return []
    stays = {keep.grant.action for keep in suggestion.keeps if keep.kind == "unknown"}
    return [
        {"action": action, "says": why}
        for action, why in sorted(suggestion.seasonal.items())
        if action in stays
    ]


def _decisions(decided: DecisionEffects, tried: Collection[str]) -> dict[str, Any]:
    return {
        "losses": [_loss(one) for one in decided.losses],
        "spared": [
            {"action": one.action, "resource": one.resource, "rule": one.rule.where, "why": one.why}
            for one in decided.spared
        ],
        "expired": [rule.where for rule in decided.expired],
        "ruled_out": [
            {
                "action": action,
                "rule": one.rule.where,
                "tried": action in tried,
                "reason": "" if one.rule.flag else one.rule.reason,
                "sign": one.sign,
            }
            for action, one in sorted(decided.ruled_out.items())
        ],
        "unused": [rule.where for rule in decided.unused],
        "reasons": {rule.where: rule.reason for rule in (*decided.expired, *decided.unused)},
    }


def _loss(one: Loss) -> dict[str, Any]:
    named = {"action": one.action, "resource": one.resource, "rule": one.rule.where}
    if isinstance(one, DroppedInUse):
        return named | {"count": one.evidence.count, "events": list(one.events), "why": ""}
    return named | {"why": one.why}


def _readiness(readiness: Readiness) -> dict[str, Any]:
    return {
        "verdict": readiness.verdict,
        "reasons": [
            {"id": one.id, "verdict": one.verdict, "sentence": one.sentence} for one in readiness.reasons
        ],
        "days": readiness.days,
        "days_covered": readiness.covered,
        "days_active": readiness.active,
        "curve": list(readiness.curve),
        "last_new": readiness.last_new,
        "once": list(readiness.once),
        "rhythms": [
            {"action": one.permission, "kind": one.kind, "sentence": one.sentence}
            for one in readiness.rhythms
        ],
    }


def _question(question: Question) -> dict[str, Any]:
    return {
        "topics": [topic.id for topic in question.topics],
        "asks": question.asks,
        "why": question.why,
        "actions": list(question.actions),
        "riskiest": list(question.riskiest),
        "answer": question.answer,
        "command": question.command,
        "keep": question.keep,
        "drop": question.drop,
        "drop_patterns": list(question.drop_patterns),
    }


def _tightness(tightness: Tightness) -> dict[str, int]:
    return {**tightness._asdict(), "needed": tightness.needed}


def _risk(risk: Risk) -> dict[str, Any]:
    return {
        "rule": risk.rule,
        "title": risk.title,
        "family": risk.family,
        "actions": list(risk.actions),
        "resources": list(risk.resources),
        "source": risk.source,
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "promise": check.promise,
        "held": check.held,
        "finding": check.finding,
        "counter_examples": list(check.counter_examples),
    }
