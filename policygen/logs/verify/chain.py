"""Check chains of digest files (2.2): which hours of a region, and which log files, they prove.

Each digest names the one before it, with its hash and signature, so a removed or changed digest is detected. Every
trail has one chain for each region, and one more of backfill digests. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Literal, NamedTuple

import msgspec

from policygen.logs.verify.digest import (
    ALGORITHM,
    HASH,
    Digest,
    DigestFile,
    DigestName,
    LoggedFile,
    ParsedDigest,
    digest_file_name,
    parse_digest,
    parse_digest_name,
    signing_string,
    unpacked_name,
    verify_signature,
    was_moved,
)
from policygen.text import escape_controls, sanitize

Status = Literal["valid", "gap", "invalid"]
"""Proved by a digest; not provable, because a digest or its signature is missing; tampered with or lost."""

Keys = Mapping[str, Mapping[str, bytes]]
"""Region -> fingerprint -> public key in DER: each region signs with its own keys (2.2.4)."""


class DigestWindow(NamedTuple):
    """The time to check, ISO 8601 in UTC; "" for an open end."""

    start: str = ""
    end: str = ""


ALWAYS = DigestWindow()


class Hour(NamedTuple):
    """The time that one digest covers, usually an hour, or a time without a digest; ISO 8601 in UTC."""

    account: str
    region: str
    trail: str
    start: str
    end: str
    status: Status
    reason: str = ""
    """Why it is not valid."""
    digest: str = ""
    """Name of its digest file, "" where there is none."""
    signed: bool = False
    """Whether a signature was checked, and is good."""


class Verdict(NamedTuple):
    """What the digests prove about one log file."""

    status: Status
    reason: str = ""
    hashes: frozenset[str] = frozenset()
    """SHA-256, in hex, of which its unpacked content must have one."""


class DigestReport(msgspec.Struct, frozen=True):
    """What the digests prove, by hour and by log file."""

    hours: tuple[Hour, ...] = ()
    """Sorted by account, region, trail and time."""
    logs: Mapping[str, Verdict] = msgspec.field(default_factory=dict)
    """Unpacked name of a listed log file -> its verdict."""


def check_digests(
    files: Iterable[DigestFile], keys: Keys | None, window: DigestWindow = ALWAYS
) -> DigestReport:
    """Check digests of any number of chains, in any order.

    Args:
        files: digest files; a file without the name of a digest is left out.
        keys: public keys; None checks hashes and chains, but no signatures.
        window: the time to check.
    """
    named = [(name, one) for one in files if (name := parse_digest_name(one.key))]
    # Copies of a file in several places are one file.
    unique = sorted({(name, one.data): one for name, one in named}.items(), reverse=True, key=_by_name)
    chains = groupby(unique, key=lambda item: item[0][0][:-1])
    reports = [check_chain([one for _, one in chain], keys, window) for _, chain in chains]
    hours = sorted(hour for report in reports for hour in report.hours)
    return DigestReport(tuple(hours), _merge_verdicts(report.logs for report in reports))


def check_chain(
    files: Sequence[DigestFile], keys: Keys | None, window: DigestWindow = ALWAYS
) -> DigestReport:
    """Check the digests of one chain.

    Args:
        files: newest first.
        keys: public keys; None checks hashes and the chain, but no signatures.
        window: the time to check; a missing digest before its start is no gap.
    """
    digests = [parse_digest(file, name) for file in files if (name := parse_digest_name(file.key))]
    if not digests:
        return DigestReport()
    # A digest carries the signature of the one before it; copies of digests have no other signature.
    carried_signatures = {
        unpacked_name(parsed.digest.previous_digest_s3_object): parsed.digest.previous_digest_signature
        for parsed in reversed(digests)
        if parsed.digest and parsed.digest.previous_digest_s3_object
    }
    links: list[_Link] = []
    gaps: list[Hour] = []
    later: _Link | None = None
    unseen = {unpacked_name(parsed.file.key) for parsed in digests}
    for parsed in digests:
        file_name = unpacked_name(parsed.file.key)
        expected = later.previous if later else ""
        if expected not in ("", file_name) and expected in unseen:
            link = _Link(parsed, _Authenticity("invalid", "no later digest refers to it"))
        else:
            after = later.parsed.digest if later and file_name == expected else None
            link = _Link(parsed, _authenticate(parsed, after, carried_signatures.get(file_name), keys))
            gaps += _gap_between(later, link, window)
            later = link
        unseen.discard(file_name)
        links.append(link)
    gaps += _gap_between(later, None, window)
    hours = sorted([*(link.hour for link in links), *gaps])
    return DigestReport(tuple(hours), _merge_verdicts(link.verdicts for link in links))


def coverage_check(hours: Iterable[Hour]) -> Callable[[str, str, str, str], bool]:
    """Return a function (account, region, start, end) that says whether valid, adjoining hours cover that time."""
    spans: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for hour in sorted(hours, key=lambda hour: hour.start):
        if hour.status == "valid":
            whole = spans.setdefault((hour.account, hour.region), [])
            if whole and hour.start <= whole[-1][1]:
                whole[-1] = (whole[-1][0], max(whole[-1][1], hour.end))
            else:
                whole.append((hour.start, hour.end))

    def covered(account: str, region: str, start: str, end: str) -> bool:
        return any(first <= start and end <= last for first, last in spans.get((account, region), ()))

    return covered


def add_hours(time: str, hours: float) -> str:
    """Return a time in ISO 8601 some hours later, or earlier."""
    moved = datetime.fromisoformat(time) + timedelta(hours=hours)
    return moved.isoformat(timespec="seconds").replace("+00:00", "Z")


# ---- one digest -----------------------------------------------------------------------------------------


class _Authenticity(NamedTuple):
    """Whether a digest is genuine; `signed` as in `Hour`."""

    status: Status
    reason: str = ""
    signed: bool = False


def _authenticate(
    parsed: ParsedDigest, after: Digest | None, carried_signature: str | None, keys: Keys | None
) -> _Authenticity:
    """Check that one digest is genuine.

    Args:
        parsed: the digest.
        after: the digest after it, if it refers to this one and may be trusted.
        carried_signature: the signature of this digest that any later digest carries.
        keys: public keys.
    """
    digest, file, region = parsed.digest, parsed.file, parsed.name.region
    if digest is None:
        return _Authenticity("invalid", parsed.fault)
    if was_moved(file, digest):
        location = escape_controls(f"s3://{digest.digest_s3_bucket}/{digest.digest_s3_object}")
        return _Authenticity("invalid", f"was got from another place than it says: {location}")
    if after and (after.previous_digest_hash_value or "").lower() != parsed.sha256:
        return _Authenticity("invalid", "differs from the hash in the digest after it")
    if digest.digest_signature_algorithm != ALGORITHM:
        return _Authenticity(
            "invalid", f"is signed by {sanitize(digest.digest_signature_algorithm)}, not {ALGORITHM}"
        )
    if keys is None:
        return _Authenticity("valid")
    signature = carried_signature if file.signature is None else file.signature
    if signature is None:
        return _Authenticity("gap", "its signature is in the metadata of S3 only, which a copy has not")
    if not signature:
        return _Authenticity("invalid", "has no signature in its metadata")
    fingerprint = digest.digest_public_key_fingerprint
    key = keys.get(region, {}).get(fingerprint)
    if key is None:
        return _Authenticity(
            "invalid", f"no public key of {region} has the fingerprint {sanitize(fingerprint)}"
        )
    if not verify_signature(key, signing_string(digest, parsed.sha256), signature):
        return _Authenticity("invalid", "its signature is wrong")
    return _Authenticity("valid", signed=True)


class _Link(NamedTuple):
    """A digest of a chain, and whether it is genuine. The content of an invalid digest is not used."""

    parsed: ParsedDigest
    authenticity: _Authenticity

    @property
    def _trusted(self) -> Digest | None:
        return None if self.authenticity.status == "invalid" else self.parsed.digest

    @property
    def start(self) -> str:
        return self._trusted.digest_start_time if self._trusted else add_hours(self.parsed.name.end, -1)

    @property
    def end(self) -> str:
        return self._trusted.digest_end_time if self._trusted else self.parsed.name.end

    @property
    def previous(self) -> str:
        """The unpacked name of the digest before it; "" at the start of a chain (2.2.6) and for an invalid digest."""
        return unpacked_name((self._trusted and self._trusted.previous_digest_s3_object) or "")

    @property
    def leaves_its_bucket(self) -> bool:
        digest = self.parsed.digest
        return digest is not None and digest.previous_digest_s3_bucket != digest.digest_s3_bucket

    @property
    def hour(self) -> Hour:
        digest = escape_controls(digest_file_name(self.parsed.file.key))
        return Hour(
            *self.parsed.name[:3],
            self.start,
            self.end,
            *self.authenticity[:2],
            digest,
            self.authenticity.signed,
        )

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """The verdict of this digest on each log file that it lists, by unpacked name."""
        logs = self.parsed.digest.log_files if self.parsed.digest else ()
        return _merge_verdicts({unpacked_name(log.s3_object): self._verdict(log)} for log in logs)

    def _verdict(self, log: LoggedFile) -> Verdict:
        match self.authenticity.status:
            case "invalid":
                return Verdict("invalid", f"the digest that lists it is invalid: {self.authenticity.reason}")
            case "gap":
                return Verdict(
                    "gap", f"the digest that lists it cannot be checked: {self.authenticity.reason}"
                )
        if log.hash_algorithm != HASH:
            return Verdict("invalid", f"its hash is a {sanitize(log.hash_algorithm)}, not a {HASH}")
        return Verdict("valid", "", frozenset((log.hash_value.lower(),)))


# ---- between two digests --------------------------------------------------------------------------------


def _gap_between(later: _Link | None, earlier: _Link | None, window: DigestWindow) -> list[Hour]:
    """Return the time between two neighbouring digests of a chain, if something is missing there.

    Args:
        later: None for the time after the newest.
        earlier: None for the time before the oldest.
        window: the time to check.
    """
    start = earlier.end if earlier else window.start
    end = later.start if later else window.end
    if later and later.previous:
        return _missing_digest(later, earlier, DigestWindow(start, end), window)
    link = later or earlier
    # Backfill digests exist only where other digests left something out.
    if link is None or link.parsed.name.backfill or not (start and end and start < end):
        return []
    if later is None:
        reason = "no later digest: not written yet, or validation was turned off"
    elif later.authenticity.status == "invalid":
        reason = "no digest that can be trusted speaks of this time"
    else:
        reason = "no digest: validation or logging was off"
    return [Hour(*link.parsed.name[:3], start, end, "gap", reason)]


def _missing_digest(
    later: _Link, earlier: _Link | None, between: DigestWindow, window: DigestWindow
) -> list[Hour]:
    """Return the time of the digest before `later`, unless that digest is there or lies outside the window."""
    expected, name = later.previous, parse_digest_name(later.previous)
    if earlier:
        if unpacked_name(earlier.parsed.file.key) == expected:
            return []
    elif not window.start or (name and name.end < window.start):
        return []
    start, end = (add_hours(name.end, -1), name.end) if name and name.backfill else between
    status: Status = "gap" if later.leaves_its_bucket else "invalid"
    bucket = later.parsed.digest.previous_digest_s3_bucket if later.parsed.digest else ""
    where = f"in another bucket, {sanitize(bucket)}" if later.leaves_its_bucket else "missing"
    reason = f"the digest before {later.start} is {where}: {escape_controls(expected)}"
    return [Hour(*later.parsed.name[:3], start, end, status, reason)]


# ---- several digests ------------------------------------------------------------------------------------


def _by_name(item: tuple[tuple[DigestName, bytes], DigestFile]) -> tuple[DigestName, bytes]:
    return item[0]


def _merge_verdicts(parts: Iterable[Mapping[str, Verdict]]) -> dict[str, Verdict]:
    whole: dict[str, Verdict] = {}
    for part in parts:
        for name, verdict in part.items():
            whole[name] = _stronger(whole[name], verdict) if name in whole else verdict
    return whole


def _stronger(one: Verdict, two: Verdict) -> Verdict:
    """Return the verdict that proves something, of two digests that list the same log file."""
    if one.status == two.status == "valid":
        return Verdict("valid", "", one.hashes | two.hashes)
    return min(one, two, key=lambda verdict: ("valid", "invalid", "gap").index(verdict.status))
