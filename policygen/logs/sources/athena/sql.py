"""Athena's SQL: a summary of all events, and the counted events of one role. Text in, text out.

Both queries read the log once. An event that was delivered twice is counted once (2.1.7), with the file that comes
first in the bucket, as when files are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from policygen.catalog.projection import projection
from policygen.logs.calls.evidence import SAMPLES
from policygen.logs.calls.totals import CHANGE_EVENTS
from policygen.logs.sources.athena.table import Table, literal
from policygen.logs.sources.sql_rows import (
    CALL_COLUMNS,
    EVENT_TIME,
    FILTER_COLUMNS,
    GROUPING_SETS,
    IS_TIME,
    SESSION,
    SUMMARY_COLUMNS,
)
from policygen.logs.window_end import WindowEnd

MAX_QUERY_BYTES = 262_144
"""Bytes of the longest query (https://docs.aws.amazon.com/athena/latest/ug/service-limits.html)."""

_FIELD = re.compile(r"\{([a-z_.]+)\}")
_ROLE_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)


class CallsQuery(NamedTuple):
    """Which events a query is about."""

    role: str = ""
    """The role's name; "" for no role."""
    account: str = ""
    """The account of the events; "" for all."""
    first: str = ""
    """First day; "" for all."""
    until: WindowEnd | None = None
    """None for all."""


def summary_sql(table: Table, query: CallsQuery) -> str:
    """Return the query for everything but calls: `SUMMARY_COLUMNS` grouped by each of `GROUPING_SETS`."""
    keys = [part.key for part in GROUPING_SETS]
    # grouping() has a bit for each key, the first the highest; the bit is set where the key is not grouped by.
    every = (1 << len(keys)) - 1
    numbers = " ".join(
        f"WHEN {every - (1 << (len(keys) - 1 - number))} THEN {number}" for number in range(len(keys))
    )
    filter_columns = [*(column.name for column in FILTER_COLUMNS), "late"]
    sets = [
        f"({', '.join([*filter_columns, *(column.name for column in part.columns), *['copied'] * (number == 0)])})"
        for number, part in enumerate(GROUPING_SETS)
    ]
    names = [column.name for column in SUMMARY_COLUMNS]
    wanted = f"({role_condition(query)} OR {{useridentity.type}} = 'AWSAccount')" if query.role else "FALSE"
    columns = [
        (column.name, column.sql.replace("{wanted}", wanted).replace("{noted}", change_event_condition()))
        for column in SUMMARY_COLUMNS
    ]
    columns.append(("late", _late_condition(query)))
    return _with_columns(
        _deduplicated(table, query, columns, where=()),
        f"SELECT CASE grouping({', '.join(keys)}) {numbers} END AS part,",
        f"  {', '.join([*names, 'late', 'copied'])},",
        "  count(*) AS events, sum(copies) AS copies, min(time) AS first, max(time) AS last",
        "FROM once",
        f"GROUP BY GROUPING SETS (\n  {(',' + chr(10) + '  ').join(sets)}\n)",
        table=table,
    )


def calls_sql(
    table: Table, query: CallsQuery, pairs: Iterable[tuple[str, str]], role_ids: Iterable[str] = ()
) -> str:
    """Return the query for one role's events, counted by `CALL_COLUMNS`.

    Args:
        table: of the log.
        query: the role and the window.
        pairs: (eventSource, eventName) of its calls, whose parameters are reduced to those that identify a call.
        role_ids: ids of the role, by which other accounts' copies name it (1.4.3).
    """
    ids = ", ".join(map(literal, sorted(role_ids)))
    foreign = (
        f" OR split_part({{useridentity.principalid}}, ':', 1) IN ({ids})"
        f" OR {{useridentity.sessioncontext.sessionissuer.principalid}} IN ({ids})"
        if ids
        else ""
    )
    columns = [(column.name, column.sql) for column in CALL_COLUMNS]
    columns += [("session_name", SESSION), ("address", "{sourceipaddress}")]
    names = ", ".join([*(column.name for column in CALL_COLUMNS if column.name != "parameters"), "copied"])
    parts = [
        _deduplicated(
            table,
            query,
            columns,
            where=[f"({role_condition(query)}{foreign})", IS_TIME, f"NOT ({_late_condition(query)})"],
        )
        + ",",
        "cut AS (",
        f"  SELECT {names}, session_name, address, time, id,",
        "{cut} AS parameters",
        "  FROM once{join}",
        ")",
        f"SELECT {names}, parameters,",
        "  count(*) AS events, min(time) AS first, max(time) AS last,",
        f"  json_format(CAST(min(concat(time, ' ', id), {SAMPLES}) AS JSON)) AS samples,",
        f"  {_first_values('session_name')} AS sessions,",
        f"  {_first_values('address')} AS addresses",
        "FROM cut",
        f"GROUP BY {names}, parameters",
    ]
    text = _with_columns(*parts, table=table)
    rows = list(
        _rows_that_fit(
            (_parameters_row(*pair) for pair in pairs), MAX_QUERY_BYTES - len(text.encode()) - 2048
        )
    )
    cut, join = (_CUT, _JOIN.format(",\n    ".join(rows))) if rows else ("    parameters", "")
    return text.replace("{cut}", cut).replace("{join}", join)


# ---- events ---------------------------------------------------------------------------------------------

_ROLE_ACCOUNT = (
    "coalesce(nullif({useridentity.sessioncontext.sessionissuer.accountid}, ''),"
    " nullif({useridentity.accountid}, ''), '')"
)
# The caller's own copy of a call, by the account that received it (1.4.4), as `principal.principal_of` decides.
_OWN_COPY = (
    "coalesce({useridentity.type} IN ('AssumedRole', 'Role') AND nullif({sharedeventid}, '') IS NOT NULL"
    f" AND (coalesce({{recipientaccountid}}, '') IN ('', {_ROLE_ACCOUNT}) OR {_ROLE_ACCOUNT} = ''), FALSE)"
)
# What identifies a record, as in `dedup.key_of`: its id and what is read of it.
_EVENT = "concat_ws(chr(31), {})".format(
    ", ".join(
        f"coalesce({one}, '')"
        for one in (
            "{eventid}",
            "{eventtime}",
            "{eventsource}",
            "{eventname}",
            "{awsregion}",
            "{eventtype}",
            "{eventcategory}",
            "{useridentity.type}",
            "{useridentity.principalid}",
            "{useridentity.arn}",
            "{useridentity.accountid}",
            "{useridentity.invokedby}",
            "{useridentity.sessioncontext.sessionissuer.arn}",
            "{useridentity.sessioncontext.sessionissuer.principalid}",
            "{sourceipaddress}",
            "{useragent}",
            "{errorcode}",
            "{errormessage}",
            "{requestparameters}",
            "{additionaleventdata}",
            "{recipientaccountid}",
            "{sharedeventid}",
            "{vpcendpointid}",
            "json_format(CAST(transform({resources}, r -> ARRAY[r.type, r.arn, r.accountid]) AS JSON))",
        )
    )
)


def _deduplicated(
    table: Table, query: CallsQuery, columns: Sequence[tuple[str, str]], where: Sequence[str]
) -> str:
    """Return subqueries of the log's events, each once, with whether the caller's own copy was delivered too."""
    day = query.until.day.isoformat() if query.until else ""
    conditions = [*table.partition_conditions(query.first, day, query.account), *where]
    if query.first:
        # A time that SQL cannot compare may lie in the window.
        conditions.append(f"({{eventtime}} >= {literal(query.first)} OR NOT {IS_TIME})")
    # A view has no files, so any of the copies is taken.
    order = "" if table.view else ' ORDER BY "$path"'
    selected = [f"{sql} AS {name}" for name, sql in columns]
    selected += [
        f"{EVENT_TIME} AS time",
        "coalesce({eventid}, '') AS id",
        f"{_OWN_COPY} AS own",
        "coalesce(nullif({sharedeventid}, ''), {eventid}) AS shared",
        f"row_number() OVER (PARTITION BY {_EVENT}{order}) AS copy",
        f"count(*) OVER (PARTITION BY {_EVENT}) AS copies",
    ]
    listed = ",\n    ".join(selected)
    where_ = f"\n  WHERE {' AND '.join(conditions)}" if conditions else ""
    # Names are quoted and texts are literals: see `table`.
    return (
        f"WITH delivered AS (\n  SELECT\n    {listed}\n  FROM {table.sql}{where_}\n),\n"  # noqa: S608
        "once AS (\n  SELECT *, bool_or(own) OVER (PARTITION BY shared) AS copied\n"
        "  FROM delivered\n  WHERE copy = 1\n)"
    )


def role_condition(query: CallsQuery) -> str:
    """Return the condition for events of roles with this name; Python decides which of these roles is meant."""
    if not _ROLE_NAME.fullmatch(query.role):
        return "FALSE"  # no role has such a name
    name = literal(query.role.lower())
    issuer = "{useridentity.sessioncontext.sessionissuer."
    named = (
        f"lower({issuer}username}}) = {name}"
        f" OR lower(regexp_extract({issuer}arn}}, '[^/]+$')) = {name}"
        f" OR lower(split_part({{useridentity.arn}}, '/', 2)) = {name}"
    )
    if not query.account:
        return f"({named})"
    account = literal(query.account)
    return f"(({named}) AND ({issuer}accountid}} = {account} OR {{useridentity.accountid}} = {account}))"


def _late_condition(query: CallsQuery) -> str:
    """Return the condition for events after the window, as `CallCounts` decides it."""
    if query.until is None:
        return "FALSE"
    end = query.until.text
    return f"({IS_TIME} AND substr({EVENT_TIME}, 1, {len(end)}) > {literal(end)})"


def change_event_condition() -> str:
    """Return the condition for events of any caller that change the evidence itself (`CHANGE_EVENTS`)."""
    return " OR ".join(
        f"({{eventsource}} = {literal(source)} AND regexp_like({{eventname}}, {literal(f'^({names})$')}))"
        for source, names in CHANGE_EVENTS.items()
    )


def _first_values(name: str) -> str:
    return (
        f"json_format(CAST(slice(array_sort(array_agg(DISTINCT {name}) FILTER (WHERE {name} <> '')),"
        f" 1, {SAMPLES}) AS JSON))"
    )


# ---- parameters -----------------------------------------------------------------------------------------

# Keep the members of a request that `projection.project` may read: members with the names that it reads, or with
# similar names; objects, if it looks for these names one level deeper; and members that contain an ARN. Parameters that
# are not an object, and those of events that are not listed, stay whole.
_NORMALISED_KEY = "regexp_replace(lower(k), '[^a-z0-9]', '')"
_CUT = f"""\
    CASE WHEN kept.members IS NULL THEN parameters ELSE coalesce(json_format(CAST(map_filter(
      TRY(CAST(json_parse(parameters) AS MAP(VARCHAR, JSON))),
      (k, v) -> contains(kept.members, lower(k))
        OR contains(kept.likes, {_NORMALISED_KEY})
        OR contains(kept.likes, regexp_replace({_NORMALISED_KEY}, 's$', ''))
        OR (kept.deep AND starts_with(json_format(v), '{{'))
        OR (kept.arns AND (strpos(json_format(v), '"arn:') > 0 OR starts_with(k, 'arn:')))
    ) AS JSON)), parameters) END"""
_JOIN = """
  LEFT JOIN (VALUES
    {}
  ) AS kept (event_source, event_name, members, likes, deep, arns)
    ON kept.event_source = source AND kept.event_name = name"""


def _parameters_row(source: str, name: str) -> str:
    """Return the row that says which parameters of an event to keep; "" if any of them may be needed."""
    wanted = projection(source, name)
    if "*" in wanted.members or "*" in wanted.role_members:
        return ""
    deep = bool(wanted.scalar_names or wanted.role_members)
    arns = bool(wanted.any_arn or wanted.role_members)
    members = {*wanted.members, *wanted.role_members}
    return (
        f"({literal(source)}, {literal(name)}, {_array(members)}, {_array(wanted.scalar_names)},"
        f" {str(deep).upper()}, {str(arns).upper()})"
    )


def _array(texts: Iterable[str]) -> str:
    return f"CAST(ARRAY[{', '.join(map(literal, sorted(texts)))}] AS ARRAY(VARCHAR))"


def _rows_that_fit(rows: Iterable[str], room: int) -> Iterable[str]:
    """Yield as many rows as the query has room for; the parameters of an event without a row stay whole."""
    for row in rows:
        if not row:
            continue
        room -= len(row.encode()) + 6  # and the separator
        if room < 0:
            return
        yield row


def _with_columns(*lines: str, table: Table) -> str:
    return _FIELD.sub(
        lambda match: match.group() if match[1] in {"cut", "join"} else table.column(match[1]),
        "\n".join(lines),
    )
