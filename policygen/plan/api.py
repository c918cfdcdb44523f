"""The plan of an API: who called it, the policies that are enough, findings, and what they rest on."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from policygen.account.apis import Api
from policygen.account.model import Account
from policygen.logs.calls.evidence import Evidence, sum_of
from policygen.plan.io import SCHEMA_VERSION
from policygen.plan.model import PlanCheck, PlanWindow, ProposedPolicy
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
from policygen.rightsize.api.callers import CallerPolicy
from policygen.rightsize.api.length import longest
from policygen.rightsize.api.question import World
from policygen.rightsize.api.resource import WrittenAccess
from policygen.rightsize.api.suggest import ApiSuggestion
from policygen.rightsize.api.usage import Invoked
from policygen.version import VERSION


class PlanApi(msgspec.Struct, frozen=True):
    """The API that is called."""

    id: str
    name: str
    protocol: str
    account: str
    region: str


class PlanKeptGrant(msgspec.Struct, frozen=True):
    """A permission of a caller that no access log can show, and why it stays."""

    action: str
    resource: str
    why: str


class PlanCaller(msgspec.Struct, frozen=True):
    """What one caller needs of the API; its policy is None where today's stay."""

    principal: str
    policy: dict[str, Any] | None
    note: str
    is_proposal: bool
    """Whether today's policies are not known, so that it could not be cut to them."""
    kept: tuple[PlanKeptGrant, ...]
    placed: tuple[ProposedPolicy, ...] = ()
    """The policy as IAM takes it: one inline policy, or managed ones where there is no room for it."""
    is_managed: bool = False


class PlanInvoked(msgspec.Struct, frozen=True):
    """Calls that differ in time only: by whom, of what, from where, how often and when."""

    status: str
    principal: str
    account: str
    stage: str
    method: str
    path: str
    address: str
    vpc_endpoint: str
    vpc: str
    api_key: str
    subject: str
    count: int
    days: int
    first: str
    last: str
    entry_ids: tuple[str, ...]


class PlanNotCountedCalls(msgspec.Struct, frozen=True):
    """What is no evidence."""

    by_deleted_callers: tuple[str, ...]
    caller_unknown: dict[str, int]
    """Stage -> calls whose caller is not known."""
    not_read: dict[str, int]
    """Why an entry tells nothing -> how many there are."""


class PlanRefusedCall(msgspec.Struct, frozen=True):
    """What was seen and nothing of today allows."""

    principal: str
    resource: str


class PlanKeptAccess(msgspec.Struct, frozen=True):
    """What stays in the resource policy without a call, and why."""

    principal: str
    resources: tuple[str, ...]
    reason: str
    why: str


class PlanLoggedStage(msgspec.Struct, frozen=True):
    """What the log of a stage shows."""

    stage: str
    since: str
    days: int
    visible: bool


class ApiPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The plan of an API; field names are the keys of its JSON."""

    schema_version: int
    kind: Literal["api"]
    policygen: str
    api: PlanApi
    window: PlanWindow
    resource_policy: dict[str, Any] | None
    """None where today's stays."""
    resource_policy_note: str
    resource_policy_size: PlanSize | None
    today: dict[str, Any] | None
    callers: tuple[PlanCaller, ...]
    findings: tuple[PlanRuleFinding, ...]
    usage: tuple[PlanInvoked, ...]
    usage_cut: bool
    """Whether calls from further addresses, of further users and with further keys are counted together."""
    not_counted: PlanNotCountedCalls
    not_allowed_today: tuple[PlanRefusedCall, ...]
    kept: tuple[PlanKeptAccess, ...]
    removed: tuple[PlanRemoved, ...]
    not_required: tuple[PlanRequirement, ...]
    stages: tuple[PlanLoggedStage, ...]
    blind_spots: tuple[PlanBlindSpot, ...]
    promises: tuple[PlanCheck, ...]
    inputs: tuple[tuple[str, ...], ...] | None = None
    """The options that it was made with, each with its value; None where that is not known."""
    suggestion: str
    """What policygen reads back: packed JSON, which may change with the version."""


class _SavedApi(msgspec.Struct, frozen=True):
    """A suggestion with its calls as a list: plain values have no other keys than text."""

    suggestion: ApiSuggestion
    invoked: tuple[tuple[Invoked, Evidence], ...]


def api_plan(suggestion: ApiSuggestion) -> ApiPlan:
    """Return the plan of an API's suggested policies."""
    api, window = suggestion.api, suggestion.window
    all_of_it = [(one, seen) for one, seen in suggestion.usage.invoked.items() if one.api == api.id]
    own = _listed(all_of_it)
    is_cut = suggestion.usage.is_cut or own is not all_of_it
    return ApiPlan(
        schema_version=SCHEMA_VERSION,
        kind="api",
        policygen=VERSION,
        api=PlanApi(api.id, api.name, api.protocol, api.account, api.region),
        window=PlanWindow(window.start, window.end, window.days),
        resource_policy=suggestion.policy.to_dict() if suggestion.policy else None,
        resource_policy_note=suggestion.why or "it holds from the next deployment of each stage on",
        resource_policy_size=PlanSize(suggestion.policy.size, longest(api.policy))
        if suggestion.policy
        else None,
        today=api.policy.to_dict() if api.policy else None,
        callers=tuple(map(_caller, suggestion.callers)),
        findings=tuple(PlanRuleFinding(*one) for one in suggestion.findings),
        usage=tuple(usage_row(one, seen) for one, seen in own),
        usage_cut=is_cut,
        not_counted=PlanNotCountedCalls(
            suggestion.uses.deleted, _sorted(suggestion.uses.untold), _sorted(suggestion.usage.unread)
        ),
        not_allowed_today=tuple(
            PlanRefusedCall(one.party.name or "*", one.resource) for one in suggestion.refused
        ),
        kept=tuple(_kept(one) for one in suggestion.written if one.kept),
        removed=plan_removed(suggestion.removed),
        not_required=plan_requirements(suggestion.not_required),
        stages=tuple(
            PlanLoggedStage(one.stage, one.since, one.days, one.visible) for one in suggestion.sights.values()
        ),
        blind_spots=plan_blind_spots(suggestion.blind_spots),
        promises=plan_checks(suggestion.promises),
        inputs=suggestion.inputs,
        suggestion=saved_part(_SavedApi(_bare(suggestion, is_cut=is_cut), tuple(own))),
    )


def api_suggestion_of(document: Mapping[str, Any], name: str) -> ApiSuggestion:
    """Return the suggestion of a plan of the kind ``api``; arguments as for `from_plan`.

    Raises:
        UsageError: PG-E245, it is damaged or was edited, or another version made it.
    """
    saved = from_plan(document, _SavedApi, name)
    found = saved.suggestion
    written = found.policy.to_dict() if found.policy else None
    refuse_edited(document, name, resource_policy=written, callers=[*map(_caller, found.callers)])
    return dataclasses.replace(
        found,
        usage=replace(found.usage, invoked=dict(saved.invoked)),
        sights={one.name: found.sights[one.name] for one in found.api.stages if one.name in found.sights},
    )


def usage_row(one: Invoked, seen: Evidence) -> PlanInvoked:
    """Return calls as a plan has them."""
    return PlanInvoked(
        one.status,
        one.principal,
        one.account,
        one.stage,
        one.verb,
        one.path,
        one.address,
        one.endpoint,
        one.vpc,
        one.api_key,
        one.subject,
        seen.count,
        len(seen.days),
        seen.first,
        seen.last,
        tuple(seen.event_ids),
    )


_LISTED = 10_000
"""Calls with an address, a user or a key that a plan lists; a public API has millions of addresses."""


def _listed(rows: list[tuple[Invoked, Evidence]]) -> list[tuple[Invoked, Evidence]]:
    """Return calls of an API, where there are too many the most frequent ones, and the others without who and where."""
    told = [row for row in rows if row[0].address or row[0].subject or row[0].api_key]
    if len(told) <= _LISTED:
        return rows
    ranked = sorted(told, key=lambda row: (-row[1].count, repr(row[0])))
    rest: dict[Invoked, list[Evidence]] = defaultdict(list)
    for one, seen in ranked[_LISTED:]:
        rest[replace(one, address="", subject="", api_key="")].append(seen)
    for one, seen in rows:
        if not (one.address or one.subject or one.api_key):
            rest[one].append(seen)
    return [
        *ranked[:_LISTED],
        *((one, sum_of(seen)) for one, seen in sorted(rest.items(), key=lambda item: repr(item[0]))),
    ]


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _caller(one: CallerPolicy) -> PlanCaller:
    return PlanCaller(
        one.party.name if one.party.is_named else one.party.unique_id,
        one.policy.to_dict() if one.policy else None,
        one.why,
        one.is_proposal,
        tuple(PlanKeptGrant(kept.grant.action, kept.grant.resource, kept.why) for kept in one.kept),
        tuple(ProposedPolicy(part.name, part.to_dict(), part.size) for part in one.placed),
        one.is_managed,
    )


def _kept(one: WrittenAccess) -> PlanKeptAccess:
    reason, why = (one.kept.reason, one.kept.why) if one.kept else ("", "")
    return PlanKeptAccess(one.entry[1], one.resources, reason, why)


# ---- what is read back --------------------------------------------------------------------------------


def _bare(suggestion: ApiSuggestion, *, is_cut: bool) -> ApiSuggestion:
    """Return a suggestion without what stands in it twice, and with what decides about its callers alone."""
    return dataclasses.replace(
        suggestion,
        world=_smaller(suggestion),
        usage=replace(suggestion.usage, invoked={}, days={}, is_cut=is_cut),
        uses=dataclasses.replace(suggestion.uses, uses=()),
        written=tuple(replace(one, seen=()) for one in suggestion.written),
    )


def _smaller(suggestion: ApiSuggestion) -> World:
    """Return the accounts with the API, what guards it, and its callers, and with nothing else."""
    names = {one.party.name for one in suggestion.callers}
    accounts = suggestion.world.accounts
    return World({number: _of_callers(one, suggestion.api, names) for number, one in accounts.items()})


def _of_callers(account: Account, api: Api, names: Iterable[str]) -> Account:
    gateway = account.gateway
    own = None if gateway.apis is None else tuple(one for one in gateway.apis if one.id == api.id)
    guards = replace(gateway, apis=own, usage_plans=None, keys=None)
    return Account(
        account.account_id,
        account.partition,
        tuple(replace(one, trust={}) for one in account.roles if one.key.arn in names),
        scps=account.scps,
        management=account.management,
        users=tuple(one for one in account.users if one.arn in names),
        gateway=guards,
        organization_id=account.organization_id,
    )
