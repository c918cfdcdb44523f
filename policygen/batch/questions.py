"""The questions of all roles as questions to the account: the same one is asked once for all roles it concerns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from policygen.iam import reference
from policygen.plan.batch_table import BatchQuestion
from policygen.rightsize.assess.action_risk import risk_rank, riskiest
from policygen.rightsize.question_rules import drop_patterns, rule_text
from policygen.rightsize.questions import RoleTopic, Topic, what_about
from policygen.text import pluralize


def account_questions(topics: Mapping[str, Sequence[RoleTopic]]) -> tuple[BatchQuestion, ...]:
    """Join what the roles ask, by topic; first what concerns most roles, then the riskiest.

    Args:
        topics: the name of a role's files -> what it asks.
    """
    asked: dict[Topic, dict[str, RoleTopic]] = {}
    for name, own in sorted(topics.items()):
        for one in own:
            asked.setdefault(one.topic, {})[name] = one
    found = [_question(topic, roles) for topic, roles in asked.items()]
    return tuple(sorted(found, key=lambda one: (-len(one.roles), min(map(risk_rank, one.actions)), one.id)))


def _question(topic: Topic, roles: Mapping[str, RoleTopic]) -> BatchQuestion:
    parts = list(roles.values())
    actions = sorted({action for one in parts for action in one.actions}, key=str.lower)
    names = [action for action in actions if reference.action(action)]
    spared = {action.lower() for one in parts for action in one.spared}
    whole = set(parts[0].whole).intersection(*(one.whole for one in parts))
    what = what_about(topic.answer, actions)
    commands = sorted({one.command for one in parts if one.command})
    return BatchQuestion(
        id=topic.id,
        asks=f"{what}: {pluralize(len(roles), 'role')}",
        why=max(sorted({one.why for one in parts}), key=lambda why: sum(one.why == why for one in parts)),
        roles=tuple(sorted(roles)),
        actions=tuple(actions),
        riskiest=riskiest(actions),
        answer=parts[0].answer,
        command=commands[0] if len(commands) == 1 else "policygen doctor" if commands else "",
        keep=rule_text("keep", "*", names, what) if names else "",
        drop=(
            rule_text("drop", "*", drop_patterns(names, spared, whole), what)
            if names and topic.answer != "used"
            else ""
        ),
    )
