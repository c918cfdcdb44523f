"""What `policygen check --kind trust` compares: a trust policy, and who assumed the role."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from policygen.cli.gate import TrustSubject
from policygen.cli.inputs import message_sink, open_decisions, open_logs, read_options
from policygen.cli.option_groups import DecisionInput, DigestInput, LogInput, ReadInput, RoleWindowInput
from policygen.cli.several_accounts import read_snapshots
from policygen.errors import UsageError

if TYPE_CHECKING:
    from policygen.iam.resource_policy import ResourcePolicy
    from policygen.rightsize.check.findings import PolicySource


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
) -> TrustSubject:
    """Read a trust policy and the assumptions of its role.

    Raises:
        UsageError: PG-E248, not one policy; PG-E210 and PG-E219, it cannot be read.
        PolicygenError: as `suggest_trust` raises.
    """
    from policygen.evidence.role_assumptions import collect_assumptions
    from policygen.rightsize.principals.options import PrincipalOptions
    from policygen.rightsize.trust.suggest import refuse_role, suggest_trust
    from policygen.rightsize.trust.target import role_in

    source, policy = _policy_of(policies)
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
    return TrustSubject(target.name, target.key.account, [source], policy, suggestion)


def _policy_of(policies: Sequence[Path]) -> tuple[PolicySource, ResourcePolicy]:
    from policygen.cli.policy_files import policy_text
    from policygen.iam.resource_policy import parse_resource_policy
    from policygen.rightsize.check.trust import trust_source
    from policygen.text import escape_controls

    if len(policies) != 1:
        raise UsageError(
            "--kind trust checks one policy: a role has one trust policy",
            "name its file after the command",
            code="PG-E248",
        )
    name, text = policy_text(policies[0])
    policy = parse_resource_policy(text, name, "trust")
    return trust_source(escape_controls(name), text, policy), policy
