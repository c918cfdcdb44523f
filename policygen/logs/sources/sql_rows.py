"""The reduction from events to calls, run by an engine that speaks SQL: what it groups by, and how its rows come back.

What identifies a call is defined once, in Python (`ledger`). An engine only adds up what is certainly the same: the
columns here are all that the definition reads, and each row stands for events that differ in nothing else. A row
becomes a record again and goes the way of every record, so that it gives the calls that the records would have given.
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
from policygen.logs.calls.totals import Totals
from policygen.logs.events.event import SkippedRecord, event_of, principal_or_skip
from policygen.logs.events.outcome import Outcome
from policygen.logs.events.record import Record
from policygen.text import clean_word, sanitize

Row = Mapping[str, str | None]
"""A row of a result: column to text, None for NULL."""


class Column(NamedTuple):
    """A column to group by.

    `path` is where its value belongs in a record, "" for what only keeps groups apart. `sql` is Athena's SQL, in which
    ``{useridentity.type}`` stands for a column of the log's table.
    """

    name: str
    path: str
    sql: str


def _same(name: str, path: str) -> Column:
    """A column of the table as it is."""
    return Column(name, path, f"{{{path.lower()}}}")


# 1.3: the id comes without the session, which has a column of its own where it matters; so does a session's ARN.
_ROLE = (
    Column("role_id", "userIdentity.principalId", "split_part({useridentity.principalid}, ':', 1)"),
    Column(
        "caller",
        "userIdentity.arn",
        "CASE WHEN strpos({useridentity.arn}, ':assumed-role/') > 0"
        " THEN regexp_extract({useridentity.arn}, '^[^/]*/[^/]*') ELSE {useridentity.arn} END",
    ),
    _same("account", "userIdentity.accountId"),
    _same("issuer_type", "userIdentity.sessionContext.sessionIssuer.type"),
    _same("issuer_id", "userIdentity.sessionContext.sessionIssuer.principalId"),
    _same("issuer_arn", "userIdentity.sessionContext.sessionIssuer.arn"),
    _same("issuer_account", "userIdentity.sessionContext.sessionIssuer.accountId"),
    _same("issuer_name", "userIdentity.sessionContext.sessionIssuer.userName"),
    _same("recipient", "recipientAccountId"),
)

SESSION = (
    "coalesce(nullif(regexp_extract({useridentity.principalid}, '^AROA[A-Z0-9]{5,}:(.+)$', 1), ''),"
    " nullif(regexp_extract({useridentity.arn}, '^[^/]*/[^/]*/(.+)$', 1), ''))"
)
"""The session's name, as `events.principal_of` reads it."""

_BLOB = "Encoded authorization failure message: "

CALL_COLUMNS = (
    _same("event_type", "eventType"),
    _same("category", "eventCategory"),
    _same("source", "eventSource"),
    _same("name", "eventName"),
    _same("region", "awsRegion"),
    Column("day", "", "substr({eventtime}, 1, 10)"),
    _same("kind", "userIdentity.type"),
    *_ROLE,
    _same("via", "userIdentity.invokedBy"),
    _same("function", "userIdentity.inScopeOf.credentialsIssuedTo"),
    # More than `user.user_of` looks at: agents of Lambda, and what the platform calls its sessions.
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
    _same("agent", "userAgent"),
    _same("vpce", "vpcEndpointId"),
    # Whatever follows the known part does not matter (`events._QUERY_STRING`).
    Column(
        "extra",
        "additionalEventData",
        """CASE WHEN regexp_like({additionaleventdata}, '"AuthenticationMethod"\\s*:\\s*"QueryString"')"""
        """ THEN '{"AuthenticationMethod":"QueryString"}' END""",
    ),
    _same("error", "errorCode"),
    # Only denials are read (1.11), of a message the first 2,048 characters. EC2's blob is another every time (1.11.3).
    Column(
        "message",
        "errorMessage",
        "CASE WHEN regexp_like({errorcode}, '(?i)denied|unauthorized|forbidden|authoriz|insufficient') THEN"
        f" regexp_replace(substr({{errormessage}}, 1, 2048), '{_BLOB}[A-Za-z0-9_-]+$', '{_BLOB}') END",
    ),
    Column(
        "resources",
        "resources",
        "json_format(CAST(transform({resources}, r -> ARRAY[r.type, r.arn, r.accountid]) AS JSON))",
    ),
    Column("parameters", "requestParameters", "{requestparameters}"),
)
"""All that `ledger.call_key` reads of a record. The SQL cuts `parameters` down to what the catalog may read."""

FILTER_COLUMNS = (
    _same("event_type", "eventType"),
    _same("category", "eventCategory"),
    _same("kind", "userIdentity.type"),
    Column(
        "identified",
        "userIdentity.invokedBy",
        "CASE WHEN coalesce({useridentity.accountid}, {useridentity.principalid}, {useridentity.arn},"
        " {useridentity.invokedby}) IS NOT NULL THEN '*' END",
    ),
    Column("sourced", "eventSource", "CASE WHEN {eventsource} <> '' THEN '*' END"),
    Column("named", "eventName", "CASE WHEN {eventname} <> '' THEN '*' END"),
    Column(
        "timed",
        "eventTime",
        "CASE WHEN regexp_like({eventtime}, '^20[0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]"
        "([.][0-9]+)?Z$') AND {eventtime} >= '2013-11-13' THEN '2013-11-13T00:00:00Z' END",
    ),
)
"""All that `events.caller_of` asks to tell a call from what is none."""


class GroupingSet(NamedTuple):
    """A grouping of the survey, beside the columns that tell a call from what is none. `mark` is one of its own."""

    key: str
    columns: tuple[Column, ...]


def _if(condition: str, columns: Iterable[Column]) -> tuple[Column, ...]:
    return tuple(Column(name, path, f"CASE WHEN {condition} THEN {sql} END") for name, path, sql in columns)


_IS_ROLE = "{useridentity.type} IN ('AssumedRole', 'Role', 'AWSAccount')"

GROUPING_SETS = (
    GroupingSet("recipient", _if(_IS_ROLE, _ROLE)),
    GroupingSet("day", (Column("day", "", "substr({eventtime}, 1, 10)"),)),
    GroupingSet("region", (_same("region", "awsRegion"),)),
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
        _if(
            "{noted}",
            (
                Column("notice_id", "eventID", "{eventid}"),
                Column("notice_time", "eventTime", "{eventtime}"),
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
"""What the survey of all events groups by, each apart, in one pass over them."""

SURVEY_COLUMNS = (*FILTER_COLUMNS, *(column for part in GROUPING_SETS for column in part.columns))


class Summary(NamedTuple):
    """What the survey says of the role's calls before they are read."""

    pairs: tuple[tuple[str, str], ...]
    """(eventSource, eventName), as logged."""
    by_id: Mapping[str, RoleKey]
    """Roles whose own copies of calls were read, by role id."""


def load_summary(counts: CallCounts, rows: Iterable[Row]) -> Summary:
    """Puts everything but calls into a ledger: what was read, of whom, when, where, and what was noted.

    Args:
        ledger: empty.
        rows: of the survey; `part` is the number of the grouping in `GROUPING_SETS`.
    """
    totals = counts.totals
    pairs: set[tuple[str, str]] = set()
    foreign: Counter[RoleKey] = Counter()
    for row in rows:
        part = GROUPING_SETS[int(row["part"] or 0)]
        record = _record(row, (*FILTER_COLUMNS, *part.columns))
        if part.key == "recipient":
            _note_caller(totals, row, record, foreign)
        elif part.key == "role_source":
            pairs.add((row["role_source"] or "", row["role_event"] or ""))
        elif not isinstance(principal_or_skip(record), SkippedRecord):
            _note(totals, row, record, part.key)
    by_id = {role.role_id: role for role in sorted(totals.roles) if role.role_id and role.name}
    for role, events in foreign.items():
        totals.roles[by_id.get(role.role_id, role)] += events
    totals.change_events.sort()
    return Summary(tuple(sorted(pair for pair in pairs if all(pair))), by_id)


def count_calls(counts: CallCounts, survey: Summary, rows: Iterable[Row]) -> None:
    """Adds the calls of the roles that the ledger selects; `rows` have `CALL_COLUMNS` and what was added up."""
    for row in rows:
        sessions, addresses = _texts(row["sessions"]), _texts(row["addresses"])
        found = {"sourceIPAddress": next(iter(addresses), None), "eventTime": row["first"]}
        record = _record(row, CALL_COLUMNS, found, session=next(iter(sessions), ""))
        caller = principal_or_skip(record)
        if (
            isinstance(caller, SkippedRecord)
            or caller.role is None
            or (caller.is_cross_account_copy and _is_true(row["copied"]))
        ):
            continue
        role = (
            survey.by_id.get(caller.role.role_id, caller.role)
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
            samples=tuple(_sample(one) for one in _texts(row["samples"])),
            sessions=frozenset(sanitize(one, 128) for one in sessions),
            agents=frozenset((event.user_agent,)) if event.user_agent else frozenset(),
            addresses=frozenset(clean_word(one) for one in addresses),
            weak=count if event.outcome is Outcome.WEAK else 0,
        )
        count_in(calls, key, evidence)


def _note_caller(totals: Totals, row: Row, record: Record, foreign: Counter[RoleKey]) -> None:
    events = _number(row["events"])
    totals.records += _number(row["copies"])
    totals.duplicates += _number(row["copies"]) - events
    caller = principal_or_skip(record)
    if isinstance(caller, SkippedRecord):
        totals.ignored[caller.reason] += events
    elif _is_true(row["late"]):
        totals.ignored["after the window"] += events
    elif caller.role is None:
        totals.principals[caller.kind or "unknown"] += events
    elif not caller.is_cross_account_copy:
        totals.roles[caller.role] += events
    elif _is_true(row["copied"]):
        totals.ignored["another account's copy of a call that was read already"] += events
    else:
        foreign[caller.role] += events


def _note(totals: Totals, row: Row, record: Record, mark: str) -> None:
    events = _number(row["events"])
    if mark == "notice_id":  # a change after the window tells what a trail was before it (3.4.6)
        totals.add_change_event(record, record.eventTime or "")
    elif _is_true(row["late"]):
        return
    elif mark == "day":
        totals.days[row["day"] or ""] += events
        first, last = row["first"] or "", row["last"] or ""
        totals.first = min(totals.first or first, first)
        totals.last = max(totals.last, last)
    elif mark == "region":
        totals.regions[clean_word(row["region"])] += events
    elif record.eventCategory == "Data":
        totals.data_types.update(dict.fromkeys(_texts(row["types"]), events))
    else:
        totals.management["read" if _is_true(row["reads"]) else "write"] += events


# ---- a row as a record ----------------------------------------------------------------------------------

_RAW = ("requestParameters", "additionalEventData")


def _record(
    row: Row, columns: Sequence[Column], more: Mapping[str, str | None] | None = None, session: str = ""
) -> Record:
    """The record that a row stands for. What its columns do not say is absent."""
    tree: dict[str, Any] = dict(more or {})
    for column in columns:
        value = row[column.name]
        if not column.path or value is None:
            continue
        *above, last = column.path.split(".")
        place = tree
        for name in above:
            place = place.setdefault(name, {})
        place[last] = value
    raw = {name: msgspec.Raw(tree.pop(name).encode()) for name in _RAW if name in tree}
    if "resources" in tree:
        tree["resources"] = _resources(tree["resources"])
    if session:
        _add_session(tree["userIdentity"], session)
    return msgspec.structs.replace(msgspec.convert(tree, Record), **raw)


def _resources(text: str) -> list[dict[str, str | None]]:
    return [{"type": kind, "ARN": arn, "accountId": account} for kind, arn, account in json.loads(text) or ()]


def _add_session(identity: dict[str, Any], session: str) -> None:
    """Puts the session back where the id and the ARN had it (1.3.1)."""
    identity["principalId"] = f"{identity.get('principalId', '')}:{session}"
    if ":assumed-role/" in identity.get("arn", ""):
        identity["arn"] += f"/{session}"


def _sample(text: str) -> tuple[str, str]:
    time, _, event_id = text.partition(" ")
    return time, sanitize(event_id, 128)


def _texts(value: str | None) -> list[str]:
    """The strings of a JSON list."""
    return [one for one in json.loads(value or "null") or () if one]


def _number(value: str | None) -> int:
    return int(value or 0)


def _is_true(value: str | None) -> bool:
    return value == "true"
