"""Log source "athena": the reduction run by Athena where the log lies, so that only calls travel.

``athena:DATABASE.TABLE`` names a table of CloudTrail's logs as AWS documents it, or as `ddl` makes it. Two queries read
it: a survey of everybody's events, and the role's events added up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from policygen.ledger import Ledger
from policygen.reduction import count_calls, note_survey
from policygen.sources.athena.runner import Place, Runner, parse_place
from policygen.sources.athena.sql import Question, calls_sql, survey_sql
from policygen.text import count, printable

if TYPE_CHECKING:
    from policygen.account.session import Aws

__all__ = ["Place", "Question", "Runner", "fill", "open_athena", "parse_place"]


def open_athena(spec: str, aws: Aws, max_scan: int | None = None) -> Runner:
    """What asks Athena for the log that `spec` names.

    Raises:
        UsageError: `spec` has another form (PG-E524).
    """
    return Runner(aws, parse_place(spec), max_scan)


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
