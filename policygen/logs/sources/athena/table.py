"""A CloudTrail table as Athena describes it: its columns, old or new, and what its partitions let a query leave out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from policygen.errors import UsageError
from policygen.text import escape_controls

LATE = 2
"""Days after its own on which an event may be delivered: partitions go by delivery (2.1.2)."""

DDL_HINT = "policygen athena ddl prints the statement that makes one"

_NEEDED = (
    "eventtime", "eventsource", "eventname", "eventid", "awsregion", "requestparameters", "errorcode",
    "useridentity.type", "useridentity.principalid", "useridentity.arn", "useridentity.accountid",
    "useridentity.sessioncontext.sessionissuer.arn",
)  # fmt: skip
"""Without these no call can be told from another. Every DDL that AWS published has them."""

# What is not known without a column (2.5.2); columns that only make an answer finer are not told.
_UNKNOWN = {
    "useridentity.inscopeof.credentialsissuedto": "which function used the role",
    "sharedeventid": "which calls were logged in two accounts: such calls count twice",
    "vpcendpointid": "which calls came through a VPC endpoint",
    "eventcategory": "which events are data events: all count as management events",
    "readonly": "which management events read: all count as writes",
    "resources": "which resources the events name: calls that only show them there stay unmapped",
    "recipientaccountid": "which copies are of other accounts' calls",
    "additionaleventdata": "which calls were presigned",
}
_TYPES = {"resources": "ARRAY(ROW(type VARCHAR, arn VARCHAR, accountid VARCHAR))"}
"""Of columns that are no text."""

_ACCOUNTS = frozenset({"account", "accountid", "account_id", "aws_account_id"})
_SORTED_FORMAT = re.compile(r"yyyy(?P<a>[/-]?)MM(?P=a)dd")


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition key. `projection` is its type there, "" without; `format` a date's, ``yyyy/MM/dd``."""

    name: str
    type: str
    projection: str = ""
    format: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of CloudTrail logs."""

    database: str
    name: str
    columns: frozenset[str]
    """Paths in lower case, ``useridentity.sessioncontext.sessionissuer.arn``; those inside of arrays are not told."""
    partitions: tuple[Partition, ...] = ()
    view: bool = False

    @property
    def sql(self) -> str:
        """The table's name in a query."""
        return f"{quote_identifier(self.database)}.{quote_identifier(self.name)}"

    @property
    def unknown(self) -> tuple[str, ...]:
        """What cannot be known, because the table lacks a column for it."""
        return tuple(
            f"table {escape_controls(self.name)} has no {path}, so it is not known {what}"
            for path, what in _UNKNOWN.items()
            if path not in self.columns
        )

    def column(self, path: str) -> str:
        """A column in a query, or NULL where the table lacks it."""
        if path not in self.columns:
            return f"CAST(NULL AS {_TYPES.get(path, 'VARCHAR')})"
        return ".".join(quote_identifier(part) if part == "timestamp" else part for part in path.split("."))

    def scope(self, first: str, last: str, account: str) -> tuple[str, ...]:
        """Conditions by which whole partitions are left out.

        Args:
            first, last: days of the window; "" for no bound.
            account: whose events are asked for; "" for all.

        Raises:
            UsageError: the table can only be asked for one account (PG-E523).
        """
        made = [self._account(key, account) for key in self.partitions if key.name in _ACCOUNTS]
        if first or last:
            end = (date.fromisoformat(last) + timedelta(days=LATE)).isoformat() if last else ""
            made += [_by_date(key, first, end) for key in self.partitions]
            made.append(self._by_month(first, end))
        return tuple(one for one in made if one)

    @property
    def dated(self) -> bool:
        """Whether a query can leave out days."""
        return any(_format_of(key) for key in self.partitions) or self._has_months

    @property
    def _has_months(self) -> bool:
        return {"year", "month", "day"} <= {key.name for key in self.partitions}

    def _account(self, key: Partition, account: str) -> str:
        if account:
            return f"{quote_identifier(key.name)} = {_value(key, account)}"
        if key.projection == "injected":
            raise UsageError(
                f"table {escape_controls(self.name)!r} can be asked for one account at a time only",
                "give the role's ARN, which names its account: --role arn:aws:iam::111122223333:role/NAME",
                code="PG-E523",
            )
        return ""

    def _by_month(self, first: str, end: str) -> str:
        """Partitions by year, month and day, whose numbers may or may not begin with 0."""
        if not (self._has_months and first and end):
            return ""
        keys = {key.name: key for key in self.partitions}
        start = date.fromisoformat(first)
        days = [start + timedelta(days=n) for n in range((date.fromisoformat(end) - start).days + 1)]
        months = [
            f"({_among(keys['year'], [year])} AND {_among(keys['month'], [month])}"
            f" AND {_among(keys['day'], [day.day for day in group])})"
            for (year, month), group in groupby(days, lambda day: (day.year, day.month))
        ]
        return f"({' OR '.join(months)})"


def read_table(database: str, described: Mapping[str, Any]) -> Table:
    """A table from Athena's TableMetadata.

    Raises:
        UsageError: it is no table of CloudTrail's logs (PG-E523).
    """
    name = str(described["Name"])
    parameters = described.get("Parameters") or {}
    keys = tuple(
        Partition(
            key["Name"].lower(),
            key.get("Type", "string").lower(),
            parameters.get(f"projection.{key['Name']}.type", ""),
            parameters.get(f"projection.{key['Name']}.format", ""),
        )
        for key in described.get("PartitionKeys") or ()
    )
    columns = {
        leaf
        for one in described.get("Columns") or ()
        for leaf in _leaves(one["Name"].lower(), one.get("Type", "").lower())
    }
    missing = [path for path in _NEEDED if path not in columns]
    if missing:
        raise UsageError(
            f"table {escape_controls(name)!r} is no table of CloudTrail's logs: it has no {', '.join(missing[:3])}",
            DDL_HINT,
            code="PG-E523",
        )
    return Table(database, name, frozenset(columns), keys, described.get("TableType") == "VIRTUAL_VIEW")


def quote_identifier(name: str) -> str:
    """An identifier of a query."""
    return '"{}"'.format(name.replace('"', '""'))


def literal(text: str) -> str:
    """A text of a query."""
    return "'{}'".format(text.replace("'", "''"))


def _leaves(name: str, kind: str) -> Iterator[str]:
    """The paths of a column and of all in it, by Hive's name of its type: ``struct<type:string,arn:string>``."""
    yield name
    # A view's types are Trino's: ``row(type varchar, arn varchar)``.
    if found := re.fullmatch(r"(?:struct<(.*)>|row\((.*)\))", kind, re.S):
        for member in _members(found[1] or found[2] or ""):
            inner, _, of = member.strip().partition(":" if found[1] else " ")
            yield from _leaves(f"{name}.{inner.strip().strip('`').strip(chr(34))}", of.strip())


def _members(text: str) -> Iterator[str]:
    depth, start = 0, 0
    for at, letter in enumerate(text):
        depth += (letter in "<(") - (letter in ">)")
        if letter == "," and not depth:
            yield text[start:at]
            start = at + 1
    yield text[start:]


def _format_of(key: Partition) -> str:
    """How a key writes a date, where later dates sort after earlier ones; "" where it is none."""
    if key.projection:
        return key.format if key.projection == "date" and _SORTED_FORMAT.fullmatch(key.format) else ""
    return "yyyy/MM/dd" if key.name == "timestamp" and key.type == "string" else ""


def _by_date(key: Partition, first: str, end: str) -> str:
    found = _SORTED_FORMAT.fullmatch(_format_of(key))
    if found is None:
        return ""
    name = quote_identifier(key.name)
    bounds = [(">=", first), ("<=", end)]
    return " AND ".join(
        f"{name} {sign} {literal(day.replace('-', found['a']))}" for sign, day in bounds if day
    )


def _among(key: Partition, numbers: list[int]) -> str:
    if key.type not in {"string", "varchar"}:
        return f"{quote_identifier(key.name)} IN ({', '.join(str(number) for number in numbers)})"
    texts = sorted({text for number in numbers for text in (f"{number:02}", str(number))})
    return f"{quote_identifier(key.name)} IN ({', '.join(map(literal, texts))})"


def _value(key: Partition, text: str) -> str:
    return literal(text) if key.type in {"string", "varchar"} or not text.isdigit() else str(int(text))
