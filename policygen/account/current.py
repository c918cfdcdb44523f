"""The role as it is today: what bounds a suggestion, and what of the observed it allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from policygen.account.model import (
    Account,
    EventSourceMapping,
    Function,
    InvokeConfig,
    LastAccessed,
    Levels,
    Role,
)
from policygen.errors import IncompleteError
from policygen.iam.actions import allowed_actions
from policygen.iam.document import Policy, Statement
from policygen.iam.evaluate import Evaluator


@dataclass(frozen=True, slots=True)
class CurrentAccess:
    """The role as it is: what bounds the suggestion."""

    policies: tuple[Policy, ...]
    boundary: Policy | None = None
    functions: tuple[Function, ...] | None = None
    mappings: tuple[EventSourceMapping, ...] = ()
    notes: tuple[str, ...] = field(default=())
    guardrails: tuple[tuple[Policy, ...], ...] = ()
    """Levels of SCPs, and RCPs as one level; () where the organization's policies are not known."""
    account: str = ""
    """The role's account, to which RCPs are confined; "" where unknown."""
    invoke_configs: tuple[InvokeConfig, ...] = ()
    role: Role | None = None
    last: LastAccessed | None = None
    """What IAM saw used last; None where it was not read."""

    def evaluator(self, policies: Sequence[Policy] | None = None) -> Evaluator:
        """An evaluator of today's identity policies, or of others in their place, within today's bounds."""
        chosen = self.policies if policies is None else policies
        return Evaluator(chosen, self.boundary, guardrails=self.guardrails, account=self.account)


def current_access(role: Role, account: Account, *, allow_incomplete: bool = False) -> CurrentAccess:
    """What bounds the suggestion for a role, and what else the account says of it.

    Args:
        role: as the snapshot has it.
        account: that the role is of.
        allow_incomplete: go on without documents that were not read.

    Raises:
        IncompleteError: PG-E321, an attached policy's document is not known: "never wider" could not be proved.
    """
    if role.missing and not allow_incomplete:
        raise IncompleteError(
            f"the document of {role.missing[0]} is not in the account snapshot"
            + (f", nor {len(role.missing) - 1} more" if len(role.missing) > 1 else ""),
            "make the snapshot with managed policies: policygen snapshot",
            "or go on without what it grants: --allow-incomplete",
            code="PG-E321",
        )
    notes = []
    if role.missing:
        notes.append(f"not known today: {', '.join(role.missing)}")
    if role.service_linked:
        notes.append("service-linked role: IAM lets nobody edit its policies")
    if role.sso_managed:
        notes.append("made by IAM Identity Center: change the permission set, not the role")
    return CurrentAccess(
        policies=role.identity_policies,
        boundary=role.boundary,
        functions=account.configurations_of(role),
        mappings=tuple(account.mappings or ()),
        notes=tuple(notes),
        guardrails=_guardrails(account.scps_of(role) or (), account.rcps_of(role) or ()),
        account=role.key.account,
        invoke_configs=tuple(account.invoke_configs or ()),
        role=role,
        last=account.last_accessed_of(role),
    )


# Attached to everything that RCPs can be attached to, and by nobody to be detached (4.1).
_RCP_FULL = Policy((Statement("Allow", ("*",), ("*",)),), name="RCPFullAWSAccess", kind="resource control")


def _guardrails(scps: Levels, rcps: Levels) -> tuple[tuple[Policy, ...], ...]:
    """Each level of SCPs must allow; RCPs only ever deny beside the one that allows all, so they are one level."""
    denying = tuple(policy for level in rcps for policy in level)
    return (*map(tuple, scps), *([(_RCP_FULL, *denying)] if denying else []))


def services_of(role: Role) -> set[str]:
    """IAM prefixes of the services that a role's policies of today speak of."""
    return {action.split(":", 1)[0].lower() for action in allowed_actions(role.identity_policies)}
