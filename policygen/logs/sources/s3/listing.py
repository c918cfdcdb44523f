"""List the log files in buckets, several folders at the same time.

A folder that cannot be listed becomes a damaged batch, and listing goes on with the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from datetime import date, timedelta
from typing import NamedTuple, TypeVar

from policygen.logs.decode.object_key import LogName, has_log_suffix, kind_of_name, parse_log_name
from policygen.logs.source import Batch, LogFolder, LogObject, Scope
from policygen.logs.sources.s3.client import (
    BrokenListingError,
    BucketPrefix,
    ListedObject,
    ListPage,
    PageGuard,
    S3Access,
    failure_batch,
    folders_in,
    list_page,
    url,
)
from policygen.logs.sources.s3.discovery import TrailFolder, days_in
from policygen.logs.sources.s3.prefetch import map_in_order
from policygen.text import escape_controls

LATE_DAYS = 2
"""Days after the window that are listed too: a path has the date of publishing, and delivery may be late (2.1.2)."""

LISTERS = 16
"""Number of listings that run at the same time."""

T = TypeVar("T")
R = TypeVar("R")


class DayBounds(NamedTuple):
    """The days to list, those of late delivery included, and the account; "" where all are wanted."""

    first: str
    last: str
    account: str

    @classmethod
    def of(cls, scope: Scope) -> DayBounds:
        """Return the days of a scope's window; days are dates such as ``2026-11-24``."""
        last = scope.last and str(date.fromisoformat(scope.last) + timedelta(LATE_DAYS))
        return cls(scope.first, last, scope.account)

    def paths(self) -> tuple[str, str]:
        """Return the first and the last day as a trail's folders write them."""
        return self.first.replace("-", "/"), self.last.replace("-", "/")

    @property
    def is_known(self) -> bool:
        """Whether there is a first and a last day."""
        return bool(self.first and self.last)

    def day_paths(self, beginning: str = "") -> list[str]:
        """Return the days, as a trail's folders write them, that begin with a text; none without bounds."""
        if not self.is_known:
            return []
        first, last = date.fromisoformat(self.first), date.fromisoformat(self.last)
        days = (f"{first + timedelta(number):%Y/%m/%d}" for number in range((last - first).days + 1))
        return [day for day in days if day.startswith(beginning)]

    def includes(self, name: LogName) -> bool:
        """Return whether a file may be wanted, judged by its name."""
        in_time = not name.day or self.first <= name.day <= (self.last or "9999")
        return in_time and (not name.account or self.account in ("", name.account))


class _Region(NamedTuple):
    """The folder of one region in a trail's layout."""

    bucket: str
    trail: TrailFolder
    region: str


class _Day(NamedTuple):
    """The folder of one day; `name` has what the path says of its files."""

    bucket: str
    prefix: str
    name: LogName


class Lister:
    """Lists the log files of a window.

    Args:
        access: whose credentials are used.
        bounds: the days and the account to list.
        pool: runs the requests.
    """

    def __init__(self, access: S3Access, bounds: DayBounds, pool: Executor) -> None:
        self._access = access
        self._bounds = bounds
        self._pool = pool

    def trail_objects(self, trails: Iterable[tuple[str, TrailFolder]]) -> Iterator[LogObject | Batch]:
        """Yield the log files that trails delivered, given (bucket, folder), by region, day and key."""
        regions = self._flat_map(self._regions, trails)
        yield from self._objects_of(self._flat_map(self._days, regions))

    def day_folders(self, trails: Iterable[tuple[str, TrailFolder]]) -> Iterator[LogFolder | Batch]:
        """Yield the folders of the days that trails delivered; in a window of known bounds no day is looked for."""
        for one in self._flat_map(self._regions, trails):
            found = [one] if isinstance(one, Batch) else self._days(one, listed=not self._bounds.is_known)
            for day in found:
                yield day if isinstance(day, Batch) else LogFolder(url(day.bucket, day.prefix), *day.name)

    def objects_in(self, folders: Iterable[LogFolder]) -> Iterator[LogObject | Batch]:
        """Yield the log files of folders that `day_folders` gave."""
        split = ((one.locator.removeprefix("s3://").partition("/"), one) for one in folders)
        return self._objects_of(
            _Day(bucket, prefix, LogName(one.account, one.region, one.day))
            for (bucket, _, prefix), one in split
        )

    def _objects_of(self, days: Iterable[_Day | Batch]) -> Iterator[LogObject | Batch]:
        """Yield the log files of days."""
        for listed in self.map(_pass_batches(self._first_page), days):
            if isinstance(listed, Batch):
                yield listed
            else:
                day, page = listed
                for entry in self._entries(day.bucket, day.prefix, page):
                    yield entry if isinstance(entry, Batch) else _object(day.bucket, entry, day.name)

    def objects_below(self, location: BucketPrefix) -> Iterator[LogObject | Batch]:
        """Yield the files of a prefix outside a trail's layout; their names may still say day and account."""
        bucket, prefix = location
        is_one_object = prefix != "" and not prefix.endswith("/")
        for entry in self._entries(bucket, prefix, self._page(bucket, prefix)):
            if isinstance(entry, Batch):
                yield entry
            elif (not is_one_object or entry.key == prefix) and self._bounds.includes(
                parse_log_name(entry.key)
            ):
                yield _object(bucket, entry, LogName(), named_by_user=is_one_object)

    def folders(self, bucket: str, failures: list[Batch]) -> Callable[[str], list[str]]:
        """Return a function that lists the folders in a prefix; where AWS denies it, that adds to `failures`."""

        def list_folders(prefix: str) -> list[str]:
            try:
                return list(folders_in(self._access, bucket, prefix))
            except Exception as error:
                failures.append(failure_batch(url(bucket, prefix), error, "s3:ListBucket"))
                return []

        return list_folders

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Yield the result of `work` for each item, in the order of the items."""
        return map_in_order(work, items, self._pool, LISTERS)

    def _flat_map(
        self, work: Callable[[T], list[R | Batch]], items: Iterable[T | Batch]
    ) -> Iterator[R | Batch]:
        """Yield all results of `work` for each item, in order; a batch among the items is passed on."""
        for result in self.map(_pass_batches(work), items):
            if isinstance(result, Batch):
                yield result
            else:
                yield from result

    def _regions(self, located: tuple[str, TrailFolder]) -> list[_Region | Batch]:
        bucket, trail = located
        failures: list[Batch] = []
        names = [trail.region] if trail.region else self.folders(bucket, failures)(trail.prefix)
        return [*(_Region(bucket, trail, name) for name in names), *failures]

    def _days(self, located: _Region, *, listed: bool = True) -> list[_Day | Batch]:
        """Return the days of a region that have a folder; all days of the window where they are not to be listed."""
        bucket, trail, region = located
        failures: list[Batch] = []
        prefix = f"{trail.prefix}{region}/"
        paths: Iterable[str] = self._bounds.day_paths(trail.date)
        if listed:
            paths = days_in(prefix, trail.date, *self._bounds.paths(), self.folders(bucket, failures))
        days = [
            _Day(bucket, f"{prefix}{path}/", LogName(trail.account, region, path.replace("/", "-")))
            for path in paths
        ]
        return [*days, *failures]

    def _first_page(self, day: _Day) -> tuple[_Day, ListPage | Batch]:
        return day, self._page(day.bucket, day.prefix)

    def _entries(self, bucket: str, prefix: str, first: ListPage | Batch) -> Iterator[ListedObject | Batch]:
        """Yield all entries of a listing; a later page is requested when it is needed, to bound the memory."""
        page, guard = first, PageGuard()
        while not isinstance(page, Batch):
            try:
                guard.check(page)
            except BrokenListingError as error:
                yield failure_batch(url(bucket, prefix), error, "s3:ListBucket")
                return
            yield from page.entries
            if not page.token:
                return
            page = self._page(bucket, prefix, page.token)
        yield page

    def _page(self, bucket: str, prefix: str, token: str = "") -> ListPage | Batch:
        try:
            return list_page(self._access, bucket, prefix, token)
        except Exception as error:
            return failure_batch(url(bucket, prefix), error, "s3:ListBucket")


def _object(
    bucket: str, entry: ListedObject, path: LogName, *, named_by_user: bool = False
) -> LogObject | Batch:
    """Return a listed file as a log object, or as a batch that says why it is none.

    Args:
        bucket: where it lies.
        entry: the file.
        path: what its folders say, for a file whose own name says nothing.
        named_by_user: the user gave this very file, so it is meant to be a log.
    """
    key, size, version = entry
    where = url(bucket, key)
    if key.endswith("/"):
        return Batch.passed(where, "folder", size)
    if kind := kind_of_name(key):
        return Batch.passed(where, kind, size)
    name = parse_log_name(key)
    return LogObject(
        escape_controls(where),
        where,
        size,
        version,
        named_by_user or has_log_suffix(key),
        *(name if name.day else path),
    )


def _pass_batches(work: Callable[[T], R]) -> Callable[[T | Batch], R | Batch]:
    """Return `work` for items that may be batches, which it returns as they are."""
    return lambda item: item if isinstance(item, Batch) else work(item)
