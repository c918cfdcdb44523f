"""Saved plans in Python: read one, and check policies by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from policygen.errors import UsageError
from policygen.gate.findings import Finding
from policygen.gate.judge.check import check
from policygen.gate.sources import PolicySource, policy_source
from policygen.iam.document import Policy, parse_policy
from policygen.plan import io
from policygen.plan.gate import basis_from_plan
from policygen.plan.model import Plan
from policygen.text import escape_controls

Written = Policy | Mapping[str, Any] | str | Path
"""A policy; its document; or a file of JSON."""


def read_plan_file(path: str | Path) -> Plan:
    """Read a plan that `policygen suggest --plans` or `policygen batch` saved, packed or not.

    Args:
        path: its file.

    Raises:
        UsageError: PG-E272, the file cannot be read; PG-E270, it is not a plan, or one of a later version.

    Example:
        >>> import policygen as pg
        >>> pg.read_plan("nowhere.json")
        Traceback (most recent call last):
        ...
        policygen.errors.UsageError: 'nowhere.json' cannot be read: No such file or directory  PG-E272
          hint: give the file of a plan that suggest or batch saved
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(
            f"{escape_controls(str(path))!r} cannot be read: {error.strerror or error}",
            "give the file of a plan that suggest or batch saved",
            code="PG-E272",
        ) from None
    return io.read_plan(data, str(path))


def check_policies(policies: Written | Sequence[Written], plan: Plan | str | Path) -> tuple[Finding, ...]:
    """Check policies that apply together against what a role did, as its plan knows it.

    Args:
        policies: a policy, its document or its file of JSON; or several.
        plan: the role's plan, or its file.

    Returns:
        The findings: errors first, then by file and line; `rule`, `level`, `subject`, `message` and `fix` of each.

    Raises:
        UsageError: PG-E210, a document is not a policy; PG-E219, a file cannot be read; PG-E245, the plan lacks what a
            check needs; what `policygen.read_plan` raises.

    Example:
        >>> import policygen as pg
        >>> log = pg.load("samples/trail", "orders-api", snapshot="samples/account.json")
        >>> nothing = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}
        >>> sorted({finding.level for finding in pg.check(nothing, log.plan())})
        ['error', 'note', 'warning']
    """
    several = [policies] if isinstance(policies, Policy | Mapping | str | Path) else list(policies)
    basis = basis_from_plan(plan if isinstance(plan, Plan) else read_plan_file(plan))
    return check([_source(number, one) for number, one in enumerate(several, 1)], basis)


def _source(number: int, one: Written) -> PolicySource:
    name = f"policy {number}"
    if isinstance(one, Policy):
        return policy_source(one.name or name, one.to_json(2), one)
    if isinstance(one, Mapping):
        policy = parse_policy(one, name)
        return policy_source(name, policy.to_json(2), policy)
    try:
        text = Path(one).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{escape_controls(str(one))!r} cannot be read: {error}", "give a file of JSON", code="PG-E219"
        ) from None
    return policy_source(str(one), text, parse_policy(text, str(one)))
