"""Log source ``lookup:``: CloudTrail's event history, by LookupEvents, of the credentials' account (2.3).

``lookup:`` reads all regions that the account has enabled, ``lookup:eu-west-1,eu-west-3`` these regions and the one
that records the calls of global services (2.1.4). Each region and UTC day is one object. No trail is needed: the
history has all management events, whatever trails select, and no others.

`paging` explains the rate, the number of processes and what may be cached; `days` has the days.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from msgspec.structs import replace

from policygen.account.aws_session import open_session
from policygen.account.model import Trail
from policygen.errors import AwsError, NothingFoundError, PolicygenError, UsageError
from policygen.logs.source import EVERYTHING, RECORDS, Batch, Damage, LogObject, LogSource, Scope, Sought
from policygen.logs.sources.api.days import DAY, DayRange, day_object, midnight, readable_days
from policygen.logs.sources.api.paging import (
    Connection,
    EventPage,
    HistoryReader,
    RawEvent,
    is_fatal,
    with_resume_hint,
)
from policygen.text import escape_controls, pluralize, sanitize

RETENTION = timedelta(days=90)
"""How long an event stays in the history."""

PER_SECOND = 2
"""Requests a second in one account and region; AWS does not raise this quota."""

PER_PAGE = 50
"""Greatest number of events in one answer."""

_SCHEME = "lookup:"
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d{1,2}")
# Where IAM, STS, CloudFront and other global services record their calls (2.1.4).
_GLOBAL = {"aws": ("us-east-1",), "aws-cn": ("cn-north-1",), "aws-us-gov": ("us-gov-west-1",)}
_NOT_ENABLED = "region-not-enabled"
_INVALID, _DENIED = "PG-E101", "PG-E110"
_HISTORY = Trail(
    name="event history",
    arn="",
    home_region="",
    multi_region=True,
    organization=False,
    global_events=True,
    bucket="",
    prefix="",
    logging=True,
    started="",
    stopped="",
    delivery_error="",
    selectors=({"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": []},),
    advanced=None,
    raw={},
)


def open_lookup(
    specs: Sequence[str], *, profile: str = "", region: str = "", now: datetime | None = None
) -> LookupSource:
    """Return the event history that ``lookup:`` or ``lookup:REGION,REGION`` names, without a request to AWS.

    Args:
        specs: as the user wrote them.
        profile: AWS profile, "" for the default one.
        region: where to ask for the regions; "" for AWS_REGION or the profile's.
        now: the time, in UTC; by default the clock's.

    Raises:
        UsageError: what follows ``lookup:`` is not a list of regions (PG-E202).
    """
    regions: dict[str, None] = {}
    for spec in specs:
        names = spec.removeprefix(_SCHEME).strip("/")
        for name in names.split(",") if names else ():
            if not _REGION.fullmatch(name):
                raise UsageError(
                    f"not the name of a region: {sanitize(name)!r} in {sanitize(spec)!r}",
                    "lookup: reads all regions, lookup:eu-west-1,us-east-1 reads these",
                    code="PG-E202",
                )
            regions[name] = None
    connection = Connection(partial(open_session, profile or None, region or None))
    return LookupSource(LookupReader(connection, now or datetime.now(UTC)), tuple(regions))


class LookupReader(HistoryReader):
    """Reads days of the event history. `now` is the time at which the reader was created, in UTC."""

    service = "cloudtrail"
    event_name = "cloudtrail.LookupEvents"
    per_second = PER_SECOND

    def __init__(
        self,
        connection: Connection,
        now: datetime,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(connection, clock=clock, sleep=sleep)
        self.now = now
        self._created = clock()

    def fetch_page(self, client: Any, day_range: DayRange, token: str, limit: int = 0) -> EventPage:
        """Request one page. A token is valid only with its own parameters, so only the token changes (2.3)."""
        answer = client.lookup_events(
            StartTime=day_range.start,
            EndTime=day_range.end,
            MaxResults=limit or PER_PAGE,
            **({"NextToken": token} if token else {}),
        )
        # EndTime is inclusive: an event at the next midnight belongs to the next day.
        entries = [
            RawEvent(event.get("EventId", ""), event.get("CloudTrailEvent"))
            for event in answer.get("Events", ())
            if not ("EventTime" in event and event["EventTime"] >= day_range.end)
        ]
        return EventPage(entries, answer.get("NextToken", ""))

    def is_stale_token(self, code: str) -> bool:
        """Return whether the token is expired, or belongs to other parameters."""
        return code == "InvalidNextTokenException"

    def loss_reason(self, day_range: DayRange) -> str:
        """Return why a day is incomplete: reading takes hours, and AWS may drop events before they are read."""
        oldest = self.now + timedelta(seconds=self._clock() - self._created) - RETENTION
        if day_range.start >= oldest:
            return ""
        return (
            f"LookupEvents keeps {RETENTION.days} days: what is older than {oldest:%Y-%m-%dT%H:%MZ} is gone"
        )


class LookupSource(LogSource):
    """The event history of one account.

    Args:
        reader: reads the history of its connection's account.
        regions: the regions to read, with the one of global services; () for all enabled regions.
    """

    reader: LookupReader

    def __init__(self, reader: LookupReader, regions: Sequence[str] = ()) -> None:
        self.reader = reader
        self.now = reader.now
        self.regions = tuple(regions)
        self._connection = reader.connection
        self._regions_and_days: tuple[int, int] | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the history cannot contain, and how long reading takes; the figure is known after `objects` began."""
        always = (
            "LookupEvents has management events only: what a role does to data is not in it",
            f"LookupEvents goes back {RETENTION.days} days, and has the events of this account only",
        )
        rate = f"it answers {PER_SECOND} requests a second in each region, with {PER_PAGE} events each"
        if self._regions_and_days is None:
            return (*always, rate)
        regions, days = self._regions_and_days
        requests, seconds = pluralize(regions * days, "request"), pluralize(-(-days // PER_SECOND), "second")
        least = f"{requests} at least, {seconds} or more"
        return (*always, f"{rate}: {least}, and 2.8 hours for a million events of one region")

    @property
    def trails(self) -> tuple[Trail, ...]:
        """The history as a trail: all management events, whatever trails select, and no others (2.3)."""
        if not self.regions:
            return (_HISTORY,)
        aws = self._connection.aws
        named = sorted({*self.regions, *_GLOBAL.get(aws.partition, ())})
        return tuple(
            replace(_HISTORY, name=f"{_HISTORY.name} of {region}", home_region=region, multi_region=False)
            for region in named
        )

    def objects(self, scope: Scope = EVERYTHING) -> Iterator[LogObject | Batch]:
        """Yield an object for each region and day, by region, then day.

        Wanted days that are no longer kept come first, as damage. A region that refuses becomes damage in its place.
        Each region is probed with a request for one event.

        Raises:
            NothingFoundError: `scope` is about another account (PG-E302).
            AwsError: no credentials, or no region can be read.
        """
        account = self._connection.aws.account
        if scope.account and scope.account != account:
            raise NothingFoundError(
                f"the event history of account {account} has no event of account {sanitize(scope.account)}",
                "add --profile NAME for credentials of that account, or read its trail",
                code="PG-E302",
            )
        oldest = self.now - RETENTION
        readable = readable_days(scope, oldest, self.now)
        if readable.missing:
            first, last = readable.missing
            reason = f"LookupEvents keeps {RETENTION.days} days: nothing before {oldest:%Y-%m-%dT%H:%MZ}"
            yield Batch.damaged(f"{_SCHEME}*/{first} to {last}", Damage(None, reason))
        days = list(readable.days())
        if not days:
            return
        open_regions, unavailable = self._probe_regions()
        self._regions_and_days = (len(open_regions), len(days))
        for region in sorted({*open_regions, *unavailable}):
            if region in unavailable:
                yield unavailable[region]
                continue
            for day in days:
                start = max(midnight(day), oldest)
                day_range = DayRange(region, start, min(midnight(day + DAY), self.now))
                name = f"{_SCHEME}{region}/{day}"
                yield day_object(name, day_range, account, self.now, region)._replace(account=account)

    def no_logs_error(self, passed: Counter[str], sought: Sought = RECORDS) -> PolicygenError:  # noqa: ARG002 - it has records only
        """Return the error for a history without a day to read (PG-E302)."""
        regions = (
            f" ({pluralize(passed[_NOT_ENABLED], 'region')} not enabled)" if passed[_NOT_ENABLED] else ""
        )
        return NothingFoundError(
            f"no day of CloudTrail's event history was asked for{regions}",
            f"it has the last {RETENTION.days} days, until {self.now:%Y-%m-%d}",
            code="PG-E302",
        )

    # ---- regions ----------------------------------------------------------------------------------------

    def _probe_regions(self) -> tuple[list[str], dict[str, Batch]]:
        """Return the regions that answer, and a batch for each region that does not."""
        enabled, unavailable = self._candidates()
        with ThreadPoolExecutor(max(1, min(16, len(enabled)))) as pool:
            errors = dict(zip(enabled, pool.map(self._probe, enabled), strict=True))
        refused = {region: error for region, error in errors.items() if error}
        for error in refused.values():
            if is_fatal(error) and error.code != _INVALID:
                raise with_resume_hint(error)
        if refused and len(refused) == len(errors):
            # An error that concerns one region only does not explain why no region can be read.
            raise min(refused.values(), key=lambda error: error.code != _DENIED)
        unavailable |= {region: _region_damage(region, error) for region, error in refused.items()}
        return [region for region in enabled if region not in refused], unavailable

    def _candidates(self) -> tuple[list[str], dict[str, Batch]]:
        """Return the regions to probe, and a batch for each region that the account has not enabled."""
        aws = self._connection.aws
        if self.regions:
            return sorted({*self.regions, *_GLOBAL.get(aws.partition, ())}), {}
        try:
            client = self._connection.client("ec2", aws.session.region_name or "")
            with aws.translating_errors("ec2"):
                rows = client.describe_regions(AllRegions=True)["Regions"]
        except AwsError as error:
            if error.code != _DENIED:
                raise
            # All regions: those that are not enabled refuse the credentials like any other error.
            return sorted(aws.session.get_available_regions("cloudtrail", aws.partition)), {}
        disabled = {row["RegionName"] for row in rows if row.get("OptInStatus") == "not-opted-in"}
        names = {row["RegionName"] for row in rows}
        passed = {region: Batch.passed(f"{_SCHEME}{region}", _NOT_ENABLED) for region in disabled}
        return sorted(names - disabled), passed

    def _probe(self, region: str) -> AwsError | None:
        day_range = DayRange(region, self.now - DAY, self.now)
        try:
            self.reader.probe(day_range)
        except AwsError as error:
            return error
        return None


def _region_damage(region: str, error: AwsError) -> Batch:
    reason = escape_controls(error.message)
    if error.code == _INVALID:
        # Session tokens of the global STS endpoint are valid only in regions that are enabled by default
        # (docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_enable-regions.html).
        reason = (
            "the region refuses the credentials: it is not enabled (ec2:DescribeRegions would tell), or they are of "
            "the global STS endpoint and hold in default regions only"
        )
    return Batch.damaged(f"{_SCHEME}{region}", Damage(None, reason))
