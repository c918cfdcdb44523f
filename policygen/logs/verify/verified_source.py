"""A log source that is checked against CloudTrail's digests (2.2): files in folders, and trails' buckets.

Digests are read when the objects are listed. What they show to be altered, added or lost is damage, and is not read;
what no digest speaks of is read, and is said to be unproved. An object that a digest lists takes the hashes along that
it may have, so that its reader, in whatever process, checks the very bytes that it unpacks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from policygen.account.aws_session import Aws, open_session
from policygen.account.model import Trail
from policygen.errors import PolicygenError, UsageError
from policygen.logs.decode.object_key import published
from policygen.logs.source import EVERYTHING, Batch, Damage, LogObject, LogSource, Scope, Source
from policygen.logs.sources.files import FileSource
from policygen.logs.sources.s3.source import S3Source
from policygen.logs.verify.chain import DigestWindow, Hour, Verdict, covers, shifted
from policygen.logs.verify.digest import moment, require_cryptography
from policygen.logs.verify.store import load_keys, verify_files, verify_s3
from policygen.logs.verify.verification import DELIVERY, Verification, format_minute, name_hour, window
from policygen.text import escape_controls, pluralize

Verify = Callable[[Sequence[LogObject], Scope], Verification]

Place = tuple[str, str]
"""An account and a region."""

LAGGING = 3
"""Hours by which a region's newest digest may be older than another's, and its next one still be on its way."""

MARGIN = 30 / 60
"""Hours that a window has to end before the newest digest, so that all that is delivered of it has a digest."""


def verified(source: Source, keys: Path | None, say: Callable[[str], None]) -> VerifiedSource:
    """A source, checked against the digests that lie beside its log files. Nothing is read yet but the keys.

    Args:
        source: as it was opened.
        keys: folder of public keys, for a source of files; None leaves signatures unchecked there. For a bucket
            CloudTrail gives them.
        say: told what the digests vouch for.

    Raises:
        UsageError: the source has no digests, or takes no keys (PG-E234); there are no keys in the folder (PG-E232);
            cryptography is not installed (PG-E231).
    """
    if isinstance(source, FileSource):
        if keys:
            require_cryptography()
        known = load_keys(keys) if keys else None
        places = [str(path) for path in source.paths]
        return VerifiedSource(source, partial(verify_files, keys=known, places=places), say)
    if not isinstance(source, S3Source):
        raise UsageError(
            "digests vouch for what a trail delivers to S3, and this log source reads something else",
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
    return VerifiedSource(source, partial(_verify_bucket, source), say)


def _verify_bucket(source: S3Source, logs: Sequence[LogObject], scope: Scope) -> Verification:
    aws = Aws.identify(open_session(source.access.profile or None, source.access.region or None))
    return verify_s3(aws, logs, scope, [str(location) for location in source.locations])


class VerifiedSource(LogSource):
    """Another source, of which digests are asked before anything is read."""

    def __init__(self, source: LogSource, verify: Verify, say: Callable[[str], None]) -> None:
        self.reader, self.remote = source.reader, source.remote
        self._source, self._verify, self._say = source, verify, say
        self._known: tuple[Sequence[LogObject], Scope, Verification] | None = None

    @property
    def notes(self) -> Sequence[str]:
        """What the source itself says."""
        return self._source.notes

    @property
    def trails(self) -> Sequence[Trail] | None:
        """As the source says."""
        return self._source.trails

    def objects(self, scope: Scope = EVERYTHING) -> Iterator[LogObject | Batch]:
        """What the source gives; what is damaged or unproved by its digests is told by batches.

        Raises:
            PolicygenError: as of the source; there is no digest (PG-E331), or digests cannot be read.
        """
        found = list(self._source.objects(scope))
        yield from (one for one in found if isinstance(one, Batch))
        logs = [one for one in found if isinstance(one, LogObject)]
        if logs:
            asked = _asked(scope, logs, copied=not self.remote)
            verification = self._verification(logs, scope, asked)
            yield from verification.holes()
            yield from unproved(verification, logs, asked)
            yield from (_vouched(one, verification.verdict(one), asked) for one in logs)

    def batches(self, found: Iterable[LogObject | Batch]) -> Iterator[Batch]:
        """The batches of what `objects` gave, in that order."""
        return self._source.batches(found)

    def no_logs_error(self, passed: Counter[str]) -> PolicygenError:
        """The error of the source."""
        return self._source.no_logs_error(passed)

    def _verification(self, logs: Sequence[LogObject], scope: Scope, asked: DigestWindow) -> Verification:
        """What digests say, of the time that was asked for; remembered, since the same may be read twice."""
        if self._known and self._known[:2] == (logs, scope):
            return self._known[2]
        self._say(f"reading the digests of {pluralize(len(logs), 'log file')}")
        found = self._verify(logs, scope)
        covered = covers(found.hours)
        hours = (hour for hour in found.hours if hour.status != "gap" or _matters(hour, asked, covered))
        found = replace(found, hours=tuple(hours))
        for line in found.summary():
            self._say(f"digests: {line}")
        self._known = logs, scope, found
        return found


def _asked(scope: Scope, logs: Iterable[LogObject], *, copied: bool) -> DigestWindow:
    """The time whose log files matter: of copies what was copied, and until the last of the window is delivered."""
    stamps = [stamp for one in logs if (stamp := published(one.name))]
    first, last = (moment(f"{one[:-1]}00Z") for one in (min(stamps), max(stamps))) if stamps else ("", "")
    start, end = window(scope)
    return DigestWindow(max(start, first) if copied else start, shifted(end, DELIVERY) if end else last)


def _matters(hour: Hour, asked: DigestWindow, covered: Callable[[str, str, str, str], bool]) -> bool:
    """Whether a stretch without proof was asked for, and no digest of another trail vouches for its time."""
    outside = hour.end <= asked.start or "" < asked.end <= hour.start
    return not (outside or covered(hour.account, hour.region, hour.start, hour.end))


def _is_late(one: LogObject, asked: DigestWindow) -> bool:
    return "" < asked.end < format_minute(one.locator)


def _vouched(one: LogObject, verdict: Verdict, asked: DigestWindow) -> LogObject | Batch:
    """A log file as it may be read: with its hashes, or not at all."""
    if verdict.status == "invalid":
        return Batch.damaged(one.name, Damage(None, verdict.reason), one.size)
    if verdict.status == "gap":
        # What was published after the window and has no digest counts as not delivered yet.
        return Batch.passed(one.name, "no-digest", one.size) if _is_late(one, asked) else one
    # What is kept of a file counts for one whose digest says the same.
    version = one.version and " ".join([one.version, *sorted(verdict.hashes)])
    return one._replace(version=version, hashes=verdict.hashes)


# ---- what nothing proves --------------------------------------------------------------------------------


def unproved(found: Verification, logs: Iterable[LogObject], asked: DigestWindow) -> Iterator[Batch]:
    """One batch for each stretch of time without proof, and for the log files that no digest speaks of elsewhere.

    Args:
        found: what digests say; its gaps are those that matter.
        logs: the log files.
        asked: the time whose log files matter.
    """
    newest = _Newest(found.hours, asked)
    stretches: dict[Place, list[Hour]] = {}
    for hour in found.hours:
        if hour.status == "gap":
            stretches.setdefault(hour[:2], []).append(hour)
    inside: Counter[Hour] = Counter()
    alone: dict[str, list[str]] = {}
    for one in logs:
        verdict = found.verdict(one)
        if verdict.status == "gap" and not _is_late(one, asked):
            place, time = (one.account, one.region), format_minute(one.locator)
            within = [hour for hour in stretches.get(place, ()) if hour.start <= time <= hour.end]
            if within:
                inside[within[0]] += 1
            else:
                advice = newest.advice(place, shifted(time, 1)) if time else ""
                alone.setdefault(verdict.reason + advice, []).append(one.name)
    for hour in (hour for place in stretches.values() for hour in place):
        files = f", with {pluralize(inside[hour], 'log file')}" if inside[hour] else ""
        yield Batch(name_hour(hour) + files, unproved=hour.reason + newest.advice(hour[:2], hour.start))
    for reason, names in alone.items():
        shown = names[0] if len(names) == 1 else f"{pluralize(len(names), 'log file')}, as {names[0]}"
        yield Batch(escape_controls(shown), unproved=reason)
    if unsigned := sum(hour.status == "valid" and not hour.signed for hour in found.hours):
        reason = "their signatures were not checked: --public-keys FOLDER checks them"
        yield Batch(pluralize(unsigned, "digest"), unproved=reason)


class _Newest:
    """How far digests prove the log of each region, and where a window has to end for them to prove it whole."""

    def __init__(self, hours: Iterable[Hour], asked: DigestWindow) -> None:
        ends: dict[Place, str] = {}
        for hour in hours:
            if hour.status == "valid":
                ends[hour[:2]] = max(hour.end, ends.get(hour[:2], ""))
        newest = max(ends.values(), default="")
        self._ends = {place: end for place, end in ends.items() if shifted(end, LAGGING) >= newest}
        self._until = ""
        if self._ends:
            until = f"{shifted(min(self._ends.values()), -MARGIN)[:16]}:00Z"
            if asked.start < until and (not asked.end or shifted(until, DELIVERY) < asked.end):
                self._until = until

    def advice(self, place: Place, time: str) -> str:
        """What to do where nothing is proved at a time and later, as long as the newest digests are not there."""
        if not (self._until and self._ends.get(place, "~") <= time):
            return ""
        return f": --until {self._until} ends the window before it"
