"""Log source "s3": what trails delivered to a bucket, as ``s3://BUCKET[/PREFIX]``.

Only the days of the window are listed, and only the account that is asked for. What cannot be listed or fetched is
damage, and reading goes on; only where all the rest would fail alike does it stop.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from typing import NamedTuple, TypeVar

from policygen.errors import AwsError, NothingFoundError, PolicygenError, UsageError
from policygen.logs.decode.object_key import Delivered, delivered, is_log_name, kind_of_name
from policygen.logs.source import EVERYTHING, Batch, Damage, LogObject, LogSource, Scope
from policygen.logs.sources.s3.client import (
    ListedObject,
    ListPage,
    S3Access,
    failed,
    folders_in,
    list_page,
    refused,
    url,
)
from policygen.logs.sources.s3.discovery import (
    TrailFolder,
    accounts_in,
    days_in,
    find_trail_folders,
    log_location,
)
from policygen.logs.sources.s3.fetch import Boto3Fetcher, Fetcher, Name, S3Reader, fetcher_of
from policygen.logs.sources.s3.prefetch import map_in_order
from policygen.text import escape_controls

LATE_DAYS = 2
"""A path's date is that of publishing, and delivery may be late (2.1.2): so many days after the window are read."""

LISTERS = 16
"""Listings that are asked for at the same time."""

# Bucket names: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html. Slashes as a path
# library leaves them.
_URL = re.compile(r"s3:/{1,2}(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<key>.*))?", re.IGNORECASE)

T = TypeVar("T")
R = TypeVar("R")


class BucketPrefix(NamedTuple):
    """A bucket and a prefix in it: a folder, which ends in a slash, one object, or "" for the whole bucket."""

    bucket: str
    prefix: str = ""

    def __str__(self) -> str:
        return url(*self)


def open_s3(specs: Sequence[str], *, profile: str = "", region: str = "", fetcher: Name = "auto") -> S3Source:
    """The source of what ``s3://BUCKET[/PREFIX]`` names; nothing is asked of AWS yet.

    Args:
        specs: URLs; what lies in another of them is read once.
        profile: AWS profile, "" for the default one.
        region: AWS region, "" for AWS_REGION or the profile's; the bucket may be in another one.
        fetcher: what fetches the objects; "auto" takes obstore where it is installed and can.

    Raises:
        UsageError: not the URL of a bucket (PG-E202).
        AwsError: no such profile.
    """
    access = S3Access(profile, region)
    return S3Source([_location(spec) for spec in specs], access, fetcher_of(fetcher, access))


def _location(spec: str) -> BucketPrefix:
    found = _URL.fullmatch(spec)
    if found is None:
        raise UsageError(
            f"{escape_controls(spec)!r} names no bucket", "write s3://BUCKET/PREFIX", code="PG-E202"
        )
    key = found["key"] or ""
    whole = not key or key.endswith("/") or is_log_name(key)
    return BucketPrefix(found["bucket"], key if whole else f"{key}/")


class S3Source(LogSource):
    """CloudTrail logs in buckets.

    `account` is the one whose logs are read where a scope names none, "" for all; `notes` say how the source was
    chosen, one line each.
    """

    reader: S3Reader

    def __init__(
        self,
        locations: Sequence[BucketPrefix],
        access: S3Access | None = None,
        fetcher: Fetcher | None = None,
        *,
        account: str = "",
        notes: Sequence[str] = (),
    ) -> None:
        self.locations = _outermost(locations)
        self.access = access or S3Access()
        self.reader = S3Reader(fetcher or Boto3Fetcher(self.access))
        self.account = account
        self._notes = tuple(notes)

    def objects(self, scope: Scope = EVERYTHING) -> Iterator[LogObject | Batch]:
        """The log files of the window, by account, region, day and key; loose files come last.

        Raises:
            AwsError: a bucket cannot be listed at all (PG-E110, PG-E105), or credentials expire on the way (PG-E102).
            NothingFoundError: there are logs, but none of the account (PG-E302).
        """
        window = DayBounds.of(scope._replace(account=scope.account or self.account))
        pool = ThreadPoolExecutor(LISTERS, "policygen-list")
        try:
            found = _Discovered()
            for location in self.locations:
                self._locate(location, found, pool)
            trails = self._wanted(found, window.account)
            yield from found.lost
            yield from self._trails(trails, window, pool)
            for location in found.loose:
                yield from self._loose(location, window)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    @property
    def notes(self) -> tuple[str, ...]:
        """How the source was found."""
        return self._notes

    def batches(self, found: Iterable[LogObject | Batch]) -> Iterator[Batch]:
        """The batches of what `objects` gave, in that order, fetched ahead by threads."""
        for _, several in self.reader.read_many(found):
            yield from several

    def no_logs_error(self, passed: Counter[str]) -> PolicygenError:
        """The error for not one log that can be read: PG-E110 where rights are missing, else PG-E302."""
        where = ", ".join(escape_controls(str(one)) for one in self.locations)
        if passed["denied"]:
            return AwsError(
                f"the caller may read nothing of {where}",
                "needed: s3:ListBucket on the bucket, s3:GetObject on its objects",
                "kms:Decrypt on the trail's key, where its logs are encrypted with one",
                "policygen permissions prints the read-only policy that policygen needs",
                code="PG-E110",
            )
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(passed.items()) if number)
        return NothingFoundError(
            f"no CloudTrail log under {where}" + (f" (passed over: {kinds})" if kinds else ""),
            "only the window's days are looked at: the bucket may keep none that old",
            "aws cloudtrail describe-trails names the buckets of trails, and --logs auto takes them from there",
            code="PG-E302",
        )

    # ---- where trails are -------------------------------------------------------------------------------

    def _locate(self, location: BucketPrefix, found: _Discovered, pool: Executor) -> None:
        bucket, prefix = location
        try:
            list_page(self.access, bucket, prefix, folders=True)
        except Exception as error:
            raise refused(error, self.access, bucket, prefix) from error
        if kind := prefix and kind_of_name(prefix):
            raise NothingFoundError(
                f"{escape_controls(str(location))} holds no log of calls ({kind})",
                "name the folder CloudTrail beside it, or the bucket",
                code="PG-E302",
            )
        folders = self._folders(bucket, found.lost)
        place = log_location(prefix)
        if place:
            places, cut = [place], False
        elif prefix and not prefix.endswith("/"):
            places, cut = [], False
        else:
            places, cut = find_trail_folders(
                prefix, lambda level: map_in_order(folders, level, pool, LISTERS)
            )
        if cut:
            self._too_many(location, found, places=bool(places))
        for one in places:
            found.trails += ((bucket, trail) for trail in accounts_in(one, folders))
        if not places:
            found.loose.append(location)

    def _too_many(self, location: BucketPrefix, found: _Discovered, *, places: bool) -> None:
        reason = "has too many folders to look for trails in each"
        if not places:
            raise UsageError(
                f"{escape_controls(str(location))} {reason}",
                "name the folder that holds AWSLogs",
                code="PG-E202",
            )
        found.lost.append(Batch.damaged(str(location), Damage(None, f"{reason}: name the trails' folders")))

    def _wanted(self, found: _Discovered, account: str) -> list[tuple[str, TrailFolder]]:
        """The trails' folders of the account, in the order of accounts."""
        trails = sorted(set(found.trails), key=lambda one: (one[1].account, one[0], one[1]))
        wanted = [one for one in trails if account in ("", one[1].account)]
        if trails and not (wanted or found.loose):
            accounts = list(dict.fromkeys(trail.account for _, trail in trails))
            more = f" and {len(accounts) - 10} more" if len(accounts) > 10 else ""
            raise NothingFoundError(
                f"no logs of account {escape_controls(account)} under "
                + ", ".join(escape_controls(str(one)) for one in self.locations),
                f"there are logs of {', '.join(accounts[:10])}{more}",
                "an organisation's trail has a folder for each account; the role's own is needed",
                code="PG-E302",
            )
        return wanted

    def _folders(self, bucket: str, lost: list[Batch]) -> Callable[[str], list[str]]:
        """What lists the folders in a prefix; where AWS refuses, there are none, and a batch in `lost`."""

        def folders(prefix: str) -> list[str]:
            try:
                return list(folders_in(self.access, bucket, prefix))
            except Exception as error:
                lost.append(failed(url(bucket, prefix), error, "s3:ListBucket"))
                return []

        return folders

    # ---- what they delivered ----------------------------------------------------------------------------

    def _trails(
        self, trails: Iterable[tuple[str, TrailFolder]], window: DayBounds, pool: Executor
    ) -> Iterator[LogObject | Batch]:
        regions = _each(self._regions, trails, pool)
        days = _each(partial(self._days, window), regions, pool)
        for found in map_in_order(_unless_batch(self._first_page), days, pool, LISTERS):
            if isinstance(found, Batch):
                yield found
            else:
                day, first = found
                for one in self._pages(day.bucket, day.prefix, first):
                    yield one if isinstance(one, Batch) else _object(day.bucket, one, day.told)

    def _regions(self, one: tuple[str, TrailFolder]) -> list[_Region | Batch]:
        bucket, trail = one
        lost: list[Batch] = []
        names = [trail.region] if trail.region else self._folders(bucket, lost)(trail.prefix)
        return [*(_Region(bucket, trail, name) for name in names), *lost]

    def _days(self, window: DayBounds, one: _Region) -> list[_Day | Batch]:
        bucket, trail, region = one
        lost: list[Batch] = []
        prefix = f"{trail.prefix}{region}/"
        paths = days_in(prefix, trail.date, *window.paths(), self._folders(bucket, lost))
        days = [
            _Day(bucket, f"{prefix}{path}/", Delivered(trail.account, region, path.replace("/", "-")))
            for path in paths
        ]
        return [*days, *lost]

    def _first_page(self, day: _Day) -> tuple[_Day, ListPage | Batch]:
        return day, self._page(day.bucket, day.prefix)

    def _pages(self, bucket: str, prefix: str, first: ListPage | Batch) -> Iterator[ListedObject | Batch]:
        """All entries of a listing; later pages are asked for when they are needed, which bounds the memory."""
        found = first
        while not isinstance(found, Batch):
            yield from found.entries
            if not found.more:
                return
            found = self._page(bucket, prefix, found.more)
        yield found

    def _page(self, bucket: str, prefix: str, more: str = "") -> ListPage | Batch:
        try:
            return list_page(self.access, bucket, prefix, more)
        except Exception as error:
            return failed(url(bucket, prefix), error, "s3:ListBucket")

    def _loose(self, location: BucketPrefix, window: DayBounds) -> Iterator[LogObject | Batch]:
        """Files that lie in no trail's layout; a trail's names still say of what day and account they are."""
        bucket, prefix = location
        exact = prefix != "" and not prefix.endswith("/")
        for one in self._pages(bucket, prefix, self._page(bucket, prefix)):
            if isinstance(one, Batch):
                yield one
            elif (not exact or one.key == prefix) and window.has(delivered(one.key)):
                yield _object(bucket, one, Delivered(), given=exact)


@dataclass(slots=True)
class _Discovered:
    """What the locations turned out to be."""

    trails: list[tuple[str, TrailFolder]] = field(default_factory=list)
    loose: list[BucketPrefix] = field(default_factory=list)
    lost: list[Batch] = field(default_factory=list)


class _Region(NamedTuple):
    bucket: str
    trail: TrailFolder
    region: str


class _Day(NamedTuple):
    bucket: str
    prefix: str
    told: Delivered


class DayBounds(NamedTuple):
    """The days to list, late delivery included, and the account; "" where all is wanted."""

    first: str
    last: str
    account: str

    @classmethod
    def of(cls, scope: Scope) -> DayBounds:
        """A scope's window; its days are dates as ``2026-11-24``."""
        last = scope.last and str(date.fromisoformat(scope.last) + timedelta(LATE_DAYS))
        return cls(scope.first, last, scope.account)

    def paths(self) -> tuple[str, str]:
        """First and last day as a trail's folders have them."""
        return self.first.replace("-", "/"), self.last.replace("-", "/")

    def has(self, told: Delivered) -> bool:
        """Whether a file may be wanted, by what its name tells."""
        in_time = not told.day or self.first <= told.day <= (self.last or "9999")
        return in_time and (not told.account or self.account in ("", told.account))


def _outermost(locations: Iterable[BucketPrefix]) -> tuple[BucketPrefix, ...]:
    """Locations without those that lie in another."""
    kept: list[BucketPrefix] = []
    for one in sorted(set(locations)):
        inside = kept and one.bucket == kept[-1].bucket and one.prefix.startswith(kept[-1].prefix)
        if not (inside and kept[-1].prefix[-1:] in ("", "/")):
            kept.append(one)
    return tuple(kept)


def _object(bucket: str, entry: ListedObject, told: Delivered, *, given: bool = False) -> LogObject | Batch:
    key, size, version = entry
    where = url(bucket, key)
    if key.endswith("/"):
        return Batch.passed(where, "folder", size)
    if kind := kind_of_name(key):
        return Batch.passed(where, kind, size)
    said = delivered(key)
    return LogObject(
        escape_controls(where), where, size, version, given or is_log_name(key), *(said if said.day else told)
    )


def _unless_batch(work: Callable[[T], R]) -> Callable[[T | Batch], R | Batch]:
    """`work`, but a batch is passed on."""
    return lambda one: one if isinstance(one, Batch) else work(one)


def _each(
    work: Callable[[T], list[R | Batch]], items: Iterable[T | Batch], pool: Executor
) -> Iterator[R | Batch]:
    """All that `work` gives for each item, in order; batches are passed on."""
    for found in map_in_order(_unless_batch(work), items, pool, LISTERS):
        if isinstance(found, Batch):
            yield found
        else:
            yield from found
