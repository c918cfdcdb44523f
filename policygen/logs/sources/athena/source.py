"""Log source "athena": the reduction run by Athena where the log lies, so that only calls travel.

``athena:DATABASE.TABLE`` names a table of CloudTrail's logs as AWS documents it, or as `ddl` makes it. Two queries read
it: a survey of everybody's events, and the role's events added up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from policygen.account.aws_session import Aws, open_session
from policygen.errors import NothingFoundError, UsageError
from policygen.logs.calls.counts import CallCounts
from policygen.logs.source import QuerySource, Scope
from policygen.logs.sources.athena.client import AthenaClient, TableLocation, parse_table_location
from policygen.logs.sources.athena.sql import CallsQuery, calls_sql, survey_sql
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


def open_athena(specs: Sequence[str], *, profile: str = "", max_scan: int | None = None) -> AthenaSource:
    """The log whose table `specs` names. Nothing is asked of AWS yet but who the caller is.

    Args:
        specs: one, ``athena:DATABASE.TABLE``.
        profile: AWS profile; "" for the default one.
        max_scan: bytes that all queries together may read; None for no limit.

    Raises:
        UsageError: it has another form, or there are several (PG-E524).
        AwsError: no credentials.
    """
    if len(specs) != 1:
        raise UsageError("one table of Athena at a time", "run once for each", code="PG-E524")
    place = parse_table_location(specs[0])
    return AthenaSource(AthenaClient(Aws.identify(open_session(profile or None)), place, max_scan))


class AthenaSource(QuerySource):
    """A table of CloudTrail's logs."""

    def __init__(self, runner: AthenaClient) -> None:
        self._runner = runner
        self._unknown: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the table's columns cannot tell; known when it was asked."""
        return self._unknown

    def count_into(
        self, counts: CallCounts, role: str, scope: Scope, on_message: Callable[[str], None]
    ) -> None:
        """See `QuerySource.fill` and `count_table`.

        Raises:
            NothingFoundError: the table has no event of the window (PG-E302).
        """
        self._unknown = count_table(
            counts, self._runner, CallsQuery(role, scope.account, scope.first, counts.until), on_message
        )
        if not counts.totals.records:
            name = escape_controls(f"{self._runner.place.database}.{self._runner.place.table}")
            raise NothingFoundError(
                f"no event in table {name} from {scope.first or 'its beginning'} to {counts.until or 'its end'}",
                "does its partition projection cover these days, and the trail's bucket and prefix?",
                code="PG-E302",
            )


def count_table(
    counts: CallCounts,
    runner: AthenaClient,
    asked: CallsQuery,
    on_message: Callable[[str], None] = lambda _: None,
) -> tuple[str, ...]:
    """Fills an empty ledger, as reading the log's files and settling would have; returns what cannot be known.

    Args:
        ledger: its `until` must be the question's.
        runner: of the log.
        asked: the role whose calls are wanted, and the window.
        on_message: where progress goes.

    Raises:
        UsageError: the table is none of CloudTrail's logs (PG-E523), or there is no place for results (PG-E524).
        GateError: more would be read than is allowed (PG-E522).
        AwsError: a query failed (PG-E521), or AWS refused.
    """
    table = runner.describe()
    if not table.dated:
        on_message(
            f"warning: table {escape_controls(table.name)} has no partitions by day: each query reads all of the log"
        )
    survey = load_summary(counts, runner.run(survey_sql(table, asked)))
    on_message(f"{pluralize(counts.totals.records, 'record')} surveyed; {runner.bill}")
    if survey.pairs:
        runner.check_room()
        ids = {role.role_id for role in survey.by_id.values() if counts.select(role)}
        count_calls(counts, survey, runner.run(calls_sql(table, asked, survey.pairs, ids)))
        on_message(f"calls of {pluralize(len(survey.pairs), 'event name')} added up; {runner.bill}")
    return table.unknown
