"""Run queries in Athena: start each once, wait for it, stop it when it costs too much, and read its rows."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec

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
    """The table of a log, and the settings of its queries; "" for a setting that the user did not give."""

    database: str
    table: str
    workgroup: str = ""
    output: str = ""
    """``s3://…`` for results."""
    catalog: str = ""
    region: str = ""


def parse_table_location(spec: str) -> TableLocation:
    """Parse ``athena:DATABASE.TABLE``, with options after a question mark.

    Raises:
        UsageError: it has another form (PG-E524).
    """
    names, _, options = spec.removeprefix("athena:").partition("?")
    database, _, table = names.partition(".")
    settings = dict(parse_qsl(options, keep_blank_values=True))
    unknown = [key for key in settings if key not in TableLocation._fields[2:]]
    output = settings.get("output", "")
    if not (database and table) or unknown or (output and not output.startswith("s3://")):
        raise UsageError(
            f"not a table of Athena: {escape_controls(spec)[:120]!r}",
            *(f"no option {escape_controls(key)[:40]!r}" for key in unknown[:1]),
            f"for example {_FORM}; all after the question mark may be left out",
            code="PG-E524",
        )
    return TableLocation(database, table, **settings)


class AthenaClient(msgspec.Struct):
    """Runs queries in Athena. `scanned` is the number of bytes that all of them read."""

    aws: Aws
    location: TableLocation
    max_scan: int | None = None
    """Bytes that all queries together may read; None for no limit."""
    sleep: Callable[[float], None] = time.sleep
    token: Callable[[], str] = msgspec.field(default=lambda: str(uuid.uuid4()))
    """Returns the token by which AWS tells the start of a query from its retry."""
    scanned: int = 0

    def describe(self) -> Table:
        """Return the log's table.

        Raises:
            UsageError: there is no such table, or it is not one of CloudTrail logs (PG-E523).
            AwsError: AWS refused, or cannot be reached.
        """
        location = self.location
        with self.aws.translating_errors("athena"):
            try:
                answer = self._client().get_table_metadata(
                    CatalogName=location.catalog or "AwsDataCatalog",
                    DatabaseName=location.database,
                    TableName=location.table,
                    **({"WorkGroup": location.workgroup} if location.workgroup else {}),
                )
            except Exception as error:
                if not (is_aws_error(error) and error_code(error) == "MetadataException"):
                    raise
                raise UsageError(
                    f"no table {escape_controls(location.table)!r} in database {escape_controls(location.database)!r}:"
                    f" {sanitize(str(error))}",
                    DDL_HINT,
                    code="PG-E523",
                ) from None
        return read_table(location.database, answer["TableMetadata"])

    def run(self, sql: str) -> Iterator[Row]:
        """Run a query and yield its rows.

        Raises:
            GateError: it read more than `max_scan` allows, and was stopped (PG-E522).
            AwsError: it failed or was cancelled (PG-E521), or AWS refused.
        """
        with self.aws.translating_errors("athena"):
            query = self._client().start_query_execution(
                QueryString=sql, ClientRequestToken=self.token(), **self._settings()
            )["QueryExecutionId"]
            with stopped_on_error(lambda: self._client().stop_query_execution(QueryExecutionId=query)):
                self._wait(query)
        return self._rows(query)

    @property
    def cost_summary(self) -> str:
        """What was read and what it costs, in words."""
        cost = self.scanned / 1e12 * PRICE
        return f"Athena read {format_bytes(self.scanned)}, about ${cost:.2f} at ${PRICE:g} a terabyte"

    def check_scan_budget(self) -> None:
        """Raise an error if a query that reads as much again would exceed the limit.

        Raises:
            GateError: PG-E522.
        """
        if self.max_scan is not None and 2 * self.scanned > self.max_scan:
            raise self._over_limit(f"the next query would read {format_bytes(self.scanned)} again")

    def _client(self) -> Any:
        return self.aws.client("athena", self.location.region)

    def _settings(self) -> dict[str, Any]:
        """Return the arguments of a query except its text; a workgroup that enforces its settings overrides them."""
        location = self.location
        group = self._workgroup(location.workgroup or "primary")
        settings: dict[str, Any] = {
            "QueryExecutionContext": {
                "Database": location.database,
                "Catalog": location.catalog or "AwsDataCatalog",
            },
            "WorkGroup": location.workgroup or "primary",
        }
        if location.output and not (group or {}).get("EnforceWorkGroupConfiguration"):
            settings["ResultConfiguration"] = {"OutputLocation": location.output}
        elif group is not None and not location.output and not _stores_results(group):
            raise UsageError(
                f"workgroup {escape_controls(settings['WorkGroup'])!r} has no location for results",
                f"name one: {_FORM}",
                code="PG-E524",
            )
        return settings

    def _workgroup(self, name: str) -> Mapping[str, Any] | None:
        """Return a workgroup's configuration; None where it may not be read."""
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
                raise _query_error(query, status)
            if self.max_scan is not None and self.scanned > self.max_scan:
                raise self._over_limit("the query was stopped")
            self.sleep(delay)

    def _rows(self, query: str) -> Iterator[Row]:
        with self.aws.translating_errors("athena"):
            pages = self._client().get_paginator("get_query_results").paginate(QueryExecutionId=query)
            for number, page in enumerate(pages):
                result = page["ResultSet"]
                names = [column["Name"] for column in result["ResultSetMetadata"]["ColumnInfo"]]
                for at, row in enumerate(result.get("Rows") or ()):
                    values = [cell.get("VarCharValue") for cell in row["Data"]]
                    # The first row of the result has the names of the columns.
                    if number or at or values != names:
                        yield dict(zip(names, values, strict=True))

    def _over_limit(self, what: str) -> GateError:
        return GateError(
            f"{format_bytes(self.scanned)} read, {format_bytes(self.max_scan or 0)} allowed: {what}",
            "ask for fewer days, or for one account: a table with partitions reads only these",
            f"or allow more: about ${2 * self.scanned / 1e12 * PRICE:.2f} at ${PRICE:g} a terabyte in all",
            code="PG-E522",
        )


def _stores_results(group: Mapping[str, Any]) -> bool:
    managed = (group.get("ManagedQueryResultsConfiguration") or {}).get("Enabled")
    return bool(managed or (group.get("ResultConfiguration") or {}).get("OutputLocation"))


def _query_error(query: str, status: Mapping[str, Any]) -> AwsError:
    reason = status.get("StateChangeReason") or (status.get("AthenaError") or {}).get("ErrorMessage")
    return AwsError(
        f"Athena's query {'was cancelled' if status['State'] == 'CANCELLED' else 'failed'}:"
        f" {sanitize(reason, 400) or 'no reason was given'}",
        f"aws athena get-query-execution --query-execution-id {sanitize(query, 64)} tells more",
        "a damaged log file stops every query: leave its days out, or read the bucket itself",
        code="PG-E521",
    )
