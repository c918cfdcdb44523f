"""Log source "auto": the trails that log the caller's account, read from the buckets that they deliver to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from policygen.account.aws_errors import PERMISSIONS_HINT, is_denied
from policygen.account.aws_reader import AccountReader, list_trails, sorted_unique
from policygen.account.aws_session import Aws, open_session
from policygen.account.snapshot_schema import Json
from policygen.errors import AwsError, NothingFoundError, UsageError
from policygen.iam.arn import parse
from policygen.logs.sources.s3.client import BucketPrefix, S3Access, list_page, listing_error
from policygen.logs.sources.s3.fetch import FetcherName, make_fetcher
from policygen.logs.sources.s3.source import S3Source
from policygen.text import escape_controls, sanitize

_ACCOUNT = re.compile(r"(?<!\d)\d{12}(?!\d)")


class TrailCandidate(NamedTuple):
    """A trail, where it delivers to, and why it is not read; `reason_skipped` is "" for a trail that is read."""

    name: str
    account: str
    scope: str
    location: BucketPrefix
    reason_skipped: str = ""

    def note(self) -> str:
        """Return one line that says whether the trail is read, and why not."""
        fate = f"not read: {self.reason_skipped}" if self.reason_skipped else f"reading {self.location}"
        return escape_controls(f"trail {self.name} ({self.scope}): {fate}")


def open_auto(
    specs: Sequence[str] = (), *, profile: str = "", region: str = "", fetcher: FetcherName = "auto"
) -> S3Source:
    """Return the source of the trails that log the caller's account; its `notes` say what became of each trail.

    Args:
        specs: the word ``auto``, or nothing.
        profile: AWS profile, "" for the default one.
        region: where DescribeTrails is called, "" for AWS_REGION or the profile's. A trail that logs only another
            region is not visible from there.
        fetcher: as in `open_s3`.

    Raises:
        UsageError: something follows ``auto`` (PG-E202).
        NothingFoundError: no trail logs the account (PG-E302).
        AwsError: no credentials or region; AWS denies DescribeTrails, or listing a bucket (PG-E110).
    """
    for spec in specs:
        if spec.lower().rstrip(":") != "auto":
            raise UsageError(
                f"{escape_controls(spec)!r}: auto takes no argument", "write auto", code="PG-E202"
            )
    aws = Aws.identify(open_session(profile or None, region or None))
    access = S3Access(profile, region)
    trails = choose_trail(_describe_trails(aws))
    taken = [trail for trail in trails if not trail.reason_skipped]
    notes = [trail.note() for trail in trails]
    if not taken:
        raise NothingFoundError(
            f"no trail logs account {aws.account}, as seen from {aws.regions()[0]}",
            *notes,
            "--logs lookup: reads the event history: 90 days, management events only",
            "--logs s3://BUCKET/PREFIX names a bucket that another account's trail delivers to",
            code="PG-E302",
        )
    for trail in taken:
        _check_listable(trail, access)
    locations = [trail.location for trail in taken]
    return S3Source(locations, access, make_fetcher(fetcher, access), account=aws.account, notes=notes)


def choose_trail(rows: Iterable[Json]) -> list[TrailCandidate]:
    """Return the trails to read, widest first, and the other trails with the reason why they are not read.

    A trail of the organisation comes before a trail of all regions, and that before a trail of a single region. A trail
    that logs the same events as a wider one is not read. Trails with other selectors are read, since each may have data
    events that the others lack.

    Args:
        rows: trails with their status and selectors in the snapshot's form, null where AWS denied them.
    """
    chosen: list[TrailCandidate] = []
    read: list[Json] = []
    for row in sorted(rows, key=_widest_first):
        trail = row["Trail"]
        location = _location(trail)
        reason = _reason_not_logging(row) or _reason_covered(row, read)
        if not reason:
            read.append(row)
        arn = parse(trail["TrailARN"])
        chosen.append(
            TrailCandidate(
                sanitize(trail["Name"]), arn.account if arn else "", _scope_of(trail), location, reason
            )
        )
    return chosen


def _widest_first(row: Json) -> tuple[bool, bool, str]:
    trail = row["Trail"]
    return not trail.get("IsOrganizationTrail"), not trail.get("IsMultiRegionTrail"), trail["TrailARN"]


def _scope_of(trail: Json) -> str:
    where = "all regions" if trail.get("IsMultiRegionTrail") else f"only {sanitize(trail['HomeRegion'])}"
    return f"organisation, {where}" if trail.get("IsOrganizationTrail") else where


def _location(trail: Json) -> BucketPrefix:
    prefix = trail.get("S3KeyPrefix", "").strip("/")
    return BucketPrefix(trail["S3BucketName"], f"{prefix}/AWSLogs/" if prefix else "AWSLogs/")


def _reason_not_logging(row: Json) -> str:
    # If the status was denied, the trail may log.
    status = row["Status"]
    if status is None or status.get("IsLogging"):
        return ""
    stopped = status.get("StopLoggingTime")
    since = f" since {stopped:%Y-%m-%d}" if stopped else ""
    return f"it does not log{since}; --logs {_location(row['Trail'])} reads what it has"


def _reason_covered(row: Json, read: Iterable[Json]) -> str:
    """Return why a trail adds nothing to those that are read; "" if it may add events."""
    for other in read:
        name = sanitize(other["Trail"]["Name"])
        if _location(row["Trail"]) == _location(other["Trail"]):
            return f"it delivers to the same place as {name}"
        known = _selectors(row) != (None, None)
        if known and _selectors(row) == _selectors(other) and _covers_regions(other["Trail"], row["Trail"]):
            return f"it logs the same events as {name}"
    return ""


def _selectors(row: Json) -> tuple[object, object]:
    return row["EventSelectors"], row["AdvancedEventSelectors"]


def _covers_regions(wide: Json, narrow: Json) -> bool:
    """Return whether one trail logs every region of the other."""
    return bool(wide.get("IsMultiRegionTrail")) or (
        not narrow.get("IsMultiRegionTrail") and wide["HomeRegion"] == narrow["HomeRegion"]
    )


def _describe_trails(aws: Aws) -> list[Json]:
    """Return the trails visible from the session's region, with those of other regions and the organisation."""
    reader = AccountReader(aws, lambda _: None)
    rows: list[Json] = []
    with aws.translating_errors("cloudtrail"):
        for region in aws.regions():
            try:
                rows += list_trails(aws.client("cloudtrail", region))
            except Exception as error:
                if not is_denied(error):
                    raise
                raise AwsError(
                    f"{aws.principal} may not call cloudtrail:DescribeTrails",
                    "--logs s3://BUCKET/PREFIX needs no trail to be named",
                    PERMISSIONS_HINT,
                    code="PG-E110",
                ) from error
    return [reader.trail(row) for row in sorted_unique(rows, "TrailARN") or ()]


def _check_listable(trail: TrailCandidate, access: S3Access) -> None:
    """Raise an error if a trail's bucket cannot be listed: without its events a policy could be too small."""
    bucket, prefix = trail.location
    try:
        list_page(access, bucket, prefix, folders=True)
    except Exception as error:
        denied = listing_error(error, access, bucket, prefix)
        named = _ACCOUNT.search(bucket)
        account = named.group() if named else trail.account
        whose = f"it is the bucket of trail {trail.name}, and account {account}'s by its name"
        owner = whose if named else f"it is the bucket of trail {trail.name} of account {account}"
        raise AwsError(denied.message, owner, *denied.hints, code=denied.code) from error
