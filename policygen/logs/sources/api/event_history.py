"""Log source ``lookup:``: CloudTrail's event history, by LookupEvents, of the account of the credentials (2.3).

``lookup:`` is all regions that the account has enabled, ``lookup:eu-west-1,eu-west-3`` these and the one that
records the calls of global services (2.1.4). There is an object for each region and UTC day of events. No trail is
needed, and none is asked: the history has all management events whatever trails select, and nothing else.

How it is read at AWS's rate, in how many processes, and what is remembered: see `history` and `stretch`.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from policygen.account.aws_session import open_session
from policygen.account.model import Trail
from policygen.errors import AwsError, NothingFoundError, PolicygenError, UsageError
from policygen.logs.source import EVERYTHING, Batch, Damage, LogObject, LogSource, Scope
from policygen.logs.sources.api.days import DAY, DayRange, midnight, span, stretch_object
from policygen.logs.sources.api.paging import (
    Connection,
    EventPage,
    HistoryReader,
    RawEvent,
    going_on,
    is_hopeless,
)
from policygen.text import escape_controls, pluralize, sanitize

KEPT = timedelta(days=90)
"""How long an event stays in the history."""

PER_SECOND = 2
"""Requests in one account and region; AWS does not raise it."""

PER_PAGE = 50
"""Greatest number of events of one answer."""

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


def open_lookup(specs: Sequence[str], *, profile: str = "", now: datetime | None = None) -> LookupSource:
    """The event history that ``lookup:`` or ``lookup:REGION,REGION`` names. Nothing is asked of AWS yet.

    Args:
        specs: as the user wrote them.
        profile: AWS profile, "" for the default one.
        now: the time, in UTC; by default the clock's.

    Raises:
        UsageError: what follows ``lookup:`` is no list of regions (PG-E202).
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
    connection = Connection(partial(open_session, profile or None))
    return LookupSource(LookupReader(connection, now or datetime.now(UTC)), tuple(regions))


class LookupReader(HistoryReader):
    """Reads days of the event history. `now` is the time at which the reader was made, in UTC."""

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
        self._made = clock()

    def page(self, client: Any, stretch: DayRange, token: str, limit: int = 0) -> EventPage:
        """One page. A token goes with the parameters that it was given for, so all but it stay the same (2.3)."""
        answer = client.lookup_events(
            StartTime=stretch.start,
            EndTime=stretch.end,
            MaxResults=limit or PER_PAGE,
            **({"NextToken": token} if token else {}),
        )
        # EndTime is part of what is asked for: an event of the next midnight belongs to the next day.
        entries = [
            RawEvent(event.get("EventId", ""), event.get("CloudTrailEvent"))
            for event in answer.get("Events", ())
            if not ("EventTime" in event and event["EventTime"] >= stretch.end)
        ]
        return EventPage(entries, answer.get("NextToken", ""))

    def is_stale(self, code: str) -> bool:
        """A token that is expired, or was given for other parameters."""
        return code == "InvalidNextTokenException"

    def lost(self, stretch: DayRange) -> str:
        """A day of which AWS forgot a part before it was read: reading a large account takes hours."""
        oldest = self.now + timedelta(seconds=self._clock() - self._made) - KEPT
        if stretch.start >= oldest:
            return ""
        return f"LookupEvents keeps {KEPT.days} days: what is older than {oldest:%Y-%m-%dT%H:%MZ} is gone"


class LookupSource(LogSource):
    """The event history of one account.

    Args:
        reader: reads the history of the account of its connection.
        regions: the regions to read, with the one of global services; () for all enabled regions.
    """

    reader: LookupReader

    def __init__(self, reader: LookupReader, regions: Sequence[str] = ()) -> None:
        self.reader = reader
        self.now = reader.now
        self.regions = tuple(regions)
        self._connection = reader.connection
        self._asked: tuple[int, int] | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the history cannot contain, and how long it takes; the figure is known when `objects` began."""
        always = (
            "LookupEvents has management events only: what a role does to data is not in it",
            f"LookupEvents goes back {KEPT.days} days, and has the events of this account only",
        )
        rate = f"it answers {PER_SECOND} requests a second in each region, with {PER_PAGE} events each"
        if self._asked is None:
            return (*always, rate)
        regions, days = self._asked
        requests, seconds = pluralize(regions * days, "request"), pluralize(-(-days // PER_SECOND), "second")
        least = f"{requests} at least, {seconds} or more"
        return (*always, f"{rate}: {least}, and 2.8 hours for a million events of one region")

    @property
    def trails(self) -> tuple[Trail, ...]:
        """The history itself: all management events whatever trails select, and no others (2.3)."""
        if not self.regions:
            return (_HISTORY,)
        aws = self._connection.aws
        named = sorted({*self.regions, *_GLOBAL.get(aws.partition, ())})
        return tuple(
            replace(_HISTORY, name=f"{_HISTORY.name} of {one}", home_region=one, multi_region=False)
            for one in named
        )

    def objects(self, scope: Scope = EVERYTHING) -> Iterator[LogObject | Batch]:
        """A stretch for each region and day, by region, then day.

        Before them comes what was asked for and is no longer kept; in their place, what a region refuses. Each
        region is asked for one event first.

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
        oldest = self.now - KEPT
        wanted = span(scope, oldest, self.now)
        if wanted.missing:
            first, last = wanted.missing
            reason = f"LookupEvents keeps {KEPT.days} days: nothing before {oldest:%Y-%m-%dT%H:%MZ}"
            yield Batch.damaged(f"{_SCHEME}*/{first} to {last}", Damage(None, reason))
        days = list(wanted.days())
        if not days:
            return
        open_regions, closed = self._survey()
        self._asked = (len(open_regions), len(days))
        for region in sorted({*open_regions, *closed}):
            if region in closed:
                yield closed[region]
                continue
            for day in days:
                start = max(midnight(day), oldest)
                stretch = DayRange(region, start, min(midnight(day + DAY), self.now))
                name = f"{_SCHEME}{region}/{day}"
                yield stretch_object(name, stretch, account, self.now, region)._replace(account=account)

    def no_logs_error(self, passed: Counter[str]) -> PolicygenError:
        """The error for a history of no day that can be read (PG-E302)."""
        regions = (
            f" ({pluralize(passed[_NOT_ENABLED], 'region')} not enabled)" if passed[_NOT_ENABLED] else ""
        )
        return NothingFoundError(
            f"no day of CloudTrail's event history was asked for{regions}",
            f"it has the last {KEPT.days} days, until {self.now:%Y-%m-%d}",
            code="PG-E302",
        )

    # ---- regions ----------------------------------------------------------------------------------------

    def _survey(self) -> tuple[list[str], dict[str, Batch]]:
        """The regions that answer, and for each other one what is to be said of it."""
        enabled, closed = self._candidates()
        with ThreadPoolExecutor(max(1, min(16, len(enabled)))) as pool:
            errors = dict(zip(enabled, pool.map(self._try, enabled), strict=True))
        refused = {region: error for region, error in errors.items() if error}
        for error in refused.values():
            if is_hopeless(error) and error.code != _INVALID:
                raise going_on(error)
        if refused and len(refused) == len(errors):
            # What one region says of its own is not what keeps all from being read.
            raise min(refused.values(), key=lambda error: error.code != _DENIED)
        closed |= {region: _refused(region, error) for region, error in refused.items()}
        return [region for region in enabled if region not in refused], closed

    def _candidates(self) -> tuple[list[str], dict[str, Batch]]:
        """The regions to ask, and those that the account has not enabled."""
        aws = self._connection.aws
        if self.regions:
            return sorted({*self.regions, *_GLOBAL.get(aws.partition, ())}), {}
        try:
            client = self._connection.client("ec2", aws.session.region_name or "")
            with aws.asking("ec2"):
                found = client.describe_regions(AllRegions=True)["Regions"]
        except AwsError as error:
            if error.code != _DENIED:
                raise
            # All there are: those that are not enabled refuse the credentials, and cannot be told from others.
            return sorted(aws.session.get_available_regions("cloudtrail", aws.partition)), {}
        off = {row["RegionName"] for row in found if row.get("OptInStatus") == "not-opted-in"}
        names = {row["RegionName"] for row in found}
        return sorted(names - off), {one: Batch.passed(f"{_SCHEME}{one}", _NOT_ENABLED) for one in off}

    def _try(self, region: str) -> AwsError | None:
        stretch = DayRange(region, self.now - DAY, self.now)
        try:
            self.reader.try_one(stretch)
        except AwsError as error:
            return error
        return None


def _refused(region: str, error: AwsError) -> Batch:
    reason = escape_controls(error.message)
    if error.code == _INVALID:
        # Session tokens of the global STS endpoint hold in regions that are enabled by default only
        # (docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_enable-regions.html).
        reason = (
            "the region refuses the credentials: it is not enabled (ec2:DescribeRegions would tell), or they are of "
            "the global STS endpoint and hold in default regions only"
        )
    return Batch.damaged(f"{_SCHEME}{region}", Damage(None, reason))
