"""What `policygen check` compares where no plan is given: the policies, and what the logs tell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from policygen.cli.inputs import (
    message_sink,
    open_account,
    open_decisions,
    open_logs,
    open_traces,
    read_options,
    with_witnesses,
)
from policygen.cli.named_role import for_role
from policygen.cli.option_groups import (
    DecisionInput,
    DigestInput,
    LogInput,
    ReadInput,
    RoleWindowInput,
    WitnessInput,
)
from policygen.cli.several_accounts import AccountsInput, read_snapshots
from policygen.gate.principals import of_api, of_trust, policy_of, with_resource_policy
from policygen.gate.repository.subjects import GateSubject, PrincipalSubject

if TYPE_CHECKING:
    from policygen.account.apis import Api
    from policygen.rightsize.api.question import World
    from policygen.rightsize.api.suggest import ApiSuggestion


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

    source, policy = policy_of(policies, "trust")
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
    return of_trust(source, policy, suggestion)


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
    source, policy = policy_of(policies, "resource", with_resource_policy(target))
    suggestion = None
    if logs.logs:
        suggestion = _suggested(
            target, world, logs.logs, window, decisions, allow_incomplete=allow_incomplete, quiet=quiet
        )
    return of_api(source, policy, target, world, suggestion)


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


def role_subject(
    policies: Sequence[Path],
    role: str,
    logs: LogInput,
    window: RoleWindowInput,
    account: AccountsInput,
    witnesses: WitnessInput,
    decisions: DecisionInput,
    digests: DigestInput,
    read: ReadInput,
    *,
    allow_incomplete: bool,
    quiet: bool,
) -> GateSubject:
    """Read the logs and the account.

    Raises:
        PolicygenError: as `policies_of_role` and `collect_evidence` raise.
    """
    from policygen.cli.output import summarise
    from policygen.evidence.observe import collect_evidence
    from policygen.gate.by_plan import of_evidence
    from policygen.gate.judge.from_logs import check_basis
    from policygen.gate.repository.policies import context_of_account, policies_of_role
    from policygen.gate.repository.role_map import GateRole, configured_role, read_role_map

    notify = message_sink(quiet=quiet)
    traces = open_traces(witnesses)
    observe = window.observe(allow_incomplete=allow_incomplete, accepted=decisions.accepted, traces=traces)
    decided = open_decisions(decisions)
    files = account.snapshots or (None,)
    current = open_account(account.live_by_default(logs).of_file(files[0]), notify, role)
    roles = [GateRole("", policies, configured=False)] if policies else read_role_map()
    sources = policies_of_role(context_of_account(current, role), roles)
    current = with_witnesses(current, witnesses, traces, notify)
    source = open_logs(logs, account.profile, read, digests, notify)
    with read_options(read, quiet=quiet) as options:
        evidence = for_role(
            role,
            current,
            source,
            options,
            lambda name: collect_evidence(source, name, observe, account=current, read=options),
        )
    if not quiet:
        summarise(evidence)
    subject = of_evidence(evidence, sources, check_basis(evidence, decided, datetime.now(UTC).date()))
    name, held_by = subject.role, subject.account
    return subject._replace(table=configured_role(roles, name, held_by))
