"""Log source "s3": what trails delivered to a bucket, as ``s3://BUCKET[/PREFIX]``.

Only the days of the window are listed, and first only the wanted account; then those of others that are asked for. A
file that cannot be listed or fetched counts as damage, and reading goes on; it stops only where every further request
would fail alike.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import msgspec

from policygen.account.aws_errors import PERMISSIONS_HINT
from policygen.errors import AwsError, NothingFoundError, PolicygenError, UsageError
from policygen.logs.decode.object_key import has_log_suffix, kind_of_name
from policygen.logs.source import (
    EVERYTHING,
    RECORDS,
    Batch,
    Damage,
    LogFolder,
    LogObject,
    LogSource,
    Scope,
    Sought,
)
from policygen.logs.sources.s3.client import KMS_HINT, BucketPrefix, S3Access, list_page, listing_error
from policygen.logs.sources.s3.discovery import (
    FolderSearch,
    TrailFolder,
    accounts_in,
    find_trail_folders,
    log_location,
)
from policygen.logs.sources.s3.fetch import Boto3Fetcher, Fetcher, FetcherName, S3Reader, make_fetcher
from policygen.logs.sources.s3.listing import LISTERS, DayBounds, Lister
from policygen.text import escape_controls

# Bucket names: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html. A path library leaves
# one of the two slashes.
_URL = re.compile(r"s3:/{1,2}(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<key>.*))?", re.IGNORECASE)


def open_s3(
    specs: Sequence[str], *, profile: str = "", region: str = "", fetcher: FetcherName = "auto"
) -> S3Source:
    """Return the source of ``s3://BUCKET[/PREFIX]``, without a request to AWS.

    Args:
        specs: URLs; a URL that lies below another is read once.
        profile: AWS profile, "" for the default one.
        region: AWS region, "" for AWS_REGION or the profile's; the bucket may be in another region.
        fetcher: how objects are fetched; "auto" takes obstore where it is installed and usable.

    Raises:
        UsageError: a spec is not the URL of a bucket (PG-E202).
        AwsError: there is no such profile.
    """
    access = S3Access(profile, region)
    return S3Source([_parse_url(spec) for spec in specs], access, make_fetcher(fetcher, access))


def _parse_url(spec: str) -> BucketPrefix:
    match = _URL.fullmatch(spec)
    if match is None:
        raise UsageError(
            f"{escape_controls(spec)!r} names no bucket", "write s3://BUCKET/PREFIX", code="PG-E202"
        )
    key = match["key"] or ""
    is_complete = not key or key.endswith("/") or has_log_suffix(key)
    return BucketPrefix(match["bucket"], key if is_complete else f"{key}/")


class S3Source(LogSource):
    """CloudTrail logs in buckets.

    `account` is the account whose logs are read where a scope names none, "" for all accounts; `notes` say how the
    source was chosen, one line each.
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
        self._others: list[tuple[str, TrailFolder]] = []
        """Trail folders of other accounts than the role's, which the latest `objects` passed over."""
        self._bounds = DayBounds.of(EVERYTHING)
        self._notes = tuple(notes)

    def objects(self, scope: Scope = EVERYTHING) -> Iterator[LogObject | Batch]:
        """Yield the log files of the window by account, region, day and key; files outside a trail's layout come last.

        Raises:
            AwsError: a bucket cannot be listed at all (PG-E110, PG-E105), or credentials expire on the way (PG-E102).
            NothingFoundError: there are logs, but none of the account (PG-E302).
        """
        account = scope.listed_account or ("" if scope.all_accounts else self.account)
        bounds = self._bounds = DayBounds.of(scope._replace(account=account))
        with self._lister(bounds) as lister:
            found = _Discovered()
            for location in self.locations:
                self._discover(location, found, lister)
            trails = self._trails_of(bounds.account, found)
            passed_over = set(found.trails).difference(trails) if scope.listed_account else ()
            self._others = sorted(passed_over, key=lambda one: (one[1].account, one[0], one[1]))
            yield from found.failures
            yield from lister.trail_objects(trails)
            for location in found.other_locations:
                yield from lister.objects_below(location)

    def other_accounts(self) -> list[LogFolder | Batch]:
        """Return the days of accounts that the latest `objects` passed over: it listed only the role's."""
        with self._lister(self._bounds) as lister:
            return list(lister.day_folders(self._others))

    def objects_in(self, folders: Iterable[LogFolder]) -> Iterator[LogObject | Batch]:
        """List folders that `other_accounts` gave."""
        with self._lister(self._bounds) as lister:
            yield from lister.objects_in(folders)

    @contextmanager
    def _lister(self, bounds: DayBounds) -> Iterator[Lister]:
        pool = ThreadPoolExecutor(LISTERS, "policygen-list")
        try:
            yield Lister(self.access, bounds, pool)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    @property
    def notes(self) -> tuple[str, ...]:
        """How the source was chosen."""
        return self._notes

    def batches(self, found: Iterable[LogObject | Batch]) -> Iterator[Batch]:
        """Yield the batches of the objects in their order; threads fetch objects ahead."""
        for _, batches in self.reader.read_many(found):
            yield from batches

    def no_logs_error(self, passed: Counter[str], sought: Sought = RECORDS) -> PolicygenError:
        """Return the error for a source without a readable log: PG-E110 where permissions are missing, else PG-E302."""
        where = ", ".join(escape_controls(str(location)) for location in self.locations)
        if passed["denied"]:
            return AwsError(
                f"the caller may read nothing of {where}",
                "needed: s3:ListBucket on the bucket, s3:GetObject on its objects",
                KMS_HINT,
                PERMISSIONS_HINT,
                code="PG-E110",
            )
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(passed.items()) if number)
        return NothingFoundError(
            f"no {sought.log} under {where}" + (f" (passed over: {kinds})" if kinds else ""),
            "only the window's days are looked at: the bucket may keep none that old",
            sought.place,
            code="PG-E302",
        )

    def _discover(self, location: BucketPrefix, found: _Discovered, lister: Lister) -> None:
        """Add a location's trail folders to `found`, or the location itself where it has none."""
        bucket, prefix = location
        try:
            list_page(self.access, bucket, prefix, folders=True)
        except Exception as error:
            raise listing_error(error, self.access, bucket, prefix) from error
        if kind := prefix and kind_of_name(prefix):
            raise NothingFoundError(
                f"{escape_controls(str(location))} holds no log of calls ({kind})",
                "name the folder CloudTrail next to it, or the bucket",
                code="PG-E302",
            )
        folders = lister.folders(bucket, found.failures)
        place = log_location(prefix)
        if place:
            search = FolderSearch([place], incomplete=False)
        elif prefix and not prefix.endswith("/"):
            search = FolderSearch([], incomplete=False)
        else:
            search = find_trail_folders(prefix, lambda level: lister.map(folders, level))
        if search.incomplete:
            found.failures.append(_too_many_folders(location, found_some=bool(search.places)))
        for place in search.places:
            found.trails += ((bucket, trail) for trail in accounts_in(place, folders))
        if not search.places:
            found.other_locations.append(location)

    def _trails_of(self, account: str, found: _Discovered) -> list[tuple[str, TrailFolder]]:
        """Return the trail folders of an account, "" for all, sorted by account."""
        trails = sorted(set(found.trails), key=lambda one: (one[1].account, one[0], one[1]))
        wanted = [one for one in trails if account in ("", one[1].account)]
        if trails and not (wanted or found.other_locations):
            accounts = list(dict.fromkeys(trail.account for _, trail in trails))
            more = f" and {len(accounts) - 10} more" if len(accounts) > 10 else ""
            raise NothingFoundError(
                f"no logs of account {escape_controls(account)} under "
                + ", ".join(escape_controls(str(location)) for location in self.locations),
                f"there are logs of {', '.join(accounts[:10])}{more}",
                "an organization's trail has a folder for each account; the role's own is needed",
                code="PG-E302",
            )
        return wanted


class _Discovered(msgspec.Struct):
    """What the locations hold."""

    trails: list[tuple[str, TrailFolder]] = msgspec.field(default_factory=list)
    """Each bucket with a folder of a trail in it."""
    other_locations: list[BucketPrefix] = msgspec.field(default_factory=list)
    """Locations outside a trail's layout."""
    failures: list[Batch] = msgspec.field(default_factory=list)
    """Folders that could not be searched, as damage."""


def _too_many_folders(location: BucketPrefix, *, found_some: bool) -> Batch:
    """Return the damage of a search that was cut short; without a single trail that is an error."""
    reason = "has too many folders to look for trails in each"
    if not found_some:
        raise UsageError(
            f"{escape_controls(str(location))} {reason}",
            "name the folder that holds AWSLogs",
            code="PG-E202",
        )
    return Batch.damaged(str(location), Damage(None, f"{reason}: name the trails' folders"))


def _outermost(locations: Iterable[BucketPrefix]) -> tuple[BucketPrefix, ...]:
    """Return the locations that do not lie below another of them."""
    kept: list[BucketPrefix] = []
    for location in sorted(set(locations)):
        is_below = kept and location.bucket == kept[-1].bucket and location.prefix.startswith(kept[-1].prefix)
        if not (is_below and kept[-1].prefix[-1:] in ("", "/")):
            kept.append(location)
    return tuple(kept)
