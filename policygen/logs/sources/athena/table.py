"""A CloudTrail table as Athena describes it: which columns it has, and which partitions a query can skip."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from itertools import groupby
from typing import Any

import msgspec

from policygen.errors import UsageError
from policygen.text import escape_controls

LATE_DAYS = 2
"""Days after its own on which an event may be delivered; partitions are by day of delivery (2.1.2)."""

DDL_HINT = "the statement that makes one is printed by: policygen athena ddl --help"

_REQUIRED_COLUMNS = (
    "eventtime", "eventsource", "eventname", "eventid", "awsregion", "requestparameters", "errorcode",
    "useridentity.type", "useridentity.principalid", "useridentity.arn", "useridentity.accountid",
    "useridentity.sessioncontext.sessionissuer.arn",
)  # fmt: skip
"""Calls cannot be told apart without these columns. Every DDL that AWS published has them."""

# What is unknown without a column (2.5.2); columns that only make a result more precise are not listed.
_UNKNOWN_WITHOUT = {
    "useridentity.inscopeof.credentialsissuedto": "which function used the role",
    "useridentity.sessioncontext.sourceidentity": "which source identities persist where a role assumes another",
    "sharedeventid": "which calls were logged in two accounts: such calls count twice",
    "vpcendpointid": "which calls came through a VPC endpoint",
    "eventcategory": "which events are data events: all count as management events",
    "readonly": "which management events read: all count as writes",
    "resources": "which resources the events name: calls that only show them there stay unmapped",
    "recipientaccountid": "which copies are of other accounts' calls",
    "additionaleventdata": "which calls were presigned",
}
_TYPES = {"resources": "ARRAY(ROW(type VARCHAR, arn VARCHAR, accountid VARCHAR))"}
"""The types of columns that are not text."""

_ACCOUNTS = frozenset({"account", "accountid", "account_id", "aws_account_id"})
_SORTED_FORMAT = re.compile(r"yyyy(?P<a>[/-]?)MM(?P=a)dd")


class Partition(msgspec.Struct, frozen=True):
    """A partition key. `projection` is its projected type, or ""; `format` is that of a date, ``yyyy/MM/dd``."""

    name: str
    type: str
    projection: str = ""
    format: str = ""


class Table(msgspec.Struct, frozen=True):
    """A table of CloudTrail logs."""

    database: str
    name: str
    columns: frozenset[str]
    """Paths in lower case, ``useridentity.sessioncontext.sessionissuer.arn``, without those inside arrays."""
    partitions: tuple[Partition, ...] = ()
    view: bool = False

    @property
    def sql(self) -> str:
        """The table's name in a query."""
        return f"{quote_identifier(self.database)}.{quote_identifier(self.name)}"

    @property
    def unknowns(self) -> tuple[str, ...]:
        """What cannot be known because the table lacks a column."""
        return tuple(
            f"table {escape_controls(self.name)} has no {path}, so it is not known {what}"
            for path, what in _UNKNOWN_WITHOUT.items()
            if path not in self.columns
        )

    def column(self, path: str) -> str:
        """Return a column in a query, or NULL where the table lacks it."""
        if path not in self.columns:
            return f"CAST(NULL AS {_TYPES.get(path, 'VARCHAR')})"
        return ".".join(quote_identifier(part) if part == "timestamp" else part for part in path.split("."))

    def partition_conditions(self, first: str, last: str, account: str) -> tuple[str, ...]:
        """Return the conditions that let a query skip whole partitions.

        Args:
            first, last: days of the window; "" for no bound.
            account: the account of the events; "" for all.

        Raises:
            UsageError: the table can only be queried for one account (PG-E523).
        """
        conditions = [
            self._account_condition(key, account) for key in self.partitions if key.name in _ACCOUNTS
        ]
        if first or last:
            end = (date.fromisoformat(last) + timedelta(days=LATE_DAYS)).isoformat() if last else ""
            conditions += [_date_condition(key, first, end) for key in self.partitions]
            conditions.append(self._month_condition(first, end))
        return tuple(condition for condition in conditions if condition)

    @property
    def has_day_partitions(self) -> bool:
        """Whether a query can skip days."""
        return any(_date_format(key) for key in self.partitions) or self._has_month_partitions

    @property
    def _has_month_partitions(self) -> bool:
        return {"year", "month", "day"} <= {key.name for key in self.partitions}

    def _account_condition(self, key: Partition, account: str) -> str:
        if account:
            return f"{quote_identifier(key.name)} = {_value(key, account)}"
        if key.projection == "injected":
            raise UsageError(
                f"table {escape_controls(self.name)!r} can be queried for one account at a time only",
                "give the role's ARN, which names its account: --role arn:aws:iam::111122223333:role/NAME",
                code="PG-E523",
            )
        return ""

    def _month_condition(self, first: str, end: str) -> str:
        """Return the condition on partitions by year, month and day, whose numbers may or may not begin with 0."""
        if not (self._has_month_partitions and first and end):
            return ""
        keys = {key.name: key for key in self.partitions}
        start = date.fromisoformat(first)
        days = [start + timedelta(days=n) for n in range((date.fromisoformat(end) - start).days + 1)]
        months = [
            f"({_in_list(keys['year'], [year])} AND {_in_list(keys['month'], [month])}"
            f" AND {_in_list(keys['day'], [day.day for day in group])})"
            for (year, month), group in groupby(days, lambda day: (day.year, day.month))
        ]
        return f"({' OR '.join(months)})"


def read_table(database: str, described: Mapping[str, Any]) -> Table:
    """Parse Athena's TableMetadata.

    Raises:
        UsageError: it is not a table of CloudTrail logs (PG-E523).
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
        for column in described.get("Columns") or ()
        for leaf in _leaf_paths(column["Name"].lower(), column.get("Type", "").lower())
    }
    missing = [path for path in _REQUIRED_COLUMNS if path not in columns]
    if missing:
        raise UsageError(
            f"table {escape_controls(name)!r} is not a table of CloudTrail logs: it has no {', '.join(missing[:3])}",
            DDL_HINT,
            code="PG-E523",
        )
    return Table(database, name, frozenset(columns), keys, described.get("TableType") == "VIRTUAL_VIEW")


def quote_identifier(name: str) -> str:
    """Return an identifier of a query."""
    return '"{}"'.format(name.replace('"', '""'))


def literal(text: str) -> str:
    """Return a text literal of a query."""
    return "'{}'".format(text.replace("'", "''"))


def _leaf_paths(name: str, kind: str) -> Iterator[str]:
    """Yield the paths of a column and of all its fields, by Hive's type: ``struct<type:string,arn:string>``."""
    yield name
    # A view has Trino's types: ``row(type varchar, arn varchar)``.
    if match := re.fullmatch(r"(?:struct<(.*)>|row\((.*)\))", kind, re.S):
        for member in _members(match[1] or match[2] or ""):
            inner, _, of = member.strip().partition(":" if match[1] else " ")
            yield from _leaf_paths(f"{name}.{inner.strip().strip('`').strip(chr(34))}", of.strip())


def _members(text: str) -> Iterator[str]:
    depth, start = 0, 0
    for at, letter in enumerate(text):
        depth += (letter in "<(") - (letter in ">)")
        if letter == "," and not depth:
            yield text[start:at]
            start = at + 1
    yield text[start:]


def _date_format(key: Partition) -> str:
    """Return how a key writes dates, if text order is date order; "" for a key that is no such date."""
    if key.projection:
        return key.format if key.projection == "date" and _SORTED_FORMAT.fullmatch(key.format) else ""
    return "yyyy/MM/dd" if key.name == "timestamp" and key.type == "string" else ""


def _date_condition(key: Partition, first: str, end: str) -> str:
    match = _SORTED_FORMAT.fullmatch(_date_format(key))
    if match is None:
        return ""
    name = quote_identifier(key.name)
    bounds = [(">=", first), ("<=", end)]
    return " AND ".join(
        f"{name} {sign} {literal(day.replace('-', match['a']))}" for sign, day in bounds if day
    )


def _in_list(key: Partition, numbers: list[int]) -> str:
    if key.type not in {"string", "varchar"}:
        return f"{quote_identifier(key.name)} IN ({', '.join(str(number) for number in numbers)})"
    texts = sorted({text for number in numbers for text in (f"{number:02}", str(number))})
    return f"{quote_identifier(key.name)} IN ({', '.join(map(literal, texts))})"


def _value(key: Partition, text: str) -> str:
    return literal(text) if key.type in {"string", "varchar"} or not text.isdigit() else str(int(text))
