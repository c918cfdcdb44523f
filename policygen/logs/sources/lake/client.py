"""Run queries on an event data store through CloudTrail's API: start each, wait for it, and read its rows."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from policygen.account.aws_errors import error_code, is_aws_error
from policygen.account.aws_session import Aws
from policygen.errors import AwsError, UsageError
from policygen.logs.sources.sql_rows import Row
from policygen.logs.sources.waiting import poll_delays, retry_throttled, stopped_on_error
from policygen.text import format_bytes, sanitize

PER_PAGE = 1000
"""Greatest number of rows in one answer."""

_ID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_SPEC = re.compile(
    rf"lake:(?:arn:aws[a-z-]*:cloudtrail:(?P<region>[a-z0-9-]+):(?P<owner>[0-9]{{12}}):eventdatastore/)?(?P<id>{_ID})"
)
_FORM = (
    "lake:arn:aws:cloudtrail:REGION:ACCOUNT:eventdatastore/ID, or lake:ID in the session's account and region"
)
_UNUSABLE_STORE_ERRORS = frozenset(
    {
        "EventDataStoreARNInvalidException",
        "EventDataStoreNotFoundException",
        "InactiveEventDataStoreException",
        "InvalidQueryStatementException",
    }
)


class EventDataStore(NamedTuple):
    """An event data store; `region` and `owner` are "" for those of the session."""

    id: str
    arn: str = ""
    region: str = ""
    owner: str = ""
    """Account id."""


def parse_store(spec: str) -> EventDataStore:
    """Parse ``lake:ARN`` or ``lake:ID``.

    Raises:
        UsageError: it has another form (PG-E533).
    """
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise UsageError(
            f"not an event data store of CloudTrail Lake: {sanitize(spec)!r}",
            f"its form is {_FORM}",
            code="PG-E533",
        )
    arn = spec.removeprefix("lake:") if match["region"] else ""
    return EventDataStore(match["id"], arn, match["region"] or "", match["owner"] or "")


class LakeClient(msgspec.Struct):
    """Runs queries on an event data store. `scanned` is the number of bytes that all of them read."""

    aws: Aws
    store: EventDataStore
    sleep: Callable[[float], None] = time.sleep
    scanned: int = 0

    def describe(self) -> Mapping[str, Any]:
        """Return the store's settings, as GetEventDataStore gives them.

        Raises:
            UsageError: there is no such store, it is being deleted, or it holds no calls (PG-E532).
            AwsError: AWS refused, or cannot be reached.
        """
        settings: Mapping[str, Any] = self._request(
            lambda client: client.get_event_data_store(EventDataStore=self.store.arn or self.store.id)
        )
        if settings.get("Status") == "PENDING_DELETION":
            raise self._unusable("it is being deleted")
        if not _categories(settings) & {"Management", "Data"}:
            raise self._unusable("it holds no events of calls")
        return settings

    def run(self, sql: str) -> Iterator[Row]:
        """Run a statement and yield its rows.

        Raises:
            UsageError: the store cannot be queried (PG-E532).
            AwsError: the query failed, timed out, was cancelled or gave too few rows (PG-E531), or AWS refused.
        """
        query = self._request(
            lambda client: client.start_query(QueryStatement=sql, **self._owner_argument())
        )["QueryId"]
        with stopped_on_error(lambda: self._client().cancel_query(QueryId=query, **self._owner_argument())):
            self._wait(query)
        return self._rows(query)

    @property
    def cost_summary(self) -> str:
        """What the queries read, in words."""
        return f"CloudTrail Lake read {format_bytes(self.scanned)}, and charges for what it reads"

    def _wait(self, query: str) -> None:
        for delay in poll_delays():
            state = self._request(
                lambda client: client.describe_query(QueryId=query, **self._owner_argument())
            )
            if state["QueryStatus"] not in {"QUEUED", "RUNNING"}:
                break
            self.sleep(delay)
        self.scanned += (state.get("QueryStatistics") or {}).get("BytesScanned") or 0
        if state["QueryStatus"] != "FINISHED":
            raise _query_error(query, state)

    def _rows(self, query: str) -> Iterator[Row]:
        arguments = {"QueryId": query, "MaxQueryResults": PER_PAGE, **self._owner_argument()}
        count = 0
        while True:
            page = self._request(lambda client: client.get_query_results(**arguments))
            rows, token = page.get("QueryResultRows") or (), page.get("NextToken", "")
            for row in rows:
                yield {name.lower(): value for cell in row for name, value in cell.items()}
            count += len(rows)
            if not token or token == arguments.get("NextToken"):
                break
            arguments["NextToken"] = token
        total = (page.get("QueryStatistics") or {}).get("TotalResultsCount", count)
        if token or count != total:
            raise _query_error(query, {"ErrorMessage": f"it gave {count:,} of {total:,} rows"})

    def _client(self) -> Any:
        return self.aws.client("cloudtrail", self.store.region)

    def _owner_argument(self) -> dict[str, str]:
        """Return the argument that names the owner of another account's store, such as an organisation's."""
        owner = self.store.owner
        return {"EventDataStoreOwnerAccountId": owner} if owner and owner != self.aws.account else {}

    def _request(self, operation: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """Return AWS's answer; repeat while it throttles, or runs its greatest number of queries."""

        def once() -> dict[str, Any]:
            with self.aws.translating_errors("cloudtrail"):
                try:
                    return operation(self._client())
                except Exception as error:
                    if is_aws_error(error) and error_code(error) in _UNUSABLE_STORE_ERRORS:
                        raise self._unusable(" ".join(str(error).split())) from None
                    raise

        return retry_throttled(once, self.sleep)

    def _unusable(self, reason: str) -> UsageError:
        region = self.store.region or self.aws.session.region_name or "REGION"
        return UsageError(
            f"event data store {self.store.id} cannot be asked: {sanitize(reason, 400)}",
            f"aws cloudtrail list-event-data-stores --region {sanitize(region)} shows those there are",
            code="PG-E532",
        )


def _query_error(query: str, state: Mapping[str, Any]) -> AwsError:
    outcome = {"CANCELLED": "was cancelled", "TIMED_OUT": "ran too long"}.get(
        state.get("QueryStatus", ""), "failed"
    )
    return AwsError(
        f"CloudTrail Lake's query {outcome}: {sanitize(state.get('ErrorMessage'), 400) or 'no reason was given'}",
        f"aws cloudtrail describe-query --query-id {sanitize(query, 64)} tells more",
        "fewer --days make it shorter; a query has an hour",
        code="PG-E531",
    )


def _categories(store: Mapping[str, Any]) -> set[str]:
    """Return the kinds of events that a store's selectors name."""
    fields = (
        field
        for selector in store.get("AdvancedEventSelectors") or ()
        for field in selector.get("FieldSelectors") or ()
    )
    return {
        value
        for field in fields
        if field.get("Field") == "eventCategory"
        for value in field.get("Equals") or ()
    }
