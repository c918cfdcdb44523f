"""People's decisions as values: keep and drop rules, protected roles, and the days of evidence needed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator
from datetime import date
from typing import Literal, NamedTuple

import msgspec

from policygen.errors import GateError, UsageError
from policygen.iam import arn
from policygen.iam.request import RoleKey
from policygen.text import escape_controls, pluralize

Kind = Literal["keep", "drop"]

FILE = "policygen.toml"

PLACEHOLDER = "TICKET"
"""Stands for the reason in a table that is printed to be pasted: only a person knows it."""


def is_placeholder(reason: str) -> bool:
    """Return whether a reason is still the one that was printed; ``TICKET-118`` is a ticket."""
    return bool(re.search(rf"(?<![\w-]){PLACEHOLDER}(?![\w-]| ?#?\d)", reason))


class DecisionRule(msgspec.Struct, frozen=True):
    """A permission to keep or to drop."""

    kind: Kind
    action: str
    """An Action pattern of IAM."""
    reason: str
    role: str = "*"
    """A pattern of role names; ``*`` and ``?`` are wildcards, case does not count (1.3.8)."""
    account: str = ""
    """Of the role; "" for any."""
    resource: str = "*"
    """A Resource pattern of IAM."""
    expires: date | None = None
    """The last day on which the rule applies."""
    where: str = ""
    """Where the rule was written: ``keep[0]`` of the file, or ``--keep s3:DeleteObject``."""
    flag: bool = False
    """Whether the rule was given on the command line."""
    shared: bool = False
    """Whether its table names several roles."""

    @property
    def table(self) -> str:
        """The table of the file that it was read from, ``keep[0]``, or the option."""
        return self.where if self.flag else self.where.partition(".")[0]

    @property
    def exact(self) -> bool:
        """Whether the action is one name, without wildcards."""
        return not set("*?") & set(self.action)

    @property
    def sparing(self) -> bool:
        """Whether one letter is left open, so that it drops what is unverified of one action and spares what is needed.

        policygen writes such rules (``sqs:ReceiveMessag?``): that they spare something is nothing to report.
        """
        return "*" not in self.action and self.action.count("?") == 1

    @property
    def general(self) -> bool:
        """Whether the rule was written for many roles: on the command line, by a wildcard or a list of roles."""
        return self.flag or self.shared or bool(set("*?") & set(self.role))

    def for_role(self, name: str) -> bool:
        """Return whether the rule applies to the role of that name."""
        return _is_role(self.role, name)

    def expired(self, on: date) -> bool:
        """Return whether its last day is before `on`."""
        return self.expires is not None and self.expires < on


class PrincipalRule(msgspec.Struct, frozen=True):
    """A principal to keep in trust policies, or to drop from them."""

    kind: Kind
    principal: str
    """An ARN, an account, a service or a provider, as trust policies name it."""
    reason: str
    role: str = "*"
    """A pattern of the names of the roles that trust it."""
    expires: date | None = None
    """The last day on which the rule applies."""
    where: str = ""
    """Where the rule was written: ``keep[0]`` of the file."""

    @property
    def general(self) -> bool:
        """Whether the rule was written for many roles, so that some of them may not trust the principal."""
        return bool(set("*?") & set(self.role))

    def applies(self, role: str, on: date) -> bool:
        """Return whether the rule is about the role of that name on a day."""
        return _is_role(self.role, role) and not self.expired(on)

    def expired(self, on: date) -> bool:
        """Return whether its last day is before `on`."""
        return self.expires is not None and self.expires < on


class Protection(NamedTuple):
    """Roles that policygen must leave alone."""

    role: str
    reason: str
    where: str = ""


class ReportedCalls(msgspec.Struct, frozen=True):
    """Suspicious calls of a role up to a time, which somebody looked at: they are not the workload's."""

    role: str
    """A pattern of role names."""
    until: str
    """ISO date or time in UTC of the last such call. It is no open end: a thief who comes back is suspicious again."""
    reason: str
    account: str = ""
    """Of the role; "" for any."""
    where: str = ""
    """Where it was written: ``reported[0]`` of the file."""

    def is_about(self, role: RoleKey) -> bool:
        """Return whether the calls are a role's."""
        return _is_role(self.role, role.name) and self.account in {"", role.account}

    def tells_of(self, role: RoleKey, last: str) -> bool:
        """Return whether calls of a role, the last of them at an ISO date or time in UTC, are among these."""
        return self.is_about(role) and last[: len(self.until)] <= self.until


Unverified = Literal["keep", "drop", "split"]
"""What becomes of unverified permissions: ``keep`` grants them with the rest, ``drop`` does not grant them, ``split``
grants them in policies of their own."""

UNVERIFIED: tuple[Unverified, ...] = ("keep", "drop", "split")


class Decisions(msgspec.Struct, frozen=True):
    """Everything that people decided."""

    rules: tuple[DecisionRule, ...] = ()
    protected: tuple[Protection, ...] = ()
    principals: tuple[PrincipalRule, ...] = ()
    reported: tuple[ReportedCalls, ...] = ()
    min_days: int | None = None
    """Days of evidence needed; None for the default."""
    quiet_days: int | None = None
    """Days before the end within which no permission may be new; None for the default."""
    unverified: Unverified | None = None
    """What becomes of unverified permissions; None for the default, to keep them."""
    file: str = ""
    """The file that they were read from, as it was named; "" for none."""

    @property
    def note(self) -> str:
        """Name the file and what it decides, a sentence; "" where there is no file.

        A file that is found in the folder changes the answer, so the answer has to name it.
        """
        if not self.file:
            return ""
        parts = [
            self._tables("keep"),
            self._tables("drop"),
            pluralize(len(self.protected), "protection"),
            pluralize(len(self.reported), "incident report"),
            *([f"min_days {self.min_days}"] if self.min_days is not None else []),
            *([f"quiet_days {self.quiet_days}"] if self.quiet_days is not None else []),
            *([f"unverified {self.unverified}"] if self.unverified is not None else []),
        ]
        told = [part for part in parts if not part.startswith("0 ")]
        return f"decisions of {self.file} apply: {', '.join(told) or 'none'}"

    def _tables(self, kind: Kind) -> str:
        """Count the file's tables of a kind, and their actions if more: ``1 [[drop]] table (2 actions)``."""
        own = [rule for rule in self.rules if rule.kind == kind and not rule.flag]
        tables = {rule.table for rule in own} | {rule.where for rule in self.principals if rule.kind == kind}
        actions = len({(rule.table, rule.action) for rule in own})
        more = f" ({pluralize(actions, 'action')})" if actions > len(tables) else ""
        return f"{pluralize(len(tables), f'[[{kind}]] table')}{more}"

    def for_role(self, role: RoleKey, on: date) -> tuple[DecisionRule, ...]:
        """Return the rules that apply to a role on a day.

        Raises:
            UsageError: PG-E363, a keep and a drop rule match the same permission.
        """
        rules = tuple(rule for rule in self._about(role) if not rule.expired(on))
        refuse_conflicts(rules)
        return rules

    def expired(self, role: RoleKey, on: date) -> tuple[DecisionRule, ...]:
        """Return the rules about a role that have expired: they are reported, and not applied."""
        return tuple(rule for rule in self._about(role) if rule.expired(on))

    def _about(self, role: RoleKey) -> Iterator[DecisionRule]:
        return (
            rule for rule in self.rules if rule.for_role(role.name) and rule.account in {"", role.account}
        )

    def about_none(self, names: Collection[str]) -> Iterator[str]:
        """Yield a sentence for each pattern of roles of the file that is about none of some roles.

        Args:
            names: the names of all roles.
        """
        named = [(rule.table, rule.role, rule.reason) for rule in self.rules if not rule.flag]
        named += [(one.where, one.role, one.reason) for one in self.principals]
        named += [(one.where, one.role, one.reason) for one in self.protected]
        named += [(one.where, one.role, one.reason) for one in self.reported]
        for where, pattern, reason in dict.fromkeys(named):
            if not any(_is_role(pattern, name) for name in names):
                close = difflib.get_close_matches(pattern, names, 1)
                meant = f"; did you mean {escape_controls(close[0])}?" if close else ""
                yield f"{where} of {self.file or FILE} ({reason}) is about none of the roles: {pattern}{meant}"

    def report_of(self, role: RoleKey, last: str) -> ReportedCalls | None:
        """Return the report of suspicious calls, the last at an ISO date or time in UTC; None where nobody made one."""
        return next((one for one in self.reported if one.tells_of(role, last)), None)

    def refuse_reports_to_come(self, now: str) -> None:
        """Raise an error for a report of calls up to a time that is to come: nobody can have looked at them.

        Args:
            now: ISO time in UTC.

        Raises:
            UsageError: PG-E362.
        """
        for one in self.reported:
            if one.until > now[: len(one.until)]:
                raise UsageError(
                    f"{self.file or FILE}: {one.where}.until {one.until} is yet to come",
                    "write when the last of these calls was made: later ones have to be suspicious again",
                    code="PG-E362",
                )

    def protection(self, name: str) -> Protection | None:
        """Return the entry that protects a role, or None."""
        return next((one for one in self.protected if _is_role(one.role, name)), None)

    def refuse_protected(self, name: str) -> None:
        """Raise an error for a protected role.

        Raises:
            GateError: PG-E365.
        """
        if one := self.protection(name):
            raise GateError(
                f"the role {escape_controls(name)} is protected: {one.reason}",
                f"{one.where} in the file of decisions says so; take it out if that is no longer right",
                code="PG-E365",
            )


def _is_role(pattern: str, name: str) -> bool:
    return arn.string_glob(pattern.lower()).matches(name.lower())


# --- Conflicts -------------------------------------------------------------------------------------


def refuse_conflicts(rules: Iterable[DecisionRule]) -> None:
    """Raise an error where a keep and a drop rule, all of one role, match the same permission.

    Raises:
        UsageError: PG-E363.
    """
    rules = tuple(rules)
    for keep in (rule for rule in rules if rule.kind == "keep"):
        for drop in (rule for rule in rules if rule.kind == "drop"):
            if arn.action_overlaps(keep.action, drop.action) and arn.overlaps(keep.resource, drop.resource):
                raise UsageError(
                    f"{keep.where} keeps what {drop.where} drops: {phrase(keep)}, {phrase(drop)}",
                    "narrow one of them, or take one out",
                    code="PG-E363",
                )


def phrase(rule: DecisionRule) -> str:
    """Return the permission that a rule matches, ``s3:DeleteObject on *``."""
    return f"{rule.action} on {rule.resource}"
