"""Log source ``logs:GROUP`` or ``logs:GROUP@REGION``: a trail that is delivered to a CloudWatch Logs group.

There is an object for each group and UTC day. FilterLogEvents can only be asked for the time stamps of log events,
and CloudTrail gives none of its own promise: they may be the times of the calls, or of their delivery some minutes
later. So a window of days is read with the day after it, as with the folders of a bucket (2.1.2); which calls are in
the window, their own ``eventTime`` tells. A group may hold the events of all regions and accounts of an
organisation, so an object says neither.

How it is read at AWS's rate, in how many processes, and what is remembered: see `history` and `stretch`.
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
from policygen.logs.source import EVERYTHING, Batch, Damage, LogObject, LogSource, Scope
from policygen.logs.sources.api.days import DAY, DayRange, midnight, span, stretch_object
from policygen.logs.sources.api.paging import Connection, EventPage, HistoryReader, RawEvent, going_on
from policygen.text import pluralize, sanitize

PER_SECOND = 5
"""Requests in one account and region (repost.aws/knowledge-center/cloudwatch-logs-throttling): not to be raised."""

PER_PAGE = 10_000
"""Greatest number of log events of one answer, which has at most 1 MB."""

_SCHEME = "logs:"
_SPEC = re.compile(r"logs:(?P<name>[.\-_/#A-Za-z0-9]{1,512})(?:@(?P<region>[a-z]{2}(?:-[a-z]+)+-\d{1,2}))?")
_LOOKED_AT = 2_000
"""Greatest number of groups among whose names a near one is looked for."""


class WatchedGroup(NamedTuple):
    """A log group; `region` is "" for that of the session."""

    name: str
    region: str = ""


def open_logs(specs: Sequence[str], *, profile: str = "", now: datetime | None = None) -> LogsSource:
    """The log groups that `specs` name. Nothing is asked of AWS yet.

    Args:
        specs: as the user wrote them, ``logs:GROUP`` or ``logs:GROUP@REGION``.
        profile: AWS profile, "" for the default one.
        now: the time, in UTC; by default the clock's.

    Raises:
        UsageError: one of them has another form (PG-E202).
    """
    groups: dict[WatchedGroup, None] = {}
    for spec in specs:
        found = _SPEC.fullmatch(spec)
        if found is None:
            raise UsageError(
                f"not the name of a log group: {sanitize(spec)!r}",
                "logs:GROUP, or logs:GROUP@REGION for one in another region than the session's",
                code="PG-E202",
            )
        groups[WatchedGroup(found["name"], found["region"] or "")] = None
    reader = LogsReader(Connection(partial(open_session, profile or None)))
    return LogsSource(reader, now or datetime.now(UTC), tuple(groups))


class LogsReader(HistoryReader):
    """Reads days of a log group; every message is one CloudTrail record."""

    service = "logs"
    event_name = "cloudwatch-logs.FilterLogEvents"
    per_second = PER_SECOND

    def page(self, client: Any, stretch: DayRange, token: str, limit: int = 0) -> EventPage:
        """One page, which may be empty in the middle of a stretch. Without a filter, so that nothing is left out."""
        answer = client.filter_log_events(
            logGroupName=stretch.subject,
            startTime=_milliseconds(stretch.start),
            endTime=_milliseconds(stretch.end) - 1,  # both ends are part of what is asked for
            limit=limit or PER_PAGE,
            **({"nextToken": token} if token else {}),
        )
        entries = [RawEvent(one.get("eventId", ""), one.get("message")) for one in answer.get("events", ())]
        return EventPage(entries, answer.get("nextToken", ""))

    def is_stale(self, code: str) -> bool:
        """A token is good for 24 hours; with the parameters of the page before, nothing else can be wrong."""
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
        """A stretch for each group and day, in the order of the groups, then of days.

        Before the days of a group come those that were asked for and are older than it keeps. Each group is asked
        for one event first.

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

    def no_logs_error(self, passed: Counter[str]) -> PolicygenError:  # noqa: ARG002 - there is nothing to pass over
        """The error for no day to read (PG-E302)."""
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
        shown = f"{_SCHEME}{group.name}@{group.region}"
        created, kept = self._describe(group)
        # Before the group was made there is nothing to miss. Its first events may be of minutes before.
        made = midnight(created.date()) - DAY
        oldest = self.now - kept if kept and self.now - kept > created else made
        first = scope.first and max(scope.first, made.date().isoformat())
        wanted = span(scope._replace(first=first), oldest, self.now, late=DAY)
        if wanted.missing:
            reason = f"the group keeps {pluralize(kept.days, 'day')}: nothing before {oldest:%Y-%m-%dT%H:%MZ}"
            yield Batch.damaged(f"{shown}/{wanted.missing[0]} to {wanted.missing[1]}", Damage(None, reason))
        for number, day in enumerate(wanted.days()):
            start, end = max(midnight(day), oldest), min(midnight(day + DAY), self.now)
            stretch = DayRange(group.region, start, end, group.name)
            if not number:
                self._try(group, stretch)
            yield stretch_object(f"{shown}/{day}", stretch, aws.account, self.now)

    def _describe(self, group: WatchedGroup) -> tuple[datetime, timedelta]:
        """When a group was created, and how long it keeps events; zero for ever."""
        for row in self._groups(group.region, group.name):
            if row["logGroupName"] == group.name:
                created = datetime.fromtimestamp(row.get("creationTime", 0) / 1000, UTC)
                return created, timedelta(days=row.get("retentionInDays", 0))
        raise self._missing(group)

    def _groups(self, region: str, prefix: str = "") -> Iterator[dict[str, Any]]:
        client = self._connection.client("logs", region)
        with self._connection.aws.asking("logs"):
            pages = client.get_paginator("describe_log_groups").paginate(
                **({"logGroupNamePrefix": prefix} if prefix else {})
            )
            for page in pages:
                yield from page["logGroups"]

    def _try(self, group: WatchedGroup, stretch: DayRange) -> None:
        try:
            self.reader.try_one(stretch)
        except AwsError as error:
            if error.__cause__ and error_code(error.__cause__) == "ResourceNotFoundException":
                raise self._missing(group) from error
            if error.code == "PG-E110":
                aws = self._connection.aws
                where = f"arn:{aws.partition}:logs:{group.region}:{aws.account}:log-group:{group.name}:*"
                hint = f"grant logs:FilterLogEvents on {where}"
                raise AwsError(error.message, hint, *error.hints, code=error.code) from error
            raise going_on(error) from error

    def _missing(self, group: WatchedGroup) -> UsageError:
        names = [row["logGroupName"] for row in islice(self._groups(group.region), _LOOKED_AT)]
        near = difflib.get_close_matches(group.name, names, n=3)
        return UsageError(
            f"no log group {group.name!r} in {group.region}",
            *(f"did you mean {_SCHEME}{sanitize(name)}@{group.region}?" for name in near),
            "aws cloudtrail describe-trails shows the group of a trail; logs:GROUP@REGION reads one of another region",
            code="PG-E201",
        )


def _milliseconds(time_: datetime) -> int:
    return round(time_.timestamp() * 1000)
