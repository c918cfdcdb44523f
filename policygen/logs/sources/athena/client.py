"""Queries run by Athena: started once, waited for, paid for, and read row by row."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from policygen.account.aws_errors import error_code, is_aws_error, is_denied
from policygen.account.aws_session import Aws
from policygen.errors import AwsError, GateError, UsageError
from policygen.logs.sources.athena.table import DDL_HINT, Table, read_table
from policygen.logs.sources.sql_rows import Row
from policygen.logs.sources.waiting import poll_delays, stopped_on_error
from policygen.text import escape_controls, format_bytes, sanitize

PRICE = 5.0
"""US dollars for a terabyte scanned: the list price of most regions (https://aws.amazon.com/athena/pricing/)."""

_FORM = "athena:DATABASE.TABLE?workgroup=NAME&output=s3://BUCKET/PREFIX&catalog=NAME&region=NAME"


class TableLocation(NamedTuple):
    """Where a log's table is, and how Athena is to be asked; "" for what was not said."""

    database: str
    table: str
    workgroup: str = ""
    output: str = ""
    """``s3://…`` for results."""
    catalog: str = ""
    region: str = ""


def parse_table_location(spec: str) -> TableLocation:
    """``athena:DATABASE.TABLE``, with options after a question mark.

    Raises:
        UsageError: it has another form (PG-E524).
    """
    names, _, options = spec.removeprefix("athena:").partition("?")
    database, _, table = names.partition(".")
    found = dict(parse_qsl(options, keep_blank_values=True))
    unknown = [key for key in found if key not in TableLocation._fields[2:]]
    output = found.get("output", "")
    if not (database and table) or unknown or (output and not output.startswith("s3://")):
        raise UsageError(
            f"not a table of Athena: {escape_controls(spec)[:120]!r}",
            *(f"no option {escape_controls(key)[:40]!r}" for key in unknown[:1]),
            f"for example {_FORM}; all after the question mark may be left out",
            code="PG-E524",
        )
    return TableLocation(database, table, **found)


@dataclass(slots=True)
class AthenaClient:
    """Asks Athena. `scanned` adds up the bytes that its queries read."""

    aws: Aws
    place: TableLocation
    max_scan: int | None = None
    """Bytes that all queries together may read; None for no limit."""
    sleep: Callable[[float], None] = time.sleep
    token: Callable[[], str] = field(default=lambda: str(uuid.uuid4()))
    """Makes what tells one start of a query from a retry of the same."""
    scanned: int = 0

    def describe(self) -> Table:
        """The log's table.

        Raises:
            UsageError: there is none of that name, or it is none of CloudTrail's (PG-E523).
            AwsError: AWS refused, or cannot be reached.
        """
        place = self.place
        with self.aws.asking("athena"):
            try:
                answer = self._client().get_table_metadata(
                    CatalogName=place.catalog or "AwsDataCatalog",
                    DatabaseName=place.database,
                    TableName=place.table,
                    **({"WorkGroup": place.workgroup} if place.workgroup else {}),
                )
            except Exception as error:
                if not (is_aws_error(error) and error_code(error) == "MetadataException"):
                    raise
                raise UsageError(
                    f"no table {escape_controls(place.table)!r} in database {escape_controls(place.database)!r}:"
                    f" {sanitize(str(error))}",
                    DDL_HINT,
                    code="PG-E523",
                ) from None
        return read_table(place.database, answer["TableMetadata"])

    def run(self, sql: str) -> Iterator[Row]:
        """The rows of a query, as they are read.

        Raises:
            GateError: it read more than `max_scan` allows, and was stopped (PG-E522).
            AwsError: it failed or was cancelled (PG-E521), or AWS refused.
        """
        with self.aws.asking("athena"):
            query = self._client().start_query_execution(
                QueryString=sql, ClientRequestToken=self.token(), **self._settings()
            )["QueryExecutionId"]
            with stopped_on_error(lambda: self._client().stop_query_execution(QueryExecutionId=query)):
                self._wait(query)
        return self._rows(query)

    @property
    def bill(self) -> str:
        """What was read and what it costs, in words."""
        cost = self.scanned / 1e12 * PRICE
        return f"Athena read {format_bytes(self.scanned)}, about ${cost:.2f} at ${PRICE:g} a terabyte"

    def check_room(self) -> None:
        """Stops before a query that reads as much again as the one before, where that would be too much.

        Raises:
            GateError: PG-E522.
        """
        if self.max_scan is not None and 2 * self.scanned > self.max_scan:
            raise self._too_much(f"the next query would read {format_bytes(self.scanned)} again")

    def _client(self) -> Any:
        return self.aws.client("athena", self.place.region)

    def _settings(self) -> dict[str, Any]:
        """The arguments of a query but its text; a workgroup that enforces its settings has the last word."""
        place = self.place
        group = self._workgroup(place.workgroup or "primary")
        settings: dict[str, Any] = {
            "QueryExecutionContext": {
                "Database": place.database,
                "Catalog": place.catalog or "AwsDataCatalog",
            },
            "WorkGroup": place.workgroup or "primary",
        }
        if place.output and not (group or {}).get("EnforceWorkGroupConfiguration"):
            settings["ResultConfiguration"] = {"OutputLocation": place.output}
        elif group is not None and not place.output and not _keeps_results(group):
            raise UsageError(
                f"workgroup {escape_controls(settings['WorkGroup'])!r} says no place for results",
                f"name one: {_FORM}",
                code="PG-E524",
            )
        return settings

    def _workgroup(self, name: str) -> Mapping[str, Any] | None:
        """A workgroup's configuration; None where it may not be read."""
        try:
            answer = self._client().get_work_group(WorkGroup=name)
        except Exception as error:
            if is_aws_error(error) and is_denied(error):
                return None
            raise
        configuration: Mapping[str, Any] = answer["WorkGroup"].get("Configuration") or {}
        return configuration

    def _wait(self, query: str) -> None:
        before = self.scanned
        for delay in poll_delays():
            execution = self._client().get_query_execution(QueryExecutionId=query)["QueryExecution"]
            status = execution["Status"]
            self.scanned = before + int((execution.get("Statistics") or {}).get("DataScannedInBytes") or 0)
            if status["State"] == "SUCCEEDED":
                return
            if status["State"] in {"FAILED", "CANCELLED"}:
                raise _failed(query, status)
            if self.max_scan is not None and self.scanned > self.max_scan:
                raise self._too_much("the query was stopped")
            self.sleep(delay)

    def _rows(self, query: str) -> Iterator[Row]:
        with self.aws.asking("athena"):
            pages = self._client().get_paginator("get_query_results").paginate(QueryExecutionId=query)
            for number, page in enumerate(pages):
                result = page["ResultSet"]
                names = [one["Name"] for one in result["ResultSetMetadata"]["ColumnInfo"]]
                for at, row in enumerate(result.get("Rows") or ()):
                    values = [cell.get("VarCharValue") for cell in row["Data"]]
                    # The names come once, as the first row of all.
                    if number or at or values != names:
                        yield dict(zip(names, values, strict=True))

    def _too_much(self, what: str) -> GateError:
        return GateError(
            f"{format_bytes(self.scanned)} read, {format_bytes(self.max_scan or 0)} allowed: {what}",
            "ask for fewer days, or for one account: a table with partitions reads only these",
            f"or allow more: about ${2 * self.scanned / 1e12 * PRICE:.2f} at ${PRICE:g} a terabyte in all",
            code="PG-E522",
        )


def _keeps_results(group: Mapping[str, Any]) -> bool:
    managed = (group.get("ManagedQueryResultsConfiguration") or {}).get("Enabled")
    return bool(managed or (group.get("ResultConfiguration") or {}).get("OutputLocation"))


def _failed(query: str, status: Mapping[str, Any]) -> AwsError:
    told = status.get("StateChangeReason") or (status.get("AthenaError") or {}).get("ErrorMessage")
    return AwsError(
        f"Athena's query {'was cancelled' if status['State'] == 'CANCELLED' else 'failed'}:"
        f" {sanitize(told, 400) or 'no reason was given'}",
        f"aws athena get-query-execution --query-execution-id {sanitize(query, 64)} tells more",
        "a damaged log file stops every query: leave its days out, or read the bucket itself",
        code="PG-E521",
    )
