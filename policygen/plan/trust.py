"""The plan of a role's trust policy: who assumed the role, the policy that is enough, and what it rests on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from policygen.plan.io import SCHEMA_VERSION
from policygen.plan.model import PlanCheck, PlanWindow
from policygen.plan.principals import (
    PlanBlindSpot,
    PlanRemoved,
    PlanRequirement,
    PlanRuleFinding,
    PlanSize,
    from_plan,
    plan_blind_spots,
    plan_checks,
    plan_removed,
    plan_requirements,
    refuse_edited,
    saved_part,
)
from policygen.rightsize.trust.assumptions import AssumptionUse, Observed
from policygen.rightsize.trust.session_places import SessionPlace, SessionPlaces
from policygen.rightsize.trust.suggest import TrustSuggestion
from policygen.version import VERSION

_PLACES = 50
"""Places of an assumption that are listed."""


class PlanSessionPlace(msgspec.Struct, frozen=True):
    """A place that sessions of one name were used from."""

    session: str
    address: str
    endpoint: str
    days: int
    last: str
    elsewhere: bool
    """Whether nobody assumes the role from there."""
    of_several_callers: bool


class PlanAssumption(msgspec.Struct, frozen=True):
    """Assumptions that differ in time only: by whom, with what, how often and when."""

    event: str
    principal: str
    kind: str
    account: str
    unique_id: str
    caller_session: str
    actions: tuple[str, ...]
    count: int
    days: int
    first: str
    last: str
    event_ids: tuple[str, ...]
    region: str
    address: str
    endpoint: str
    session_name: str
    external_id: str
    source_identity: str
    mfa: str
    tags: dict[str, str]
    transitive_tags: tuple[str, ...]
    duration: int | None
    session_policies: tuple[str, ...]
    inline_session_policy: bool
    audience: str
    subject: str
    used_from: tuple[PlanSessionPlace, ...] = ()
    used_from_more: int = 0
    """Places that are not listed."""


class PlanNotCountedAssumptions(msgspec.Struct, frozen=True):
    """Assumptions that are no evidence."""

    denied: int
    of_deleted_namesakes: int
    caller_unknown: int


class PlanRefusedAssumption(msgspec.Struct, frozen=True):
    """What was seen and today's policy does not allow."""

    action: str
    principal: str


class PlanSessionLength(msgspec.Struct, frozen=True):
    """Seconds that sessions may last: today's maximum, None where it is not known, and the one to set."""

    now: int | None
    proposed: int


class PlanKeptPrincipal(msgspec.Struct, frozen=True):
    """A principal that stays without an assumption, and why."""

    principal: str
    reason: str
    why: str


class TrustPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The plan of a role's trust policy; field names are the keys of its JSON."""

    schema_version: int
    kind: Literal["trust"]
    policygen: str
    role: str
    """The role's ARN."""
    role_id: str
    window: PlanWindow
    policy: dict[str, Any]
    size: PlanSize
    today: dict[str, Any]
    max_session_duration: PlanSessionLength
    assumptions: tuple[PlanAssumption, ...]
    used_elsewhere: tuple[PlanSessionPlace, ...]
    places_cut: bool
    """Whether sessions had more places than are kept."""
    not_counted: PlanNotCountedAssumptions
    not_allowed_today: tuple[PlanRefusedAssumption, ...]
    kept: tuple[PlanKeptPrincipal, ...]
    removed: tuple[PlanRemoved, ...]
    could_require: tuple[PlanRequirement, ...]
    not_required: tuple[PlanRequirement, ...]
    not_in_snapshot: tuple[str, ...]
    blind_spots: tuple[PlanBlindSpot, ...]
    findings: tuple[PlanRuleFinding, ...]
    promises: tuple[PlanCheck, ...]
    inputs: tuple[tuple[str, ...], ...] | None = None
    """The options that it was made with, each with its value; None where that is not known."""
    suggestion: str
    """What policygen reads back: packed JSON, which may change with the version."""


def trust_plan(suggestion: TrustSuggestion) -> TrustPlan:
    """Return the plan of a suggested trust policy."""
    observed, sight = suggestion.assumptions.observed, suggestion.evidence
    window, places = sight.window, SessionPlaces(observed, sight.session_uses)
    return TrustPlan(
        schema_version=SCHEMA_VERSION,
        kind="trust",
        policygen=VERSION,
        role=suggestion.role.key.arn,
        role_id=suggestion.role.key.role_id,
        window=PlanWindow(window.start, window.end, window.days, sight.until_given),
        policy=suggestion.policy.to_dict(),
        size=PlanSize(suggestion.policy.size, suggestion.quota),
        today=suggestion.today.to_dict(),
        max_session_duration=PlanSessionLength(*suggestion.length),
        assumptions=tuple(_with_places(one, places) for one in observed),
        used_elsewhere=_places(places.elsewhere(observed)),
        places_cut=sight.places_cut,
        not_counted=PlanNotCountedAssumptions(
            suggestion.assumptions.denied, suggestion.assumptions.of_namesakes, suggestion.assumptions.untold
        ),
        not_allowed_today=tuple(_refused(one) for one in suggestion.refused),
        kept=tuple(
            PlanKeptPrincipal(one.entry[1], one.kept.reason, one.kept.why)
            for one in suggestion.written
            if one.kept
        ),
        removed=plan_removed(suggestion.removed),
        could_require=plan_requirements(suggestion.could_require),
        not_required=plan_requirements(suggestion.not_required),
        not_in_snapshot=suggestion.absent,
        blind_spots=plan_blind_spots(suggestion.blind_spots),
        findings=tuple(PlanRuleFinding(*one) for one in suggestion.findings),
        promises=plan_checks(suggestion.promises),
        inputs=suggestion.inputs,
        suggestion=saved_part(_bare(suggestion)),
    )


def trust_suggestion_of(document: Mapping[str, Any], name: str) -> TrustSuggestion:
    """Return the suggestion of a plan of the kind ``trust``; arguments as for `from_plan`.

    Raises:
        UsageError: PG-E245, it is damaged or was edited, or another version made it.
    """
    found = from_plan(document, TrustSuggestion, name)
    refuse_edited(document, name, policy=found.policy.to_dict())
    return found


def _bare(suggestion: TrustSuggestion) -> TrustSuggestion:
    """Return a suggestion without what stands in it twice, and without the role's own permissions."""
    role = replace(suggestion.role, policies=(), attached=(), boundary=None, trust={}, tags={})
    written = tuple(replace(one, seen=()) for one in suggestion.written)
    return dataclasses.replace(suggestion, role=role, written=written)


def _with_places(one: Observed, places: SessionPlaces) -> PlanAssumption:
    found = places.of(one.said)
    return replace(
        assumption_row(one), used_from=_places(found[:_PLACES]), used_from_more=max(0, len(found) - _PLACES)
    )


def _places(found: Iterable[SessionPlace]) -> tuple[PlanSessionPlace, ...]:
    return tuple(PlanSessionPlace(*one) for one in found)


def assumption_row(one: Observed) -> PlanAssumption:
    """Return assumptions as a plan has them, without where their sessions were used."""
    said, seen, party = one.said, one.evidence, one.party
    return PlanAssumption(
        event=said.event,
        principal=party.name if party.is_named else "",
        kind=party.kind,
        account=party.account,
        unique_id=party.unique_id,
        caller_session=party.session,
        actions=one.actions,
        count=seen.count,
        days=len(seen.days),
        first=seen.first,
        last=seen.last,
        event_ids=tuple(seen.event_ids),
        region=said.region,
        address=said.address,
        endpoint=said.endpoint,
        session_name=said.session,
        external_id=said.external_id,
        source_identity=said.source_identity or said.inherited_identity,
        mfa=(one.facts.look_up("aws:MultiFactorAuthPresent") or ("",))[0],
        tags=dict(said.tags),
        transitive_tags=said.transitive,
        duration=said.duration or None,
        session_policies=said.session_policies,
        inline_session_policy=said.inline_policy,
        audience=said.audience,
        subject=said.subject,
    )


def _refused(use: AssumptionUse) -> PlanRefusedAssumption:
    return PlanRefusedAssumption(use.action, use.observed.party.name)
