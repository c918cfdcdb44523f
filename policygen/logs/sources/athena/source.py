"""Log source "athena": Athena counts the events where the log is stored, and only calls travel.

``athena:DATABASE.TABLE`` names a table of CloudTrail logs as AWS documents it, or as `ddl` creates it. Two queries read
it: a summary of all events, and the counted events of the role.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from policygen.account.aws_session import Aws, open_session
from policygen.errors import NothingFoundError, UsageError
from policygen.logs.calls.counts import CallCounts
from policygen.logs.source import QuerySource, Scope
from policygen.logs.sources.athena.client import AthenaClient, TableLocation, parse_table_location
from policygen.logs.sources.athena.sql import CallsQuery, calls_sql, summary_sql
from policygen.logs.sources.sql_rows import count_calls, load_summary
from policygen.text import escape_controls, pluralize

__all__ = [
    "AthenaClient",
    "AthenaSource",
    "CallsQuery",
    "TableLocation",
    "count_table",
    "open_athena",
    "parse_table_location",
]


def open_athena(
    specs: Sequence[str], *, profile: str = "", region: str = "", max_scan: int | None = None
) -> AthenaSource:
    """Return the source of the table that `specs` names; the only request to AWS asks who the caller is.

    Args:
        specs: one, ``athena:DATABASE.TABLE``.
        profile: AWS profile; "" for the default one.
        region: where it is; "" for AWS_REGION or the profile's.
        max_scan: bytes that all queries together may read; None for no limit.

    Raises:
        UsageError: it has another form, or there are several (PG-E524).
        AwsError: no credentials.
    """
    if len(specs) != 1:
        raise UsageError("one table of Athena at a time", "run once for each", code="PG-E524")
    location = parse_table_location(specs[0])
    return AthenaSource(
        AthenaClient(Aws.identify(open_session(profile or None, region or None)), location, max_scan)
    )


class AthenaSource(QuerySource):
    """A table of CloudTrail logs."""

    def __init__(self, client: AthenaClient) -> None:
        self._client = client
        self._unknowns: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the table's columns cannot tell; known after the first query."""
        return self._unknowns

    def count_into(
        self, counts: CallCounts, role: str, scope: Scope, on_message: Callable[[str], None]
    ) -> None:
        """See `QuerySource.count_into` and `count_table`.

        Raises:
            NothingFoundError: the table has no event of the window (PG-E302).
        """
        self._unknowns = count_table(
            counts, self._client, CallsQuery(role, scope.account, scope.first, counts.until), on_message
        )
        if not counts.totals.records:
            name = escape_controls(f"{self._client.location.database}.{self._client.location.table}")
            raise NothingFoundError(
                f"no event in table {name} from {scope.first or 'its beginning'} to {counts.until or 'its end'}",
                "does its partition projection cover these days, and the trail's bucket and prefix?",
                code="PG-E302",
            )


def count_table(
    counts: CallCounts,
    client: AthenaClient,
    query: CallsQuery,
    on_message: Callable[[str], None] = lambda _: None,
) -> tuple[str, ...]:
    """Fill empty counts as reading the log's files would; return what cannot be known from the table.

    Args:
        counts: empty; its `until` must be that of the query.
        client: of the table.
        query: the role whose calls are wanted, and the window.
        on_message: receives messages about progress and cost.

    Raises:
        UsageError: the table is not one of CloudTrail logs (PG-E523), or there is no place for results (PG-E524).
        GateError: more would be read than is allowed (PG-E522).
        AwsError: a query failed (PG-E521), or AWS refused.
    """
    table = client.describe()
    if not table.has_day_partitions:
        on_message(
            f"warning: table {escape_controls(table.name)} has no partitions by day: each query reads all of the log"
        )
    summary = load_summary(counts, client.run(summary_sql(table, query)))
    on_message(f"{pluralize(counts.totals.records, 'record')} surveyed; {client.cost_summary}")
    if summary.pairs:
        client.check_scan_budget()
        ids = {role.role_id for role in summary.by_id.values() if counts.select(role)}
        count_calls(counts, summary, client.run(calls_sql(table, query, summary.pairs, ids)))
        on_message(f"calls of {pluralize(len(summary.pairs), 'event name')} added up; {client.cost_summary}")
    return table.unknowns
