"""The unverified permissions of a role as a handful of questions, each with what answers it.

A person cannot decide about sixty permissions one by one, but about whether a role uses a queue's messages. So the
permissions that nothing could verify are grouped by what would answer them: the data plane of a service, a protocol
that no log shows, what no program can call by an SDK, a log that was not read. There are never more than `MOST`; the
smallest groups are put together, first those that are answered alike. Where there are more than `ENOUGH`, small ones do
not stand alone. The riskiest question comes first.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from itertools import combinations
from typing import Literal, NamedTuple

import msgspec

from policygen.catalog.visibility import visibility_of
from policygen.iam import reference
from policygen.iam.arn import service_of
from policygen.rightsize.assess.action_risk import risk_rank, riskiest
from policygen.rightsize.keep.model import CALLED, LOOKED, ONLY_CODE, Keep
from policygen.rightsize.question_rules import drop_patterns, exact_drops, rule_text
from policygen.text import pluralize

MOST = 5
"""Questions about one role."""
ENOUGH = 3
"""Questions about one role up to which even small ones stand alone."""
SMALL = 2
"""Actions of a small question."""

Answer = Literal[
    "data-events", "older-logs", "logs", "protocol", "no-sdk", "not-known", "with-others", "lambda", "used"
]
"""What answers a question."""


class Topic(NamedTuple):
    """What one question is about, the same for all roles: an answer, and a service or a remedy."""

    answer: Answer
    about: str = ""
    """The service prefix; for logs the remedy; "" where one question has all services."""

    @property
    def id(self) -> str:
        """``data-events:sqs``."""
        return f"{self.answer}:{self.about}" if self.about else self.answer


class Question(msgspec.Struct, frozen=True):
    """A question about unverified permissions."""

    topics: tuple[Topic, ...]
    """What it is about; more than one where small groups were put together."""
    asks: str
    """``reads and writes of sqs on 2 queues: 6 actions``."""
    why: str
    """Why nothing could verify them, a clause."""
    actions: tuple[str, ...]
    riskiest: tuple[str, ...]
    answer: str
    """What would answer it, a clause."""
    command: str
    """The command that answers it; "" where a person must."""
    keep: str
    """A rule for policygen.toml that keeps the permissions; "" where IAM's data does not know their names."""
    drop: str
    """A rule for policygen.toml that drops exactly them, and nothing that is needed; "" likewise, and where they were
    used."""
    drop_patterns: tuple[str, ...]
    """Patterns of actions that drop them in one run: those of the rule, or a whole service."""


def topics_of(keeps: Iterable[Keep]) -> dict[Topic, list[Keep]]:
    """Group the unverified of some keeps by what would answer whether they are needed."""
    unverified = [keep for keep in keeps if keep.kind == "unknown"]
    groups: dict[Topic, list[Keep]] = {}
    along = []
    for keep in unverified:
        if keep.blind_spot and keep.blind_spot.id == "comes-along":
            along.append(keep)
        else:
            groups.setdefault(_topic(keep), []).append(keep)
    for keep in along:  # who decides about the calls decides about what comes along with them
        service = service_of(keep.grant.action)
        own = next((topic for topic in groups if topic.about == service), Topic("with-others"))
        groups.setdefault(own, []).append(keep)
    return groups


class RoleTopic(NamedTuple):
    """What one role asks about one topic: the part of the same question to the whole account."""

    topic: Topic
    actions: tuple[str, ...]
    spared: tuple[str, ...]
    """Those that the role also needs, on other resources."""
    why: str
    answer: str
    tried: tuple[str, ...] = ()
    """Those that alone explain an attempt that IAM saw: no rule drops them."""


def topics_of_role(
    keeps: Sequence[Keep],
    needed: Collection[str] = (),
    used: Collection[str] = (),
    droppable: Collection[str] | None = None,
) -> tuple[RoleTopic, ...]:
    """Return what a role asks about each topic; arguments as for `questions_about`."""
    spared = _spared(keeps, needed, used)
    found = []
    for topic, members in topics_of(keeps).items():
        group = _Group((topic,), tuple(members))
        found.append(
            RoleTopic(
                topic,
                group.actions,
                tuple(action for action in group.actions if action.lower() in spared),
                "; ".join(_whys(group)),
                _answer(group, "")[0],
                tuple(action for action in group.actions if not _may_go(action, droppable)),
            )
        )
    return tuple(found)


def questions_about(
    keeps: Sequence[Keep],
    role: str,
    needed: Collection[str] = (),
    used: Collection[str] = (),
    droppable: Collection[str] | None = None,
) -> tuple[Question, ...]:
    """Return the questions about the unverified of some keeps, the riskiest first; at most `MOST`.

    Args:
        keeps: what a suggestion keeps without evidence.
        role: the role's name, for commands and rules.
        needed: actions that AWS's own services need of the role.
        used: actions that were seen in use.
        droppable: unverified actions that rules may drop; None for all. The others alone explain what IAM saw.
    """
    groups = _at_most(MOST, [_Group((topic,), tuple(members)) for topic, members in topics_of(keeps).items()])
    small = [group for group in groups if len(group.actions) <= SMALL]
    if len(groups) > ENOUGH and len(small) > 1:
        others = [group for group in groups if group not in small]
        groups = others + _at_most(max(1, ENOUGH - len(others)), small)
    spared, decided = _spared(keeps, needed, used), _decided_services(keeps)
    return tuple(
        _question(group, role, spared, _whole_services(group, groups) - decided, droppable)
        for group in sorted(groups, key=_order)
    )


def _spared(keeps: Iterable[Keep], needed: Iterable[str], used: Iterable[str]) -> frozenset[str]:
    """Return the actions, in lower case, that no rule may name to drop them."""
    kept = (keep.grant.action for keep in keeps if keep.kind != "unknown")
    return frozenset(action.lower() for action in (*needed, *used, *kept))


def _decided_services(keeps: Iterable[Keep]) -> frozenset[str]:
    """Return the services of which a decision keeps something: a pattern that drops all of them would contradict it."""
    return frozenset(service_of(keep.grant.action) for keep in keeps if keep.kind == "decision")


# --- Groups ----------------------------------------------------------------------------------------


class _Group(msgspec.Struct, frozen=True, eq=False, dict=True):
    """Keeps that one question is about; its properties are asked for each pair of hundreds of groups."""

    topics: tuple[Topic, ...]
    keeps: tuple[Keep, ...]

    @cached_property
    def actions(self) -> tuple[str, ...]:
        return tuple(sorted({keep.grant.action for keep in self.keeps}, key=str.lower))

    @cached_property
    def services(self) -> tuple[str, ...]:
        return tuple(sorted({service_of(action) for action in self.actions}))

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        return tuple(dict.fromkeys(topic.answer for topic in self.topics))

    def joined(self, other: _Group) -> _Group:
        return _Group(tuple(sorted((*self.topics, *other.topics))), (*self.keeps, *other.keeps))


_BY_SPOT: dict[str, Answer] = {
    "never-logged": "protocol",
    "no-event": "no-sdk",
    "no-event-known": "not-known",
    "data-events-off": "data-events",
    "data-events-partly": "data-events",
    "tags-on-create": "with-others",
    "role-passed-by-name": "with-others",
    "agent-unseen": "protocol",
    "key-unknown": "with-others",
    "does-not-fit": "with-others",
    "configuration-unknown": "lambda",
}
_DATA_EVENTS = frozenset({"data-events-off", "data-events-partly"})
_BY_KIND: dict[str, Answer] = {
    "data": "data-events", "never": "protocol", "no-event": "no-sdk", "unknown": "not-known"
}  # fmt: skip
"""Kind of `Visibility` -> what answers a use that IAM saw and no log shows."""
_OF_ONE_SERVICE = frozenset({"data-events", "older-logs", "protocol"})


def _topic(keep: Keep) -> Topic:
    service, spot = service_of(keep.grant.action), keep.blind_spot
    if spot is None:  # used, on names that today's statement cannot be narrowed to
        return Topic("used")
    answer = _BY_SPOT.get(spot.id, "logs")
    if spot.id in {"used-unseen", "used-outside-window"}:
        answer = _BY_KIND.get(visibility_of(keep.grant.action).kind, "older-logs")
    if answer == "logs":
        return Topic(answer, spot.remedy)
    return Topic(answer, service if answer in _OF_ONE_SERVICE else "")


def _at_most(number: int, groups: Sequence[_Group]) -> list[_Group]:
    """Put groups together until there are no more than so many."""
    found = list(groups)
    while len(found) > number:
        one, two = _closest(found)
        found = [group for group in found if group not in (one, two)] + [one.joined(two)]
    return found


def _closest(groups: Sequence[_Group]) -> tuple[_Group, _Group]:
    """Return the two groups to put together: answered alike if any are, and the smallest of them."""

    def cost(pair: tuple[_Group, _Group]) -> tuple[bool, int, tuple[Topic, ...]]:
        one, two = pair
        return one.answers != two.answers, len(one.actions) + len(two.actions), one.topics + two.topics

    return min(combinations(groups, 2), key=cost)


def _order(group: _Group) -> tuple[int, int, tuple[Topic, ...]]:
    return min(map(risk_rank, group.actions)), -len(group.actions), group.topics


def _whole_services(group: _Group, groups: Sequence[_Group]) -> set[str]:
    """Return the services of which this question has all unverified actions."""
    others = {service for other in groups if other is not group for service in other.services}
    return {service for service in group.services if service not in others}


# --- Words -----------------------------------------------------------------------------------------


def _may_go(action: str, droppable: Collection[str] | None) -> bool:
    return droppable is None or action in droppable


def _question(
    group: _Group,
    role: str,
    spared: Collection[str],
    whole: set[str],
    droppable: Collection[str] | None,
) -> Question:
    answer, command = _answer(group, role)
    names = [action for action in group.actions if reference.action(action)]
    # No rule of the file drops what was used, nor what alone explains a use that IAM saw.
    unused = {
        keep.grant.action for keep in group.keeps if keep.blind_spot and _may_go(keep.grant.action, droppable)
    }
    unused_names = [one for one in names if one in unused]
    whole = whole - {service_of(one) for one in (*spared, *(one for one in names if one not in unused))}
    exact = exact_drops(unused_names, spared)
    asks = f"{_about(group)}: {pluralize(len(group.actions), 'action')}"
    return Question(
        topics=group.topics,
        asks=asks,
        why="; ".join((*_whys(group), *_called(group))),
        actions=group.actions,
        riskiest=riskiest(group.actions),
        answer=answer,
        command=command,
        keep=rule_text("keep", [role], names, asks) if names else "",
        drop=rule_text("drop", [role], exact, asks) if exact else "",
        drop_patterns=tuple(drop_patterns(unused_names, spared, whole)),
    )


_ABOUT: dict[Answer, str] = {
    "protocol": "uses of {services} that no log shows",
    "no-sdk": "{services} actions that no SDK can call",
    "not-known": "calls of {services} that CloudTrail may not log",
    "older-logs": "{verbs} of {services}{place} that IAM saw at another time",
    "data-events": "{verbs} of {services}{place}",
    "logs": "{verbs} of {services}{place} that the logs do not cover",
    "with-others": "{services} actions that other calls may include",
    "lambda": "{verbs} of {services} that Lambda may ask for",
    "used": "{services} actions used on names that today's statements cannot be narrowed to",
}


def what_about(answer: Answer, actions: Iterable[str], place: str = "") -> str:
    """Return what a question is about: ``reads and writes of sqs on 2 queues``.

    Args:
        answer: what answers the question.
        actions: the actions in question.
        place: the resources, a phrase that begins with a space; "" for any.
    """
    services = _listed(sorted(set(map(service_of, actions))))
    return _ABOUT[answer].format(services=services, verbs=_verbs(actions), place=place)


def _about(group: _Group) -> str:
    if len(group.answers) > 1:
        return f"the rest, {_verbs(group.actions)} of {_listed(group.services)}"
    return what_about(group.answers[0], group.actions, _place(group))


def _listed(names: Sequence[str], shown: int = 3) -> str:
    """Name the first few: ``dax, kms and 4 more``."""
    if len(names) > shown + 1:
        return f"{', '.join(names[:shown])} and {len(names) - shown} more"
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _verbs(actions: Iterable[str]) -> str:
    reads = [reference.reads_only(action) for action in actions]
    return "reads" if all(reads) else "reads and writes" if any(reads) else "writes"


def _place(group: _Group) -> str:
    """Count the resources: ``on 2 queues``; "" where today's policies name none."""
    patterns = {keep.grant.resource for keep in group.keeps}
    if "*" in patterns or len(group.services) > 1 or any(keep.grant.excluded for keep in group.keeps):
        return ""
    service = reference.service(group.services[0])
    kinds = {service.type_of(pattern) if service else "" for pattern in patterns}
    noun = next(iter(kinds)) if len(kinds) == 1 and "" not in kinds else "resource"
    return f" on {pluralize(len(patterns), noun)}"


def _whys(group: _Group) -> list[str]:
    """Return the most frequent reasons why nothing could verify the actions."""
    times: dict[str, int] = {}
    for keep in group.keeps:
        times[keep.why] = times.get(keep.why, 0) + 1
    ordered = sorted(times, key=lambda why: (-times[why], why))
    return ordered[:2] + ([pluralize(len(ordered) - 2, "more reason")] if len(ordered) > 2 else [])


def _called(group: _Group) -> list[str]:
    """Return what is known of code that may use the actions: what it calls, or that nothing but it could."""
    return sorted({keep.note for keep in group.keeps if keep.note.startswith((CALLED, LOOKED, ONLY_CODE))})


_PERSON = "ask the role's owner, or try a month without them"


def _answer(group: _Group, role: str) -> tuple[str, str]:
    """Return what would answer a question, and the command for it."""
    if len(group.answers) > 1:
        return f"{_PERSON}; doctor says what would make the logs tell", _doctor(role)
    answer = group.answers[0]
    if answer == "older-logs":
        return "the logs of the day on which IAM saw it", f"policygen suggest -r {role} --days 400"
    if answer in {"data-events", "logs", "lambda"}:
        # Where IAM saw the service, the remedy is about that; data events would tell which action it was.
        telling = [
            keep.blind_spot
            for keep in group.keeps
            if keep.blind_spot and (answer != "data-events" or keep.blind_spot.id in _DATA_EVENTS)
        ]
        remedies = sorted({spot.remedy for spot in telling})
        commands = sorted({spot.command for spot in telling if spot.command})
        command = commands[0] if len(commands) == 1 and len(remedies) == 1 else _doctor(role)
        if answer != "data-events":
            return "; ".join(remedies), command
        its = "its" if len(group.services) == 1 else "their"
        clause = f"log {its} data events, wait, and run again"
        return remedies[0] if len(remedies) == 1 and its == "its" else clause, command
    if answer == "used":
        return "keep it, or name its resources by hand", ""
    return _PERSON, f"policygen probation {role} --question {shlex.quote(group.topics[0].id)}"


def _doctor(role: str) -> str:
    return f"policygen doctor -r {role}"
