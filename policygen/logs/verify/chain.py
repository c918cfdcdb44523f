"""Chains of digest files (2.2): which hours of which region they vouch for, and for which log files.

Each digest names the one before it, with its hash and signature, so that one taken out or changed shows. Every
trail has a chain of its own for each region, and one more of backfill digests. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Literal, NamedTuple

from policygen.logs.verify.digest import (
    ALGORITHM,
    HASH,
    Digest,
    DigestFile,
    DigestName,
    LoggedFile,
    Opened,
    digest_file_name,
    digest_name,
    is_moved,
    open_digest,
    plain_name,
    signing_string,
    verify_signature,
)
from policygen.text import escape_controls, sanitize

Status = Literal["valid", "gap", "invalid"]
"""Proved by a digest; not provable, for want of a digest or its signature; tampered with or lost."""

Keys = Mapping[str, Mapping[str, bytes]]
"""Region -> fingerprint -> public key in DER: each region signs with keys of its own (2.2.4)."""


class DigestWindow(NamedTuple):
    """The time asked for, ISO 8601 in UTC; "" where it is open."""

    start: str = ""
    end: str = ""


ALWAYS = DigestWindow()


class Hour(NamedTuple):
    """What a digest proves of its time, mostly an hour, or a stretch of time without one; ISO 8601 in UTC."""

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
    """What digests say of one log file."""

    status: Status
    reason: str = ""
    hashes: frozenset[str] = frozenset()
    """SHA-256, in hex, that its unpacked content may have."""


@dataclass(frozen=True, slots=True)
class DigestReport:
    """What digests prove, hour by hour and log file by log file."""

    hours: tuple[Hour, ...] = ()
    """In the order of account, region, trail and time."""
    logs: Mapping[str, Verdict] = field(default_factory=dict)
    """Plain name of a log file that is listed -> what its digests say of it."""


def check_digests(
    files: Iterable[DigestFile], keys: Keys | None, window: DigestWindow = ALWAYS
) -> DigestReport:
    """Checks digests of any number of chains, in any order.

    Args:
        files: digest files; what has no digest's name is left out.
        keys: public keys; None checks hashes and chains, but no signatures.
        window: the time asked for.
    """
    named = [(name, one) for one in files if (name := digest_name(one.key))]
    # Copies of a file in several places are one file.
    unique = sorted({(name, one.data): one for name, one in named}.items(), reverse=True, key=_by_name)
    chains = groupby(unique, key=lambda item: item[0][0][:-1])
    reports = [check_chain([one for _, one in chain], keys, window) for _, chain in chains]
    hours = sorted(hour for report in reports for hour in report.hours)
    return DigestReport(tuple(hours), _merged(report.logs for report in reports))


def check_chain(
    files: Sequence[DigestFile], keys: Keys | None, window: DigestWindow = ALWAYS
) -> DigestReport:
    """Checks the digests of one chain.

    Args:
        files: newest first.
        keys: public keys; None checks hashes and the chain, but no signatures.
        window: the time asked for. Before its start no digest is missed.
    """
    opened = [open_digest(one, told) for one in files if (told := digest_name(one.key))]
    if not opened:
        return DigestReport()
    # A digest carries the signature of the one before, which is all that copies have of it.
    handed_on = {
        plain_name(one.digest.previous_digest_s3_object): one.digest.previous_digest_signature
        for one in reversed(opened)
        if one.digest and one.digest.previous_digest_s3_object
    }
    links: list[_Link] = []
    stretches: list[Hour] = []
    later: _Link | None = None
    left = {plain_name(one.file.key) for one in opened}
    for one in opened:
        name = plain_name(one.file.key)
        due = later.previous if later else ""
        if due not in ("", name) and due in left:
            link = _Link(one, _Proof("invalid", "no later digest refers to it"))
        else:
            after = later.one.digest if later and name == due else None
            link = _Link(one, _prove(one, after, handed_on.get(name), keys))
            stretches += _between(later, link, window)
            later = link
        left.discard(name)
        links.append(link)
    stretches += _between(later, None, window)
    hours = sorted([*(link.hour for link in links), *stretches])
    return DigestReport(tuple(hours), _merged(link.verdicts for link in links))


def covers(hours: Iterable[Hour]) -> Callable[[str, str, str, str], bool]:
    """Tells whether valid hours, one after the other, cover an account, a region, a start and an end."""
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


def shifted(time: str, hours: float) -> str:
    """A time in ISO 8601 some hours later, or earlier."""
    moved = datetime.fromisoformat(time) + timedelta(hours=hours)
    return moved.isoformat(timespec="seconds").replace("+00:00", "Z")


# ---- one digest -----------------------------------------------------------------------------------------


class _Proof(NamedTuple):
    """Whether a digest is genuine; `signed` as in `Hour`."""

    status: Status
    reason: str = ""
    signed: bool = False


def _prove(one: Opened, after: Digest | None, handed_on: str | None, keys: Keys | None) -> _Proof:
    """Checks one digest.

    Args:
        one: the digest.
        after: the digest after it, if that refers to it and may be trusted.
        handed_on: the signature that any later digest gives for it.
        keys: public keys.
    """
    digest, file, region = one.digest, one.file, one.name.region
    if digest is None:
        return _Proof("invalid", one.fault)
    if is_moved(file, digest):
        place = escape_controls(f"s3://{digest.digest_s3_bucket}/{digest.digest_s3_object}")
        return _Proof("invalid", f"was got from another place than it says: {place}")
    if after and (after.previous_digest_hash_value or "").lower() != one.sha256:
        return _Proof("invalid", "differs from the hash in the digest after it")
    if digest.digest_signature_algorithm != ALGORITHM:
        return _Proof(
            "invalid", f"is signed by {sanitize(digest.digest_signature_algorithm)}, not {ALGORITHM}"
        )
    if keys is None:
        return _Proof("valid")
    signature = handed_on if file.signature is None else file.signature
    if signature is None:
        return _Proof("gap", "its signature is in the metadata of S3 only, which a copy has not")
    if not signature:
        return _Proof("invalid", "has no signature in its metadata")
    fingerprint = digest.digest_public_key_fingerprint
    key = keys.get(region, {}).get(fingerprint)
    if key is None:
        return _Proof("invalid", f"no public key of {region} has the fingerprint {sanitize(fingerprint)}")
    if not verify_signature(key, signing_string(digest, one.sha256), signature):
        return _Proof("invalid", "its signature is wrong")
    return _Proof("valid", signed=True)


class _Link(NamedTuple):
    """A digest of a chain, and what was proved of it. What an invalid one says is not believed."""

    one: Opened
    proof: _Proof

    @property
    def _believed(self) -> Digest | None:
        return None if self.proof.status == "invalid" else self.one.digest

    @property
    def start(self) -> str:
        return self._believed.digest_start_time if self._believed else shifted(self.one.name.end, -1)

    @property
    def end(self) -> str:
        return self._believed.digest_end_time if self._believed else self.one.name.end

    @property
    def previous(self) -> str:
        """The plain name of the digest before it, "" at the start of a chain (2.2.6) and where it is not believed."""
        return plain_name((self._believed and self._believed.previous_digest_s3_object) or "")

    @property
    def leaves_its_bucket(self) -> bool:
        digest = self.one.digest
        return digest is not None and digest.previous_digest_s3_bucket != digest.digest_s3_bucket

    @property
    def hour(self) -> Hour:
        digest = escape_controls(digest_file_name(self.one.file.key))
        return Hour(*self.one.name[:3], self.start, self.end, *self.proof[:2], digest, self.proof.signed)

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """Plain name of a log file -> what this digest says of it."""
        logs = self.one.digest.log_files if self.one.digest else ()
        return _merged({plain_name(log.s3_object): self._verdict(log)} for log in logs)

    def _verdict(self, log: LoggedFile) -> Verdict:
        match self.proof.status:
            case "invalid":
                return Verdict("invalid", f"the digest that lists it is invalid: {self.proof.reason}")
            case "gap":
                return Verdict("gap", f"the digest that lists it cannot be checked: {self.proof.reason}")
        if log.hash_algorithm != HASH:
            return Verdict("invalid", f"its hash is a {sanitize(log.hash_algorithm)}, not a {HASH}")
        return Verdict("valid", "", frozenset((log.hash_value.lower(),)))


# ---- between two digests --------------------------------------------------------------------------------


def _between(later: _Link | None, earlier: _Link | None, window: DigestWindow) -> list[Hour]:
    """The stretch between two digests of a chain that are neighbours here, if something is missing there.

    Args:
        later: None for what follows the newest.
        earlier: None for what precedes the oldest.
        window: the time asked for.
    """
    start = earlier.end if earlier else window.start
    end = later.start if later else window.end
    if later and later.previous:
        return _lost(later, earlier, DigestWindow(start, end), window)
    one = later or earlier
    # Backfill digests come only where something was left out.
    if one is None or one.one.name.backfill or not (start and end and start < end):
        return []
    if later is None:
        reason = "no later digest: not written yet, or validation was turned off"
    elif later.proof.status == "invalid":
        reason = "no digest that can be trusted speaks of this time"
    else:
        reason = "no digest: validation or logging was off"
    return [Hour(*one.one.name[:3], start, end, "gap", reason)]


def _lost(later: _Link, earlier: _Link | None, between: DigestWindow, window: DigestWindow) -> list[Hour]:
    """The stretch of the digest that `later` names as the one before it, unless that is there or was not asked for."""
    due, name = later.previous, digest_name(later.previous)
    if earlier:
        if plain_name(earlier.one.file.key) == due:
            return []
    elif not window.start or (name and name.end < window.start):
        return []
    start, end = (shifted(name.end, -1), name.end) if name and name.backfill else between
    status: Status = "gap" if later.leaves_its_bucket else "invalid"
    bucket = later.one.digest.previous_digest_s3_bucket if later.one.digest else ""
    where = f"in another bucket, {sanitize(bucket)}" if later.leaves_its_bucket else "missing"
    reason = f"the digest before {later.start} is {where}: {escape_controls(due)}"
    return [Hour(*later.one.name[:3], start, end, status, reason)]


# ---- several digests ------------------------------------------------------------------------------------


def _by_name(item: tuple[tuple[DigestName, bytes], DigestFile]) -> tuple[DigestName, bytes]:
    return item[0]


def _merged(parts: Iterable[Mapping[str, Verdict]]) -> dict[str, Verdict]:
    whole: dict[str, Verdict] = {}
    for part in parts:
        for name, verdict in part.items():
            whole[name] = _better(whole[name], verdict) if name in whole else verdict
    return whole


def _better(one: Verdict, two: Verdict) -> Verdict:
    """What two digests say of the same log file: that of the one that proves something."""
    if one.status == two.status == "valid":
        return Verdict("valid", "", one.hashes | two.hashes)
    return min(one, two, key=lambda verdict: ("valid", "invalid", "gap").index(verdict.status))
