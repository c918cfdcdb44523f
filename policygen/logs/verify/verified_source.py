"""A log source that is checked against CloudTrail's digests (2.2): files in folders, and trails' buckets.

Digests are read when the objects are listed. A log file that the digests show to be altered, added or lost is damage
and is not read. A log file without a digest is read, and reported as unproved. An object that a digest lists carries
the hashes that it may have, so its reader, in whatever process, checks the same bytes that it unpacks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from policygen.account.aws_session import Aws, open_session
from policygen.account.model import Trail
from policygen.errors import PolicygenError, UsageError
from policygen.logs.decode.object_key import published
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
    Source,
)
from policygen.logs.sources.files import FileSource
from policygen.logs.sources.s3.source import S3Source
from policygen.logs.verify.chain import DigestWindow, Hour, Verdict, add_hours, coverage_check
from policygen.logs.verify.digest import iso_time, require_cryptography
from policygen.logs.verify.store import load_keys, verify_files, verify_s3
from policygen.logs.verify.verification import (
    DELIVERY_HOURS,
    Verification,
    digest_window,
    name_hour,
    published_minute,
)
from policygen.text import escape_controls, pluralize

Verify = Callable[[Sequence[LogObject], Scope], Verification]

AccountRegion = tuple[str, str]
"""An account and a region."""

MAX_LAG_HOURS = 3
"""Hours by which a region's newest digest may be older than another region's while its next one is on its way."""

MARGIN_HOURS = 30 / 60
"""Hours between the end of a window and the newest digest, so that every log file of the window has a digest."""


def verify_source(source: Source, keys: Path | None, on_message: Callable[[str], None]) -> VerifiedSource:
    """Return a source that is checked against the digests beside its log files. Only the keys are read now.

    Args:
        source: as it was opened.
        keys: folder of public keys, for a source of files; None leaves signatures unchecked there. CloudTrail gives the
            keys for a bucket.
        on_message: receives messages about what the digests prove.

    Raises:
        UsageError: the source has no digests, or takes no keys (PG-E234); there are no keys in the folder (PG-E232);
            cryptography is not installed (PG-E231).
    """
    if isinstance(source, FileSource):
        if keys:
            require_cryptography()
        public_keys = load_keys(keys) if keys else None
        places = [str(path) for path in source.paths]
        return VerifiedSource(source, partial(verify_files, keys=public_keys, places=places), on_message)
    if not isinstance(source, S3Source):
        raise UsageError(
            "digests cover what a trail delivers to S3, and this log source reads something else",
            "--verify-digests goes with s3://BUCKET, with auto, and with files that were copied from there",
            code="PG-E234",
        )
    if keys:
        raise UsageError(
            "--public-keys is for files: of the digests of a bucket, CloudTrail gives the keys",
            "leave it out",
            code="PG-E234",
        )
    require_cryptography()
    return VerifiedSource(source, partial(_verify_bucket, source), on_message)


def _verify_bucket(source: S3Source, logs: Sequence[LogObject], scope: Scope) -> Verification:
    aws = Aws.identify(open_session(source.access.profile or None, source.access.region or None))
    return verify_s3(aws, logs, scope, [str(location) for location in source.locations])


class VerifiedSource(LogSource):
    """Another source, whose digests are checked before anything is read."""

    def __init__(self, source: LogSource, verify: Verify, on_message: Callable[[str], None]) -> None:
        self.reader, self.remote = source.reader, source.remote
        self._source, self._verify, self._on_message = source, verify, on_message
        self._scope = EVERYTHING
        self._known: tuple[Sequence[LogObject], Scope, Verification] | None = None

    @property
    def notes(self) -> Sequence[str]:
        """The notes of the source itself."""
        return self._source.notes

    @property
    def trails(self) -> Sequence[Trail] | None:
        """The trails of the source itself."""
        return self._source.trails

    def objects(self, scope: Scope = EVERYTHING) -> Iterator[LogObject | Batch]:
        """Yield the source's objects, and batches for what is damaged or unproved by its digests.

        Raises:
            PolicygenError: as from the source; there is no digest (PG-E331), or digests cannot be read.
        """
        self._scope = scope
        yield from self._checked(list(self._source.objects(scope)), scope)

    def other_accounts(self) -> Sequence[LogFolder | Batch]:
        """Return what the source itself passed over."""
        return self._source.other_accounts()

    def objects_in(self, folders: Iterable[LogFolder]) -> Iterator[LogObject | Batch]:
        """List folders of the source, as checked as the objects."""
        yield from self._checked(list(self._source.objects_in(folders)), self._scope._replace(account=""))

    def _checked(self, listed: Sequence[LogObject | Batch], scope: Scope) -> Iterator[LogObject | Batch]:
        yield from (one for one in listed if isinstance(one, Batch))
        logs = [one for one in listed if isinstance(one, LogObject)]
        if logs:
            relevant = _relevant_window(scope, logs, copied=not self.remote)
            verification = self._verification(logs, scope, relevant)
            yield from verification.damaged_batches()
            yield from unproved_batches(verification, logs, relevant)
            yield from (_apply_verdict(one, verification.verdict(one), relevant) for one in logs)

    def batches(self, found: Iterable[LogObject | Batch]) -> Iterator[Batch]:
        """Yield the batches of the objects in their order."""
        return self._source.batches(found)

    def no_logs_error(self, passed: Counter[str], sought: Sought = RECORDS) -> PolicygenError:
        """Return the error of the source."""
        return self._source.no_logs_error(passed, sought)

    def _verification(self, logs: Sequence[LogObject], scope: Scope, relevant: DigestWindow) -> Verification:
        """Check the digests of the relevant time; the result is kept, since the same objects may be listed twice."""
        if self._known and self._known[:2] == (logs, scope):
            return self._known[2]
        self._on_message(f"reading the digests of {pluralize(len(logs), 'log file')}")
        verification = self._verify(logs, scope)
        covered = coverage_check(verification.hours)
        hours = (
            hour
            for hour in verification.hours
            if hour.status != "gap" or _is_relevant(hour, relevant, covered)
        )
        verification = replace(verification, hours=tuple(hours))
        for line in verification.summary():
            self._on_message(f"digests: {line}")
        self._known = logs, scope, verification
        return verification


def _relevant_window(scope: Scope, logs: Iterable[LogObject], *, copied: bool) -> DigestWindow:
    """Return the time whose log files matter: the copied time for copies, and until the window's last delivery."""
    stamps = [stamp for one in logs if (stamp := published(one.name))]
    first, last = (iso_time(f"{one[:-1]}00Z") for one in (min(stamps), max(stamps))) if stamps else ("", "")
    start, end = digest_window(scope)
    return DigestWindow(
        max(start, first) if copied else start, add_hours(end, DELIVERY_HOURS) if end else last
    )


def _is_relevant(hour: Hour, relevant: DigestWindow, covered: Callable[[str, str, str, str], bool]) -> bool:
    """Return whether an unproved time is relevant and no digest of another trail proves it."""
    outside = hour.end <= relevant.start or "" < relevant.end <= hour.start
    return not (outside or covered(hour.account, hour.region, hour.start, hour.end))


def _is_late(one: LogObject, relevant: DigestWindow) -> bool:
    return "" < relevant.end < published_minute(one.locator)


def _apply_verdict(one: LogObject, verdict: Verdict, relevant: DigestWindow) -> LogObject | Batch:
    """Return a log file with its hashes, or the batch that says why it is not read."""
    if verdict.status == "invalid":
        return Batch.damaged(one.name, Damage(None, verdict.reason), one.size)
    if verdict.status == "gap":
        # A file that was published after the window and has no digest counts as not delivered yet.
        return Batch.passed(one.name, "no-digest", one.size) if _is_late(one, relevant) else one
    # A cached result of the file is valid only while its digest lists the same hash.
    version = one.version and " ".join([one.version, *sorted(verdict.hashes)])
    return one._replace(version=version, hashes=verdict.hashes)


# ---- what nothing proves --------------------------------------------------------------------------------


def unproved_batches(
    verification: Verification, logs: Iterable[LogObject], relevant: DigestWindow
) -> Iterator[Batch]:
    """Yield a batch for each unproved time, and one for the log files without a digest at any other time.

    Args:
        verification: what the digests prove; its gaps are the relevant ones.
        logs: the log files.
        relevant: the time whose log files matter.
    """
    newest = _NewestDigests(verification.hours, relevant)
    gaps: dict[AccountRegion, list[Hour]] = {}
    for hour in verification.hours:
        if hour.status == "gap":
            gaps.setdefault(hour[:2], []).append(hour)
    files_inside: Counter[Hour] = Counter()
    names_by_reason: dict[str, list[str]] = {}
    for log in logs:
        verdict = verification.verdict(log)
        if verdict.status == "gap" and not _is_late(log, relevant):
            place, time = (log.account, log.region), published_minute(log.locator)
            within = [hour for hour in gaps.get(place, ()) if hour.start <= time <= hour.end]
            if within:
                files_inside[within[0]] += 1
            else:
                advice = newest.advice(place, add_hours(time, 1)) if time else ""
                names_by_reason.setdefault(verdict.reason + advice, []).append(log.name)
    for hour in (hour for place in gaps.values() for hour in place):
        files = f", with {pluralize(files_inside[hour], 'log file')}" if files_inside[hour] else ""
        yield Batch(name_hour(hour) + files, unproved=hour.reason + newest.advice(hour[:2], hour.start))
    for reason, names in names_by_reason.items():
        label = names[0] if len(names) == 1 else f"{pluralize(len(names), 'log file')}, as {names[0]}"
        yield Batch(escape_controls(label), unproved=reason)
    if unsigned := sum(hour.status == "valid" and not hour.signed for hour in verification.hours):
        reason = "their signatures were not checked: --public-keys FOLDER checks them"
        yield Batch(pluralize(unsigned, "digest"), unproved=reason)


class _NewestDigests:
    """How far the digests of each region reach, and where a window must end so that they prove all of it."""

    def __init__(self, hours: Iterable[Hour], relevant: DigestWindow) -> None:
        ends: dict[AccountRegion, str] = {}
        for hour in hours:
            if hour.status == "valid":
                ends[hour[:2]] = max(hour.end, ends.get(hour[:2], ""))
        newest = max(ends.values(), default="")
        self._ends = {place: end for place, end in ends.items() if add_hours(end, MAX_LAG_HOURS) >= newest}
        self._until = ""
        if self._ends:
            until = f"{add_hours(min(self._ends.values()), -MARGIN_HOURS)[:16]}:00Z"
            if relevant.start < until and (
                not relevant.end or add_hours(until, DELIVERY_HOURS) < relevant.end
            ):
                self._until = until

    def advice(self, place: AccountRegion, time: str) -> str:
        """Return what to do about an unproved time after the newest digest; "" where that digest is not the reason."""
        if not (self._until and self._ends.get(place, "~") <= time):
            return ""
        return f": --until {self._until} ends the window before it"
