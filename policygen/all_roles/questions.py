"""The questions of all roles as questions to the account: the same one is asked once for all roles it concerns."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from policygen.iam import reference
from policygen.plan.batch_table import BatchQuestion, BatchRow, RoleQuestion
from policygen.rightsize.assess.action_risk import risk_rank, riskiest
from policygen.rightsize.question_rules import exact_drops, rule_line, rule_text
from policygen.rightsize.questions import RoleTopic, Topic, what_about
from policygen.text import pluralize

if TYPE_CHECKING:
    from policygen.account.model import Accounts

_FEW = 5
"""Most commands of one question."""
_OLDER = "400"
"""Days of the window in which IAM's report and the logs can be compared."""


class SnapshotFile(NamedTuple):
    """The file of an account."""

    path: str
    trails: frozenset[str] = frozenset()
    """The ARNs of the account's trails; an organization's trail is one of several accounts."""


def snapshots_of(accounts: Accounts, files: Iterable[Path]) -> dict[str, SnapshotFile]:
    """Return the file of each account that was read from one.

    Args:
        accounts: in the order of their files.
        files: the snapshots; none where the account was read from AWS.
    """
    return {
        account.account_id: SnapshotFile(str(file), frozenset(trail.arn for trail in account.trails or ()))
        for account, file in zip(accounts.values(), files, strict=False)
    }


class CommandParts(NamedTuple):
    """What the commands beside questions need to run as they stand."""

    inputs: Sequence[Sequence[str]] = ()
    """The options that say what was read, each with its value: ``--logs``, ``trail``."""
    plan_path: Callable[[str], str] = str
    """Returns the path of a plan in the folder of the batch, by the name of the role's files."""
    snapshots: Mapping[str, SnapshotFile] = {}
    """Account -> its file. Other commands than a batch take one."""

    def command(self, *words: str, account: str, but: str = "") -> str:
        """Return a command about an account, with the options that say what was read, without one of them."""
        given = [word for option in self.inputs if option[0] != but for word in option]
        file = self.snapshots.get(account)
        return shlex.join(["policygen", *words, *given, *(["--snapshot", file.path] if file else [])])

    def doctor(self, asking: Mapping[str, Collection[str]]) -> list[str]:
        """Return the commands that print what makes trails show more: one for accounts that have a trail in common.

        A command of AWS replaces all selectors of a trail, so only one for all of them does not undo another.

        Args:
            asking: account -> services whose data events it asks for.
        """
        found: dict[str, str] = {}
        for account in sorted(asking):
            alike = [other for other in sorted(asking) if self._share_a_trail(account, other)]
            if not found.keys() & {*alike}:
                services = sorted({service for other in alike for service in asking[other]})
                named = [word for service in services for word in ("--service", service)]
                found[account] = self.command("doctor", *named, account=account)
        return list(found.values())

    def _share_a_trail(self, account: str, other: str) -> bool:
        one, two = (self.snapshots.get(name, SnapshotFile("")) for name in (account, other))
        return account == other or bool(one.trails & two.trails)


class _Asked(NamedTuple):
    """One role's part of a question."""

    row: BatchRow
    topic: RoleTopic
    shared: bool
    """Whether two accounts have a role of this name: a rule for many roles names no account, so it spares what either
    may need."""

    @property
    def keeps(self) -> list[str]:
        """The actions that a rule may keep: those that IAM knows."""
        return [action for action in self.topic.actions if reference.action(action)]

    @property
    def drops(self) -> list[str]:
        """Patterns of the actions that a rule may drop; no rule of the file drops what was used."""
        if self.topic.topic.answer == "used":
            return []
        spared = self.keeps if self.shared else self.topic.spared
        named = [action for action in self.keeps if action not in self.topic.tried]
        return exact_drops(named, {action.lower() for action in spared})


def _asked(topics: Iterable[tuple[BatchRow, Sequence[RoleTopic]]]) -> list[_Asked]:
    """Return what each role asks, in the order of the names of their files."""
    listed = sorted(topics, key=lambda one: one[0].plan)
    names = Counter(row.role.lower() for row, _ in listed)
    return [_Asked(row, one, names[row.role.lower()] > 1) for row, own in listed for one in own]


def account_questions(
    topics: Iterable[tuple[BatchRow, Sequence[RoleTopic]]], parts: CommandParts | None = None
) -> tuple[BatchQuestion, ...]:
    """Join what the roles ask, by topic; first what concerns most roles, then the riskiest.

    Args:
        topics: the row of each role, and what it asks.
        parts: what the commands need.
    """
    asked: dict[Topic, list[_Asked]] = {}
    for one in _asked(topics):
        asked.setdefault(one.topic.topic, []).append(one)
    found = [_question(topic, roles, parts or CommandParts()) for topic, roles in asked.items()]
    return tuple(sorted(found, key=lambda one: (-len(one.roles), min(map(risk_rank, one.actions)), one.id)))


def role_questions(
    topics: Iterable[tuple[BatchRow, Sequence[RoleTopic]]], parts: CommandParts | None = None
) -> list[RoleQuestion]:
    """Return each role's part of each question, role by role; arguments as for `account_questions`."""
    found = []
    for one in _asked(topics):
        topic, actions = one.topic.topic, one.topic.actions
        asks = what_about(topic.answer, actions)
        found.append(
            RoleQuestion(
                role=one.row.role,
                owner=one.row.owner,
                account=one.row.account,
                question=topic.id,
                asks=asks,
                permissions=len(actions),
                riskiest=" ".join(riskiest(actions)),
                command=_command(topic, one.row, parts or CommandParts()),
                drop=rule_line(
                    one.row.role,
                    one.drops,
                    asks,
                    f"batch.json, questions, {topic.id}",
                    one.row.account if one.shared else "",
                ),
            )
        )
    return found


def data_events_commands(topics: Iterable[tuple[BatchRow, Sequence[RoleTopic]]], parts: CommandParts) -> str:
    """Return what prints the commands that make the trails log the data events of all questions; "" for none.

    Args:
        topics: the row of each role, and what it asks.
        parts: what the commands need.
    """
    asking: dict[str, set[str]] = {}
    for row, own in topics:
        for one in own:
            if one.topic.answer == "data-events":
                asking.setdefault(row.account, set()).add(one.topic.about)
    return "\n".join(parts.doctor(asking))


def _question(topic: Topic, asked: Sequence[_Asked], parts: CommandParts) -> BatchQuestion:
    actions = sorted({action for one in asked for action in one.topic.actions}, key=str.lower)
    what = what_about(topic.answer, actions)
    whys = Counter(one.topic.why for one in asked)
    keeps: dict[str, set[str]] = {}
    drops: dict[str, set[str]] = {}
    for one in asked:
        keeps.setdefault(one.row.role, set()).update(one.keeps)
        drops.setdefault(one.row.role, set()).update(one.drops)
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
    """Write rules about exactly these actions of each role, without saying the same names again and again.

    Roles with the same actions share a rule, or actions of the same roles do: whichever takes less text. Of 400 roles
    that use services in ever other combinations the second takes a quarter.
    """
    roles: dict[str, list[str]] = {}
    for role, own in actions.items():
        for action in own:
            roles.setdefault(action, []).append(role)
    by_role = [(names, own) for own, names in _alike(actions)]
    texts = [
        "\n".join(rule_text(kind, names, own, reason) for names, own in rules)
        for rules in (by_role, _alike(roles))
    ]
    return min(texts, key=len)


def _alike(values: Mapping[str, Collection[str]]) -> list[tuple[Sequence[str], Sequence[str]]]:
    """Return each set of values that some names have, sorted, and these names."""
    names: dict[tuple[str, ...], list[str]] = {}
    for name in sorted(values, key=str.lower):
        if own := values[name]:
            names.setdefault(tuple(sorted(own, key=str.lower)), []).append(name)
    return list(names.items())


def _commands(topic: Topic, asked: Sequence[_Asked], parts: CommandParts) -> list[str]:
    """Return the commands that answer a question for all roles: one for each trail, or for each of the first roles."""
    if topic.answer in ("data-events", "logs"):
        return parts.doctor({one.row.account: _services(topic) for one in asked})
    found = [command for one in asked if (command := _command(topic, one.row, parts))]
    more = len(found) - _FEW
    return [*found[:_FEW], *([f"# and the same for {pluralize(more, 'more role')}"] if more > 0 else [])]


def _command(topic: Topic, row: BatchRow, parts: CommandParts) -> str:
    """Return the command that answers a question for a role; "" where there is none.

    `doctor` prints the command of AWS, one for all that a trail lacks.
    """
    if topic.answer == "used":
        return ""
    if topic.answer in ("data-events", "logs"):
        (command,) = parts.doctor({row.account: _services(topic)})
        return command
    if topic.answer == "older-logs":
        return parts.command(
            "suggest", row.arn or row.role, "--days", _OLDER, account=row.account, but="--days"
        )
    return shlex.join(["policygen", "probation", parts.plan_path(row.plan), "--question", topic.id])


def _services(topic: Topic) -> list[str]:
    """Return the services that `doctor` is asked about."""
    return [topic.about] if topic.answer == "data-events" else []
