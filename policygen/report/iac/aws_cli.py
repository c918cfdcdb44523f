"""Renders a plan as a shell script of AWS CLI commands: what applies it to the role, and what undoes that."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from policygen.errors import UsageError
from policygen.plan.apply_list import PolicyChange
from policygen.plan.model import Plan
from policygen.report.iac.common import header_comment
from policygen.text import escape_controls, visible_json

_NAME = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)
_ARN = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}|aws):policy/[\w+=,.@/-]{1,512}", re.ASCII)
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)

_START = """\
set -euo pipefail
export AWS_PAGER=''

account={account}
role={role}

# What is gone already is gone: so a run that was stopped can be repeated, and undone.
off() {{
  local said
  said=$("$@" 2>&1) || [[ $said == *NoSuchEntity* ]] || {{ echo "$said" >&2; return 1; }}
}}
"""

_END = """\
case "${1:-}" in
  apply | undo) ;;
  *)
    echo "usage: bash $0 apply|undo" >&2
    exit 2
    ;;
esac
if ! caller=$(aws sts get-caller-identity --query Account --output text); then
  echo "AWS does not say whose credentials these are (see above): log in to account $account" >&2
  exit 1
fi
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

_SETTLE = "sleep 15 # what is new has to reach all of IAM before the old goes"


def render(plan: Plan) -> str:
    """Return the script; it does nothing without the word ``apply`` or ``undo``.

    Raises:
        UsageError: PG-E241, a name that IAM does not allow; PG-E235, an older plan that does not say which policies
            are inline.
    """
    _check(plan)
    apply = plan.apply_list
    documents = _Documents()
    on = [*_commands(apply.first_off, documents), *_commands(apply.on, documents)]
    off = list(_commands(apply.off, documents))
    undo = list(_commands(apply.undo, documents))
    start = _START.format(account=shlex.quote(plan.role.account), role=shlex.quote(plan.role.name))
    parts = [
        f"#!/usr/bin/env bash\n{_head(plan)}",
        start,
        *documents.assignments,
        _function("apply", [*on, *([_SETTLE] if on and off else []), *off]),
        _function("undo", undo),
        _END,
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
        "bash FILE apply   attaches the new policies, then detaches and deletes the old ones",
        "bash FILE undo    gives the role back the policies that it had when the plan was made",
    )


class _Documents:
    """The policy documents of a script: each is written once, as a variable."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def variable(self, document: Mapping[str, Any]) -> str:
        """Return the variable that holds a document, as a word of the shell."""
        text = visible_json(json.dumps(document, indent=2, ensure_ascii=False))
        return f'"${self._names.setdefault(text, f"document_{len(self._names) + 1}")}"'

    @property
    def assignments(self) -> list[str]:
        """The assignments of all variables, each ending with a line break."""
        return [f"{name}={shlex.quote(text)}\n" for text, name in self._names.items()]


def _function(name: str, commands: Iterable[str]) -> str:
    lines = [f"  {command}\n" for command in commands] or ["  echo 'nothing to do'\n"]
    return f"{name}() {{\n{''.join(lines)}}}\n"


def _commands(changes: Iterable[PolicyChange], documents: _Documents) -> Iterator[str]:
    for change in changes:
        yield from (_managed if change.arn else _inline)(change, documents)


def _inline(change: PolicyChange, documents: _Documents) -> Iterator[str]:
    policy = f'--role-name "$role" --policy-name {shlex.quote(change.name)}'
    if change.after is None:
        yield f"off aws iam delete-role-policy {policy}"
    else:
        yield f"aws iam put-role-policy {policy} --policy-document {documents.variable(change.after)}"


def _managed(change: PolicyChange, documents: _Documents) -> Iterator[str]:
    """Yield the commands for a managed policy; one of the proposal is made and unmade, any other only attached."""
    arn = f"--policy-arn {shlex.quote(change.arn)}"
    if change.before is not None and change.after is not None:
        document = documents.variable(change.after)
        yield f"aws iam create-policy-version {arn} --policy-document {document} --set-as-default"
    elif change.after is not None:
        if change.proposed:
            document = documents.variable(change.after)
            yield f"aws iam create-policy --policy-name {shlex.quote(change.name)} --policy-document {document}"
        yield f'aws iam attach-role-policy --role-name "$role" {arn}'
    else:
        yield f'off aws iam detach-role-policy --role-name "$role" {arn}'
        if change.proposed:
            yield f"off aws iam delete-policy {arn}"


def _check(plan: Plan) -> None:
    """Refuse what IAM has no names for: a shell or the AWS CLI might read it as something else."""
    apply = plan.apply_list
    if apply.unplaced:
        raise UsageError(
            "this plan is older: it does not say which of today's policies are inline and which are managed",
            f"policygen suggest {shlex.quote(plan.role.name)} -f aws-cli",
            code="PG-E235",
        )
    names = [(_NAME, plan.role.name), (_ACCOUNT, plan.role.account)]
    names += [(_ARN, one.arn) if one.arn else (_NAME, one.name) for one in apply.changes]
    names += [(_NAME, one.name) for one in apply.on]
    for pattern, name in names:
        if not pattern.fullmatch(name):
            raise UsageError(
                f"the AWS CLI cannot be given {escape_controls(name)[:120]!r}: IAM has no such name",
                "-f policy writes the document itself",
                code="PG-E241",
            )
