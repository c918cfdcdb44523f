"""The AWS CLI commands of a plan's steps, as a script of the shell holds them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from policygen.errors import UsageError
from policygen.plan.apply_list import PolicyChange, TrustStep
from policygen.plan.model import Plan
from policygen.text import escape_controls, visible_json

_NAME = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)
_ARN = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}|aws):policy/[\w+=,.@/-]{1,512}", re.ASCII)
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)

_SETTLE = (
    "echo 'waiting 15 seconds: what is new has to reach all of IAM before the old goes' >&2",
    "sleep 15",
)


class RoleCommands(NamedTuple):
    """The commands that apply a plan, and those that undo that; they use the variables ``$role`` and ``$word``."""

    check: list[str]
    """What stops where the role is not as the plan knows it, or has another policy of a new one's name."""
    apply: list[str]
    undo: list[str]
    """Begins with what stops where the role is neither as the plan knows it nor as `apply`, all or part, leaves it."""

    @property
    def all(self) -> list[str]:
        """All commands."""
        return [*self.check, *self.apply, *self.undo]


def role_commands(plan: Plan, documents: Documents) -> RoleCommands:
    """Return the commands of a plan.

    Args:
        plan: the plan.
        documents: takes the policy documents that the commands name.

    Raises:
        UsageError: PG-E241, a name that IAM does not allow; PG-E235, an older plan that does not say which policies
            are inline.
    """
    _check(plan)
    apply = plan.apply_list
    on = [*_commands(apply.first_off, documents), *_commands(apply.on, documents)]
    off = list(_commands(apply.off, documents))
    settle = _SETTLE if on and off else ()
    undo = list(_commands(apply.undo, documents))
    return RoleCommands(
        _checks(plan, documents),
        [*on, *settle, *off],
        [*_checks(plan, documents, undo=True), *undo] if undo else [],
    )


def trust_commands(step: TrustStep, documents: Documents) -> RoleCommands:
    """Return the commands that change who may assume a role, apart from what it may do.

    Args:
        step: of the plan's list.
        documents: takes the trust policies.
    """
    check, apply, undo = list[str](), list[str](), list[str]()
    if step.after is not None:
        before, after = documents.variable(step.before), documents.variable(step.after)
        check.append(f"trusted {before} {after}")
        undo += check
        replace = 'aws iam update-assume-role-policy --role-name "$role" --policy-document'
        apply.append(f"{replace} {after}")
        undo.append(f"{replace} {before}")
    if step.session_after:
        for commands, seconds in ((apply, step.session_after), (undo, step.session_before)):
            commands.append(f'aws iam update-role --role-name "$role" --max-session-duration {seconds}')
    return RoleCommands(check, apply, undo)


def _checks(plan: Plan, documents: Documents, *, undo: bool = False) -> list[str]:
    """Return the commands that look at the role before `apply` or `undo` changes it."""
    apply = plan.apply_list
    if plan.today is None:
        names = shlex.join(one.arn or one.name for one in apply.on)
        return [*_compared(plan, documents), *([f"left {names}"] if undo else [])]
    today = [*(one.arn or one.name for one in plan.today), *plan.today_unread]
    new, first, last = (
        [one.arn or one.name for one in some] for some in (apply.on, apply.first_off, apply.off)
    )
    # Before an undo all that apply takes away may be gone, whatever there is of the new: one may have been stopped.
    words = (today, new, [*first, *last], []) if undo else (today, new, first, last)
    replaced = [
        f"{shlex.quote(one.arn or one.name)} {documents.variable(one.after)}"
        for one in apply.on
        if one.before is not None and one.after is not None and not undo
    ]
    listed = (shlex.quote(" ".join(some)) for some in words)
    back = [one.arn for one in (*apply.first_off, *apply.off) if one.arn and _editable(one.arn)]
    # The undo attaches these again, so they have to be what the role had, attached or not.
    looked_at = [f"has+={shlex.quote(' '.join(('', *back, '')))}"] if undo and back else []
    return [" ".join(("unchanged", *listed, *replaced)), *looked_at, *_compared(plan, documents)]


def _compared(plan: Plan, documents: Documents) -> Iterator[str]:
    """Yield the commands that compare documents."""
    own = [one for one in plan.today or () if _editable(one.arn)]
    known: dict[tuple[str, str], list[Mapping[str, Any]]] = {
        (one.name, one.arn): [one.document] for one in own
    }
    for one in plan.apply_list.on:
        # What a run that was stopped made is as it is proposed; a managed one may be made, and not attached yet.
        known.setdefault((one.name, one.arn), []).extend([one.after] if one.after else [])
    of_today = {(one.name, one.arn) for one in own}
    for (name, arn), some in known.items():
        unlisted = plan.today is None or (arn and (name, arn) not in of_today)
        word = "ours" if unlisted else "same"
        yield f"{word} {shlex.quote(arn or name)} {' '.join(map(documents.variable, some))}"


def _editable(arn: str) -> bool:
    """Whether somebody can edit a policy; AWS's own managed ones nobody but AWS can. An inline one has no ARN."""
    return ":iam::aws:" not in arn


class Documents:
    """The policy documents of a script: each is written once, as a variable."""

    def __init__(self) -> None:
        """Begin without a document."""
        self._names: dict[str, str] = {}

    def variable(self, document: Mapping[str, Any]) -> str:
        """Return the variable that holds a document, as a word of the shell."""
        text = visible_json(json.dumps(document, indent=2, ensure_ascii=False))
        return f'"${self._names.setdefault(text, f"document_{len(self._names) + 1}")}"'

    @property
    def assignments(self) -> list[str]:
        """The assignments of all variables, each ending with a line break."""
        return [f"{name}={shlex.quote(text)}\n" for text, name in self._names.items()]


def shell_function(name: str, commands: Iterable[str]) -> str:
    """Return a function of the shell; one without commands says that there is nothing to do."""
    lines = [f"  {command}\n" for command in commands] or ["  echo 'nothing to do'\n"]
    return f"{name}() {{\n{''.join(lines)}}}\n"


def _commands(changes: Iterable[PolicyChange], documents: Documents) -> Iterator[str]:
    for change in changes:
        yield from (_managed if change.arn else _inline)(change, documents)


def _inline(change: PolicyChange, documents: Documents) -> Iterator[str]:
    policy = f'--role-name "$role" --policy-name {shlex.quote(change.name)}'
    if change.after is None:
        yield f"off aws iam delete-role-policy {policy}"
    else:
        yield f"aws iam put-role-policy {policy} --policy-document {documents.variable(change.after)}"


def _managed(change: PolicyChange, documents: Documents) -> Iterator[str]:
    """Yield the commands for a managed policy; one of the proposal is made and unmade, any other only attached."""
    arn = f"--policy-arn {shlex.quote(change.arn)}"
    if change.before is not None and change.after is not None:
        yield f"renewed {shlex.quote(change.arn)} {documents.variable(change.after)}"
    elif change.after is not None:
        if change.proposed:
            yield f"made {shlex.quote(change.arn)} {documents.variable(change.after)}"
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
    names += [(_ARN, one.arn) if one.arn else (_NAME, one.name) for one in plan.today or ()]
    names += [(_ARN, one) for one in plan.today_unread]
    for pattern, name in names:
        if not pattern.fullmatch(name):
            raise UsageError(
                f"the AWS CLI cannot be given {escape_controls(name)[:120]!r}: IAM has no such name",
                "-f policy writes the document itself",
                code="PG-E241",
            )
