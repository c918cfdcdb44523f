"""Renders the plans of several roles as one shell script, which applies those that are safe to apply."""

from __future__ import annotations

import shlex
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from policygen.errors import GateError, UsageError
from policygen.plan.fast_json import digest
from policygen.plan.model import Plan
from policygen.report.iac.aws_cli_commands import Documents, role_commands, shell_function
from policygen.report.iac.aws_cli_functions import ACCOUNT_CHECK, functions_for, needed_by
from policygen.report.iac.common import as_comment, visible
from policygen.report.wording import answer_of
from policygen.rightsize.assess.readiness import ANSWERS, OF_ALL_ROLES
from policygen.text import escape_controls, pluralize
from policygen.version import VERSION

_WIDTH = 100
_NAMED = 10
"""Most roles that the message about those left out names; the head of the script has all."""

_START = """\
set -euo pipefail
export AWS_PAGER=''

account={account}
roles=({roles})
notes="$0.{digest}.applied"
"""

_END = """\
# Which roles were begun and which are done stands in a file next to this one: a second run goes on where the first
# stopped, and undo leaves the roles alone that were never touched. A script of other plans has another file.
current=''
noted() { [ -f "$notes" ] && grep -qxF -e "$1" "$notes"; }
forget() {
  grep -vxF -e "begun $1" -e "done $1" "$notes" > "$notes.new" || true
  mv "$notes.new" "$notes"
}
stopped() {
  local more="to go back: bash $0 undo"
  [ -n "$current" ] || return 0
  [ "$word" = apply ] || more="or name other roles: bash $0 undo ROLE..."
  echo "stopped at $current, see above; bash $0 $word goes on from there; $more" >&2
}

word="${1:-}"
case "$word" in
  apply | undo) shift ;;
  *)
    echo "usage: bash $0 apply|undo [ROLE...]" >&2
    exit 2
    ;;
esac
for one in "$@"; do
  case " ${roles[*]} " in
    *" $one "*) ;;
    *)
      echo "this script has no role $one" >&2
      exit 2
      ;;
  esac
done
wanted=" ${*:-${roles[*]}} "
"""

_RUN = """\
if [ "$caller" != "$account" ]; then
  echo "the credentials are of account $caller; the roles are in account $account" >&2
  exit 1
fi
trap stopped EXIT
case "$word" in
  apply)
    for ((at = 0; at < ${#roles[@]}; at++)); do
      role="${roles[at]}"
      [[ "$wanted" == *" $role "* ]] || continue
      if noted "done $role"; then
        echo "$role: applied already"
        continue
      fi
      echo "$role ($((at + 1)) of ${#roles[@]})"
      current="$role"
      "check_$at"
      noted "begun $role" || echo "begun $role" >> "$notes"
      "apply_$at"
      echo "done $role" >> "$notes"
      current=''
    done
    echo "applied; to go back: bash $0 undo"
    ;;
  undo)
    if [ $# -eq 0 ] && [ ! -s "$notes" ]; then
      echo "$notes names no role that was applied; name the roles to undo: bash $0 undo ROLE..." >&2
      exit 1
    fi
    for ((at = ${#roles[@]} - 1; at >= 0; at--)); do
      role="${roles[at]}"
      [[ "$wanted" == *" $role "* ]] || continue
      [ $# -gt 0 ] || noted "begun $role" || continue
      echo "$role"
      current="$role"
      "undo_$at"
      [ ! -f "$notes" ] || forget "$role"
      current=''
    done
    echo "undone: these roles have the policies that they had"
    ;;
esac
"""


def render_roles(plans: Sequence[Plan], *, approved: bool = False) -> str:
    """Return a script that applies the plans that are safe to apply, role after role; its head names the others.

    It names each role before it touches it, and stops at the first failure.

    Args:
        plans: of different roles of one account.
        approved: whether a person chose these roles by name: those with another answer are applied too.

    Raises:
        UsageError: PG-E241 and PG-E235, as `role_commands`; PG-E281, plans of two accounts, or two of a role.
        GateError: PG-E482, none of them is safe to apply.
    """
    chosen = [plan for plan in plans if not why_left_out(plan, approved=approved)]
    _check(plans, chosen)
    documents = Documents()
    functions, used = list[str](), list[str]()
    for at, plan in enumerate(chosen):
        commands = role_commands(plan, documents)
        used += commands.all
        comment = as_comment(_about(plan), "#")
        functions += [
            comment + shell_function(f"check_{at}", commands.check or ["true"]),
            shell_function(f"apply_{at}", commands.apply),
            shell_function(f"undo_{at}", commands.undo),
        ]
    start = _START.format(
        account=shlex.quote(chosen[0].role.account),
        roles=" ".join(shlex.quote(plan.role.name) for plan in chosen),
        digest=digest([*documents.assignments, *functions])[:8],
    )
    parts = [
        start,
        *functions_for(used),
        *documents.assignments,
        *functions,
        f"{_END}{ACCOUNT_CHECK}{_RUN}",
    ]
    script = "\n".join(parts)
    head = [*_head(plans, chosen, approved=approved), *textwrap.wrap(needed_by(script), _WIDTH)]
    return f"#!/usr/bin/env bash\n{as_comment(head, '#')}\n{script}"


def left_out_message(plans: Sequence[Plan], *, approved: bool = False) -> str:
    """Name the roles that a script for several roles leaves out, a sentence; "" where there is none."""
    names = [escape_controls(plan.role.name) for plan in plans if why_left_out(plan, approved=approved)]
    if len(plans) < 2 or not names:
        return ""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return (
        f"left out of the script, whose head says why: {pluralize(len(names), 'role')}, "
        f"{', '.join(names[:_NAMED])}{more}"
    )


def why_left_out(plan: Plan, *, approved: bool = False) -> str:
    """Return why a script for several roles leaves one out; "" where it is applied."""
    if plan.verdict != "ready" and not approved:
        return _answer(plan)
    return "" if plan.apply_list.changes or plan.apply_list.unplaced else "nothing to do"


def _answer(plan: Plan) -> str:
    reasons = plan.strength.reasons if plan.strength else ()
    answer = answer_of(plan.verdict) or "not judged"
    return escape_controls(f"{answer}: {reasons[0].sentence}" if reasons else answer)


def _least_to_look_at(plan: Plan) -> tuple[int, int, int]:
    """Return where a plan stands among those that are not safe to apply, as in the table of a batch."""
    reasons = {one.id for one in plan.strength.reasons} if plan.strength else set()
    closed = sum(one.family == "escalation" for one in plan.risks.removed)
    return (
        [*ANSWERS].index(plan.verdict) if plan.verdict in ANSWERS else len(ANSWERS),
        len(reasons - OF_ALL_ROLES),
        -closed,
    )


def _check(plans: Sequence[Plan], chosen: Sequence[Plan]) -> None:
    if not chosen:
        first = min(plans, key=_least_to_look_at)
        name = escape_controls(first.role.name)
        raise GateError(
            f"none of {pluralize(len(plans), 'plan')} is safe to apply and changes something",
            f"look at this one first: {name}: {why_left_out(first) or 'nothing to do'}",
            f"--role {shlex.quote(name)} makes the script for a role that you have looked at; repeat it for several",
            code="PG-E482",
        )
    accounts = sorted({plan.role.account for plan in chosen})
    if len(accounts) > 1:
        raise UsageError(
            f"one script changes one account, and these plans are of {escape_controls(', '.join(accounts))}",
            f"choose one: --account {escape_controls(accounts[0])}",
            code="PG-E281",
        )
    (name, times), *_ = Counter(plan.role.name.lower() for plan in chosen).most_common(1)
    if times > 1:
        raise UsageError(
            f"{times} plans are of role {escape_controls(name)!r}",
            "give one plan of each role",
            code="PG-E281",
        )


def _head(plans: Sequence[Plan], chosen: Sequence[Plan], *, approved: bool) -> Iterator[str]:
    """Yield the lines of the head: which roles are applied, and which are left out and why."""
    yield f"policygen {VERSION}: what {pluralize(len(chosen), 'role')} of account {chosen[0].role.account} need,"
    looked_at = [(plan.role.name, _answer(plan)) for plan in chosen if plan.verdict != "ready"]
    if looked_at:
        yield f"as their plans say. Chosen by name (--role), though not safe to apply unseen ({len(looked_at):,}):"
        yield from _listed(looked_at)
    else:
        yield "as their plans say. Safe to apply? yes for each of them."
    left_out = [(plan.role.name, why) for plan in plans if (why := why_left_out(plan, approved=approved))]
    if left_out:
        yield f"Left out ({len(left_out):,}): --role NAME takes a role that somebody has looked at."
        yield from _listed(left_out)
    if trust := sum(1 for plan in plans if plan.apply_list.trust):
        yield f"Trust policies are left alone; smaller ones are enough for {pluralize(trust, 'role')}:"
        yield "-f aws-cli of one plan alone writes them."
    yield "bash FILE apply [ROLE...]   applies them role after role; stops at the first failure"
    yield "bash FILE undo [ROLE...]    gives the applied roles back the policies that they had when the plans were made"


def _listed(answers: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield roles with their answers, in lines that fit."""
    for name, why in answers:
        yield from textwrap.wrap(
            visible(f"  {name}: {why}"), _WIDTH, subsequent_indent="    ", break_long_words=False
        )


def _about(plan: Plan) -> Iterator[str]:
    yield f"{visible(plan.role.name)}: {plan.tightness.words}"
    yield from (f"{visible(one)} stays: its document was not read." for one in plan.apply_list.unread)
