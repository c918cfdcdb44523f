"""The reduction in Athena's SQL: a survey of all events, and one role's events added up. Text in, text out.

Both read the log once. An event that was delivered twice is one event (2.1.7), and the one whose file comes first in
the bucket, as when files are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from policygen.catalog.projection import projection
from policygen.logs.calls.counts import CHANGE_EVENTS
from policygen.logs.calls.evidence import SAMPLES
from policygen.logs.sources.athena.table import Table, literal
from policygen.logs.sources.sql_rows import (
    CALL_COLUMNS,
    FILTER_COLUMNS,
    GROUPING_SETS,
    SESSION,
    SURVEY_COLUMNS,
)

LONGEST = 262_144
"""Bytes of the longest query (https://docs.aws.amazon.com/athena/latest/ug/service-limits.html)."""

_FIELD = re.compile(r"\{([a-z_.]+)\}")
_ROLE_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)


class CallsQuery(NamedTuple):
    """What is asked of the log."""

    role: str = ""
    """The role's name; "" for nobody's calls."""
    account: str = ""
    """Whose events; "" for all."""
    first: str = ""
    """First day; "" for all."""
    until: str = ""
    """Last day or time; "" for all."""


def survey_sql(table: Table, asked: CallsQuery) -> str:
    """The query for everything but calls: `reduction.SURVEY_COLUMNS` grouped by each of `reduction.PARTS`."""
    marks = [part.mark for part in GROUPING_SETS]
    # grouping() has a bit for each mark, the first the highest, set where the mark is not grouped by.
    every = (1 << len(marks)) - 1
    numbers = " ".join(
        f"WHEN {every - (1 << (len(marks) - 1 - number))} THEN {number}" for number in range(len(marks))
    )
    judged = [*(column.name for column in FILTER_COLUMNS), "late"]
    sets = [
        f"({', '.join([*judged, *(column.name for column in part.columns), *['copied'] * (number == 0)])})"
        for number, part in enumerate(GROUPING_SETS)
    ]
    names = [column.name for column in SURVEY_COLUMNS]
    wanted = f"({of_role(asked)} OR {{useridentity.type}} = 'AWSAccount')" if asked.role else "FALSE"
    columns = [
        (column.name, column.sql.replace("{wanted}", wanted).replace("{noted}", noted()))
        for column in SURVEY_COLUMNS
    ]
    columns.append(("late", _late(asked)))
    return _lines(
        _once(table, asked, columns, where=()),
        f"SELECT CASE grouping({', '.join(marks)}) {numbers} END AS part,",
        f"  {', '.join([*names, 'late', 'copied'])},",
        "  count(*) AS events, sum(copies) AS copies, min(time) AS first, max(time) AS last",
        "FROM once",
        f"GROUP BY GROUPING SETS (\n  {(',' + chr(10) + '  ').join(sets)}\n)",
        table=table,
    )


def calls_sql(
    table: Table, asked: CallsQuery, pairs: Iterable[tuple[str, str]], role_ids: Iterable[str] = ()
) -> str:
    """The query for one role's events, added up by `reduction.CALL_COLUMNS`.

    Args:
        table: of the log.
        asked: whose events.
        pairs: (eventSource, eventName) of its calls: of these the parameters are cut down to what identifies a call.
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
    query = [
        _once(table, asked, columns, where=[f"({of_role(asked)}{foreign})", f"NOT ({_late(asked)})"]) + ",",
        "cut AS (",
        f"  SELECT {names}, session_name, address, time, id,",
        "{cut} AS parameters",
        "  FROM once{join}",
        ")",
        f"SELECT {names}, parameters,",
        "  count(*) AS events, min(time) AS first, max(time) AS last,",
        f"  json_format(CAST(min(concat(time, ' ', id), {SAMPLES}) AS JSON)) AS samples,",
        f"  {_smallest('session_name')} AS sessions,",
        f"  {_smallest('address')} AS addresses",
        "FROM cut",
        f"GROUP BY {names}, parameters",
    ]
    text = _lines(*query, table=table)
    kept = list(_fitting((_kept(*pair) for pair in pairs), LONGEST - len(text.encode()) - 2048))
    cut, join = (_CUT, _JOIN.format(",\n    ".join(kept))) if kept else ("    parameters", "")
    return text.replace("{cut}", cut).replace("{join}", join)


# ---- events ---------------------------------------------------------------------------------------------

_ROLE_ACCOUNT = (
    "coalesce(nullif({useridentity.sessioncontext.sessionissuer.accountid}, ''),"
    " nullif({useridentity.accountid}, ''), '')"
)
# The caller's own copy of a call, by the account that received it (1.4.4), as `events.principal_of` judges.
_OWN_COPY = (
    "coalesce({useridentity.type} IN ('AssumedRole', 'Role') AND nullif({sharedeventid}, '') IS NOT NULL"
    f" AND (coalesce({{recipientaccountid}}, '') IN ('', {_ROLE_ACCOUNT}) OR {_ROLE_ACCOUNT} = ''), FALSE)"
)
_EVENT = (
    "coalesce(nullif({eventid}, ''), concat_ws(chr(31), {eventtime}, {eventsource}, {eventname}, {awsregion},"
    " {useridentity.principalid}, {sourceipaddress}, {useragent}, {errorcode}, {requestparameters}))"
)


def _once(table: Table, asked: CallsQuery, columns: Sequence[tuple[str, str]], where: Sequence[str]) -> str:
    """The events of the log, each once, and whether the caller's own copy of each was delivered too."""
    day = asked.until[:10]
    conditions = [*table.scope(asked.first, day, asked.account), *where]
    if asked.first:
        conditions.append(f"{{eventtime}} >= {literal(asked.first)}")
    # A view knows no files; then any of the copies is taken.
    order = "" if table.view else ' ORDER BY "$path"'
    made = [f"{sql} AS {name}" for name, sql in columns]
    made += [
        "{eventtime} AS time",
        "coalesce({eventid}, '') AS id",
        f"{_OWN_COPY} AS own",
        "coalesce(nullif({sharedeventid}, ''), {eventid}) AS shared",
        f"row_number() OVER (PARTITION BY {_EVENT}{order}) AS copy",
        f"count(*) OVER (PARTITION BY {_EVENT}) AS copies",
    ]
    listed = ",\n    ".join(made)
    where_ = f"\n  WHERE {' AND '.join(conditions)}" if conditions else ""
    # Names are quoted, texts are literals: see `table`.
    return (
        f"WITH delivered AS (\n  SELECT\n    {listed}\n  FROM {table.sql}{where_}\n),\n"  # noqa: S608
        "once AS (\n  SELECT *, bool_or(own) OVER (PARTITION BY shared) AS copied\n"
        "  FROM delivered\n  WHERE copy = 1\n)"
    )


def of_role(asked: CallsQuery) -> str:
    """Events of a role of this name; which role is meant is decided in Python."""
    if not _ROLE_NAME.fullmatch(asked.role):
        return "FALSE"  # no role is called so
    name = literal(asked.role.lower())
    issuer = "{useridentity.sessioncontext.sessionissuer."
    named = (
        f"lower({issuer}username}}) = {name}"
        f" OR lower(regexp_extract({issuer}arn}}, '[^/]+$')) = {name}"
        f" OR lower(split_part({{useridentity.arn}}, '/', 2)) = {name}"
    )
    if not asked.account:
        return f"({named})"
    account = literal(asked.account)
    return f"(({named}) AND ({issuer}accountid}} = {account} OR {{useridentity.accountid}} = {account}))"


def _late(asked: CallsQuery) -> str:
    """As `Ledger.add` judges."""
    if not asked.until:
        return "FALSE"
    return f"substr({{eventtime}}, 1, {len(asked.until)}) > {literal(asked.until)}"


def noted() -> str:
    """Events of any caller that say something about the evidence itself (`ledger.NOTED`)."""
    return " OR ".join(
        f"({{eventsource}} = {literal(source)}"
        f" AND regexp_like({{eventname}}, {literal(f'^({names.pattern})$')}))"
        for source, names in CHANGE_EVENTS.items()
    )


def _smallest(name: str) -> str:
    return (
        f"json_format(CAST(slice(array_sort(array_agg(DISTINCT {name}) FILTER (WHERE {name} <> '')),"
        f" 1, {SAMPLES}) AS JSON))"
    )


# ---- parameters -----------------------------------------------------------------------------------------

# Of each request, the members that `projection.project` may look into: by their names, by names like those it looks
# for, objects where it looks for these one level deeper, and whatever holds an ARN. What is no object stays whole, and
# so do the parameters of events that are not listed.
_LIKE = "regexp_replace(lower(k), '[^a-z0-9]', '')"
_CUT = f"""\
    CASE WHEN kept.members IS NULL THEN parameters ELSE coalesce(json_format(CAST(map_filter(
      TRY(CAST(json_parse(parameters) AS MAP(VARCHAR, JSON))),
      (k, v) -> contains(kept.members, lower(k))
        OR contains(kept.likes, {_LIKE})
        OR contains(kept.likes, regexp_replace({_LIKE}, 's$', ''))
        OR (kept.deep AND starts_with(json_format(v), '{{'))
        OR (kept.arns AND (strpos(json_format(v), '"arn:') > 0 OR starts_with(k, 'arn:')))
    ) AS JSON)), parameters) END"""
_JOIN = """
  LEFT JOIN (VALUES
    {}
  ) AS kept (event_source, event_name, members, likes, deep, arns)
    ON kept.event_source = source AND kept.event_name = name"""


def _kept(source: str, name: str) -> str:
    """The row of what is kept of an event's parameters; "" where it may be any of them."""
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


def _fitting(rows: Iterable[str], room: int) -> Iterable[str]:
    """As many rows as a query has room for; without its row an event's parameters stay whole."""
    for row in rows:
        if not row:
            continue
        room -= len(row.encode()) + 6  # and what parts it from the next
        if room < 0:
            return
        yield row


def _lines(*lines: str, table: Table) -> str:
    return _FIELD.sub(
        lambda found: found.group() if found[1] in {"cut", "join"} else table.column(found[1]),
        "\n".join(lines),
    )
