"""`check --kind resource`: the resource policy of an API that somebody wrote, against who called it and what is today.

The suggestion for the API says what the logs showed; what it keeps, for whatever reason, speaks against nothing.
Without logs there is none, and the policy is compared with that of today alone. The rules are those of policies of
permissions, and of PG601 to PG612 those that the policy decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

from msgspec.structs import replace

from policygen.account.apis import Api, Method
from policygen.gate.findings import RULES, Finding, found_at
from policygen.gate.judge.principals import (
    PlacedGrant,
    broken_rule,
    gone_denies,
    grants_outside,
    untold,
    unused_grant,
    who_stays,
    wider_grant,
    worst_first,
)
from policygen.gate.sources import PolicySource
from policygen.iam.document import Statement
from policygen.iam.party import EVERYONE, Principals, account_named
from policygen.iam.resource_policy import PrincipalStatement, ResourcePolicy, ResourcePolicyEvaluator
from policygen.rightsize.api.decision import decide, surety
from policygen.rightsize.api.findings import policy_findings
from policygen.rightsize.api.question import World
from policygen.rightsize.api.resource import WrittenAccess, cut_to_today
from policygen.rightsize.api.routing import method_named, methods_reached
from policygen.rightsize.api.suggest import ApiSuggestion
from policygen.rightsize.api.uses import ApiUse, asked_keys, named_arns, uses_of
from policygen.rightsize.principals.letting_in import HeldPolicy, lost
from policygen.rightsize.principals.owner import Owner
from policygen.text import pluralize

_COMMAND = "policygen api -f policy"


def check_resource(
    source: PolicySource,
    policy: ResourcePolicy,
    api: Api,
    world: World,
    suggestion: ApiSuggestion | None = None,
) -> tuple[Finding, ...]:
    """Return all findings: errors first, then by line and rule.

    Args:
        source: the file.
        policy: the resource policy in it, with whole ARNs.
        api: the API as it is.
        world: the accounts that are known.
        suggestion: for the API, with its calls; None where no logs were read.
    """
    wider = _wider(policy, api)
    found = [wider_grant(source, one) for one in wider]
    found += gone_denies(source, policy, api.policy or ResourcePolicy(()))
    found += _rules(source, policy, api, world, suggestion)
    if suggestion:
        found += _denied(source, policy, suggestion)
        found += untold(source, [one for one in suggestion.blind_spots if one.id != "kept"])
        found += _unused(source, policy, suggestion, wider)
    return worst_first(found)


# ---- wider than today ---------------------------------------------------------------------------------


def _wider(policy: ResourcePolicy, api: Api) -> list[PlacedGrant]:
    """Return what is granted beyond today's policy, or beyond what holds without one."""
    if api.policy:
        return grants_outside(policy, api.policy)
    return [one for one in grants_outside(policy, ResourcePolicy(())) if _opens(one.granted, api)]


def _opens(granted: PrincipalStatement, api: Api) -> bool:
    """Return whether a grant lets somebody in whom an API without a resource policy does not let in.

    Such an API lets everybody call its open methods, and the principals of its account those that IAM guards, if their
    own policies allow it: a grant to the account adds nothing to that. A private one lets nobody in.
    """
    if api.private:
        return True
    principals = granted.principals
    if not principals.negated and all(account_named(name) == api.account for _, name in principals.entries):
        return False
    return any(method.is_overruled for _, method in _reached(api, granted))


def _reached(api: Api, granted: PrincipalStatement) -> frozenset[tuple[str, Method]]:
    """Return the methods of stages that a statement is about, or may be."""
    one = granted.statement
    return methods_reached(api, ("*",) if one.not_resources else one.resources)


# ---- beyond the suggestion ----------------------------------------------------------------------------


def _unused(
    source: PolicySource, policy: ResourcePolicy, suggestion: ApiSuggestion, wider: Collection[PlacedGrant]
) -> Iterator[Finding]:
    """Find what the suggestion does not have; nothing where today's has nothing to narrow."""
    api = suggestion.api
    suggested = suggestion.policy or api.policy
    never = f"did not call it in {pluralize(suggestion.window.days, 'day')}"
    beyond = [one for one in grants_outside(policy, suggested) if one not in wider] if suggested else []
    reached = {
        one: methods_reached(api, one) for one in {_about(api, part) for part in suggestion.written if beyond}
    }
    for one in beyond:
        mine = _reached(api, one.granted)
        meeting = [part for part in suggestion.written if not mine.isdisjoint(reached[_about(api, part)])]
        yield unused_grant(source, one, who_stays(one, meeting), never, _COMMAND)


def _about(api: Api, one: WrittenAccess) -> tuple[str, ...]:
    """Return the resources of a part of the suggestion; all where it stays with a NotResource."""
    before = api.policy.statements[one.statement].statement if api.policy else None
    excludes = before is not None and before.not_resources and one.kept
    return ("*",) if excludes else one.resources


# ---- calls that were seen -----------------------------------------------------------------------------


def _denied(source: PolicySource, policy: ResourcePolicy, suggestion: ApiSuggestion) -> Iterator[Finding]:
    """Find calls that were seen, that are answered today and would not be with this policy."""
    api, world = suggestion.api, suggestion.world
    dropped = {use.party.name for use, _ in suggestion.losses}
    named = (*named_arns(api.policy), *named_arns(policy))
    # What is asked about tells calls apart, so that each policy has its own.
    seen = uses_of(suggestion.usage, api, world, named, asked_keys(world, [api.policy, policy]))
    by_call: dict[tuple[str, str], list[ApiUse]] = defaultdict(list)
    for use in seen.uses:
        if use.party.name not in dropped and _is_denied(use, policy, api, world):
            one = use.invoked
            by_call[use.party.name or "anybody", f"{one.stage} {one.verb} {one.path}"].append(use)
    for (who, call), found in sorted(by_call.items(), key=lambda item: item[0]):
        number = pluralize(sum(use.evidence.count for use in found), "call")
        last = max(use.evidence.last for use in found)[:10]
        yield found_at(
            source.spot(0, "Statement", 0),
            RULES["PG201"],
            who,
            f"{number}, last {last}: {call} would be denied",
            "let the caller in, with the conditions that its requests meet",
            resource=call,
        )


def _is_denied(use: ApiUse, policy: ResourcePolicy, api: Api, world: World) -> bool:
    before = decide(world, api, use.invocation)
    after = decide(world, replace(api, policy=policy), use.invocation)
    if surety(after) < surety(before):
        return True
    if not (surety(before) and _needs_policy(use, api)):
        return False
    # The decision is about one path, and the calls were of all that the method's template matches.
    today, owner = api.policy or _OPEN, Owner(api.account)
    evaluator = ResourcePolicyEvaluator(today)
    parts = [
        part
        for part in cut_to_today(use, HeldPolicy(today, owner))
        if evaluator.decide(part.request, part.party, part.facts).best == "ALLOWED"
    ]
    return any(lost(policy, today, parts, owner))


def _needs_policy(use: ApiUse, api: Api) -> bool:
    """Return whether a call comes in by the resource policy, if there is one, and not by policies of its own."""
    if use.signed:
        return use.party.account != api.account
    method = method_named(api, use.invoked.verb, use.invoked.path)
    return method is not None and not method.is_overruled


_OPEN = ResourcePolicy(
    (
        PrincipalStatement(
            Principals((("AWS", EVERYONE),)), Statement("Allow", ("execute-api:Invoke",), ("*",))
        ),
    )
)
"""What holds for open methods where there is no resource policy."""


# ---- rules --------------------------------------------------------------------------------------------


def _rules(
    source: PolicySource, policy: ResourcePolicy, api: Api, world: World, suggestion: ApiSuggestion | None
) -> Iterator[Finding]:
    """Find what the policy leaves open; what the suggestion leaves so too is not against it."""
    left = set()
    if suggestion:
        suggested = suggestion.policy or api.policy
        left = {(one.rule, one.where) for one in policy_findings(world, api, suggested)}
    for one in policy_findings(world, api, policy):
        yield broken_rule(source, one.rule, one.where, one.text, against=(one.rule, one.where) not in left)
