"""Count events in an engine that speaks SQL: the columns to group by, and how to read the rows of the result.

`calls` alone defines what identifies a call. The engine only counts events that are certainly the same call: the
columns here are all that the definition reads, and each row stands for events that differ in nothing else. A row is
turned into a record again and processed like any record, so it gives the same calls as its records would.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from policygen.iam.request import RoleKey
from policygen.logs.calls.call import call_bucket, count_in
from policygen.logs.calls.counts import CallCounts
from policygen.logs.calls.evidence import Evidence
from policygen.logs.calls.totals import COPIED, LATE, Totals
from policygen.logs.events.event import SkippedRecord, event_of, principal_or_skip
from policygen.logs.events.outcome import TELLING_CODES, Outcome
from policygen.logs.events.record import Record
from policygen.text import clean_word, sanitize

Row = Mapping[str, str | None]
"""A row of a result: column to text, None for NULL."""


class Column(NamedTuple):
    """A column to group by.

    `path` is the place of its value in a record, "" for a column that only separates groups. `sql` is Athena's SQL, in
    which ``{useridentity.type}`` stands for a column of the log's table.
    """

    name: str
    path: str
    sql: str


def _table_column(name: str, path: str) -> Column:
    """Return a column of the table, unchanged."""
    return Column(name, path, f"{{{path.lower()}}}")


# 1.3: the id and a session's ARN come without the session, which has its own column where it matters.
_ROLE = (
    Column("role_id", "userIdentity.principalId", "split_part({useridentity.principalid}, ':', 1)"),
    Column(
        "caller",
        "userIdentity.arn",
        "CASE WHEN strpos({useridentity.arn}, ':assumed-role/') > 0"
        " THEN regexp_extract({useridentity.arn}, '^[^/]*/[^/]*') ELSE {useridentity.arn} END",
    ),
    _table_column("account", "userIdentity.accountId"),
    _table_column("issuer_type", "userIdentity.sessionContext.sessionIssuer.type"),
    _table_column("issuer_id", "userIdentity.sessionContext.sessionIssuer.principalId"),
    _table_column("issuer_arn", "userIdentity.sessionContext.sessionIssuer.arn"),
    _table_column("issuer_account", "userIdentity.sessionContext.sessionIssuer.accountId"),
    _table_column("issuer_name", "userIdentity.sessionContext.sessionIssuer.userName"),
    _table_column("recipient", "recipientAccountId"),
)

EVENT_TIME = "concat(substr({eventtime}, 1, 10), 'T', substr({eventtime}, 12, 8), 'Z')"
"""A time that is `IS_TIME`, as `event_time.utc_time` writes it."""

IS_TIME = (
    "coalesce(regexp_like({eventtime}, '^20[0-9][0-9]-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])"
    "|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-[0-2][0-9])[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    "([.][0-9]+)?(Z|z| UTC)?$') AND {eventtime} >= '2013-11-13', FALSE)"
)
"""Whether a time has one of the forms that SQL compares; a record of another form is counted, and stops the run."""

SESSION = (
    "coalesce(nullif(regexp_extract({useridentity.principalid}, '^AROA[A-Z0-9]{5,}:(.+)$', 1), ''),"
    " nullif(regexp_extract({useridentity.arn}, '^[^/]*/[^/]*/(.+)$', 1), ''))"
)
"""The session's name, as `principal.principal_of` reads it."""

_BLOB = "Encoded authorization failure message: "

CALL_COLUMNS = (
    _table_column("event_type", "eventType"),
    _table_column("category", "eventCategory"),
    _table_column("source", "eventSource"),
    _table_column("name", "eventName"),
    _table_column("region", "awsRegion"),
    Column("day", "", "substr({eventtime}, 1, 10)"),
    _table_column("kind", "userIdentity.type"),
    *_ROLE,
    # It tells a permission where a session assumes another role; elsewhere it would only multiply the rows.
    Column(
        "source_identity",
        "userIdentity.sessionContext.sourceIdentity",
        "CASE WHEN {eventname} = 'AssumeRole' THEN {useridentity.sessioncontext.sourceidentity} END",
    ),
    _table_column("via", "userIdentity.invokedBy"),
    _table_column("function", "userIdentity.inScopeOf.credentialsIssuedTo"),
    # Covers all that `credentials.credential_use_of` reads: agents of Lambda, and the platform's names of sessions.
    Column(
        "session",
        "",
        f"CASE WHEN regexp_like({{useragent}}, '(?i)lambda') OR regexp_like({SESSION}, '^(tracing|awslambda_)')"
        f" THEN {SESSION} END",
    ),
    Column(
        "outside",
        "",
        "strpos({sourceipaddress}, ':') > 0 OR regexp_like({sourceipaddress}, '[0-9]$')",
    ),
    _table_column("agent", "userAgent"),
    _table_column("vpce", "vpcEndpointId"),
    # The rest of the field does not matter (`event._QUERY_STRING`).
    Column(
        "extra",
        "additionalEventData",
        """CASE WHEN regexp_like({additionaleventdata}, '"AuthenticationMethod"\\s*:\\s*"QueryString"')"""
        """ THEN '{"AuthenticationMethod":"QueryString"}' END""",
    ),
    _table_column("from_console", "sessionCredentialFromConsole"),
    _table_column("error", "errorCode"),
    # Only denials are read (1.11), and of a message the first 2,048 characters. EC2's blob always differs (1.11.3).
    Column(
        "message",
        "errorMessage",
        f"CASE WHEN regexp_like({{errorcode}}, '(?i){TELLING_CODES}') THEN"
        f" regexp_replace(substr({{errormessage}}, 1, 2048), '{_BLOB}[A-Za-z0-9_-]+$', '{_BLOB}') END",
    ),
    Column(
        "resources",
        "resources",
        "json_format(CAST(transform({resources}, r -> ARRAY[r.type, r.arn, r.accountid]) AS JSON))",
    ),
    Column("parameters", "requestParameters", "{requestparameters}"),
)
"""All that `call_bucket` reads of a record. The SQL reduces `parameters` to those that the catalog may read."""

FILTER_COLUMNS = (
    _table_column("event_type", "eventType"),
    _table_column("category", "eventCategory"),
    _table_column("kind", "userIdentity.type"),
    Column(
        "identified",
        "userIdentity.userName",
        "CASE WHEN coalesce({useridentity.type}, {useridentity.accountid}, {useridentity.principalid},"
        " {useridentity.arn}, {useridentity.invokedby}) IS NOT NULL THEN '*' END",
    ),
    Column("served", "userIdentity.invokedBy", "CASE WHEN {useridentity.invokedby} <> '' THEN '*' END"),
    Column("sourced", "eventSource", "CASE WHEN {eventsource} <> '' THEN '*' END"),
    Column("named", "eventName", "CASE WHEN {eventname} <> '' THEN '*' END"),
    Column(
        "timed",
        "eventTime",
        f"CASE WHEN {IS_TIME} THEN '2013-11-13T00:00:00Z' END",
    ),
)
"""All that `event.principal_or_skip` reads to tell a call from other records."""


class GroupingSet(NamedTuple):
    """A grouping of the summary, in addition to `FILTER_COLUMNS`; `key` is one of its columns."""

    key: str
    columns: tuple[Column, ...]


def _columns_if(condition: str, columns: Iterable[Column]) -> tuple[Column, ...]:
    return tuple(Column(name, path, f"CASE WHEN {condition} THEN {sql} END") for name, path, sql in columns)


_IS_ROLE = (
    "({useridentity.type} IN ('AssumedRole', 'Role', 'AWSAccount')"
    " OR strpos({useridentity.arn}, ':assumed-role/') > 0)"
)

GROUPING_SETS = (
    GroupingSet("recipient", _columns_if(_IS_ROLE, _ROLE)),
    GroupingSet("day", (Column("day", "", "substr({eventtime}, 1, 10)"),)),
    GroupingSet("region", (_table_column("region", "awsRegion"),)),
    GroupingSet(
        "reads",
        (
            Column("reads", "", "lower(CAST({readonly} AS VARCHAR)) = 'true'"),
            Column(
                "types",
                "",
                "CASE WHEN {eventcategory} = 'Data' THEN json_format(CAST(array_sort(array_distinct(filter(transform("
                "{resources}, r -> r.type), t -> t <> ''))) AS JSON)) END",
            ),
        ),
    ),
    GroupingSet(
        "role_source",
        (
            Column("role_source", "", "CASE WHEN {wanted} THEN {eventsource} END"),
            Column("role_event", "", "CASE WHEN {wanted} THEN {eventname} END"),
        ),
    ),
    GroupingSet(
        "notice_id",
        _columns_if(
            "{noted}",
            (
                Column("notice_id", "eventID", "{eventid}"),
                Column("notice_time", "eventTime", EVENT_TIME),
                Column("notice_source", "eventSource", "{eventsource}"),
                Column("notice_name", "eventName", "{eventname}"),
                Column("notice_region", "awsRegion", "{awsregion}"),
                Column("notice_account", "recipientAccountId", "{recipientaccountid}"),
                Column("notice_error", "errorCode", "{errorcode}"),
                Column("notice_params", "requestParameters", "{requestparameters}"),
            ),
        ),
    ),
)
"""The groupings of all events, each apart from the others, in one pass over the events."""

SUMMARY_COLUMNS = (*FILTER_COLUMNS, *(column for part in GROUPING_SETS for column in part.columns))


class Summary(NamedTuple):
    """What the summary says about the role's calls before they are read."""

    pairs: tuple[tuple[str, str], ...]
    """(eventSource, eventName), as logged."""
    by_id: Mapping[str, RoleKey]
    """Roles whose own copies of calls were read, by role id."""


def load_summary(counts: CallCounts, rows: Iterable[Row]) -> Summary:
    """Fill counts with everything but calls: records, callers, days, regions, and changes to logging.

    Args:
        counts: empty.
        rows: of the summary; `part` is the index of the grouping in `GROUPING_SETS`.
    """
    totals = counts.totals
    pairs: set[tuple[str, str]] = set()
    foreign: Counter[RoleKey] = Counter()
    for row in rows:
        part = GROUPING_SETS[int(row["part"] or 0)]
        record = _record(row, (*FILTER_COLUMNS, *part.columns))
        if part.key == "recipient":
            _count_caller(totals, row, record, foreign)
        elif part.key == "role_source":
            pairs.add((row["role_source"] or "", row["role_event"] or ""))
        elif not isinstance(principal_or_skip(record), SkippedRecord):
            _count_group(totals, row, record, part.key)
    by_id = counts.roles_by_id()
    for role, events in foreign.items():
        totals.roles[by_id.get(role.role_id, role)] += events
    totals.change_events.sort()
    return Summary(tuple(sorted(pair for pair in pairs if all(pair))), by_id)


def count_calls(counts: CallCounts, summary: Summary, rows: Iterable[Row]) -> None:
    """Add the calls of the selected roles; `rows` have `CALL_COLUMNS` and the sums."""
    for row in rows:
        sessions, addresses = _json_strings(row["sessions"]), _json_strings(row["addresses"])
        session_fields = {"sourceIPAddress": next(iter(addresses), None), "eventTime": row["first"]}
        record = _record(row, CALL_COLUMNS, session_fields, session=next(iter(sessions), ""))
        caller = principal_or_skip(record)
        if (
            isinstance(caller, SkippedRecord)
            or caller.role is None
            or (caller.is_cross_account_copy and _is_true(row["copied"]))
        ):
            continue
        role = (
            summary.by_id.get(caller.role.role_id, caller.role)
            if caller.is_cross_account_copy
            else caller.role
        )
        if not counts.select(role):
            continue
        event = event_of(record, caller)
        key, calls = call_bucket(event), counts.calls.setdefault(role, {})
        count = _number(row["events"])
        evidence = Evidence(
            count=count,
            first=row["first"] or "",
            last=row["last"] or "",
            days=frozenset((key.day,)),
            samples=tuple(_sample(one) for one in _json_strings(row["samples"])),
            sessions=frozenset(sanitize(one, 128) for one in sessions),
            agents=frozenset((event.user_agent,)) if event.user_agent else frozenset(),
            addresses=frozenset(clean_word(one) for one in addresses),
            weak=count if event.outcome is Outcome.WEAK else 0,
        )
        count_in(calls, key, evidence)


def _count_caller(totals: Totals, row: Row, record: Record, foreign: Counter[RoleKey]) -> None:
    events = _number(row["events"])
    totals.records += _number(row["copies"])
    totals.duplicates += _number(row["copies"]) - events
    caller = principal_or_skip(record)
    if isinstance(caller, SkippedRecord):
        totals.ignored[caller.reason] += events
    elif _is_true(row["late"]):
        totals.ignored[LATE] += events
    elif caller.role is None:
        totals.principals[caller.kind or "unknown"] += events
    elif not caller.is_cross_account_copy:
        totals.roles[caller.role] += events
    elif _is_true(row["copied"]):
        totals.ignored[COPIED] += events
    else:
        foreign[caller.role] += events


def _count_group(totals: Totals, row: Row, record: Record, key: str) -> None:
    events = _number(row["events"])
    if key == "notice_id":  # a change after the window shows what a trail was before it (3.4.6)
        totals.add_change_event(record, record.eventTime or "")
    elif _is_true(row["late"]):
        return
    elif key == "day":
        totals.days[row["day"] or ""] += events
        first, last = row["first"] or "", row["last"] or ""
        totals.first = min(totals.first or first, first)
        totals.last = max(totals.last, last)
    elif key == "region":
        totals.regions[clean_word(row["region"])] += events
    elif record.eventCategory == "Data":
        totals.data_types.update(dict.fromkeys(_json_strings(row["types"]), events))
    else:
        totals.management["read" if _is_true(row["reads"]) else "write"] += events


# ---- a row as a record ----------------------------------------------------------------------------------

_RAW = ("requestParameters", "additionalEventData")


def _record(
    row: Row, columns: Sequence[Column], fields: Mapping[str, str | None] | None = None, session: str = ""
) -> Record:
    """Return the record that a row stands for, without the fields that its columns lack."""
    tree: dict[str, Any] = dict(fields or {})
    for column in columns:
        value = row[column.name]
        if not column.path or value is None:
            continue
        *above, last = column.path.split(".")
        node = tree
        for name in above:
            node = node.setdefault(name, {})
        node[last] = value
    raw = {name: msgspec.Raw(tree.pop(name).encode()) for name in _RAW if name in tree}
    if "resources" in tree:
        tree["resources"] = _resources(tree["resources"])
    if session:
        _add_session(tree["userIdentity"], session)
    return msgspec.structs.replace(msgspec.convert(tree, Record), **raw)


def _resources(text: str) -> list[dict[str, str | None]]:
    return [{"type": kind, "ARN": arn, "accountId": account} for kind, arn, account in json.loads(text) or ()]


def _add_session(identity: dict[str, Any], session: str) -> None:
    """Put the session back into the id and the ARN (1.3.1)."""
    identity["principalId"] = f"{identity.get('principalId', '')}:{session}"
    if ":assumed-role/" in identity.get("arn", ""):
        identity["arn"] += f"/{session}"


def _sample(text: str) -> tuple[str, str]:
    time, _, event_id = text.partition(" ")
    return time, sanitize(event_id, 128)


def _json_strings(value: str | None) -> list[str]:
    """Return the strings of a JSON list."""
    return [one for one in json.loads(value or "null") or () if one]


def _number(value: str | None) -> int:
    return int(value or 0)


def _is_true(value: str | None) -> bool:
    return value == "true"
