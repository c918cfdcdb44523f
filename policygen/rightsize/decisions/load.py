"""Read decisions from ``policygen.toml`` and the flags ``--keep`` and ``--drop``. Errors name the key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from policygen.errors import UsageError
from policygen.iam import arn, reference
from policygen.rightsize.decisions.model import (
    FILE,
    PLACEHOLDER,
    UNVERIFIED,
    DecisionRule,
    Decisions,
    Kind,
    PrincipalRule,
    Protection,
    ReportedCalls,
    Unverified,
    is_placeholder,
)
from policygen.text import escape_controls

FLAG_REASON = "asked for on the command line"
DECISIONS = ("keep", "drop", "protect", "reported", "evidence", "unverified")
KEYS = (
    *DECISIONS, "logs", "snapshot", "days", "profile", "region", "all_accounts", "format", "plans", "decisions",
    "role",
)  # fmt: skip
"""Keys at the top of the file: decisions, settings of the command line, and the roles that ``check`` knows."""

_HELP = "docs/reference/configuration.md has the settings, docs/reference/decisions.md the decisions"


def load_decisions(path: Path) -> Decisions:
    """Read the decisions in a file.

    Raises:
        UsageError: PG-E360, PG-E361, PG-E362.
    """
    return decisions_of(parse_toml(path), str(path))


def parse_decisions(text: str, name: str = FILE) -> Decisions:
    """Read the decisions in a TOML text; `name` is its name in messages.

    Raises:
        UsageError: PG-E360, not TOML; PG-E361, a key or a type that is not as it should be; PG-E362, a value
            that means nothing.
    """
    return _DecisionsReader(name).decisions(_parsed(text, name))


def decisions_of(table: Mapping[str, Any], name: str) -> Decisions:
    """Return the decisions among the keys of a file.

    Raises:
        UsageError: PG-E361, PG-E362.
    """
    return replace(_DecisionsReader(name).decisions(table), file=escape_controls(name))


def parse_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        UsageError: PG-E360.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8"
        shown = escape_controls(str(path))
        raise UsageError(f"{shown} cannot be read: {why}", "check the path", code="PG-E360") from error
    return _parsed(text, str(path))


def check_keys(table: Mapping[str, Any], name: str) -> None:
    """Check that a file has no key at its top but those that there are.

    Raises:
        UsageError: PG-E361.
    """
    _DecisionsReader(name).known(table, KEYS, "")


def _parsed(text: str, name: str) -> dict[str, Any]:
    import tomllib  # most runs have no such file

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{escape_controls(name)} is not TOML: {error}", _HELP, code="PG-E360") from error
    except RecursionError:
        raise UsageError(
            f"{escape_controls(name)} is not a file of decisions: its values are nested too deeply",
            _HELP,
            code="PG-E360",
        ) from None


_ACCOUNT = re.compile(r"[0-9]{12}")
_ROLE = re.compile(r"[\w+=,.@*?-]{1,64}", re.ASCII)  # IAM User Guide, reference_iam-quotas, and the wildcards
_RULE_KEYS = ("role", "account", "action", "resource", "reason", "expires", "principal")


class _DecisionsReader:
    """Reads the tables of one file."""

    def __init__(self, name: str) -> None:
        self.name = escape_controls(name)

    def error(self, path: str, problem: str, *hints: str) -> UsageError:
        return UsageError(f"{self.name}: {path} {problem}", *hints, _HELP, code="PG-E361")

    def decisions(self, table: Mapping[str, Any]) -> Decisions:
        self.known(table, KEYS, "")
        evidence = self.table(table.get("evidence", {}), "evidence")
        self.known(evidence, ("min_days", "quiet_days"), "evidence.")
        return Decisions(
            rules=(*self.rules("keep", table), *self.rules("drop", table)),
            protected=tuple(
                self.protection(one, path) for one, path in self.tables(table.get("protect", []), "protect")
            ),
            principals=(*self.principals("keep", table), *self.principals("drop", table)),
            reported=tuple(
                self.reported(one, path) for one, path in self.tables(table.get("reported", []), "reported")
            ),
            min_days=self.number(evidence, "min_days", 1),
            quiet_days=self.number(evidence, "quiet_days", 0),
            unverified=self.unverified(table),
        )

    def unverified(self, table: Mapping[str, Any]) -> Unverified | None:
        if "unverified" not in table:
            return None
        value = self.string(table, "unverified", "the file").lower()
        found = next((one for one in UNVERIFIED if one == value), None)
        if found is None:
            raise UsageError(
                f"{self.name}: unverified is {value[:40]!r}",
                f"there are: {', '.join(UNVERIFIED)}",
                _HELP,
                code="PG-E362",
            )
        return found

    def rules(self, kind: Kind, table: Mapping[str, Any]) -> list[DecisionRule]:
        return [
            rule
            for one, path in self.tables(table.get(kind, []), kind)
            if "principal" not in one
            for rule in self.rules_of_table(kind, one, path)
        ]

    def principals(self, kind: Kind, table: Mapping[str, Any]) -> list[PrincipalRule]:
        """Read the tables about principals of trust policies: a rule for each of their principals and roles."""
        return [
            self.principal_rule(kind, {**one, **principal, **role}, path)
            for one, path in self.tables(table.get(kind, []), kind)
            if "principal" in one
            for principal, _ in self.listed(one, "principal", path)
            for role, _ in self.listed(one, "role", path)
        ]

    def principal_rule(self, kind: Kind, table: Mapping[str, Any], path: str) -> PrincipalRule:
        self.known(table, ("role", "principal", "reason", "expires"), f"{path}.")
        return PrincipalRule(
            kind,
            self.string(table, "principal", path),
            self.reason(table, path),
            self.role(table, path, "*"),
            self.day(table, path),
            path,
        )

    def rules_of_table(self, kind: Kind, table: Mapping[str, Any], path: str) -> list[DecisionRule]:
        """Read one table: a rule for each of its actions and roles."""
        roles = self.listed(table, "role", path)
        return [
            replace(
                self.rule(kind, {**table, **action, **role}, path, f"{path}{where}"), shared=len(roles) > 1
            )
            for action, where in self.listed(table, "action", path)
            for role, _ in roles
        ]

    def listed(self, table: Mapping[str, Any], key: str, path: str) -> list[tuple[dict[str, Any], str]]:
        """Return each value of a key as a table of its own, with its place in the list; one without where none is."""
        values = table.get(key)
        if not isinstance(values, list):
            return [({}, "")]
        if not values:
            raise self.error(f"{path}.{key}", f"lists no {key}")
        return [({key: value}, f".{key}[{i}]") for i, value in enumerate(values)]

    def rule(self, kind: Kind, table: Mapping[str, Any], path: str, where: str) -> DecisionRule:
        self.known(table, _RULE_KEYS, f"{path}.")
        rule = DecisionRule(
            kind=kind,
            role=self.role(table, path, "*"),
            account=self.account(table, path),
            action=self.string(table, "action", path),
            resource=self.string(table, "resource", path, "*"),
            reason=self.reason(table, path),
            expires=self.day(table, path),
            where=where,
        )
        for key, problem in (("action", _action_problem(rule)), ("resource", _resource_problem(rule))):
            if problem:
                what, *hints = problem
                raise UsageError(f"{self.name}: {path}.{key}: {what}", *hints, _HELP, code="PG-E362")
        return rule

    def protection(self, table: Mapping[str, Any], path: str) -> Protection:
        self.known(table, ("role", "reason"), f"{path}.")
        return Protection(self.role(table, path), self.reason(table, path), path)

    def reported(self, table: Mapping[str, Any], path: str) -> ReportedCalls:
        self.known(table, ("role", "account", "until", "reason"), f"{path}.")
        return ReportedCalls(
            role=self.role(table, path),
            until=self.until(table, path),
            reason=self.reason(table, path),
            account=self.account(table, path),
            where=path,
        )

    def role(self, table: Mapping[str, Any], path: str, default: str | None = None) -> str:
        """Read a pattern of role names; a pattern that can match no role is an error."""
        value = self.string(table, "role", path, default)
        if not _ROLE.fullmatch(value):
            raise UsageError(
                f"{self.name}: {path}.role {value!r} is not a role name, with * and ? as wildcards",
                "the name alone, without path and ARN: orders-*",
                _HELP,
                code="PG-E362",
            )
        return value

    def account(self, table: Mapping[str, Any], path: str) -> str:
        """Read the account of a rule's roles; "" for any."""
        if "account" not in table:
            return ""
        value = self.string(table, "account", path)
        if not _ACCOUNT.fullmatch(value):
            raise UsageError(
                f"{self.name}: {path}.account {value!r} is not the id of an account",
                'twelve digits in quotes: "111122223333"',
                _HELP,
                code="PG-E362",
            )
        return value

    def known(self, table: Mapping[str, Any], keys: Sequence[str], prefix: str) -> None:
        for key in table:
            if key not in keys:
                close = difflib.get_close_matches(key, keys, 1)
                hints = (f"did you mean {close[0]}?",) if close else ()
                problem = f"is not a key; there are: {', '.join(keys)}"
                raise self.error(f"{prefix}{escape_controls(key)[:40]}", problem, *hints)

    def table(self, value: object, path: str) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self.error(path, f"must be a table, not {_shown(value)}")
        return value

    def tables(self, value: object, path: str) -> list[tuple[Mapping[str, Any], str]]:
        if not isinstance(value, list):
            raise self.error(path, f"must be tables, each under [[{path}]], not {_shown(value)}")
        return [(self.table(one, f"{path}[{i}]"), f"{path}[{i}]") for i, one in enumerate(value)]

    def string(self, table: Mapping[str, Any], key: str, path: str, default: str | None = None) -> str:
        value = table.get(key, default)
        if value is None:
            raise self.error(f"{path}.{key}", "is missing")
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"{path}.{key}", f"must be a text that is not empty, not {_shown(value)}")
        return escape_controls(value.strip())

    def reason(self, table: Mapping[str, Any], path: str) -> str:
        """Read why; the placeholder of a table that was pasted is no reason."""
        value = self.string(table, "reason", path)
        if is_placeholder(value):
            problem = f"is still {_shown(value)}: nobody has written why"
            raise self.error(
                f"{path}.reason", problem, f"write the ticket or the reason in place of {PLACEHOLDER}"
            )
        return value

    def until(self, table: Mapping[str, Any], path: str) -> str:
        """Read a day, or a time with its zone; return it in UTC."""
        value = table.get("until")
        if value is None:
            raise self.error(f"{path}.until", "is missing: the last day of the calls, as 2026-11-18")
        if isinstance(value, datetime) and value.tzinfo:
            return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        if not isinstance(value, date) or isinstance(value, datetime):
            problem = "must be a day or a time in UTC, without quotes, as 2026-11-18T15:00:00Z, not"
            raise self.error(f"{path}.until", f"{problem} {_shown(value)}")
        return value.isoformat()

    def day(self, table: Mapping[str, Any], path: str) -> date | None:
        value = table.get("expires")
        if value is None:
            return None
        if not isinstance(value, date) or isinstance(value, datetime):
            problem = f"must be a day without quotes, as 2027-01-31, not {_shown(value)}"
            raise self.error(f"{path}.expires", problem)
        return value

    def number(self, table: Mapping[str, Any], key: str, least: int) -> int | None:
        value = table.get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            problem = f"must be a whole number, {least} or more, not {_shown(value)}"
            raise self.error(f"evidence.{key}", problem)
        return value


def _shown(value: object) -> str:
    return repr(escape_controls(value)[:60]) if isinstance(value, str) else escape_controls(str(value))[:60]


def with_flags(decisions: Decisions, keep: Iterable[str] = (), drop: Iterable[str] = ()) -> Decisions:
    """Add the rules of ``--keep`` and ``--drop`` to decisions.

    Raises:
        UsageError: PG-E362, PG-E366.
    """
    flags = [rule for text in keep for rule in rules_of_flag("keep", text)]
    flags += [rule for text in drop for rule in rules_of_flag("drop", text)]
    return replace(decisions, rules=(*decisions.rules, *flags))


def rules_of_flag(kind: Kind, text: str) -> list[DecisionRule]:
    """Read the value of ``--keep`` or ``--drop``: actions with commas, optionally followed by `` on `` and a resource.

    Raises:
        UsageError: PG-E366, not of that form; PG-E362, a value that means nothing.
    """
    words = text.split()
    flag = f"--{kind} {escape_controls(text)[:120]}"
    if len(words) not in (1, 3) or (len(words) == 3 and words[1] != "on"):
        raise UsageError(
            f"{flag!r} is neither an action nor an action on a resource",
            f"--{kind} s3:DeleteObject",
            f"--{kind} 's3:DeleteObject on arn:aws:s3:::bucket/*'",
            code="PG-E366",
        )
    resource = words[2] if len(words) == 3 else "*"
    rules = [
        DecisionRule(kind, action, FLAG_REASON, resource=resource, where=flag, flag=True)
        for action in words[0].split(",")
    ]
    for rule in rules:
        for problem in (_action_problem(rule), _resource_problem(rule)):
            if problem:
                meant = [hint[len(_MEANT) : -1] for hint in problem[1:] if hint.startswith(_MEANT)]
                instead = (text, text.replace(rule.action, meant[0])) if meant else None
                raise UsageError(f"{flag!r}: {problem[0]}", *problem[1:], code="PG-E362", instead=instead)
    return rules


_MEANT = "did you mean "


def _action_problem(rule: DecisionRule) -> tuple[str, ...]:
    """Return what is wrong with a rule's action, and hints; () where it is right."""
    service, colon, name = rule.action.partition(":")
    if not colon or not name or set("*?") & set(service):
        problem = f"{rule.action!r} is not an action. Use service:Action"
        return problem, "wildcards are allowed in the action: s3:Delete*"
    known = reference.action_names(service.lower())
    if not known:
        close = difflib.get_close_matches(service.lower(), reference.prefixes(), 1)
        hints = (f"did you mean {close[0]}:{name}?",) if close else ()
        return f"IAM has no service {service!r}", *hints
    if not any(arn.action_matches(rule.action, action) for action in known):
        close = difflib.get_close_matches(rule.action, known, 1)
        hints = (f"did you mean {close[0]}?",) if close else ()
        return f"IAM has no action {rule.action!r}", *hints
    return ()


def _resource_problem(rule: DecisionRule) -> tuple[str, ...]:
    if rule.resource == "*" or arn.parse(rule.resource):
        return ()
    return f"{rule.resource!r} is neither * nor an ARN", "as arn:aws:s3:::bucket/*"
