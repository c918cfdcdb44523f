"""The functions of the shell that the AWS CLI commands of a script use."""

from __future__ import annotations

import re
from collections.abc import Iterable

OFF = """\
# What is gone already is gone: so a run that was stopped can be repeated, and undone.
off() {
  local said
  said=$("$@" 2>&1) || [[ $said == *NoSuchEntity* ]] || { echo "$said" >&2; return 1; }
}
"""
"""The function of the shell that takes something away; the commands use it."""

ADVISE = """\
# Says what to do where the role is not as it should be.
advise() {
  case $word in
    apply*) echo "  make the plan and this script again, from a new snapshot" >&2 ;;
    *)
      echo "  keep a copy of what somebody changed, take the change back, and then: bash $0 $word" >&2
      echo "  $0 has the documents from before, and those that apply gave" >&2
      ;;
  esac
}
"""
"""The function of the shell that ends a message; ``$word`` is what the script was called with."""

UNCHANGED = """\
# Stops where somebody added or took away a policy since the plan was made: the plan does not know of it. To undo, what
# was added may stay: it is left alone.
# $1: the policies of today; $2: the new ones, of which a run that was stopped made some; $3: those that may be gone;
# $4: those that may be gone where there is a new one; then each one that is replaced, and its new document. Leaves
# the role's policies in $has.
unchanged() {
  local inline attached one begun='' more='' gone='' today=" $1 " new=$2 first=" $3 " last=" $4 "
  shift 4
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
    [[ "$today$new " == *" $one "* || $word == undo ]] || more+=" $one"
  done
  for one in $today; do
    [[ "$first$has" == *" $one "* || -n $begun && $last == *" $one "* ]] || gone+=" $one"
  done
  [ -z "$more$gone" ] && return
  echo "stopped, nothing was changed: the policies of $role are not those of the plan any more" >&2
  [ -z "$more" ] || echo "  new since then:$more" >&2
  [ -z "$gone" ] || echo "  gone since then:$gone" >&2
  advise
  return 1
}
"""
"""The function of the shell that compares a role's policies with those of the plan, before they are changed."""

PLAIN = r"""# Writes a policy document in one form, a line for each statement: the order of keys, lists and statements
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
"""
"""The function of the shell that compares documents by what they say."""

CURRENT = """\
# Prints the document that a policy has now, in that form. $1: its name or ARN.
current() {
  local now version
  case $1 in
CASES  esac
  plain "$now"
}
"""
"""The function of the shell that asks AWS for a document of today; `_CASES` stand in it, as far as they are needed."""

_CASES = {
    True: """\
    arn:*)
      version=$(aws iam get-policy --policy-arn "$1" --query Policy.DefaultVersionId --output text) || return
      now=$(aws iam get-policy-version --policy-arn "$1" --version-id "$version" \\
        --query PolicyVersion.Document --output json) || return
      ;;
""",
    False: """\
    *)
      now=$(aws iam get-role-policy --role-name "$role" --policy-name "$1" \\
        --query PolicyDocument --output json) || return
      ;;
""",
}
"""Whether a policy is a managed one -> how its document is read."""

SAME = """\
# Stops where somebody edited a policy since the plan was made. $1: its name or ARN; $2: its document in the plan;
# $3: that of the proposal, where it is replaced: a run that was stopped may have written it.
same() {
  local now
  [[ $has == *" $1 "* ]] || return 0
  if ! now=$(current "$1"); then
    echo "stopped, nothing was changed: the policy $1 of $role cannot be read, see above" >&2
    return 1
  fi
  [[ $now != "$(plain "$2")" && $now != "$(plain "${3:-$2}")" ]] || return 0
  echo "stopped, nothing was changed: somebody edited the policy $1 of $role since the plan was made" >&2
  advise
  return 1
}
"""
"""The function of the shell that compares the document of a policy with that of the plan."""

OURS = """\
# Stops where a policy is there with another document than this script gives it: it is somebody else's, and neither
# replaced nor deleted. $1: its name or ARN; $2: the document.
ours() {
  local said
  if ! said=$(current "$1" 2>&1 > /dev/null); then
    [[ $said == *NoSuchEntity* ]] || { echo "$said" >&2; return 1; }
  elif [[ $(current "$1") != "$(plain "$2")" ]]; then
    echo "stopped, nothing was changed: $1 is there with another document than this script gives it" >&2
    if [ "$word" = apply ]; then
      echo "  policygen suggest --policy-name NAME gives the new policies another name" >&2
    else
      advise
    fi
    return 1
  fi
}
"""
"""The function of the shell that looks for a new policy that need not be in the list of the role's policies."""

LEFT = """\
# Stops where the role has no policy but these: without a snapshot nobody knows what it had, and it may have had these
# before. $@: the names and ARNs of the policies.
left() {
  local inline attached one
  inline=$(aws iam list-role-policies --role-name "$role" --query PolicyNames --output text)
  attached=$(aws iam list-attached-role-policies --role-name "$role" \\
    --query 'AttachedPolicies[].PolicyArn' --output text)
  [ -n "$inline$attached" ] || return 0
  for one in $inline $attached; do
    [[ " $* " == *" $one "* ]] || return 0
  done
  echo "stopped, nothing was changed: $role would have no policy left" >&2
  echo "  give it back what it had, and then: bash $0 undo; or delete by hand: $*" >&2
  return 1
}
"""
"""The function of the shell that looks whether a role that nobody looked at has other policies than the new ones."""

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
  advise
  return 1
}
"""
"""The function of the shell that compares a role's trust policy with that of the plan, before it is replaced."""

_COMPARING = {"same", "ours", "made"}
"""The commands that compare a document: their first word names the policy."""

_FUNCTIONS = {
    ADVISE: {"unchanged", "same", "ours", "trusted"},
    UNCHANGED: {"unchanged"},
    PLAIN: _COMPARING,
    CURRENT: _COMPARING,
    SAME: {"same"},
    OURS: {"ours"},
    LEFT: {"left"},
    TRUSTED: {"trusted"},
    MADE: {"made"},
    RENEWED: {"renewed"},
    OFF: {"off"},
}
"""A text of functions of the shell -> the commands that need it."""


def needed_by(script: str) -> str:
    """Say what a script needs: ``It needs bash, the AWS CLI and iam:GetRole.``."""
    calls = sorted(set(re.findall(r"\baws iam ([a-z-]+)", script)))
    needs = ", ".join("iam:" + call.title().replace("-", "") for call in calls)
    return f"It needs bash, the AWS CLI and {needs}."


def functions_for(commands: Iterable[str]) -> list[str]:
    """Return the functions of the shell that commands need; they make no call of AWS but those of the commands."""
    words = [command.split(" ", 2) for command in commands]
    managed = {policy.startswith("arn:") for name, policy, *_ in words if name in _COMPARING}
    cases = "".join(text for kind, text in _CASES.items() if kind in managed)
    used = {name for name, *_ in words}
    return [text.replace("CASES", cases) for text, names in _FUNCTIONS.items() if names & used]
