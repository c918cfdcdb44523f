"""What `policygen check --kind trust|resource` compares: a policy that names principals, and who came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from policygen.cli.gate_subjects import PrincipalSubject
from policygen.cli.inputs import message_sink, open_decisions, open_logs, read_options
from policygen.cli.option_groups import DecisionInput, DigestInput, LogInput, ReadInput, RoleWindowInput
from policygen.cli.several_accounts import read_snapshots
from policygen.errors import UsageError
from policygen.text import escape_controls

if TYPE_CHECKING:
    from policygen.account.apis import Api
    from policygen.iam.resource_policy import Kind, ResourcePolicy
    from policygen.rightsize.api.question import World
    from policygen.rightsize.api.suggest import ApiSuggestion
    from policygen.rightsize.check.findings import PolicySource
    from policygen.rightsize.trust.suggest import TrustSuggestion


def trust_subject(
    policies: Sequence[Path],
    role: str,
    logs: LogInput,
    window: RoleWindowInput,
    snapshots: Sequence[Path] | None,
    decisions: DecisionInput,
    digests: DigestInput,
    read: ReadInput,
    *,
    allow_incomplete: bool,
    quiet: bool,
) -> PrincipalSubject:
    """Read a trust policy and the assumptions of its role.

    Raises:
        UsageError: PG-E248, not one policy; PG-E210 and PG-E219, it cannot be read.
        PolicygenError: as `suggest_trust` raises.
    """
    from policygen.evidence.role_assumptions import collect_assumptions
    from policygen.rightsize.principals.options import PrincipalOptions
    from policygen.rightsize.trust.suggest import refuse_role, suggest_trust
    from policygen.rightsize.trust.target import role_in

    source, policy = _policy_of(policies, "trust")
    on = datetime.now(UTC).date()
    decided = open_decisions(decisions)
    accounts = read_snapshots(snapshots)
    account, target = role_in(accounts, role)
    refuse_role(target, decided)
    observe = window.observe(allow_incomplete=allow_incomplete, on=on)
    opened = open_logs(logs, "", read, digests, message_sink(quiet=quiet))
    with read_options(read, quiet=quiet) as options:
        evidence = collect_assumptions(opened, target, account, observe, read=options)
    suggestion = suggest_trust(evidence, account, accounts, PrincipalOptions(decisions=decided, on=on))
    return _of_trust(source, policy, suggestion)


def _of_trust(source: PolicySource, policy: ResourcePolicy, suggestion: TrustSuggestion) -> PrincipalSubject:
    from policygen.rightsize.check.trust import check_trust

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
    from policygen.cli.principal_plans import find_api_plan, find_trust_plan

    if kind == "trust":
        of_role = find_trust_plan(plan, folder)
        found = _of_trust(*_policy_of(policies, kind), of_role)
        return found._replace(plan=of_role.evidence.window.last_day)
    of_api = find_api_plan(plan, folder)
    source, policy = _policy_of(policies, kind, _with_policy(of_api.api))
    found = _of_api(source, policy, of_api.api, of_api.world, of_api)
    return found._replace(plan=of_api.window.last_day)


def resource_subject(
    policies: Sequence[Path],
    api: str,
    logs: LogInput,
    window: RoleWindowInput,
    snapshots: Sequence[Path] | None,
    decisions: DecisionInput,
    *,
    allow_incomplete: bool,
    quiet: bool,
) -> PrincipalSubject:
    """Read the resource policy of an API and, where logs are given, its calls.

    Raises:
        UsageError: PG-E248, not one policy, or an API that has no such policy; PG-E210 and PG-E219, it cannot be read.
        PolicygenError: as `find_api`, `read_api_usage` and `suggest_api` raise.
    """
    from policygen.rightsize.api.invocations import find_api
    from policygen.rightsize.api.question import World

    world = World(read_snapshots(snapshots))
    target = find_api(world, api)
    source, policy = _policy_of(policies, "resource", _with_policy(target))
    suggestion = None
    if logs.logs:
        suggestion = _suggested(
            target, world, logs.logs, window, decisions, allow_incomplete=allow_incomplete, quiet=quiet
        )
    return _of_api(source, policy, target, world, suggestion)


def _with_policy(api: Api) -> Api:
    """Return an API, if it is of a kind that has a resource policy."""
    if api.protocol != "REST":
        raise UsageError(
            f"{escape_controls(api.name or api.id)} has no resource policy: only REST APIs have one",
            "policygen api says who calls it, and what the callers need",
            code="PG-E248",
        )
    return api


def _suggested(
    api: Api,
    world: World,
    logs: Sequence[str],
    window: RoleWindowInput,
    decisions: DecisionInput,
    *,
    allow_incomplete: bool,
    quiet: bool,
) -> ApiSuggestion:
    from policygen.logs.registry import open_source
    from policygen.rightsize.api.entries.collect import read_api_usage
    from policygen.rightsize.api.entries.reader import StageRef
    from policygen.rightsize.api.suggest import suggest_api
    from policygen.rightsize.principals.options import PrincipalOptions

    on = datetime.now(UTC).date()
    decided = open_decisions(decisions)
    source, notify = open_source(logs), message_sink(quiet=quiet)
    for note in source.notes:
        notify(note)
    observe = window.observe(allow_incomplete=allow_incomplete, on=on)
    usage = read_api_usage(source, world, [StageRef(api)], observe)
    return suggest_api(usage, api, world, PrincipalOptions(decisions=decided, on=on))


def _of_api(
    source: PolicySource, policy: ResourcePolicy, api: Api, world: World, suggestion: ApiSuggestion | None
) -> PrincipalSubject:
    from policygen.rightsize.check.resource import check_resource

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


def _policy_of(
    policies: Sequence[Path], kind: Kind, api: Api | None = None
) -> tuple[PolicySource, ResourcePolicy]:
    """Read the one policy under check; that of an API with whole ARNs."""
    from policygen.account.snapshot_apis import spelt_out
    from policygen.cli.policy_files import policy_text
    from policygen.iam.resource_policy import parse_resource_policy
    from policygen.rightsize.check.principals import principal_source

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
