"""Renders plans as a shell script of AWS CLI commands: what applies them to their roles, and what undoes that."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from policygen.plan.model import Plan
from policygen.report.iac.aws_cli_commands import (
    ACCOUNT_CHECK,
    OFF,
    UNCHANGED,
    Documents,
    role_commands,
    shell_function,
)
from policygen.report.iac.aws_cli_roles import render_roles
from policygen.report.iac.common import header_comment

_START = """\
set -euo pipefail
export AWS_PAGER=''

account={account}
role={role}
"""

_WORD = """\
case "${1:-}" in
  apply | undo) ;;
  *)
    echo "usage: bash $0 apply|undo" >&2
    exit 2
    ;;
esac
"""

_END = """\
if [ "$caller" != "$account" ]; then
  echo "the credentials are of account $caller; the role is in account $account" >&2
  exit 1
fi
case "$1" in
  apply)
    apply
    echo "applied; to go back: bash $0 undo"
    ;;
  undo)
    undo
    echo "undone: the role has the policies that it had"
    ;;
esac
"""


def render(plans: Sequence[Plan]) -> str:
    """Return the script of one plan, or of all those among several that are safe to apply.

    It does nothing without the word ``apply`` or ``undo``.

    Raises:
        UsageError: PG-E241, a name that IAM does not allow; PG-E235, an older plan that does not say which policies
            are inline; PG-E281, plans that one script cannot hold.
        GateError: PG-E482, none of several plans is safe to apply.
    """
    return render_roles(plans) if len(plans) > 1 else _render_role(plans[0])


def _render_role(plan: Plan) -> str:
    documents = Documents()
    commands = role_commands(plan, documents)
    start = _START.format(account=shlex.quote(plan.role.account), role=shlex.quote(plan.role.name))
    parts = [
        f"#!/usr/bin/env bash\n{_head(plan)}",
        start,
        *([UNCHANGED] if commands.check else []),
        OFF,
        *documents.assignments,
        shell_function("apply", [*commands.check, *commands.apply]),
        shell_function("undo", commands.undo),
        f"{_WORD}{ACCOUNT_CHECK}{_END}",
    ]
    return "\n".join(parts)


def _head(plan: Plan) -> str:
    apply = plan.apply_list
    return header_comment(
        plan,
        "#",
        "",
        *([] if apply.today_known else ["Today's policies are not known: what else the role has stays."]),
        *(f"{one} stays: its document was not read." for one in apply.unread),
        "bash FILE apply   attaches the new policies, then detaches and deletes the old ones; it stops",
        "                  before that where the role has other policies than when the plan was made",
        "bash FILE undo    gives the role back the policies that it had when the plan was made",
    )
