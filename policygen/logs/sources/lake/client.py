"""An event data store as CloudTrail's API has it: statements are started, waited for, paid for, and read row by row."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from policygen.account.aws_errors import error_code, is_aws_error
from policygen.account.aws_session import Aws
from policygen.errors import AwsError, UsageError
from policygen.logs.sources.sql_rows import Row
from policygen.logs.sources.waiting import poll_delays, retry_throttled, stopped_on_error
from policygen.text import format_bytes, sanitize

PER_PAGE = 1000
"""Greatest number of rows of one answer."""

_ID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_SPEC = re.compile(
    rf"lake:(?:arn:aws[a-z-]*:cloudtrail:(?P<region>[a-z0-9-]+):(?P<owner>[0-9]{{12}}):eventdatastore/)?(?P<id>{_ID})"
)
_FORM = (
    "lake:arn:aws:cloudtrail:REGION:ACCOUNT:eventdatastore/ID, or lake:ID in the session's account and region"
)
_NO_STORE = frozenset(
    {
        "EventDataStoreARNInvalidException",
        "EventDataStoreNotFoundException",
        "InactiveEventDataStoreException",
        "InvalidQueryStatementException",
    }
)


class Store(NamedTuple):
    """An event data store; `region` and `owner` are "" for those of the session."""

    id: str
    arn: str = ""
    region: str = ""
    owner: str = ""
    """Account id."""


def parse_store(spec: str) -> Store:
    """The store that ``lake:ARN`` or ``lake:ID`` names.

    Raises:
        UsageError: it has another form (PG-E533).
    """
    found = _SPEC.fullmatch(spec)
    if found is None:
        raise UsageError(
            f"not an event data store of CloudTrail Lake: {sanitize(spec)!r}",
            f"its form is {_FORM}",
            code="PG-E533",
        )
    arn = spec.removeprefix("lake:") if found["region"] else ""
    return Store(found["id"], arn, found["region"] or "", found["owner"] or "")


@dataclass(slots=True)
class Lake:
    """Asks an event data store. `scanned` adds up the bytes that its queries read."""

    aws: Aws
    store: Store
    sleep: Callable[[float], None] = time.sleep
    scanned: int = 0

    def describe(self) -> Mapping[str, Any]:
        """The store's settings, as GetEventDataStore gives them.

        Raises:
            UsageError: there is no such store, it is being deleted, or it holds no calls (PG-E532).
            AwsError: AWS refused, or cannot be reached.
        """
        found: Mapping[str, Any] = self._ask(
            lambda client: client.get_event_data_store(EventDataStore=self.store.arn or self.store.id)
        )
        if found.get("Status") == "PENDING_DELETION":
            raise self._unusable("it is being deleted")
        if not _categories(found) & {"Management", "Data"}:
            raise self._unusable("it holds no events of calls")
        return found

    def run(self, sql: str) -> Iterator[Row]:
        """The rows of a statement, as they are read.

        Raises:
            UsageError: the store cannot be asked (PG-E532).
            AwsError: the query failed, timed out, was cancelled or gave too few rows (PG-E531), or AWS refused.
        """
        query = self._ask(lambda client: client.start_query(QueryStatement=sql, **self._owner()))["QueryId"]
        with stopped_on_error(lambda: self._client().cancel_query(QueryId=query, **self._owner())):
            self._wait(query)
        return self._rows(query)

    @property
    def bill(self) -> str:
        """What the queries read, in words."""
        return f"CloudTrail Lake read {format_bytes(self.scanned)}, and charges for what it reads"

    def _wait(self, query: str) -> None:
        for delay in poll_delays():
            found = self._ask(lambda client: client.describe_query(QueryId=query, **self._owner()))
            if found["QueryStatus"] not in {"QUEUED", "RUNNING"}:
                break
            self.sleep(delay)
        self.scanned += (found.get("QueryStatistics") or {}).get("BytesScanned") or 0
        if found["QueryStatus"] != "FINISHED":
            raise _failed(query, found)

    def _rows(self, query: str) -> Iterator[Row]:
        asked = {"QueryId": query, "MaxQueryResults": PER_PAGE, **self._owner()}
        given = 0
        while True:
            page = self._ask(lambda client: client.get_query_results(**asked))
            rows, token = page.get("QueryResultRows") or (), page.get("NextToken", "")
            for row in rows:
                yield {name.lower(): value for cell in row for name, value in cell.items()}
            given += len(rows)
            if not token or token == asked.get("NextToken"):
                break
            asked["NextToken"] = token
        total = (page.get("QueryStatistics") or {}).get("TotalResultsCount", given)
        if token or given != total:
            raise _failed(query, {"ErrorMessage": f"it gave {given:,} of {total:,} rows"})

    def _client(self) -> Any:
        return self.aws.client("cloudtrail", self.store.region)

    def _owner(self) -> dict[str, str]:
        """The store of another account, an organisation's, is named with its owner."""
        owner = self.store.owner
        return {"EventDataStoreOwnerAccountId": owner} if owner and owner != self.aws.account else {}

    def _ask(self, operation: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """What AWS answers, asked again as long as it throttles, or runs as many queries as it does at once."""

        def once() -> dict[str, Any]:
            with self.aws.asking("cloudtrail"):
                try:
                    return operation(self._client())
                except Exception as error:
                    if is_aws_error(error) and error_code(error) in _NO_STORE:
                        raise self._unusable(" ".join(str(error).split())) from None
                    raise

        return retry_throttled(once, self.sleep)

    def _unusable(self, why: str) -> UsageError:
        region = self.store.region or self.aws.session.region_name or "REGION"
        return UsageError(
            f"event data store {self.store.id} cannot be asked: {sanitize(why, 400)}",
            f"aws cloudtrail list-event-data-stores --region {sanitize(region)} shows those there are",
            code="PG-E532",
        )


def _failed(query: str, found: Mapping[str, Any]) -> AwsError:
    how = {"CANCELLED": "was cancelled", "TIMED_OUT": "ran too long"}.get(
        found.get("QueryStatus", ""), "failed"
    )
    return AwsError(
        f"CloudTrail Lake's query {how}: {sanitize(found.get('ErrorMessage'), 400) or 'no reason was given'}",
        f"aws cloudtrail describe-query --query-id {sanitize(query, 64)} tells more",
        "fewer --days make it shorter; a query has an hour",
        code="PG-E531",
    )


def _categories(store: Mapping[str, Any]) -> set[str]:
    """The kinds of events that a store's selectors name."""
    fields = (
        field
        for one in store.get("AdvancedEventSelectors") or ()
        for field in one.get("FieldSelectors") or ()
    )
    return {
        value
        for field in fields
        if field.get("Field") == "eventCategory"
        for value in field.get("Equals") or ()
    }
