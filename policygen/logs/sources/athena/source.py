"""Log source "athena": the reduction run by Athena where the log lies, so that only calls travel.

``athena:DATABASE.TABLE`` names a table of CloudTrail's logs as AWS documents it, or as `ddl` makes it. Two queries read
it: a survey of everybody's events, and the role's events added up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from policygen.account.aws_session import Aws, open_session
from policygen.errors import NothingFoundError, UsageError
from policygen.logs.calls.counts import Ledger
from policygen.logs.source import CallSource, Scope
from policygen.logs.sources.athena.client import Place, Runner, parse_place
from policygen.logs.sources.athena.sql import Question, calls_sql, survey_sql
from policygen.logs.sources.sql_rows import count_calls, note_survey
from policygen.text import count, printable

__all__ = ["AthenaSource", "Place", "Question", "Runner", "fill", "open_athena", "parse_place"]


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
    place = parse_place(specs[0])
    return AthenaSource(Runner(Aws.identify(open_session(profile or None)), place, max_scan))


class AthenaSource(CallSource):
    """A table of CloudTrail's logs."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._unknown: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the table's columns cannot tell; known when it was asked."""
        return self._unknown

    def fill(self, ledger: Ledger, role: str, scope: Scope, say: Callable[[str], None]) -> None:
        """See `CallSource.fill` and `fill`.

        Raises:
            NothingFoundError: the table has no event of the window (PG-E302).
        """
        self._unknown = fill(
            ledger, self._runner, Question(role, scope.account, scope.first, ledger.until), say
        )
        if not ledger.records:
            name = printable(f"{self._runner.place.database}.{self._runner.place.table}")
            raise NothingFoundError(
                f"no event in table {name} from {scope.first or 'its beginning'} to {ledger.until or 'its end'}",
                "does its partition projection cover these days, and the trail's bucket and prefix?",
                code="PG-E302",
            )


def fill(
    ledger: Ledger, runner: Runner, asked: Question, say: Callable[[str], None] = lambda _: None
) -> tuple[str, ...]:
    """Fills an empty ledger, as reading the log's files and settling would have; returns what cannot be known.

    Args:
        ledger: its `until` must be the question's.
        runner: of the log.
        asked: the role whose calls are wanted, and the window.
        say: where progress goes.

    Raises:
        UsageError: the table is none of CloudTrail's logs (PG-E523), or there is no place for results (PG-E524).
        GateError: more would be read than is allowed (PG-E522).
        AwsError: a query failed (PG-E521), or AWS refused.
    """
    table = runner.describe()
    if not table.dated:
        say(
            f"warning: table {printable(table.name)} has no partitions by day: each query reads all of the log"
        )
    survey = note_survey(ledger, runner.run(survey_sql(table, asked)))
    say(f"{count(ledger.records, 'record')} surveyed; {runner.bill}")
    if survey.pairs:
        runner.check_room()
        ids = {role.role_id for role in survey.by_id.values() if ledger.select(role)}
        count_calls(ledger, survey, runner.run(calls_sql(table, asked, survey.pairs, ids)))
        say(f"calls of {count(len(survey.pairs), 'event name')} added up; {runner.bill}")
    return table.unknown
