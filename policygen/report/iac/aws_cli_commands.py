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

OFF = """\
# What is gone already is gone: so a run that was stopped can be repeated, and undone.
off() {
  local said
  said=$("$@" 2>&1) || [[ $said == *NoSuchEntity* ]] || { echo "$said" >&2; return 1; }
}
"""
"""The function of the shell that takes something away; the commands use it."""

UNCHANGED = """\
# Stops where somebody added or took away a policy since the plan was made: the plan does not know of it.
# $1: the policies of today; $2: the new ones, of which a run that was stopped made some; $3: those that such a run
# takes away before it makes any; then each one that is replaced, and its new document. Leaves the role's policies
# in $has.
unchanged() {
  local inline attached one begun='' more='' gone='' today=" $1 " new=$2 first=" $3 "
  shift 3
  inline=$(aws iam list-role-policies --role-name "$role" --query PolicyNames --output text)
  attached=$(aws iam list-attached-role-policies --role-name "$role" \\
    --query 'AttachedPolicies[].PolicyArn' --output text)
  has=" ${inline//[[:space:]]/ } ${attached//[[:space:]]/ } "
  for one in $new; do
    [[ $today == *" $one "* || $has != *" $one "* ]] || begun=yes
  done
  while [ $# -gt 0 ]; do
    [[ $has != *" $1 "* || $(current "$1") != "$(plain "$2")" ]] || begun=yes
    shift 2
  done
  for one in $has; do
    [[ "$today$new " == *" $one "* ]] || more+=" $one"
  done
  for one in $today; do
    [[ -n $begun || "$first$has" == *" $one "* ]] || gone+=" $one"
  done
  [ -z "$more$gone" ] && return
  echo "stopped, nothing was changed: the policies of $role are not those of the plan any more" >&2
  [ -z "$more" ] || echo "  new since then:$more" >&2
  [ -z "$gone" ] || echo "  gone since then:$gone" >&2
  echo "  make the plan and this script again, from a new snapshot" >&2
  return 1
}
"""
"""The function of the shell that compares a role's policies with those of the plan, before they are changed."""

SAME = r"""# Writes a policy document in one form, a line for each statement: the order of keys, lists and statements
# does not count, nor do Sids, and a word is a list of one. $1: the document.
plain() {
  local token word='' depth=0 statement='' statements='' version='' path=('' '' '' '' '')
  local dollar='$'
  local variable="${dollar}{" escaped="${dollar}{${dollar}}{"
  while IFS= read -r token; do
    case $token in
      '{') depth=$((depth + 1)) ;;
      ':') path[depth]=$word word='' ;;
      '[') ;;
      ',' | ']' | '}')
        if [[ -n $word && $depth -gt 1 && ${path[2]} != =Sid ]]; then
          statement+="${path[*]:2:depth-1} $word"$'\n'
        elif [[ -n $word && ${path[1]} == =Version ]]; then
          version=$word
        fi
        word=''
        [ "$token" != '}' ] || depth=$((depth - 1))
        if [ -n "$statement" ] && [ "$depth" = 1 ]; then
          statements+="$(LC_ALL=C sort -u <<< "$statement" | tr '\n' ' ')"$'\n'
          statement=''
        fi
        ;;
      *)
        word=${token#'"'}
        word="=${word%'"'}"
        ;;
    esac
  done < <(grep -oE '"([^"\\]|\\.)*"|[][{}:,]|[[:alnum:].+-]+' <<< "$1")
  # Before version 2012-10-17 a policy has no variables: the plan has such a document in words of that version.
  [ "$version" = =2012-10-17 ] || statements=${statements//"$variable"/"$escaped"}
  LC_ALL=C sort -u <<< "$statements"
}

# Prints the document that a policy has now, in that form. $1: its name or ARN.
current() {
  local now version
  if [[ $1 == arn:* ]]; then
    version=$(aws iam get-policy --policy-arn "$1" --query Policy.DefaultVersionId --output text) || return
    now=$(aws iam get-policy-version --policy-arn "$1" --version-id "$version" \
      --query PolicyVersion.Document --output json) || return
  else
    now=$(aws iam get-role-policy --role-name "$role" --policy-name "$1" \
      --query PolicyDocument --output json) || return
  fi
  plain "$now"
}

# Stops where somebody edited a policy since the plan was made. $1: its name or ARN; $2: its document in the plan;
# $3: that of the proposal, where it is replaced: a run that was stopped may have written it.
same() {
  local now
  [[ $has == *" $1 "* ]] || return 0
  now=$(current "$1")
  [[ $now != "$(plain "$2")" && $now != "$(plain "${3:-$2}")" ]] || return 0
  echo "stopped, nothing was changed: somebody edited the policy $1 of $role since the plan was made" >&2
  echo "  make the plan and this script again, from a new snapshot" >&2
  return 1
}
"""
"""The functions of the shell that compare the documents of a role's policies with those of the plan."""

MADE = """\
# Makes a managed policy; one that a run that was stopped has made is as it is proposed. $1: its ARN; $2: its document.
made() {
  local said
  said=$(aws iam create-policy --policy-name "${1##*/}" --policy-document "$2" 2>&1 > /dev/null) && return
  [[ $said == *EntityAlreadyExists* ]] || { echo "$said" >&2; return 1; }
  said=$(current "$1")
  [[ $said != "$(plain "$2")" ]] || return 0
  echo "stopped: there is another policy $1 already; delete it, or give it another name" >&2
  return 1
}
"""
"""The function of the shell that makes a managed policy."""

RENEWED = """\
# Gives a managed policy another document. IAM keeps five versions of it: the oldest that is not in force makes room.
# $1: its ARN; $2: the document.
renewed() {
  local versions
  versions=$(aws iam list-policy-versions --policy-arn "$1" --output text \\
    --query 'sort_by(Versions[?!IsDefaultVersion], &CreateDate)[].VersionId')
  # shellcheck disable=SC2086 # a word for each version
  set -- "$1" "$2" $versions
  [ $# -lt 6 ] || aws iam delete-policy-version --policy-arn "$1" --version-id "$3"
  aws iam create-policy-version --policy-arn "$1" --policy-document "$2" --set-as-default
}
"""
"""The function of the shell that gives a managed policy a new version.

Source: IAM API Reference, CreatePolicyVersion.
"""

ACCOUNT_CHECK = """\
if ! caller=$(aws sts get-caller-identity --query Account --output text); then
  echo "AWS does not say whose credentials these are (see above): log in to account $account" >&2
  exit 1
fi
"""
"""Asks AWS whose credentials these are, and puts the account's id into ``$caller``."""

TRUSTED = """\
# Stops where the trust policy is not that of the plan any more: by its words, since their order may differ. $1: the
# policy of today; $2: the new one, which a run that was stopped may have written.
words() {
  tr -s '[:space:]{}[],"' '\\n' <<< "$1" | sort
}
trusted() {
  local now
  now=$(aws iam get-role --role-name "$role" --query Role.AssumeRolePolicyDocument --output json)
  now=$(words "$now")
  [[ $now != "$(words "$1")" && $now != "$(words "$2")" ]] || return 0
  echo "stopped, nothing was changed: the trust policy of $role is not that of the plan any more" >&2
  echo "  make the plan and this script again, from a new snapshot" >&2
  return 1
}
"""
"""The function of the shell that compares a role's trust policy with that of the plan, before it is replaced."""

_FUNCTIONS = {
    UNCHANGED: {"unchanged"},
    SAME: {"unchanged", "same", "made"},
    TRUSTED: {"trusted"},
    MADE: {"made"},
    RENEWED: {"renewed"},
    OFF: {"off"},
}
"""A text of functions of the shell -> the commands that need it."""

_SETTLE = (
    "echo 'waiting 15 seconds: what is new has to reach all of IAM before the old goes' >&2",
    "sleep 15",
)


class RoleCommands(NamedTuple):
    """The commands that apply a plan, and those that undo that; they use the variable ``$role``."""

    check: list[str]
    """What stops where the role is not as the plan knows it; [] where its policies of today are not known."""
    apply: list[str]
    undo: list[str]

    @property
    def all(self) -> list[str]:
        """All commands."""
        return [*self.check, *self.apply, *self.undo]


def functions_for(commands: Iterable[str]) -> list[str]:
    """Return the functions of the shell that commands need."""
    used = {command.partition(" ")[0] for command in commands}
    return [text for text, names in _FUNCTIONS.items() if names & used]


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
    return RoleCommands(
        _checks(plan, documents), [*on, *settle, *off], list(_commands(apply.undo, documents))
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
        replace = 'aws iam update-assume-role-policy --role-name "$role" --policy-document'
        apply.append(f"{replace} {after}")
        undo.append(f"{replace} {before}")
    if step.session_after:
        for commands, seconds in ((apply, step.session_after), (undo, step.session_before)):
            commands.append(f'aws iam update-role --role-name "$role" --max-session-duration {seconds}')
    return RoleCommands(check, apply, undo)


def _checks(plan: Plan, documents: Documents) -> list[str]:
    if plan.today is None:
        return []
    apply = plan.apply_list
    today = [*(one.arn or one.name for one in plan.today), *plan.today_unread]
    words = (
        today,
        [one.arn or one.name for one in apply.on],
        [one.arn or one.name for one in apply.first_off],
    )
    replaced = [
        f"{shlex.quote(one.arn or one.name)} {documents.variable(one.after)}"
        for one in apply.on
        if one.before is not None and one.after is not None
    ]
    listed = (shlex.quote(" ".join(some)) for some in words)
    return [" ".join(("unchanged", *listed, *replaced)), *_same(plan, documents)]


def _same(plan: Plan, documents: Documents) -> Iterator[str]:
    """Yield the commands that compare documents; nobody but AWS edits AWS's own managed policies."""
    new = {(one.name, one.arn): one.after for one in plan.apply_list.on}
    own = [one for one in plan.today or () if ":iam::aws:" not in one.arn]
    known: dict[tuple[str, str], list[Mapping[str, Any]]] = {
        (one.name, one.arn): [one.document] for one in own
    }
    for key, after in new.items():
        # What a run that was stopped made is as it is proposed.
        known[key] = [*known.get(key, ()), *([after] if after else [])]
    for (name, arn), some in known.items():
        yield f"same {shlex.quote(arn or name)} {' '.join(map(documents.variable, some))}"


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
