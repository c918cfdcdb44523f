"""Statements for an event data store: a summary of all events, and the records of one role. Text in, text out.

The statements are flat: columns, conditions, sums. AWS's page does not specify more of Trino's SQL, and a statement has
at most 10,000 characters. Times are compared as in AWS's examples, and the store's id has no quotes.
Source: docs.aws.amazon.com/awscloudtrail/latest/userguide, pages query-supported-event-schemas and query-limitations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from policygen.logs.sources.athena.sql import CallsQuery, change_event_condition, role_condition
from policygen.logs.sources.athena.table import literal
from policygen.logs.sources.sql_rows import FILTER_COLUMNS, GROUPING_SETS, Column, Row

_FIELD = re.compile(r"\{([a-z_.]+)\}")
_TIME = "date_format({}, '%Y-%m-%dT%H:%i:%sZ')"
"""A timestamp as records write it, without fractions of a second."""

_ENDS = (("min", "first"), ("max", "last"))
_BY_KEY = {part.key: (number, part.columns) for number, part in enumerate(GROUPING_SETS)}
GROUPINGS_BY_STATEMENT = (("recipient",), ("day", "region", "reads"))
"""The keys of `GROUPING_SETS` that share a statement; their columns have few values."""


def lake_summary_sql(store: str, query: CallsQuery, keys: Sequence[str]) -> str:
    """Return the statement that counts all events, of the role's account where it is known.

    Args:
        store: id of the event data store.
        query: the account and the window.
        keys: of the `GROUPING_SETS` whose columns the events are grouped by.
    """
    columns = _columns(keys)
    # Results may write NULL in different ways, so it becomes "".
    named = [
        f"coalesce(CAST({_to_lake_sql(column.sql)} AS varchar), '') AS {column.name}" for column in columns
    ]
    named.append("count(*) AS events")
    named += [f"{_TIME.format(f'{end}(eventtime)')} AS {name}" for end, name in _ENDS]
    lines = [
        f"SELECT {', '.join(named)}",
        f"FROM {store}",
        *_where([*_time_conditions(query), *_account_condition(query)]),
        f"GROUP BY {', '.join(str(number + 1) for number in range(len(columns)))}",
    ]
    return "\n".join(lines)


def records_sql(store: str, query: CallsQuery, role_ids: Sequence[str] = ()) -> str:
    """Return the statement for whole records: those of the role, and those of changes to logging and to deployments.

    Args:
        store: id of the event data store.
        query: the role and the window.
        role_ids: if given, select the copies that other accounts received of calls of these roles instead (1.4.3).
    """
    wanted = f"({role_condition(query)} OR {change_event_condition()})"
    if role_ids:
        ids = ", ".join(map(literal, role_ids))
        named = f"split_part({{useridentity.principalid}}, ':', 1) IN ({ids})"
        wanted = f"({named} AND NOT coalesce({role_condition(query)}, FALSE))"
    lines = [
        "SELECT coalesce(eventjson, '') AS eventjson",
        f"FROM {store}",
        *_where([*_time_conditions(query), _to_lake_sql(wanted)]),
    ]
    return "\n".join(lines)


def _columns(keys: Sequence[str]) -> list[Column]:
    return [*FILTER_COLUMNS, *(column for key in keys for column in _BY_KEY[key][1])]


def _to_lake_sql(sql: str) -> str:
    """Return Athena's SQL with the columns of a store; only the time differs."""
    return _FIELD.sub(lambda match: _TIME.format("eventtime") if match[1] == "eventtime" else match[1], sql)


def _time_conditions(query: CallsQuery) -> Iterator[str]:
    """Yield conditions in the form that AWS documents: the store then skips all events outside the window."""
    if query.first:
        yield f"eventtime >= {literal(f'{query.first} 00:00:00')}"
    if query.until and query.until.instant:
        yield f"eventtime <= {literal(query.until.instant.replace('T', ' ').rstrip('Z'))}"
    elif query.until:
        after = query.until.day + timedelta(days=1)
        yield f"eventtime < {literal(f'{after} 00:00:00')}"


def _account_condition(query: CallsQuery) -> Iterator[str]:
    """Yield the condition for events that the account received, as its folder of a bucket has them."""
    if query.account:
        account = literal(query.account)
        yield f"coalesce(recipientaccountid, {account}) = {account}"


def _where(conditions: Sequence[str]) -> list[str]:
    return [f"WHERE {' AND '.join(conditions)}"] if conditions else []


def summary_rows(keys: Sequence[str], rows: Iterable[Row]) -> Iterator[Row]:
    """Yield rows of a summary in the form of `load_summary`: one for each grouping, with None for an empty text."""
    for row in rows:
        values = {name: value or None for name, value in row.items()}
        # The role's records say who else received a call; a copy of another caller's call adds nothing about its role.
        values |= {"copies": values["events"], "late": "false", "copied": "true"}
        for key in keys:
            yield values | {"part": str(_BY_KEY[key][0])}
