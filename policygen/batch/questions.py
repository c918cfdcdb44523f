"""The questions of all roles as questions to the account: the same one is asked once for all roles it concerns."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from policygen.iam import reference
from policygen.plan.batch_table import BatchQuestion, BatchRow
from policygen.rightsize.assess.action_risk import risk_rank, riskiest
from policygen.rightsize.question_rules import exact_drops, rule_text
from policygen.rightsize.questions import RoleTopic, Topic, what_about
from policygen.text import pluralize

_FEW = 5
"""Most commands of one question."""
_OLDER = "400"
"""Days of the window in which IAM's report and the logs can be compared."""


class CommandParts(NamedTuple):
    """What the commands beside questions need to run as they stand."""

    inputs: Sequence[Sequence[str]] = ()
    """The options that say what was read, each with its value: ``--logs``, ``trail``."""
    plan_path: Callable[[str], str] = str
    """Returns the path of a plan, by the name of the role's files."""

    def command(self, *words: str, but: str = "") -> str:
        """Return a command with the options that say what was read, without one of them."""
        given = [word for option in self.inputs if option[0] != but for word in option]
        return shlex.join(["policygen", *words, *given])


class _Asked(NamedTuple):
    row: BatchRow
    topic: RoleTopic


def account_questions(
    topics: Iterable[tuple[BatchRow, Sequence[RoleTopic]]], parts: CommandParts | None = None
) -> tuple[BatchQuestion, ...]:
    """Join what the roles ask, by topic; first what concerns most roles, then the riskiest.

    Args:
        topics: the row of each role, and what it asks.
        parts: what the commands need.
    """
    asked: dict[Topic, list[_Asked]] = {}
    listed = sorted(topics, key=lambda one: one[0].plan)
    names = Counter(row.role.lower() for row, _ in listed)
    shared = frozenset(name for name, times in names.items() if times > 1)
    for row, own in listed:
        for one in own:
            asked.setdefault(one.topic, []).append(_Asked(row, one))
    found = [_question(topic, roles, shared, parts or CommandParts()) for topic, roles in asked.items()]
    return tuple(sorted(found, key=lambda one: (-len(one.roles), min(map(risk_rank, one.actions)), one.id)))


def data_events_command(questions: Iterable[BatchQuestion], parts: CommandParts) -> str:
    """Return the command that prints what makes the trails log the data events of all questions; "" for none.

    A command of AWS replaces all selectors of a trail, so only one for all of them does not undo another.
    """
    topics = [one.id.partition(":") for one in questions]
    services = sorted({about for answer, _, about in topics if answer == "data-events"})
    named = [word for service in services for word in ("--service", service)]
    return parts.command("doctor", *named) if named else ""


def _question(
    topic: Topic, asked: Sequence[_Asked], shared: frozenset[str], parts: CommandParts
) -> BatchQuestion:
    actions = sorted({action for one in asked for action in one.topic.actions}, key=str.lower)
    what = what_about(topic.answer, actions)
    whys = Counter(one.topic.why for one in asked)
    keeps: dict[str, set[str]] = {}
    drops: dict[str, set[str]] = {}
    for row, own in asked:
        names = [action for action in own.actions if reference.action(action)]
        # A rule names no account: where two accounts have a role of the name, it spares what either may need.
        spared = {action.lower() for action in (names if row.role.lower() in shared else own.spared)}
        keeps.setdefault(row.role, set()).update(names)
        if topic.answer != "used":  # no rule of the file drops what was used
            drops.setdefault(row.role, set()).update(exact_drops(names, spared))
    return BatchQuestion(
        id=topic.id,
        asks=f"{what}: {pluralize(len(asked), 'role')}",
        why=max(sorted(whys), key=lambda why: whys[why]),
        roles=tuple(one.row.plan for one in asked),
        actions=tuple(actions),
        riskiest=riskiest(actions),
        answer=asked[0].topic.answer,
        command="\n".join(_commands(topic, asked, parts)),
        keep=_rules("keep", keeps, what),
        drop=_rules("drop", drops, what),
    )


def _rules(kind: Literal["keep", "drop"], actions: Mapping[str, Collection[str]], reason: str) -> str:
    """Write rules about exactly these actions of each role: one for all roles that have the same actions."""
    roles: dict[tuple[str, ...], list[str]] = {}
    for role, own in actions.items():
        if own:
            roles.setdefault(tuple(sorted(own, key=str.lower)), []).append(role)
    return "\n".join(rule_text(kind, names, own, reason) for own, names in roles.items())


def _commands(topic: Topic, asked: Sequence[_Asked], parts: CommandParts) -> list[str]:
    """Return the commands that answer a question; `doctor` prints that of AWS, one for all that a trail lacks."""
    if topic.answer == "used":
        return []
    if topic.answer == "data-events":
        return [parts.command("doctor", "--service", topic.about)]
    if topic.answer == "logs":
        return [parts.command("doctor")]
    if topic.answer == "older-logs":
        found = [
            parts.command("suggest", row.arn or row.role, "--days", _OLDER, but="--days") for row, _ in asked
        ]
    else:
        found = [shlex.join(["policygen", "probation", parts.plan_path(row.plan)]) for row, _ in asked]
    more = len(found) - _FEW
    return [*found[:_FEW], *([f"# and the same for {pluralize(more, 'more role')}"] if more > 0 else [])]
