"""What the digests prove about a source's log files: which to read, and which are missing. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from policygen.errors import IncompleteError
from policygen.logs.decode.object_key import parse_log_name
from policygen.logs.source import Batch, Damage, LogObject, Scope
from policygen.logs.verify.chain import (
    DigestReport,
    DigestWindow,
    Hour,
    Keys,
    Verdict,
    add_hours,
    check_digests,
    coverage_check,
)
from policygen.logs.verify.digest import DigestFile, iso_time, parse_digest_name, unpacked_name
from policygen.text import escape_controls, pluralize

DELIVERY_HOURS = 20 / 60
"""Hours within which a trail delivers an event (2.1.2)."""

_MINUTE = re.compile(r"_(20\d{6}T\d{4})Z_")
_BELOW = re.compile(r".*/AWSLogs/(?:o-[a-z0-9]+(?:/|$))?(.*)", re.DOTALL)
_MAX_SHOWN = 5


class Verification(msgspec.Struct, frozen=True):
    """What the digests prove about a source's log files. `verdicts` is by the `locator` of a log object."""

    hours: tuple[Hour, ...]
    verdicts: Mapping[str, Verdict]
    missing: tuple[str, ...] = ()
    """Names of log files that a valid digest lists and the source does not have."""
    _unknown: Verdict = Verdict("gap", "it was not there when digests were read")

    def verdict(self, one: LogObject) -> Verdict:
        """Return the verdict on a log object; a valid one has the hashes that `check_content` compares."""
        return self.verdicts.get(one.locator, self._unknown)

    def damaged_batches(self) -> Iterator[Batch]:
        """Yield one damaged batch for each time, and each log file, that was tampered with or lost."""
        for hour in self.hours:
            if hour.status == "invalid":
                yield Batch.damaged(
                    hour.digest or name_hour(hour), Damage(None, f"the digest is invalid: {hour.reason}")
                )
        for name in self.missing:
            yield Batch.damaged(name, Damage(None, "a digest lists it, but it is not there"))

    def summary(self) -> tuple[str, ...]:
        """Return lines for the user: how many log files the digests prove, before the files themselves are read."""
        counts = Counter(verdict.status for verdict in self.verdicts.values())
        lines = [
            f"{counts['valid']:,} of {pluralize(len(self.verdicts), 'log file')} listed by valid digests"
        ]
        if counts["invalid"]:
            lines.append(f"{pluralize(counts['invalid'], 'log file')} refused")
        if counts["gap"]:
            lines.append(f"{pluralize(counts['gap'], 'log file')} that no digest vouches for")
        if self.missing:
            lines.append(
                f"{pluralize(len(self.missing), 'log file')} missing, as {escape_controls(self.missing[0])}"
            )
        digests = [hour for hour in self.hours if hour.digest and hour.status != "invalid"]
        if unsigned := sum(not hour.signed for hour in digests):
            lines.append(
                f"signatures of {unsigned:,} of {pluralize(len(digests), 'digest')} were not checked"
            )
        for status in ("invalid", "gap"):
            hours = [hour for hour in self.hours if hour.status == status]
            lines += [f"{status}: {name_hour(hour)}: {hour.reason}" for hour in hours[:_MAX_SHOWN]]
            if len(hours) > _MAX_SHOWN:
                lines.append(f"{status}: and {len(hours) - _MAX_SHOWN:,} more")
        return tuple(lines)


def verify(
    objects: Iterable[LogObject],
    digests: Iterable[DigestFile],
    keys: Keys | None,
    scope: Scope,
    places: Sequence[str] = (),
) -> Verification:
    """Check the digests, and give a verdict on each log object.

    Args:
        objects: the log objects of a source.
        digests: the digest files of their scope, as `widen_to_published` returns it, in any order.
        keys: public keys; None leaves signatures unchecked.
        scope: what the source was to list; nothing outside it is missing.
        places: where it was to look, as paths or URLs; the folder of a region limits the check to that region.

    Raises:
        IncompleteError: there is no digest at all (PG-E331).
        UsageError: signatures are to be checked and cryptography is not installed (PG-E231).
    """
    logs = tuple(objects)
    report = check_digests(digests, keys, digest_window(scope))
    if not any(hour.digest for hour in report.hours):
        raise IncompleteError(
            f"no digest covers any of {pluralize(len(logs), 'log file')}",
            "digests are in CloudTrail-Digest/, next to CloudTrail/: copy both",
            "to have them from now on: aws cloudtrail update-trail --name NAME --enable-log-file-validation",
            "without --verify-digests the logs are read as they are",
            code="PG-E331",
        )
    unlisted, below = _Unlisted(report), _path_prefixes(places)
    verdicts = {
        one.locator: report.logs.get(unpacked_name(one.locator)) or unlisted.verdict(one.locator)
        for one in logs
    }
    present = {unpacked_name(one.locator) for one in logs}
    missing = (
        name
        for name, verdict in report.logs.items()
        if verdict.status == "valid" and name not in present and _in_scope(name, scope, below)
    )
    return Verification(report.hours, verdicts, tuple(sorted(missing)))


def digest_window(scope: Scope) -> DigestWindow:
    """Return the time of a scope."""
    start = f"{scope.first}T00:00:00Z" if scope.first else ""
    end = add_hours(f"{scope.last}T00:00:00Z", 24) if scope.last else ""
    return DigestWindow(start, scope.until or end)


def widen_to_published(scope: Scope, objects: Iterable[LogObject]) -> Scope:
    """Return a scope with all days on which its log objects were published: late files have digests of a later day."""
    days = [one.day for one in objects if one.day]
    return scope._replace(
        first=scope.first and min([scope.first, *days]),
        last=scope.last and max([scope.last, *days]),
        until="",
    )


def is_wanted(key: str, scope: Scope, places: Sequence[str] = ()) -> bool:
    """Return whether a key names a digest that may list log files of a scope, at `places` as in `verify`.

    A digest lists files that were delivered in the hour before its end; some files are in the next digest.
    """
    name = parse_digest_name(key)
    if name is None or (scope.account and name.account != scope.account):
        return False
    region = f"{name.account}/CloudTrail/{name.region}/"
    if not any(region.startswith(place) or place.startswith(region) for place in _path_prefixes(places)):
        return False
    start, end = digest_window(scope)
    return start <= name.end and not (end and add_hours(end, 2) < name.end)


class _Unlisted:
    """Gives verdicts on log files that no digest lists."""

    def __init__(self, report: DigestReport) -> None:
        self._covered = coverage_check(report.hours)
        self._invalid = [hour for hour in report.hours if hour.status == "invalid"]

    def verdict(self, where: str) -> Verdict:
        log, time = parse_log_name(unpacked_name(where)), published_minute(where)
        if not (log.account and time):
            return Verdict("gap", "its name is not one that a trail gives")
        # The next digest may list files that were delivered at the end of an hour.
        if self._covered(log.account, log.region, time, add_hours(time, 1)):
            return Verdict(
                "invalid",
                "no digest lists it, though those of its time are there: it was put there by somebody else, "
                "or by a trail without log file validation",
            )
        for one in self._invalid:
            if (one.account, one.region) == log[:2] and one.start <= time <= one.end:
                return Verdict("invalid", f"the digest of its time is invalid: {one.reason}")
        return Verdict("gap", "no digest speaks of its time")


def name_hour(hour: Hour) -> str:
    """Return a range of time in words."""
    return f"{hour.account} {hour.region} {hour.start} to {hour.end}"


def published_minute(where: str) -> str:
    """Return when a log file was published, from its name: ISO 8601 in UTC; "" where the name does not say it."""
    match = _MINUTE.search(unpacked_name(where))
    return iso_time(f"{match[1]}00Z") if match else ""


def _path_prefixes(places: Sequence[str]) -> tuple[str, ...]:
    """Return the prefixes of ACCOUNT/CloudTrail/REGION/YYYY/MM/DD/NAME that places select; "" selects all."""
    matches = (_BELOW.search(place.replace("\\", "/")) for place in places or ("",))
    return tuple(match[1] if match else "" for match in matches)


def _in_scope(name: str, scope: Scope, below: Sequence[str]) -> bool:
    """Return whether a log file may have events of the window; the last of them is delivered after its end."""
    log, time, (start, end) = parse_log_name(name), published_minute(name), digest_window(scope)
    path = f"{log.account}/CloudTrail/{log.region}/{log.day.replace('-', '/')}/{name}.gz"
    return (
        any(path.startswith(place) for place in below)
        and (not scope.account or log.account == scope.account)
        and start <= time
        and (not end or time <= add_hours(end, DELIVERY_HOURS))
    )
