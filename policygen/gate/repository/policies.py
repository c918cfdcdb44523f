"""The policies of one role under check: which they are, and how they are read."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from policygen.errors import PolicygenError, UsageError
from policygen.gate.repository.files import is_arn
from policygen.gate.repository.role_map import GateRole, configured_role, place_in_configuration
from policygen.plan.saved import account_in, every_plan
from policygen.text import escape_controls

if TYPE_CHECKING:
    from policygen.account.model import Account
    from policygen.gate.sources import PolicySource
    from policygen.gate.templates.model import TemplateContext
    from policygen.plan.model import Plan


def context_of(plan: Plan) -> TemplateContext:
    """Return what templates need to know of a plan's role."""
    from policygen.gate.templates.model import TemplateContext
    from policygen.iam.arn import parse
    from policygen.iam.document import parse_policy

    own, regions = parse(plan.role.arn), plan.evidence.regions
    return TemplateContext(
        plan.role.name,
        plan.role.account,
        own.partition if own else "aws",
        regions[0] if len(regions) == 1 else "",
        {one.arn: parse_policy(one.document, one.name) for one in plan.today or () if one.arn},
        {one.name: parse_policy(one.document, one.name) for one in plan.today or () if not one.arn},
    )


def with_documents(context: TemplateContext, folder: Path | None) -> TemplateContext:
    """Return a context that also knows the managed policies that other roles have today, by their plans.

    Args:
        context: of a role.
        folder: of the plans; None for policygen's own.
    """
    from msgspec.structs import replace

    try:
        plans = sorted(every_plan(folder, lambda _: None), key=lambda plan: plan.window.end)
    except PolicygenError:  # the only plan was named by its file
        return context
    found = {arn: policy for plan in plans for arn, policy in context_of(plan).known.items()}
    return replace(context, known={**found, **context.known})


def context_of_account(account: Account | None, role: str) -> TemplateContext:
    """Return what templates need to know of a role whose logs are read, by its name or ARN."""
    from msgspec.structs import replace

    from policygen.gate.templates.model import TemplateContext

    context = TemplateContext(role.rpartition("/")[2], account_in(role))
    if account is None:
        return context
    try:
        found = account.role(role)
    except PolicygenError:  # a function's name, or an error that reading the logs will say
        return context
    return replace(
        context,
        known={one.arn: one.policy for one in found.attached if one.policy},
        inline={one.name: one for one in found.policies},
    )


def policies_of_role(context: TemplateContext, roles: Sequence[GateRole]) -> list[PolicySource]:
    """Read the policies under check: those of the command line, or else those that policygen.toml names for the role.

    Raises:
        UsageError: PG-E248, there are none; PG-E210 and PG-E219, as `policies_of`.
    """
    named = configured_role(roles, context.role, context.account)
    if named is None:
        role = escape_controls(context.role)
        raise UsageError(
            f"no policy to check for {role}",
            "name its file after the command",
            f'or write it into policygen.toml: [[role]], name = "{role}", policy = "FILE"',
            f"from its plan and the files here: policygen check --write-roles --plan {shlex.quote(role)}",
            code="PG-E248",
        )
    return [
        source
        for one in named.policies
        for source in policies_named(one, context, configured=named.configured)
    ]


def policies_named(policy: Path, context: TemplateContext, *, configured: bool = True) -> list[PolicySource]:
    """Read the policies of a file or a folder, or one that is attached, by its ARN.

    Args:
        policy: the file, folder or ARN.
        context: the role.
        configured: whether the configuration names it, and not the command line.

    Raises:
        UsageError: as `policies_of`.
    """
    from policygen.gate.repository.files import attached_policy, policies_of
    from policygen.iam.locations import Location

    if not is_arn(policy):
        return policies_of(policy, context)
    arn = str(policy)
    file, place = place_in_configuration(arn) if configured else (arn, Location(1, 1))
    return attached_policy(arn, escape_controls(file), place, context)
