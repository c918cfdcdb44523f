"""Log source "lake": an event data store of CloudTrail Lake, ``lake:ARN`` or ``lake:ID``.

A summary counts all events, as in Athena (`sql_rows`); the role's own events are read one by one, as whole records.
Athena's second query cannot be used here: the column ``requestparameters`` is a map of texts, in which a number equals
its text, and a statement has at most 10,000 characters. The column ``eventjson`` has the whole record, so its calls are
the same as from any other source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from policygen.account.aws_session import Aws, open_session
from policygen.account.model import Trail
from policygen.errors import IncompleteError, NothingFoundError, UsageError
from policygen.iam.arn import parse
from policygen.logs.calls.counts import CallCounts
from policygen.logs.decode.unpack import BATCH
from policygen.logs.source import QuerySource, Scope
from policygen.logs.sources.api.paging import batches_of_texts
from policygen.logs.sources.athena.sql import CallsQuery
from policygen.logs.sources.lake.client import EventDataStore, LakeClient, parse_store
from policygen.logs.sources.lake.sql import (
    GROUPINGS_BY_STATEMENT,
    lake_summary_sql,
    records_sql,
    summary_rows,
)
from policygen.logs.sources.sql_rows import load_summary
from policygen.text import pluralize, sanitize

__all__ = ["EventDataStore", "LakeClient", "LakeSource", "open_lake", "parse_store"]


def open_lake(
    specs: Sequence[str], *, profile: str = "", region: str = "", max_scan: int | None = None
) -> LakeSource:
    """Return the source of the event data store that `specs` names; the only request to AWS asks who the caller is.

    Args:
        specs: one, ``lake:ARN`` or ``lake:ID``.
        profile: AWS profile; "" for the default one.
        region: where it is; "" for AWS_REGION or the profile's.
        max_scan: must be None, because a limit cannot be enforced.

    Raises:
        UsageError: it has another form, or there are several (PG-E533); there is a limit (PG-E208).
        AwsError: no credentials.
    """
    if len(specs) != 1:
        raise UsageError("one event data store at a time", "run once for each", code="PG-E533")
    store = parse_store(specs[0])
    if max_scan is not None:
        raise UsageError(
            "--max-scan and lake: cannot be used together: CloudTrail Lake tells what a query read when it is done",
            "leave it out; fewer --days read less",
            code="PG-E208",
        )
    return LakeSource(LakeClient(Aws.identify(open_session(profile or None, region or None)), store))


class LakeSource(QuerySource):
    """An event data store.

    Args:
        lake: runs the queries.
        now: the time, in UTC; by default the clock's.
    """

    def __init__(self, lake: LakeClient, now: datetime | None = None) -> None:
        self._lake = lake
        self._now = now or datetime.now(UTC)
        self._trail: Trail | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """That queries cost money."""
        return (
            "queries of CloudTrail Lake are paid for by what they read, which is told when they are done",
        )

    @property
    def trails(self) -> tuple[Trail, ...] | None:
        """The store as a trail, whose selectors decided which events it has; known after the first query."""
        return (self._trail,) if self._trail else None

    def count_into(
        self, counts: CallCounts, role: str, scope: Scope, on_message: Callable[[str], None]
    ) -> None:
        """See `QuerySource.count_into`.

        Raises:
            NothingFoundError: the store has no event of the window (PG-E302).
            IncompleteError: a record of the role cannot be read (PG-E534).
        """
        lake, query = self._lake, CallsQuery(role, scope.account, scope.first, counts.until)
        on_message(f"asking event data store {lake.store.id}")
        described = lake.describe()
        self._trail = _trail(described, self._now)
        rows = (
            row
            for keys in GROUPINGS_BY_STATEMENT
            for row in summary_rows(keys, lake.run(lake_summary_sql(lake.store.id, query, keys)))
        )
        load_summary(counts, rows)
        on_message(f"{pluralize(counts.totals.records, 'record')} surveyed; {lake.cost_summary}")
        if not counts.totals.records:
            raise NothingFoundError(
                f"no event in event data store {lake.store.id} from {scope.first or 'its beginning'}"
                f" to {counts.until or 'now'}",
                "does it hold the days and the account that are asked for?",
                code="PG-E302",
            )
        if any(map(counts.select, counts.totals.roles)):
            self._count(counts, query, whole=bool(described.get("OrganizationEnabled")))
            on_message(f"records of {role} read one by one; {lake.cost_summary}")

    def _count(self, counts: CallCounts, query: CallsQuery, *, whole: bool) -> None:
        """Count the role's records, and in an organisation's store the copies that other accounts received."""
        lake = self._lake
        own = CallCounts(counts.select, until=counts.until, known=counts.known)
        self._read(own, records_sql(lake.store.id, query))
        ids = sorted({role.role_id for role in own.totals.roles if role.role_id and counts.select(role)})
        if whole and ids:
            self._read(own, records_sql(lake.store.id, query, ids))
        own.resolve_cross_account_copies()
        counts.calls, counts.totals.change_events = own.calls, own.totals.change_events
        counts.totals.created = own.totals.created
        counts.totals.duplicates = own.totals.duplicates
        roles = own.totals.roles
        counts.totals.roles.update({role: roles[role] - counts.totals.roles[role] for role in own.calls})

    def _read(self, counts: CallCounts, sql: str) -> None:
        texts: list[object] = []
        for row in self._lake.run(sql):
            texts.append(row.get("eventjson") or None)
            if len(texts) == BATCH:
                self._add(counts, texts)
                texts = []
        self._add(counts, texts)

    def _add(self, counts: CallCounts, texts: list[object]) -> None:
        for batch in batches_of_texts(f"lake:{self._lake.store.id}", texts, counts.totals.records):
            if batch.unreadable or batch.damage:
                raise self._unreadable(batch.damage.reason if batch.damage else batch.unreadable[0].reason)
            counts.add_all(batch.records)
            if counts.unreadable:
                raise self._unreadable(counts.unreadable[0][1])

    def _unreadable(self, reason: str) -> IncompleteError:
        return IncompleteError(
            f"a record of event data store {self._lake.store.id} cannot be read: {reason}",
            "a policy made without it could be too small: ask for days that are without it,",
            "or read the trail's bucket: --logs auto",
            code="PG-E534",
        )


def _trail(store: Mapping[str, Any], now: datetime) -> Trail:
    """Return a store as a trail. Its selectors apply since its last change, and only while it keeps events."""
    retention = timedelta(days=store.get("RetentionPeriod") or 0)
    created = store.get("CreatedTimestamp") or now
    changed = store.get("UpdatedTimestamp") or created
    since = max(created, changed, *([now - retention] if retention else []))
    arn = sanitize(store.get("EventDataStoreArn"))
    parsed_arn = parse(arn)
    name = f"event data store {sanitize(store.get('Name'), 128)}"
    if since == changed and changed.date() > created.date():
        name += f", as it is since {changed.astimezone(UTC):%Y-%m-%d}"
    return Trail(
        name=name,
        arn=arn,
        home_region=parsed_arn.region if parsed_arn else "",
        multi_region=bool(store.get("MultiRegionEnabled")),
        organization=bool(store.get("OrganizationEnabled")),
        global_events=True,
        bucket="",
        prefix="",
        logging=store.get("Status") == "ENABLED",
        started=since.astimezone(UTC).isoformat(timespec="seconds"),
        stopped="",
        delivery_error="",
        selectors=None,
        advanced=tuple(store.get("AdvancedEventSelectors") or ()),
        raw={},
    )
