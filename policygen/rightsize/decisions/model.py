"""Decisions as values: rules that keep and drop, protected roles, and the evidence that is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal, NamedTuple

from policygen.errors import GateError, UsageError
from policygen.iam import arn
from policygen.text import escape_controls

Kind = Literal["keep", "drop"]

FILE = "policygen.toml"


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """A permission to keep or to drop."""

    kind: Kind
    action: str
    """An Action pattern of IAM."""
    reason: str
    role: str = "*"
    """Names of roles; ``*`` and ``?`` are wildcards, case does not count (1.3.8)."""
    resource: str = "*"
    """A Resource pattern of IAM."""
    expires: date | None = None
    """The last day on which the rule applies."""
    where: str = ""
    """Where it was written: ``keep[0]`` of the file, or ``--keep s3:DeleteObject``."""
    flag: bool = False
    """Whether it was given on the command line."""

    @property
    def exact(self) -> bool:
        """Whether the action is one name, without wildcards."""
        return not set("*?") & set(self.action)

    @property
    def general(self) -> bool:
        """Whether the rule was written for many roles: on the command line, or with a wildcard as the role."""
        return self.flag or bool(set("*?") & set(self.role))

    def for_role(self, name: str) -> bool:
        """Whether the rule is about the role of that name."""
        return _is_role(self.role, name)

    def expired(self, on: date) -> bool:
        """Whether its last day is before `on`."""
        return self.expires is not None and self.expires < on


class Protection(NamedTuple):
    """Roles that policygen must leave alone."""

    role: str
    reason: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class Decisions:
    """Everything that people decided."""

    rules: tuple[DecisionRule, ...] = ()
    protected: tuple[Protection, ...] = ()
    min_days: int | None = None
    """Days of evidence that are needed; None for the default."""
    quiet_days: int | None = None
    """Days before the end within which no permission may be new; None for the default."""

    def for_role(self, name: str, on: date) -> tuple[DecisionRule, ...]:
        """The rules that apply to a role on a day.

        Raises:
            UsageError: PG-E363, a keep and a drop speak about the same permission.
        """
        rules = tuple(rule for rule in self.rules if rule.for_role(name) and not rule.expired(on))
        refuse_conflicts(rules)
        return rules

    def expired(self, name: str, on: date) -> tuple[DecisionRule, ...]:
        """The rules about a role that apply no longer: to be reported, never to be followed."""
        return tuple(rule for rule in self.rules if rule.for_role(name) and rule.expired(on))

    def protection(self, name: str) -> Protection | None:
        """Why a role is to be left alone, or None."""
        return next((one for one in self.protected if _is_role(one.role, name)), None)

    def refuse_protected(self, name: str) -> None:
        """Stops for a protected role.

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
    """Stops when a keep and a drop, all of one role, speak about the same permission.

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
    """What a rule is about, ``s3:DeleteObject on *``."""
    return f"{rule.action} on {rule.resource}"
