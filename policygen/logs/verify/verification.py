"""What digests say of the log files that a source has: which to read, and what is missing. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from policygen.errors import IncompleteError
from policygen.logs.decode.object_key import parse_log_name
from policygen.logs.source import Batch, Damage, LogObject, Scope
from policygen.logs.verify.chain import (
    DigestReport,
    DigestWindow,
    Hour,
    Keys,
    Verdict,
    check_digests,
    covers,
    shifted,
)
from policygen.logs.verify.digest import DigestFile, digest_name, moment, plain_name
from policygen.text import escape_controls, pluralize

DELIVERY = 20 / 60
"""Hours within which a trail delivers what happened (2.1.2)."""

_MINUTE = re.compile(r"_(20\d{6}T\d{4})Z_")
_BELOW = re.compile(r".*/AWSLogs/(?:o-[a-z0-9]+(?:/|$))?(.*)", re.DOTALL)
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Verification:
    """What digests say of the log files of a source. `verdicts` is by the `locator` of a log object."""

    hours: tuple[Hour, ...]
    verdicts: Mapping[str, Verdict]
    missing: tuple[str, ...] = ()
    """Names of log files that a valid digest lists and the source has not."""
    _unknown: Verdict = field(default=Verdict("gap", "it was not there when digests were read"), repr=False)

    def verdict(self, one: LogObject) -> Verdict:
        """Return the verdict on a log object; a valid one has the hashes that `check_content` compares."""
        return self.verdicts.get(one.locator, self._unknown)

    def holes(self) -> Iterator[Batch]:
        """One damaged batch for each stretch of time, and each log file, that was tampered with or lost."""
        for hour in self.hours:
            if hour.status == "invalid":
                yield Batch.damaged(
                    hour.digest or name_hour(hour), Damage(None, f"the digest is invalid: {hour.reason}")
                )
        for name in self.missing:
            yield Batch.damaged(name, Damage(None, "a digest lists it, but it is not there"))

    def summary(self) -> tuple[str, ...]:
        """Lines for a person: what digests vouch for, before the log files themselves are read, and what not."""
        found = Counter(verdict.status for verdict in self.verdicts.values())
        lines = [f"{found['valid']:,} of {pluralize(len(self.verdicts), 'log file')} listed by valid digests"]
        if found["invalid"]:
            lines.append(f"{pluralize(found['invalid'], 'log file')} refused")
        if found["gap"]:
            lines.append(f"{pluralize(found['gap'], 'log file')} that no digest vouches for")
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
            stretches = [hour for hour in self.hours if hour.status == status]
            lines += [f"{status}: {name_hour(hour)}: {hour.reason}" for hour in stretches[:_SHOWN]]
            if len(stretches) > _SHOWN:
                lines.append(f"{status}: and {len(stretches) - _SHOWN:,} more")
        return tuple(lines)


def verify(
    objects: Iterable[LogObject],
    digests: Iterable[DigestFile],
    keys: Keys | None,
    scope: Scope,
    places: Sequence[str] = (),
) -> Verification:
    """Checks the digests, and says of each log object what they say of it.

    Args:
        objects: the log objects of a source.
        digests: the digest files of their `reach`, in any order.
        keys: public keys; None leaves signatures unchecked.
        scope: what the source was asked for. Nothing outside of it is missed.
        places: where it was asked to look, as paths or URLs; a folder of one region asks for that alone.

    Raises:
        IncompleteError: there is no digest at all (PG-E331).
        UsageError: signatures are to be checked and cryptography is not installed (PG-E231).
    """
    logs = tuple(objects)
    report = check_digests(digests, keys, window(scope))
    if not any(hour.digest for hour in report.hours):
        raise IncompleteError(
            f"no digest vouches for any of {pluralize(len(logs), 'log file')}",
            "digests lie in CloudTrail-Digest/, beside CloudTrail/: copy both",
            "to have them from now on: aws cloudtrail update-trail --name NAME --enable-log-file-validation",
            "without --verify-digests the logs are read as they are",
            code="PG-E331",
        )
    unlisted, below = _Unlisted(report), _below(places)
    verdicts = {
        one.locator: report.logs.get(plain_name(one.locator)) or unlisted.verdict(one.locator) for one in logs
    }
    there = {plain_name(one.locator) for one in logs}
    missing = (
        name
        for name, verdict in report.logs.items()
        if verdict.status == "valid" and name not in there and _is_asked(name, scope, below)
    )
    return Verification(report.hours, verdicts, tuple(sorted(missing)))


def window(scope: Scope) -> DigestWindow:
    """The time that a scope is."""
    start = f"{scope.first}T00:00:00Z" if scope.first else ""
    end = shifted(f"{scope.last}T00:00:00Z", 24) if scope.last else ""
    return DigestWindow(start, scope.until or end)


def reach(scope: Scope, objects: Iterable[LogObject]) -> Scope:
    """A scope with all days on which its log objects were published: what came late has digests of its own day."""
    days = [one.day for one in objects if one.day]
    return scope._replace(
        first=scope.first and min([scope.first, *days]),
        last=scope.last and max([scope.last, *days]),
        until="",
    )


def is_wanted(key: str, scope: Scope, places: Sequence[str] = ()) -> bool:
    """Whether a key is that of a digest that may list log files of a scope, at `places` as of `verify`.

    A digest lists what was delivered in the hour before its end; some files are left to the next one.
    """
    name = digest_name(key)
    if name is None or (scope.account and name.account != scope.account):
        return False
    region = f"{name.account}/CloudTrail/{name.region}/"
    if not any(region.startswith(place) or place.startswith(region) for place in _below(places)):
        return False
    start, end = window(scope)
    return start <= name.end and not (end and shifted(end, 2) < name.end)


class _Unlisted:
    """What to say of log files that no digest lists."""

    def __init__(self, report: DigestReport) -> None:
        self._covered = covers(report.hours)
        self._invalid = [hour for hour in report.hours if hour.status == "invalid"]

    def verdict(self, where: str) -> Verdict:
        told, time = parse_log_name(plain_name(where)), format_minute(where)
        if not (told.account and time):
            return Verdict("gap", "its name is not one that a trail gives")
        # What is delivered at the end of an hour may be listed in the next digest.
        if self._covered(told.account, told.region, time, shifted(time, 1)):
            return Verdict(
                "invalid",
                "no digest lists it, though those of its time are there: it was put there by somebody else, "
                "or by a trail without log file validation",
            )
        for one in self._invalid:
            if (one.account, one.region) == told[:2] and one.start <= time <= one.end:
                return Verdict("invalid", f"the digest of its time is invalid: {one.reason}")
        return Verdict("gap", "no digest speaks of its time")


def name_hour(hour: Hour) -> str:
    """A stretch of time in words."""
    return f"{hour.account} {hour.region} {hour.start} to {hour.end}"


def format_minute(where: str) -> str:
    """When a log file was published, by its name: ISO 8601 in UTC; "" where that does not tell."""
    found = _MINUTE.search(plain_name(where))
    return moment(f"{found[1]}00Z") if found else ""


def _below(places: Sequence[str]) -> tuple[str, ...]:
    """Beginnings of ACCOUNT/CloudTrail/REGION/YYYY/MM/DD/NAME that places ask for; "" is all."""
    found = (_BELOW.search(place.replace("\\", "/")) for place in places or ("",))
    return tuple(one[1] if one else "" for one in found)


def _is_asked(name: str, scope: Scope, below: Sequence[str]) -> bool:
    """Whether a log file may hold what happened in the window: the last of it is delivered after its end."""
    told, time, (start, end) = parse_log_name(name), format_minute(name), window(scope)
    path = f"{told.account}/CloudTrail/{told.region}/{told.day.replace('-', '/')}/{name}.gz"
    return (
        any(path.startswith(place) for place in below)
        and (not scope.account or told.account == scope.account)
        and start <= time
        and (not end or time <= shifted(end, DELIVERY))
    )
