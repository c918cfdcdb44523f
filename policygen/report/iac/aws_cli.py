"""Renders plans as a shell script of AWS CLI commands: what applies them to their roles, and what undoes that."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Sequence

from policygen.plan.model import Plan
from policygen.report.iac.aws_cli_commands import Documents, role_commands, shell_function, trust_commands
from policygen.report.iac.aws_cli_functions import ACCOUNT_CHECK, functions_for, needed_by
from policygen.report.iac.aws_cli_roles import render_roles
from policygen.report.iac.common import header_comment

_START = """\
set -euo pipefail
export AWS_PAGER=''

account={account}
role={role}
"""

_WORD = """\
word="${1:-}"
case "$word" in
  WORDS) ;;
  *)
    echo "usage: bash $0 USAGE" >&2
    exit 2
    ;;
esac
"""

_CHECK = """\
if [ "$caller" != "$account" ]; then
  echo "the credentials are of account $caller; the role is in account $account" >&2
  exit 1
fi
"""

_RUN = """\
case "$word" in
  apply)
    apply
    echo "applied; to go back: bash $0 undo"
    ;;
  undo)
    undo
    echo "undone: the role has UNDONE"
    ;;
MOREesac
"""

_RUN_TRUST = """\
  apply-trust)
    apply_trust
    echo "applied; to go back: bash $0 undo-trust"
    ;;
  undo-trust)
    undo_trust
    echo "undone: whoever was trusted may assume the role"
    ;;
"""


def render(plans: Sequence[Plan], *, approved: bool = False) -> str:
    """Return the script of one plan, or of all those among several that are safe to apply.

    It does nothing without a word: ``apply`` or ``undo``; of one plan with another trust policy also ``apply-trust`` or
    ``undo-trust``, as ``apply`` leaves that alone. Of plans that a person chose by name (`approved`), it has all.

    Raises:
        UsageError: PG-E241, a name that IAM does not allow; PG-E235, an older plan that does not say which policies
            are inline; PG-E281, plans that one script cannot hold.
        GateError: PG-E482, none of several plans is safe to apply.
    """
    return render_roles(plans, approved=approved) if len(plans) > 1 else _render_role(plans[0])


def _render_role(plan: Plan) -> str:
    documents = Documents()
    commands = role_commands(plan, documents)
    step = plan.apply_list.trust
    trust = trust_commands(step, documents) if step else None
    words = ["apply", "undo", *(["apply-trust", "undo-trust"] if trust else [])]
    start = _START.format(account=shlex.quote(plan.role.account), role=shlex.quote(plan.role.name))
    functions = [
        shell_function("apply", [*commands.check, *commands.apply]),
        shell_function("undo", commands.undo),
    ]
    if trust:
        functions += [
            shell_function("apply_trust", [*trust.check, *trust.apply]),
            shell_function("undo_trust", trust.undo),
        ]
    parts = [
        start,
        *functions_for([*commands.all, *(trust.all if trust else [])]),
        *documents.assignments,
        *functions,
        _WORD.replace("WORDS", " | ".join(words)).replace("USAGE", "|".join(words))
        + ACCOUNT_CHECK
        + _CHECK
        + _RUN.replace("MORE", _RUN_TRUST if trust else "").replace("UNDONE", _undone(plan)),
    ]
    script = "\n".join(parts)
    return f"#!/usr/bin/env bash\n{_head(plan, needed_by(script))}\n{script}"


_TRUST_WORDS = (
    "bash FILE apply-trust   changes who may assume the role, and nothing else",
    "bash FILE undo-trust    gives the role back the trust policy that it had when the plan was made",
    "Both stop where the trust policy is neither that one nor the new one.",
)


def _head(plan: Plan, needs: str) -> str:
    apply = plan.apply_list
    return header_comment(
        plan,
        "#",
        *([] if apply.today_known else ["Today's policies are not known: what else the role has stays."]),
        *(f"{one} stays: its document was not read." for one in apply.unread),
        first=[*_usage(plan), *textwrap.wrap(needs, 100), ""],
    )


_REPLACE_WORDS = (
    "bash FILE apply   attaches the new policies, then detaches and deletes the old ones",
    "bash FILE undo    gives the role back the policies that it had when the plan was made",
    "Both stop, before they change anything, where somebody took away or edited one since; apply also",
    "where somebody added one, which undo leaves alone.",
)

_ADD_WORDS = (
    "bash FILE apply   adds the new policies to what the role has, and removes nothing",
    "bash FILE undo    takes them away again, unless the role has no other policy",
    "That may give back what somebody took away since: the policies allow every call that was seen.",
    "Both stop, before they change anything, where a policy of that name has another document.",
)


def _usage(plan: Plan) -> Sequence[str]:
    apply = plan.apply_list
    words = _REPLACE_WORDS if apply.today_known else _ADD_WORDS
    return ("", *words, *(_TRUST_WORDS if apply.trust else []))


def _undone(plan: Plan) -> str:
    known = plan.apply_list.today_known
    return "the policies that it had" if known else "what it had besides these policies"
