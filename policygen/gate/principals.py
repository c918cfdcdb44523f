"""A policy that names principals under check: a trust policy or an API's resource policy, and who came."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from policygen.errors import UsageError
from policygen.gate.repository.subjects import PrincipalSubject
from policygen.text import escape_controls

if TYPE_CHECKING:
    from policygen.account.apis import Api
    from policygen.gate.sources import PolicySource
    from policygen.iam.resource_policy import Kind, ResourcePolicy
    from policygen.rightsize.api.question import World
    from policygen.rightsize.api.suggest import ApiSuggestion
    from policygen.rightsize.trust.suggest import TrustSuggestion


def planned_subject(kind: Kind, policies: Sequence[Path], plan: str, folder: Path | None) -> PrincipalSubject:
    """Read a policy that names principals, and the saved plan that it is checked by.

    Args:
        kind: what the policy is.
        policies: its file.
        plan: a plan's file, or the name of what it is of.
        folder: where plans are looked for by name; None for policygen's own folder.

    Raises:
        UsageError: PG-E248, not one policy; PG-E210 and PG-E219, it cannot be read.
        PolicygenError: as `find_trust_plan` and `find_api_plan` raise.
    """
    from policygen.plan.saved import find_api_plan, find_trust_plan

    if kind == "trust":
        of_role = find_trust_plan(plan, folder)
        found = of_trust(*policy_of(policies, kind), of_role)
        return found._replace(plan=of_role.evidence.window.last_day)
    plan_of_api = find_api_plan(plan, folder)
    source, policy = policy_of(policies, kind, with_resource_policy(plan_of_api.api))
    found = of_api(source, policy, plan_of_api.api, plan_of_api.world, plan_of_api)
    return found._replace(plan=plan_of_api.window.last_day)


def of_trust(source: PolicySource, policy: ResourcePolicy, suggestion: TrustSuggestion) -> PrincipalSubject:
    """Return a trust policy, and who assumed its role."""
    from policygen.gate.judge.trust import check_trust

    evidence, total = suggestion.evidence, suggestion.assumptions.total
    return PrincipalSubject(
        suggestion.role.name,
        suggestion.role.key.account,
        [source],
        partial(check_trust, source, policy, suggestion),
        evidence.window.days,
        len(evidence.own_days),
        total.last if total else "",
        gaps=len(evidence.incomplete),
    )


def of_api(
    source: PolicySource, policy: ResourcePolicy, api: Api, world: World, suggestion: ApiSuggestion | None
) -> PrincipalSubject:
    """Return the resource policy of an API, and who called it, where logs were read."""
    from policygen.gate.judge.resource import check_resource

    own = [seen for one, seen in suggestion.usage.invoked.items() if one.api == api.id] if suggestion else []
    return PrincipalSubject(
        api.title,
        api.account,
        [source],
        partial(check_resource, source, policy, api, world, suggestion),
        suggestion.window.days if suggestion else 0,
        len({day for seen in own for day in seen.days}),
        max((seen.last for seen in own), default=""),
        gaps=len(suggestion.usage.gaps) if suggestion else 0,
    )


def policy_of(
    policies: Sequence[Path], kind: Kind, api: Api | None = None
) -> tuple[PolicySource, ResourcePolicy]:
    """Read the one policy under check; that of an API with whole ARNs."""
    from policygen.account.snapshot_apis import spelt_out
    from policygen.gate.judge.principals import principal_source
    from policygen.gate.repository.files import policy_text
    from policygen.iam.resource_policy import parse_resource_policy

    if len(policies) != 1:
        has = "an API has one resource policy" if api else "a role has one trust policy"
        raise UsageError(
            f"--kind {kind} checks one policy: {has}", "name its file after the command", code="PG-E248"
        )
    name, text = policy_text(policies[0])
    policy = parse_resource_policy(text, name, kind)
    if api:
        policy = spelt_out(policy, api.arn)
    return principal_source(escape_controls(name), text, policy), policy


def with_resource_policy(api: Api) -> Api:
    """Return an API, if it is of a kind that has a resource policy."""
    if api.protocol != "REST":
        raise UsageError(
            f"{escape_controls(api.name or api.id)} has no resource policy: only REST APIs have one",
            "policygen api says who calls it, and what the callers need",
            code="PG-E248",
        )
    return api
