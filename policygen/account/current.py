"""A role's current access: the policies that a suggestion must not exceed, and what the account says about the role."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from policygen.account.function_code import FunctionCode
from policygen.account.inventory import Inventory
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
from policygen.iam.actions import Effective, effective_actions
from policygen.iam.arn import service_of
from policygen.iam.document import Policy, Statement
from policygen.iam.evaluate import Evaluator
from policygen.iam.principal import bound_by, principal_facts
from policygen.text import sanitize


class CurrentAccess(msgspec.Struct, frozen=True):
    """The current access of a role; a suggestion must not exceed it."""

    policies: tuple[Policy, ...]
    boundary: Policy | None = None
    functions: tuple[Function, ...] | None = None
    mappings: tuple[EventSourceMapping, ...] = ()
    notes: tuple[str, ...] = ()
    guardrails: tuple[tuple[Policy, ...], ...] = ()
    """Levels of SCPs, and RCPs as one level; () where the organization's policies are not known."""
    account: str = ""
    """The role's account, which limits RCPs; "" where unknown."""
    invoke_configs: tuple[InvokeConfig, ...] = ()
    role: Role | None = None
    last: LastAccessed | None = None
    """IAM's last-accessed report; None where it was not read."""
    inventory: Inventory | None = None
    """What exists in the account; None where it was not read."""
    code: tuple[FunctionCode, ...] = ()
    """What was analysed of the code of its functions."""
    configured: bool = False
    """Whether all is known of what Lambda itself does with the role: functions, mappings, destinations."""
    function_regions: frozenset[str] = frozenset()
    """The regions of which all functions are known: one that runs as the role would be among `functions`."""

    def effective_actions(self) -> Effective:
        """Return what the role can do: what the identity policies grant within Denies, boundary, SCPs and RCPs.

        Every question about the role's permissions asks this: what is kept, what changes, what is unused, which
        services matter. Only "never wider" compares documents without their bounds (docs/concepts/how-it-works.md).
        """
        return effective_actions(self.policies, self.boundary, self.guardrails, self.account)

    def services(self) -> set[str]:
        """Return the IAM prefixes of the services of which the role can use any action."""
        return set(map(service_of, self.effective_actions().allowed))

    def evaluator(self, policies: Sequence[Policy] | None = None) -> Evaluator:
        """Return an evaluator of the current identity policies, or of `policies` instead, within the current limits."""
        chosen = self.policies if policies is None else tuple(policies)
        return _evaluator(chosen, self.boundary, self.guardrails, self.account)


@lru_cache(maxsize=32)
def _evaluator(
    policies: tuple[Policy, ...],
    boundary: Policy | None,
    guardrails: tuple[tuple[Policy, ...], ...],
    account: str,
) -> Evaluator:
    """Return an evaluator, which is asked for again: about the same role, and about others with the same policies."""
    return Evaluator(policies, boundary, guardrails=guardrails, account=account)


def current_access(role: Role, account: Account, *, allow_incomplete: bool = False) -> CurrentAccess:
    """Return the current access of a role.

    Args:
        role: as in the snapshot.
        account: the role's account.
        allow_incomplete: go on without policy documents that were not read.

    Raises:
        IncompleteError: PG-E321, the document of an attached policy is not known: "never wider" could not be proved.
    """
    if role.missing and not allow_incomplete:
        first = role.missing[0]
        raise IncompleteError(
            (f"the document of {first}" if first.startswith("arn:") else f"{first} of {sanitize(role.name)}")
            + " is not in the account snapshot"
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
    notes += _unread(account)
    # What bounds the role is never written, so it may say what it says to this role alone.
    facts = principal_facts(role.key.arn, role.key.account)
    levels = _guardrails(account.scps_of(role) or (), account.rcps_of(role) or ())
    return CurrentAccess(
        policies=role.identity_policies,
        boundary=bound_by(role.boundary, facts) if role.boundary else None,
        functions=account.configurations_of(role),
        mappings=tuple(account.mappings or ()),
        notes=tuple(notes),
        guardrails=tuple(tuple(bound_by(policy, facts) for policy in level) for level in levels),
        account=role.key.account,
        invoke_configs=tuple(account.invoke_configs or ()),
        role=role,
        last=account.last_accessed_of(role),
        function_regions=_function_regions(account),
        inventory=account.resources,
        code=_code_of(role, account),
        configured=_is_configured(account),
    )


def _code_of(role: Role, account: Account) -> tuple[FunctionCode, ...]:
    """Return the code that runs with a role; a plain name counts only where one function has it."""
    own = account.configurations_of(role) or ()
    names = Counter(one.name for one in account.functions or ())
    return tuple(
        code
        for code in account.code
        if code.role.casefold() in {role.name.casefold(), role.key.arn.casefold()}
        or any(code.is_of(one) for one in own if code.function != one.name or names[one.name] == 1)
    )


def _is_configured(account: Account) -> bool:
    parts = (account.functions, account.mappings, account.invoke_configs)
    refused = any(error.operation.startswith("lambda:") for error in account.errors)
    return all(part is not None for part in parts) and not refused


def _function_regions(account: Account) -> frozenset[str]:
    """Return the regions of which all functions were read."""
    refused = {error.region for error in account.errors if error.operation == "lambda:ListFunctions"}
    if account.functions is None or account.regions is None or "" in refused:
        return frozenset()
    return frozenset(account.regions) - refused


def _unread(account: Account) -> list[str]:
    """Say what AWS did not show of the account, a sentence for each operation: it counts as unknown."""
    failures: dict[tuple[str, str], list[str]] = {}
    for error in account.errors:
        failures.setdefault((error.operation, error.code), []).append(error.region)
    return [
        f"AWS did not show {operation}"
        + (f" in {', '.join(sorted(set(filter(None, regions))))}" if any(regions) else "")
        + f" ({code or 'no code'}): what it tells is unknown"
        for (operation, code), regions in sorted(failures.items())
    ]


# AWS attaches it to everything that RCPs can be attached to, and nobody can detach it (4.1).
_RCP_FULL = Policy((Statement("Allow", ("*",), ("*",)),), name="RCPFullAWSAccess", kind="resource control")


def _guardrails(scps: Levels, rcps: Levels) -> tuple[tuple[Policy, ...], ...]:
    """Return the levels that must each allow. RCPs are one level: next to the one that allows all, they only deny."""
    denying = tuple(policy for level in rcps for policy in level)
    return (*map(tuple, scps), *([(_RCP_FULL, *denying)] if denying else []))
