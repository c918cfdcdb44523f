"""Statements for an event data store: a survey of all events, and the records of one role. Text in, text out.

They are flat: columns, conditions, sums. Of the rest of Trino's SQL AWS's page only says that it is supported, and a
statement has at most 10,000 characters. Times are compared as AWS compares them, and the store's id stands without
quotes.
Source: docs.aws.amazon.com/awscloudtrail/latest/userguide, pages query-supported-event-schemas and query-limitations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from policygen.logs.sources.athena.sql import CallsQuery, noted, of_role
from policygen.logs.sources.athena.table import literal
from policygen.logs.sources.sql_rows import FILTER_COLUMNS, GROUPING_SETS, Column, Row

_FIELD = re.compile(r"\{([a-z_.]+)\}")
_TIME = "date_format({}, '%Y-%m-%dT%H:%i:%sZ')"
"""A timestamp as records write it: they have no parts of a second."""

_ENDS = (("min", "first"), ("max", "last"))
_BY_MARK = {part.key: (number, part.columns) for number, part in enumerate(GROUPING_SETS)}
SURVEYS = (("recipient",), ("day", "region", "reads"))
"""Parts of `reduction.PARTS` that are asked for together: their columns have few values."""


def survey_queries(store: str, asked: CallsQuery, marks: Sequence[str]) -> str:
    """The statement that adds everybody's events up, of the role's account where it is known.

    Args:
        store: id of the event data store.
        asked: whose events, and of when.
        marks: of parts of `reduction.PARTS`, whose columns the events are added up by.
    """
    columns = _columns(marks)
    # NULL is "", whatever a result writes for it.
    named = [f"coalesce(CAST({_said(one.sql)} AS varchar), '') AS {one.name}" for one in columns]
    named.append("count(*) AS events")
    named += [f"{_TIME.format(f'{end}(eventtime)')} AS {name}" for end, name in _ENDS]
    lines = [
        f"SELECT {', '.join(named)}",
        f"FROM {store}",
        *_where([*_window(asked), *_account(asked)]),
        f"GROUP BY {', '.join(str(number + 1) for number in range(len(columns)))}",
    ]
    return "\n".join(lines)


def records_sql(store: str, asked: CallsQuery, role_ids: Sequence[str] = ()) -> str:
    """The statement for whole records: those of the role, and notices of what was logged and deployed.

    Args:
        store: id of the event data store.
        asked: whose records, and of when.
        role_ids: ask for the copies that other accounts received of calls of these roles instead (1.4.3).
    """
    wanted = f"({of_role(asked)} OR {noted()})"
    if role_ids:
        ids = ", ".join(map(literal, role_ids))
        named = f"split_part({{useridentity.principalid}}, ':', 1) IN ({ids})"
        wanted = f"({named} AND NOT coalesce({of_role(asked)}, FALSE))"
    lines = [
        "SELECT coalesce(eventjson, '') AS eventjson",
        f"FROM {store}",
        *_where([*_window(asked), _said(wanted)]),
    ]
    return "\n".join(lines)


def _columns(marks: Sequence[str]) -> list[Column]:
    return [*FILTER_COLUMNS, *(column for mark in marks for column in _BY_MARK[mark][1])]


def _said(sql: str) -> str:
    """Athena's SQL over the columns of a store, which differ in the time alone."""
    return _FIELD.sub(lambda found: _TIME.format("eventtime") if found[1] == "eventtime" else found[1], sql)


def _window(asked: CallsQuery) -> Iterator[str]:
    """As AWS writes it: a store leaves out what lies outside, and reads the rest."""
    if asked.first:
        yield f"eventtime >= {literal(f'{asked.first} 00:00:00')}"
    if asked.until and asked.until.instant:
        yield f"eventtime <= {literal(asked.until.instant.replace('T', ' ').rstrip('Z'))}"
    elif asked.until:
        after = asked.until.day + timedelta(days=1)
        yield f"eventtime < {literal(f'{after} 00:00:00')}"


def _account(asked: CallsQuery) -> Iterator[str]:
    """What the account received, as its folder of a bucket holds it."""
    if asked.account:
        account = literal(asked.account)
        yield f"coalesce(recipientaccountid, {account}) = {account}"


def _where(conditions: Sequence[str]) -> list[str]:
    return [f"WHERE {' AND '.join(conditions)}"] if conditions else []


def survey_rows(marks: Sequence[str], rows: Iterable[Row]) -> Iterator[Row]:
    """Rows of a survey as `reduction.note_survey` takes them: one for each part, None where a text is empty."""
    for row in rows:
        found = {name: value or None for name, value in row.items()}
        # Who else received a call is found out from its records; a copy of somebody's says no more of its role.
        found |= {"copies": found["events"], "late": "false", "copied": "true"}
        for mark in marks:
            yield found | {"part": str(_BY_MARK[mark][0])}
