"""Log source ``logs:GROUP`` or ``logs:GROUP@REGION``: a trail that delivers to a CloudWatch Logs group.

Each group and UTC day is one object. FilterLogEvents selects by the time stamps of log events, and CloudTrail does not
document what it writes there: the time of the call, or of its delivery some minutes later. So a window of days is read
with the day after it, as with the folders of a bucket (2.1.2), and the ``eventTime`` of each call decides whether it is
in the window. A group may hold the events of all regions and accounts of an organisation, so an object names neither.

`paging` explains the rate, the number of processes and what may be cached; `days` has the days.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from policygen.account.aws_errors import error_code
from policygen.account.aws_session import open_session
from policygen.errors import AwsError, NothingFoundError, PolicygenError, UsageError
from policygen.logs.events.event_time import utc_time
from policygen.logs.source import EVERYTHING, RECORDS, Batch, Damage, LogObject, LogSource, Scope, Sought
from policygen.logs.sources.api.days import DAY, DayRange, day_object, midnight, readable_days
from policygen.logs.sources.api.paging import Connection, EventPage, HistoryReader, RawEvent, with_resume_hint
from policygen.text import pluralize, sanitize

PER_SECOND = 5
"""Requests a second in one account and region (repost.aws/knowledge-center/cloudwatch-logs-throttling), a fixed quota.
"""

PER_PAGE = 10_000
"""Greatest number of log events in one answer; an answer also has at most 1 MB."""

_SCHEME = "logs:"
_SPEC = re.compile(r"logs:(?P<name>[.\-_/#A-Za-z0-9]{1,512})(?:@(?P<region>[a-z]{2}(?:-[a-z]+)+-\d{1,2}))?")
_MAX_NAMES_COMPARED = 2_000
"""Number of group names that are compared to suggest a similar one."""


class WatchedGroup(NamedTuple):
    """A log group; `region` is "" for that of the session."""

    name: str
    region: str = ""


def open_log_groups(
    specs: Sequence[str], *, profile: str = "", region: str = "", now: datetime | None = None
) -> LogsSource:
    """Return the source of the log groups that `specs` name, without a request to AWS.

    Args:
        specs: as the user wrote them, ``logs:GROUP`` or ``logs:GROUP@REGION``.
        profile: AWS profile, "" for the default one.
        region: where groups are that name none; "" for AWS_REGION or the profile's.
        now: the time, in UTC; by default the clock's.

    Raises:
        UsageError: one of them has another form (PG-E202).
    """
    groups: dict[WatchedGroup, None] = {}
    for spec in specs:
        match = _SPEC.fullmatch(spec)
        if match is None:
            raise UsageError(
                f"not the name of a log group: {sanitize(spec)!r}",
                "logs:GROUP, or logs:GROUP@REGION for one in another region than the session's",
                code="PG-E202",
            )
        groups[WatchedGroup(match["name"], match["region"] or "")] = None
    reader = LogsReader(Connection(partial(open_session, profile or None, region or None)))
    return LogsSource(reader, now or datetime.now(UTC), tuple(groups))


class LogsReader(HistoryReader):
    """Reads days of a log group; every message is one CloudTrail record."""

    service = "logs"
    event_name = "cloudwatch-logs.FilterLogEvents"
    per_second = PER_SECOND

    def fetch_page(self, client: Any, day_range: DayRange, token: str, limit: int = 0) -> EventPage:
        """Request one page, which may be empty before the last; without a filter, so that no event is left out."""
        answer = client.filter_log_events(
            logGroupName=day_range.subject,
            startTime=_milliseconds(day_range.start),
            endTime=_milliseconds(day_range.end) - 1,  # both ends are included
            limit=limit or PER_PAGE,
            **({"nextToken": token} if token else {}),
        )
        entries = [
            RawEvent(
                event.get("eventId", ""), event.get("message"), utc_time(str(event.get("timestamp", "")))
            )
            for event in answer.get("events", ())
        ]
        return EventPage(entries, answer.get("nextToken", ""))

    def is_stale_token(self, code: str) -> bool:
        """A token is valid for 24 hours; since the other parameters do not change, nothing else can be wrong."""
        return code == "InvalidParameterException"


_NOTES = (
    "CloudTrail sends no event of more than 256 KB to CloudWatch Logs",  # 2.1.5
    "whoever may call logs:PutLogEvents on the group can write events into it: nothing proves who wrote them",
    f"FilterLogEvents answers {PER_SECOND} requests a second in each region, with 1 MB of events each",
)


class LogsSource(LogSource):
    """CloudTrail events in log groups.

    Args:
        reader: reads the groups, with the credentials of its connection.
        now: the time, in UTC.
        groups: the log groups.
    """

    reader: LogsReader

    def __init__(self, reader: LogsReader, now: datetime, groups: Sequence[WatchedGroup]) -> None:
        self.reader = reader
        self.now = now
        self.groups = tuple(groups)
        self._connection = reader.connection

    def objects(self, scope: Scope = EVERYTHING) -> Iterator[LogObject | Batch]:
        """Yield an object for each group and day, in the order of the groups, then of days.

        Wanted days that a group no longer keeps come first, as damage. Each group is probed with a request for one
        event.

        Raises:
            UsageError: there is no such group (PG-E201).
            AwsError: no credentials, no region, or a group may not be read (PG-E110).
        """
        for group in self.groups:
            yield from self._days(group._replace(region=group.region or self._home()), scope)

    @property
    def notes(self) -> tuple[str, ...]:
        """What such a group cannot contain, and how fast it answers."""
        return _NOTES

    def no_logs_error(self, passed: Counter[str], sought: Sought = RECORDS) -> PolicygenError:  # noqa: ARG002 - the group says it
        """Return the error for a source without a day to read (PG-E302)."""
        names = ", ".join(repr(group.name) for group in self.groups)
        return NothingFoundError(
            f"no day of log group {names} was asked for",
            f"it can be read from its creation until {self.now:%Y-%m-%d}",
            code="PG-E302",
        )

    def _home(self) -> str:
        return self._connection.aws.regions()[0]

    def _days(self, group: WatchedGroup, scope: Scope) -> Iterator[LogObject | Batch]:
        aws = self._connection.aws
        label = f"{_SCHEME}{group.name}@{group.region}"
        created, retention = self._describe(group)
        # Nothing can be missing from before the group was created, but its first events may be some minutes older.
        earliest = midnight(created.date()) - DAY
        oldest = self.now - retention if retention and self.now - retention > created else earliest
        first = scope.first and max(scope.first, earliest.date().isoformat())
        readable = readable_days(scope._replace(first=first), oldest, self.now, late=DAY)
        if readable.missing:
            reason = (
                f"the group keeps {pluralize(retention.days, 'day')}: nothing before {oldest:%Y-%m-%dT%H:%MZ}"
            )
            yield Batch.damaged(
                f"{label}/{readable.missing[0]} to {readable.missing[1]}", Damage(None, reason)
            )
        for number, day in enumerate(readable.days()):
            start, end = max(midnight(day), oldest), min(midnight(day + DAY), self.now)
            day_range = DayRange(group.region, start, end, group.name)
            if not number:
                self._probe(group, day_range)
            yield day_object(f"{label}/{day}", day_range, aws.account, self.now)

    def _describe(self, group: WatchedGroup) -> tuple[datetime, timedelta]:
        """Return when a group was created, and how long it keeps events; zero for ever."""
        for row in self._groups(group.region, group.name):
            if row["logGroupName"] == group.name:
                created = datetime.fromtimestamp(row.get("creationTime", 0) / 1000, UTC)
                return created, timedelta(days=row.get("retentionInDays", 0))
        raise self._not_found(group)

    def _groups(self, region: str, prefix: str = "") -> Iterator[dict[str, Any]]:
        client = self._connection.client("logs", region)
        with self._connection.aws.translating_errors("logs"):
            pages = client.get_paginator("describe_log_groups").paginate(
                **({"logGroupNamePrefix": prefix} if prefix else {})
            )
            for page in pages:
                yield from page["logGroups"]

    def _probe(self, group: WatchedGroup, day_range: DayRange) -> None:
        try:
            self.reader.probe(day_range)
        except AwsError as error:
            if error.__cause__ and error_code(error.__cause__) == "ResourceNotFoundException":
                raise self._not_found(group) from error
            if error.code == "PG-E110":
                aws = self._connection.aws
                where = f"arn:{aws.partition}:logs:{group.region}:{aws.account}:log-group:{group.name}:*"
                hint = f"grant logs:FilterLogEvents on {where}"
                raise AwsError(error.message, hint, *error.hints, code=error.code) from error
            raise with_resume_hint(error) from error

    def _not_found(self, group: WatchedGroup) -> UsageError:
        names = [row["logGroupName"] for row in islice(self._groups(group.region), _MAX_NAMES_COMPARED)]
        near = difflib.get_close_matches(group.name, names, n=3)
        return UsageError(
            f"no log group {group.name!r} in {group.region}",
            *(f"did you mean {_SCHEME}{sanitize(name)}@{group.region}?" for name in near),
            "aws cloudtrail describe-trails shows the group of a trail; logs:GROUP@REGION reads one of another region",
            code="PG-E201",
        )


def _milliseconds(time_: datetime) -> int:
    return round(time_.timestamp() * 1000)
